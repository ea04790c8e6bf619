"""Neural cellular automata: what a cell sees, what stays as it is, what is learned and kept, what the piece does."""

from pathlib import Path
from typing import Any

import artkit.device  # noqa: F401

import cv2
import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from artkit.contract import Step, WrongCall
from artkit.generate import automata as piece
from artkit.generate import shelf
from artkit.generate.automata import AutomataOptions, Dish, DishOptions, automata_steps
from artkit.image import Picture, load
from artkit.interfaces.cli import main
from artkit.interfaces.drawing.dish import DishWindow
from artkit.nets.automaton import CHANNELS, SHAPES, Automaton, convolved, fresh, perceive, picture, seed, wrapped
from artkit.nets.features import load_features
from artkit.train.automata import Aim, hole, sliced
from artkit.train.automata import automata_steps as train_automata
from artkit.train.options import GrowOptions

TINY: dict[str, Any] = {"steps": 3, "batch": 2, "crop": 32, "pool": 4, "shortest": 2, "longest": 3, "pattern": 32}


def automaton(number: int = 0) -> Automaton:
    """One that does something, without having learned anything."""
    weights = fresh(mx.random.key(number))
    weights["change.weight"] = 0.1 * mx.random.normal(SHAPES["change.weight"], key=mx.random.key(number + 100))
    return Automaton(weights)


def cells(height: int = 12, width: int = 10) -> mx.array:
    return mx.random.normal((1, height, width, CHANNELS), key=mx.random.key(7))


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A shelf with two textures."""
    monkeypatch.setattr(shelf, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    shelf.SHIPPED.mkdir()
    for number, name in enumerate(("bark", "moss")):
        weights = dict(automaton(number).weights)
        shelf.write(shelf.SHIPPED / f"{name}.safetensors", weights, f"{name}.jpg", GrowOptions())
    return tmp_path


def grow(source: Picture | None = None, **options: Any) -> list[Step]:
    return list(automata_steps(AutomataOptions.checked({"size": (40, 24), "updates": 6} | options), source))


# --- the cells ----------------------------------------------------------------------------------------------------


def test_it_has_six_thousand_numbers() -> None:
    assert sum(int(np.prod(shape)) for shape in SHAPES.values()) == 5856


def test_what_a_cell_sees() -> None:
    state = np.array(cells())
    seen = np.array(perceive(wrapped(mx.array(state))))
    kernels = {
        "across": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        "down": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
        "around": np.array([[1, 2, 1], [2, -12, 2], [1, 2, 1]]),
    }
    wanted = [state]
    for kernel in kernels.values():
        shifted = (kernel[i, j] / 4 * np.roll(state, (1 - i, 1 - j), (1, 2)) for i in range(3) for j in range(3))
        wanted.append(np.sum(list(shifted), axis=0))
    np.testing.assert_allclose(seen, np.concatenate(wanted, axis=-1), rtol=1e-4, atol=1e-4)


def test_a_turned_cell_sees_a_turned_neighborhood() -> None:
    """By a quarter turn, what was across is down; the rest stays."""
    plain, turned = (np.array(perceive(wrapped(cells()), turn)) for turn in (None, mx.array(np.pi / 2)))
    across, down = plain[..., CHANNELS : 2 * CHANNELS], plain[..., 2 * CHANNELS : 3 * CHANNELS]
    np.testing.assert_allclose(turned[..., CHANNELS : 2 * CHANNELS], down, atol=1e-4)
    np.testing.assert_allclose(turned[..., 2 * CHANNELS : 3 * CHANNELS], -across, atol=1e-4)
    np.testing.assert_array_equal(turned[..., :CHANNELS], plain[..., :CHANNELS])
    np.testing.assert_array_equal(turned[..., 3 * CHANNELS :], plain[..., 3 * CHANNELS :])


@pytest.mark.parametrize("turn", ["none", "all alike", "by place"])
def test_a_gpu_sees_the_same(turn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It convolves, where a CPU shifts."""
    state, rule = cells(), automaton()
    by_place = mx.random.uniform(-3, 3, state.shape[1:3], key=mx.random.key(8))
    angle = {"none": None, "all alike": mx.array(0.3), "by place": by_place}[turn]
    np.testing.assert_allclose(convolved(wrapped(state), angle), perceive(wrapped(state), angle), atol=1e-4)
    on_cpu = mx.value_and_grad(lambda x: mx.square(rule.change(wrapped(x), angle)).sum())(state)
    monkeypatch.setattr("artkit.nets.automaton.uses_gpu", lambda: True)
    on_gpu = mx.value_and_grad(lambda x: mx.square(rule.change(wrapped(x), angle)).sum())(state)
    for one, other in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_without_updates_nothing_changes() -> None:
    before, key = cells(), mx.random.key(3)
    np.testing.assert_array_equal(np.array(automaton().step(before, key, rate=0.0)), np.array(before))
    np.testing.assert_array_equal(np.array(automaton().run(before, key, 0)), np.array(before))
    np.testing.assert_array_equal(np.array(Automaton(fresh(key)).step(before, key)), np.array(before))  # not yet taught
    dish = Dish(automaton(), 12, 10, rate=0.0)
    dish.cells = before
    dish.update()
    np.testing.assert_array_equal(np.array(dish.cells), np.array(before))


def test_about_half_of_the_cells_change() -> None:
    before = cells(64, 64)
    moved = np.abs(np.array(automaton().step(before, mx.random.key(0)) - before)).max(axis=-1) > 0
    assert 0.45 < moved.mean() < 0.55


def test_cells_know_no_border() -> None:
    """Shifted around the torus, all cells do what they did (every one changes, so that chance has no part)."""
    rule, before, key = automaton(), cells(), mx.random.key(0)
    here = np.array(rule.step(before, key, rate=1.0))
    there = np.array(rule.step(mx.array(np.roll(np.array(before), (5, 3), (1, 2))), key, rate=1.0))
    np.testing.assert_allclose(there, np.roll(here, (5, 3), (1, 2)), rtol=1e-4, atol=1e-5)


# --- the dish -----------------------------------------------------------------------------------------------------


def test_bands_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rule, other = automaton(), automaton(1)
    pictures = []
    for band in (10**6, 25):
        monkeypatch.setattr(piece, "BAND_CELLS", band)
        dish = Dish(rule, 12, 10, rate=1.0)
        dish.cells = cells()
        dish.turn = mx.random.normal((12, 10), key=mx.random.key(5))
        dish.graft = other, mx.random.uniform(shape=(12, 10), key=mx.random.key(6))
        dish.update()
        pictures.append(np.array(dish.cells))
    np.testing.assert_allclose(pictures[1], pictures[0], rtol=1e-4, atol=1e-5)


def test_a_graft_is_one_here_and_the_other_there() -> None:
    first, second = automaton(), automaton(1)
    dish = Dish(first, 12, 10, rate=1.0)
    dish.cells = cells()
    dish.graft = second, mx.array(np.repeat(np.arange(10) >= 5, 12).reshape(10, 12).T.astype(np.float32))
    dish.update()
    for rule, columns in ((first, slice(0, 5)), (second, slice(5, 10))):
        wanted = rule.step(cells(), mx.random.key(0), rate=1.0)
        np.testing.assert_allclose(np.array(dish.cells[:, :, columns]), np.array(wanted[:, :, columns]), atol=1e-4)


def test_erasing_makes_a_round_hole_around_the_border() -> None:
    dish = Dish(automaton(), 40, 60)
    dish.cells = mx.ones((1, 40, 60, CHANNELS))
    dish.erase(58.0, 20.0, 8.0)
    gone = np.array(dish.cells)[0, ..., 0] == 0
    assert gone[20, 0]
    assert gone[20, 4]
    assert not gone[20, 8]
    assert gone.sum() == pytest.approx(np.pi * 64, rel=0.05)


# --- the piece ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"field": "whirl"},
        {"graft": "moss", "where": "disk"},
        {"holes": 3, "updates": 9},
        {"turn": 45.0, "supersample": 2},
    ],
)
def test_textures_grow(taught: Path, options: dict[str, Any]) -> None:
    steps = grow(texture="bark", **options)
    assert steps[-1].image.shape == (1, 24, 40, 3)
    assert steps[-1].done == steps[-1].total == options.get("updates", 6)
    plain = grow(texture="bark", **{k: v for k, v in options.items() if k in ("updates", "supersample")})
    assert np.abs(np.array(steps[-1].image - plain[-1].image)).max() > 1e-3


def test_the_seed_decides(taught: Path) -> None:
    first, again, other = (np.array(grow(texture="moss", seed=seed)[-1].image) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_a_picture_says_where_the_graft_grows(taught: Path) -> None:
    dark = np.ones((24, 40, 3), np.float32)
    dark[:, 20:] = 0
    options = AutomataOptions.checked({"size": (40, 24), "graft": "moss"})
    where = np.array(piece.grafted(options, 24, 40, Picture(dark)))
    assert where[:, :19].max() < 0.5 < where[:, 21:].min()
    with pytest.raises(WrongCall, match="name one with --graft"):
        grow(Picture(dark))


def test_unknown_textures(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongCall, match='no texture "mos"; did you mean "moss"'):
        grow(texture="mos")
    monkeypatch.setattr(shelf, "SHIPPED", taught / "nowhere")
    with pytest.raises(WrongCall, match="no texture has been learned yet; artkit train automata"):
        grow()


# --- the training -------------------------------------------------------------------------------------------------


def press(window: DishWindow, event: int, x: int, y: int) -> None:
    window.touch(event, x, y, 0)


def test_a_dish_is_torn_and_planted_where_it_is_touched(taught: Path) -> None:
    window = DishWindow(DishOptions(texture="moss", graft="moss", edge=64))
    window.dish.cells = mx.ones((1, 64, 64, CHANNELS))
    scale = 768 // 64
    press(window, cv2.EVENT_MOUSEMOVE, 5 * scale, 5 * scale)  # without a button nothing happens
    assert window.dish.cells.min() == 1
    press(window, cv2.EVENT_LBUTTONDOWN, 20 * scale, 30 * scale)
    press(window, cv2.EVENT_LBUTTONUP, 20 * scale, 30 * scale)
    press(window, cv2.EVENT_MOUSEMOVE, 50 * scale, 50 * scale)
    gone = np.argwhere(np.array(window.dish.cells[0, ..., 0]) == 0)
    np.testing.assert_allclose(gone.mean(axis=0) + 0.5, (30, 20), atol=0.5)
    assert np.hypot(*(gone + 0.5 - (30, 20)).T).max() <= 64 / 14
    assert window.dish.graft is None
    press(window, cv2.EVENT_RBUTTONDOWN, 10 * scale, 40 * scale)
    press(window, cv2.EVENT_MOUSEMOVE, 30 * scale, 40 * scale)
    assert window.dish.graft is not None
    where = np.array(window.dish.graft[1])
    assert (where[40, 10], where[40, 30], where[40, 20]) == (1, 1, 0)


def test_the_keys_of_a_dish(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    window = DishWindow(DishOptions(texture="moss", edge=64))
    keys, shown = iter([-1, ord("."), ord("s"), ord("s"), ord(" "), ord("c"), ord("q")]), []
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "setMouseCallback", lambda *_: None)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, pixels: shown.append(pixels.copy()))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    window.run()
    assert [len(shown), shown[0].shape] == [6, (768, 768, 3)]
    assert capsys.readouterr().out.split() == ["moss_1.png", "moss_2.png"]
    assert window.dish.turn is not None  # by one key
    np.testing.assert_array_equal(np.array(window.dish.cells), np.array(seed(1, 64, 64)))  # begun anew, and stopped


def test_sliced_wasserstein_of_what_is_alike_and_what_is_not() -> None:
    wanted = mx.random.normal((1000, 5), key=mx.random.key(0))
    shuffled = wanted[mx.array(np.random.default_rng(0).permutation(1000))].reshape(1, 25, 40, 5)
    key = mx.random.key(1)
    assert float(sliced(shuffled, wanted, key)) == pytest.approx(0, abs=1e-6)
    scaled = float(sliced(3 * shuffled, 3 * (wanted + 2), key))
    assert scaled == pytest.approx(float(sliced(shuffled, wanted + 2, key)), rel=1e-3)
    assert scaled > 1


@pytest.mark.parametrize("loss", ["sliced", "gram", "wasserstein"])
def test_a_texture_is_near_to_itself(loss: str, rng: np.random.Generator) -> None:
    y, x = np.mgrid[:64, :64]
    bricks = Picture(np.repeat(((x // 8 + y // 4) % 2)[..., None], 3, axis=2).astype(np.float32))
    aim = Aim.of(bricks, load_features("compact"), GrowOptions.checked(TINY | {"loss": loss, "pattern": 64}))
    near, far = (
        float(aim.distance(mx.array(pixels), mx.random.key(0)))
        for pixels in (bricks.pixels[None], rng.uniform(size=(1, 64, 64, 3)).astype(np.float32))
    )
    assert near < 0.05
    assert far > 10 * near


def test_a_training_moves_toward_the_texture() -> None:
    """A few steps from a rule that does nothing: the loss falls, all weights move, the pool lives."""
    red = Picture(np.full((32, 32, 3), (0.9, 0.1, 0.1), np.float32))
    quick = {"steps": 10, "shortest": 4, "longest": 4, "pool": 64, "warm_up": 0, "averaging": 0.0, "loss": "gram"}
    steps = list(train_automata(red, load_features("compact"), GrowOptions.checked(TINY | quick)))
    losses = [float(step.figures["style"]) for step in steps]
    assert min(losses) < 0.85 * losses[0]
    start = fresh(mx.random.key(0))
    assert all(np.abs(np.array(steps[-1].weights[name] - start[name])).max() > 1e-3 for name in SHAPES)
    assert set(steps[-1].figures) == {"style", "beyond"}


def test_holes_are_round_and_wrap() -> None:
    sizes = [1 - hole(np.random.default_rng(n), 64).mean() for n in range(20)]
    assert min(sizes) >= np.pi / 64 * 0.9
    assert max(sizes) <= np.pi / 16 * 1.1


def test_from_a_picture_to_a_texture_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    y, x = np.mgrid[:40, :40]
    Image.fromarray(((x + y) % 8 * 30).astype(np.uint8)).convert("RGB").save("stripes.png")
    quick = [word for name, value in TINY.items() for word in (f"--{name}", str(value))]

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit:
            main(list(words))
        out, err = capfd.readouterr()
        return int(exit.value.code or 0), out, err

    code, out, err = run("train", "automata", "stripes.png", "--name", "stripes", "-o", "out", *quick)
    assert (code, out) == (0, "stripes  artkit generate automata --texture stripes\n"), err
    assert (tmp_path / "data" / "automata" / "stripes.safetensors").stat().st_size < 20_000
    assert load("out/preview.jpg").size == (128, 32)
    code, _, err = run("generate", "automata", "--texture", "stripes", "--size", "32", "--updates", "4", "-o", "s.png")
    assert code == 0, err
    code, _, err = run("train", "automata", "stripes.png", "--name", "stripes", *quick)
    assert code == 2
    assert "--overwrite replaces it" in err
    code, _, err = run("train", "automata", "stripes.png", "--name", "other", "--base", "stripes", *quick)
    assert code == 0, err


def test_the_picture_of_a_seed_is_gray() -> None:
    assert np.array(picture(seed(1, 4, 4))) == pytest.approx(0.5)
