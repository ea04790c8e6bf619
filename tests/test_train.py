import itertools
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from artkit.checkpoint import load_arrays
from artkit.contract import PictureError, WeightsError, WrongCall
from artkit.nets.architectures import COMPACT
from artkit.nets.features import FeatureNetwork, load_features
from artkit.train.agreement import agreement, center_crops
from artkit.train.axes import Axes, principal_axes, save_compact
from artkit.train.criterion import relative_error
from artkit.train.data import Crops
from artkit.train.distil import DistilOptions, distil_steps, hinted, initial_weights
from artkit.train.teacher import HINTS, TAPS, Teacher


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small pictures of waves."""
    here = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:80, :100] / 7
    for seed in range(6):
        a, b, c = np.random.default_rng(seed).uniform(0.3, 2, 3)
        waves = np.stack([np.sin(a * x + b * y), np.cos(b * x), np.sin(c * y - x)], axis=-1)
        Image.fromarray((waves * 127 + 128).astype(np.uint8)).save(here / f"{seed}.png")
    return here


class Stand:
    """A stand-in for the teacher: a random network with its taps."""

    def __init__(self) -> None:
        self.network = FeatureNetwork(COMPACT, initial_weights(mx.random.key(5)), "centered")

    def __call__(self, x: mx.array, taps: tuple[str, ...] = TAPS) -> dict[str, mx.array]:
        return self.network(x, taps)


def test_crops_are_in_range_and_follow_the_seed(folder: Path):
    crops = Crops(folder)
    one, same, other = (crops.draw(np.random.default_rng(seed), 3, 48) for seed in (1, 1, 2))
    assert one.shape == (3, 48, 48, 3)
    assert 0 <= one.min() < one.max() <= 1
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("shorter", "size"), [((40, 40), 40), ((1, 60), 60), ((160, 999), 160), ((1, 999), 80)])
def test_pictures_are_brought_to_a_size_that_is_of_use(folder: Path, shorter: tuple[int, int], size: int):
    assert {picture.shape for picture in Crops(folder, shorter=shorter).pictures} == {(size, size * 100 // 80, 3)}


def test_a_crop_shows_something_if_anything_does(tmp_path: Path):
    def contrast(rng: np.random.Generator) -> float:
        return np.ptp(Crops(tmp_path).one(rng, 32), axis=(0, 1)).max()

    noise, rng = np.random.default_rng(0).integers(0, 255, (64, 2000, 3), np.uint8), np.random.default_rng(0)
    Image.fromarray(np.where(np.arange(2000)[:, None] < 70, noise, np.uint8(200))).save(tmp_path / "a.png")
    assert sum(contrast(rng) > 0.03 for _ in range(40)) > 10  # 2 of them are tried at the first attempt
    Image.fromarray(noise).save(tmp_path / "a.png")
    Image.fromarray(noise // 16).save(tmp_path / "b.png")  # which in less light is all black
    assert all(contrast(rng) > 0.03 for _ in range(80))
    (tmp_path / "b.png").unlink()
    Image.new("RGB", (80, 80), "red").save(tmp_path / "a.png")
    assert contrast(rng) == 0  # there is nothing else


def test_an_empty_folder_is_said_to_be_one(tmp_path: Path):
    with pytest.raises(PictureError, match="no pictures in"):
        Crops(tmp_path)


def test_files_that_are_no_pictures_and_small_pictures_stay_out(folder: Path, tmp_path: Path):
    (tmp_path / "0.jpg").touch()
    (tmp_path / "1.jpg").write_text("text")
    Image.open(folder / "0.png").save(tmp_path / "2.png")
    assert len(Crops(tmp_path)) == 1
    with pytest.raises(PictureError, match="256×256"):
        center_crops(tmp_path)


def test_axes_turn_features_without_loss_where_there_are_enough(folder: Path):
    crops = center_crops(folder, 64)
    teacher = Stand()
    axes = principal_axes(teacher, crops)  # type: ignore[arg-type]
    features = teacher(mx.array(crops[:2]))
    for tap, projected in axes.project(features).items():
        directions = axes.directions[tap]
        assert mx.allclose(directions.T @ directions, mx.eye(directions.shape[1]), atol=1e-4)
        assert float(relative_error(axes.lift({tap: projected})[tap], features[tap]).max()) < 1e-4
    energy = {tap: mx.square(f).sum(axis=-1).mean().item() for tap, f in axes.project(teacher(mx.array(crops))).items()}
    assert energy == pytest.approx(dict.fromkeys(TAPS, 1.0), rel=1e-2)


def test_axes_survive_a_file(folder: Path, tmp_path: Path):
    axes = principal_axes(Stand(), center_crops(folder, 64))  # type: ignore[arg-type]
    weights = initial_weights(mx.random.key(1))
    save_compact(tmp_path / "compact.safetensors", weights, axes, DistilOptions())
    loaded = load_arrays(tmp_path / "compact.safetensors")
    again = Axes.from_tensors(loaded)
    for tap in TAPS:
        assert mx.allclose(again.directions[tap], axes.directions[tap], atol=1e-3)
        assert again.scale[tap] == pytest.approx(axes.scale[tap], rel=1e-2)
    assert mx.allclose(loaded["conv1_1.weight"], weights["conv1_1.weight"], atol=1e-3)


def test_fresh_weights_are_those_of_the_architecture():
    weights = initial_weights(mx.random.key(0))
    assert {name: tensor.shape for name, tensor in weights.items()} == COMPACT.shapes()
    assert sum(tensor.size for tensor in weights.values()) < 3_000_000


def test_a_missing_teacher_says_where_it_was_looked_for(tmp_path: Path):
    with pytest.raises(WeightsError, match="the teacher needs"):
        Teacher(tmp_path)


def test_a_batch_holds_a_photo_and_a_painting():
    with pytest.raises(WrongCall, match="batch"):
        DistilOptions.checked({"batch": 1})


def test_distillation_learns(shared: Path, folder: Path):
    # All of it lies in the warm-up, in which the rate rises to a fifth of what is given here.
    options = DistilOptions(steps=40, batch=2, pool=1, crop=32, learning_rate=0.1, averaging=0.5)
    steps = distil_steps(folder, [folder], shared / "weights", options)
    *_, (middle, _) = itertools.islice(steps, 20)
    *_, (last, axes) = steps
    assert last.step == 40
    assert last.figures["feature"] < middle.figures["feature"]
    assert last.figures["feature"] < 1
    scores = agreement(last.weights | axes.tensors(), Teacher(shared / "weights"), center_crops(folder, 64, limit=1))
    assert scores["relu1_1"]["feature"] > 0.2


def test_distillation_goes_on_from_a_network(shared: Path, folder: Path, tmp_path: Path):
    options = DistilOptions(steps=1, batch=2, pool=1, crop=32, learning_rate=1e-9, averaging=0)
    (first, axes), *_ = distil_steps(folder, [folder], shared / "weights", options)
    save_compact(tmp_path / "compact.safetensors", first.weights, axes, options)
    (second, same), *_ = distil_steps(
        folder, [folder], shared / "weights", options, start=tmp_path / "compact.safetensors"
    )
    hints = first.weights.keys() - second.weights.keys()
    assert hints == {f"{tap}.readout.{part}" for tap in HINTS for part in ("weight", "bias")}
    for name, tensor in second.weights.items():
        assert mx.allclose(first.weights[name], tensor, atol=2e-3), name
    for tap, directions in same.directions.items():
        assert mx.allclose(axes.directions[tap], directions, atol=2e-3), tap
    narrow = DistilOptions.checked({"fine": "8,8/16/24"})
    with pytest.raises(WrongCall, match="other channels"):
        next(distil_steps(folder, [folder], shared / "weights", narrow, start=tmp_path / "compact.safetensors"))
    (fresh, kept), *_ = distil_steps(
        folder,
        [folder],
        shared / "weights",
        options.model_copy(update={"seed": 1}),
        like=tmp_path / "compact.safetensors",
    )
    assert not mx.allclose(fresh.weights["conv1_2.weight"], first.weights["conv1_2.weight"], atol=1e-2)
    assert all(mx.allclose(kept.directions[tap], same.directions[tap]) for tap in TAPS)
    fewer = DistilOptions.checked({"readouts": "32/96/200/256+160/256+160"})
    with pytest.raises(WrongCall, match="other readouts"):
        next(distil_steps(folder, [folder], shared / "weights", fewer, like=tmp_path / "compact.safetensors"))
    mx.save_safetensors(str(tmp_path / "other.safetensors"), {"a": mx.zeros(3)})
    with pytest.raises(WrongCall, match=r"no coordinates of relu1_1"):
        next(distil_steps(folder, [folder], shared / "weights", options, like=tmp_path / "other.safetensors"))
    both = {"start": tmp_path / "compact.safetensors", "like": tmp_path / "compact.safetensors"}
    with pytest.raises(WrongCall, match="leave --like out"):
        next(distil_steps(folder, [folder], shared / "weights", options, **both))


def test_the_bundled_network_agrees_with_its_teacher_on_held_out_pictures(shared: Path):
    crops = center_crops(shared / "data" / "photos" / "val", limit=2)
    scores = agreement(dict(load_features("compact").weights), Teacher(shared / "weights"), crops)
    floors = {"relu1_1": 0.98, "relu2_1": 0.97, "relu3_1": 0.98, "relu4_1": 0.95, "relu5_1": 0.91}
    for tap, floor in floors.items():
        assert scores[tap]["feature"] > floor, (tap, scores[tap])


def test_the_network_to_distil_is_told_by_its_channels():
    options = DistilOptions.checked({"fine": "8,8/16/24", "deep": "6/12/10,8/16/32", "readouts": "4/8/8/64+8/8"})
    architecture = options.architecture
    assert architecture.shapes()["relu4_1.hidden.weight"] == (64, 1, 1, 16)
    assert architecture.shapes()["deep1_2.weight"] == (6, 3, 3, 8)
    assert architecture.shapes()["conv3_2.weight"] == (8, 3, 3, 10)
    assert DistilOptions().architecture == COMPACT
    few = DistilOptions.checked({"fine": "8/16/24", "deep": "6/12/10,8/16/32"}).architecture
    assert hinted(few, 1.0).readouts.keys() == few.readouts.keys() | {"deep1_2", "deep2_1", "deep3_1", "relu3_2"}
    for wrong, count in (
        ({"fine": "8,8/16"}, "3"),
        ({"fine": "8,8/16/24,24"}, "3"),
        ({"deep": "8/16"}, "5"),
        ({"readouts": "4/8/8/8/x"}, "five"),
    ):
        with pytest.raises(WrongCall, match=f"should be {count}"):
            DistilOptions.checked(wrong)


def test_hints_are_what_the_teacher_computes_on_the_way(shared: Path):
    teacher, x = Teacher(shared / "weights"), mx.random.uniform(shape=(1, 32, 48, 3), key=mx.random.key(3))
    found = teacher(x, (*TAPS, *HINTS))
    assert {tap: found[tap].shape[-1] for tap in HINTS} == dict(HINTS)
    for tap, alone in teacher(x).items():
        assert mx.allclose(found[tap], alone, rtol=1e-4, atol=1e-4 * float(alone.max())), tap
    for tap in HINTS:
        stride, _ = COMPACT.geometry(tap)
        assert found[tap].shape[1:3] == (32 // stride, 48 // stride)
        assert float(found[tap].min()) >= 0
