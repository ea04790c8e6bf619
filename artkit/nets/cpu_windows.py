"""Convolution of any kernel that is a multiple of its stride on the CPU: windows gathered, then one matrix product.

The gradient to the input is a convolution too. Seen in cells of stride x stride pixels, a window of k = m · stride is m
cells wide, and a cell lies in m windows: dy of those m x m windows, times weights (m · m · O, stride · stride · I).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from artkit.nets.cpu_bands import Border, add_lines, at_border, in_bands, own_gradient, weight_gradient


def _cut_border(dx: mx.array, widths: tuple[int, int], border: Border, axis: Any) -> mx.array:
    """The inverse of padding, for gradients: cut rows (axis 1) or columns (2) off, add them where they came from."""
    before, after = widths
    size = dx.shape[axis] - before - after
    beyond = [*range(before), *range(before + size, dx.shape[axis])]
    sources = at_border(np.array(beyond, int) - before, size, border, max(widths))
    lines = [
        (int(source), mx.take(dx, at, axis=axis)) for source, at in zip(sources, beyond, strict=True) if source >= 0
    ]
    inside = dx[:, before : before + size] if axis == 1 else dx[:, :, before : before + size]
    return add_lines(inside, lines, axis)


def conv_windows(
    x: mx.array,
    weight: mx.array,
    bias: mx.array | None,
    stride: int,
    widths: tuple[tuple[int, int], tuple[int, int]],
    border: Border,
    relu: bool,
    pad: Callable[[mx.array], mx.array],
) -> mx.array:
    """(B, H, W, I), weight (O, kH, kW, I), bias (O,) or None -> (B, H', W', O), float32, ReLU done if asked for.

    widths: rows and columns added before and after, so many that windows fit exactly; `pad(x)` adds them, for the
    gradient to the weights.
    """
    B, H, W, I = x.shape  # noqa: E741
    O, kH, kW, _ = weight.shape  # noqa: E741
    s, mH, mW = stride, kH // stride, kW // stride
    R, C = ((size + sum(width) - k) // s + 1 for size, width, k in ((H, widths[0], kH), (W, widths[1], kW)))

    @own_gradient
    def convolve(x: mx.array, weight: mx.array, *bias: mx.array) -> mx.array:
        pixels = x.reshape(B * H, W, I)
        matrix = weight.reshape(O, -1).T
        rows, columns = (
            at_border(s * np.arange(count) + np.arange(k)[:, None] - width[0], size, border, max(width))
            for count, k, width, size in ((R, kH, widths[0], H), (C, kW, widths[1], W))
        )

        def work(windows: mx.array, band: int) -> mx.array:
            y = windows.reshape(band * C, -1) @ matrix
            y = y + bias[0] if bias else y
            return (mx.maximum(y, 0.0) if relu else y).reshape(band, C, O)

        shape = (B, H, W, I)
        y = in_bands(lambda first, last: pixels[first:last], shape, rows, columns, work, taps_first=False)
        return y.reshape(B, R, C, O)

    @convolve.vjp
    def gradients(primals: Any, dy: mx.array, y: mx.array) -> tuple[mx.array, ...]:
        x, weight, *bias = primals
        dy = dy * mx.sign(y) if relu else dy  # the sign of a ReLU's result is 0 or 1
        flat = dy.reshape(B * R, C, O)
        matrix = weight.reshape(O, mH, s, mW, s, I).transpose(1, 3, 0, 2, 4, 5).reshape(mH * mW * O, s * s * I)
        cells = C + mW - 1
        rows, columns = (
            at_border(np.arange(count + m - 1) - np.arange(m)[:, None], count, "zero", 0)
            for count, m in ((R, mH), (C, mW))
        )

        def work(windows: mx.array, band: int) -> mx.array:
            pixels = (windows.reshape(band * cells, -1) @ matrix).reshape(band, cells, s, s, I)
            return pixels.swapaxes(1, 2).reshape(band * s, cells * s, I)

        dx = in_bands(lambda first, last: flat[first:last], (B, R, C, O), rows, columns, work, taps_first=False)
        dx = dx.reshape(B, -1, cells * s, I)
        for axis in (2, 1):
            dx = _cut_border(dx, widths[axis - 1], border, axis)
        return dx, weight_gradient(pad(x), dy, (kH, kW), s), *(dy.sum((0, 1, 2)) for _ in bias)

    return convolve(x, weight, *([] if bias is None else [bias]))
