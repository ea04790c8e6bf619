"""Maps and flows with strange attractors, and which of their parameters are worth drawing.

Maps: C. Pickover's Clifford attractor, P. de Jong's, B. Martin's Hopalong (1986). Flows: E. Lorenz (1963), Y. Aizawa,
by Runge and Kutta's fourth-order steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from artkit.generate.arrays import library

Point = tuple[Any, ...]  # x, y and, of flows, z; (N,) each, of MLX or NumPy
Number = Any  # or arrays, one for each of several attractors
Map = Callable[..., Point]  # point, parameters -> the next point
TRIES = 40  # parameters of which the richest are taken
PROBE_ORBITS, PROBE_STEPS, PROBE_CELLS = 40, 200, 48
ENOUGH_VISITED = 0.6  # share of the cells; beyond that, more is not richer
LEAST_LYAPUNOV = 0.01  # an iteration; below that, orbits fall onto points or circles

# --- maps and flows -----------------------------------------------------------------------------------------------


def clifford(x: Any, y: Any, a: Number, b: Number, c: Number, d: Number) -> Point:
    """The map to sin ay + c cos ax, sin bx + d cos by."""
    xp = library(x)
    return xp.sin(a * y) + c * xp.cos(a * x), xp.sin(b * x) + d * xp.cos(b * y)


def dejong(x: Any, y: Any, a: Number, b: Number, c: Number, d: Number) -> Point:
    """The map to sin ay - cos bx, sin cx - cos dy."""
    xp = library(x)
    return xp.sin(a * y) - xp.cos(b * x), xp.sin(c * x) - xp.cos(d * y)


def hopalong(x: Any, y: Any, a: Number, b: Number, c: Number) -> Point:
    """The map to y - sgn(x) √|bx - c|, a - x."""
    xp = library(x)
    return y - xp.sign(x) * xp.sqrt(xp.abs(b * x - c)), a - x


def lorenz_flow(x: Any, y: Any, z: Any, sigma: Number, rho: Number, beta: Number) -> Point:
    """The velocity of Lorenz's convection."""
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


def aizawa_flow(x: Any, y: Any, z: Any, a: Number, b: Number, c: Number, d: Number, e: Number, f: Number) -> Point:
    """The velocity of Aizawa's sphere with a tube through it."""
    return (
        (z - b) * x - d * y,
        d * x + (z - b) * y,
        c + a * z - z * z * z / 3 - (x * x + y * y) * (1 + e * z) + f * z * x * x * x,
    )


def runge_kutta(flow: Callable[..., Point], step: float) -> Map:
    """The map that follows a flow for a time `step`, by the classical fourth-order method."""

    def onward(x: Any, y: Any, z: Any, *parameters: Number) -> Point:
        point = (x, y, z)

        def at(slope: Point, time: float) -> Point:
            return flow(*(p + time * s for p, s in zip(point, slope, strict=True)), *parameters)

        k1 = flow(*point, *parameters)
        k2 = at(k1, step / 2)
        k3 = at(k2, step / 2)
        k4 = at(k3, step)
        return tuple(
            p + step / 6 * (a + 2 * b + 2 * c + d) for p, a, b, c, d in zip(point, k1, k2, k3, k4, strict=True)
        )

    return onward


@dataclass(frozen=True)
class Kind:
    """A family of attractors. ranges: of the parameters that seeds draw; first: those of seed 0.

    warm_up: first iterations, which are not drawn: until orbits are on the attractor.
    """

    onward: Map
    first: tuple[float, ...]
    ranges: tuple[tuple[float, float], ...]
    dimensions: int = 2
    spread: float = 1.0  # of the points that orbits begin at
    warm_up: int = 200
    bounded: bool = True  # whether orbits stay; Hopalong's wander off for ever


KINDS: dict[str, Kind] = {
    "clifford": Kind(clifford, (-1.4, 1.6, 1.0, 0.7), ((-2.2, 2.2), (-2.2, 2.2), (-1.6, 1.6), (-1.6, 1.6))),
    "dejong": Kind(dejong, (1.4, -2.3, 2.4, -2.1), ((-3, 3), (-3, 3), (-3, 3), (-3, 3))),
    "hopalong": Kind(hopalong, (0.4, 1.0, 0.0), ((-2, 2), (-2, 2), (-2, 2)), bounded=False, spread=0.01, warm_up=0),
    "lorenz": Kind(
        runge_kutta(lorenz_flow, 0.004),
        (10.0, 28.0, 8 / 3),
        ((8, 14), (26, 60), (1.6, 3.2)),
        dimensions=3,
        spread=10,
        warm_up=4000,
    ),
    "aizawa": Kind(
        runge_kutta(aizawa_flow, 0.01),
        (0.95, 0.7, 0.6, 3.5, 0.25, 0.1),
        ((0.8, 1.0), (0.6, 0.8), (0.5, 0.75), (2.5, 5.0), (0.15, 0.3), (0.05, 0.15)),
        dimensions=3,
        spread=0.3,
        warm_up=4000,
    ),
}


# --- which parameters ---------------------------------------------------------------------------------------------


def begin(kind: Kind, orbits: int, seed: int) -> tuple[np.ndarray, ...]:
    """Points to start from, (N,) each."""
    rng = np.random.default_rng(seed)
    return tuple(rng.uniform(-kind.spread, kind.spread, (kind.dimensions, orbits)).astype(np.float32))


def lyapunov(kind: Kind, parameters: np.ndarray, seed: int) -> np.ndarray:
    """How fast near orbits of a map part: (T, P) -> Lyapunov exponents an iteration, (T,); below 0 they come together.

    Two orbits that begin 10^-3 apart are followed and brought back to that distance each time (Benettin et al. 1980).
    """
    numbers, point = _tries(kind, parameters, seed)
    apart = np.float32(1e-3)
    near, growth = (point[0] + apart, *point[1:]), np.zeros(len(parameters))
    for step in range(PROBE_STEPS):
        point, near = kind.onward(*point, *numbers), kind.onward(*near, *numbers)
        between = tuple(b - a for a, b in zip(point, near, strict=True))
        distance = np.sqrt(sum(d * d for d in between) + np.float32(1e-16))
        near = tuple(a + apart * d / distance for a, d in zip(point, between, strict=True))
        if step >= PROBE_STEPS // 2:
            growth += np.log(distance / apart).mean(axis=1)
    return growth / (PROBE_STEPS - PROBE_STEPS // 2)


def visited(kind: Kind, parameters: np.ndarray, seed: int) -> np.ndarray:
    """How much of its bounding box an attractor fills: (T, P) -> the share of cells that orbits visit, (T,)."""
    numbers, point = _tries(kind, parameters, seed)
    drawn, seen = PROBE_STEPS if kind.dimensions == 2 else 3 * PROBE_STEPS, []
    with np.errstate(over="ignore", invalid="ignore"):  # of flows that run away
        for step in range(kind.warm_up + drawn):
            point = kind.onward(*point, *numbers)
            if step >= kind.warm_up:
                seen.append(np.stack([point[0], point[-1]], axis=-1))
    places = np.stack(seen, axis=2).reshape(len(parameters), -1, 2)
    return np.array([_share(one) for one in places])


def _tries(kind: Kind, parameters: np.ndarray, seed: int) -> tuple[list[np.ndarray], Point]:
    """Parameters as columns, (T, 1) each, and the same points to start from for all, (T, N) each."""
    numbers = [np.asarray(parameters, np.float32)[:, k, None] for k in range(len(parameters[0]))]
    shape = (len(parameters), PROBE_ORBITS)
    return numbers, tuple(np.broadcast_to(part[None], shape) for part in begin(kind, PROBE_ORBITS, seed))


def _share(places: np.ndarray) -> float:
    """The share of the cells of their bounding box that points visit, (N, 2) -> 0..1; 0 for orbits that run away."""
    if not np.isfinite(places).all() or np.abs(places).max() > 1e4:
        return 0.0
    low, high = places.min(axis=0), places.max(axis=0)
    cells = ((places - low) / np.maximum(high - low, 1e-3) * (PROBE_CELLS - 1e-3)).astype(int)
    return len(np.unique(cells @ [1, PROBE_CELLS])) / PROBE_CELLS**2


def find(name: str, seed: int) -> tuple[float, ...]:
    """The parameters of a seed: of those drawn, the richest whose orbits neither collapse nor run away."""
    kind = KINDS[name]
    if seed == 0:
        return kind.first
    rng = np.random.default_rng(seed)
    low, high = np.array(kind.ranges).T
    flow = kind.dimensions == 3
    drawn = rng.uniform(low, high, (TRIES // (8 if flow else 1), len(low))).astype(np.float32)
    if not kind.bounded:  # never collapses
        return tuple(map(float, drawn[0]))
    worth = np.minimum(visited(kind, drawn, seed), ENOUGH_VISITED)
    if not flow:  # a flow that falls into a cycle visits few cells anyway
        worth = np.where(lyapunov(kind, drawn, seed) > LEAST_LYAPUNOV, worth, 0)
    good = np.flatnonzero(worth >= 0.75 * worth.max())
    return tuple(map(float, drawn[good[0]])) if worth.max() > 0 else kind.first
