"""Noise: ranges, exact derivatives, loops, no seams, independence of seeds."""

from collections.abc import Callable

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.generate import noises


@pytest.fixture
def plane(rng: np.random.Generator) -> tuple[mx.array, mx.array]:
    points = rng.uniform(-50, 50, (2, 20_000)).astype(np.float32)
    return mx.array(points[0]), mx.array(points[1])


def test_the_hash_is_a_hash_of_32_bits() -> None:
    """Against the same arithmetic in Python's integers."""

    def expected(x: int, y: int, seed: int) -> int:
        h = (x * 0x8DA6B343 + y * 0xD8163841 + noises._mixed(seed)) % 2**32
        h = ((h ^ (h >> 16)) * 0x7FEB352D) % 2**32
        h = ((h ^ (h >> 15)) * 0x846CA68B) % 2**32
        return h ^ (h >> 16)

    places = [(0, 0), (1, 0), (0, 1), (-1, -7), (123456, -98765)]
    x, y = (mx.array([place[i] for place in places], mx.int32) for i in (0, 1))
    assert noises.hashed(x, y, 9).tolist() == [expected(x, y, 9) for x, y in places]


def test_directions_go_all_around() -> None:
    bits = mx.arange(0, 2**32, 2**22, dtype=mx.uint32)
    c, s = (np.array(part) for part in noises.direction(bits))
    angles = np.arange(len(c)) * 2 * np.pi / len(c)
    off = np.angle((c + 1j * s) / np.exp(1j * angles))
    assert np.abs(off).max() < np.radians(3)
    lengths = np.hypot(c, s)
    assert 0.999 < lengths.min() < 1.001
    assert 1.05 < lengths.max() < 1.061


def test_simplex_noise_fills_its_range(plane: tuple[mx.array, mx.array]) -> None:
    values = np.array(noises.simplex(*plane, seed=1))
    assert -1.001 <= values.min() < -0.7
    assert 0.7 < values.max() <= 1.001
    assert abs(values.mean()) < 0.02


def test_simplex_noise_is_zero_on_its_lattice() -> None:
    """Lattice points, unskewed: (i, j) - (i + j)·(3 - √3)/6."""
    i, j = np.mgrid[-3:4, -3:4].astype(np.float32)
    shift = (i + j) * (3 - np.sqrt(3)) / 6
    values = noises.simplex(mx.array((i - shift).astype(np.float32)), mx.array((j - shift).astype(np.float32)), 5)
    np.testing.assert_allclose(np.array(values), 0, atol=1e-4)


def test_slopes_are_the_derivatives(plane: tuple[mx.array, mx.array]) -> None:
    x, y = plane[0][:500] / 10, plane[1][:500] / 10
    h = 2e-3
    for function, slope in (
        (lambda x, y: noises.simplex(x, y, 3, 0.2), noises.simplex_slope(x, y, 3, 0.2)),
        (lambda x, y: noises.fbm(x, y, 3, 3, phase=0.2), noises.fbm_slope(x, y, 3, 3, phase=0.2)),
    ):
        value, dx, dy = slope
        np.testing.assert_allclose(np.array(value), np.array(function(x, y)), atol=1e-5)
        across, up = function(x + h, y) - function(x - h, y), function(x, y + h) - function(x, y - h)
        np.testing.assert_allclose(np.array(dx), np.array(across / (2 * h)), atol=0.05)
        np.testing.assert_allclose(np.array(dy), np.array(up / (2 * h)), atol=0.05)


def test_a_curl_has_no_sources(plane: tuple[mx.array, mx.array]) -> None:
    x, y = plane[0][:500] / 10, plane[1][:500] / 10
    h = 2e-3
    right, left = (noises.curl(x + s * h, y, 8)[0] for s in (1, -1))
    up, down = (noises.curl(x, y + s * h, 8)[1] for s in (1, -1))
    divergence = np.array((right - left + up - down) / (2 * h))
    size = np.abs(np.array((right - left) / (2 * h))).mean()
    assert np.abs(divergence).mean() < 0.02 * size


def nearest(x: mx.array, y: mx.array, seed: int, phase: float) -> mx.array:
    return noises.worley(x, y, seed, phase)[0]


@pytest.mark.parametrize("function", [noises.simplex, noises.fbm, noises.ridged, nearest])
def test_phases_loop(function: Callable[..., mx.array], plane: tuple[mx.array, mx.array]) -> None:
    at = [np.array(function(*plane, 2, phase=phase)) for phase in (0.0, 0.001, 0.4, 0.999, 1.0)]
    np.testing.assert_allclose(at[0], at[4], atol=2e-4)
    assert np.abs(at[1] - at[0]).mean() < 0.02  # and nothing jumps at the seam
    assert np.abs(at[3] - at[4]).mean() < 0.02
    assert np.abs(at[2] - at[0]).mean() > 0.05


def test_seeds_have_nothing_in_common(plane: tuple[mx.array, mx.array]) -> None:
    fields = np.stack([np.array(noises.fbm(*plane, seed)) for seed in range(4)])
    correlation = np.corrcoef(fields) - np.eye(4)
    assert np.abs(correlation).max() < 0.05


def test_fbm_of_one_octave_is_simplex(plane: tuple[mx.array, mx.array]) -> None:
    np.testing.assert_array_equal(np.array(noises.fbm(*plane, 6, octaves=1)), np.array(noises.simplex(*plane, 6)))


def test_ridges_lie_between_0_and_1(plane: tuple[mx.array, mx.array]) -> None:
    values = np.array(noises.ridged(*plane, seed=1))
    assert 0 <= values.min() < 0.05
    assert 0.7 < values.max() <= 1


def test_worley_against_all_points(rng: np.random.Generator) -> None:
    """Against the distances to every point of a patch."""
    x, y = (rng.uniform(-2, 2, 300).astype(np.float32) for _ in range(2))
    first, second, owner = (np.array(a) for a in noises.worley(mx.array(x), mx.array(y), 11))
    j, i = (a.ravel() for a in np.mgrid[-6:7, -6:7])
    bits = np.array(noises.hashed(mx.array(i, mx.int32), mx.array(j, mx.int32), 11))
    px, py = i + (bits & 0xFFFF) / 65536, j + (bits >> 16) / 65536
    distances = np.hypot(x[:, None] - px, y[:, None] - py)
    order = np.sort(distances, axis=1)
    np.testing.assert_allclose(first, order[:, 0], atol=1e-5)
    assert (owner == bits[distances.argmin(axis=1)]).all()
    assert (second >= first).all()
    assert np.mean(np.abs(second - order[:, 1]) < 1e-5) > 0.97  # 3x3 squares miss a second nearest now and then


def test_bits_as_numbers() -> None:
    assert noises.unit(mx.array([0, 2**31, 2**32 - 1], mx.uint32)).tolist() == pytest.approx([0, 0.5, 1], abs=1e-6)


@pytest.mark.parametrize("phase", [0.0, 0.3])
def test_numpy_and_mlx_give_the_same(phase: float) -> None:
    x, y = np.random.default_rng(0).uniform(-40, 40, (2, 500)).astype(np.float32)
    for function in (noises.fbm, noises.fbm_slope, noises.curl, noises.ridged, noises.worley):
        here, there = function(x, y, 7, phase=phase), function(mx.array(x), mx.array(y), 7, phase=phase)
        for mine, other in zip(np.atleast_2d(here), np.atleast_2d(np.array(there)), strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-4)
