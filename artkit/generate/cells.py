"""Cellular automata on a world that closes upon itself.

Life-like rules (born/survives), D. Griffeath's cyclic automaton, B. Silverman's Brian's Brain. `shown` tells what is
alive, for how long it has been, and how long ago it was, 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import artkit.device as device

import cv2
import mlx.core as mx
import numpy as np

NEVER = 65_535  # steps


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
    """Life-like cells, how long they have lived, and how long ago it was.

    cells: (H, W) uint8, 0 or 1. age: steps they have lived, 0 where they do not; since: steps since they lived, 0 where
    they do, NEVER at most; (H, W) uint16. OpenCV's arrays on a CPU, MLX's on a GPU.
    """

    def __init__(self, cells: np.ndarray, law: str, memory: float) -> None:
        born, survives = parse_law(law)
        self._keep, self._memory = 0.5 ** (1 / memory), memory
        begin = np.ascontiguousarray(cells, np.uint8)
        parts = begin, begin.astype(np.uint16), np.where(begin, 0, NEVER).astype(np.uint16)
        self.cells, self.age, self.since = map(mx.array, parts) if device.uses_gpu() else parts
        self._live = _law_there(born, survives) if device.uses_gpu() else _law_here(born, survives, cells.shape)

    def onward(self) -> None:
        self.cells, self.age, self.since = self._live(self.cells, self.age, self.since)

    def shown(self) -> mx.array:
        age, since = (mx.array(part).astype(mx.float32) for part in (self.age, self.since))
        old, trace = 1 - mx.power(0.5, age / self._memory), mx.power(self._keep, since)
        return mx.where(since == 0, 1 - 0.45 * old, 0.5 * trace)

    @property
    def arrays(self) -> Sequence[mx.array]:
        return [part for part in (self.cells, self.age, self.since) if isinstance(part, mx.array)]


def _law_here(born: Sequence[int], survives: Sequence[int], shape: tuple[int, ...]) -> Callable[..., tuple[Any, ...]]:
    """A step of Cells on the CPU: all nine cells are summed up, and what becomes of a cell is looked up."""
    lives = np.zeros(256, np.uint8)
    lives[[*born, *(10 + n for n in survives)]] = 255  # the sum of a living cell has itself in it, and 9 is added
    one, step = np.ones(shape, np.uint8), np.ones(shape, np.uint16)  # quicker than numbers

    def onward(cells: np.ndarray, age: np.ndarray, since: np.ndarray) -> tuple[Any, ...]:
        around = cv2.copyMakeBorder(cells, 1, 1, 1, 1, cv2.BORDER_WRAP)
        nine = cv2.boxFilter(around, -1, (3, 3), normalize=False)[1:-1, 1:-1]
        found = cv2.addWeighted(cells, 9, nine, 1, 0)
        mask = cv2.LUT(found, lives)
        alive = cv2.merge((mask, mask)).view(np.uint16)[..., 0]
        age = cv2.bitwise_and(cv2.add(age, step), alive)  # cv2.add stops at NEVER
        since = cv2.bitwise_and(cv2.add(since, step), cv2.bitwise_not(alive))
        return cv2.bitwise_and(mask, one), age, since

    return onward


def _law_there(born: Sequence[int], survives: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
    """The same on a GPU."""

    def onward(cells: mx.array, age: mx.array, since: mx.array) -> tuple[Any, ...]:
        around, here = neighbors(cells), cells == 1
        lives = (_any_of(around, survives) & here) | (_any_of(around, born) & ~here)
        age = mx.where(lives, mx.minimum(age, NEVER - 1) + 1, 0).astype(mx.uint16)
        since = mx.where(lives, 0, mx.minimum(since, NEVER - 1) + 1).astype(mx.uint16)
        return lives.astype(mx.uint8), age, since

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
