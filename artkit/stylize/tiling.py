"""Tiles with halos: a picture seen piece by piece, exactly as it would be seen whole.

Every tile has a core, which is its own, and a halo as wide as the network's reach, so that the features over the core
are those of the whole picture. Cores begin at multiples of the network's stride, so that pooling falls alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.nets.architectures import Architecture, Branch, Pool
from artkit.nets.features import FeatureNetwork
from artkit.nets.layers import pad

# Bytes that a forward and backward pass takes at its peak, for each activation, on two CPU cores: VGG-19 10.6 (384 px),
# the compact network, which is read out, 5.7 (1024 px) to 7.5 (512 px).
BYTES_PER_ACTIVATION, BYTES_READ_OUT = 12.0, 9.0
UNIT = 128  # pixels; cores are multiples of it


@dataclass(frozen=True)
class Span:
    """Pixels start..stop of one edge that are a tile's own, and the wider from..to that it reads."""

    start: int
    stop: int
    wide_start: int
    wide_stop: int
    last: bool

    def at(self, stride: int, length: int) -> slice:
        """The core within a feature map of the wide span: `length` positions, `stride` pixels apart."""
        first = (self.start - self.wide_start) // stride
        return slice(first, length if self.last else first + (self.stop - self.start) // stride)

    def over(self, stride: int, length: int) -> slice:
        """The core within a feature map of the whole picture, `length` positions long."""
        return slice(self.start // stride, length if self.last else self.stop // stride)


@dataclass(frozen=True)
class Tile:
    """A piece of a picture: rows and columns."""

    rows: Span
    columns: Span

    def read(self, x: mx.array) -> mx.array:
        """The piece with its halo, out of (1, H, W, C)."""
        return x[:, self.rows.wide_start : self.rows.wide_stop, self.columns.wide_start : self.columns.wide_stop]

    def core(self, features: mx.array, stride: int) -> mx.array:
        """The tile's own part of features computed from `read`."""
        return features[:, self.rows.at(stride, features.shape[1]), self.columns.at(stride, features.shape[2])]

    def own(self, whole: mx.array, stride: int) -> mx.array:
        """The tile's own part of a feature map of the whole picture."""
        return whole[:, self.rows.over(stride, whole.shape[1]), self.columns.over(stride, whole.shape[2])]

    def neighbors(self, piece: mx.array) -> tuple[mx.array, mx.array]:
        """The core with the row below it, and the core with the column to its right, where there are any."""
        rows, columns = self.rows.at(1, piece.shape[1]), self.columns.at(1, piece.shape[2])
        return piece[:, rows.start : rows.stop + 1, columns], piece[:, rows, columns.start : columns.stop + 1]


def _spans(length: int, core: int, halo: int) -> list[Span]:
    starts = list(range(0, length, core)) if core else [0]
    if len(starts) > 1 and length - starts[-1] < UNIT:  # a sliver may have no position of its own in a deep layer
        starts.pop()
    stops = [*starts[1:], length]
    return [
        Span(start, stop, max(0, start - halo), min(length, stop + halo), stop == length)
        for start, stop in zip(starts, stops, strict=True)
    ]


def tiles(height: int, width: int, core: int, halo: int) -> list[Tile]:
    """The picture cut into cores of `core` pixels an edge (0: whole), read with `halo` pixels around."""
    return [Tile(rows, columns) for rows in _spans(height, core, halo) for columns in _spans(width, core, halo)]


def tiles_around(height: int, width: int, core: int, halo: int) -> list[Tile]:
    """The same of a picture that goes on at its other side: tiles of what `widened` makes of it, all with a halo."""

    def spans(length: int) -> list[Span]:
        cut = [(span.start, span.stop) for span in _spans(length, core, halo)]
        return [Span(start + halo, stop + halo, start, stop + 2 * halo, False) for start, stop in cut]

    return [Tile(rows, columns) for rows in spans(height) for columns in spans(width)]


def widened(x: mx.array, halo: int) -> mx.array:
    """(B, H, W, C) -> (B, H + 2·halo, W + 2·halo, C), continued at the other side."""
    return pad(x, (halo, halo), (halo, halo), "wrap") if halo else x


def folded(wide: np.ndarray, halo: int) -> np.ndarray:
    """The gradient of `widened`: (B, H + 2·halo, W + 2·halo, C) -> (B, H, W, C), what came from one pixel added up."""
    for axis in (1, 2) if halo else ():
        rows = np.moveaxis(wide, axis, 0)
        whole = np.zeros((len(rows) - 2 * halo, *rows.shape[1:]), wide.dtype)
        np.add.at(whole, np.arange(-halo, len(whole) + halo) % len(whole), rows)
        wide = np.moveaxis(whole, 0, axis)
    return wide


def reach(architecture: Architecture, taps: Iterable[str]) -> tuple[int, int]:
    """(grid, halo) that tiles for these taps need: pixels that cores are multiples of, and the width of the halo."""
    strides, reaches = zip(*(architecture.geometry(tap) for tap in taps), strict=True)
    grid = max(strides)
    return grid, math.ceil(max(reaches) / grid) * grid


def bytes_per_pixel(network: FeatureNetwork, taps: Iterable[str]) -> float:
    """Memory for a forward and backward pass through what `taps` need, per pixel."""
    wanted, activations, stride, strides = set(taps), 3.0, 1, {}
    for layer in network.architecture.path(*wanted):
        if isinstance(layer, Branch):
            stride = strides[layer.tap]
        elif isinstance(layer, Pool):
            stride *= 2
        else:
            stride *= layer.stride
            strides[layer.tap] = stride
            activations += layer.channels / stride**2
            if layer.tap in wanted and (readout := network.architecture.readouts.get(layer.tap)):
                activations += (readout.channels + readout.hidden) / stride**2
    return activations * (BYTES_READ_OUT if network.architecture.readouts else BYTES_PER_ACTIVATION)


def core_size(height: int, width: int, unit: int, halo: int, per_pixel: float, memory: float) -> int:
    """The largest core, a multiple of `unit`, whose tile fits into `memory` bytes; 0 where the whole picture does."""
    if height * width * per_pixel <= memory:
        return 0
    edge = math.sqrt(memory / per_pixel) - 2 * halo
    return max(unit, int(edge // unit) * unit)
