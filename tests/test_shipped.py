"""The gallery that artkit ships: every style is there, whole, small, and draws; any picture is a style in one pass."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import artkit
from artkit.contract import PictureError, WrongCall
from artkit.image import Picture, load, load_recipe, save
from artkit.interfaces.cli import main
from artkit.interfaces.train_styles_cli import base_of
from artkit.stylize import gallery
from artkit.stylize.feedforward import Brush, restyle, restyle_steps
from artkit.stylize.options import RestyleOptions
from artkit.stylize.predicting import read_predictor, shipped

ROOT = Path(__file__).parents[1]
CATALOG = tomllib.loads((ROOT / "scripts" / "gallery.toml").read_text(encoding="utf-8"))
BYTES = 20e6  # of all networks


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def run(*words: object) -> int:
    """The command's exit code."""
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture(scope="module")
def photo() -> Picture:
    return load(ROOT / "samples" / "astronaut.jpg").resized(128)


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    """Stripes of dark blue and yellow."""
    row = np.array([[20, 30, 110], [240, 200, 40]], np.uint8)[np.arange(200) // 10 % 2]
    Image.fromarray(np.tile(row, (160, 1, 1))).save(tmp_path / "stripes.png")
    return tmp_path / "stripes.png"


def test_all_of_the_catalog_is_there_and_known() -> None:
    styles, errors = gallery.installed()
    assert errors == []
    assert {style.name for style in styles} == set(CATALOG)
    assert {"starry", "wave", "scream", "udnie", "composition", "shipwreck"} <= set(CATALOG)
    assert sum(known["artist"] == "artkit" for known in CATALOG.values()) >= 4
    assert sum(style.manifest.licence == "Public domain" for style in styles) >= 26
    for style in styles:
        about = style.manifest
        assert all((about.title, about.artist, about.year, about.licence, about.source, about.description)), style.name
        assert set(about.networks) == {"full", "light"}
        assert style.preview


def test_the_networks_are_small() -> None:
    assert sum(file.stat().st_size for file in gallery.folder().rglob("*.safetensors")) <= BYTES


@pytest.mark.parametrize("plan", ["full", "light"])
def test_styles_differ_from_the_photo_and_from_each_other(photo: Picture, plan: str) -> None:
    options = RestyleOptions.checked({"size": 128, "plan": plan})
    starry, scream = (restyle(photo, [name], options).pixels for name in ("starry", "scream"))
    assert np.abs(starry - photo.pixels).mean() > 0.05
    assert np.abs(starry - scream).mean() > 0.05
    assert starry[..., 2].mean() > starry[..., 0].mean()  # blue
    assert scream[..., 0].mean() > scream[..., 2].mean()  # orange


def test_weak_styles_are_nearer_to_the_photo(photo: Picture) -> None:
    far = [
        np.abs(restyle(photo, ["scream"], RestyleOptions(size=128, strength=s)).pixels - photo.pixels).mean()
        for s in (0.0, 0.3, 0.6, 1.0)
    ]
    assert far[0] == 0
    assert far == sorted(far)


def test_larger_strokes_are_coarser_and_weak_ones_keep_the_photos_detail(photo: Picture) -> None:
    def roughness(stroke: float) -> float:
        drawn = restyle(photo, ["mosaic"], RestyleOptions(size=128, stroke=stroke, texture=0)).pixels
        return float(np.abs(np.diff(drawn, axis=1)).mean() / drawn.std())

    assert roughness(2) < 0.9 * roughness(1)
    weak = restyle(photo, ["mosaic"], RestyleOptions(size=128, stroke=2, strength=0.02)).pixels
    assert np.abs(weak - photo.pixels).mean() < 0.025  # what halving alone loses is 0.035


def test_strokes_grow_with_large_pictures() -> None:
    assert [Brush.of(["starry"], RestyleOptions(size=size)).stroke for size in (256, 512, 2048, 8192)] == [1, 1, 2, 2]
    assert Brush.of(["starry"], RestyleOptions(size=1024)).stroke == pytest.approx(2**0.5)
    assert Brush.of(["starry"], RestyleOptions(size=2048, stroke=0.7)).stroke == pytest.approx(0.7)


def stripes(*color: float) -> Picture:
    """Of a color and black."""
    row = np.array([color, (0, 0, 0)], np.float32)[np.arange(200) // 10 % 2]
    return Picture(np.tile(row, (160, 1, 1)))


def test_any_picture_is_a_style(photo: Picture) -> None:
    def warmth(painting: Picture, strength: float) -> float:
        brush = Brush.after([painting], RestyleOptions(fast=True, strength=strength))
        drawn = np.clip(np.array(brush.paint(photo.array(), (), 1e12)[0]), 0, 1)
        return float((drawn[..., 0] - drawn[..., 2]).mean())

    red, blue = stripes(1, 0.3, 0.1), stripes(0.1, 0.3, 1)
    assert warmth(red, 1) > warmth(blue, 1) + 0.2
    assert 0 < warmth(red, 0.3) - warmth(blue, 0.3) < 0.6 * (warmth(red, 1) - warmth(blue, 1))


def test_a_masked_style_looks_as_it_does_unmasked(photo: Picture) -> None:
    mask = np.zeros((photo.height, photo.width), np.float32)
    mask[:, 40:60] = 1
    whole = restyle(photo, ["starry"], RestyleOptions(size=128)).pixels
    *_, last = restyle_steps(photo, Brush.of(["starry"], (options := RestyleOptions(size=128))), options, masks=[mask])
    strip = np.array(last.image[0])
    np.testing.assert_allclose(strip[:, 42:58], whole[:, 42:58], atol=2 / 255)
    np.testing.assert_allclose(strip[:, 70:], photo.pixels[:, 70:], atol=1e-6)


def test_what_is_too_narrow_for_a_style_is_refused() -> None:
    thin = Picture(np.zeros((6, 3000, 3), np.float32), name="thin.png")
    with pytest.raises(PictureError, match=r'"thin.png" is 3000×6: too narrow for a style; crop it to at most 8 times'):
        Brush.after([thin])
    with pytest.raises(WrongCall, match="--plan light: any picture at once takes the full network"):
        Brush.after([thin], RestyleOptions(fast=True, plan="light"))


def test_pictures_are_mixed(photo: Picture, painting: Path) -> None:
    with pytest.raises(WrongCall, match="1 style weights for 2 styles"):
        Brush.after([photo, photo], RestyleOptions(fast=True, style_weight=(1,)))
    mixed = Brush.after([load(painting), photo], RestyleOptions(fast=True, style_weight=(3, 1)))
    assert mixed.weights == (0.75, 0.25)
    assert len(mixed.codes) == 2


def test_the_command_line_paints_after_a_picture_in_one_pass_and_again(photo: Picture, painting: Path) -> None:
    save(photo, "cat.png")
    assert run("stylize", "cat.png", "-s", str(painting), "--fast", "--size", "96", "-o", "one.png", "-q") == 0
    recipe = load_recipe("one.png")
    assert recipe
    assert (recipe.technique, recipe.options["fast"]) == ("restyle", True)
    assert run("again", "one.png", "-q") == 0
    np.testing.assert_array_equal(load("one_again.png").pixels, load("one.png").pixels)
    painting.rename("moved.png")
    painting.with_name("stripes.png").write_bytes(Path("cat.png").read_bytes())
    assert run("again", "one.png", "-o", "two.png", "-q") == 1  # another picture of the same name
    assert run("again", "one.png", "--style", "moved.png", "-o", "two.png", "-q") == 0
    np.testing.assert_array_equal(load("two.png").pixels, load("one.png").pixels)


def test_again_says_that_a_picture_at_once_was_made_in_another_way(
    photo: Picture, painting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo, "cat.png")
    for style, way, number in ((str(painting), ["--fast"], 4), ("starry", [], 1)):
        assert run("stylize", "cat.png", "-s", style, *way, "--size", "96", "-o", "now.png", "--overwrite", "-q") == 0
        recipe = load_recipe("now.png")
        assert recipe
        assert recipe.method == number
        capsys.readouterr()
        save(load("now.png"), "old.png", recipe=replace(recipe, method=1), overwrite=True)
        assert run("again", "old.png", "-o", "new.png") == 0
        assert (f"method {number}, not 1" in capsys.readouterr().err) == bool(way)
        Path("new.png").unlink()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-s", "starry", "--fast"], "--fast is for painting after a picture file; a named style is fast already"),
        (["-s", "stripes.png", "--fast", "--iterations", "5"], "--iterations is for painting step by step"),
        (["-s", "stripes.png", "--texture", "0.5"], "--texture is for named styles and --fast"),
    ],
)
def test_what_does_not_go_together_is_said(
    words: list[str], message: str, photo: Picture, painting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo, "cat.png")
    assert run("stylize", "cat.png", *words) == 2
    assert message in capsys.readouterr().err


def test_a_style_is_made_of_a_picture_by_artkits_own_predictor(photo: Picture, painting: Path) -> None:
    save(photo, "cat.png")
    assert run("styles", "make", str(painting), "--name", "stripes") == 0
    made = gallery.get("stripes")
    assert sum(file.stat().st_size for file in made.folder.glob("style.*")) < 30_000  # without the network
    assert run("stylize", "cat.png", "-s", "stripes", "--no-fast", "--iterations", "1", "--size", "64") == 0
    at_once = np.clip(
        np.array(Brush.after([load(painting)], RestyleOptions(size=128, fast=True)).paint(photo.array(), (), 1e12)[0]),
        0,
        1,
    )
    kept = restyle(photo, ["stripes"], RestyleOptions(size=128)).pixels
    assert np.abs(kept - at_once).max() < 0.05  # codes are kept in half precision


def test_a_style_of_ones_own_hides_artkits_and_says_so(painting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("styles", "make", painting, "--name", "starry", "--overwrite") == 0
    assert 'artkit\'s own "starry" is hidden by it; artkit styles remove starry' in capsys.readouterr().err
    assert gallery.get("starry").own
    assert run("styles", "remove", "starry") == 0
    assert not gallery.get("starry").own


def test_a_style_is_learned_by_artkits_own_network_whatever_else_there_is(painting: Path) -> None:
    assert run("styles", "make", painting, "--name", "aaa") == 0
    assert gallery.names()[0] == "aaa"
    assert base_of(None, None).sha256 == gallery.network(gallery.get("starry")).sha256


def test_python_takes_names_and_pictures_in_one_pass(photo: Picture, painting: Path) -> None:
    named = artkit.stylize(photo, "starry", size=64)
    assert named.size[0] == 64 or named.size[1] == 64
    assert artkit.stylize(photo, painting, size=64, fast=True).size == named.size
    with pytest.raises(WrongCall, match="iterations"):
        artkit.stylize(photo, "starry", iterations=3)


def test_the_predictor_is_for_the_network_beside_it() -> None:
    predict = read_predictor(shipped())
    assert predict.plan.name == "full"
