"""One photo painted and written: checkpoint, preview, numbered pictures, Ctrl-C, the recipe in the file."""

from __future__ import annotations

import contextlib
import glob
import io
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from artkit.contract import PictureError, Recipe, Source, Step, WrongCall
from artkit.image import Picture, check_target, load_recipe, save
from artkit.interfaces.jobs import Job
from artkit.interfaces.outputs import STDOUT, SaveOptions, checkpoint_of, numbered
from artkit.interfaces.progress import Progress, clock

SECONDS_BETWEEN_PREVIEWS = 1.0


@dataclass(frozen=True)
class Plan:
    """What is done to every photo of one call."""

    job: Job
    saving: SaveOptions
    save_every: int | None = None
    preview: Path | None = None
    resume: bool = False
    overwrite: bool = False
    metadata: bool = True

    def recipe(self, photo: Source) -> Recipe:
        """How the picture of `photo` is made."""
        options = self.job.options.model_dump(mode="json") | self.saving.model_dump(mode="json")
        return Recipe(self.job.technique, options, (photo, *self.job.sources), method=self.job.options.recipe_method)


@dataclass(frozen=True)
class Painted:
    """A finished picture, as --json shows it."""

    photo: str
    output: str
    width: int
    height: int
    seconds: float
    seed: int | None  # a style network has none
    figures: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        return f"{self.output}  {self.width}×{self.height}  {clock(self.seconds)}"


def check(target: Path, plan: Plan, photo: Source) -> bool:
    """Whether there is anything to do for `target`; errors that would otherwise come after the work come now."""
    if target == STDOUT:
        _check_stdout(plan)
        return True
    unfinished = checkpoint_of(target).exists()
    if unfinished and not (plan.resume or plan.overwrite):
        raise PictureError(f'"{target}" has an unfinished run; --resume goes on with it, --overwrite starts anew')
    if plan.resume and not unfinished and _is_made_by(plan.recipe(photo), target):
        return False
    may_overwrite = plan.overwrite or (plan.resume and unfinished)
    check_target(target, may_overwrite, longest=plan.job.options.size, bits=plan.saving.bits)
    if plan.preview is not None:
        if plan.preview.resolve() == target.resolve():
            raise WrongCall(f'--preview and the result are both "{target}"; give the preview a name of its own')
        check_target(plan.preview, may_overwrite)
    if plan.save_every and not may_overwrite and (found := _numbered(target)):
        raise PictureError(f'"{found[0]}" exists already; choose another output or allow it with --overwrite')
    return True


def paint(photo: Picture, source: Source, target: Path, plan: Plan, shown: Progress) -> Painted:
    """Paint `photo` into `target`. On Ctrl-C the picture so far is written and the command ends with code 130."""
    begun = time.monotonic()
    checkpoint = None if target == STDOUT else checkpoint_of(target)
    unfinished = checkpoint is not None and checkpoint.exists()
    if plan.resume and not unfinished and plan.job.lasts:
        shown.say(f"{target}: nothing to resume, starting from the beginning")
    elif checkpoint is not None and not plan.resume:
        checkpoint.unlink(missing_ok=True)
    replace = plan.overwrite or (plan.resume and unfinished)  # `check` has seen to what else may be in the way
    recipe = plan.recipe(source) if plan.metadata else None
    album = _Album(photo, target, plan)
    shown.start(photo.name or source.path)
    last: Step | None = None
    try:
        with contextlib.closing(plan.job.steps(photo, checkpoint, plan.resume)) as steps:
            for last in steps:
                shown.step(last)
                album.add(last)
                if target != STDOUT and last.done >= last.total:
                    # Before the optimizer is asked for more: at its end it removes the checkpoint, and a picture that
                    # cannot be written (a full disk) must not be lost with it.
                    _write(Picture.of(last.image, like=photo), target, plan.saving, replace, recipe)
                    replace = True
        assert last is not None, "the optimizer gives at least one step"
        picture = Picture.of(last.image, like=photo)
        if target == STDOUT:
            _write(picture, target, plan.saving, replace, recipe)
    except KeyboardInterrupt:
        shown.warn(_stopped(last, photo, target, plan.saving, replace))
        raise click.exceptions.Exit(130) from None
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    seconds = round(time.monotonic() - begun, 2)
    figures = dict(last.figures)
    return Painted(
        source.path,
        str(target),
        picture.width,
        picture.height,
        seconds,
        plan.job.seed,
        figures,
    )


class _Album:
    """The preview and the numbered pictures of a run, written as its steps pass."""

    def __init__(self, photo: Picture, target: Path, plan: Plan) -> None:
        self._photo, self._target, self._plan = photo, target, plan
        self._previewed = -SECONDS_BETWEEN_PREVIEWS
        self._numbered = 0

    def add(self, step: Step) -> None:
        now = time.monotonic()
        preview, every = self._plan.preview, self._plan.save_every
        if preview and (step.done >= step.total or now - self._previewed >= SECONDS_BETWEEN_PREVIEWS):
            save(Picture.of(step.image, like=self._photo), preview, overwrite=True)
            self._previewed = now
        count = int(step.figures.get("iterations", 0))
        if every and count % every == 0 and count != self._numbered:  # the finished picture is no iteration of its own
            save(Picture.of(step.image, like=self._photo), numbered(self._target, count), overwrite=True)
            self._numbered = count


def _write(picture: Picture, target: Path, saving: SaveOptions, replace: bool, recipe: Recipe | None) -> None:
    if target != STDOUT:
        save(picture, target, bits=saving.bits, quality=saving.quality, recipe=recipe, overwrite=replace)
        return
    buffer = io.BytesIO()
    save(picture, buffer, format="png", bits=saving.bits, recipe=recipe)
    sys.stdout.buffer.write(buffer.getvalue())
    sys.stdout.buffer.flush()


def _stopped(last: Step | None, photo: Picture, target: Path, saving: SaveOptions, replace: bool) -> str:
    """Write what there is after Ctrl-C; the line that says so, and how to go on."""
    if last is None:
        return "artkit: stopped before the first iteration; nothing is written"
    _write(Picture.of(last.image, like=photo), target, saving, replace, recipe=None)
    done = f"artkit: stopped at {100 * last.done // max(last.total, 1)} %"
    if target == STDOUT:
        return f"{done}; the picture so far is written"
    how = "--resume goes on" if checkpoint_of(target).exists() else "--overwrite starts again"
    return f'{done}; "{target}" is the picture so far, the same command with {how}'


def _check_stdout(plan: Plan) -> None:
    if sys.stdout.isatty():
        raise WrongCall("a picture on the terminal would be unreadable; give -o FILE, or send it on with > or |")
    if plan.save_every or plan.resume:
        raise WrongCall("--save-every and --resume need a file to work with; give -o FILE in place of -o -")


def _is_made_by(recipe: Recipe, target: Path) -> bool:
    with contextlib.suppress(PictureError):
        return target.exists() and load_recipe(target) == recipe
    return False


def _numbered(target: Path) -> list[Path]:
    """The numbered pictures of `target` that exist, in order."""
    return sorted(target.parent.glob(f"{glob.escape(target.stem)}_[0-9][0-9][0-9][0-9]{target.suffix}"))
