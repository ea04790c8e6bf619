"""Textures from a picture: without a seam where asked for, of the picture's colors, the same from the same seed."""

import itertools
from dataclasses import replace
from typing import Any

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WrongCall
from artkit.generate.canvas import Size
from artkit.generate.texture import TextureOptions, _Run, around, texture_steps
from artkit.image import Picture, resize
from artkit.nets.features import load_features
from artkit.nets.losses import Gram
from artkit.stylize.objective import Objective
from artkit.stylize.tiling import folded, widened
from artkit.stylize.view import Aim

QUICK: dict[str, Any] = {"size": (80, 72), "iterations": 4}


@pytest.fixture(scope="module")
def stripes() -> Picture:
    """Diagonal bands of three colors, 96 pixels an edge."""
    y, x = np.mgrid[:96, :96]
    colors = np.array([[0.9, 0.8, 0.6], [0.1, 0.2, 0.5], [0.7, 0.2, 0.1]], np.float32)
    return Picture(colors[(x + y) // 7 % 3])


def grow(source: Picture, **options: Any) -> np.ndarray:
    *_, last = texture_steps(TextureOptions.checked(QUICK | options), source)
    assert last.done == last.total
    return np.array(last.image[0])


def jumps(pixels: np.ndarray, axis: int) -> tuple[float, np.ndarray]:
    """Mean difference between neighbors across the seam, and across every other line."""
    pixels = np.moveaxis(pixels, axis, 0)
    return float(np.abs(pixels[0] - pixels[-1]).mean()), np.abs(np.diff(pixels, axis=0)).mean(axis=(1, 2))


def test_a_tileable_texture_has_no_seam(stripes: Picture) -> None:
    pixels = grow(stripes, tileable=True)
    assert pixels.shape == (72, 80, 3)
    for axis in (0, 1):
        seam, elsewhere = jumps(pixels, axis)
        assert seam <= elsewhere.mean() * 1.15


def test_a_plain_texture_has_one(stripes: Picture) -> None:
    pixels = grow(stripes)
    assert any(seam > elsewhere.max() for seam, elsewhere in (jumps(pixels, axis) for axis in (0, 1)))


def test_a_small_texture_is_as_smooth_as_its_source(stripes: Picture) -> None:
    """How much neighboring pixels differ like the fields of a chessboard."""

    def grain(p: np.ndarray) -> float:
        return float(np.abs(p[1:, 1:] - p[:-1, 1:] - p[1:, :-1] + p[:-1, :-1]).mean())

    assert 0.7 * grain(stripes.pixels) < grain(grow(stripes)) < 1.3 * grain(stripes.pixels)


def test_a_tileable_texture_grows_alike_wherever_it_is_cut(stripes: Picture) -> None:
    run = _Run(TextureOptions(size=Size(64, 48), tileable=True), stripes)
    objective, start = run.objective(48, 64, 1e9), run.start()
    starts = start, mx.array(np.roll(np.array(start), (16, 32), (1, 2)))
    ends = [run.optimizer().step(x, objective)[0] for x in starts]
    np.testing.assert_allclose(np.roll(np.array(ends[0]), (16, 32), (1, 2)), np.array(ends[1]), atol=1e-4)


def test_the_colors_are_those_of_the_source(stripes: Picture) -> None:
    pixels = grow(stripes, loss="sliced")
    for c in range(3):
        quantiles = [np.quantile(p[..., c], np.linspace(0.1, 0.9, 9)) for p in (pixels, stripes.pixels)]
        assert np.abs(quantiles[0] - quantiles[1]).mean() < 0.02


def test_the_seed_decides(stripes: Picture) -> None:
    first, again, other = (grow(stripes, seed=seed, size=(48, 48)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.02


def test_steps_lead_down(stripes: Picture) -> None:
    steps = list(texture_steps(TextureOptions.checked({"size": 64, "iterations": 5}), stripes))
    losses = [step.figures["loss"] for step in steps[:-1]]
    assert losses[-1] < 0.9 * losses[0]
    assert all(a.done < b.done for a, b in itertools.pairwise(steps))


def test_wrong_calls(stripes: Picture) -> None:
    with pytest.raises(WrongCall, match="needs a picture"):
        next(iter(texture_steps(TextureOptions())))
    with pytest.raises(WrongCall, match='no layer "relu9_1"'):
        next(iter(texture_steps(TextureOptions(layers={"relu9_1": 1.0}), stripes)))
    with pytest.raises(WrongCall, match="only 8 pixels"):
        next(iter(texture_steps(TextureOptions(), Picture(stripes.pixels[:8]))))


def test_widening_around_and_its_gradient() -> None:
    x = mx.random.normal((1, 6, 5, 3), key=mx.random.key(0))
    wide = widened(x, 8)  # wider than the picture itself
    np.testing.assert_array_equal(np.array(wide), np.pad(np.array(x), [(0, 0), (8, 8), (8, 8), (0, 0)], "wrap"))
    back = mx.random.normal(wide.shape, key=mx.random.key(1))
    wanted = mx.grad(lambda x: (widened(x, 8) * back).sum())(x)
    np.testing.assert_allclose(folded(np.array(back), 8), np.array(wanted), rtol=1e-5, atol=1e-5)


def test_tiles_of_a_tileable_picture_give_the_gradient_of_the_whole(stripes: Picture) -> None:
    network = replace(load_features("compact"), padding="zero")  # no padding but the wrap may be seen
    aim = Aim(network, Gram(), None, {"relu1_1": 0.5, "relu2_1": 0.5}, {}, 0.0, 0.0)
    x = mx.random.uniform(shape=(1, 256, 384, 3), key=mx.random.key(2))
    whole, tiled = (
        Objective(aim, mx.zeros(x.shape), [stripes.array()], [1.0], memory=memory, around=True)
        for memory in (1e12, 1e6)
    )
    assert (len(whole.view.tiles), len(tiled.view.tiles)) == (1, 6)
    (loss, gradient), (wanted_loss, wanted) = tiled(x), whole(x)
    assert loss.item() == pytest.approx(wanted_loss.item(), rel=1e-4)
    assert np.linalg.norm(np.array(gradient - wanted)) < 1e-3 * np.linalg.norm(np.array(wanted))  # where maxima tie
    moved, _ = whole(mx.array(np.roll(np.array(x), (37, 101), (1, 2))))  # at stride 2 an odd shift is not the same
    assert moved.item() == pytest.approx(wanted_loss.item(), rel=1e-2)


def test_resizing_around_the_border() -> None:
    y, x = np.mgrid[:32, :32] / 32 * 2 * np.pi
    wave = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1).astype(np.float32)
    large = around(wave, 64, 48)
    for axis in (0, 1):
        seam, elsewhere = jumps(large, axis)
        assert seam <= elsewhere.max() * 1.01
    y, x = (np.mgrid[:64, :48].transpose(1, 2, 0) + 0.5).T
    wanted = np.stack([np.sin((x / 48 * 32 - 0.5) / 16 * np.pi), np.cos((y / 64 * 32 - 0.5) / 16 * np.pi)], axis=-1)
    assert np.abs(large[..., :2] - wanted.transpose(1, 0, 2)).max() < 0.01
    assert np.abs(resize(wave, 64, 48) - large)[8:-8, 8:-8].max() < 0.02
