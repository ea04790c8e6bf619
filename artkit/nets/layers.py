"""Convolution, pooling and resampling of feature maps, (B, H, W, C), in the fastest form for the device."""

from __future__ import annotations

from typing import Literal

import artkit.device  # noqa: F401  (fast BLAS first)
import mlx.core as mx

Padding = Literal["reflect", "replicate", "zero", "valid"]
Pooling = Literal["max", "average", "l2"]


def pad(x: mx.array, top: int, bottom: int, left: int, right: int, padding: Padding) -> mx.array:
    """Widen (B, H, W, C) at its border. Reflection needs more pixels than it adds: fewer are repeated instead."""
    mode = {"reflect": "reflect", "replicate": "edge", "zero": "constant", "valid": "constant"}[padding]
    for axis, (before, after) in ((1, (top, bottom)), (2, (left, right))):
        widths = [(0, 0)] * 4
        widths[axis] = (before, after)
        small = mode == "reflect" and x.shape[axis] <= max(before, after)
        x = mx.pad(x, widths, mode="edge" if small else mode) if before or after else x
    return x


def conv2d(
    x: mx.array, weight: mx.array, bias: mx.array | None = None, *, stride: int = 1, padding: Padding = "reflect"
) -> mx.array:
    """Convolution: (B, H, W, I), weight (O, kH, kW, I), bias (O,) or None -> (B, ⌈H/stride⌉, ⌈W/stride⌉, O).

    Every padding but "valid" keeps the size at stride 1: (k - 1) // 2 pixels before, k // 2 after.
    """
    kH, kW = weight.shape[1:3]
    if padding != "valid":
        x = pad(x, (kH - 1) // 2, kH // 2, (kW - 1) // 2, kW // 2, padding)
    y = mx.conv2d(x, weight, stride=stride)
    return y if bias is None else y + bias


def pool(x: mx.array, kind: Pooling = "max") -> mx.array:
    """Pool 2x2 pixels into one: (B, H, W, C) -> (B, H // 2, W // 2, C); an odd last row or column is dropped.

    "l2" is the root of the mean square.
    """
    H, W = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    a, b, c, d = (x[:, i:H:2, j:W:2] for i in (0, 1) for j in (0, 1))
    if kind == "max":
        return mx.maximum(mx.maximum(a, b), mx.maximum(c, d))
    if kind == "average":
        return (a + b + c + d) * 0.25
    return mx.sqrt((a * a + b * b + c * c + d * d) * 0.25 + 1e-12)


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
