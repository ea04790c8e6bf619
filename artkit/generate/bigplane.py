"""Places of the Mandelbrot set in as many digits as they need: fixed-point numbers, reference orbits, minibrots.

A number is a Python integer, a multiple of 2^-bits. Claude Heiland-Allen ("Practical interior distance rendering",
"Deep zoom theory and practice", mathr.co.uk) gives the ball method for periods, Newton's iteration for nuclei, and the
size estimate of a minibrot.
"""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SPARE_BITS = 64  # beyond the depth of the picture


@dataclass(frozen=True)
class Place:
    """A point of the complex plane, (re + i·im)·2^-bits."""

    re: int
    im: int
    bits: int

    @classmethod
    def of(cls, re: Fraction | float | str, im: Fraction | float | str, bits: int = 64) -> Place:
        """From numbers or decimal words of any length; ValueError for words that are no numbers."""
        return cls(round(Fraction(re) * (1 << bits)), round(Fraction(im) * (1 << bits)), bits)

    def finer(self, bits: int) -> Place:
        """The same place with at least `bits` bits."""
        more = max(0, bits - self.bits)
        return Place(self.re << more, self.im << more, self.bits + more)

    def moved(self, by: complex, bits: int) -> Place:
        """The place at a (tiny) distance from here, with at least `bits` bits."""
        here = self.finer(bits)
        unit = 1 << here.bits
        return Place(here.re + int(Fraction(by.real) * unit), here.im + int(Fraction(by.imag) * unit), here.bits)

    def __complex__(self) -> complex:
        return complex(self.re / (1 << self.bits), self.im / (1 << self.bits))

    def words(self, digits: int) -> str:
        """As decimals: "-0.74364,0.13182"."""
        return ",".join(_decimal(part, self.bits, digits) for part in (self.re, self.im))


def _decimal(number: int, bits: int, digits: int) -> str:
    scaled = round(Fraction(abs(number) * 10**digits, 1 << bits))
    whole, rest = divmod(scaled, 10**digits)
    return f"{'-' if number < 0 else ''}{whole}.{rest:0{digits}d}"


def bits_for(radius: float) -> int:
    """Bits that a picture of this radius needs."""
    return max(0, -math.floor(math.log2(radius))) + SPARE_BITS


DEEPEST_BITS = bits_for(1e-61)


def orbit(c: Place, limit: int) -> list[complex]:
    """0, c, c² + c, …: `limit` + 1 of them rounded to complex, or up to the first beyond 64 (computed without loss)."""
    x = y = 0
    bits, unit, points = c.bits, 1 << c.bits, [0j]
    for _ in range(limit):
        x, y = ((x + y) * (x - y) >> bits) + c.re, (x * y >> (bits - 1)) + c.im
        points.append(complex(x / unit, y / unit))
        if abs(points[-1]) > 64:
            break
    return points


class Reference:
    """The orbit of one place, as far as it has been asked for: Z_0 = 0, Z_1 = c, …, complex128.

    Its precision is that of the deepest picture, so that it serves all frames of a movie; threads may share it.
    """

    def __init__(self, place: Place) -> None:
        self.place = place.finer(DEEPEST_BITS)
        self._points, self._ended, self._lock = np.zeros(1, complex), False, threading.Lock()

    @staticmethod
    @functools.lru_cache(maxsize=4)
    def of(place: Place) -> Reference:
        """The same one for the same place."""
        return Reference(place)

    def points(self, last: int) -> np.ndarray:
        """Z_0 … Z_last or more; fewer where the orbit has left: then the last one is beyond 64."""
        with self._lock:
            if last >= len(self._points) and not self._ended:
                wanted = max(last, 2 * len(self._points), 2000)
                self._points = np.array(orbit(self.place, wanted))
                self._ended = len(self._points) <= wanted
            return self._points


def period(c: Place, radius: float, limit: int) -> int | None:
    """The period of the largest minibrot around whose disk this may be: the first n at which 0 is inside its image."""
    slope = 0j
    for n, z in enumerate(orbit(c, limit)):
        if n and abs(z) < radius * abs(slope):
            return n
        slope = 2 * z * slope + 1
        if abs(slope) > 1e290 or abs(z) > 64:
            return None
    return None


def nucleus(near: Place, cycle: int, radius: float) -> Place | None:
    """The c nearby whose orbit comes back to 0 after `cycle` steps, by Newton's iteration; None if it runs away."""
    bits, c = near.bits, near
    for _ in range(64):
        x = y = 0
        slope = 0j
        unit = 1 << bits
        for _ in range(cycle):
            slope = 2 * complex(x / unit, y / unit) * slope + 1
            x, y = ((x + y) * (x - y) >> bits) + c.re, (x * y >> (bits - 1)) + c.im
            if x * x + y * y > 1 << (2 * bits + 12):
                return None
        if not 0 < abs(slope) < 1e290:
            return None
        step = complex(x / unit, y / unit) / slope
        c = c.moved(-step, bits)
        away = complex((c.re - near.re) / unit, (c.im - near.im) / unit)
        if abs(away) > 4 * radius:
            return None
        if abs(step) < 2.0 ** (8 - bits):
            return c
    return None


def size_of(c: Place, cycle: int) -> float:
    """The size of the minibrot of a nucleus, against that of the whole set: 1/|βλ²|."""
    slope, beta = 1 + 0j, 1 + 0j
    for z in orbit(c, cycle - 1)[1:]:
        slope *= 2 * z
        if slope == 0 or abs(slope) > 1e140:
            return 0.0
        beta += 1 / slope
    return 1 / abs(beta * slope * slope)
