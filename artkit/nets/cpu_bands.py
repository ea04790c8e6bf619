"""Work on feature maps in bands of rows, on all cores: what the CPU's convolutions share.

MLX runs the operations of a stream on one thread. A band goes through all its operations on one stream, while it is in
the cache; the bands are dealt out to as many streams as there are cores, so that copies and sums of one run beside the
matrix products of another.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable
from typing import Any, Literal

from artkit.device import CPU_STREAMS

import mlx.core as mx
import numpy as np

Border = Literal["reflect", "replicate", "zero", "wrap"]

BAND_BYTES = 8 * 2**20  # of gathered pixels: a few of these fit in the cache that cores share


def own_gradient(function: Callable[..., mx.array]) -> Any:
    """A function to which `.vjp` gives a gradient of its own (MLX declares its results as plain objects)."""
    return mx.custom_function(function)


_mine = threading.local()


def thread_streams() -> list[mx.Stream]:
    """As many streams as there are cores; MLX ties a stream to the thread that made it, so every thread has its own."""
    if not hasattr(_mine, "streams"):
        _mine.streams = [mx.default_stream(mx.cpu), *(mx.new_stream(mx.cpu) for _ in range(CPU_STREAMS - 1))]
    return _mine.streams


def at_border(positions: np.ndarray, size: int, border: Border, reach: int) -> np.ndarray:
    """Which of `size` pixels stands at each position, of which some lie beyond the border; -1 stands for a zero.

    `reach`: how far beyond matters; reflection needs more pixels than that, and repeats the outermost otherwise.
    """
    if border == "zero":
        return np.where((positions >= 0) & (positions < size), positions, -1)
    if border == "wrap":
        return positions % size
    if border == "reflect" and size > reach:
        positions = np.abs(positions)
        positions = np.where(positions < size, positions, 2 * size - 2 - positions)
    return positions.clip(0, size - 1)


def in_bands(
    rows_of: Callable[[int, int], mx.array],
    shape: tuple[int, int, int, int],
    rows: np.ndarray,
    columns: np.ndarray,
    work: Callable[[mx.array, int], mx.array],
    *,
    taps_first: bool,
) -> mx.array:
    """Gather pixels for every position of a grid, R x C in each picture, work on them, and put the bands together.

    rows_of(first, last): rows of the input, which is of this shape (B, H, W, I), the pictures below each other.
    rows (kH, R), columns (kW, C): the pixels that each position of the grid sees; -1 is a zero.
    work(pixels, R'): gets those of R' rows of the grid, flat, in the order (kH, kW, R', C, I) if taps_first, else
    (R', C, kH, kW, I), and returns (R' · m, …); the result is (B · R · m, …).
    """
    B, H, W, I = shape  # noqa: E741
    rows = np.concatenate([np.where(rows >= 0, n * H + rows, -1) for n in range(B)], axis=1)
    (kH, R), (kW, C) = rows.shape, columns.shape
    streams = thread_streams()
    rounds = math.ceil(kH * kW * R * C * I * 4 / BAND_BYTES / len(streams))
    count = min(R, rounds * len(streams))
    zeros = bool((rows < 0).any() or (columns < 0).any())
    bands = []
    for start, stop in itertools.pairwise(k * R // count for k in range(count + 1)):
        r = rows[:, start:stop]
        first = int(r[r >= 0].min(initial=B * H - 1))
        last = max(int(r.max()) + 1, first + 1)
        zero = (last - first) * W  # a row of zeros below; an index past the pixels read stands for it
        down = mx.array(np.where(r >= 0, (r - first) * W, zero).astype(np.int32))
        right = mx.array(np.where(columns >= 0, columns, zero).astype(np.int32))
        with mx.stream(streams[len(bands) % len(streams)]):
            if taps_first:
                index = down[:, None, :, None] + right[None, :, None, :]
            else:
                index = down.T[:, None, :, None] + right.T[None, :, None, :]
            pixels = rows_of(first, last).reshape(-1, I)
            if zeros:
                pixels = mx.concatenate([pixels, mx.zeros((1, I))])
                index = mx.minimum(index, mx.array(zero, mx.int32))
            bands.append(work(mx.take(pixels, index.reshape(-1), axis=0), stop - start))
    return mx.concatenate(bands)


def add_lines(dx: mx.array, lines: list[tuple[int, mx.array]], axis: Literal[1, 2]) -> mx.array:
    """Add rows (axis 1) or columns (axis 2) of gradients to those of dx (B, H, W, C), at their places.

    `.at[].add` changes dx in place where nobody else holds it, and costs next to nothing.
    """
    for place, line in lines:
        dx = dx.at[:, place].add(line) if axis == 1 else dx.at[:, :, place].add(line)
    return dx


def weight_gradient(x: mx.array, dy: mx.array, kernel: tuple[int, int], stride: int) -> mx.array:
    """From x with its border (B, H, W, I) and dy (B, R, C, O) -> (O, kH, kW, I), a matrix product a kernel row."""
    (kH, kW), (_, R, C, O) = kernel, dy.shape  # noqa: E741
    flat = dy.reshape(-1, O).T
    far_r, far_c = (R - 1) * stride + 1, (C - 1) * stride + 1
    taps = mx.concatenate([x[:, :, j : j + far_c : stride] for j in range(kW)], axis=3)
    rows = [flat @ taps[:, i : i + far_r : stride].reshape(flat.shape[1], -1) for i in range(kH)]
    return mx.stack(rows, axis=1).reshape(O, kH, kW, -1)
