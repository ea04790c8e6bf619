"""A preconditioner for pictures: what a gradient asks for at every scale at once (Bramble, Pasciak and Xu 1990).

Neighboring pixels are to change together, and the gradient of a style does not know: it is far more about fine detail
than about what the same effort would gain over a whole sky. P adds up a picture's coarser and coarser versions,

    P r = r + U (r₁ + U (r₂ + …)),   r₁ = D r, r₂ = D r₁ …

where D halves a picture and smooths it, and U is D's transpose, scaled to keep what is even. P is symmetric and
positive definite, so that L-BFGS may begin its estimate of the inverse Hessian with it.
"""

from __future__ import annotations

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx

from artkit.nets.layers import pool, upsample2

LEAST = 8  # pixels along the shorter edge, below which a picture is halved no more


def multilevel(r: mx.array, around: bool = False) -> mx.array:
    """P r, for pictures (B, H, W, C); r itself where they are small.

    around: they go on at their other side, and are halved no more where an edge is odd.
    """
    _, height, width, _ = r.shape
    if min(height, width) < LEAST or (around and (height % 2 or width % 2)):  # zeros at an odd edge would be seen
        return r
    coarse = _halved(r)
    smooth = _smoothed(multilevel(_smoothed(coarse, around), around), around)
    return r + _doubled(smooth, height, width)


def _halved(x: mx.array) -> mx.array:
    """Means of 2×2 pixels, with zeros beyond an odd edge."""
    odd = x.shape[1] % 2, x.shape[2] % 2
    return pool(mx.pad(x, [(0, 0), (0, odd[0]), (0, odd[1]), (0, 0)]) if any(odd) else x, "average")


def _doubled(x: mx.array, height: int, width: int) -> mx.array:
    """Four times the transpose of `_halved`."""
    return upsample2(x)[:, :height, :width]


def _smoothed(x: mx.array, around: bool) -> mx.array:
    """Each pixel a half, its neighbors a quarter, both ways; edges repeated, or around: either is symmetric."""
    for axis in (1, 2):
        size, whole = x.shape[axis], (slice(None),) * axis
        first, last = x[(*whole, slice(0, 1))], x[(*whole, slice(size - 1, size))]
        beyond = (last, first) if around else (first, last)
        above = mx.concatenate([beyond[0], x[(*whole, slice(0, size - 1))]], axis=axis)
        below = mx.concatenate([x[(*whole, slice(1, size))], beyond[1]], axis=axis)
        x = 0.5 * x + 0.25 * (above + below)
    return x
