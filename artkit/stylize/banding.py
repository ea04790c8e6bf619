"""A style network over a picture too large to hold: layer by layer, band by band, with the whole picture's statistics.

An instance norm looks at a whole feature map, so a picture cannot simply be cut: its pieces would be normed apart and
show seams. Here each layer is run over the whole picture before the next begins. Its convolution goes over bands of
rows, which see a few rows of their neighbors, while sums for the norm are gathered; the feature map waits in a
temporary file, in float16. The result is the untiled one but for that rounding.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit import checkpoint
from artkit.nets.stylenets import Code, Layer, Plan, StyleNetwork, moments

HALO = 2  # rows of its neighbors that a band sees: one is needed, and halving wants an even number
RATIO = {"same": (1, 1), "half": (1, 2), "double": (2, 1)}  # rows out for rows in
LIVE = 6.0  # copies of a layer's input and output that are in memory while it runs


def bytes_per_pixel(plan: Plan) -> float:
    """Memory that the network takes for a pixel, seen whole: its widest layer, several times over."""
    scale, widest = 1 / plan.fold**2, 0.0
    for layer in plan.layers:
        up, down = RATIO[layer.size]
        after = scale * (up / down) ** 2
        widest, scale = max(widest, layer.ins * scale + layer.outs * after), after
    return 4 * LIVE * widest


def least_memory(plan: Plan, width: int) -> float:
    """Bytes for the narrowest bands of a picture that wide."""
    return (plan.multiple + 2 * HALO * plan.fold) * width * bytes_per_pixel(plan)


def draw(network: StyleNetwork, x: mx.array, code: Code, memory: float, grain: mx.array | None = None) -> mx.array:
    """`network(x, code, grain)` for a picture (1, H, W, 3) within `memory` bytes (and a few rows more), evaluated."""
    if x.shape[1] * x.shape[2] * bytes_per_pixel(network.plan) <= memory:
        drawn = network(x, code, grain)
        mx.eval(drawn)
        return drawn
    return _in_bands(network, x, code, memory, grain)


class Map:
    """A feature map (H, W, C) in a temporary file that goes with it."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        # A file with holes would end the process where the disk is full: the map asks for all of its room first.
        with checkpoint.disk_errors(Path(tempfile.gettempdir()), "set TMPDIR to another folder, or raise --max-memory"):
            self._reserve(height, width, channels)

    def _reserve(self, height: int, width: int, channels: int) -> None:
        with tempfile.TemporaryFile() as file:
            if hasattr(os, "posix_fallocate"):  # not on a Mac
                os.posix_fallocate(file.fileno(), 0, 2 * height * width * channels)
            self.values = np.memmap(file, np.float16, "w+", shape=(height, width, channels))

    def read(self, start: int, stop: int) -> mx.array:
        """Rows, as far as there are any: (1, stop - start, W, C), float32."""
        return mx.array(self.values[max(0, start) : stop].astype(np.float32))[None]

    def write(self, start: int, band: mx.array) -> None:
        """Rows from `start`, (1, N, W, C)."""
        self.values[start : start + band.shape[1]] = np.array(band[0].astype(mx.float16))

    def bands(self, rows: int) -> Iterator[tuple[int, int]]:
        """(start, stop) of all rows, `rows` at a time."""
        height = len(self.values)
        yield from ((start, min(start + rows, height)) for start in range(0, height, rows))


class Sums:
    """Mean and variance of the channels of a map from those of its bands, in float64 (Chan, Golub and LeVeque 1983)."""

    def __init__(self, channels: int) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(channels), np.zeros(channels)

    def add(self, band: mx.array) -> None:
        """(1, N, W, C)."""
        mean, variance = (np.array(m, np.float64).reshape(-1) for m in moments(band))
        count = band.shape[1] * band.shape[2]
        off, total = mean - self.mean, self.count + count
        self.squares += variance * count + off**2 * (self.count * count / total)
        self.mean, self.count = self.mean + off * (count / total), total

    def moments(self) -> tuple[mx.array, mx.array]:
        """(1, 1, 1, C) twice, float32."""
        pair = (self.mean, self.squares / self.count)
        return tuple(mx.array(m.astype(np.float32)).reshape(1, 1, 1, -1) for m in pair)  # type: ignore[return-value]


def _in_bands(network: StyleNetwork, x: mx.array, code: Code, memory: float, grain: mx.array | None) -> mx.array:
    plan, (_, height, width, _) = network.plan, x.shape
    x, grain = network.padded(x), None if grain is None else network.padded(grain)
    rows = max(plan.multiple, int(memory / (x.shape[2] * bytes_per_pixel(plan))) // plan.multiple * plan.multiple)
    f = Map(x.shape[1] // plan.fold, x.shape[2] // plan.fold, plan.layers[0].ins)
    kept, pixels = list[Map](), plan.fold  # rows of pixels for a row of the map
    for start, stop in f.bands(rows // pixels):
        rows_here = slice(start * pixels, stop * pixels)
        seen = x[:, rows_here] if grain is None else x[:, rows_here] + grain[:, rows_here]
        f.write(start, network.fold(seen))
    for layer in plan.layers:
        if layer.skip == "from":
            kept.append(f)
        f, sums = _convolve(network, layer, f, rows // pixels)
        pixels = pixels * RATIO[layer.size][1] // RATIO[layer.size][0]
        if layer.norm:
            added = kept.pop() if layer.skip == "to" else None
            for start, stop in f.bands(rows // pixels):
                here = code.rows(start * pixels, stop * pixels)
                band = network.normalize(layer, f.read(start, stop), sums.moments(), here)
                f.write(start, band if added is None else band + added.read(start, stop))
    drawn = np.empty((*x.shape[1:3], 3), np.float32)
    for start, stop in f.bands(rows):
        drawn[start:stop] = np.array(network.finish(x[:, start:stop], f.read(start, stop), code.rows(start, stop))[0])
    return mx.array(drawn[None, :height, :width])


def _convolve(network: StyleNetwork, layer: Layer, f: Map, rows: int) -> tuple[Map, Sums]:
    """The layer's convolution over a map, and the sums that its norm needs."""
    up, down = RATIO[layer.size]
    height, width, _ = f.values.shape
    out, sums = Map(height * up // down, width * up // down, layer.outs), Sums(layer.outs)
    for start, stop in f.bands(rows):
        top = max(0, start - HALO)
        y = network.convolve(layer, f.read(top, stop + HALO))
        skipped, count = (start - top) * up // down, (stop - start) * up // down
        y = y[:, skipped : skipped + count]
        out.write(start * up // down, y)
        sums.add(y)
    return out, sums
