"""Less way for the pen in the air: lines that meet become one, and the next line is the nearest.

Greedy, as vpype's linemerge and linesort are; nothing is looked for beyond the nearest end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np


def in_the_air(lines: Sequence[np.ndarray]) -> float:
    """How far the pen travels above the paper between lines, (N, 2) each, drawn in this order."""
    return float(sum(math.dist(before[-1], after[0]) for before, after in pairwise(lines)))


def merged(lines: Sequence[np.ndarray], tolerance: float) -> list[np.ndarray]:
    """Lines (N, 2) whose ends lie within `tolerance` of each other are drawn in one go; nothing else changes."""
    at: dict[tuple[int, int], list[int]] = {}
    for i, line in enumerate(lines):
        if len(line) > 1:
            for end in (line[0], line[-1]):
                at.setdefault(_cell(end, tolerance), []).append(i)
    used = [False] * len(lines)
    joined = []
    for i, line in enumerate(lines):
        if used[i]:
            continue
        used[i] = True
        if len(line) < 2:
            joined.append(line)
            continue
        parts = [line]
        for backwards in (False, True):
            if backwards:
                parts = [part[::-1] for part in reversed(parts)]
            tail = parts[-1][-1]
            while (j := _meeting(tail, lines, at, used, tolerance)) is not None:
                used[j] = True
                onward = lines[j] if math.dist(lines[j][0], tail) <= tolerance else lines[j][::-1]
                parts.append(onward[1:])
                tail = onward[-1]
        whole = np.concatenate(parts)[::-1].copy()
        if len(parts) > 1 and math.dist(whole[0], whole[-1]) <= tolerance:
            whole[-1] = whole[0]  # a round trip is closed exactly
        joined.append(whole)
    return joined


def _cell(point: np.ndarray, size: float) -> tuple[int, int]:
    return math.floor(point[0] / size), math.floor(point[1] / size)


def _meeting(
    tail: np.ndarray, lines: Sequence[np.ndarray], at: dict[tuple[int, int], list[int]], used: list[bool], near: float
) -> int | None:
    """An unused line with an end within `near` of `tail`."""
    column, row = _cell(tail, near)
    for dx, dy in product((0, -1, 1), repeat=2):
        for j in at.get((column + dx, row + dy), ()):
            if not used[j] and min(math.dist(lines[j][0], tail), math.dist(lines[j][-1], tail)) <= near:
                return j
    return None


def nearest_next(lines: Sequence[np.ndarray], start: tuple[float, float] = (0.0, 0.0)) -> list[tuple[int, np.ndarray]]:
    """The lines with their index, each the nearest to where the last one ended, turned around where that is nearer.

    Closed lines are begun at their nearest point once they are chosen.
    """
    ends = np.array([[line[0], line[-1]] for line in lines]).reshape(-1, 2)  # line i begins at 2i and ends at 2i + 1
    left = set(range(len(lines)))
    cells, size = _sorted_into_cells(ends, left)
    built = len(left)
    ordered, pen = [], np.array(start)
    while left:
        if len(left) < built / 2:
            cells, size = _sorted_into_cells(ends, left)
            built = len(left)
        k = _nearest(pen, ends, cells, size)
        line = lines[k // 2]
        left.discard(k // 2)
        for end in (k, k ^ 1):
            cells[_cell(ends[end], size)].remove(end)
        if len(line) > 2 and (line[0] == line[-1]).all():
            i = int(((line[:-1] - pen) ** 2).sum(axis=1).argmin())
            line = np.concatenate([line[i:-1], line[: i + 1]])
        elif k % 2:
            line = line[::-1]
        ordered.append((k // 2, line))
        pen = line[-1]
    return ordered


def _sorted_into_cells(ends: np.ndarray, left: set[int]) -> tuple[dict[tuple[int, int], list[int]], float]:
    """The ends of the lines that are left by square cells with about two in each, and the cells' edge."""
    those = [end for i in left for end in (2 * i, 2 * i + 1)]
    if not those:
        return {}, 1.0
    extent = np.ptp(ends[those], axis=0)
    size = max(math.sqrt(2 * float(extent.max()) * float(max(extent.min(), extent.max() / 50)) / len(those)), 1e-6)
    cells: dict[tuple[int, int], list[int]] = {}
    for end in those:
        cells.setdefault(_cell(ends[end], size), []).append(end)
    return cells, size


def _nearest(pen: np.ndarray, ends: np.ndarray, cells: dict[tuple[int, int], list[int]], size: float) -> int:
    """The end nearest to the pen: rings of cells around it until none further out can be nearer."""
    column, row = _cell(pen, size)
    best, distance, ring = -1, math.inf, 0
    while distance > (ring - 1) * size:
        if ring * ring > len(cells):  # more cells in the ring than are in use: look into those
            around = list(cells)
            distance = 0.0 if best >= 0 else distance
        else:
            around = _ring(column, row, ring)
        found = [end for cell in around for end in cells.get(cell, ())]
        if found:
            squared = ((ends[found] - pen) ** 2).sum(axis=1)
            i = int(squared.argmin())
            if best < 0 or squared[i] < ((ends[best] - pen) ** 2).sum():
                best, distance = found[i], math.sqrt(squared[i])
        if ring * ring > len(cells):
            break
        ring += 1
    return best


def _ring(column: int, row: int, ring: int) -> list[tuple[int, int]]:
    if not ring:
        return [(column, row)]
    level = range(-ring, ring + 1)
    upright = range(-ring + 1, ring)
    return [(column + i, row + j) for i in level for j in (-ring, ring)] + [
        (column + i, row + j) for j in upright for i in (-ring, ring)
    ]
