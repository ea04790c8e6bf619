"""What pieces of lines share: line width and pens among their options, pens from a palette, a frame, growing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from artkit.contract import Step
from artkit.generate.canvas import FINISHED_BYTES, CanvasOptions, check_memory
from artkit.generate.palettes import Palette, from_oklab, to_oklab
from artkit.generate.strokes import Drawing, Stroke, growing

VISIBLE = 0.13  # Oklab distance from the background that a pen should have


class LineOptions(CanvasOptions):
    """What every piece of lines has."""

    line: float = Field(default=1.6, ge=0.2, le=60, description="Width of lines, thousandths of the shorter edge")
    pens: int = Field(default=6, ge=0, le=64, description="Number of colors, a layer each in SVG (0: the palette's)")
    border: float = Field(
        default=0.07,
        ge=0,
        le=0.4,
        description="Free on every side, of the shorter edge",
        json_schema_extra={"surprise": False},
    )

    @property
    def unit(self) -> float:
        """Pixels of the shorter edge."""
        return float(min(self.size))

    @property
    def line_width(self) -> float:
        """Pixels."""
        return self.line * self.unit / 1000

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what is drawn in, pixels."""
        free = self.border * self.unit
        return free, free, self.width - free, self.height - free


def pens_of(palette: Palette, count: int) -> np.ndarray:
    """Colors to draw with, (count, 3) sRGB: along the palette, leaving out what would not show on its background.

    With count 0 they are the palette's own; others lie between them in Oklab.
    """
    background = to_oklab(palette.background)
    own = to_oklab(palette.colors)
    seen = own[np.hypot.reduce(own - background, axis=1) >= VISIBLE]
    if not len(seen):
        seen = to_oklab(palette.ink)[None]
    count = count or len(seen)
    at = np.linspace(0, len(seen) - 1, count) if count > 1 else np.array([np.abs(seen - background).sum(1).argmax()])
    line = np.stack([np.interp(at, np.arange(len(seen)), seen[:, c]) for c in range(3)], axis=1)
    return np.clip(from_oklab(line), 0, 1)


def fitted(lines: Sequence[np.ndarray], options: LineOptions) -> list[np.ndarray]:
    """Lines (N, 2) in plane coordinates, y upwards -> pixels, y downwards, as large as the frame allows."""
    low = np.min([line.min(axis=0) for line in lines], axis=0)
    high = np.max([line.max(axis=0) for line in lines], axis=0)
    left, top, right, bottom = options.frame
    width, height = np.maximum(high - low, 1e-12)
    scale = min((right - left) / width, (bottom - top) / height)
    middle = np.array([left + right, top + bottom]) / 2
    return [middle + scale * np.array([1, -1]) * (line - (low + high) / 2) for line in lines]


def cut(line: np.ndarray, length: float) -> list[np.ndarray]:
    """A line (N, 2) in equal parts of about `length`, corners kept."""
    if len(line) < 2:
        return [line]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    count = max(1, round(along[-1] / length))
    marks = along[-1] * np.arange(1, count) / count
    at = np.searchsorted(along, marks, "right")
    points = np.stack([np.interp(marks, along, line[:, c]) for c in range(2)], axis=1)
    ends = [line[0], *points, line[-1]]
    edges = [1, *at, len(line) - 1]
    return [np.concatenate([ends[k][None], line[edges[k] : edges[k + 1]], ends[k + 1][None]]) for k in range(count)]


def drawing_of(options: LineOptions, strokes: Sequence[Stroke]) -> Drawing:
    """Strokes on the background of the palette."""
    background = np.asarray(Palette.of(options.palette).background, np.float64)
    return Drawing(options.width, options.height, background, tuple(strokes))


def grown(drawing: Drawing, options: LineOptions) -> Iterator[Step]:
    """The steps of a drawing. DeviceError when the canvas is over the memory it may take."""
    check_memory(options, FINISHED_BYTES + 24 * options.supersample**2)
    yield from growing(drawing, options.supersample)
