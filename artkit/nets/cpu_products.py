"""Products of feature maps with themselves on the CPU, on all cores, with a gradient of one product instead of two."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx

from artkit.nets.cpu_bands import own_gradient, thread_streams


def _on_each_stream(x: mx.array, work: Callable[[mx.array], mx.array]) -> list[mx.array]:
    """Deal (B, N, C) out along N, one part a stream."""
    streams = thread_streams()
    count = max(1, min(len(streams), x.shape[1]))
    parts = []
    for k, stream in enumerate(streams[:count]):
        with mx.stream(stream):
            parts.append(work(x[:, k * x.shape[1] // count : (k + 1) * x.shape[1] // count]))
    return parts


@own_gradient
def channel_products_on_cpu(x: mx.array) -> mx.array:
    """xᵀ x: (B, N, C) -> (B, C, C)."""
    parts = _on_each_stream(x, lambda part: part.swapaxes(1, 2) @ part)
    return sum(parts[1:], parts[0])


@channel_products_on_cpu.vjp
def _gradient(x: mx.array, dy: mx.array, y: mx.array) -> mx.array:
    both = dy + dy.swapaxes(1, 2)
    return mx.concatenate(_on_each_stream(x, lambda part: part @ both), axis=1)
