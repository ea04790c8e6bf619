"""The benchmarks measure what they say: the same pictures, networks and losses on both sides."""

import importlib
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from artkit import image
from artkit.nets.architectures import VGG19
from artkit.nets.features import FeatureNetwork
from artkit.train.teacher import Teacher

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# Modules of benchmarks/ that need PyTorch, an extra.
NEED_TORCH = {"gatys_torch", "networks_torch", "judge", "quality"}

Loader = Callable[[str], ModuleType]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    """Imports a module of benchmarks/ as its scripts do; what was imported is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        if name in NEED_TORCH:
            pytest.importorskip("torch", reason="needs PyTorch: pip install 'artkit[benchmark]'")
        return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(BENCHMARKS) in str(sys.modules[name].__file__):
            del sys.modules[name]


def write_picture(path: Path, rng: np.random.Generator, height: int, width: int) -> Path:
    """A smooth random picture."""
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    small.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_pictures_are_read_and_resized_as_artkit_does(
    benchmark: Loader, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = write_picture(tmp_path / "photo.png", rng, 45, 77)
    for size in (32, 77, 101):
        np.testing.assert_allclose(
            benchmark("pairs").read(path, size), image.load(path).resized(size).pixels, rtol=0, atol=1e-6
        )


def test_every_pair_is_there(benchmark: Loader, shared: Path) -> None:
    pairs = benchmark("pairs").PAIRS
    assert len({pair.name for pair in pairs}) == 6
    assert all(pair.photo_path(shared).is_file() and pair.painting_path(shared).is_file() for pair in pairs)


def test_vgg19_of_both_sides_agrees(benchmark: Loader, rng: np.random.Generator) -> None:
    networks = benchmark("networks_torch")
    setting = networks.Setting()
    theirs = networks.Vgg19.random(setting, "zero")
    weights = {
        name: mx.array(np.ascontiguousarray(tensor.permute(0, 2, 3, 1)) if tensor.ndim == 4 else tensor.numpy())
        for name, tensor in theirs.weights.items()
    }
    pixels = rng.random((35, 48, 3), np.float32)
    ours = FeatureNetwork(VGG19, weights, padding="zero")(mx.array(pixels[None]), networks.STYLE)
    for tap, feature in theirs(setting.picture(pixels)).items():
        assert relative_error(np.array(ours[tap][0]), feature[0].permute(1, 2, 0).numpy()) < 1e-4, tap


def test_teacher_of_both_sides_agrees(benchmark: Loader, shared: Path, rng: np.random.Generator) -> None:
    networks = benchmark("networks_torch")
    setting = networks.Setting()
    pixels = rng.random((35, 48, 3), np.float32)
    ours = Teacher(shared / "weights")(mx.array(pixels[None]))
    theirs = networks.Hybrid(shared / "weights", setting)(setting.picture(pixels))
    assert set(ours) == set(theirs)
    for tap, feature in theirs.items():
        assert relative_error(np.array(ours[tap][0]), feature[0].permute(1, 2, 0).numpy()) < 1e-4, tap


def test_layout_in_memory_changes_no_feature(benchmark: Loader, shared: Path, rng: np.random.Generator) -> None:
    networks = benchmark("networks_torch")
    pixels = rng.random((32, 32, 3), np.float32)
    settings = [networks.Setting(), networks.Setting(channels_last=True)]
    plain, last = (networks.Hybrid(shared / "weights", setting)(setting.picture(pixels)) for setting in settings)
    for tap in plain:
        assert relative_error(last[tap].numpy(), plain[tap].numpy()) < 1e-4, tap


def test_judge_gives_zero_to_the_target_itself(
    benchmark: Loader, shared: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    judge = benchmark("judge").Judge(shared / "weights")
    photo = write_picture(tmp_path / "photo.png", rng, 48, 64)
    painting = write_picture(tmp_path / "painting.png", rng, 64, 40)
    assert judge.score(photo, photo, photo) == (0, 0)
    untouched = judge.score(photo, photo, painting)
    assert untouched.content == 0
    assert untouched.style > 0.05
    assert judge.score(painting, photo, painting).content > 0.05


def test_gram_of_a_flat_picture_is_an_outer_product(benchmark: Loader) -> None:
    gatys, torch = benchmark("gatys_torch"), importlib.import_module("torch")
    color = torch.tensor([0.2, 0.5, 0.9])
    flat = color.view(1, 3, 1, 1).expand(1, 3, 7, 5)
    torch.testing.assert_close(gatys.gram(flat), torch.outer(color, color))


def test_total_variation_of_a_checkerboard(benchmark: Loader) -> None:
    gatys, torch = benchmark("gatys_torch"), importlib.import_module("torch")
    board = (torch.arange(6)[:, None] + torch.arange(8)) % 2 * 0.5
    assert gatys.total_variation(board.expand(1, 3, 6, 8)).item() == 0.5


@pytest.mark.parametrize("line_search", [False, True])
def test_descent_reaches_the_style(benchmark: Loader, line_search: bool) -> None:
    gatys, torch = benchmark("gatys_torch"), importlib.import_module("torch")
    draw = torch.Generator().manual_seed(0)
    photo, painting = (torch.rand((1, 3, 16, 12), generator=draw) * scale for scale in (1.0, 0.5))
    objective = gatys.Objective(lambda x: {"relu4_1": x}, photo, painting)
    seen: list[float] = []
    result = gatys.stylize(
        objective, photo, iterations=30, content_weight=0.01, tv_weight=0, line_search=line_search, watch=seen.append
    )
    before, after = objective(photo), objective(result)
    assert seen[0] == pytest.approx(before.style.item(), rel=1e-4)
    assert after.style < 0.01 * before.style
    assert 0 < after.content < 1


def test_turns_change_their_order_and_a_failure_stops_only_its_row(benchmark: Loader) -> None:
    speed, processes = benchmark("speed"), benchmark("processes")
    order: list[str] = []

    def turn(name: str, seconds: float) -> Callable[[], tuple[float, int]]:
        def run() -> tuple[float, int]:
            order.append(name)
            if seconds < 0:
                raise processes.ProcessError("out of memory")
            return seconds * len(order), 2_000_000_000

        return run

    entries = [speed.Entry("artkit", "artkit"), speed.Entry("default", "torch"), speed.Entry("best", "torch")]
    speed.take_turns(entries, 2, [turn("a", 1.0), turn("d", 2.0), turn("b", -1)])
    assert order == ["a", "d", "b", "d", "a"]
    assert entries[0].rounds == [1, 5]
    assert entries[1].rounds == [4, 8]
    assert entries[2].failure == "out of memory"
    lines = speed.table("title", entries, "s").splitlines()
    assert lines[4] == "| artkit | 3 | 2.80 | 2.80 | 2.00 |"  # ratios of the rounds: 4 / 1 and 8 / 5
    assert lines[6] == "| best | failed: out of memory | – | – | – |"


def test_a_process_is_timed_with_its_peak_memory(benchmark: Loader) -> None:
    processes = benchmark("processes")
    unit = 1 if sys.platform == "darwin" else 1024
    # Linux counts a parent's memory at the fork as the child's: hold more than this process ever had.
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + 100_000_000
    used = processes.timed([sys.executable, "-c", f"import time; held = bytearray({held}); time.sleep(0.3)"])
    assert 0.3 < used.seconds < 30
    assert held < used.peak < held + 100_000_000


def test_a_failed_process_says_why(benchmark: Loader) -> None:
    processes = benchmark("processes")
    with pytest.raises(processes.ProcessError, match="no paint left"):
        processes.timed([sys.executable, "-c", "import sys; sys.exit('no paint left')"])


def test_contact_sheet_holds_every_picture(benchmark: Loader, tmp_path: Path, rng: np.random.Generator) -> None:
    colors = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0))
    rows = []
    for row, size in enumerate([(40, 20), (20, 20)]):
        rows.append([tmp_path / f"{row}{column}.png" for column in range(4)])
        for path, color in zip(rows[-1], colors, strict=True):
            Image.new("RGB", size, color).save(path)
    page = benchmark("quality").sheet(rows, height=10)
    assert page.shape == (2 * 18, 4 * 28, 3)
    for column, color in enumerate(colors):
        np.testing.assert_allclose(
            page[0:10, 28 * column : 28 * column + 20], np.broadcast_to(color, (10, 20, 3)) / 255.0
        )
        middle = page[18:28, 28 * column + 5 : 28 * column + 15]
        np.testing.assert_allclose(middle, np.broadcast_to(color, (10, 10, 3)) / 255.0)


def test_the_rival_of_the_style_networks_is_transformer_net(benchmark: Loader) -> None:
    torch = benchmark("networks_torch").torch
    network = benchmark("networks_torch").transformer()
    assert sum(weight.numel() for weight in network.parameters()) == 1_679_235  # as many as in pytorch/examples
    assert network(torch.zeros(1, 3, 36, 44)).shape == (1, 3, 36, 44)
