"""Level lines of a plane of numbers, as marching squares finds them (Lorensen and Cline 1987, in two dimensions)."""

from __future__ import annotations

import numpy as np

# The corners of a square that are above the level, as bits (1 upper left, 2 upper right, 4 lower right, 8 lower left):
# pairs of edges (0 top, 1 right, 2 bottom, 3 left) that a line joins. 5 and 10 are saddles: the low corners are joined.
_PAIRS = {
    1: [(3, 0)],
    2: [(0, 1)],
    3: [(3, 1)],
    4: [(1, 2)],
    5: [(3, 0), (1, 2)],
    6: [(0, 2)],
    7: [(3, 2)],
    8: [(2, 3)],
    9: [(2, 0)],
    10: [(0, 1), (2, 3)],
    11: [(2, 1)],
    12: [(1, 3)],
    13: [(1, 0)],
    14: [(0, 3)],
}


def level_lines(plane: np.ndarray, level: float) -> list[np.ndarray]:
    """Where a plane (H, W) crosses `level`, linear between its values: (N, 2) each, (x, y) in units of its cells.

    (0, 0) is the first value. Lines end at the border of the plane or are closed; values equal to the level are above.
    """
    height, width = plane.shape
    plane = plane.astype(np.float64)
    above = plane >= level
    kind = 1 * above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]
    begins, ends = [], []
    for case, pairs in _PAIRS.items():
        j, i = np.nonzero(kind == case)
        number = [2 * (j * width + i), 2 * (j * width + i + 1) + 1, 2 * ((j + 1) * width + i), 2 * (j * width + i) + 1]
        for begin, end in pairs:  # even numbers: from a value to the right one; odd: to the one below
            begins.append(number[begin])
            ends.append(number[end])
    chains = _chained(np.concatenate(begins), np.concatenate(ends))
    points = []
    for chain in chains:
        value, down = np.divmod(np.array(chain), 2)
        j, i = np.divmod(value, width)
        here, there = plane[j, i], plane[np.minimum(j + down, height - 1), np.minimum(i + 1 - down, width - 1)]
        t = (level - here) / (there - here)
        points.append(np.stack([i + t * (1 - down), j + t * down], axis=1))
    return points


def _chained(begins: np.ndarray, ends: np.ndarray) -> list[list[int]]:
    """Directed segments between numbered edges, each edge in at most two -> chains; closed ones end as they begin."""
    onward = dict(zip(begins.tolist(), ends.tolist(), strict=True))
    reached = set(ends.tolist())
    chains = []
    for first in [edge for edge in onward if edge not in reached]:  # open ones from where they begin
        chains.append(_followed(first, onward))
    while onward:
        chains.append(_followed(next(iter(onward)), onward))
    return chains


def _followed(first: int, onward: dict[int, int]) -> list[int]:
    chain = [first]
    while (edge := onward.pop(chain[-1], None)) is not None:
        chain.append(edge)
    return chain
