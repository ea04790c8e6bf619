"""3x3 convolution on the CPU: Winograd's F(4x4, 3x3), all matrix products, with its own gradient.

An output tile of 4x4 pixels needs 36 products a channel pair instead of 144 (Lavin and Gray 2016, "Fast algorithms
for convolutional neural networks"):  Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A, where ⊙ is, over channels, 36 matrix products.
The matrices come from the Toom-Cook points 0, 1, -1, 1/2, -2, ∞, the most accurate for this size in float32
(Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution"): relative error about 2e-6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from artkit.nets.cpu_bands import Border, add_lines, at_border, in_bands, own_gradient, weight_gradient

POINTS = (0, 1, -1, 0.5, -2)


def _toom_cook(points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aᵀ (4, 6), G (6, 3) and Bᵀ (6, 6) for five finite points and infinity: y = Aᵀ [(G w) ⊙ (Bᵀ d)]."""
    p = np.array(points)
    others = [np.delete(p, j) for j in range(5)]
    A = np.stack([np.append(p**k, k == 3) for k in range(4)])
    G = np.stack([*(p[j] ** np.arange(3) / np.prod(p[j] - others[j]) for j in range(5)), np.array([0, 0, 1])])
    B = np.stack([*(np.append(np.poly(others[j])[::-1], 0) for j in range(5)), np.poly(p)[::-1]])
    return A, G, B


def _both_axes(matrix: np.ndarray) -> mx.array:
    return mx.array(np.kron(matrix, matrix).astype(np.float32))


_A, _G, _B = _toom_cook(POINTS)
WEIGHTS = _both_axes(_G)
PLAIN = (_both_axes(_A), _both_axes(_B))
# A flipped kernel (the gradient) is the plain one with input and output flipped: same transformed weights.
FLIPPED = (_both_axes(_A[::-1]), _both_axes(_B[:, ::-1]))


def _transform(weight: mx.array) -> mx.array:
    """Weights (O, 3, 3, I) -> (36, O, I)."""
    O, _, _, I = weight.shape  # noqa: E741
    return (WEIGHTS @ weight.reshape(O, 9, I).swapaxes(0, 1).reshape(9, O * I)).reshape(36, O, I)


def _winograd(
    rows_of: Callable[[int, int], mx.array],
    shape: tuple[int, int, int, int],
    weight: mx.array,
    matrices: tuple[mx.array, mx.array],
    border: Border,
    finish: Callable[[mx.array], mx.array],
) -> mx.array:
    """The convolution of an input of this shape (see `in_bands`), transformed weights (36, I, O) -> (B, H, W, O).

    `finish` is done to each band's result (pixels, O) while it is in the cache.
    """
    B, H, W, I = shape  # noqa: E741
    O = weight.shape[2]  # noqa: E741
    A, Bt = matrices
    # A tile sees six pixels, from one before its own four; what a cut-off tile sees too much of does not matter.
    rows, columns = (
        at_border(4 * np.arange(-(-size // 4)) + np.arange(-1, 5)[:, None], size, border, 1) for size in (H, W)
    )
    C = columns.shape[1]

    def work(pixels: mx.array, R: int) -> mx.array:
        tiles = Bt @ pixels.reshape(36, -1)
        products = tiles.reshape(36, -1, I) @ weight
        y = finish((A @ products.reshape(36, -1)).reshape(-1, O)).reshape(4, 4, R, C, O)
        return y.transpose(2, 0, 3, 1, 4).reshape(4 * R, 4 * C, O)

    y = in_bands(rows_of, shape, rows, columns, work, taps_first=True)
    return y.reshape(B, -1, 4 * C, O)[:, :H, :W]


def _spread(line: mx.array, taps: mx.array) -> mx.array:
    """Transposed convolution of border pixels: (B, N, O), three taps (O, 3, I) -> (B, N + 2, I)."""
    parts = (line @ taps.reshape(taps.shape[0], -1)).reshape(*line.shape[:2], 3, -1)
    first, second, third = (mx.pad(parts[:, :, k], [(0, 0), (k, 2 - k), (0, 0)]) for k in range(3))
    return first + second + third


def _add_border(
    dx: mx.array, dy: Callable[[tuple[slice | int, ...]], mx.array], weight: mx.array, border: Border
) -> mx.array:
    """Add what pixels repeated beyond the border hand back to their sources; dx (B, H, W, I) is that of zeros there.

    `dy(part)` gives a part of the gradient to the result (B, H, W, O).
    """
    H, W = dx.shape[1:3]
    far = slice(None)
    # Where the pixels before the first and after the last were copied from.
    (top, bottom), (first, last) = (at_border(np.array([-1, size]), size, border, 1).tolist() for size in (H, W))
    rows = [(top, _spread(dy((far, 0)), weight[:, 0])), (bottom, _spread(dy((far, -1)), weight[:, 2]))]
    left, right = _spread(dy((far, far, 0)), weight[:, :, 0]), _spread(dy((far, far, -1)), weight[:, :, 2])
    dx = add_lines(dx, [(first, left[:, 1:-1]), (last, right[:, 1:-1])], axis=2)
    # The corners are in both; they go where the columns went, then on with the rows.
    for corner, (place, line) in zip((0, -1), rows, strict=True):
        line = line[:, 1:-1].at[:, first].add(left[:, corner]).at[:, last].add(right[:, corner])
        dx = add_lines(dx, [(place, line)], axis=1)
    return dx


def conv3x3(
    x: mx.array,
    weight: mx.array,
    bias: mx.array | None,
    border: Border,
    relu: bool,
    pad: Callable[[mx.array], mx.array],
) -> mx.array:
    """(B, H, W, I), weight (O, 3, 3, I), bias (O,) or None -> (B, H, W, O), float32, ReLU done if asked for.

    Gradients to all three; MLX is lazy, so those nobody asks for cost nothing. `pad(x)` widens x by one pixel, for
    the gradient to the weights.
    """
    transformed = _transform(weight)  # a lazy array of its own: computed once for the result and the gradient
    B, H, W, I = x.shape  # noqa: E741
    O = weight.shape[0]  # noqa: E741

    def finish(y: mx.array) -> mx.array:
        y = y if bias is None else y + bias
        return mx.maximum(y, 0.0) if relu else y

    @own_gradient
    def convolve(x: mx.array, weight: mx.array, *bias: mx.array) -> mx.array:
        pixels = x.reshape(B * H, W, I)
        weights = transformed.swapaxes(1, 2)
        return _winograd(lambda first, last: pixels[first:last], (B, H, W, I), weights, PLAIN, border, finish)

    @convolve.vjp
    def gradients(primals: Any, dy: mx.array, y: mx.array) -> tuple[mx.array, ...]:
        x, weight, *bias = primals
        flat_dy, flat_y = dy.reshape(B * H, W, O), y.reshape(B * H, W, O)

        def slope(dy: mx.array, y: mx.array) -> mx.array:
            # The sign of a ReLU's result is 0 or 1, and cheaper than to compare and select.
            return dy * mx.sign(y) if relu else dy

        def rows_of(first: int, last: int) -> mx.array:
            return slope(flat_dy[first:last], flat_y[first:last])

        dx = _winograd(rows_of, (B, H, W, O), transformed, FLIPPED, "zero", lambda y: y)
        if border != "zero":
            dx = _add_border(dx, lambda part: slope(dy[part], y[part]), weight, border)
        whole = slope(dy, y)
        return dx, weight_gradient(pad(x), whole, (3, 3), 1), *(whole.sum((0, 1, 2)) for _ in bias)

    return convolve(x, weight, *([] if bias is None else [bias]))
