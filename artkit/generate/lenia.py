"""Lenia, life of continuous cells on a world that closes upon itself: A' = clip(A + G(K * A) / T).

B. W.-C. Chan 2019, "Lenia: biology of artificial life". The convolution K * A is done by FFT. On a GPU that is one
transform of the world and one back. On a CPU the world is cut into tiles that fit its caches: each looks at what is
around it too, and goes all of the way at once, transform, growth and trace, on a core of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import artkit.device as device

import cv2
import mlx.core as mx
import numpy as np

from artkit.generate.arrays import native
from artkit.generate.crews import CREWS, evenly
from artkit.generate.orbium import ORBIUM
from artkit.generate.torus import TileByTile, look

TILE = 512  # cells along an edge, about


@dataclass(frozen=True)
class Creature:
    """A Lenia: radius in cells, time T, center and width of growth, heights of the kernel's rings; soup or orbia."""

    radius: int
    time: float
    center: float
    width: float
    rings: tuple[float, ...]
    soup: bool = True


LENIA: dict[str, Creature] = {
    "orbium": Creature(13, 10, 0.15, 0.015, (1.0,), soup=False),
    "geminium": Creature(18, 10, 0.26, 0.036, (0.5, 1.0, 2 / 3)),
    "tissue": Creature(16, 10, 0.22, 0.032, (1.0, 0.55)),
}


class Lenia:
    """A: the cells, (H, W) float32, 0..1. trace: what they were lately. NumPy's arrays on a CPU, MLX's on a GPU."""

    def __init__(self, cells: np.ndarray, creature: Creature, memory: float) -> None:
        keep, (height, width) = 0.5 ** (1 / memory), cells.shape
        self.cells, self.trace = (native(np.array(cells, np.float32, order="C")) for _ in range(2))
        self._live: Callable[..., tuple[Any, Any]]
        self._live = (live_there if device.uses_gpu() else LiveHere)(creature, keep, (height, width))

    def onward(self) -> None:
        self.cells, self.trace = self._live(self.cells, self.trace)

    def shown(self) -> mx.array:
        trace, cells = mx.array(self.trace), mx.array(self.cells)
        return mx.clip(0.72 * mx.sqrt(trace) + 0.28 * cells, 0, 1)

    @property
    def arrays(self) -> Sequence[mx.array]:
        return [part for part in (self.cells, self.trace) if isinstance(part, mx.array)]


# --- the law ------------------------------------------------------------------------------------------------------


def ring_kernel(height: int, width: int, radius: float, rings: Sequence[float]) -> np.ndarray:
    """The neighborhood's weights around cell (0, 0) of a world that closes upon itself, (H, W), of sum 1.

    Rings of the given heights, each exp(4 - 1/(r(1 - r))) across (Chan 2019, eq. 5 and 6).
    """
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in (height, width))
    distance = np.hypot(y[:, None], x[None, :]) / radius * len(rings)
    ring = np.minimum(distance.astype(int), len(rings) - 1)
    r = np.clip(distance - ring, 1e-6, 1 - 1e-6)
    weights = np.where(distance < len(rings), np.exp(4 - 1 / (r * (1 - r))) * np.asarray(rings)[ring], 0)
    return (weights / weights.sum()).astype(np.float32)


def growth(potential: mx.array, center: float, width: float) -> mx.array:
    """How fast cells grow, -1..1, by the potential around them: 1 at `center`, -1 from 3 widths away.

    2 max(0, 1 - (u - m)²/9s²)⁴ - 1, the polynomial one of Chan 2019 (eq. 8).
    """
    away = (potential - center) * (1 / (3 * width))
    near = mx.maximum(1 - away * away, 0)
    near = near * near
    return 2 * near * near - 1


def live_there(creature: Creature, keep: float, shape: tuple[int, int]) -> Callable[..., tuple[Any, Any]]:
    """A step of the cells and of their trace, of which a share `keep` stays, on a GPU."""
    spectrum = mx.fft.rfft2(mx.array(ring_kernel(*shape, creature.radius, creature.rings)))
    mx.eval(spectrum)

    def grown(cells: mx.array, trace: mx.array, potential: mx.array) -> tuple[mx.array, mx.array]:
        rate = growth(potential, creature.center, creature.width) * (1 / creature.time)
        cells = mx.clip(cells + rate, 0, 1)
        return cells, mx.maximum(trace * keep, cells)

    grow = mx.compile(grown) if device.uses_gpu() else grown

    def onward(cells: mx.array, trace: mx.array) -> tuple[mx.array, mx.array]:
        return grow(cells, trace, mx.fft.irfft2(mx.fft.rfft2(cells) * spectrum, cells.shape))

    return onward


class _Tile(NamedTuple):
    top: int
    bottom: int
    left: int
    right: int


_Room = tuple[np.ndarray, np.ndarray]  # a tile with its surroundings, and what grows in it


class LiveHere(TileByTile[_Tile, _Room]):
    """The same on a CPU.

    Of a tile with its surroundings the spectrum is multiplied by the kernel's, which is real, as the kernel is the same
    in all directions. Scaled by 1/3s and with m/3s taken off the mean, it comes back as the (u - m)/3s of the growth.
    """

    def __init__(self, creature: Creature, keep: float, shape: tuple[int, int]) -> None:
        self._reach, self._time, self._keep = math.ceil(creature.radius), creature.time, keep
        across = math.ceil(shape[1] / TILE)
        down = max(math.ceil(shape[0] / TILE), min(math.ceil(CREWS / across), shape[0] // (2 * self._reach)))
        rows, columns = evenly(shape[0], down), evenly(shape[1], across)
        tiles = [_Tile(*y, *x) for y, x in itertools.product(rows, columns)]
        most = [max(end - begin for begin, end in ranges) for ranges in (rows, columns)]
        tall, wide = (cv2.getOptimalDFTSize(edge + 2 * self._reach) for edge in most)
        scale = 1 / (3 * creature.width)
        kernel = ring_kernel(tall, wide, creature.radius, creature.rings)
        self._weights = packed_spectrum(kernel) * np.float32(scale / kernel.size)
        self._mean = np.float32(scale * creature.center)
        super().__init__(
            tiles,
            lambda: (np.empty((tall, wide), np.float32), np.empty(most, np.float32)),
            np.empty(shape, np.float32),
        )

    def live(self, tile: _Tile, room: _Room, cells: np.ndarray, after: np.ndarray, lately: np.ndarray) -> None:
        (field, rate), reach = room, self._reach
        place = slice(tile.top, tile.bottom), slice(tile.left, tile.right)
        height, width = tile.bottom - tile.top, tile.right - tile.left
        look(cells, tile.top - reach, tile.left - reach, field)
        cv2.dft(field, dst=field)
        np.multiply(field, self._weights, out=field)
        field[0, 0] -= self._mean
        cv2.dft(field, dst=field, flags=cv2.DFT_INVERSE)
        away, rate = field[reach : reach + height, reach : reach + width], rate[:height, :width]
        np.multiply(away, away, out=rate)
        cv2.threshold(rate, 1, 1, cv2.THRESH_TRUNC, dst=rate)
        np.subtract(1, rate, out=rate)
        np.multiply(rate, rate, out=rate)
        np.multiply(rate, rate, out=rate)
        cv2.addWeighted(rate, 2 / self._time, cells[place], 1, -1 / self._time, dst=rate)
        cv2.threshold(rate, 1, 1, cv2.THRESH_TRUNC, dst=rate)
        cv2.threshold(rate, 0, 1, cv2.THRESH_TOZERO, dst=after[place])
        np.multiply(lately[place], np.float32(self._keep), out=rate)
        cv2.max(rate, after[place], dst=lately[place])


def packed_spectrum(kernel: np.ndarray) -> np.ndarray:
    """The spectrum of a kernel that is the same in all directions, real then, as factors of what `cv2.dft` gives.

    It packs real and imaginary parts side by side, and of columns whose spectrum is a real signal's one below another:
    (h, w) -> (h, w) float32, each factor where both parts are that it multiplies.
    """
    spectrum, width = np.fft.fft2(kernel).real.astype(np.float32), kernel.shape[1]
    rows, columns = ((np.arange(edge) + 1) // 2 for edge in kernel.shape)
    packed = spectrum[:, columns]
    packed[:, 0] = spectrum[rows, 0]
    if width % 2 == 0:
        packed[:, -1] = spectrum[rows, width // 2]
    return packed


# --- how it begins ------------------------------------------------------------------------------------------------


def soup(height: int, width: int, creature: Creature, seed: int) -> np.ndarray:
    """Cells to begin with, (H, W): random patches as large as a kernel, or orbia in every direction."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((height, width))
    if creature.soup:
        edge = 2 * creature.radius
        for _ in range(max(1, round(0.55 * height * width / edge**2))):
            _put(cells, rng.random((edge, edge)) * rng.uniform(0.3, 1.0), rng)
        return cells
    for _ in range(max(1, round(height * width / 72**2))):
        _put(cells, np.rot90(ORBIUM if rng.random() < 0.5 else ORBIUM.T, int(rng.integers(4))), rng)
    return cells


def _put(cells: np.ndarray, patch: np.ndarray, rng: np.random.Generator) -> None:
    top, left = (rng.integers(edge) for edge in cells.shape)
    rows, columns = (
        (start + np.arange(n)) % edge for start, n, edge in zip((top, left), patch.shape, cells.shape, strict=True)
    )
    cells[np.ix_(rows, columns)] = patch
