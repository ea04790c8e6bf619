"""A photo in lines: tonal hatching, hatching along edges, contours, waves, one spiral.

Hatching in layers, one a tone, is how engravers shade (Winkenbach and Salesin 1994, "Computer-generated pen-and-ink
illustration"). Along edges, lines keep a distance from each other (Jobard and Lefer 1997, "Creating evenly-spaced
streamlines of arbitrary density") that is smaller where the photo is darker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import artkit.device  # noqa: F401 - the fast BLAS, before OpenCV

import cv2
import numpy as np
from pydantic import Field

from artkit.contract import Step, WrongCall
from artkit.generate.contours import level_lines
from artkit.generate.lineart import LineOptions, drawing_of, grown, pens_of
from artkit.generate.palettes import Palette, to_oklab
from artkit.generate.strokes import Drawing, Stroke
from artkit.generate.tones import Tones, smooth
from artkit.image import Picture, resize

SAMPLE = 0.0015  # between places where tones are looked at, of the shorter edge
GRID = 420  # values along the longer edge of the plane that contours are drawn of
TRACED = 72  # points of a line along edges
SHORTEST = 7  # points of one that is kept
FARTHEST = 3.5  # between the lightest lines along edges, in distances of the darkest ones
CELLS = 5  # of the map in which they keep clear of each other, in the spacing
ANGLES = (45.0, -45.0, 0.0, 90.0, 22.5, -22.5, 67.5, -67.5)  # of hatching, layer after layer, degrees


class LinesOptions(LineOptions):
    """A photo in lines."""

    palette: str = Field(default="ink", description="Name, a picture file to take colors from, or #hex,#hex,…")
    line: float = Field(default=1.15, ge=0.2, le=60, description="Width of lines, thousandths of the shorter edge")
    pens: int = Field(default=1, ge=0, le=64, description="Number of colors, a layer each in SVG (0: the palette's)")
    style: Literal["hatch", "edges", "contours", "waves", "spiral"] = Field(
        default="hatch", description="Hatching across tones or along edges, contours, waves, or one spiral"
    )
    spacing: float = Field(
        default=5.0, ge=1, le=200, description="Between lines where it is dark, thousandths of the shorter edge"
    )
    levels: int = Field(default=5, ge=1, le=40, description="Tones that hatching and contours tell apart")
    angle: float = Field(
        default=0.0,
        ge=-180,
        le=180,
        description="By which hatching and waves are turned, degrees",
        json_schema_extra={"period": 360},
    )
    contrast: float = Field(default=1.0, ge=0.2, le=4, description="Above 1 more paper is left between the darks")
    detail: float = Field(default=2.0, ge=0, le=100, description="Smaller things are left out, thousandths of the edge")


def lines_drawing(options: LinesOptions, source: Picture | None = None) -> Drawing:
    """The photo's lines, in the middle of the sheet; WrongCall without a photo."""
    if source is None:
        raise WrongCall("lines are drawn after a photo; give one: --from photo.jpg (in Python source=)")
    palette = Palette.of(options.palette)
    tones = Tones.within(source, options.frame)
    light = tones.lightness(options.detail * options.unit / 1000)
    dark_paper = to_oklab(palette.background)[0] < 0.5
    ink = (light if dark_paper else 1 - light) ** options.contrast
    colors = pens_of(palette, options.pens)
    contrast = ((to_oklab(colors) - to_oklab(palette.background)) ** 2).sum(axis=1)
    colors = colors[np.argsort(contrast)]
    return drawing_of(options, _STYLES[options.style](tones, ink, colors, options))


def lines_steps(options: LinesOptions, source: Picture | None = None) -> Iterator[Step]:
    """The picture as the pens draw it."""
    yield from grown(lines_drawing(options, source), options)


def _rows(tones: Tones, spacing: float, angle: float, sample: float) -> np.ndarray:
    """Places on parallel lines over the photo, (lines, places, 2), pixels; every second line runs back."""
    left, top, right, bottom = tones.frame
    middle, reach = np.array([left + right, top + bottom]) / 2, float(np.hypot(right - left, bottom - top)) / 2
    along = np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])
    across = np.array([-along[1], along[0]])
    s = np.arange(-reach, reach, sample)
    rows = np.arange(-reach + spacing / 2, reach, spacing)
    return middle + rows[:, None, None] * across + s[None, :, None] * along


def _within(points: np.ndarray, frame: tuple[float, float, float, float]) -> np.ndarray:
    """(..., 2) -> (...), whether they lie in left, top, right, bottom."""
    left, top, right, bottom = frame
    x, y = points[..., 0], points[..., 1]
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def _runs(wanted: np.ndarray, least: int) -> list[tuple[int, int, int]]:
    """(rows, places) -> row, first and last place of every run of at least `least` places."""
    edges = np.diff(np.pad(wanted, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, begin = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1] - 1
    keep = end - begin + 1 >= least
    return list(zip(row[keep].tolist(), begin[keep].tolist(), end[keep].tolist(), strict=True))


def _hatch(tones: Tones, ink: np.ndarray, colors: np.ndarray, options: LinesOptions) -> list[Stroke]:
    """A layer of parallels for each tone, each layer where the photo is darker than the last one's."""
    rng = np.random.default_rng(options.seed)
    sample, spacing = SAMPLE * options.unit, options.spacing * options.unit / 1000
    strokes = []
    for level in range(options.levels):
        angle = options.angle + ANGLES[level % len(ANGLES)] + rng.normal(0, 1.5)
        places = _rows(tones, spacing, angle, sample)
        drift = rng.normal(0, 1, (len(places), places.shape[1] // 80 + 3))  # a hand is not a ruler
        at = np.linspace(0, drift.shape[1] - 1.001, places.shape[1])
        k, part = at.astype(int), at % 1
        eased = part * part * (3 - 2 * part)
        wobble = 0.09 * spacing * (drift[:, k] * (1 - eased) + drift[:, k + 1] * eased)
        across = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
        places = places + wobble[..., None] * across
        threshold = (level + 0.6) / (options.levels + 0.3) + 0.03 * drift[:, k]
        wanted = (tones.at(ink, places) > threshold) & _within(places, tones.frame)
        color = colors[min(level * len(colors) // options.levels, len(colors) - 1)]
        for row, begin, end in _runs(wanted, max(2, round(0.7 * spacing / sample))):
            kept = np.unique(np.append(np.arange(begin, end, 6), end))
            strokes.append(Stroke(places[row, kept], color, options.line_width, f"tone {level + 1}"))
    return strokes


def _contours(tones: Tones, ink: np.ndarray, colors: np.ndarray, options: LinesOptions) -> list[Stroke]:
    """Level lines of the tones, closer to each other where the photo changes; darker tones with later pens."""
    height, width = ink.shape
    factor = min(1.0, GRID / max(height, width))
    small = resize(ink[..., None], max(2, round(height * factor)), max(2, round(width * factor)))[..., 0]
    cell = tones.scale * width / small.shape[1]
    small = smooth(small, 1.2)
    count = 2 * options.levels
    strokes = []
    for level in range(count):
        color = colors[level * len(colors) // count]
        for line in level_lines(small, (level + 0.5) / count):
            points = tones.corner + (line + 0.5) * cell
            if np.hypot(*np.diff(points, axis=0).T).sum() > 2 * options.spacing * options.unit / 1000:
                strokes.append(Stroke(points, color, options.line_width, f"level {level + 1}"))
    return strokes


def _waves(tones: Tones, ink: np.ndarray, colors: np.ndarray, options: LinesOptions) -> list[Stroke]:
    """Lines that swing the further and the quicker the darker it is."""
    sample, spacing = 0.4 * SAMPLE * options.unit, 1.4 * options.spacing * options.unit / 1000
    places = _rows(tones, spacing, options.angle, sample)
    inside = _within(places, tones.frame)
    swung = _swung(places, tones.at(ink, places), spacing, sample)
    strokes = []
    for row, begin, end in _runs(inside, 4):
        color = colors[row * len(colors) // len(places)]
        strokes.append(Stroke(swung[row, begin : end + 1], color, options.line_width))
    return strokes


def _spiral(tones: Tones, ink: np.ndarray, colors: np.ndarray, options: LinesOptions) -> list[Stroke]:
    """Archimedes' spiral from the middle to the edges, swinging the further the darker it is."""
    spacing, sample = 1.4 * options.spacing * options.unit / 1000, 0.4 * SAMPLE * options.unit
    left, top, right, bottom = tones.frame
    reach = min(right - left, bottom - top) / 2 - spacing / 2
    length = np.arange(0, np.pi * reach**2 / spacing, sample)
    angle = np.sqrt(4 * np.pi * length / spacing)  # of a length along it: r = spacing·angle/2π, dl ≈ r dangle
    radius = spacing * angle / (2 * np.pi)
    line = np.array([left + right, top + bottom]) / 2 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    line = _swung(line[None], tones.at(ink, line)[None], spacing, sample)[0]
    cuts = np.linspace(0, len(line) - 1, len(colors) + 1).astype(int)
    return [
        Stroke(line[a : b + 1], color, options.line_width)
        for a, b, color in zip(cuts[:-1], cuts[1:], colors, strict=True)
        if b > a
    ]


def _swung(places: np.ndarray, ink: np.ndarray, spacing: float, sample: float) -> np.ndarray:
    """Lines (rows, places, 2) that swing to both sides by (rows, places) of ink."""
    phase = np.cumsum((0.25 + 0.75 * ink) * sample, axis=1) * 2 * np.pi / (0.62 * spacing)
    along = np.gradient(places, axis=1)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    across /= np.maximum(np.hypot(across[..., :1], across[..., 1:]), 1e-12)
    return places + across * (0.46 * spacing * np.clip(1.15 * ink - 0.08, 0, 1) * np.sin(phase))[..., None]


def _edges(tones: Tones, ink: np.ndarray, colors: np.ndarray, options: LinesOptions) -> list[Stroke]:
    """Lines along the photo's edges: many are traced at once, then kept as far as they stay clear of those before.

    In rounds, one a tone: the first ones far apart wherever there is ink, the last ones close together in the dark.
    """
    rng = np.random.default_rng(options.seed)
    spacing = options.spacing * options.unit / 1000
    left, top, right, bottom = tones.frame
    seeds = rng.uniform((left, top), (right, bottom), (int((right - left) * (bottom - top) / (2 * spacing**2)), 2))
    traced = _traced(seeds, tones, tones.edges(0.009 * options.unit), 0.4 * spacing)
    cell = spacing / CELLS
    cells = np.floor((traced - (left, top)) / cell).astype(np.int32) + 1
    limit = np.array([int((right - left) / cell) + 2, int((bottom - top) / cell) + 2])
    inside = _within(traced, tones.frame)
    cells = np.clip(cells, 0, limit)
    tone = tones.at(ink, traced)
    middle = TRACED // 2
    kept: list[tuple[int, int, int]] = []
    strokes = []
    for level in range(options.levels):
        share = level / max(options.levels - 1, 1)
        thick = max(1, round(CELLS * FARTHEST ** (1 - share)) - 1)
        taken = np.zeros((limit[1] + 1, limit[0] + 1), np.uint8)
        cv2.polylines(taken, [cells[i, a:b] for i, a, b in kept], False, 1, thick)
        wanted = inside & (tone > (level + 0.25) / (options.levels + 0.5))
        width = options.line_width * (0.75 + 0.75 * share)
        for i in np.flatnonzero(wanted[:, middle]):
            x, y = cells[i].T
            if taken[y[middle], x[middle]]:
                continue
            blocked = np.flatnonzero(~wanted[i] | (taken[y, x] > 0))
            begin = int(blocked[blocked < middle].max(initial=-1)) + 1
            end = int(blocked[blocked > middle].min(initial=TRACED))
            if end - begin < SHORTEST:
                continue
            kept.append((int(i), begin, end))
            cv2.polylines(taken, [cells[i, begin:end]], False, 1, thick)
            color = colors[level * len(colors) // options.levels]
            strokes.append(Stroke(traced[i, begin:end], color, width, f"tone {level + 1}"))
    return strokes


def _traced(seeds: np.ndarray, tones: Tones, direction: np.ndarray, step: float) -> np.ndarray:
    """Lines along `direction` through the middle of each seed, both ways: (N, 2) -> (N, TRACED, 2), midpoint rule."""
    ways = []
    for sign in (1.0, -1.0):
        at, heading, way = seeds, sign * _along(seeds, tones, direction), [seeds]
        for _ in range(TRACED // 2):
            half = _like(_along(at + 0.5 * step * heading, tones, direction), heading)
            at = at + step * half
            heading = half
            way.append(at)
        ways.append(np.stack(way, axis=1))
    return np.concatenate([ways[1][:, :0:-1], ways[0][:, : TRACED - TRACED // 2]], axis=1)


def _along(points: np.ndarray, tones: Tones, direction: np.ndarray) -> np.ndarray:
    """The direction at the nearest value: directions have no sign, and may not be averaged."""
    height, width = direction.shape[:2]
    i, j = ((points - tones.corner) / tones.scale).astype(int).T
    return direction[np.clip(j, 0, height - 1), np.clip(i, 0, width - 1)]


def _like(direction: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """The one of the two senses that goes on as before."""
    return direction * np.where((direction * heading).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)


_STYLES: dict[str, Callable[[Tones, np.ndarray, np.ndarray, LinesOptions], list[Stroke]]] = {
    "edges": _edges,
    "hatch": _hatch,
    "contours": _contours,
    "waves": _waves,
    "spiral": _spiral,
}
