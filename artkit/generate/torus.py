"""A world that closes upon itself, worked out in tiles that fit the caches of a CPU, on all of its cores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from artkit.generate.crews import CREWS, at_once

Tile = TypeVar("Tile")
Room = TypeVar("Room")


class TileByTile(ABC, Generic[Tile, Room]):
    """A step of a world: its cells (H, W) and what they were lately -> the same after it.

    The cells that it is given are where those of the step after next will be; what they were lately changes in place.
    """

    def __init__(self, tiles: Sequence[Tile], room: Callable[[], Room], spare: np.ndarray) -> None:
        """room: makes what a crew works in, again and again. spare: an array like the cells."""
        self._shares = [tiles[k::CREWS] for k in range(CREWS)]
        self._rooms = [room() for _ in range(CREWS)]
        self._spare = spare

    def __call__(self, cells: np.ndarray, lately: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        after, self._spare = self._spare, cells

        def live(tiles: Sequence[Tile], room: Room) -> None:
            for tile in tiles:
                self.live(tile, room, cells, after, lately)

        at_once(live, self._shares, self._rooms)
        return after, lately

    @abstractmethod
    def live(self, tile: Tile, room: Room, cells: np.ndarray, after: np.ndarray, lately: np.ndarray) -> None:
        """Fill a tile of `after`, and change that of `lately`."""


def look(world: np.ndarray, top: int, left: int, window: np.ndarray) -> None:
    """Fill `window`, (h, w), with the world, (H, W), from row `top` and column `left` on; both may lie outside."""
    for here, there in _pieces(top, window.shape[0], world.shape[0]):
        for across, along in _pieces(left, window.shape[1], world.shape[1]):
            window[here, across] = world[there, along]


def _pieces(start: int, count: int, edge: int) -> Iterator[tuple[slice, slice]]:
    """Where the places start, start + 1, … are: slices of them, and of the 0..edge that they go around in."""
    at = 0
    while at < count:
        there = (start + at) % edge
        most = min(count - at, edge - there)
        yield slice(at, at + most), slice(there, there + most)
        at += most
