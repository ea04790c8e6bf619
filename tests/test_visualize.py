"""Feature visualization: motions that are exact, spectra that grow, channels that are pleased."""

from typing import Any

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WrongCall
from artkit.generate.imagery import Spectrum, layer_of
from artkit.generate.visualize import VisualizeOptions, finer, transformation, turned, visualize_steps
from artkit.nets.features import load_features

QUICK: dict[str, Any] = {"size": (48, 40), "iterations": 8}


def test_motions_are_exact(rng: np.random.Generator) -> None:
    image = mx.array(rng.uniform(size=(1, 6, 8, 3)).astype(np.float32))
    still = np.eye(2, 3, dtype=np.float32)
    np.testing.assert_allclose(np.array(turned(image, mx.array(still))), np.array(image), atol=1e-6)
    still[:, 2] = 3, -2  # reads three to the right and two above, around the border
    moved = np.roll(np.array(image), (2, -3), (1, 2))
    np.testing.assert_allclose(np.array(turned(image, mx.array(still))), moved, atol=1e-6)
    quarter = mx.array(np.array([[0, -1, 0], [1, 0, 0]], np.float32))  # of a square picture
    square = image[:, :, :6]
    np.testing.assert_allclose(np.array(turned(square, quarter)), np.rot90(np.array(square), 1, (1, 2)), atol=1e-5)


def test_motions_are_small_and_stop() -> None:
    random = np.random.default_rng(0)
    np.testing.assert_array_equal(transformation(random, 0.0), np.eye(2, 3, dtype=np.float32))
    for _ in range(50):
        matrix = transformation(random, 1.0)
        assert np.abs(matrix[:, :2] - np.eye(2)).max() < 0.2
        assert np.abs(matrix[:, 2]).max() <= 12


@pytest.mark.parametrize("size", [(9, 15), (15, 9)])
def test_a_larger_spectrum_is_the_same_picture(size: tuple[int, int]) -> None:
    """Three times as large, every third pixel is one of the small picture's."""
    small = Spectrum(*size)
    parameters = small.start(mx.random.key(1), 0.3)
    large = Spectrum(3 * size[0], 3 * size[1])
    grown = large.image(finer(parameters, large))[:, ::3, ::3]
    np.testing.assert_allclose(np.array(grown), np.array(small.image(parameters)), atol=2e-3)


def test_values_before_a_relu() -> None:
    network, x = load_features("compact"), mx.random.uniform(shape=(1, 32, 32, 3), key=mx.random.key(0))
    straight = np.array(layer_of(network, "relu4_2", straight=True)(x))
    assert straight.min() < 0
    np.testing.assert_allclose(np.maximum(straight, 0), np.array(layer_of(network, "relu4_2")(x)), atol=1e-3)


@pytest.mark.parametrize("options", [{"layer": "relu3_1"}, {"layer": "relu4_3", "channel": 60}, {"spot": True}])
def test_a_channel_is_pleased(options: dict[str, Any]) -> None:
    steps = list(visualize_steps(VisualizeOptions.checked(QUICK | {"moves": 0} | options)))
    assert steps[-1].image.shape == (1, 40, 48, 3)
    assert steps[-1].done == steps[-1].total == 8
    activations = [step.figures["activation"] for step in steps]
    assert activations[-1] > activations[0] + 0.002
    assert {step.figures["channel"] for step in steps} == {options.get("channel", steps[0].figures["channel"])}


def test_the_seed_decides() -> None:
    first, again, other = (
        list(visualize_steps(VisualizeOptions.checked(QUICK | {"iterations": 2, "seed": seed})))[-1]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(np.array(first.image), np.array(again.image))
    assert first.figures["channel"] != other.figures["channel"]


def test_wrong_calls() -> None:
    with pytest.raises(WrongCall, match='no layer "relu9_9"'):
        next(visualize_steps(VisualizeOptions(layer="relu9_9")))
    with pytest.raises(WrongCall, match="no channel 200; they go from 0 to 159"):
        next(visualize_steps(VisualizeOptions(layer="relu4_2", channel=200)))
