"""A coarse field seen on a canvas of any size: cubic B-splines, smooth to the second derivative.

Lights and contours show every crease of bicubic (Catmull-Rom) interpolation; a B-spline has none, at the price of a
little blur. Rows and columns separate, so that a resampling is two matrix products.
"""

from __future__ import annotations

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np


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
