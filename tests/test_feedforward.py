"""Named styles: a photo restyled in one pass, from Python and from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from artkit.color import luma
from artkit.contract import DeviceError, UnknownStyle, WrongCall
from artkit.image import Picture, load, load_recipe, save
from artkit.interfaces.cli import main
from artkit.nets.stylenets import Code
from artkit.stylize import gallery
from artkit.stylize.banding import _in_bands as in_bands
from artkit.stylize.feedforward import Brush, restyle, restyle_steps
from artkit.stylize.options import RestyleOptions
from tests.style_files import make_gallery, make_style


@pytest.fixture(autouse=True)
def styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery with "starry" and "wave" of one network, strength 0.9, stroke 0.8, and "rain" of another."""
    root = tmp_path / "data" / "styles"
    digest = make_gallery(root, "starry", "wave")
    other = make_gallery(tmp_path / "other", "rain", seed=1)
    (root / "rain").mkdir()
    (tmp_path / "other" / "networks" / "light.safetensors").rename(root / "rain" / "own.safetensors")
    (root / "rain").rename(root / "moved")
    make_style(root / "rain", "own.safetensors", 1, other)
    (root / "moved" / "own.safetensors").rename(root / "rain" / "own.safetensors")
    (root / "moved").rmdir()
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert digest != other
    return root


@pytest.fixture
def photo(rng: np.random.Generator) -> Picture:
    return Picture(rng.random((30, 44, 3), dtype=np.float32), name="photo")


def plainly(photo: Picture, name: str, strength: float, stroke: float) -> np.ndarray:
    """The style's network run by hand."""
    style = gallery.get(name)
    held = gallery.network(style, "light")
    slot = style.manifest.networks["light"].slot
    code = held.codes[slot] + np.log2(stroke) * held.strokes[slot]
    code = strength * code + (1 - strength) * held.codes[0]
    return np.clip(np.array(held.network(photo.array(), Code.of(code))[0]), 0, 1)


def test_a_style_is_drawn_as_its_manifest_says(photo: Picture) -> None:
    drawn = restyle(photo, ["wave"], RestyleOptions(size=44))
    assert drawn.size == photo.size
    np.testing.assert_allclose(drawn.pixels, plainly(photo, "wave", 0.9, 0.8), atol=1e-5)
    own = restyle(photo, ["wave"], RestyleOptions(size=44, strength=0.5, stroke=0.75))
    np.testing.assert_allclose(own.pixels, plainly(photo, "wave", 0.5, 0.75), atol=1e-5)
    assert np.abs(own.pixels - drawn.pixels).max() > 0.01


def test_strength_0_is_the_photo_to_the_bit(photo: Picture) -> None:
    drawn = restyle(photo, ["wave"], RestyleOptions(size=44, strength=0))
    np.testing.assert_array_equal(drawn.pixels, photo.pixels)


def test_a_mixture_of_one_is_that_one(photo: Picture) -> None:
    options = RestyleOptions(size=44, style_weight=(1, 1e-9))
    alone = restyle(photo, ["wave"], RestyleOptions(size=44))
    np.testing.assert_allclose(restyle(photo, ["wave", "starry"], options).pixels, alone.pixels, atol=1e-4)
    both = restyle(photo, ["wave", "starry"], RestyleOptions(size=44)).pixels
    assert np.abs(both - alone.pixels).max() > 0.01


def test_masks_give_each_style_its_place_and_leave_the_rest(photo: Picture) -> None:
    left, none = np.zeros((30, 44), np.float32), np.zeros((30, 44), np.float32)
    left[:, :22] = 1
    options = RestyleOptions(size=44)
    brush = Brush.of(["wave", "starry"], options)
    (step,) = restyle_steps(photo, brush, options, masks=[left, none])
    got = np.array(step.image[0])
    np.testing.assert_allclose(got[:, 22:], photo.pixels[:, 22:], atol=1e-5)
    assert np.abs(got[:, :22] - photo.pixels[:, :22]).max() > 0.01
    (step,) = restyle_steps(photo, brush, options, masks=[np.ones_like(left), none])
    alone = restyle(photo, ["wave"], options).pixels
    np.testing.assert_allclose(np.array(step.image[0]), alone, atol=1e-4)
    with pytest.raises(WrongCall, match="1 masks for 2 styles"):
        list(restyle_steps(photo, brush, options, masks=[left]))


def test_little_memory_changes_nothing(photo: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = restyle(photo, ["wave"], RestyleOptions(size=176))
    monkeypatch.setattr("artkit.device.BASE_MEMORY", 0)
    drawn = []
    monkeypatch.setattr("artkit.stylize.banding._in_bands", lambda *given: drawn.append(given) or in_bands(*given))
    banded = restyle(photo, ["wave"], RestyleOptions(size=176, max_memory=3_000_000))
    assert len(drawn) == 1
    assert np.abs(whole.pixels - banded.pixels).max() < 2 / 255


def test_pictures_masks_grain_and_a_second_scale_count_as_memory() -> None:
    held = RestyleOptions(max_memory=4_000_000_000, stroke=1, texture=0)
    plain, grainy, twice = (
        Brush.of(["wave"], held.model_copy(update=more)).room(3000, 4000, 0, held)
        for more in ({}, {"texture": 0.5}, {"stroke": 2.0})
    )
    assert plain == pytest.approx(4e9 - 350e6 - 50 * 12e6)
    assert plain - grainy == pytest.approx(8 * 12e6)
    assert plain - twice == pytest.approx(36 * 12e6)
    brush = Brush.of(["wave", "starry"], held)
    assert plain - brush.room(3000, 4000, 2, held) == pytest.approx(2 * 8 * 12e6)
    with pytest.raises(DeviceError, match=r"4000 pixels need about 0.96 GB of memory, and 0.50 GB may be used"):
        brush.room(3000, 4000, 0, RestyleOptions(max_memory=500_000_000))
    assert brush.room(16000, 16000, 0, RestyleOptions()) > 1e8  # nobody said how much: it is tried


def test_colors_can_be_kept(photo: Picture) -> None:
    plain = restyle(photo, ["wave"], RestyleOptions(size=44))
    kept = restyle(photo, ["wave"], RestyleOptions(size=44, keep_color="luma"))
    np.testing.assert_allclose(luma(kept.pixels), luma(plain.pixels), atol=1e-5)
    matched = restyle(photo, ["wave"], RestyleOptions(size=44, keep_color="match"))
    means = [p.pixels.mean(axis=(0, 1)) for p in (matched, photo, plain)]
    assert np.abs(means[0] - means[1]).max() < np.abs(means[2] - means[1]).max()


def test_alpha_is_kept(photo: Picture) -> None:
    alpha = np.linspace(0, 1, 30 * 44, dtype=np.float32).reshape(30, 44)
    drawn = restyle(Picture(photo.pixels, alpha), ["wave"], RestyleOptions(size=44))
    assert drawn.alpha is not None
    np.testing.assert_allclose(drawn.alpha, alpha, atol=1e-6)


def test_what_cannot_be_is_said() -> None:
    unlike = r'"wave" and "rain" are of different networks and cannot be mixed; "wave" goes with starry, and with what '
    with pytest.raises(WrongCall, match=unlike + "artkit train mine PICTURE --base wave --name NEW makes"):
        Brush.of(["wave", "rain"])
    with pytest.raises(WrongCall, match='"rain" goes with what artkit train mine'):
        Brush.of(["rain", "wave"])
    with pytest.raises(WrongCall, match="has no full network"):
        Brush.of(["wave"], RestyleOptions(plan="full"))
    with pytest.raises(WrongCall, match="2 style weights for 1 styles"):
        Brush.of(["wave"], RestyleOptions(style_weight=(1, 2)))
    with pytest.raises(UnknownStyle, match='did you mean "starry"'):
        Brush.of(["stary"])


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit:
        main(list(words))
    out, err = capfd.readouterr()
    return int(exit.value.code or 0), out, err


def test_the_command_line_draws_named_styles_and_again_repeats_them(
    photo: Picture, styles: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save(photo, "photo.png")
    code, out, _ = run(
        capfd, "stylize", "photo.png", "--style", "wave", "--size", "44", "-o", "{stem}_{style}.png", "--json"
    )
    told = json.loads(out)
    assert (code, told["output"], told["seed"], told["width"]) == (0, "photo_wave.png", None, 44)
    drawn = load("photo_wave.png")
    np.testing.assert_allclose(drawn.pixels, plainly(load("photo.png"), "wave", 0.9, 0.8), atol=1 / 255)
    recipe = load_recipe("photo_wave.png")
    assert recipe
    assert recipe.technique == "restyle"
    assert run(capfd, "again", "photo_wave.png", "-q")[0] == 0
    np.testing.assert_array_equal(load("photo_wave_again.png").pixels, drawn.pixels)
    assert "wave" in run(capfd, "info", "photo_wave.png")[1]
    (styles / "wave" / "style.toml").write_text((styles / "rain" / "style.toml").read_text())
    (styles / "rain" / "own.safetensors").rename(styles / "wave" / "own.safetensors")
    code, _, err = run(capfd, "again", "photo_wave.png", "-q", "--overwrite")
    assert code == 2
    assert "changed since" in err


def test_again_notices_another_default_of_the_style(
    photo: Picture, styles: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save(photo, "photo.png")
    twice = ["--style", "wave", "--style", "wave", "--style-weight", "0.7,0.3"]
    assert run(capfd, "stylize", "photo.png", *twice, "--size", "44", "-o", "twice.png", "-q")[0] == 0
    assert run(capfd, "again", "twice.png", "-q")[0] == 0
    path = styles / "wave" / "style.toml"
    path.write_text(path.read_text().replace("strength = 0.9", "strength = 0.8"))
    code, _, err = run(capfd, "again", "twice.png", "-q", "--overwrite")
    assert code == 2
    assert 'the style "wave" is not the one that this was made in' in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--style", "wave", "--iterations", "3"], "--iterations is for painting step by step"),
        (["--style", "photo.png", "--stroke", "2"], "--stroke is for named styles"),
        (["--style", "wave", "--style", "photo.png"], "cannot be mixed"),
        (["--style", "wave", "--save-every", "2"], "--save-every is for painting"),
        (["--style", "wave", "--stroke", "9"], "--stroke"),
        (["--style", "wafe"], 'did you mean "wave"'),
    ],
)
def test_wrong_calls_get_one_line(
    photo: Picture, capfd: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    save(photo, "photo.png")
    code, _, err = run(capfd, "stylize", "photo.png", *words)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_names_may_be_typed_in_capitals(photo: Picture, capfd: pytest.CaptureFixture[str]) -> None:
    save(photo, "photo.png")
    words = ["--style", "Wave", "--size", "44", "--resume"]
    code, _, err = run(capfd, "stylize", "photo.png", *words)
    assert code == 0, err
    assert "photo_wave.png  44×30" in err
    assert "resume" not in err  # a single pass has nothing that could be taken up again
    recipe = load_recipe("photo_wave.png")
    assert recipe
    assert [source.path for source in recipe.sources if source.role == "style"] == ["wave"]
    drawn = restyle(photo, ["WAVE"], RestyleOptions(size=44)).pixels
    np.testing.assert_array_equal(drawn, restyle(photo, ["wave"], RestyleOptions(size=44)).pixels)
    assert Brush.of(["WAVE"]).marks == Brush.of(["wave"]).marks
    with pytest.raises(UnknownStyle, match='did you mean "wave"'):
        gallery.get("WAFE")


def test_info_says_how_strong_a_style_was(photo: Picture, capfd: pytest.CaptureFixture[str]) -> None:
    save(photo, "photo.png")
    run(capfd, "stylize", "photo.png", "--style", "wave", "--size", "800", "--texture", "0.1", "-q")
    said = run(capfd, "info", "photo_wave.png")[1]
    assert "  wave with:       strength 0.9, stroke 1, texture 0.1\n" in said  # 0.8 by itself, and √(800/512) larger


def test_weights_that_are_words_of_their_own_are_explained(photo: Picture, capfd: pytest.CaptureFixture[str]) -> None:
    save(photo, "photo.png")
    words = ["-s", "wave", "-s", "starry", "--style-weight", "0.7", "0.3"]
    code, _, err = run(capfd, "stylize", "photo.png", *words)
    assert code == 2
    assert err == "artkit: 0.3 is taken for a photo; several weights are one word: --style-weight 0.7,0.3\n"
    Path("photo.png").rename("0.3")  # a photo all the same
    assert run(capfd, "stylize", *words, "--size", "44", "-q", "-o", "out.png")[0] == 2  # one weight for two styles
    assert run(capfd, "stylize", *words[:-2], "0.7,0.3", "0.3", "--size", "44", "-q", "-o", "out.png")[0] == 0


def test_a_file_of_a_styles_name_comes_first() -> None:
    assert gallery.is_named("wave")
    Path("wave").touch()
    assert not gallery.is_named("wave")
