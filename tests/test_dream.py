"""DeepDream: gradients made even, pictures as Fourier coefficients, dreams that strengthen what they are told to."""

import itertools
from pathlib import Path
from typing import Any

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import Step, WrongCall
from artkit.generate.dream import Dreamer, DreamOptions, channels_of, dream_steps, nearer
from artkit.generate.imagery import Spectrum, cover, frequencies, inside, layer_of, parse_layers, pyramid
from artkit.generate.palettes import Palette
from artkit.image import Picture, save
from artkit.nets.features import load_features

QUICK: dict[str, Any] = {"size": (64, 48), "iterations": 2, "octaves": 1}


@pytest.fixture
def photo(rng: np.random.Generator) -> Picture:
    y, x = np.mgrid[:60, :80] / 9
    waves = np.stack([np.sin(x + y), np.cos(x * 1.3), np.sin(y * 0.7)], axis=-1)
    return Picture.of(0.5 + 0.3 * waves + 0.05 * rng.normal(size=waves.shape))


def dream(source: Picture | None, **options: Any) -> list[Step]:
    return list(dream_steps(DreamOptions.checked(QUICK | options), source))


# --- what the gradients become ------------------------------------------------------------------------------------


def test_frequencies_are_those_of_numpy() -> None:
    f = np.array(frequencies(6, 8))[..., 0]
    assert f.shape == (6, 5)
    assert f[1, 0] == pytest.approx(1 / 6)
    assert f[3, 4] == pytest.approx(np.hypot(0.5, 0.5))
    assert f[0, 0] == pytest.approx(1 / 8)  # the mean, instead of infinitely slow


@pytest.mark.parametrize("size", [(12, 16), (9, 7)])
def test_a_picture_is_its_spectrum(size: tuple[int, int], rng: np.random.Generator) -> None:
    image = mx.array(rng.uniform(0.05, 0.95, (1, *size, 3)).astype(np.float32))
    spectrum = Spectrum(*size)
    np.testing.assert_allclose(np.array(spectrum.image(spectrum.parameters(image))), np.array(image), atol=1e-4)
    assert np.array(spectrum.image(spectrum.start(mx.random.key(0), 0.0))) == pytest.approx(0.5)


def test_every_octave_of_a_gradient_gets_the_same_say(rng: np.random.Generator) -> None:
    y, _ = np.mgrid[:64, :64] / 64 * 2 * np.pi
    slow, fast = (np.repeat(np.sin(n * y)[..., None], 3, axis=2).astype(np.float32) for n in (1, 6))
    even = pyramid(slow + 0.1 * fast, levels=4)

    def share(wave: np.ndarray, within: np.ndarray) -> float:
        return float((wave * within).sum() / np.square(wave).sum())

    assert share(fast, even) > 2 * 0.1 * share(slow, even)
    noise = rng.normal(size=(64, 48, 3)).astype(np.float32)
    np.testing.assert_allclose(pyramid(noise * 1e-3), pyramid(noise), rtol=1e-3, atol=1e-4)


# --- layers and channels ------------------------------------------------------------------------------------------


def test_layers_as_people_write_them() -> None:
    assert parse_layers("relu5_1") == {"relu5_1": 1.0}
    assert parse_layers("relu5_1=2, relu4_4") == {"relu5_1": 2.0, "relu4_4": 1.0}
    with pytest.raises(WrongCall, match="layers"):
        DreamOptions.checked({"layers": "relu5_1=much"})


def test_inner_layers_are_what_the_network_computes() -> None:
    network = load_features("compact")
    x = mx.random.uniform(shape=(1, 32, 32, 3), key=mx.random.key(0))
    inner = layer_of(network, "relu4_2")(x)
    assert inner.shape == (1, 4, 4, 160)
    assert inner.min().item() == 0
    tap, plain = layer_of(network, "relu5_1")(x), inside(network)(x, ["relu5_1"])["relu5_1"]
    assert tap.shape == plain.shape == (1, 2, 2, 160)
    axes = np.array(network.weights["relu5_1.axes"])
    wanted = np.maximum(np.array(tap) @ axes[[300, 7]].T, 0)
    np.testing.assert_allclose(np.array(channels_of(network, "relu5_1", (300, 7))(x)), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": "relu6_1"}, 'no layer "relu6_1"; it has relu1_1'),
        ({"layers": "relu5_1=0"}, "every layer has weight 0"),
        ({"channels": (512,)}, "relu5_1 has no channel 512; they go from 0 to 511"),
        ({"layers": "relu4_2", "channels": (160,)}, "they go from 0 to 159"),
    ],
)
def test_wrong_calls(options: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongCall, match=said):
        dream(None, **options)


# --- dreams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"parameters": "pixels"}, {"layers": "relu3_1=1,relu4_4=1"}, {"channels": 7}])
def test_what_is_sought_grows(photo: Picture, options: dict[str, Any]) -> None:
    if "channels" in options:
        options = {"channels": (options["channels"],)}
    steps = dream(photo, iterations=4, jitter=0, **options)
    scores = [step.figures["score"] for step in steps]
    assert scores[-1] > 1.2 * scores[0]
    assert steps[-1].image.shape == (1, 48, 64, 3)
    assert steps[-1].done == steps[-1].total == 4


def test_the_seed_decides() -> None:
    first, again, other = (np.array(dream(None, seed=seed, iterations=1)[-1].image) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05


def test_a_guide_is_followed(photo: Picture, tmp_path: Path) -> None:
    save(Picture(photo.pixels[::-1]), tmp_path / "guide.png")
    options = DreamOptions.checked(QUICK | {"guide": str(tmp_path / "guide.png")})
    likeness = Dreamer(options, photo.pixels).slope
    before, after = (
        likeness(p)[0] for p in (cover(photo.pixels, 48, 64), np.array(dream(photo, iterations=20)[-1].image[0]))
    )
    guided = dream(photo, iterations=20, guide=options.guide)[-1]
    assert likeness(np.array(guided.image[0]))[0] > max(before, after)


def test_tiles_see_what_the_whole_sees(rng: np.random.Generator) -> None:
    """Of a shallow layer, whose reach is small, tiles miss only what is near their borders."""
    x, tile, reach = cover(rng.uniform(size=(20, 30, 3)).astype(np.float32), 128, 192), 64, 2
    dreamer = Dreamer(DreamOptions.checked({"layers": "relu1_2", "jitter": 0}), x)
    (score, gradient), dreamer.tile = dreamer.slope(x), tile
    dreamer.random = np.random.default_rng(3)
    tiled_score, tiled = dreamer.slope(x)
    assert tiled_score == pytest.approx(score, rel=0.05)
    move = np.random.default_rng(3).integers([-128, -192], [128, 192], endpoint=True).tolist()
    rows, columns = (np.arange(size) for size in (128, 192))
    inside = [np.minimum(place % tile, tile - 1 - place % tile) >= 2 * reach for place in (rows, columns)]
    # Where the picture's own border went to, the whole saw another one.
    for far, place, size, by in zip(inside, (rows, columns), (128, 192), move, strict=True):
        off = (place - by) % size
        far &= np.minimum(off, size - 1 - off) >= 2 * reach
    here = np.ix_(*inside)
    wanted = np.roll(gradient, move, (0, 1))[here]
    np.testing.assert_allclose(np.roll(tiled, move, (0, 1))[here], wanted, atol=1e-3 * np.abs(wanted).max())


def test_a_movie_goes_nearer(photo: Picture) -> None:
    steps = dream(photo, zooms=2, iterations=2, zoom=1.2, supersample=2)
    assert [(step.done, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    assert all(np.abs(np.array(a.image - b.image)).max() > 0.05 for a, b in itertools.pairwise(steps))
    ramp = np.repeat(np.linspace(0, 1, 101, dtype=np.float32)[None, :, None], 41, axis=0).repeat(3, axis=2)
    closer = nearer(ramp, 2.0, 0.0)
    assert closer[20, 50, 0] == pytest.approx(0.5, abs=1e-3)
    assert closer[20, 70, 0] == pytest.approx(0.6, abs=1e-3)


def test_a_palette_recolors(photo: Picture) -> None:
    pixels = np.array(dream(photo, iterations=1, palette="#000000,#ff0000")[-1].image)
    assert pixels[..., 1:].max() < 0.02
    assert pixels[..., 0].std() > 0.05
    assert len(Palette.of("#000000,#ff0000").colors) == 2
