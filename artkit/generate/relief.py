"""How a fractal's orbits become colors: along the palette, lit from the side, by distances, by orbit traps.

Distances to the set are |z| log|z| / |dz/dc|, and the direction of z / (dz/dc) is the slope that light falls on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np

from artkit.generate.escape import Orbits, smooth
from artkit.generate.palettes import Palette
from artkit.generate.views import View

if TYPE_CHECKING:
    from artkit.generate.fractal import FractalOptions


@dataclass(frozen=True)
class Shade:
    """How orbits become colors. low, high: the smooth counts between which the palette is run through `turns` times."""

    view: View
    options: FractalOptions
    palette: Palette
    low: float
    high: float

    @classmethod
    def of(cls, coarse: Orbits, view: View, options: FractalOptions, palette: Palette) -> Shade:
        counts = np.asarray(smooth(coarse, view.formula))
        counts = counts[counts > 0]
        low, high = np.quantile(counts, (0.0, 0.97)) if len(counts) else (0.0, 1.0)
        return cls(view, options, palette, float(low), float(max(high, low + 1)))

    def __call__(self, orbits: Orbits, size: tuple[int, int], factor: int) -> mx.array:
        """(h, w, 3) sRGB. size: width and height of the band; factor: supersampling."""
        count = mx.array(smooth(orbits, self.view.formula))
        inside = count <= 0
        coloring = self.options.coloring
        level = mx.log1p(mx.maximum(count - self.low, 0) / self._knee) / math.log1p((self.high - self.low) / self._knee)
        if coloring == "trap":
            color = self._trapped(mx.array(orbits.last[-1]))
        elif coloring == "distance":
            color = self._far(orbits, size)
        else:
            color = self._along(level)
        if coloring == "relief":
            color = self._lit(color, orbits, size, factor)
        if coloring != "trap":
            color = mx.where(inside[:, None], mx.array(self._dark), color)
        return color.reshape(size[1], size[0], 3)

    @property
    def _knee(self) -> float:
        """Iterations after the first escape beyond which colors go by the logarithm."""
        return max(2.0, 0.08 * (self.high - self.low))

    @property
    def _dark(self) -> np.ndarray:
        """The color of the inside."""
        return self.palette.colors[0] * 0.6

    def _along(self, level: mx.array) -> mx.array:
        """Up the palette and down again."""
        t = level * self.options.turns + self.options.phase
        t = t - mx.floor(t)
        return self.palette(1 - mx.abs(2 * t - 1))

    def _slope(self, orbits: Orbits, size: tuple[int, int]) -> tuple[mx.array, ...]:
        """The direction of z / (dz/dpixel), (x, y), and the distance to the set in halves of the shorter edge."""
        if not self.view.formula.slope:
            return self._measured(orbits, size)
        x, y, dx, dy = (mx.array(orbits.last[k]) for k in (0, 1, 4, 5))
        far, steep = mx.maximum(_length(x, y), 1.0), _length(dx, dy)
        dx, dy = dx / steep, dy / steep
        x, y = x / far, y / far
        nx, ny = x * dx + y * dy, y * dx - x * dy
        distance = far * mx.log(far) / steep * (self.view.unit / self.view.radius)
        return mx.nan_to_num(nx), mx.nan_to_num(ny), mx.where(mx.isfinite(distance), distance, 0)

    def _measured(self, orbits: Orbits, size: tuple[int, int]) -> tuple[mx.array, ...]:
        """The same from how the count changes between pixels: it falls by 1 where log|z| doubles."""
        count = np.asarray(smooth(orbits, self.view.formula)).reshape(size[1], size[0])
        down, right = np.gradient(count)
        steep = np.hypot(right, down) + 1e-9
        pixel = 2.0 / size[0] * max(1.0, self.options.width / self.options.height)
        distance = pixel / (2 * math.log(2) * steep)
        return tuple(mx.array(part.reshape(-1).astype(np.float32)) for part in (-right / steep, down / steep, distance))

    def _lit(self, color: mx.array, orbits: Orbits, size: tuple[int, int], factor: int) -> mx.array:
        """Lit from the upper left; threads of the set thinner than a pixel are drawn as if they had a width."""
        nx, ny, distance = self._slope(orbits, size)
        turned = math.radians(135 + self.options.angle)
        toward = nx * math.cos(turned) + ny * math.sin(turned)
        light = (toward + 1.4) / 2.4
        gloss = mx.maximum(toward, 0) ** 12
        color = color * (0.45 + 0.6 * light)[:, None] + 0.08 * gloss[:, None]
        pixel = 2.0 / min(self.options.size) / factor
        edge = mx.clip(2 * distance / (0.7 * pixel), 0, 1)[:, None]  # the distance is known up to a factor of 4
        return mx.clip(color * edge + mx.array(self._dark) * (1 - edge), 0, 1)

    def _far(self, orbits: Orbits, size: tuple[int, int]) -> mx.array:
        """By the distance to the set, on a logarithmic scale."""
        _, _, distance = self._slope(orbits, size)
        pixel = 2.0 / min(self.options.size)
        t = mx.log2(1 + distance / pixel) / math.log2(1 + 1 / pixel)
        return self._along(t)

    def _trapped(self, nearest: mx.array) -> mx.array:
        """By the nearest approach, on a logarithmic scale: what came near is bright."""
        t = -mx.log2(mx.clip(nearest, 1e-6, 4.0)) / 10
        t = mx.clip(0.5 * self.options.turns * (t + 0.1), 0, None) + self.options.phase
        t = t - 2 * mx.floor(t / 2)
        return self.palette(mx.where(t > 1, 2 - t, t))


def _length(x: mx.array, y: mx.array) -> mx.array:
    """√(x² + y²) of numbers whose squares float32 does not hold; 10^-30 of zeros."""
    size = mx.clip(mx.maximum(mx.abs(x), mx.abs(y)), 1e-30, 1e38)
    x, y = x / size, y / size
    return size * mx.sqrt(x * x + y * y + 1e-12)
