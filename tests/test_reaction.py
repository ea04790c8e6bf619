"""Reaction and diffusion: exact decay, conservation, the plain formula, and what is seen of it."""

import artkit.device as device

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WrongCall
from artkit.generate.canvas import Size
from artkit.generate.grayscott import DIFFUSION_V, STRIDE, GrayScott
from artkit.generate.reaction import PRESETS, ReactionOptions, beginning, filling, rates, reaction_steps
from artkit.image import Picture

Field = np.ndarray


def plain(u: Field, v: Field, feed: Field | float, kill: Field | float, steps: int) -> tuple[Field, Field]:
    """The same formula in NumPy, float64."""

    def spread(a: Field) -> Field:
        p = np.pad(a, 1, mode="wrap")
        near = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]
        return 0.2 * near + 0.05 * (p[:-2, :-2] + p[:-2, 2:] + p[2:, :-2] + p[2:, 2:]) - a

    u, v = u.astype(np.float64), v.astype(np.float64)
    for _ in range(steps):
        made = u * v * v
        u, v = u + spread(u) - made + feed * (1 - u), v + DIFFUSION_V * spread(v) + made - (feed + kill) * v
    return u, v


@pytest.mark.parametrize("shape", [(70, 33), (20, 64), (8, 9)])
@pytest.mark.parametrize("maps", [False, True])
def test_it_is_the_plain_formula(shape: tuple[int, int], maps: bool, rng: np.random.Generator) -> None:
    u, v = rng.random(shape, np.float32), 0.4 * rng.random(shape, np.float32)
    feed, kill = (0.03 + 0.03 * rng.random(shape, np.float32), 0.06) if maps else (0.0545, 0.062)
    reaction = GrayScott(mx.array(u), mx.array(v), mx.array(feed) if maps else feed, kill)  # type: ignore[arg-type]
    reaction.advance(2)
    wanted = plain(u, v, feed, kill, 2 * STRIDE)
    np.testing.assert_allclose(np.array(reaction.u), wanted[0], atol=2e-5)
    np.testing.assert_allclose(np.array(reaction.v), wanted[1], atol=2e-5)


def test_the_number_of_bands_changes_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    u, v = rng.random((100, 40), np.float32), 0.4 * rng.random((100, 40), np.float32)
    results = []
    for streams in (1, 2, 3):
        monkeypatch.setattr(device, "CPU_STREAMS", streams)
        reaction = GrayScott(mx.array(u), mx.array(v), 0.04, 0.06)
        reaction.advance(3)
        results.append(np.array(reaction.v))
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    np.testing.assert_allclose(results[0], results[2], atol=1e-6)


def test_without_reaction_a_wave_decays_by_its_own_factor() -> None:
    """A cosine is an eigenvector of the Laplacian on a ring; along an axis by 0.6·(cos - 1)."""
    n = 48
    wave = np.cos(2 * np.pi * 3 * np.arange(n) / n).astype(np.float32)
    v = 0.5 + 0.1 * np.broadcast_to(wave, (n, n))
    reaction = GrayScott(mx.zeros((n, n)), mx.array(v), 0.0, 0.0)
    reaction.advance(4)
    factor = (1 + DIFFUSION_V * 0.6 * (np.cos(2 * np.pi * 3 / n) - 1)) ** (4 * STRIDE)
    np.testing.assert_allclose(np.array(reaction.v), 0.5 + 0.1 * factor * np.broadcast_to(wave, (n, n)), atol=2e-6)


@pytest.mark.parametrize("preset", ["coral", "mitosis", "holes", "spots", "loops"])
def test_what_is_sown_as_noise_does_not_die_out(preset: str) -> None:
    options = ReactionOptions.checked({"preset": preset, "start": "noise", "detail": 136, "size": 256, "moments": 1})
    *_, last = reaction_steps(options)
    assert np.array(last.image).std() > 0.05


def test_mass_is_conserved_without_feed_and_kill(rng: np.random.Generator) -> None:
    """What one substance loses the other one gains."""
    u, v = rng.random((64, 50), np.float32), 0.3 * rng.random((64, 50), np.float32)
    reaction = GrayScott(mx.array(u), mx.array(v), 0.0, 0.0)
    before = u.sum(dtype=np.float64) + v.sum(dtype=np.float64)
    reaction.advance(20)
    after = np.array(reaction.u).sum(dtype=np.float64) + np.array(reaction.v).sum(dtype=np.float64)
    assert after == pytest.approx(before, rel=1e-6)
    assert np.array(reaction.v).sum() > v.sum()  # and something has happened


def test_food_alone_stays_as_it_is() -> None:
    reaction = GrayScott(mx.ones((20, 20)), mx.zeros((20, 20)), 0.05, 0.06)
    reaction.advance(10)
    np.testing.assert_allclose(np.array(reaction.u), 1, atol=1e-5)
    assert np.array(reaction.v).max() == 0


@pytest.mark.parametrize("start", ["scatter", "center", "ring", "noise"])
def test_beginnings(start: str) -> None:
    options = ReactionOptions(size=Size(96, 64), detail=64, start=start)  # type: ignore[arg-type]
    u, v = (np.array(field) for field in beginning(options))
    assert u.shape == v.shape == (64, 96)
    assert 0 < (v > 0).mean() < 0.2
    np.testing.assert_allclose(u + v, 1, atol=1e-6)


def test_steps_follow_from_the_way_of_the_fronts() -> None:
    def steps(**options: object) -> int:
        return filling(ReactionOptions.checked(options))

    usual = {"coral": 9000, "mitosis": 14_000, "maze": 5000, "holes": 6000, "fingerprint": 7000, "spots": 7000}
    assert {name: steps(preset=name) for name in usual} == usual
    assert steps(size=Size(2000, 1000)) == steps(size=4096) == 9000  # drops lie as densely
    assert steps(size=64) == steps(size=128) == 3667  # 1000 and a third of 8000
    assert steps(detail=768) == 17_000
    assert steps(start="noise") < steps() < steps(start="ring") < steps(start="center")
    assert steps(start="center", size=Size(3000, 1000)) > 2 * steps(start="center")


@pytest.mark.parametrize("start", ["center", "ring", "scatter"])
def test_the_canvas_is_filled(start: str) -> None:
    options = ReactionOptions(size=Size(128, 128), preset="foam", start=start, moments=1)  # type: ignore[arg-type]
    assert beginning(options)[0].shape == (128, 128)  # a cell a pixel
    *_, last = reaction_steps(options)
    assert last.figures["iterations"] == pytest.approx(filling(options), abs=STRIDE)
    blocks = np.array(last.image[0]).mean(axis=2).reshape(4, 32, 4, 32)
    assert np.ptp(blocks, axis=(1, 3)).min() > 0.05  # something everywhere


def test_a_picture_bends_the_rates() -> None:
    options = ReactionOptions(size=Size(64, 64), detail=32)
    black_and_white = np.zeros((10, 10, 3), np.float32)
    black_and_white[:, 5:] = 1
    feed, kill = rates(options, Picture(black_and_white))
    assert isinstance(feed, mx.array)
    assert isinstance(kill, mx.array)
    assert feed.shape == kill.shape == (32, 32)
    assert np.array(kill)[5, 28] > PRESETS["coral"][1] > np.array(kill)[5, 3]
    assert rates(options.model_copy(update={"feed": 0.05}), None) == (0.05, PRESETS["coral"][1])


def test_it_grows_and_looks_alike_at_every_size() -> None:
    small = list(reaction_steps(ReactionOptions(size=Size(64, 64), detail=64, steps=400, moments=4, start="center")))
    assert [step.done for step in small] == [12, 25, 38, 50]
    large = list(reaction_steps(ReactionOptions(size=Size(192, 192), detail=64, steps=400, moments=1, start="center")))
    shown = np.array(large[-1].image[0]).reshape(64, 3, 64, 3, 3).mean(axis=(1, 3))
    assert np.abs(shown - np.array(small[-1].image[0])).mean() < 0.02
    assert np.array(small[-1].image).mean() > 1.1 * np.array(small[0].image).mean()


def test_rates_out_of_range_are_refused() -> None:
    with pytest.raises(WrongCall, match="feed 3"):
        ReactionOptions(feed=3)
