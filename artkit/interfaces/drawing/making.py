"""One generated picture, movie or drawing, made and written: progress, Ctrl-C, what follows, the recipe in the file."""

from __future__ import annotations

import io
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from artkit.catalog import Piece
from artkit.contract import Options, Recipe, Source, Step, WrongCall
from artkit.formats import paths
from artkit.generate.canvas import CanvasOptions
from artkit.generate.motion import Motion
from artkit.generate.palettes import Palette
from artkit.generate.plotter import PaperOptions, save_drawing
from artkit.image import Picture, check_target, save
from artkit.interfaces.drawing.follow_up import FollowUp
from artkit.interfaces.outputs import STDOUT, SaveOptions
from artkit.interfaces.progress import Progress, clock

MOVIES = (".mp4", ".m4v", ".mov", ".mkv", ".gif", ".apng")  # endings that nothing else has


@dataclass(frozen=True)
class Plan:
    """What is the same for every picture of one call.

    shown: sees every step. source, origin: the picture to follow, and its file.
    """

    piece: Piece
    saving: SaveOptions
    source: Picture | None = None
    origin: tuple[Source, ...] = ()
    after: tuple[FollowUp, ...] = ()
    paper: PaperOptions | None = None
    overwrite: bool = False
    metadata: bool = True
    shown: Callable[[Step], None] = lambda step: None

    def recipe(self, options: CanvasOptions) -> Recipe:
        """How this picture is made. Colors that were taken from a picture are written out."""
        values = options.model_dump(mode="json")
        if Path(options.palette).expanduser().is_file():
            values["palette"] = Palette.of(options.palette).hexes
        values = {"piece": self.piece.name, "then": [each.text for each in self.after], **values}
        values |= self.saving.model_dump(mode="json") | (self.paper.model_dump(mode="json") if self.paper else {})
        styles = tuple(source for each in self.after for source in each.sources)
        return Recipe("generate", values, (*self.origin, *styles))


@dataclass(frozen=True)
class Made:
    """A finished file, as --json shows it."""

    piece: str
    output: str
    width: int
    height: int
    seconds: float
    seed: int
    options: dict[str, Any]
    frames: int = 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        frames = f", {self.frames} frames" if self.frames > 1 else ""
        return f"{self.output}  {self.width}×{self.height}{frames}  {clock(self.seconds)}"


def is_movie(target: str | Path) -> bool:
    """Whether the ending says so; .webp and .png may be either."""
    return Path(target).suffix.lower() in MOVIES


def check(target: Path, plan: Plan, options: CanvasOptions, fps: float | None) -> None:
    """What would stop the writing of `target`, found before the work. fps: of a movie."""
    if target == STDOUT:
        if sys.stdout.isatty():
            raise WrongCall("a picture on the terminal would be unreadable; give -o FILE, or send it on with > or |")
    elif fps is not None:
        from artkit.video.media import check_film

        check_film(target, fps, plan.overwrite)
    elif target.suffix.lower() == ".svg":
        if not plan.piece.lines:
            raise WrongCall(f"{plan.piece.name} has no strokes to write as SVG; artkit generate --list shows what has")
        if plan.after:
            raise WrongCall("--then makes a picture of pixels, which an SVG does not hold; choose a .png")
        paths.check_place(target, plan.overwrite)
    else:
        check_target(target, plan.overwrite, longest=max(options.size), bits=plan.saving.bits)


def make_picture(options: CanvasOptions, target: Path, plan: Plan, progress: Progress) -> Made:
    """Draw it and write it. On Ctrl-C the picture so far is written and the command ends with code 130."""
    begun = time.monotonic()
    recipe = plan.recipe(options) if plan.metadata else None
    progress.start(target.name if target != STDOUT else plan.piece.name)
    if target.suffix.lower() == ".svg":
        with _all_or_nothing(target, progress):
            drawing = plan.piece.draw(options, plan.source)
            save_drawing(drawing, target, plan.paper, recipe=recipe, overwrite=plan.overwrite)
        return _made(options, target, plan, begun, drawing.width, drawing.height)
    last: Step | None = None
    try:
        for last in plan.piece.run(options, plan.source):
            progress.step(last)
            plan.shown(last)
        assert last is not None, "a piece gives at least one step"
        picture = Picture.of(last.image)
        for each in plan.after:
            picture = each.of(picture)
    except KeyboardInterrupt:
        if last is not None:
            _write(Picture.of(last.image), target, plan, None)
        said = f'"{target}" is the picture so far' if last is not None else "nothing is written"
        progress.warn(f"artkit: stopped; {said}")
        raise click.exceptions.Exit(130) from None
    _write(picture, target, plan, recipe)
    return _made(options, target, plan, begun, picture.width, picture.height)


@contextmanager
def _all_or_nothing(target: Path, progress: Progress) -> Iterator[None]:
    """What has no picture so far to write: Ctrl-C says so and ends the command with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        progress.warn(f'artkit: stopped; "{target}" is not written')
        raise click.exceptions.Exit(130) from None


def _write(picture: Picture, target: Path, plan: Plan, recipe: Recipe | None) -> None:
    bits, quality = plan.saving.bits, plan.saving.quality
    if target != STDOUT:
        save(picture, target, bits=bits, quality=quality, recipe=recipe, overwrite=plan.overwrite)
        return
    buffer = io.BytesIO()
    save(picture, buffer, format="png", bits=bits, recipe=recipe)
    sys.stdout.buffer.write(buffer.getvalue())
    sys.stdout.buffer.flush()


def make_movie(
    motion: Motion,
    fixed: dict[str, Any],
    target: Path,
    plan: Plan,
    progress: Progress,
    frames: int,
    fps: float,
) -> Made:
    """A movie: every frame drawn anew where options move, the picture growing where none does."""
    from artkit.video.media import Writer

    begun = time.monotonic()
    model = plan.piece.options
    scenes = list(motion.options(model, fixed, frames))
    first = scenes[0]
    progress.start(target.name)
    if motion.stops:
        pictures = (last_of(plan.piece.run(options, plan.source)) for options in scenes)
    else:
        pictures = _growing(first, fixed, plan, frames)
    with _all_or_nothing(target, progress), Writer(target, fps, overwrite=plan.overwrite) as writer:
        count = 0
        for count, step in enumerate(pictures, 1):
            picture = Picture.of(step.image)
            if picture.size != tuple(first.size):
                picture = picture.resized(max(first.size))
            for each in plan.after:
                picture = each.of(picture)
            writer.write(np.asarray(picture.to_pil().convert("RGB")))
            progress.step(replace(step, done=count, total=frames))
            plan.shown(step)
    return replace(_made(first, target, plan, begun, *first.size), frames=count)


def _growing(options: CanvasOptions, fixed: dict[str, Any], plan: Plan, frames: int) -> Iterator[Step]:
    """`frames` steps of one run, spread evenly over its work; a step stands as long as the next one takes."""
    if "moments" in type(options).model_fields and "moments" not in fixed:
        options = options.model_copy(update={"moments": frames})
    given, last = 0, None
    for last in plan.piece.run(options, plan.source):
        due = round(frames * last.done / max(last.total, 1))
        yield from [last] * (due - given)
        given = max(given, due)
    if last is not None:
        yield from [last] * (frames - given)


def last_of(steps: Iterator[Step]) -> Step:
    """The finished picture's step; the others are dropped as they come."""
    return deque(steps, maxlen=1).pop()


def make_sheet(
    variants: Sequence[CanvasOptions], captions: Sequence[str], target: Path, plan: Plan, progress: Progress, edge: int
) -> Made:
    """All variants on one contact sheet, `edge` pixels the longest edge of each."""
    from artkit.stylize.sheet import contact_sheet

    begun = time.monotonic()
    cells: list[tuple[str, Picture]] = []
    progress.start(target.name)
    with _all_or_nothing(target, progress):
        for caption, options in zip(captions, variants, strict=True):
            step = last_of(plan.piece.run(options, plan.source))
            picture = Picture.of(step.image)
            for each in plan.after:
                picture = each.of(picture)
            cells.append((caption, picture.resized(edge)))
            shown = replace(step, done=len(cells), total=len(variants))
            progress.step(shown)
            plan.shown(shown)
        sheet = contact_sheet(cells, edge)
        _write(sheet, target, plan, None)
    return _made(variants[0], target, plan, begun, sheet.width, sheet.height)


def _made(options: Options, target: Path, plan: Plan, begun: float, width: int, height: int) -> Made:
    values = options.model_dump(mode="json")
    seconds = round(time.monotonic() - begun, 2)
    return Made(plan.piece.name, str(target), width, height, seconds, values["seed"], values)
