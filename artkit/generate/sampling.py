"""Fields between their samples: a coarse field on a large canvas, a picture along a line.

Coarse fields are seen through cubic B-splines, smooth to the second derivative: lights and contours show every crease
of bicubic (Catmull-Rom) interpolation, and a B-spline has none, at the price of a little blur. Rows and columns
separate, so that such a resampling is two matrix products.
"""

from __future__ import annotations

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np

from artkit.generate.arrays import Array, library
from artkit.image import Picture, resize


def spline_weights(positions: np.ndarray, count: int, *, wrap: bool = False) -> mx.array:
    """Weights (N, count) of the samples 0..count-1 at `positions`, (N,): the middle of sample i is at i + 0.5.

    wrap: the field goes around; otherwise its edge is continued.
    """
    at = np.asarray(positions, np.float64) - 0.5
    base = np.floor(at)
    t = at - base
    cubic = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (-(t**3) + t**2 + t) + 1, t**3], axis=1) / 6
    index = base[:, None].astype(np.int64) + np.arange(-1, 3)
    index = index % count if wrap else index.clip(0, count - 1)
    weights = np.zeros((len(at), count), np.float32)
    np.add.at(weights, (np.arange(len(at))[:, None], index), cubic)
    return mx.array(weights)


def resampled(field: mx.array, rows: mx.array, columns: mx.array) -> mx.array:
    """(h, w), weights (H, h) and (W, w) -> (H, W)."""
    return (rows @ field) @ columns.T


def bilinear(field: Array, columns: Array, rows: Array) -> Array:
    """A field (h, w, C) at places (N,), (N,), in its own pixels, the edge continued -> (N, C)."""
    xp = library(columns)
    height, width = field.shape[:2]
    x, y = xp.clip(columns - 0.5, 0, width - 1), xp.clip(rows - 0.5, 0, height - 1)
    left, top = xp.minimum(xp.floor(x), max(width - 2, 0)), xp.minimum(xp.floor(y), max(height - 2, 0))
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    i, j = left.astype(xp.int32), top.astype(xp.int32)
    right, below = xp.minimum(i + 1, width - 1), xp.minimum(j + 1, height - 1)
    upper = field[j, i] * (1 - fx) + field[j, right] * fx
    return upper * (1 - fy) + (field[below, i] * (1 - fx) + field[below, right] * fx) * fy


def covering(picture: Picture, height: int, width: int) -> np.ndarray:
    """The middle of a picture in the proportions of a canvas, resized to it: (h, w, 3)."""
    scale = max(height / picture.height, width / picture.width)
    tall, wide = min(picture.height, round(height / scale)), min(picture.width, round(width / scale))
    top, left = (picture.height - tall) // 2, (picture.width - wide) // 2
    return np.clip(resize(picture.pixels[top : top + tall, left : left + wide], height, width), 0, 1)
