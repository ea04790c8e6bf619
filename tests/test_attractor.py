"""Attractors against float64, the search for parameters, and densities that hold every point."""

import math
from typing import Any

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WrongCall
from artkit.generate.attractor import AttractorOptions, Brush, Frame, attractor_steps
from artkit.generate.canvas import Size
from artkit.generate.orbits import KINDS, begin, find, lyapunov, visited

STEPS = 12


def clifford(p: np.ndarray, a: float, b: float, c: float, d: float) -> np.ndarray:
    x, y = p
    return np.array([np.sin(a * y) + c * np.cos(a * x), np.sin(b * x) + d * np.cos(b * y)])


def dejong(p: np.ndarray, a: float, b: float, c: float, d: float) -> np.ndarray:
    x, y = p
    return np.array([np.sin(a * y) - np.cos(b * x), np.sin(c * x) - np.cos(d * y)])


def hopalong(p: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    x, y = p
    return np.array([y - np.sign(x) * np.sqrt(np.abs(b * x - c)), a - x])


def lorenz(p: np.ndarray, sigma: float, rho: float, beta: float) -> np.ndarray:
    x, y, z = p
    return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def aizawa(p: np.ndarray, a: float, b: float, c: float, d: float, e: float, f: float) -> np.ndarray:
    x, y, z = p
    up = c + a * z - z**3 / 3 - (x * x + y * y) * (1 + e * z) + f * z * x**3
    return np.array([(z - b) * x - d * y, d * x + (z - b) * y, up])


def advanced(flow, step: float):
    """The flow by many small steps of Euler's method with Richardson's extrapolation: another way to the same."""

    def euler(p: np.ndarray, parameters: tuple[float, ...], count: int) -> np.ndarray:
        for _ in range(count):
            p = p + step / count * flow(p, *parameters)
        return p

    return lambda p, *parameters: 2 * euler(p, parameters, 800) - euler(p, parameters, 400)


MAPS = {
    "clifford": clifford,
    "dejong": dejong,
    "hopalong": hopalong,
    "lorenz": advanced(lorenz, 0.004),
    "aizawa": advanced(aizawa, 0.01),
}


@pytest.mark.parametrize("xp", [mx, np])
@pytest.mark.parametrize("name", KINDS)
def test_short_orbits_are_those_of_float64(name: str, xp: Any) -> None:
    kind = KINDS[name]
    rng = np.random.default_rng(1)
    wanted = kind.spread * rng.uniform(0.2, 1, (kind.dimensions, 50)).astype(np.float32).astype(float)
    point = tuple(xp.array(part.astype(np.float32)) for part in wanted)
    for _ in range(STEPS):
        wanted = MAPS[name](wanted, *kind.first)
        point = kind.onward(*point, *kind.first)
    close = np.abs(np.array(point) - wanted) < 2e-3 * (1 + np.abs(wanted))
    assert close.mean() > 0.95  # chaos has parted a few


def test_lyapunov_exponents() -> None:
    """De Jong's with a = c = 0 is x -> -cos bx, y -> -cos dy: two maps of a line, whose exponents are averages."""
    b, d = 2.5, 0.5
    wanted = []
    for factor in (b, d):
        t, total = 0.3, 0.0
        for _ in range(4000):
            total += math.log(abs(factor * math.sin(factor * t)) + 1e-300)
            t = -math.cos(factor * t)
        wanted.append(total / 4000)
    assert wanted[1] < 0
    got = lyapunov(KINDS["dejong"], np.array([[0.0, b, 0.0, d], [0.0, d, 0.0, d]]), seed=1)
    assert got[0] == pytest.approx(wanted[0], abs=0.08)
    assert got[1] < -0.2


def test_the_share_visited() -> None:
    """A map to points visits next to nothing, a rich one much."""
    share = visited(KINDS["clifford"], np.array([KINDS["clifford"].first, (0.2, 0.3, 0.1, 0.1)]), seed=1)
    assert share[0] > 0.2
    assert share[1] < 0.01


@pytest.mark.parametrize("name", ["clifford", "dejong"])
def test_every_seed_is_chaos(name: str) -> None:
    found = [find(name, seed) for seed in (1, 2, 3)]
    assert len(set(found)) == 3
    assert (lyapunov(KINDS[name], np.array(found), seed=9) > 0).all()
    assert (visited(KINDS[name], np.array(found), seed=9) > 0.12).all()
    assert find(name, 3) == found[2]


def test_the_frame_holds_everything() -> None:
    places = np.random.default_rng(0).normal(size=(1000, 2)) * [3, 1]
    frame = Frame.of(places, 200, 100, 0.1, 0.0)
    pixels = np.stack(frame(places[:, 0], places[:, 1]), axis=-1)
    assert pixels[:, 0].min() == pytest.approx(10, abs=0.01)
    assert pixels[:, 0].max() == pytest.approx(190, abs=0.01)
    assert pixels[:, 1].min() > 10
    assert pixels[places[:, 1].argmax(), 1] == pixels[:, 1].min()  # upwards is up


def test_points_fall_alike_here_and_there() -> None:
    """The CPU's counting and the GPU's, which runs anywhere: every point inside is counted once."""
    kind = KINDS["clifford"]
    brush = Brush(kind, kind.first, 0.0, Frame(8.0, (16.0, 16.0)), 32, 32)
    point = begin(kind, 100, 1)
    counts, paces = np.zeros((2, 32 * 32), np.float32)
    brush.fall_here(point, 3)[1].add_to(counts, paces)
    _, there, there_paces = brush.fall_there(tuple(mx.array(part) for part in point), 3)
    assert counts.sum() == 300
    assert np.abs(counts - np.array(there)).sum() <= 6  # sines differ by a bit, and a point may stand on an edge
    assert paces.sum() == pytest.approx(float(there_paces.sum()), rel=1e-3)


def test_points_that_run_away_are_not_counted() -> None:
    brush = Brush(KINDS["hopalong"], KINDS["hopalong"].first, 0.0, Frame(8.0, (16.0, 16.0)), 32, 32)
    point = tuple(np.array([0.1, far], np.float32) for far in (3e38, np.inf))
    counts, paces = np.zeros((2, 32 * 32), np.float32)
    (x, y), packed = brush.fall_here(point, 4)
    packed.add_to(counts, paces)
    assert not np.isfinite(x[1] + y[1])
    assert 1 <= counts.sum() <= 4
    assert 0 < paces.sum() < 100


@pytest.mark.parametrize("name", KINDS)
def test_pictures(name: str) -> None:
    options = AttractorOptions.checked({"size": "64x48", "kind": name, "points": 50_000, "seed": 2})
    *_, last = attractor_steps(options)
    picture = np.array(last.image)
    assert picture.shape == (1, 48, 64, 3)
    assert np.isfinite(picture).all()
    assert picture.std() > 0.02
    *_, again = attractor_steps(options)
    np.testing.assert_array_equal(picture, np.array(again.image))


def test_a_loop_closes() -> None:
    def parameters(phase: float) -> tuple[float, ...]:
        from artkit.generate.attractor import _parameters

        return _parameters(AttractorOptions(phase=phase), KINDS["clifford"])

    assert parameters(0) == pytest.approx(KINDS["clifford"].first)
    assert parameters(1) == pytest.approx(KINDS["clifford"].first)
    assert math.dist(parameters(0.5), parameters(0)) > 0.1


@pytest.mark.parametrize("parameters", ["1,2,3", "a,b,c,d", "1,2,3,4,5", "nan,1,1,1", "1e38,1,1,1"])
def test_wrong_parameters(parameters: str) -> None:
    with pytest.raises(WrongCall, match="clifford has 4 parameters"):
        AttractorOptions(parameters=parameters)


def test_orbits_that_run_away() -> None:
    with pytest.raises(WrongCall, match="every orbit runs away"):
        next(attractor_steps(AttractorOptions(kind="lorenz", parameters="10,28,1e6", points=10_000, size=Size(32, 32))))


@pytest.mark.parametrize(("name", "low", "high"), [("aizawa", -0.6, 2.0), ("lorenz", 0.5, 47.0)])
def test_flows_are_drawn_where_they_have_come_to(name: str, low: float, high: float) -> None:
    kind = KINDS[name]
    point = begin(kind, 64, seed=0)
    for _ in range(kind.warm_up):
        point = kind.onward(*point, *kind.first)
    heights = []
    for _ in range(4000):
        point = kind.onward(*point, *kind.first)
        heights.append(point[2])
    assert low < np.min(heights) < low + 0.2 * (high - low)  # all of its height is visited, and nothing beyond
    assert high - 0.2 * (high - low) < np.max(heights) < high
