"""Pattern networks: loops that close, the same picture at every size, symmetry."""

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.generate.canvas import grid
from artkit.generate.cppn import CppnOptions, Network, Painting, cppn_steps, loop

SMALL = {"layers": 3, "units": 12, "supersample": 1}


def drawn(**options: object) -> np.ndarray:
    *_, last = cppn_steps(CppnOptions.checked({"size": 48, **SMALL, **options}))
    return np.array(last.image)[0]


def test_the_network_is_what_it_says() -> None:
    network = Network.random(mx.random.key(3), layers=2, units=6)
    latent = loop(mx.random.key(1), 0.0, 1.0)
    x, y = mx.array([0.3, -0.7]), mx.array([0.1, 0.9])
    h = np.concatenate([np.stack([x, y, np.hypot(x, y)], axis=1), np.tile(np.array(latent), (2, 1))], axis=1)
    for weight, bias in list(zip(network.weights, network.biases, strict=True))[:-1]:
        a, b, c = np.split(h @ np.array(weight) + np.array(bias), 3, axis=1)
        h = np.concatenate([a / np.sqrt(1 + a * a), np.sin(np.pi / 2 * b), 2 / (1 + c * c) - 1], axis=1)
    wanted = np.tanh(h @ np.array(network.weights[-1]) + np.array(network.biases[-1]))
    np.testing.assert_allclose(np.array(network(x, y, latent)), wanted, atol=0.02)


def test_the_loop_is_a_circle() -> None:
    key = mx.random.key(5)
    points = np.array([loop(key, phase / 8, 0.8) for phase in range(9)])
    np.testing.assert_allclose(points[0], points[8], atol=1e-5)
    middle = points[:8].mean(axis=0)
    np.testing.assert_allclose(np.linalg.norm(points - middle, axis=1), 0.8, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 2 * 0.8 * np.sin(np.pi / 8), atol=1e-5)


def test_pictures_of_a_loop_close() -> None:
    assert np.abs(drawn(phase=0) - drawn(phase=1)).max() < 1e-3
    assert np.abs(drawn(phase=0) - drawn(phase=0.5)).max() > 0.05


def test_a_place_is_the_same_at_every_size() -> None:
    painting = Painting.of(CppnOptions.checked({"seed": 2, **SMALL}))
    small, large = np.array(painting(*grid(16, 16))), np.array(painting(*grid(48, 48)))
    np.testing.assert_allclose(small, large[1::3, 1::3], atol=1e-4)
    assert small.min() >= -1e-4
    assert small.max() <= 1 + 1e-4


def test_symmetry() -> None:
    mirrored = np.array(Painting.of(CppnOptions.checked({"symmetry": "mirror", **SMALL}))(*grid(16, 16)))
    options = CppnOptions.checked({"symmetry": "mirror", "size": 33, **SMALL})
    *_, last = cppn_steps(options)
    picture = np.array(last.image)[0]
    assert np.abs(picture - picture[:, ::-1]).max() < 0.02  # but for the dither
    assert mirrored.shape == (16, 16, 4)
    *_, last = cppn_steps(CppnOptions.checked({"symmetry": "turn", "size": 33, **SMALL}))
    picture = np.array(last.image)[0]
    assert np.abs(picture - picture[::-1, ::-1]).max() < 0.02


@pytest.mark.parametrize("colors", ["palette", "network"])
def test_pictures(colors: str) -> None:
    pictures = [drawn(size="40x24", colors=colors, seed=seed) for seed in (1, 2)]
    for picture in pictures:
        assert picture.shape == (24, 40, 3)
        assert picture.std() > 0.05
        assert 0 <= picture.min() <= picture.max() <= 1
    assert np.abs(pictures[0] - pictures[1]).max() > 0.1
    np.testing.assert_array_equal(pictures[0], drawn(size="40x24", colors=colors, seed=1))
