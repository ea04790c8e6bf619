"""Patches of pixels of the Mandelbrot set, each followed by a polynomial; `artkit.generate.deep` says what for."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from artkit.generate.bigplane import Reference

TERMS = 6
REACH = [math.sqrt(2) ** (k + 1) for k in range(TERMS)]  # |u|^k in the corners of a patch
CHECK = 8  # iterations between two looks at how good the polynomials are
LEAVING = 2.2  # |z| from which a patch is taken to escape
SAME = 1e-4  # of a_1: that an orbit has come back


class Rows:
    """What a dataclass of arrays has whose last axes go together, one place a thing."""

    def __len__(self) -> int:
        return getattr(self, fields(self)[0].name).shape[-1]  # type: ignore[arg-type]

    def only(self, which: Any) -> Self:
        """Some of them; of a slice the very same numbers."""
        parts = {field.name: getattr(self, field.name)[..., which] for field in fields(self)}  # type: ignore[arg-type]
        return type(self)(**parts)


@dataclass(frozen=True, eq=False)
class Patches(Rows):
    """Squares of pixels, all of one size, arrays (N,): where they are and what has become of their middles.

    column, row: of the upper left pixel on the canvas. n: iterations done. m: the place in the reference. d: the
    difference to it; z = Z_m + d. dc: that of c. terms: a_1 … a_K, (K, N), in halves of the edge. near: the nearest
    approach to the trap. m_seen, d_seen, seen: m, d and terms at an earlier time; again: the n of the next such time.
    """

    column: np.ndarray
    row: np.ndarray
    n: np.ndarray
    m: np.ndarray
    d: np.ndarray
    z: np.ndarray
    dc: np.ndarray
    terms: np.ndarray
    near: np.ndarray
    m_seen: np.ndarray
    d_seen: np.ndarray
    seen: np.ndarray
    again: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Patches]) -> Patches:
        """Those of several together."""
        return Patches(*(np.concatenate([getattr(p, field.name) for p in parts], -1) for field in fields(cls)))

    def ends(self) -> np.ndarray:
        """What the last two terms come to in the corners of each."""
        last = len(self.terms) - 1
        before = last - 1
        return np.maximum(np.abs(self.terms[before]) * REACH[before], np.abs(self.terms[last]) * REACH[last])

    def returned(self) -> np.ndarray:
        """Which have come to a cycle, for their edges as for their middles."""
        span = np.abs(self.terms[0])
        return (
            (self.m == self.m_seen)
            & (np.abs(self.d - self.d_seen) <= SAME * span)
            & (np.abs(self.terms - self.seen).max(axis=0) <= 10 * SAME * span)
        )

    def marked(self) -> Self:
        """The same, with what is to be come back to where it is time for it."""
        due = self.n >= self.again
        if not due.any():
            return self
        return replace(
            self,
            m_seen=np.where(due, self.m, self.m_seen),
            d_seen=np.where(due, self.d, self.d_seen),
            seen=np.where(due, self.terms, self.seen),
            again=np.where(due, following(self.n), self.again),
        )

    def cut(self, parts: int, finer: int, kept: int) -> Patches:
        """Each in parts × parts, of edge `finer`, with `kept` terms; dc is still that of the large ones."""
        had, many = len(self.terms), parts * parts
        moves = _moves(parts)[:, : kept + 1, :had]
        seen = (moves.reshape(-1, had) @ self.terms).reshape(many, kept + 1, len(self))
        move, terms = seen[:, 0].reshape(-1), seen[:, 1:].swapaxes(0, 1).reshape(kept, many * len(self))
        i, j = (index.reshape(-1, 1) for index in np.meshgrid(np.arange(parts), np.arange(parts)))
        column, row = (self.column + finer * i).reshape(-1), (self.row + finer * j).reshape(-1)
        n, m, z, near, dc = (np.tile(part, many) for part in (self.n, self.m, self.z, self.near, self.dc))
        d = np.tile(self.d, many) + move
        return Patches(column, row, n, m, d, z + move, dc, terms, near, m, d, terms, following(n))


def following(n: np.ndarray) -> np.ndarray:
    """When to look again for what an orbit comes back to."""
    return 2 * n + 8 * CHECK


@functools.cache
def _moves(parts: int) -> np.ndarray:
    """What a polynomial is, seen from the middles of parts × parts squares in a patch, (parts², TERMS + 1, TERMS).

    Σ a_k (v + u/parts)^k = Σ_j u^j parts^-j Σ_k C(k, j) v^(k-j) a_k; rows of squares from the top.
    """
    across = (2 * np.arange(parts) + 1 - parts) / parts
    places = (across[None, :] - 1j * across[:, None]).reshape(-1)
    moves = np.zeros((parts * parts, TERMS + 1, TERMS), complex)
    for k in range(1, TERMS + 1):
        for j in range(k + 1):
            moves[:, j, k - 1] = math.comb(k, j) * places ** (k - j) / parts**j
    return moves


def alone(
    reference: Reference, dc: complex, own: complex, limit: int, bound: float, flattest: float
) -> tuple[int, complex, complex, tuple[complex, ...]]:
    """One patch from the first iteration on, without arrays: n, z, d and the terms when it has to be cut.

    own: dc/du. bound: of the last terms, against the first; flattest: of the first. n is `limit` where all is inside.
    """
    points = reference.points(0).tolist()
    n, z, d = 0, 0j, 0j
    a1 = a2 = a3 = a4 = a5 = a6 = 0j
    kept, seen, again = (n, z, d, (a1, a2, a3, a4, a5, a6)), (z, 0j, 0j, 0j, 0j, 0j, 0j), CHECK
    while n < limit:
        if n + CHECK + 1 >= len(points):
            points = reference.points(n + CHECK + 1).tolist()
            if n + CHECK + 1 >= len(points):
                return kept
        for _ in range(CHECK):
            t = z + z
            a6 = t * a6 + 2 * (a1 * a5 + a2 * a4) + a3 * a3
            a5 = t * a5 + 2 * (a1 * a4 + a2 * a3)
            a4 = t * a4 + 2 * a1 * a3 + a2 * a2
            a3 = t * a3 + 2 * a1 * a2
            a2 = t * a2 + a1 * a1
            a1 = t * a1 + own
            d = (t - d) * d + dc
            n += 1
            z = points[n] + d
            if dc and abs(z) <= abs(d):
                return kept
        span = abs(a1)
        if max(abs(a5) * REACH[4], abs(a6) * REACH[5]) > bound * span or abs(z) > LEAVING or span > flattest:
            return kept
        kept = n, z, d, (a1, a2, a3, a4, a5, a6)
        if max(abs(now - before) for now, before in zip((z, *kept[3]), seen, strict=True)) <= SAME * span:
            return limit, z, d, kept[3]
        if n >= again:
            seen, again = (z, *kept[3]), 2 * n + 8 * CHECK
    return kept
