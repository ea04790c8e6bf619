"""Points of the Mandelbrot set by z² + c, thousands at a time, in float64 or float32: the end of a deep picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from artkit.generate.escape import TrapName, approach
from artkit.generate.patches import SAME, Rows, following

RADIUS = 64.0  # a point beyond it has escaped
STRIDE, ROUND, CHUNK = 4, 8, 8192  # iterations between tests, tests between moving points together, points at a time


@dataclass(eq=False)
class Points(Rows):
    """Arrays (N,): where on the canvas they are, iterations done, z, dz/du, c, the nearest approach to the trap."""

    where: np.ndarray
    n: np.ndarray
    z: np.ndarray
    a: np.ndarray
    c: np.ndarray
    near: np.ndarray

    def of(self, kind: type[np.complexfloating]) -> Points:
        """The same in another precision."""
        z, a, c = (part.astype(kind) for part in (self.z, self.a, self.c))
        return Points(self.where, self.n.copy(), z, a, c, self.near)


@dataclass(eq=False)
class Ends:
    """How points ended, by where they are: the iteration at which they were outside (0: never), z, dz/du, near."""

    count: np.ndarray
    z: np.ndarray
    a: np.ndarray
    near: np.ndarray

    @classmethod
    def none(cls, size: int) -> Ends:
        """All inside, so far."""
        return cls(np.zeros(size), np.zeros(size, complex), np.ones(size, complex), np.full(size, 1e9))


def follow_freely(points: Points, ends: Ends, own: complex, limit: int, trap: TrapName | None) -> None:
    """Follow points to their ends. own: dc/du."""
    living, seen, done, again = points.n < limit, points, 0, 0
    while len(points := points.only(np.flatnonzero(living))):
        seen = seen.only(np.flatnonzero(living))
        if done >= again:
            seen, again = points.of(points.z.dtype.type), int(following(np.array(done)))
        living = np.ones(len(points), bool)
        for first in range(0, len(points), CHUNK):
            here = slice(first, first + CHUNK)
            _round(points.only(here), living[here], seen.only(here), ends, own, trap)
        points.n += ROUND * STRIDE
        done += ROUND * STRIDE
        ends.near[points.where] = points.near
        living &= points.n < limit


def _round(points: Points, living: np.ndarray, seen: Points, ends: Ends, own: complex, trap: TrapName | None) -> None:
    """ROUND × STRIDE iterations, in place; those that leave, or come back to where they were seen, live no more."""
    z, a, c = points.z, points.a, points.c
    own, twice = z.dtype.type(own), np.empty_like(z)
    for turn in range(1, ROUND + 1):
        for _ in range(STRIDE):
            np.add(z, z, out=twice)
            a *= twice
            a += own
            np.square(z, out=z)
            z += c
            if trap:
                nearest = np.minimum(points.near, approach(trap, np.real(z), np.imag(z)))
                points.near[living] = nearest[living]
        out = np.flatnonzero(living & ~(np.abs(z) <= RADIUS))
        if len(out):
            places = points.where[out]
            ends.count[places] = points.n[out] + turn * STRIDE
            ends.z[places], ends.a[places] = z[out], a[out]
            living[out] = False
            z[out], c[out], a[out] = 0, 0, 0
        if turn % 2 == 0:
            span = np.abs(a)
            back = living & (np.abs(z - seen.z) <= SAME * span)
            if back.any():
                living &= ~(back & (np.abs(a - seen.a) <= 10 * SAME * span))
