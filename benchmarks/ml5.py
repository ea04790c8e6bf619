"""The style networks of ml5.js (lengstrom/fast-style-transfer's TransformerNet) in MLX, as faithful as can be.

Sixteen convolutions without biases, an instance norm behind each, TensorFlow's SAME padding with zeros, transposed
convolutions on the way up. Layer k reads Variable_{3k} (kernel), Variable_{3k+1} (shift) and Variable_{3k+2} (scale).
"""

from __future__ import annotations

from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx

from artkit.checkpoint import load_arrays

EPSILON = 1e-3
STRIDES = {1: 2, 2: 2}
ENLARGING = (13, 14)
LAST = 15


class TransformerNet:
    """(1, H, W, 3), sRGB 0..1 -> the same; height and width should be multiples of 4."""

    def __init__(self, file: Path) -> None:
        tensors = load_arrays(file)
        self.tensors = [tensors["Variable" + (f"_{n}" if n else "")] for n in range(3 * (LAST + 1))]

    def __call__(self, x: mx.array) -> mx.array:
        for k in range(3):
            x = mx.maximum(self.layer(k, x), 0)
        for k in range(3, 13, 2):
            x = x + self.layer(k + 1, mx.maximum(self.layer(k, x), 0))
        for k in ENLARGING:
            x = mx.maximum(self.layer(k, x), 0)
        return mx.clip(mx.tanh(self.layer(LAST, x)) * (150 / 255) + 0.5, 0, 1)

    def layer(self, k: int, x: mx.array) -> mx.array:
        """Convolution and instance norm."""
        kernel, shift, scale = self.tensors[3 * k : 3 * k + 3]
        if k in ENLARGING:  # stored (h, w, out, in); of the full result, the first 2H × 2W
            height, width = x.shape[1:3]
            x = mx.conv_transpose2d(x, kernel.transpose(2, 0, 1, 3), stride=2)[:, : 2 * height, : 2 * width]
        else:  # stored (h, w, in, out)
            edge, stride = kernel.shape[0], STRIDES.get(k, 1)
            before = (edge - stride) // 2
            x = mx.pad(x, [(0, 0), *[(before, edge - stride - before)] * 2, (0, 0)])
            x = mx.conv2d(x, kernel.transpose(3, 0, 1, 2), stride=stride)
        mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
        return (x - mean) * mx.rsqrt(variance + EPSILON) * scale + shift
