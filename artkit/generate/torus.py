"""Looking around on a world that closes upon itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


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
