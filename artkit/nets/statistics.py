"""Statistics of feature maps: what a style is made of.

Feature maps are (B, H, W, C). Everything here is a sum or a mean over positions, so that a large picture's
statistics are those of its tiles, added up.
"""

from __future__ import annotations

import mlx.core as mx

from artkit.nets.layers import channel_products


def total(values: mx.array) -> mx.array:
    """The sum of all values, a scalar; row by row, because one float32 sum over a large picture is off by percents."""
    while values.ndim > 1:
        values = values.sum(axis=-1)
    return values.sum()


def column_sums(rows: mx.array) -> mx.array:
    """The sum of each column: (N, C) -> (C,), as a matrix product: over a large picture a plain sum is off by 1 %."""
    return (mx.ones((1, rows.shape[0]), rows.dtype) @ rows)[0]


def gram(features: mx.array) -> mx.array:
    """Channel correlations: (B, H, W, C) -> (B, C, C), divided by H·W (Gatys et al. 2016 divide in the loss)."""
    B, H, W, C = features.shape
    f = features.reshape(B, H * W, C)
    return channel_products(f) / (H * W)


def square_root(matrix: mx.array, iterations: int = 12, epsilon: float = 1e-4) -> mx.array:
    """Square root of positive semi-definite matrices, (..., C, C), by coupled Newton–Schulz iteration.

    Higham 2008, equation 6.35; MLX has no eigendecomposition on GPUs. The matrix is divided by its Frobenius
    norm so that the iteration converges, and `epsilon` (relative to the mean eigenvalue) keeps it away from
    singular ones.
    """
    C = matrix.shape[-1]
    identity = mx.eye(C)
    trace = mx.diagonal(matrix, axis1=-2, axis2=-1).mean(axis=-1)[..., None, None]
    matrix = matrix + (epsilon * trace + 1e-12) * identity
    norm = mx.sqrt(mx.square(matrix).sum(axis=(-2, -1), keepdims=True))
    y, z = matrix / norm, mx.broadcast_to(identity, matrix.shape)
    for _ in range(iterations):
        t = 1.5 * identity - 0.5 * (z @ y)
        y, z = y @ t, t @ z
    return y * mx.sqrt(norm)


def directions(count: int, channels: int, key: mx.array) -> mx.array:
    """`count` random unit vectors, (channels, count), for sliced losses."""
    v = mx.random.normal((channels, count), key=key)
    return v / mx.linalg.norm(v, axis=0, keepdims=True)
