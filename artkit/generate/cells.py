"""Cellular automata on a world that closes upon itself.

Life-like rules (born/survives), D. Griffeath's cyclic automaton, B. Silverman's Brian's Brain. `shown` tells what is
alive, for how long it has been, and how long ago it was, 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import artkit.device as device

import cv2
import mlx.core as mx
import numpy as np

from artkit.generate.arrays import native
from artkit.generate.crews import CREWS, evenly
from artkit.generate.torus import TileByTile, look

NEVER = 65_535  # steps
ALIVE = 255  # so that it is a mask, too
BAND = 2**19  # cells, about


def neighbors(cells: mx.array) -> mx.array:
    """How many of the eight cells around each are 1: (H, W) of 0 and 1 -> (H, W), of the same type."""
    rows = cells + mx.roll(cells, 1, 0) + mx.roll(cells, -1, 0)
    return rows + mx.roll(rows, 1, 1) + mx.roll(rows, -1, 1) - cells


def parse_law(law: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The law "B3/S23" -> the counts of neighbors with which cells are born, and survive."""
    born, survives = law.upper().split("/")
    return tuple(map(int, born[1:])), tuple(map(int, survives[1:]))


def _any_of(around: mx.array, counts: Sequence[int]) -> mx.array:
    found = mx.zeros(around.shape, mx.bool_)
    for count in counts:
        found = found | (around == count)
    return found


class Cells:
    """Life-like cells, and for how long each has been what it is.

    alive: (H, W) uint8, 0 or ALIVE. steady: steps that they have lived, or not lived, 1 in the first, (H, W) uint16;
    NEVER at most, and where there has been no life. NumPy's arrays on a CPU, MLX's on a GPU.
    """

    def __init__(self, cells: np.ndarray, law: str, memory: float) -> None:
        self._memory, (height, width) = memory, cells.shape
        parts = np.where(cells, ALIVE, 0).astype(np.uint8), np.where(cells, 1, NEVER).astype(np.uint16)
        self.alive, self.steady = map(native, parts)
        born, survives = parse_law(law)
        self._live: Callable[..., tuple[Any, Any]]
        self._live = live_there(born, survives) if device.uses_gpu() else LiveHere(born, survives, (height, width))

    def onward(self) -> None:
        self.alive, self.steady = self._live(self.alive, self.steady)

    def shown(self) -> mx.array:
        alive, steady = mx.array(self.alive), mx.array(self.steady).astype(mx.float32)
        trace = mx.power(0.5 ** (1 / self._memory), steady)
        return mx.where(alive > 0, 0.55 + 0.45 * trace, 0.5 * trace)

    @property
    def arrays(self) -> Sequence[mx.array]:
        return [part for part in (self.alive, self.steady) if isinstance(part, mx.array)]


class _Room(NamedTuple):
    """What a band is worked out in: made anew each time it would cost as much as the work."""

    around: np.ndarray
    rows: np.ndarray
    sums: np.ndarray
    twice: np.ndarray

    @classmethod
    def of(cls, height: int, width: int) -> _Room:
        shapes = (height + 2, width + 2), (height, width + 2), (height, width), (height, width, 2)
        return cls(*(np.empty(shape, np.uint8) for shape in shapes))

    def of_height(self, height: int) -> _Room:
        return _Room(self.around[: height + 2], self.rows[:height], self.sums[:height], self.twice[:height])


class LiveHere(TileByTile[tuple[int, int], _Room]):
    """A step of Cells on a CPU, in bands of rows.

    All nine cells of a neighborhood are summed up, and what becomes of the one in their middle is looked up.
    """

    def __init__(self, born: Sequence[int], survives: Sequence[int], shape: tuple[int, int]) -> None:
        self._lives = np.zeros(256, np.uint8)
        self._lives[[*born, *(17 + n for n in survives)]] = ALIVE  # a living cell is in its own sum, and 16 is added
        height, width = shape
        bands = evenly(height, min(height, max(CREWS, math.ceil(height * width / BAND))))
        most = max(bottom - top for top, bottom in bands)
        self._step = np.ones((most, width), np.uint16)  # quicker than a number
        super().__init__(bands, lambda: _Room.of(most, width), np.empty(shape, np.uint8))

    def live(
        self, tile: tuple[int, int], room: _Room, cells: np.ndarray, after: np.ndarray, lately: np.ndarray
    ) -> None:
        top, bottom = tile
        around, rows, sums, twice = room.of_height(bottom - top)
        here, there, times = cells[top:bottom], after[top:bottom], lately[top:bottom]
        look(cells, top - 1, -1, around)
        np.bitwise_and(around, 1, out=around)
        cv2.add(around[:-2], around[1:-1], dst=rows)
        cv2.add(rows, around[2:], dst=rows)
        cv2.add(rows[:, :-2], rows[:, 1:-1], dst=sums)
        cv2.add(sums, rows[:, 2:], dst=sums)
        np.bitwise_and(here, 16, out=there)
        cv2.bitwise_or(sums, there, dst=sums)
        cv2.LUT(sums, self._lives, dst=there)
        same = cv2.compare(here, there, cv2.CMP_EQ, dst=sums)
        cv2.merge((same, same), dst=twice)
        cv2.bitwise_and(times, twice.view(np.uint16)[..., 0], dst=times)
        cv2.add(times, self._step[: bottom - top], dst=times)  # stops at NEVER


def live_there(born: Sequence[int], survives: Sequence[int]) -> Callable[..., tuple[Any, Any]]:
    """The same on a GPU."""

    def onward(alive: mx.array, steady: mx.array) -> tuple[mx.array, mx.array]:
        here = alive > 0
        around = neighbors(here.astype(mx.uint8))
        lives = (_any_of(around, survives) & here) | (_any_of(around, born) & ~here)
        steady = mx.where(lives == here, mx.minimum(steady, NEVER - 1), 0) + 1
        return mx.where(lives, ALIVE, 0).astype(mx.uint8), steady.astype(mx.uint16)

    return onward


class Brain:
    """Brian's Brain: cells fire when two around them do, then rest for a step. state: 0 off, 1 firing, 2 resting."""

    def __init__(self, state: np.ndarray, memory: float) -> None:
        self.state = mx.array(state.astype(np.uint8))
        self.trace = mx.zeros(self.state.shape)
        self._keep = 0.5 ** (1 / memory)

    def onward(self) -> None:
        firing = (self.state == 1).astype(mx.uint8)
        fires = ((self.state == 0) & (neighbors(firing) == 2)).astype(mx.uint8)
        self.state = fires + 2 * firing
        self.trace = mx.maximum(self.trace * self._keep, fires.astype(mx.float32))

    def shown(self) -> mx.array:
        return self.trace * mx.sqrt(self.trace)

    @property
    def arrays(self) -> Sequence[mx.array]:
        return self.state, self.trace


class Cyclic:
    """Cells become what comes after them once a neighbor above, below, left or right is that. state: (H, W) 0..n-1."""

    def __init__(self, state: np.ndarray, states: int, memory: float) -> None:
        self.state, self._states = mx.array(state.astype(np.uint8)), states
        self._keep = 0.5 ** (1 / min(memory, states / 3))
        self.mean = mx.zeros((2, *self.state.shape))  # the states lately, as points of a circle

    def onward(self) -> None:
        following = mx.where(self.state == self._states - 1, 0, self.state + 1).astype(mx.uint8)
        eaten = mx.zeros(self.state.shape, mx.bool_)
        for axis in (0, 1):
            for by in (1, -1):
                eaten = eaten | (mx.roll(self.state, by, axis) == following)
        self.state = mx.where(eaten, following, self.state)
        turn = self.state.astype(mx.float32) * (2 * math.pi / self._states)
        self.mean = self._keep * self.mean + (1 - self._keep) * mx.stack([mx.cos(turn), mx.sin(turn)])

    def shown(self) -> mx.array:
        return 0.5 + mx.arctan2(self.mean[1], self.mean[0]) / (2 * math.pi)

    @property
    def arrays(self) -> Sequence[mx.array]:
        return self.state, self.mean
