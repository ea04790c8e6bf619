"""A generated movie: every frame drawn anew where options move, the picture growing where none does."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from artkit.contract import Step
from artkit.generate.canvas import CanvasOptions
from artkit.generate.motion import Motion
from artkit.generate.motion import plan as motion_of
from artkit.image import Picture
from artkit.interfaces.drawing.making import Made, Plan, all_or_nothing, made_of
from artkit.interfaces.progress import Progress


@dataclass(frozen=True)
class Film:
    """What is filmed: frames in all, frames a second, and the ranges that options run through."""

    motion: Motion
    frames: int
    fps: float

    def told(self) -> dict[str, Any]:
        """As a recipe has it."""
        ranges = {name: list(way) for name, way in self.motion.stops.items()}
        return {"frames": self.frames, "fps": self.fps, "ranges": ranges}

    @classmethod
    def of(cls, told: Mapping[str, Any], model: type[CanvasOptions], fixed: Mapping[str, Any]) -> Film:
        """From a recipe; fixed: the options that do not move. WrongCall for one that cannot."""
        stops = {name: tuple(map(float, way)) for name, way in told["ranges"].items()}
        return cls(motion_of(model, fixed, stops, loops=False), int(told["frames"]), float(told["fps"]))


def make_movie(film: Film, fixed: Mapping[str, Any], target: Path, plan: Plan, progress: Progress) -> Made:
    """Draw it and write it. fixed: the options that were given and do not move."""
    from artkit.video.media import Writer

    begun = time.monotonic()
    scenes = list(film.motion.options(plan.piece.options, fixed, film.frames))
    first = scenes[0]
    if film.motion.stops:
        pictures = (last_of(plan.piece.run(options, plan.source)) for options in scenes)
    else:
        if "moments" in type(first).model_fields and "moments" not in fixed:
            first = first.model_copy(update={"moments": film.frames})
        pictures = _growing(first, plan, film.frames)
    progress.start(target.name)
    recipe = plan.recipe(first, scenes, movie=film.told()) if plan.metadata else None
    with all_or_nothing(target, progress), Writer(target, film.fps, recipe=recipe, overwrite=plan.overwrite) as writer:
        count = 0
        for count, step in enumerate(pictures, 1):
            writer.write(frame_of(step, first, plan))
            progress.step(replace(step, done=count, total=film.frames))
            plan.shown(step)
    return replace(made_of(first, target, plan, begun, *first.size), frames=count)


def frame_of(step: Step, options: CanvasOptions, plan: Plan) -> np.ndarray:
    """A step as a frame, (H, W, 3) uint8: at full size, which previews are not, and with what follows."""
    picture = Picture.of(step.image)
    if picture.size != tuple(options.size):
        picture = picture.resized(max(options.size))
    for each in plan.after:
        picture = each.of(picture)
    return np.asarray(picture.to_pil().convert("RGB"))


def _growing(options: CanvasOptions, plan: Plan, frames: int) -> Iterator[Step]:
    """`frames` steps of one run, spread evenly over its work; a step stands as long as the next one takes."""
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
