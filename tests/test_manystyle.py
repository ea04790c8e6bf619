"""Training style networks: what the criterion counts, and that many, any and mine learn what they are for."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from artkit.contract import ArtkitError, WrongCall
from artkit.image import Picture, load
from artkit.nets.features import load_features
from artkit.nets.statistics import gram
from artkit.nets.stylenets import LIGHT, Code, StyleNetwork
from artkit.stylize.predicting import at_stroke
from artkit.stylize.stylefile import photo_code
from artkit.train import personal
from artkit.train.anystyle import anystyle_steps
from artkit.train.criterion import (
    SHIFT,
    STYLE_TAPS,
    Criterion,
    relative_error,
    roughness,
    style_error,
    wasserstein,
)
from artkit.train.data import Crops, DeadLeaves
from artkit.train.loop import Progress, State, generator, stack
from artkit.train.manystyle import Frames, Styles, initial_weights, manystyle_steps, mixed
from artkit.train.options import CriterionOptions, ManyOptions, MineOptions
from artkit.train.personal import mine_steps
from artkit.train.record import LOG, PLOT, PREVIEW, STATE, Record, plot

SMALL = {"plan": "light", "batch": 4, "crop": 64, "style_size": 64}
QUICK = {"warm_up": 5, "learning_rate": 1e-2, "content_weight": 0, "averaging": 0.5}


def identity(x: mx.array, taps) -> dict[str, mx.array]:
    """Features that are the pixels themselves, at every tap."""
    return dict.fromkeys(taps, x)


def waves(seed: int, size: int = 96) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / 7
    a, b, c = np.random.default_rng(seed).uniform(0.3, 2, 3)
    return (np.stack([np.sin(a * x + b * y), np.cos(b * x), np.sin(c * y - x)], axis=-1) * 0.5 + 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def styles() -> Styles:
    pictures = [Picture(waves(seed)) for seed in (1, 2)]
    return Styles.of_pictures(["one", "two"], pictures, load_features("compact"), 64)


def test_errors_of_equal_things_are_nothing_and_of_scaled_ones_known():
    f = mx.random.normal((2, 8, 9, 5))
    assert float(relative_error(f, f).max()) == 0
    np.testing.assert_allclose(np.array(relative_error(1.5 * f, f)), 0.25, rtol=1e-4)
    moments = gram(f)
    # Root covariances of f and 2f lie on a line: the distance is (2 - 1)² tr Σ.
    np.testing.assert_allclose(np.array(wasserstein(4 * moments, moments)), 1, atol=2e-2)
    np.testing.assert_allclose(np.array(wasserstein(moments, moments)), 0, atol=2e-2)


@pytest.mark.parametrize("kind", ["gram", "wasserstein"])
def test_style_error_is_per_picture_and_capped(kind):
    f = mx.random.normal((2, 8, 9, 5))
    grams = {"relu1_1": gram(mx.stack([f[0], 1e-3 * f[1]]))}
    errors = style_error({"relu1_1": f}, grams, {"relu1_1": 2.0}, kind)
    np.testing.assert_allclose(np.array(errors), [0, 4], atol=2e-2)


def test_roughness_is_that_of_a_ramp():
    ramp = mx.broadcast_to(mx.arange(8, dtype=mx.float32)[None, None, :, None], (1, 5, 8, 3))
    np.testing.assert_allclose(np.array(roughness(0.5 * ramp)), 0.25, rtol=1e-6)


def test_a_photo_that_passes_by_has_its_own_content_no_flicker_and_the_photos_style_at_strength_0():
    options = ManyOptions.checked(SMALL | {"noise": 0})
    frames = Frames(DeadLeaves(), options)
    items = [frames.item(generator(0, 0, n), n) for n in range(4)]
    batch = frames.pictures(stack(items)) | {"strength": mx.zeros(4)}
    criterion = Criterion(identity, CriterionOptions(tv_weight=0), {"relu1_1": 1.0})
    network = StyleNetwork(LIGHT, initial_weights(LIGHT, 1, mx.random.key(0)))
    photo_code = mx.broadcast_to(mx.zeros(LIGHT.code_size).at[-1].add(1.0), (4, LIGHT.code_size))
    styles = gram(batch["photo"])
    loss, parts = criterion(network, photo_code, {"relu1_1": styles}, batch)
    assert float(parts["content"]) < 1e-8
    assert float(parts["flicker"]) < 1e-8  # with the wrong shift, edges would differ
    assert float(loss) < 1e-6
    moved = batch | {"shift": batch["shift"] + 1}
    assert float(criterion(network, photo_code, {"relu1_1": styles}, moved)[1]["flicker"]) > 1e-4
    # The first of four is at strength 0: whatever its style is, it should look like its photo.
    elsewhere = mx.concatenate([3 * styles[:1], styles[1:]])
    assert float(criterion(network, photo_code, {"relu1_1": elsewhere}, batch)[1]["style"]) < 1e-8
    full = batch | {"strength": mx.ones(4)}
    assert float(criterion(network, photo_code, {"relu1_1": elsewhere}, full)[1]["style"]) > 0.05


def test_pictures_are_judged_as_they_are_handed_out_and_come_back_into_range():
    options = ManyOptions.checked(SMALL | {"noise": 0})
    frames = Frames(DeadLeaves(), options)
    batch = frames.pictures(stack([frames.item(generator(0, 0, n), n) for n in range(4)])) | {"strength": mx.ones(4)}
    network = StyleNetwork(LIGHT, initial_weights(LIGHT, 1, mx.random.key(0)))
    code = mx.broadcast_to(mx.zeros(LIGHT.code_size).at[-1].add(3.0), (4, LIGHT.code_size))  # three times the contrast
    styles = gram(mx.clip(3 * (batch["photo"] - 0.5) + 0.5, 0, 1))
    criterion = Criterion(identity, CriterionOptions(content_weight=0, stability_weight=0), {"relu1_1": 1.0})

    def loss(code: mx.array) -> mx.array:
        return criterion(network, code, {"relu1_1": styles}, batch)[0]

    parts = criterion(network, code, {"relu1_1": styles}, batch)[1]
    assert float(parts["style"]) < 1e-6
    assert float(parts["beyond"]) > 0.01
    assert float(mx.grad(loss)(code)[:, -1].sum()) > 0  # less of the photo, less beyond


def test_the_twin_is_the_photo_shifted():
    frames = Frames(DeadLeaves(), ManyOptions.checked(SMALL | {"noise": 0}))
    item = frames.item(generator(3, 5, 1), 1)
    (dy, dx), size = item["shift"], 64
    a = item["photo"][SHIFT + dy : size - SHIFT + dy, SHIFT + dx : size - SHIFT + dx]
    np.testing.assert_array_equal(a, item["other"][SHIFT:-SHIFT, SHIFT:-SHIFT])


def test_strength_0_is_the_identity_with_all_of_the_photo():
    codes = mixed(mx.ones((2, 5)), mx.array([1.0, 0.0]), mx.array([7.0, 7, 7, 7, 0.3]))
    np.testing.assert_allclose(np.array(codes), [[1, 1, 1, 1, 1], [7, 7, 7, 7, 1]])


def test_stroke_sizes_scale_the_style_picture():
    picture = Picture(np.zeros((60, 90, 3), np.float32))
    assert [at_stroke(picture, 60, stroke).size for stroke in (-1.0, 0.0, 1.0)] == [(48, 32), (60, 40), (120, 80)]


def test_a_batch_comes_in_fours():
    with pytest.raises(WrongCall, match="multiple of 4"):
        Frames(DeadLeaves(), ManyOptions.checked(SMALL | {"batch": 6}))


def test_drawn_photos_are_pictures_that_follow_their_numbers():
    one, same, other = (DeadLeaves().one(np.random.default_rng(n), 64) for n in (1, 1, 2))
    assert one.shape == (64, 64, 3)
    assert one.dtype == np.float32
    assert 0 <= one.min() < 0.3 < 0.6 < one.max() <= 1
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def style_of(steps) -> tuple[list[float], Progress]:
    all_steps = list(steps)
    return [float(step.figures["style"]) for step in all_steps], all_steps[-1]


def test_many_styles_are_learned(styles: Styles):
    options = ManyOptions.checked(SMALL | QUICK | {"steps": 40})
    figures, last = style_of(manystyle_steps(DeadLeaves(), styles, load_features("compact"), options))
    assert np.mean(figures[-8:]) < 0.75 * np.mean(figures[:4])
    assert last.weights["codes"].shape == (3, LIGHT.code_size)
    assert float(mx.abs(last.weights["codes"][1] - last.weights["codes"][2]).max()) > 0.05
    assert float(mx.abs(last.weights["strokes"][1:]).max()) > 1e-3


def test_any_style_starts_from_many_and_learns(styles: Styles, tmp_path: Path):
    Image.fromarray((waves(3) * 255).astype(np.uint8)).save(tmp_path / "painting.png")
    options = ManyOptions.checked(SMALL | QUICK | {"steps": 16})
    compact = load_features("compact")
    given = initial_weights(LIGHT, 2, mx.random.key(9))
    steps = anystyle_steps(DeadLeaves(), Crops(tmp_path), compact, compact, options, weights=given)
    figures, last = style_of(steps)
    assert np.mean(figures[-4:]) < 0.9 * np.mean(figures[:3])
    assert set(last.weights) == {*LIGHT.shapes(), "identity", *(n for n in last.weights if n.startswith("predict."))}


@pytest.mark.parametrize("deep", [False, True])
def test_a_style_of_your_own_is_learned_into_a_code(deep: bool, monkeypatch: pytest.MonkeyPatch):
    photos = []
    monkeypatch.setattr(personal, "mixed", lambda code, s, photo: photos.append(photo) or mixed(code, s, photo))
    weights = initial_weights(LIGHT, 2, mx.random.key(3))
    weights["out.weight"] = weights["out.weight"] * 4  # as much color as trained networks have
    network = StyleNetwork(LIGHT, {name: weights[name] for name in LIGHT.shapes()})
    values = {"steps": 24, "batch": 4, "averaging": 0.5, "learning_rate": 5e-2, "stability_weight": 0}
    options = MineOptions.checked(values | {"crop": 64, "style_size": 64, "content_weight": 0, "deep": deep})
    codes, strokes, compact = weights["codes"], weights["strokes"], load_features("compact")
    _, last = style_of(mine_steps(Picture(waves(1)), network, codes, strokes, DeadLeaves(), compact, options))
    wanted = {tap: gram(f) for tap, f in compact(at_stroke(Picture(waves(1)), 64, 0.0).array(), STYLE_TAPS).items()}
    photo = mx.array(DeadLeaves().one(np.random.default_rng(5), 96)[None])

    def error(network: StyleNetwork, code: mx.array) -> float:
        drawn = compact(mx.clip(network(photo, Code.of(code)), 0, 1), STYLE_TAPS)
        return float(style_error(drawn, wanted, dict.fromkeys(STYLE_TAPS, 1.0), "gram"))

    learned = StyleNetwork(LIGHT, last.weights) if deep else network
    assert error(learned, last.weights["code"]) < 0.8 * error(network, codes[1:].mean(axis=0))
    assert mx.array_equal(photos[0], photo_code(LIGHT) if deep else codes[0])
    assert set(last.weights) == {"code", "stroke", *(LIGHT.shapes() if deep else [])}
    drawn = network(mx.array(waves(5)[None]), Code.of(last.weights["code"]))
    assert bool(mx.isfinite(drawn).all())


def progress(step: int) -> Progress:
    def save(path: Path) -> None:
        path.write_text(str(step))

    return Progress(step, step / 40, 2.0 * step, {"style": mx.array(1 / step), "content": mx.array(0.1)}, {}, save)


def test_the_record_has_state_log_plot_and_preview(tmp_path: Path):
    record = Record(tmp_path / "out", lambda folder, _: None, lambda _: np.ones((4, 6, 3)), seconds=0)
    lines = [record(progress(step)) for step in range(1, 41)]
    record.finish()
    assert [line["step"] for line in lines if line] == [20, 40]
    assert lines[39]
    assert lines[39]["content"] == pytest.approx(0.1)
    assert (tmp_path / "out" / STATE).read_text() == "40"
    assert len((tmp_path / "out" / LOG).read_text().splitlines()) == 2
    assert load(tmp_path / "out" / PREVIEW).size == (6, 4)
    assert load(tmp_path / "out" / PLOT).pixels.std() > 0.02
    again = Record(tmp_path / "out", lambda folder, _: None, resume=True)
    assert again.state == tmp_path / "out" / STATE
    again(progress(60))
    again.finish()
    assert len((tmp_path / "out" / LOG).read_text().splitlines()) == 3


def test_another_training_is_not_written_over(tmp_path: Path):
    (tmp_path / STATE).touch()
    with pytest.raises(WrongCall, match="--resume"):
        Record(tmp_path, lambda folder, _: None)


def test_a_damaged_log_is_named(tmp_path: Path):
    (tmp_path / LOG).write_text('{"step": 20}\n{"st')
    with pytest.raises(ArtkitError, match=r"log.jsonl is damaged; remove it"):
        Record(tmp_path, lambda folder, _: None, resume=True)


def test_a_full_disk_leaves_the_last_state(tmp_path: Path):
    record = Record(tmp_path, lambda folder, _: None)
    record(progress(1))
    record.keep()

    def full(folder: Path, weights) -> None:
        raise OSError(28, "No space left on device")

    failing = Record(tmp_path, full, resume=True)
    failing(progress(2))
    with pytest.raises(ArtkitError, match=r"No space left.*--resume"):
        failing.keep()


def test_a_disk_that_fills_up_while_a_state_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def state(step: int) -> Progress:
        held = {"w": mx.full((4,), step)}
        return Progress(step, 0.5, 1.0, {"loss": mx.array(1.0)}, held, State(held, held, held, held, step).write)

    record = Record(tmp_path, lambda folder, _: None)
    record(state(1))
    record.keep()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    record(state(2))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ArtkitError, match=r"No space left.*--resume"):
            record.keep()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    record.keep()
    assert (tmp_path / STATE).read_bytes() != before[STATE]


def test_a_plot_shows_falling_figures_falling():
    image = np.array(plot([{"step": s, "style": 10.0 ** -(s / 50)} for s in range(1, 101)], ["style"]).convert("RGB"))
    green = (image == (0, 187, 102)).all(axis=-1)
    rows = [np.flatnonzero(green[:, column]).mean() for column in (200, 400, 700)]
    assert rows == sorted(rows)
