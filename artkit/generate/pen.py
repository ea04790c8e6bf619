"""What a sketch draws on: a pen with a color and a width, in plane coordinates; strokes come of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artkit.generate.palettes import Palette
from artkit.generate.strokes import Drawing, Stroke


class Canvas:
    """A sheet of width × height pixels. Coordinates: (0, 0) in the middle, y upwards, the shorter edge -1..1.

    color, line: the pen's color ("#hex", (r, g, b) 0..1, or a number 0..1 along the palette) and its width (of the
    shorter edge, 0.004 at first). background: the paper's color.
    """

    def __init__(self, width: int, height: int, palette: Palette) -> None:
        self.width, self.height, self.palette = width, height, palette
        self.aspect = width / height
        self.color: str | float | Sequence[float] | np.ndarray = palette.ink
        self.line = 0.004
        self.background: str | float | Sequence[float] | np.ndarray = palette.background
        self._strokes: list[Stroke] = []

    def polyline(self, points: Sequence[Sequence[float]] | np.ndarray, *, closed: bool = False) -> None:
        """A line through points, (N, 2)."""
        path = np.asarray(points, np.float64).reshape(-1, 2)
        _finite(path)
        if closed and len(path):
            path = np.concatenate([path, path[:1]])
        if len(path):
            self._strokes.append(Stroke(self._pixels(path), self._rgb(self.color), self.line * self._unit))

    def segment(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A straight line."""
        self.polyline([(x0, y0), (x1, y1)])

    def circle(self, x: float, y: float, radius: float) -> None:
        """A circle's outline."""
        _finite(x, y, radius)
        count = int(np.clip(2 * np.pi * abs(radius) * self._unit / 2 / 3, 12, 2000))
        angles = np.arange(count) * (2 * np.pi / count)
        self.polyline(np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1), closed=True)

    def dot(self, x: float, y: float, radius: float) -> None:
        """A filled circle."""
        _finite(x, y, radius)
        place = self._pixels(np.array([[x, y]], np.float64))
        self._strokes.append(Stroke(place, self._rgb(self.color), radius * self._unit))

    def drawing(self) -> Drawing:
        """All that has been drawn."""
        return Drawing(self.width, self.height, self._rgb(self.background), tuple(self._strokes))

    @property
    def _unit(self) -> float:
        return float(min(self.width, self.height))

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        return np.array([self.width, self.height]) / 2 + points * np.array([1, -1]) * self._unit / 2

    def _rgb(self, color: str | float | Sequence[float] | np.ndarray) -> np.ndarray:
        if isinstance(color, str):
            return Palette.of(color).colors[0].astype(np.float64)
        if isinstance(color, int | float | np.number):
            return self.palette.at(float(color))
        return np.asarray(color, np.float64)


def _finite(*numbers: float | np.ndarray) -> None:
    """ValueError for what cannot be drawn: no number, or endlessly far away."""
    if not all(np.isfinite(number).all() for number in numbers):
        raise ValueError("places and sizes should be finite numbers, not nan or inf")
