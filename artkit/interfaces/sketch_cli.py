"""`artkit sketch my.py`: a sketch of one's own, drawn like a piece of the catalog, and again whenever it is saved."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from artkit.contract import WrongCall

SECONDS_BETWEEN_LOOKS = 0.3
OWN_FLAGS = ("--watch", "--no-watch", "--help", "--debug")  # besides those of a piece


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def sketch(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Draw a sketch of your own: artkit sketch my.py --help shows its options.

    FILE has a function with @artkit.sketch before it; its arguments are the options.
    """
    words = list(arguments)
    if not words or words[0] in ("-h", "--help"):
        click.echo(
            "Usage: artkit sketch FILE.py [OPTIONS]\n\n"
            "  Draw a sketch of your own. FILE.py has a function with @artkit.sketch before it:\n\n"
            "    import artkit\n\n"
            "    @artkit.sketch\n"
            "    def rings(canvas, t, count: int = 20):\n"
            "        for i in range(count):\n"
            "            canvas.circle(0, 0, (i + t) / count)\n\n"
            "  Its arguments are the options: artkit sketch FILE.py --help shows them. With --watch it is drawn\n"
            "  again whenever FILE.py is saved, as it is by itself on a terminal when nothing else is asked for.\n"
            "  --seeds, --random, --frames and the others are those of artkit generate."
        )
        return
    if words[0].startswith("-"):
        raise WrongCall(f"the sketch comes first: artkit sketch my.py {' '.join(words)}")
    path, rest = Path(words[0]), words[1:]
    watching = "--watch" in rest or (not {*rest} - {"--overwrite"} and sys.stdout.isatty())
    rest = [word for word in rest if word not in ("--watch", "--no-watch")]
    if not watching or {"-h", "--help"} & {*rest}:
        _draw(path, rest, ctx)
        return
    _watch(path, rest, ctx)


def _draw(path: Path, rest: list[str], ctx: click.Context, **more: Any) -> None:
    """Load the file and do what the command of a piece does. SketchError: an argument whose flag there is already."""
    from artkit.generate.sketch import SketchError, load_sketch
    from artkit.interfaces.generate_cli import command_of
    from artkit.interfaces.inputs import sources_of

    piece = load_sketch(path).piece
    command = command_of(piece, origin=sources_of("sketch", [path]), **more)
    known = [*OWN_FLAGS, *(flag for parameter in command.params for flag in parameter.opts)]
    if twice := [flag for flag in known if known.count(flag) > 1]:
        raise SketchError(f'{path.name}: the argument "{twice[0].lstrip("-")}" has the name of another flag; rename it')
    words = list(rest)  # click empties the list that it is given
    with command.make_context(
        f"sketch {path.name}", words, parent=ctx.parent, help_option_names=["-h", "--help"]
    ) as inner:
        command.invoke(inner)


def _watch(path: Path, rest: list[str], ctx: click.Context) -> None:
    """Draw it now and whenever the file changes, until Ctrl-C; mistakes are told and the next version is waited for."""
    from artkit.generate.sketch import SketchError

    replace = False
    try:
        while True:
            seen = _changed(path)
            try:
                _draw(path, rest, ctx, replace=replace)
                replace = True  # what was drawn a moment ago may be drawn over
            except SketchError as error:
                click.echo(f"artkit: {error}", err=True)
            click.echo(f"watching {path}, Ctrl-C ends", err=True)
            while _changed(path) == seen:
                time.sleep(SECONDS_BETWEEN_LOOKS)
    except KeyboardInterrupt:
        return


def _changed(path: Path) -> tuple[int, int]:
    """When the file was written, and its size; zeros while an editor replaces it."""
    try:
        facts = path.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size
