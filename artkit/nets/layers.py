"""Convolution, pooling and resampling of feature maps, (B, H, W, C), in the fastest form for the device.

On a GPU, and for most kernels on the CPU, this is MLX's own convolution. On the CPU 3x3 kernels between 16 or more
channels go by Winograd's algorithm (cpu_conv.py), and gradients that MLX computes slowly there have a form of their own.
"""

from __future__ import annotations

from typing import Any, Literal

import mlx.core as mx

from artkit.device import uses_gpu
from artkit.nets.cpu_conv import conv3x3

Padding = Literal["reflect", "replicate", "zero", "valid"]
Pooling = Literal["max", "average", "l2"]

WINOGRAD_CHANNELS = 16  # with fewer on either side, transforming pixels costs more than Winograd's products save


def pad(x: mx.array, height: tuple[int, int], width: tuple[int, int], padding: Padding) -> mx.array:
    """Widen (B, H, W, C) by pixels before and after. Reflection leaves out the outermost pixel, so it needs more
    pixels than it adds; a picture too small for it has its outermost pixels repeated instead.
    """
    for axis, widths in ((1, height), (2, width)):
        if not any(widths):
            continue
        by_axis = [(0, 0)] * 4
        by_axis[axis] = widths
        if padding in ("zero", "valid"):
            x = mx.pad(x, by_axis)
        else:
            reflect = padding == "reflect" and x.shape[axis] > max(widths)
            x = mx.pad(x, by_axis, mode="reflect" if reflect else "edge")
    return x


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

    The border gets (k - 1) // 2 pixels before and k // 2 after, of the padding's kind; "valid" adds none.
    With relu=True negative results become 0, for less than a separate `relu` costs.
    """
    O, kH, kW, I = weight.shape  # noqa: E741
    on_cpu = not uses_gpu() and x.dtype == weight.dtype == mx.float32
    if on_cpu and (kH, kW, stride) == (3, 3, 1) and padding != "valid" and min(I, O) >= WINOGRAD_CHANNELS:
        return conv3x3(x, weight, bias, padding, relu)
    if padding == "zero" and kH % 2 and kW % 2:
        y = _convolve(x, weight, stride, (kH // 2, kW // 2), on_cpu)
    else:
        if padding != "valid":
            x = pad(x, ((kH - 1) // 2, kH // 2), ((kW - 1) // 2, kW // 2), padding)
        y = _convolve(x, weight, stride, (0, 0), on_cpu)
    if bias is not None:
        y = y + bias
    return _relu(y) if relu else y


def _convolve(x: mx.array, weight: mx.array, stride: int, zeros: tuple[int, int], on_cpu: bool) -> mx.array:
    """MLX's convolution; on the CPU with a quicker gradient where few channels come in (a picture)."""
    O, kH, kW, I = weight.shape  # noqa: E741

    @mx.custom_function
    def convolve(x: mx.array, weight: mx.array) -> mx.array:
        return mx.conv2d(x, weight, stride=stride, padding=zeros)

    @convolve.vjp
    def gradients(primals, dy: mx.array, y: mx.array) -> tuple[mx.array, mx.array]:
        x, weight = primals
        # Each pixel's share in its kH x kW sources, then the sum of the shares where they lie over each other.
        B, H, W, _ = dy.shape
        shares = (dy.reshape(-1, O) @ weight.reshape(O, -1)).reshape(B, H, W, kH, kW, I)
        columns = [mx.pad(shares[:, :, :, :, j], [(0, 0), (0, 0), (j, kW - 1 - j), (0, 0), (0, 0)]) for j in range(kW)]
        across = sum(columns[1:], columns[0])
        rows = [mx.pad(across[:, :, :, i], [(0, 0), (i, kH - 1 - i), (0, 0), (0, 0)]) for i in range(kH)]
        dx = sum(rows[1:], rows[0])[:, zeros[0] :, zeros[1] :][:, : x.shape[1], : x.shape[2]]
        return dx, mx.vjp(lambda w: mx.conv2d(x, w, padding=zeros), [weight], [dy])[1][0]

    if on_cpu and stride == 1 and I < WINOGRAD_CHANNELS <= O:
        return convolve(x, weight)
    return mx.conv2d(x, weight, stride=stride, padding=zeros)


def relu(x: mx.array) -> mx.array:
    """max(x, 0), of any shape; the gradient at 0 is 0."""
    return _relu(x)


@mx.custom_function
def _relu(x: mx.array) -> mx.array:
    return mx.maximum(x, 0)


@_relu.vjp
def _relu_gradient(x: mx.array, dy: mx.array, y: mx.array) -> mx.array:
    # The sign of the result is 0 or 1: two passes over the memory where a comparison and a product take three.
    return dy * mx.sign(y)


def pool(x: mx.array, kind: Pooling = "max") -> mx.array:
    """Pool 2x2 pixels into one: (B, H, W, C) -> (B, H // 2, W // 2, C); an odd last row or column is dropped.

    "l2" is the root of the mean square, so a flat area keeps its value with every kind. The gradient of a maximum
    goes to one of the pixels that reach it.
    """
    H, W = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :H, :W]
    if kind == "max":
        return _max_pool(x) if not uses_gpu() else _quarters(x, mx.maximum)
    if kind == "average":
        return _average_pool(x)
    # The small number keeps the root's gradient finite where everything is 0.
    return mx.sqrt(_average_pool(x * x) + 1e-12)


def _halves(x: mx.array, axis: Literal[1, 2]) -> tuple[mx.array, mx.array]:
    """Even and odd rows (axis 1) or columns (axis 2), as views in which long runs of memory stay together."""
    B, H, W, C = x.shape
    if axis == 1:
        x = x.reshape(B, H // 2, 2 * W, C)
        return x[:, :, :W], x[:, :, W:]
    x = x.reshape(B, H, W // 2, 2 * C)
    return x[..., :C], x[..., C:]


def _interleave(even: mx.array, odd: mx.array, axis: Literal[1, 2]) -> mx.array:
    """The inverse of `_halves`."""
    B, H, W, C = even.shape
    if axis == 1:
        return mx.concatenate([even, odd], axis=2).reshape(B, 2 * H, W, C)
    return mx.concatenate([even, odd], axis=3).reshape(B, H, 2 * W, C)
