"""Where to look in a fractal: a place of the Mandelbrot set for every seed, Julia constants, spots of the others."""

from __future__ import annotations

import cmath
import math
import random

from artkit.generate.bigplane import Place, bits_for, nucleus, period, size_of

LONGEST_PERIOD = 400  # of a minibrot that is looked for
SPOTS: dict[str, tuple[tuple[str, float], ...]] = {  # center, log10 of the magnification
    "ship": (
        ("-1.7620,-0.0300", 1.5),
        ("-1.8617,-0.0030", 2.2),
        ("-1.6250,-0.0080", 1.9),
        ("-0.5000,-0.5500", 0.0),
        ("-1.9410,-0.0010", 2.6),
        ("-1.5750,-0.0120", 1.7),
        ("-1.7720,-0.0420", 2.1),
    ),
}


def boundary(turn: float, outwards: float = 0.0) -> complex:
    """A point at the edge of the Mandelbrot set's main heart, `turn` (0..1) around it, moved away from it."""
    mu = (1 + outwards) * cmath.exp(2j * math.pi * turn)
    return mu / 2 - mu * mu / 4


def julia_constant(seed: int) -> complex:
    """A constant whose Julia set has spirals: just outside of the heart, at a slightly irrational turn."""
    rng = random.Random(f"julia {seed}")
    q = rng.randint(3, 13)
    p = rng.choice([p for p in range(1, q) if math.gcd(p, q) == 1])
    return boundary(p / q + rng.choice([-1, 1]) * rng.uniform(0.004, 0.02), rng.uniform(0.03, 0.08))


def wander(seed: int) -> tuple[Place, float]:
    """A minibrot and its surroundings: its nucleus in all the digits needed, and the radius to look at.

    From a random point at the edge on to a minibrot nearby, and from the Julia-like ornaments around it, as large as
    the geometric mean of where one was and the minibrot, to a smaller one, once or more.
    """
    rng = random.Random(f"wander {seed}")
    turn = rng.choice([rng.uniform(0.04, 0.15), rng.uniform(0.15, 0.3), rng.uniform(0.3, 0.48)])
    start = boundary(turn, 0.01)
    place, radius, cycle = Place.of(start.real, start.imag, 96), 0.02, 1
    for _ in range(rng.choice([1, 2, 2, 2, 3])):
        found = _smaller(place, radius, cycle, rng)
        if found is None:
            break
        place, radius, cycle = found
    return place, radius


def _smaller(place: Place, radius: float, cycle: int, rng: random.Random) -> tuple[Place, float, int] | None:
    """A minibrot of a longer period within `radius`: its nucleus, the radius of what surrounds it, its period."""
    for _ in range(300):
        away = cmath.rect(radius * rng.uniform(0.25, 0.8), rng.uniform(0, 2 * math.pi))
        near = place.moved(away, bits_for(radius**3))
        length = period(near, radius * 0.06, LONGEST_PERIOD)
        if not length or length <= cycle:
            continue
        found = nucleus(near, length, radius * 0.1)
        if found is None:
            continue
        size = size_of(found, length)
        if 0 < size < 0.003 * radius:
            return found, 2.0 * math.sqrt(size * radius), length
    return None
