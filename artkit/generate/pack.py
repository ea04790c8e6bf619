"""Circle packing: circles of many sizes, none touching another; a photo can say how large and in what color.

Thousands of places are tried at once: each has a size of its own that it would like, and knows how much room there is.
The place that can have the largest circle gets it, and what that takes from the others is one array operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from artkit.contract import Step
from artkit.generate.lineart import LineOptions, drawing_of, grown, pens_of
from artkit.generate.palettes import Palette, to_oklab
from artkit.generate.strokes import Drawing, Stroke
from artkit.generate.tones import Tones, smooth
from artkit.image import Picture

PLACES = 16  # tried for each circle
MOST_PLACES = 120_000
PITCH = 2.4  # from one line to the next inside a circle, in widths of the line


class PackOptions(LineOptions):
    """Circles that fill the sheet."""

    palette: str = Field(default="coral", description="Name, a picture file to take colors from, or #hex,#hex,…")
    line: float = Field(default=1.8, ge=0.2, le=60, description="Width of lines, thousandths of the shorter edge")
    pens: int = Field(default=0, ge=0, le=64, description="Number of colors, a layer each in SVG (0: the palette's)")
    count: int = Field(default=1600, ge=1, le=20_000, description="At most so many circles")
    largest: float = Field(default=85.0, ge=0.1, le=500, description="Radius, thousandths of the shorter edge")
    smallest: float = Field(default=3.0, ge=0.1, le=500, description="Radius, thousandths of the shorter edge")
    gap: float = Field(default=2.5, ge=0, le=100, description="Between circles, thousandths of the shorter edge")
    mark: Literal["mixed", "disc", "ring", "rings", "spiral", "hatch"] = Field(
        default="mixed", description="What a circle is drawn as (plotters: a disc is a dot to them)"
    )
    shape: Literal["sheet", "circle"] = Field(default="sheet", description="What is filled")


def packed(
    places: np.ndarray, wished: np.ndarray, room: np.ndarray, count: int, smallest: float, gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Middles (M, 2) and radii (M,) of circles that stay `gap` apart, M <= count.

    places: (N, 2) to try. wished: (N,) the radius that each would have. room: (N,) the one that reaches the edge.
    """
    middles, radii = np.empty((count, 2)), np.empty(count)
    placed = 0
    while placed < count and len(places):
        can = np.minimum(wished, room)
        best = int(can.argmax())
        middle, radius = places[best].copy(), float(can[best])
        if radius < smallest:
            break
        middles[placed], radii[placed] = middle, radius
        placed += 1
        np.minimum(room, np.hypot(places[:, 0] - middle[0], places[:, 1] - middle[1]) - radius - gap, out=room)
        if placed % 16 == 0:
            left = room >= smallest
            places, wished, room = places[left], wished[left], room[left]
    return middles[:placed], radii[:placed]


def pack_drawing(options: PackOptions, source: Picture | None = None) -> Drawing:
    """A stroke or a few for each circle, large circles first."""
    rng = np.random.default_rng(options.seed)
    unit = options.unit / 1000
    low, high = np.array(options.frame[:2]), np.array(options.frame[2:])
    places = rng.uniform(low, high, (min(PLACES * options.count, MOST_PLACES), 2))
    if options.shape == "circle":
        room = float((high - low).min()) / 2 - np.hypot(*(places - (low + high) / 2).T)
    else:
        room = np.minimum(places - low, high - places).min(axis=1)
    smallest, largest = sorted((options.smallest * unit, options.largest * unit))
    palette = Palette.of(options.palette)
    colors = pens_of(palette, options.pens)
    ease = rng.random(len(places)) ** 4  # many would be small, few large
    tones = None
    if source is not None:
        tones = Tones.covering(source, options.frame)
        largest = max(smallest, 0.5 * largest)
        ease = tones.at(_calm(tones, options.unit), places) * rng.uniform(0.6, 1, len(places))
    wished = smallest * (largest / smallest) ** ease
    middles, radii = packed(places, wished, room, options.count, smallest, options.gap * unit)
    if tones is not None:
        pens = _nearest(tones.at(np.stack([smooth(c, 2) for c in tones.pixels.T], -1).swapaxes(0, 1), middles), colors)
    else:
        pens = rng.integers(len(colors), size=len(radii))
    strokes = []
    for middle, radius, pen in zip(middles, radii, pens, strict=True):
        mark, turn = options.mark, float(rng.uniform(0, 2 * np.pi))
        if mark == "mixed":
            mark = _mixed(radius / options.line_width, rng)
        strokes += _circle(middle, float(radius), mark, turn, colors[pen], options.line_width)
    return drawing_of(options, strokes)


def _mixed(lines: float, rng: np.random.Generator) -> str:
    """A mark for a circle with a radius of so many line widths: the smallest are dots, large ones no empty rings."""
    marks = ["disc", "ring", "rings", "spiral", "hatch", "disc"]
    if lines < 5:
        return "disc"
    if lines > 16:
        marks.remove("ring")
    return marks[int(rng.integers(len(marks)))]


def _calm(tones: Tones, unit: float) -> np.ndarray:
    """How little a photo changes around a place, (H, W) 0..1."""
    light = tones.lightness(unit / 250)
    slope = np.hypot(*np.gradient(light)) / tones.scale * unit
    detail = smooth(slope.astype(np.float32), unit / 90 / tones.scale)
    return np.clip(1 - detail / max(float(np.percentile(detail, 92)), 1e-6), 0, 1)


def _nearest(seen: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """(M, 3) colors of the photo -> the index of the pen nearest in Oklab, with all of the pens' lightness in use."""
    lab, pens = to_oklab(np.clip(seen, 0, 1)), to_oklab(colors)
    if len(lab):
        low, high = np.percentile(lab[:, 0], [3, 97])
        part = np.clip((lab[:, 0] - low) / max(high - low, 1e-3), 0, 1)
        lab[:, 0] = pens[:, 0].min() + part * np.ptp(pens[:, 0])
    return (((lab[:, None] - pens) * (1.5, 1, 1)) ** 2).sum(axis=2).argmin(axis=1)


def _circle(middle: np.ndarray, radius: float, mark: str, turn: float, color: np.ndarray, line: float) -> list[Stroke]:
    """Its strokes, which stay within the radius."""
    inner = max(radius - line / 2, line / 2)
    if mark == "disc":
        return [Stroke(middle[None], color, 2 * radius)]
    if mark == "ring":
        return [Stroke(middle + _ring(inner), color, line)]
    if mark == "rings":
        return [Stroke(middle + _ring(r), color, line) for r in np.arange(inner, PITCH * line / 2, -PITCH * line)]
    if mark == "spiral":
        return [Stroke(middle + _spiral(inner, PITCH * line, turn), color, line)]
    return [Stroke(middle + _ring(inner), color, line), *_hatched(middle, inner, turn, color, line)]


def _ring(radius: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, max(12, int(6 * radius**0.5) * 2) + 1)
    ring = radius * np.stack([np.cos(t), np.sin(t)], axis=1)
    ring[-1] = ring[0]
    return ring


def _spiral(radius: float, pitch: float, turn: float) -> np.ndarray:
    """Archimedes' from the middle outwards, then once around."""
    turns = radius / pitch
    t = np.linspace(0, turns + 1, max(24, int(48 * (turns + 1))))
    r = np.minimum(pitch * t, radius)
    return r[:, None] * np.stack([np.cos(2 * np.pi * t + turn), np.sin(2 * np.pi * t + turn)], axis=1)


def _hatched(middle: np.ndarray, radius: float, turn: float, color: np.ndarray, line: float) -> list[Stroke]:
    """Parallel chords."""
    offsets = np.arange(-radius + PITCH * line, radius - 0.5 * line, PITCH * line)
    half = np.sqrt(radius**2 - offsets**2)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    return [
        Stroke(np.stack([middle + o * across - h * along, middle + o * across + h * along]), color, line)
        for o, h in zip(offsets, half, strict=True)
    ]


def pack_steps(options: PackOptions, source: Picture | None = None) -> Iterator[Step]:
    """The picture as the pens draw it."""
    yield from grown(pack_drawing(options, source), options)
