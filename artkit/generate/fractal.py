"""Fractals of escaping points: Mandelbrot, Julia and Burning Ship sets with relief, and the basins of Newton's method.

Mandelbrot pictures go as deep as 10^60 by perturbation (see deep.py). Distances to the set are |z| log|z| / |dz/dc|,
and the direction of z / (dz/dc) is the slope that light falls on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import artkit.device as device

import mlx.core as mx
import numpy as np
from pydantic import Field, field_validator, model_validator

from artkit.contract import Step
from artkit.generate import canvas
from artkit.generate.canvas import CanvasOptions
from artkit.generate.escape import Orbits
from artkit.generate.palettes import Palette
from artkit.generate.relief import Shade
from artkit.generate.views import DEEP_TILE, TILE, View
from artkit.image import resize

DEEPEST = {"mandelbrot": 60.0, "julia": 3.5, "ship": 3.5, "newton": 3.5}
SMALL = 2**16  # pixels of a canvas that needs no preview


class FractalOptions(CanvasOptions):
    """A place in a fractal, and how it is painted."""

    supersample: int = Field(default=2, ge=1, le=4, description="Drawn this many times larger, then averaged down")
    formula: Literal["mandelbrot", "julia", "ship", "newton"] = Field(
        default="mandelbrot", description="z² + c by pixel, z² + c by start, Burning Ship, or Newton's method"
    )
    power: int = Field(default=2, ge=2, le=8, description="The exponent of z; newton: the number of roots, from 3")
    center: str = Field(default="", description="Middle, such as -0.745,0.113, of any length; else the seed finds it")
    zoom: float | None = Field(
        default=None, ge=-1, le=60, description="Magnification as a power of ten: 0 the whole set, 13 is 10^13"
    )
    angle: float = Field(
        default=0.0, ge=-360, le=360, description="Turned by, degrees", json_schema_extra={"period": 360}
    )
    constant: str = Field(default="", description="c of a Julia set, such as -0.8,0.156; else the seed finds it")
    limit: int = Field(default=0, ge=0, le=1_000_000, description="Iterations at most (0: as many as it needs)")
    coloring: Literal["relief", "smooth", "distance", "trap"] = Field(
        default="relief",
        description="Lit from the side (newton: at rims), plain, by the distance to the set, or by an orbit trap",
    )
    trap: Literal["point", "cross", "circle"] = Field(default="cross", description="What orbits are trapped by")
    turns: float = Field(default=2.0, ge=0.1, le=50, description="Times through the palette and back")
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in the palette it begins; 0 and 1 are the same")

    @property
    def recipe_method(self) -> int:
        """2 for Newton's method by a coloring of one's own, in place of which all were drawn in relief."""
        return 2 if self.formula == "newton" and self.coloring != "relief" else 1

    @field_validator("center", "constant")
    @classmethod
    def _is_point(cls, words: str) -> str:
        if words and not re.fullmatch(r"\s*[-+]?\d*\.?\d+(e[-+]?\d+)?\s*,\s*[-+]?\d*\.?\d+(e[-+]?\d+)?\s*", words):
            raise ValueError("should be two numbers with a comma between, such as -0.745,0.113")
        return words

    @model_validator(mode="after")
    def _not_too_deep(self) -> FractalOptions:
        deepest = DEEPEST[self.formula] if self.power == 2 else 3.5
        if self.zoom is not None and self.zoom > deepest:
            raise ValueError(f"this formula goes to zoom {deepest:g}; only mandelbrot of power 2 goes deeper")
        return self


def fractal_steps(options: FractalOptions) -> Iterator[Step]:
    """A coarse preview, then the picture from the top down."""
    if options.formula == "newton":
        from artkit.generate.newton import newton_steps

        yield from newton_steps(options)
        return
    canvas.check_memory(options, canvas.FINISHED_BYTES)
    view, palette = View.of(options), Palette.of(options.palette)
    factor = options.supersample
    width, height = options.width * factor, options.height * factor
    small = max(1, min(options.size) // 96)
    preview = (max(1, options.width // small), max(1, options.height // small))
    if width * height <= SMALL:
        preview = width, height
    coarse, limit = _survey(view, preview, options.limit)
    shade = Shade.of(coarse, view, options, palette)
    if preview == (width, height):
        whole = canvas.average_down(shade(coarse, preview, factor), factor)
        yield _step(np.asarray(canvas.dither(whole, options.seed)), 1, 1, iterations=limit)
        return
    first = np.asarray(shade(coarse, preview, 1))
    picture = np.clip(resize(first, options.height, options.width), 0, 1).astype(np.float32)
    points = DEEP_TILE if view.deep else TILE[device.uses_gpu()]
    rows = max(1, points // width // factor) * factor
    bands = [(top, min(top + rows, height)) for top in range(0, height, rows)]
    yield _step(picture, 0, len(bands))
    shown = 0
    for done, ((top, bottom), orbits) in enumerate(view.orbits(width, height, bands, limit), 1):
        band = canvas.average_down(shade(orbits, (width, bottom - top), factor), factor)
        picture[top // factor : bottom // factor] = np.asarray(canvas.dither(band, options.seed + top))
        if done == len(bands) or done - shown >= len(bands) / 16:
            shown = done
            yield _step(picture, done, len(bands), iterations=limit)


def _step(picture: np.ndarray, done: int, total: int, **figures: float) -> Step:
    image = mx.array(picture[None])
    mx.eval(image)
    return Step(image, done, total, figures)


def _survey(view: View, size: tuple[int, int], limit: int) -> tuple[Orbits, int]:
    """The points of a small canvas, and how many iterations are enough for nearly all that leave at all."""
    if limit:
        _, orbits = next(view.orbits(*size, [(0, size[1])], limit))
        return orbits, limit
    orbits, limit = view.surveyed(*size)
    counts = np.asarray(orbits.count)
    counts = counts[counts > 0]
    return orbits, min(limit, int(np.quantile(counts, 0.998) * 1.5) + 100) if len(counts) else 200
