"""Convolution, pooling and resampling of feature maps, (B, H, W, C), in the fastest form for the device.

On a GPU this is MLX's own convolution. On the CPU, 3x3 kernels from 16 or more channels to 12 or more go by Winograd's
algorithm (cpu_winograd.py), other kernels that are a multiple of their stride by gathering windows (cpu_windows.py).
"""

from __future__ import annotations

from typing import Any, Literal

from artkit.device import uses_gpu

import mlx.core as mx
import numpy as np

from artkit.nets import cuda_pool
from artkit.nets.cpu_bands import own_gradient
from artkit.nets.cpu_products import channel_products_on_cpu
from artkit.nets.cpu_windows import conv_windows
from artkit.nets.cpu_winograd import conv3x3

Padding = Literal["reflect", "replicate", "zero", "wrap", "valid"]
Pooling = Literal["max", "average", "l2"]

WINOGRAD_CHANNELS = 16  # with fewer to read, transforming pixels costs more than Winograd's products save
WINOGRAD_RESULTS = 12  # and with fewer to write


def pad(x: mx.array, height: tuple[int, int], width: tuple[int, int], padding: Padding) -> mx.array:
    """Widen (B, H, W, C) by pixels before and after. Reflection leaves out the outermost pixel, so it needs more
    pixels than it adds; a picture too small for it has its outermost pixels repeated instead. "wrap" goes on at the
    other side, as if the picture were a tile among others like it.
    """
    for axis, widths in ((1, height), (2, width)):
        if not any(widths):
            continue
        by_axis = [(0, 0)] * 4
        by_axis[axis] = widths
        if padding in ("zero", "valid"):
            x = mx.pad(x, by_axis)
        elif padding == "wrap":
            around = np.arange(-widths[0], x.shape[axis] + widths[1]) % x.shape[axis]
            x = mx.take(x, mx.array(around), axis=axis)
        elif padding == "reflect" and x.shape[axis] > sum(widths) + 1:
            x = _reflected(x, axis, widths)
        else:
            reflect = padding == "reflect" and x.shape[axis] > max(widths)
            x = mx.pad(x, by_axis, mode="reflect" if reflect else "edge")
    return x


def _reflected(x: mx.array, axis: int, widths: tuple[int, int]) -> mx.array:
    """A picture between mirrored slices of itself, and a gradient put together in the same way: an H200 takes 20 to
    50 % of the time of MLX's own reflection for them.
    """
    before, after = widths

    def cut(a: mx.array, start: int, stop: int, turned: bool = False) -> list[mx.array]:
        """Rows or columns start … stop - 1, from the last to the first if turned; nothing where there are none."""
        if start >= stop:
            return []
        along = slice(start, stop) if not turned else slice(stop - 1, start - 1 if start else None, -1)
        return [a[(slice(None),) * axis + (along,)]]

    @own_gradient
    def reflect(x: mx.array) -> mx.array:
        size = x.shape[axis]
        first, last = cut(x, 1, before + 1, turned=True), cut(x, size - 1 - after, size - 1, turned=True)
        return mx.concatenate([*first, x, *last], axis=axis)

    @reflect.vjp
    def gradient(x: mx.array, dy: mx.array, y: mx.array) -> mx.array:
        size, end = x.shape[axis], dy.shape[axis]
        inner = cut(dy, before, end - after)[0]
        upper = [a + b for a, b in zip(cut(inner, 1, before + 1), cut(dy, 0, before, turned=True), strict=True)]
        last = cut(inner, size - 1 - after, size - 1), cut(dy, end - after, end, turned=True)
        lower = [a + b for a, b in zip(*last, strict=True)]
        middle = cut(inner, before + 1, size - 1 - after)
        return mx.concatenate([*cut(inner, 0, 1), *upper, *middle, *lower, *cut(inner, size - 1, size)], axis=axis)

    return reflect(x)


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels to add before and after so that ⌈size / stride⌉ windows fit exactly."""
    before = (kernel - 1) // 2
    return before, max(0, (-(-size // stride) - 1) * stride + kernel - size - before)


def conv2d(
    x: mx.array,
    weight: mx.array,
    bias: mx.array | None = None,
    *,
    stride: int = 1,
    padding: Padding = "reflect",
    relu: bool = False,
) -> mx.array:
    """Convolution: (B, H, W, I), weight (O, kH, kW, I), bias (O,) or None -> (B, ⌈H/stride⌉, ⌈W/stride⌉, O).

    Every padding but "valid" keeps the size at stride 1: (k - 1) // 2 pixels before and as many after as the last
    window needs (no more: MLX's second derivative of a strided convolution trips over pixels left over).
    With relu=True negative results become 0; on the CPU that costs less than a `relu` of its own.
    """
    kH, kW = weight.shape[1:3]
    same = _same(x.shape[1], kH, stride), _same(x.shape[2], kW, stride)
    border = ((0, 0), (0, 0)) if padding == "valid" else same
    if not uses_gpu() and x.dtype == weight.dtype == mx.float32:
        return _conv2d_on_cpu(x, weight, bias, stride, border, padding, relu)
    if padding == "zero" and border[0][0] == border[0][1] and border[1][0] == border[1][1]:
        y = mx.conv2d(x, weight, stride=stride, padding=(border[0][0], border[1][0]))
    else:
        y = mx.conv2d(pad(x, *border, padding), weight, stride=stride)
    return _finished(y, bias, relu)


def _conv2d_on_cpu(
    x: mx.array,
    weight: mx.array,
    bias: mx.array | None,
    stride: int,
    border: tuple[tuple[int, int], tuple[int, int]],
    padding: Padding,
    relu: bool,
) -> mx.array:
    """The fastest of: Winograd, gathered windows, and MLX's own; `border` pixels are added before and after."""
    O, kH, kW, I = weight.shape  # noqa: E741

    def padded(x: mx.array) -> mx.array:
        return pad(x, *border, padding)

    few = I < WINOGRAD_CHANNELS <= O
    enough = I >= WINOGRAD_CHANNELS and O >= WINOGRAD_RESULTS
    if padding != "valid" and (kH, kW, stride) == (3, 3, 1) and enough:
        return conv3x3(x, weight, bias, padding, relu, padded)
    if padding != "valid" and kH % stride == kW % stride == 0 and not (few and stride == 1):
        return conv_windows(x, weight, bias, stride, border, padding, relu, padded)
    y = _from_few(padded(x), weight) if few and stride == 1 else mx.conv2d(padded(x), weight, stride=stride)
    return _finished(y, bias, relu)


def _finished(y: mx.array, bias: mx.array | None, relu: bool) -> mx.array:
    """What a convolution gave, with its bias, and without what is negative if `relu`."""
    if bias is None:
        return _relu(y) if relu else y
    return _biased_relu(y, bias) if relu else y + bias


@own_gradient
def _from_few(x: mx.array, weight: mx.array) -> mx.array:
    """Convolution without padding from few channels, such as a picture's three."""
    return mx.conv2d(x, weight)


@_from_few.vjp
def _from_few_gradients(primals: Any, dy: mx.array, y: mx.array) -> tuple[mx.array, mx.array]:
    """Each pixel's share in its kH x kW sources, one matrix product; then sums where the shares overlap."""
    x, weight = primals
    O, kH, kW, I = weight.shape  # noqa: E741
    shares = (dy @ weight.reshape(O, -1)).reshape(*dy.shape[:3], kH, kW, I)
    none = (0, 0)
    across = [mx.pad(shares[..., j, :], [none, none, (j, kW - 1 - j), none, none]) for j in range(kW)]
    row = sum(across[1:], across[0])
    down = [mx.pad(row[:, :, :, i], [none, (i, kH - 1 - i), none, none]) for i in range(kH)]
    return sum(down[1:], down[0]), mx.vjp(lambda weight: mx.conv2d(x, weight), [weight], [dy])[1][0]


def relu(x: mx.array) -> mx.array:
    """max(x, 0), of any shape; the gradient at 0 is 0."""
    return _relu(x)


@own_gradient
def _relu(x: mx.array) -> mx.array:
    return mx.maximum(x, 0)


@_relu.vjp
def _relu_gradient(x: mx.array, dy: mx.array, y: mx.array) -> mx.array:
    # The sign of the result is 0 or 1: two passes over the memory where comparing and selecting take three.
    return dy * mx.sign(y)


@own_gradient
def _biased_relu(x: mx.array, bias: mx.array) -> mx.array:
    return mx.maximum(x + bias, 0)  # within one gradient of its own, for `mx.compile` to make one kernel of it


@_biased_relu.vjp
def _biased_relu_gradient(primals: Any, dy: mx.array, y: mx.array) -> tuple[mx.array, mx.array]:
    slope = dy * mx.sign(y)
    return slope, slope.sum(axis=(0, 1, 2))


def pool(x: mx.array, kind: Pooling = "max") -> mx.array:
    """Pool 2x2 pixels into one: (B, H, W, C) -> (B, H // 2, W // 2, C); an odd last row or column is dropped.

    "l2" is the root of the mean square, so that every kind leaves the values of a flat area as they are. The
    gradient of a maximum goes to one of the pixels that reach it.
    """
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    if kind == "max":
        if not uses_gpu():
            return _max_pool(x)
        return cuda_pool.max_pool(x) if mx.cuda.is_available() and x.size else _max_of_four(x)
    if kind == "average":
        return _average_pool(x)
    return mx.sqrt(_average_pool(x * x) + 1e-12)  # where all are 0 the root alone has no gradient


def _max_of_four(x: mx.array) -> mx.array:
    a, b, c, d = (x[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
    return mx.maximum(mx.maximum(a, b), mx.maximum(c, d))


def _rows(x: mx.array) -> tuple[mx.array, mx.array]:
    """Even and odd rows of (B, H, W, C), each (B, H/2, W, C), as views whose rows stay whole in memory."""
    B, H, W, C = x.shape
    x = x.reshape(B, H // 2, 2 * W, C)
    return x[:, :, :W], x[:, :, W:]


def _columns(x: mx.array) -> tuple[mx.array, mx.array]:
    """Even and odd columns of (B, H, W, C), each (B, H, W/2, C), as views."""
    B, H, W, C = x.shape
    x = x.reshape(B, H, W // 2, 2 * C)
    return x[..., :C], x[..., C:]


@own_gradient
def _max_pool(x: mx.array) -> mx.array:
    """Maximum of 2x2 pixels, rows and then columns: on the CPU faster than of four slices, and so is its gradient."""
    return mx.maximum(*_columns(mx.maximum(*_rows(x))))


@_max_pool.vjp
def _max_pool_gradient(x: mx.array, dy: mx.array, y: mx.array) -> mx.array:
    B, H, W, C = x.shape
    upper, lower = _rows(x)
    left, right = _columns(mx.maximum(upper, lower))
    to_left = dy * (left >= right)
    across = mx.concatenate([to_left, dy - to_left], axis=3).reshape(B, H // 2, W, C)
    to_upper = across * (upper >= lower)
    return mx.concatenate([to_upper, across - to_upper], axis=2).reshape(x.shape)


@own_gradient
def _average_pool(x: mx.array) -> mx.array:
    a, b, c, d = (x[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
    return (a + b + c + d) * 0.25


@_average_pool.vjp
def _average_pool_gradient(x: mx.array, dy: mx.array, y: mx.array) -> mx.array:
    return upsample2(dy * 0.25)


def upsample2(x: mx.array) -> mx.array:
    """Each pixel twice in both directions: (B, H, W, C) -> (B, 2H, 2W, C)."""
    return mx.repeat(mx.repeat(x, 2, axis=1), 2, axis=2)


def space_to_depth(x: mx.array, factor: int) -> mx.array:
    """Fold factor x factor pixels into channels: (B, H, W, C) -> (B, H/f, W/f, f·f·C), row by row, then C."""
    B, H, W, C = x.shape
    f = factor
    return x.reshape(B, H // f, f, W // f, f, C).transpose(0, 1, 3, 2, 4, 5).reshape(B, H // f, W // f, f * f * C)


def depth_to_space(x: mx.array, factor: int) -> mx.array:
    """The inverse of `space_to_depth`: (B, H, W, f·f·C) -> (B, f·H, f·W, C)."""
    B, H, W, C = x.shape
    f = factor
    return x.reshape(B, H, W, f, f, C // (f * f)).transpose(0, 1, 3, 2, 4, 5).reshape(B, H * f, W * f, C // (f * f))


def channel_products(x: mx.array) -> mx.array:
    """Each pair of channels multiplied, summed over positions: (B, N, C) -> (B, C, C), xᵀ x."""
    return _channel_products(x) if uses_gpu() else channel_products_on_cpu(x)


@own_gradient
def _channel_products(x: mx.array) -> mx.array:
    return x.swapaxes(1, 2) @ x


@_channel_products.vjp
def _channel_products_gradient(x: mx.array, dy: mx.array, y: mx.array) -> mx.array:
    return x @ (dy + dy.swapaxes(1, 2))  # one product, where both sides of xᵀ x would take one each
