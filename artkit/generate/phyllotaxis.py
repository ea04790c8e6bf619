"""Phyllotaxis: the florets of a sunflower, the n-th at the angle n·137.5° and the radius c·nᵍ.

Vogel 1979, "A better way to construct the sunflower head", has g = 1/2, equally dense everywhere; more opens it.
Every floret has the area 2πg·n²ᵍ⁻¹c² to itself, and is drawn in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from artkit.contract import Step
from artkit.generate.lineart import LineOptions, drawing_of, grown, pens_of
from artkit.generate.palettes import Palette
from artkit.generate.strokes import Drawing, Stroke
from artkit.generate.tones import Tones
from artkit.image import Picture

GOLDEN = 180 * (3 - 5**0.5)  # degrees, 137.5…
OUTLINE = 20  # points on each side of a petal
GAP = 2.6  # from one line to the next inside a floret, in widths of the line


class PhyllotaxisOptions(LineOptions):
    """Florets of a sunflower."""

    palette: str = Field(default="terracotta", description="Name, a picture file to take colors from, or #hex,#hex,…")
    line: float = Field(default=1.4, ge=0.2, le=60, description="Width of lines, thousandths of the shorter edge")
    count: int = Field(default=700, ge=1, le=50_000, description="Number of florets")
    angle: float = Field(
        default=GOLDEN,
        ge=0,
        le=360,
        description="Between one floret and the next, degrees",
        json_schema_extra={"surprise": [GOLDEN, GOLDEN, 99.502, 151.136, 77.955, 137.3, 222.49], "period": 360},
    )
    growth: float = Field(default=0.6, ge=0.3, le=2, description="Exponent of the radius: 0.5 is equally dense")
    mark: Literal["petal", "seed", "ring"] = Field(default="petal", description="What a floret looks like")
    fill: float = Field(default=1.0, ge=0.1, le=3, description="Size of a floret in the place that it has")
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in its loop it stands: florets grow outwards")


def places(options: PhyllotaxisOptions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Radius (N,), angle (N,) and diameter (N,) of every floret; the outermost is at about 1.

    With phase 1 each is where the next one was; the innermost and the outermost have come from and gone to nothing.
    """
    n = np.arange(options.count) + options.phase
    alive = np.clip(n, 0, 1) * np.clip(options.count - n, 0, 1)
    radius = (n / options.count) ** options.growth
    own = np.sqrt(2 * np.pi * options.growth * np.maximum(n, 0.5) ** (2 * options.growth - 1))
    return radius, np.radians(options.angle) * n, alive * own / options.count**options.growth


def phyllotaxis_drawing(options: PhyllotaxisOptions, source: Picture | None = None) -> Drawing:
    """A stroke or a few for each floret; with a photo they are as large as it differs from the paper."""
    palette = Palette.of(options.palette)
    colors = pens_of(palette, options.pens)
    rng = np.random.default_rng(options.seed)
    radius, angle, diameter = places(options)
    angle += rng.uniform(0, 2 * np.pi)
    tint = _tints(radius, angle, rng)
    size = np.array(options.size, np.float64)
    reach = (0.5 - options.border) * options.unit / (1 + 0.5 * float(diameter.max()))
    if source is not None:
        reach *= float(np.hypot(*size)) / options.unit  # florets all over the sheet
    middle = size / 2 + reach * radius[:, None] * np.stack([np.cos(angle), -np.sin(angle)], axis=1)
    diameter = options.fill * reach * diameter
    if source is not None:
        left, top, right, bottom = options.frame
        inside = ((middle >= (left, top)) & (middle <= (right, bottom))).all(axis=1)
        middle, diameter, angle = middle[inside], diameter[inside], angle[inside]
        tones = Tones.covering(source, options.frame)
        light = tones.at(tones.lightness(options.unit / 300), middle)
        dark_paper = palette.background.mean() < 0.5
        diameter = diameter * (0.12 + 0.88 * np.sqrt(light if dark_paper else 1 - light))
        tint = light
    pen = np.minimum((tint * len(colors)).astype(int), len(colors) - 1)
    strokes = []
    for at, wide, towards, color in zip(middle, diameter, angle, colors[pen], strict=True):
        if wide > 0:
            strokes += [Stroke(line, color, width) for line, width in _floret(at, wide, towards, options)]
    return drawing_of(options, strokes)


def _tints(radius: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where along the palette, (N,) 0..1: from the middle outwards, in waves that turn with the angle."""
    waves, arms = rng.uniform(0.6, 1.9), rng.integers(0, 4)
    turned = arms * angle - 2 * np.pi * waves * radius
    return 0.5 - 0.5 * np.cos(turned + rng.uniform(0, 2 * np.pi) * (arms > 0))


def _floret(at: np.ndarray, wide: float, towards: float, options: PhyllotaxisOptions) -> list[tuple[np.ndarray, float]]:
    """Lines in pixels with their widths: a dot, or outlines one in the other."""
    if options.mark == "seed":
        return [(at[None], 0.92 * wide)]
    line = options.line_width
    lines = []
    nested = np.arange(max(1, int(0.5 * wide / (GAP * line))))
    for inset in nested * 2 * GAP * line:
        share = 1 - inset / wide
        lines.append((_petal(at, wide, towards, share) if options.mark == "petal" else _ring(at, wide - inset), line))
    return lines


def _petal(at: np.ndarray, wide: float, towards: float, share: float) -> np.ndarray:
    """A leaf whose tip points outwards; smaller shares of it have the same tip."""
    t = np.linspace(0, 1, OUTLINE + 1)
    along = 1.75 * wide * (t - 0.42)
    across = 0.46 * wide * share * np.sin(np.pi * t**0.8) ** 1.15
    leaf = np.concatenate([np.stack([along, across], 1), np.stack([along, -across], 1)[-2::-1]])
    leaf[-1] = leaf[0]
    out, side = np.array([np.cos(towards), -np.sin(towards)]), np.array([np.sin(towards), np.cos(towards)])
    return at + leaf[:, :1] * out + leaf[:, 1:] * side


def _ring(at: np.ndarray, wide: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 2 * OUTLINE + 1)
    circle = at + 0.46 * max(wide, 0.0) * np.stack([np.cos(t), np.sin(t)], axis=1)
    circle[-1] = circle[0]
    return circle


def phyllotaxis_steps(options: PhyllotaxisOptions, source: Picture | None = None) -> Iterator[Step]:
    """The picture as the pens draw it."""
    yield from grown(phyllotaxis_drawing(options, source), options)
