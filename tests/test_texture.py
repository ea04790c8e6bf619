"""Strokes in even areas: noise where a photo is even, none where it is not, and none in the photo's own share."""

import mlx.core as mx
import numpy as np
import pytest

from artkit.nets.stylenets import LIGHT, Code
from artkit.stylize.banding import bytes_per_pixel, draw
from artkit.stylize.stylefile import photo_code
from artkit.stylize.texture import AMPLITUDE, grain
from tests.style_files import random_network


def test_it_is_where_the_photo_is_even() -> None:
    photo = np.full((200, 400, 3), 0.4, np.float32)
    photo[:, 200:] += np.random.default_rng(0).normal(0, 0.2, (200, 200, 1))  # the one half is busy
    noise = grain(photo, 0.5)
    assert noise.shape == (200, 400, 1)
    assert noise.dtype == np.float32
    assert noise[:, :180].std() == pytest.approx(0.5 * AMPLITUDE, rel=0.2)
    assert np.abs(noise[:, 220:]).max() < 0.05 * AMPLITUDE
    np.testing.assert_array_equal(noise, grain(photo, 0.5))
    np.testing.assert_allclose(grain(photo, 1.0), 2 * noise, rtol=1e-5)


def test_it_is_smooth() -> None:
    noise = grain(np.zeros((256, 256, 3), np.float32), 1.0)[..., 0]
    steps = np.abs(np.diff(noise, axis=1)).mean()
    assert 0 < steps < 0.3 * noise.std()


def test_the_network_sees_it_and_the_photos_share_does_not() -> None:
    network, codes, _ = random_network()
    x, noise = mx.full((1, 32, 40, 3), 0.5), mx.array(grain(np.zeros((32, 40, 3), np.float32), 1.0)[None])
    styled = Code.of(codes[1])
    assert float(mx.abs(network(x, styled, noise) - network(x, styled)).max()) > 1e-3
    assert mx.allclose(network(x, Code.of(photo_code(LIGHT)), noise), x, atol=1e-6)


def test_a_banded_picture_has_the_same() -> None:
    network, codes, _ = random_network()
    x = mx.random.uniform(shape=(1, 70, 40, 3), key=mx.random.key(0)) * 0.02 + 0.5
    noise = mx.array(grain(np.array(x[0]), 1.0)[None])
    whole = network(x, Code.of(codes[1]), noise)
    banded = draw(network, x, Code.of(codes[1]), 16 * 40 * bytes_per_pixel(LIGHT), noise)
    assert float(mx.abs(banded - whole).max()) < 2 / 255
