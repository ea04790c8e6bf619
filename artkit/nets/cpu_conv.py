"""3x3 convolution on the CPU: Winograd's F(4x4, 3x3), all matrix products, with its own gradient.

An output tile of 4x4 pixels needs 36 products a channel pair instead of 144 (Lavin and Gray 2016, "Fast algorithms
for convolutional neural networks"):  Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A, where ⊙ is, over channels, 36 matrix products.
The matrices come from the Toom-Cook points 0, 1, -1, 1/2, -2, ∞, the most accurate for this size in float32
(Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution"): relative error about 2e-6.

Tiles are worked off in bands of rows that stay in the cache, dealt out to as many MLX streams as there are cores:
MLX runs the operations of a stream on one thread, so copies and sums run beside the products of another band.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Callable
from typing import Any, Literal

import mlx.core as mx
import numpy as np

from artkit.device import CPU_STREAMS

Border = Literal["reflect", "replicate", "zero"]

POINTS = (0, 1, -1, 0.5, -2)
BAND_BYTES = 8 * 2**20  # of transformed pixels: a few of these fit in the cache that cores share


def own_gradient(function: Callable[..., mx.array]) -> Any:
    """A function to which `.vjp` gives a gradient of its own (MLX declares its results as plain objects)."""
    return mx.custom_function(function)


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


class _PerThread(threading.local):
    """MLX's streams belong to the thread that made them, so every thread has its own."""

    @functools.cached_property
    def streams(self) -> list[mx.Stream]:
        return [mx.default_stream(mx.cpu), *(mx.new_stream(mx.cpu) for _ in range(CPU_STREAMS - 1))]


_mine = _PerThread()


def _transform(weight: mx.array) -> mx.array:
    """Weights (O, 3, 3, I) -> (36, O, I)."""
    O, _, _, I = weight.shape  # noqa: E741
    return (WEIGHTS @ weight.reshape(O, 9, I).swapaxes(0, 1).reshape(9, O * I)).reshape(36, O, I)


def _sources(size: int, border: Border) -> np.ndarray:
    """Which pixel each of a tile's six comes from: (6, tiles); -1 is a zero beyond the border."""
    at = 4 * np.arange(-(-size // 4)) + np.arange(-1, 5)[:, None]
    if border == "zero":
        return np.where(at < size, at, -1)
    if border == "reflect" and size > 1:
        at = np.abs(at)
        at = np.where(at < size, at, 2 * size - 2 - at)
    return at.clip(0, size - 1)  # also pixels only a cut-off part of the last tile sees


def _winograd(
    rows_of: Callable[[int, int], mx.array],
    shape: tuple[int, int, int, int],
    weight: mx.array,
    matrices: tuple[mx.array, mx.array],
    border: Border,
    finish: Callable[[mx.array], mx.array],
) -> mx.array:
    """The convolution: transformed weights (36, I, O) -> (B, H, W, O).

    `rows_of(first, last)` gives rows of the input, which is of this shape, the pictures below each other;
    `finish` is done to each band's result (pixels, O) while it is in the cache.
    """
    B, H, W, I = shape  # noqa: E741
    A, Bt = matrices
    O = weight.shape[2]  # noqa: E741
    rows, columns = _sources(H, border), _sources(W, border)
    rows = np.concatenate([np.where(rows >= 0, n * H + rows, -1) for n in range(B)], axis=1)
    R, C = rows.shape[1], columns.shape[1]
    streams = _mine.streams
    rounds = math.ceil(36 * R * C * max(I, O) * 4 / BAND_BYTES / len(streams))
    count = min(R, rounds * len(streams))
    bands = []
    for start, stop in itertools.pairwise(k * R // count for k in range(count + 1)):
        r = rows[:, start:stop]
        first, last = int(r[r >= 0].min()), int(r.max()) + 1
        zero = (last - first) * W  # a row of zeros below; an index past the pixels read stands for it
        down = mx.array(np.where(r >= 0, (r - first) * W, zero).astype(np.int32))
        right = mx.array(np.where(columns >= 0, columns, zero).astype(np.int32))
        with mx.stream(streams[len(bands) % len(streams)]):
            pixels = rows_of(first, last).reshape(-1, I)
            index = (down[:, None, :, None] + right[None, :, None, :]).reshape(-1)
            if border == "zero":
                pixels = mx.concatenate([pixels, mx.zeros((1, I))])
                index = mx.minimum(index, mx.array(zero, mx.int32))
            tiles = Bt @ mx.take(pixels, index, axis=0).reshape(36, -1)
            products = tiles.reshape(36, -1, I) @ weight
            y = finish((A @ products.reshape(36, -1)).reshape(-1, O)).reshape(4, 4, stop - start, C, O)
            bands.append(y.transpose(2, 0, 3, 1, 4).reshape(4 * (stop - start), 4 * C, O))
    return mx.concatenate(bands).reshape(B, -1, 4 * C, O)[:, :H, :W]


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
    row, column = (int(border == "reflect" and size > 1) for size in (H, W))
    top = _spread(dy((far, 0)), weight[:, 0])[:, 1:-1]
    bottom = _spread(dy((far, -1)), weight[:, 2])[:, 1:-1]
    # Columns first; their corners join the rows.
    for line, taps, at in ((0, 0, column), (-1, 2, W - 1 - column)):
        side = _spread(dy((far, far, line)), weight[:, :, taps])
        dx = dx.at[:, :, at].add(side[:, 1:-1])
        top = top.at[:, at].add(side[:, 0])
        bottom = bottom.at[:, at].add(side[:, -1])
    return dx.at[:, row].add(top).at[:, H - 1 - row].add(bottom)


def _weight_gradient(x: mx.array, dy: mx.array) -> mx.array:
    """From x with its border (B, H + 2, W + 2, I), dy (B, H, W, O) -> (O, 3, 3, I): three products, three taps each."""
    _, H, W, O = dy.shape  # noqa: E741
    flat = dy.reshape(-1, O).T
    taps = mx.concatenate([x[:, :, j : j + W] for j in range(3)], axis=3)
    rows = [flat @ taps[:, i : i + H].reshape(flat.shape[1], -1) for i in range(3)]
    return mx.stack(rows, axis=1).reshape(O, 3, 3, -1)


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
        return dx, _weight_gradient(pad(x), whole), *(whole.sum((0, 1, 2)) for _ in bias)

    return convolve(x, weight, *([] if bias is None else [bias]))
