"""`artkit live`: a camera, a video, a folder of pictures or a stream, in a style while it runs."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from artkit.contract import WrongCall
from artkit.interfaces.forms import checked, flags, given
from artkit.live.options import LiveOptions, Network

if TYPE_CHECKING:
    from artkit.interfaces.live.session import Sink
    from artkit.interfaces.live.sinks import Recorder
    from artkit.live.sources import Source

LARGEST = 4096  # what a file is drawn at, at most, where nobody waits for it
CAMERA_EDGE = {True: 1280, False: 640}  # what a camera is asked for, with a GPU and without, pixels


@click.command()
@click.option(
    "-s",
    "--style",
    "styles",
    type=click.Path(),
    multiple=True,
    default=("starry",),
    show_default=True,
    metavar="NAME|FILE",
    help="Name of a style, or a picture to paint like; several are mixed, see --style-weight",
)
@click.option(
    "--source",
    default="0",
    show_default=True,
    metavar="WHAT",
    help="Number of a camera, a video, a folder of pictures, or the address of a stream",
)
@click.option("--light", "plan", flag_value="light", help="Draw with the quick light network")
@click.option("--full", "plan", flag_value="full", help="Draw with the full network")
@click.option("--auto", "plan", flag_value="auto", help="Draw with the better network that keeps up  [default]")
@flags(LiveOptions, besides=Network)
@click.option(
    "--hold", type=click.FloatRange(0, 3600), default=0, metavar="SECONDS", help="How long a folder's pictures stay"
)
@click.option("--loop", is_flag=True, help="From the beginning again when the video or folder ends")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Record to an .mp4, .gif or .webp"
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists")
@click.option("--no-window", is_flag=True, help="Without a screen: every frame of a file, as fast as it goes")
@click.option("--virtual-camera", is_flag=True, help="Be a camera for video calls; pip install pyvirtualcam")
@click.option("--frames", "count", type=click.IntRange(min=1), metavar="N", help="Stop after N frames")
@click.option("--json", "as_json", is_flag=True, help="Print fps, latency_ms, frames and dropped as JSON at the end")
def live(
    styles: tuple[str, ...],
    source: str,
    plan: Literal["auto", "full", "light"] | None,
    hold: float,
    loop: bool,
    output: Path | None,
    overwrite: bool,
    no_window: bool,
    virtual_camera: bool,
    count: int | None,
    as_json: bool,
    **params: Any,
) -> None:
    """Paint what a camera sees, while it sees it.

    Press h in the window for its keys: styles, strength, mixing, stroke size, split view, snapshot, recording.

    \b
    artkit live --style starry
    artkit live --style wave --style mosaic --source holiday.mp4
    artkit live --style wave --source holiday.mp4 --no-window -o painted.mp4
    """
    values = given(LiveOptions, params) | ({"plan": plan} if plan else {})
    options = checked(LiveOptions, values)
    if no_window and not (output or virtual_camera or count or as_json):
        raise WrongCall("--no-window shows nothing: give -o FILE.mp4 or --virtual-camera as well")
    if no_window and loop and not count:
        raise WrongCall("--loop without a window never ends; give --frames N")
    if not no_window:
        from artkit.interfaces.live.window import check_display

        check_display()

    from artkit.interfaces.live.session import Session
    from artkit.live.look import Look, check
    from artkit.live.restyler import Restyler
    from artkit.live.sources import open_source
    from artkit.stylize import gallery
    from artkit.video.media import check_film

    looks = [style if gallery.is_named(style) else gallery.find(style) for style in styles]
    check(Look(tuple(looks), options))
    if output:
        check_film(output, options.fps, overwrite)
    with ExitStack() as held:
        sinks: list[Sink] = _cameras(held, virtual_camera, options)
        opened = held.enter_context(
            open_source(source, longest=_camera_edge(options), fps=options.fps, hold=hold, loop=loop)
        )
        every = no_window and not opened.live
        if every and not {"size", "fps"} & values.keys():
            options = options.model_copy(update={"size": LARGEST})
        if output:
            sinks.append(held.enter_context(_recorder(output, opened, every, options, overwrite)))
        session = Session(opened, Restyler(looks, options), sinks, every=every, count=count)
        session.run(window=not no_window)
    told = session.told()
    if output:
        click.echo(f"{output}  {told}", err=as_json)
    else:
        click.echo(told, err=True)
    if as_json:
        click.echo(json.dumps(session.figures()))
    if session.stopped:
        raise click.exceptions.Exit(130)


def _cameras(held: ExitStack, virtual_camera: bool, options: LiveOptions) -> list[Sink]:
    """WrongCall: it takes a package that is not installed."""
    if not virtual_camera:
        return []
    from artkit.interfaces.live.sinks import VirtualCamera

    return [held.enter_context(VirtualCamera(options.fps))]


def _recorder(output: Path, source: Source, every: bool, options: LiveOptions, overwrite: bool) -> Recorder:
    from artkit.interfaces.live.sinks import Recorder

    fps = source.fps or options.fps
    return Recorder(output, fps, steady=every, sound=source.sound if every else None, overwrite=overwrite)


def _camera_edge(options: LiveOptions) -> int:
    from artkit.device import uses_gpu

    return options.size or CAMERA_EDGE[uses_gpu()]
