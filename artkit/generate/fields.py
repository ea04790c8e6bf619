"""Directions to drift in: noise without sources or sinks, bent to run along the edges of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import artkit.device as device

import cv2
import mlx.core as mx
import numpy as np

from artkit.color import luma
from artkit.generate.arrays import Array, library, native
from artkit.generate.noises import curl
from artkit.generate.palettes import to_oklab
from artkit.generate.sampling import bilinear, covering
from artkit.image import Picture

CROWD = 2**15  # paths at a time on a CPU, for its caches
CELLS = 320  # of a picture along the shorter edge: finer edges than that do not lead a stroke


@dataclass(frozen=True)
class NoiseField:
    """The curl of fBm. scale: how many swirls; octaves: layers of detail; phase: where in its loop it stands."""

    scale: float
    octaves: int
    seed: int
    phase: float = 0.0

    def direction(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Unit vectors at plane coordinates, (N,) each."""
        dx, dy = curl(self.scale * x, self.scale * y, self.seed, self.octaves, 0.4, self.phase)
        return _unit(dx, dy)


class PictureField:
    """A picture's colors and edges on a canvas of any size, and a field that follows the edges where there are any.

    Edges by the structure tensor (Kyprianidis and Döllner 2008): along (cos θ, sin θ), kept as (cos 2θ, sin 2θ), times
    how sure that is, because an edge has no sense.
    """

    def __init__(self, source: Picture, width: int, height: int, field: NoiseField, follow: float) -> None:
        shorter = min(width, height)
        self.height, self.width = round(CELLS * height / shorter), round(CELLS * width / shorter)
        self.pixels = covering(source, self.height, self.width)
        self._field, self._follow = field, follow
        gray = cv2.GaussianBlur(luma(self.pixels), (0, 0), 1.2)
        gx, gy = cv2.Sobel(gray, cv2.CV_32F, 1, 0), -cv2.Sobel(gray, cv2.CV_32F, 0, 1)
        xx, yy, xy = (cv2.GaussianBlur(product, (0, 0), 4) for product in (gx * gx, gy * gy, gx * gy))
        strength = np.hypot(xx - yy, 2 * xy)
        sure = strength / (xx + yy + 1e-4) * np.clip(np.sqrt(xx + yy) / 0.06, 0, 1)
        doubled = np.stack([yy - xx, -2 * xy], axis=2) / (strength + 1e-9)[..., None] * sure[..., None]
        self._edges = native(doubled.astype(np.float32))

    def direction(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Unit vectors at plane coordinates, (N,) each."""
        xp = library(x)
        nx, ny = self._field.direction(x, y)
        edges = self._follow * bilinear(self._edges, *self._places(x, y))
        left = xp.maximum(1 - xp.sqrt((edges * edges).sum(-1)), 0.0)
        c, s = edges[:, 0] + left * (nx * nx - ny * ny), edges[:, 1] + left * (2 * nx * ny)
        r = xp.sqrt(c * c + s * s)
        dx = xp.sqrt(xp.maximum(r + c, 1e-12))
        dy = xp.sqrt(xp.maximum(r - c, 1e-12)) * xp.where(s < 0, -1.0, 1.0)
        return _unit(dx, dy)

    def colors(self, x: np.ndarray, y: np.ndarray, blur: float) -> np.ndarray:
        """(N, 3) at plane coordinates (N,), the picture blurred by `blur` of the shorter edge."""
        return np.array(bilinear(native(self.blurred(blur)), *self._places(native(x), native(y))))

    def blurred(self, blur: float) -> np.ndarray:
        """(h, w, 3), blurred by `blur` of the shorter edge."""
        return cv2.GaussianBlur(self.pixels, (0, 0), max(0.3, blur * CELLS))

    def wanted(self, places: np.ndarray, width: float) -> np.ndarray:
        """How much strokes of `width`, of the shorter edge, are wanted at `places`, (N, 2): 0..1 (N,).

        Where larger ones would smooth something away.
        """
        lost = np.abs(self.blurred(width / 6) - self.blurred(width)).sum(axis=2)
        lost = cv2.GaussianBlur(lost, (0, 0), max(1.0, width * CELLS / 3))
        there = self._places(native(places[:, 0]), native(places[:, 1]))
        return np.clip(np.array(bilinear(native(lost[..., None]), *there))[:, 0] / 0.12 - 0.15, 0.03, 1)

    def within_color(self, paths: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Paths cut where the picture's color leaves that of their middle: (N, L, 2) -> the same, and (N,) lengths.

        A stroke is at least four points long; what lies behind its end repeats it.
        """
        count, points = paths.shape[:2]
        flat = paths.reshape(-1, 2)
        colors = to_oklab(self.colors(flat[:, 0], flat[:, 1], width / 3)).reshape(count, points, 3)
        middle = points // 2
        far = np.sqrt(((colors - colors[:, middle : middle + 1]) ** 2).sum(axis=2)) > 0.07
        before, after = far[:, :middle][:, ::-1], far[:, middle + 1 :]
        first = middle - np.where(before.any(1), np.maximum(before.argmax(1), 2), middle)
        last = middle + np.where(after.any(1), np.maximum(after.argmax(1), 2), points - 1 - middle)
        index = np.minimum(first[:, None] + np.arange(points), last[:, None])
        return np.take_along_axis(paths, index[..., None], axis=1), last - first + 1

    def _places(self, x: Array, y: Array) -> tuple[Array, Array]:
        return x * (CELLS / 2) + self.width / 2, self.height / 2 - y * (CELLS / 2)


def traced(field: NoiseField | PictureField, starts: np.ndarray, length: float, points: int) -> np.ndarray:
    """Paths through `starts`, (N, 2) plane coordinates, half of `length` either way: (N, points, 2), evenly spaced.

    Where a field has no sense (an edge), a path goes on in the one that it has. `starts` is point `points // 2`.
    """
    starts = np.asarray(starts, np.float32)
    many = len(starts) if device.uses_gpu() else CROWD
    parts = [starts[k : k + many] for k in range(0, max(len(starts), 1), max(many, 1))]
    return np.concatenate([_traced(field, part, length, points) for part in parts])


def _traced(field: NoiseField | PictureField, starts: np.ndarray, length: float, points: int) -> np.ndarray:
    halves = []
    for sense, steps in ((-1.0, points // 2), (1.0, points - 1 - points // 2)):
        x, y = (native(np.ascontiguousarray(part)) for part in starts.T)
        xp, step, places = library(x), length / (points - 1), []
        dx, dy = (sense * part for part in field.direction(x, y))
        for _ in range(steps):
            new_x, new_y = field.direction(x + 0.5 * step * dx, y + 0.5 * step * dy)  # the midpoint's direction
            ahead = xp.where(new_x * dx + new_y * dy < 0, -1.0, 1.0).astype(xp.float32)
            dx, dy = new_x * ahead, new_y * ahead
            x, y = x + step * dx, y + step * dy
            if xp is mx:
                mx.eval(x, y, dx, dy)
            places.append(np.stack([np.array(x), np.array(y)], axis=1))
        halves.append(places)
    return np.stack([*reversed(halves[0]), starts, *halves[1]], axis=1)


def _unit(dx: Array, dy: Array) -> tuple[Array, Array]:
    xp = library(dx)
    scale = 1 / xp.sqrt(xp.maximum(dx * dx + dy * dy, 1e-12))
    return dx * scale, dy * scale
