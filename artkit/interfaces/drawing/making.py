"""One generated picture or drawing, made and written: progress, Ctrl-C, what follows, the recipe in the file."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from artkit.catalog import Piece
from artkit.contract import Options, Recipe, Source, Step, WrongCall
from artkit.formats import paths
from artkit.generate.canvas import CanvasOptions
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

    def recipe(self, options: CanvasOptions, drawn: Sequence[CanvasOptions] = (), **more: Any) -> Recipe:
        """How this picture is made. drawn, more: every picture of a movie or a sheet, and what it is besides."""
        values = {"piece": self.piece.name, "then": [each.text for each in self.after], **values_of(options)}
        values |= self.saving.model_dump(mode="json") | (self.paper.model_dump(mode="json") if self.paper else {})
        styles = tuple(source for each in self.after for source in each.sources)
        return Recipe("generate", values | more, (*self.origin, *styles), method=method_of(drawn or [options]))


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


def method_of(drawn: Iterable[Options]) -> int:
    """The one of several pictures in a file: the newest that one of them is made by."""
    return max(options.recipe_method for options in drawn)


def values_of(options: CanvasOptions) -> dict[str, Any]:
    """Options as a recipe has them. Colors that were taken from a picture are written out."""
    values = options.model_dump(mode="json")
    if Path(options.palette).expanduser().is_file():
        values["palette"] = Palette.of(options.palette).hexes
    return values


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
        with all_or_nothing(target, progress):
            drawing = plan.piece.draw(options, plan.source)
            save_drawing(drawing, target, plan.paper, recipe=recipe, overwrite=plan.overwrite)
        return made_of(options, target, plan, begun, drawing.width, drawing.height)
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
            write(Picture.of(last.image), target, plan, None)
        said = f'"{target}" is the picture so far' if last is not None else "nothing is written"
        progress.warn(f"artkit: stopped; {said}")
        raise click.exceptions.Exit(130) from None
    write(picture, target, plan, recipe)
    return made_of(options, target, plan, begun, picture.width, picture.height)


@contextmanager
def all_or_nothing(target: Path, progress: Progress) -> Iterator[None]:
    """What has no picture so far to write: Ctrl-C says so and ends the command with code 130."""
    try:
        yield
    except KeyboardInterrupt:
        progress.warn(f'artkit: stopped; "{target}" is not written')
        raise click.exceptions.Exit(130) from None


def write(picture: Picture, target: Path, plan: Plan, recipe: Recipe | None) -> None:
    """To its file, or as PNG to stdout."""
    bits, quality = plan.saving.bits, plan.saving.quality
    if target != STDOUT:
        save(picture, target, bits=bits, quality=quality, recipe=recipe, overwrite=plan.overwrite)
        return
    buffer = io.BytesIO()
    save(picture, buffer, format="png", bits=bits, recipe=recipe)
    sys.stdout.buffer.write(buffer.getvalue())
    sys.stdout.buffer.flush()


def made_of(options: Options, target: Path, plan: Plan, begun: float, width: int, height: int) -> Made:
    """What has been written; begun: by time.monotonic()."""
    values = options.model_dump(mode="json")
    seconds = round(time.monotonic() - begun, 2)
    return Made(plan.piece.name, str(target), width, height, seconds, values["seed"], values)
