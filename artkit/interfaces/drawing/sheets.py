"""Several generated pictures on one contact sheet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from artkit.generate.canvas import CanvasOptions
from artkit.image import Picture
from artkit.interfaces.drawing.making import Made, Plan, all_or_nothing, made_of, values_of, write
from artkit.interfaces.drawing.movies import last_of
from artkit.interfaces.progress import Progress

CELL = 256  # pixels of a picture's longest edge


def make_sheet(variants: Sequence[CanvasOptions], target: Path, plan: Plan, progress: Progress) -> Made:
    """Draw them all, each with its seed under it, and write the sheet."""
    from artkit.stylize.sheet import contact_sheet

    begun = time.monotonic()
    cells: list[tuple[str, Picture]] = []
    progress.start(target.name)
    with all_or_nothing(target, progress):
        for options in variants:
            step = last_of(plan.piece.run(options, plan.source))
            picture = Picture.of(step.image)
            for each in plan.after:
                picture = each.of(picture)
            cells.append((f"{plan.piece.name} {options.seed}", picture.resized(CELL)))
            shown = replace(step, done=len(cells), total=len(variants))
            progress.step(shown)
            plan.shown(shown)
        sheet = contact_sheet(cells, CELL)
        recipe = plan.recipe(variants[0], variants, sheet=told(variants)) if plan.metadata else None
        write(sheet, target, plan, recipe)
    return made_of(variants[0], target, plan, begun, sheet.width, sheet.height)


def told(variants: Sequence[CanvasOptions]) -> list[dict[str, Any]]:
    """The pictures as a recipe has them: of each, the options in which they differ."""
    values = [values_of(options) for options in variants]
    differ = [name for name in values[0] if any(each[name] != values[0][name] for each in values)] or ["seed"]
    return [{name: each[name] for name in differ} for each in values]


def variants_of(
    told: Sequence[Mapping[str, Any]], model: type[CanvasOptions], values: Mapping[str, Any]
) -> list[CanvasOptions]:
    """From a recipe: the options of each. WrongCall for one that is not known here."""
    return [model.checked({**values, **each}) for each in told]
