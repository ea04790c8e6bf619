import contextlib
import itertools
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import PictureError, WrongCall
from artkit.image import Picture
from artkit.nets.architectures import CONTENT_SCALE, VGG19
from artkit.nets.features import FeatureNetwork, load_features
from artkit.nets.statistics import gram
from artkit.stylize.aims import make_aim
from artkit.stylize.optimize import _Run, halved, ladder, optimize_steps
from artkit.stylize.options import OptimizeOptions

QUICK = {"size": 64, "min_size": 46, "iterations": 3}


def drawn(height: int, width: int, seed: int) -> Picture:
    """Something to look at: waves of color, different for every seed."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / 8
    phases = np.random.default_rng(seed).uniform(0, 6, (3, 3))
    waves = [np.sin(a * 0.4 * x + b) * np.cos(c * 0.3 * y + a) for a, b, c in phases]
    return Picture.of((np.stack(waves, axis=-1) * 0.5 + 0.5).astype(np.float32))


PHOTO, STYLE = drawn(48, 64, 1), drawn(60, 50, 2)


def options(**changes: object) -> OptimizeOptions:
    return OptimizeOptions.checked({**QUICK, **changes})


def result(**changes: object) -> np.ndarray:
    *_, last = optimize_steps(PHOTO, [STYLE], options(**changes))
    return np.array(last.image)


def test_steps_show_the_way_and_end_with_the_picture():
    steps = list(optimize_steps(PHOTO, [STYLE], options()))
    assert steps[-1].image.shape == (1, 48, 64, 3)
    assert steps[-1].done == steps[-1].total
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert {step.figures["size"] for step in steps} == {46, 64}
    assert {"size", "iteration", "loss", "style", "content", "tv"} <= set(steps[0].figures)
    assert 0 <= np.array(steps[-1].image).min() <= np.array(steps[-1].image).max() <= 1
    for _, scale in itertools.groupby(steps[:-1], key=lambda step: step.figures["size"]):
        losses = [step.figures["loss"] for step in scale]
        assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "adam"}, {"init": "noise", "seed": 3}], ids=["lbfgs", "adam", "noise"]
)
def test_the_same_call_gives_the_same_picture(changes: dict[str, object]):
    assert np.array_equal(result(**changes), result(**changes))


def test_a_seed_gives_another_picture_from_noise():
    assert not np.array_equal(result(init="noise", seed=1), result(init="noise", seed=2))


def test_small_pictures_from_noise_are_as_smooth_as_from_the_photo():
    """How much neighboring pixels differ like the fields of a chessboard."""

    def grain(init: str) -> float:
        *_, last = optimize_steps(PHOTO, [STYLE], options(init=init, min_size=64, iterations=12), init=PHOTO)
        pixels = np.array(last.image[0])
        return float(np.abs(pixels[1:, 1:] - pixels[:-1, 1:] - pixels[1:, :-1] + pixels[:-1, :-1]).mean())

    assert grain("noise") < 1.2 * grain("photo.png")


def test_strength_zero_is_the_photo_and_more_goes_further_away():
    photo = np.array(PHOTO.resized(64).array())
    moved = [np.abs(result(strength=strength) - photo).mean() for strength in (0, 0.3, 1)]
    assert moved[0] == 0
    assert 0 < moved[1] < moved[2]


def test_content_weight_keeps_to_the_photo():
    photo = np.array(PHOTO.resized(64).array())
    near, far = (np.abs(result(content_weight=weight) - photo).mean() for weight in (100, 0))
    assert near < far


def test_content_weighs_more_in_the_compact_network():
    compact = load_features("compact")
    layers = {"style_layers": "relu1_1=1", "content_layers": "relu4_1=1", "content_weight": 0.5}
    assert make_aim(options(**layers), compact).content_weight == pytest.approx(0.5 * CONTENT_SCALE)
    assert make_aim(options(**layers, content_loss="self-similarity"), compact).content_weight == 0.5
    whole = FeatureNetwork(VGG19, dict.fromkeys(VGG19.shapes(), mx.zeros(1)))
    assert make_aim(options(**layers), whole).content_weight == 0.5


def test_keeping_luma_colors_keeps_the_chroma_of_the_photo():
    colors, photo = result(keep_color="luma")[0], np.array(PHOTO.resized(64).array())[0]
    chroma = [pixels - (pixels @ np.array([0.299, 0.587, 0.114]))[..., None] for pixels in (colors, photo)]
    assert np.corrcoef(chroma[0].ravel(), chroma[1].ravel())[0, 1] > 0.9


def test_outside_of_a_mask_the_photo_stays():
    mask = np.zeros((48, 64), np.float32)
    mask[:, :32] = 1
    *_, last = optimize_steps(PHOTO, [STYLE], options(), masks=[mask])
    moved = np.abs(np.array(last.image) - np.array(PHOTO.resized(64).array()))[0].mean(axis=2)
    assert moved[:, 34:].max() < 1e-6
    assert moved[:, :30].mean() > 0.01


def test_starting_points():
    black = Picture.of(np.zeros((48, 64, 3), np.float32))
    first = {}
    for init, picture in (("content", None), ("noise", None), ("style", None), ("black.png", black)):
        steps = optimize_steps(PHOTO, [STYLE], options(init=init, iterations=1, min_size=64), init=picture)
        first[init] = np.array(next(iter(steps)).image)
    pairs = itertools.combinations(first.values(), 2)
    assert all(np.abs(a - b).mean() > 0.01 for a, b in pairs)
    with pytest.raises(WrongCall, match='cannot start from "sky"'):
        list(optimize_steps(PHOTO, [STYLE], options(init="sky")))


@pytest.mark.parametrize("name", ["lbfgs", "adam"])
def test_a_run_broken_off_anywhere_goes_on_to_the_same_picture(tmp_path: Path, name: str):
    chosen, file = options(optimizer=name), tmp_path / "out.png.resume"
    steps = list(optimize_steps(PHOTO, [STYLE], chosen))
    whole, figures = [np.array(step.image) for step in steps], steps[-1].figures
    assert [step.figures["iterations"] for step in steps] == [*range(1, len(whole)), len(whole) - 1]
    for stop in (3, len(whole) // 2, len(whole) - 1):
        steps = optimize_steps(PHOTO, [STYLE], chosen, checkpoint=file)
        list(itertools.islice(steps, stop))
        steps.close()  # type: ignore[attr-defined]
        assert file.exists()
        *more, last = optimize_steps(PHOTO, [STYLE], chosen, checkpoint=file, resume=True)
        assert [step.figures["iterations"] for step in more] == [*range(stop + 1, len(whole))]
        assert np.array_equal(np.array(last.image), whole[-1])
        assert last.figures == figures  # after the last iteration, too, when only the picture had to be finished
        assert not file.exists()


def test_a_checkpoint_of_another_artkit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "out.png.resume"
    steps = optimize_steps(PHOTO, [STYLE], options(), checkpoint=file)
    next(iter(steps))
    steps.close()  # type: ignore[attr-defined]
    monkeypatch.setattr(OptimizeOptions, "recipe_method", property(lambda _: 1))
    with pytest.raises(WrongCall, match="from other pictures, other options or another artkit"):
        list(optimize_steps(PHOTO, [STYLE], options(), checkpoint=file, resume=True))


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path):
    file = tmp_path / "out.png.resume"
    steps = optimize_steps(PHOTO, [STYLE], options(), checkpoint=file)
    next(iter(steps))
    steps.close()  # type: ignore[attr-defined]
    with pytest.raises(WrongCall, match="from other pictures, other options or another artkit"):
        list(optimize_steps(PHOTO, [STYLE], options(tv_weight=9), checkpoint=file, resume=True))
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(PictureError, match="damaged"):
        list(optimize_steps(PHOTO, [STYLE], options(), checkpoint=file, resume=True))


def test_stops_early_when_nothing_moves():
    steps = list(optimize_steps(PHOTO, [PHOTO], options(iterations=400, min_size=64, tolerance=0.01)))
    assert steps[-1].figures["iteration"] < 400


def test_little_memory_gives_the_same_picture():
    photo = drawn(300, 200, 4)
    pictures = []
    for memory in ("0", "400MB"):
        steps = optimize_steps(
            photo, [STYLE], options(size=300, min_size=300, iterations=1, max_memory=memory, tolerance=0)
        )
        pictures.append(np.array(list(steps)[-1].image))
    assert np.abs(pictures[0] - pictures[1]).max() < 2e-3


def test_ladder_has_steps_of_two_at_most():
    assert ladder(512, 128) == [128, 256, 512]
    assert ladder(512, 128, 2**0.5) == [128, 181, 256, 362, 512]
    assert ladder(100, 100) == [100]
    for size in (130, 500, 4096, 16384):
        sizes = ladder(size, 128)
        assert sizes[0] == 128
        assert sizes[-1] == size
        assert all(b / a < 2.01 for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize(
    ("size", "sizes"),
    [(64, [64]), (300, [300]), (400, [200, 400]), (512, [256, 512]), (700, [350, 700]), (1024, [256, 512, 1024])],
)
def test_each_scale_is_half_the_next(size: int, sizes: list[int]):
    assert ladder(size, halved(size, 256)) == sizes


@pytest.mark.parametrize(("smallest", "sizes"), [(48, {48, 64}), (50, {64}), (63, {64}), (100, {64})])
def test_a_scale_nearly_as_large_as_the_picture_is_left_out(smallest: int, sizes: set[int]):
    steps = optimize_steps(PHOTO, [STYLE], options(min_size=smallest, iterations=1))
    assert {step.figures["size"] for step in steps} == sizes


def test_noise_starts_smaller_than_a_photo():
    for init, smallest in (("content", 260), ("noise", 65)):
        chosen = OptimizeOptions(size=260, iterations=1, init=init)
        assert next(optimize_steps(PHOTO, [STYLE], chosen)).figures["size"] == smallest
    with pytest.raises(WrongCall, match="32 or more"):
        OptimizeOptions(min_size=31)


def test_every_scale_gets_its_iterations():
    steps = list(optimize_steps(PHOTO, [STYLE], options(size=128, min_size=32, iterations=2, tolerance=0)))
    assert [step.figures["size"] for step in steps[:-1]] == [32, 32, 64, 64, 128, 128]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style_layers": "relu9_1=1"}, 'style layer "relu9_1" is not in network "compact"'),
        ({"content_layers": "relu1_1=0"}, "every content layer has weight 0"),
        ({"style_weight": (1.0, 2.0)}, "2 style weights for 1 styles"),
        ({"network": "vgg19"}, "artkit weights get vgg19"),
    ],
)
def test_wrong_calls_say_what_to_do(changes: dict[str, object], message: str):
    with pytest.raises(Exception, match=message):
        list(optimize_steps(PHOTO, [STYLE], options(**changes)))


def test_without_a_style_nothing_starts():
    with pytest.raises(WrongCall, match="no style given"):
        list(optimize_steps(PHOTO, [], options()))


@pytest.mark.parametrize("shape", [(15, 300), (300, 15)])
def test_a_narrow_photo_starts_where_the_network_still_sees_all_of_it(shape: tuple[int, int]):
    photo = drawn(*shape, 3)
    steps = list(optimize_steps(photo, [STYLE], options(size=340, min_size=32, iterations=1)))
    assert {step.figures["size"] for step in steps} == {320, 340}
    assert mx.isfinite(steps[-1].image).all()
    with pytest.raises(WrongCall, match=r"too narrow.* size of 320"):
        list(optimize_steps(photo, [STYLE], options(size=319)))


def test_a_tiny_or_narrow_style_is_enlarged_until_the_network_sees_it():
    for style in (drawn(40, 2, 1), drawn(2, 40, 1), STYLE):
        *_, last = optimize_steps(PHOTO, [style], options(iterations=1, style_scale=0.1))
        assert mx.isfinite(last.image).all()


def test_a_single_pixel_photo_works():
    *_, last = optimize_steps(Picture.of(np.full((1, 1, 3), 0.5, np.float32)), [STYLE], options())
    assert mx.isfinite(last.image).all()


def test_only_the_finished_picture_is_at_the_end_of_the_way():
    chosen = options(keep_color="luma")
    *before, last = optimize_steps(PHOTO, [STYLE], chosen)
    assert last.done == last.total
    assert all(step.done < step.total for step in before)
    assert not np.array_equal(np.array(before[-1].image), np.array(last.image))


def test_a_checkpoint_that_cannot_be_saved_does_not_hide_what_went_wrong(tmp_path: Path):
    steps = optimize_steps(PHOTO, [STYLE], options(), checkpoint=tmp_path / "no folder" / "out.png.resume")

    def failing() -> None:
        with contextlib.closing(steps):  # type: ignore[type-var]
            next(iter(steps))
            raise PictureError("no space left on the disk")

    with pytest.raises(PictureError, match="no space left"):
        failing()


def test_a_network_that_is_cut_short_takes_the_usual_layers_that_it_has():
    whole = load_features("compact")
    short = FeatureNetwork(whole.architecture, {k: v for k, v in whole.weights.items() if "4_1" not in k})
    assert short.taps == ("relu1_1", "relu2_1", "relu3_1")
    aim = make_aim(options(), short)
    assert dict(aim.style_layers) == pytest.approx(dict.fromkeys(short.taps, 1 / 3))
    assert dict(aim.content_layers) == {"relu3_1": 1.0}
    with pytest.raises(WrongCall, match='"relu4_1" is not in'):
        make_aim(options(content_layers="relu4_1=1"), short)


def test_a_dark_painting_darkens_a_bright_photo_within_the_range_of_colors() -> None:
    """Pictures are cut to that range in the end: what is painted darker than black in the meantime is lost then."""
    rng = np.random.default_rng(0)
    photo = Picture((0.8 + 0.2 * rng.uniform(size=(64, 64, 3))).astype(np.float32))
    dark = np.zeros((64, 64, 3), np.float32)
    dark[16:40, 20:48] = rng.uniform(0.3, 0.9, size=(24, 28, 3))
    *_, last = optimize_steps(photo, [Picture(dark)], OptimizeOptions(size=64, iterations=60, tolerance=0))
    network = load_features("compact")
    errors = []
    for tap in network.taps:
        found, wanted = (gram(network(x, [tap])[tap]) for x in (last.image, mx.array(dark[None])))
        errors.append(float(mx.square(found - wanted).sum() / mx.square(wanted).sum()))
    assert np.mean(errors) == pytest.approx(last.figures["style"], rel=0.01)


def start(styles: list[Picture], masks: list[np.ndarray] | None = None, **changes: object) -> np.ndarray:
    return np.array(_Run(PHOTO, list(styles), options(**changes), masks or [], None).start())[0]


def test_it_starts_in_the_colors_of_the_painting_as_strongly_as_is_wanted():
    photo = start([STYLE], strength=0)
    dark, pale = Picture(0.2 + 0.1 * STYLE.pixels), Picture(0.6 + 0.1 * STYLE.pixels)
    assert start([dark]).mean(axis=(0, 1)) == pytest.approx(dark.pixels.mean(axis=(0, 1)), abs=1e-5)
    assert start([dark], strength=0.5) == pytest.approx((photo + start([dark])) / 2, abs=1e-5)
    both = start([dark, pale], style_weight=(3, 1))
    assert both == pytest.approx(0.75 * start([dark]) + 0.25 * start([pale]), abs=1e-5)
    left = np.zeros((48, 64), np.float32)
    left[:, :32] = 1
    masked = start([dark, pale], [left, 0 * left])
    width = masked.shape[1] // 2
    inside = masked[:, :width].mean(axis=(0, 1))  # its colors, not those of the whole photo, become the painting's
    assert inside == pytest.approx(dark.pixels.mean(axis=(0, 1)), abs=2e-3)
    assert masked[:, width + 2 :] == pytest.approx(photo[:, width + 2 :], abs=1e-3)


def test_it_starts_in_the_photos_colors_where_they_are_kept_and_weights_are_shares():
    assert np.array_equal(start([STYLE], keep_color="match"), start([STYLE], strength=0))
    assert start([STYLE], style_weight=(1e-8,)) == pytest.approx(start([STYLE]), abs=1e-6)


def test_a_bright_photo_after_a_dark_painting_is_dark():
    photo, dark = Picture(0.7 + 0.3 * PHOTO.pixels), np.zeros((64, 64, 3), np.float32)
    dark[20:40, 24:40] = 0.6
    *_, last = optimize_steps(photo, [Picture(dark)], options(iterations=6))
    assert float(last.image.mean()) < 0.3
