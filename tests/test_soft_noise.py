"""The noise that pictures begin with: smooth, of a known deviation, with or without a seam."""

import numpy as np
import pytest

from artkit.stylize.noise import SOFT, soft_noise


def test_mean_and_deviation_are_those_of_white_noise() -> None:
    noise = soft_noise(256, 320, 3)
    assert noise.shape == (256, 320, 3)
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.1


@pytest.mark.parametrize("around", [False, True])
def test_neighbors_are_alike_and_around_those_across_the_border_too(around: bool) -> None:
    """White noise smoothed by a Gaussian of deviation s has the correlation exp(-d² / 4s²) at a distance d."""
    noise = soft_noise(256, 320, 3, around)
    for axis in (0, 1):
        lines = np.moveaxis(noise, axis, 0)
        for distance in (1, 4):
            alike = (lines[distance:] * lines[:-distance]).mean()
            assert alike == pytest.approx(np.exp(-(distance**2) / (4 * SOFT**2)), abs=0.05)
        assert (np.abs(lines[0] - lines[-1]).mean() < 0.5) == around


@pytest.mark.parametrize("shape", [(16, 40), (1, 3)])
def test_small_ones_are_the_same_every_time(shape: tuple[int, int]) -> None:
    np.testing.assert_array_equal(soft_noise(*shape, 5), soft_noise(*shape, 5))
    assert np.abs(soft_noise(*shape, 5) - soft_noise(*shape, 6)).max() > 0.01
