"""Lines that keep their distance: what is too near to a line that is there already is left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Spacing:
    """The lines so far, on a grid whose cells are `apart` wide (after Jobard and Lefer 1997, streamline placement).

    shortest: lines of fewer segments of their path are left out.
    """

    def __init__(self, width: float, height: float, apart: float, shortest: int) -> None:
        self._apart, self._shortest = apart, shortest
        self._taken = np.zeros((int(height / apart) + 3, int(width / apart) + 3), np.int64)
        self._count = 0

    def admitted(self, path: np.ndarray, inside: np.ndarray) -> Iterator[np.ndarray]:
        """The parts of a path, (N, 2), that are `inside`, (N,), and near to no other line; those are then taken."""
        self._count += 1
        steps = int(np.ceil(np.hypot(*np.diff(path, axis=0).T).max() / self._apart * 1.5)) or 1
        at = np.linspace(0, len(path) - 1, steps * (len(path) - 1) + 1)
        fine = np.stack([np.interp(at, np.arange(len(path)), path[:, c]) for c in (0, 1)], axis=1)
        column, row = ((fine / self._apart).astype(int) + 1).T
        rows, columns = self._taken.shape
        ok = (np.interp(at, np.arange(len(path)), inside) > 0.99) & (row > 0) & (row < rows) & (column > 0)
        ok &= column < columns
        row, column = row.clip(0, rows - 1), column.clip(0, columns - 1)
        ok &= self._taken[row, column] == 0
        edges = np.flatnonzero(np.diff(np.concatenate([[0], ok, [0]])))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            if end - begin >= self._shortest * steps:
                self._taken[row[begin:end], column[begin:end]] = self._count
                yield fine[begin : end : max(1, steps // 2)]
