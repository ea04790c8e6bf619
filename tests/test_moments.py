"""What styles keep of their paintings: measured, stored, and painted after without the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import mlx.core as mx
import numpy as np
import pytest

import artkit
from artkit.contract import Recipe, Source, WeightsError, WrongCall
from artkit.image import Picture, fit, load, load_recipe, resize, save
from artkit.interfaces.cli import main
from artkit.interfaces.jobs import Choice, choose, job_again, open_job
from artkit.interfaces.recipe_cli import find_sources
from artkit.interfaces.studio import refine
from artkit.interfaces.studio.work import Look
from artkit.nets.features import load_features
from artkit.stylize import collection, gallery
from artkit.stylize.aims import make_aim
from artkit.stylize.manifest import MOMENTS, PREVIEW
from artkit.stylize.moments import EDGES, REMAINDER, Moments
from artkit.stylize.objective import Objective
from artkit.stylize.optimize import _Run, optimize_steps
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from tests.style_files import make_style, rewrite

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def painting() -> Picture:
    return load(ROOT / "samples" / "night.jpg").resized(96)


@pytest.fixture(scope="module")
def moments(painting: Picture) -> Moments:
    return Moments.of(painting, "night")


def known(style: gallery.Style) -> Moments:
    assert style.moments
    return Moments.read(style.moments, style.name)


def features(painting: Picture, edge: int, tap: str) -> np.ndarray:
    """(positions, channels)."""
    x = mx.array(resize(painting.pixels, *fit(painting.height, painting.width, edge))[None])
    seen = np.array(load_features("compact")(x, [tap])[tap])
    return seen.reshape(-1, seen.shape[-1]).astype(np.float64)


def test_what_is_kept_is_the_mean_and_the_gram_matrix(moments: Moments, painting: Picture) -> None:
    for tap in ("relu1_1", "relu4_1"):
        rows, found = features(painting, 256, tap), moments.at(256)[tap]
        gram = rows.T @ rows / len(rows)
        np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=2e-3, atol=1e-4)
        np.testing.assert_allclose(np.diag(found.outer), np.diag(gram), rtol=5e-3, atol=1e-4)
        assert np.square(np.array(found.outer) - gram).sum() < 1.1 * REMAINDER * np.square(gram).sum()


def test_sizes_in_between_lie_in_between_and_others_are_the_nearest(moments: Moments) -> None:
    small, middle, large = (np.array(moments.at(edge)["relu3_1"].outer) for edge in (256, 362, 512))
    np.testing.assert_allclose(middle, (small + large) / 2, rtol=1e-2, atol=1e-4)
    for beyond, nearest in ((100, 256), (4000, 1024)):
        np.testing.assert_array_equal(moments.at(beyond)["relu3_1"].outer, moments.at(nearest)["relu3_1"].outer)


@pytest.mark.parametrize("loss", ["gram", "mean-std", "covariance", "wasserstein"])
def test_painting_after_them_is_painting_after_the_picture(
    loss: Literal["gram", "mean-std", "covariance", "wasserstein"], moments: Moments, painting: Picture
) -> None:
    options = OptimizeOptions(style_loss=loss, content_weight=0, tv_weight=0)
    aim, photo = make_aim(options, load_features("compact")), load(ROOT / "samples" / "chelsea.jpg").resized(64).array()
    style = mx.array(resize(painting.pixels, 256, 256)[None])
    (whole, one), (known, other) = (Objective(aim, photo, [s], [1])(photo) for s in (style, moments.at(256)))
    assert known.item() == pytest.approx(whole.item(), rel=1e-2)  # Wasserstein: 0.7 %
    cosine = (one * other).sum() / mx.sqrt(mx.square(one).sum() * mx.square(other).sum())
    assert float(cosine.item()) > 0.995  # type: ignore[arg-type]


def test_they_are_the_same_from_a_file(moments: Moments, tmp_path: Path) -> None:
    moments.write(tmp_path / MOMENTS)
    again = Moments.read(tmp_path / MOMENTS, "night")
    assert again.sha256 == moments.sha256
    for tap, moment in moments.at(300).items():
        np.testing.assert_array_equal(again.at(300)[tap].outer, moment.outer)


def test_files_that_are_refused(moments: Moments, tmp_path: Path) -> None:
    path = tmp_path / MOMENTS
    for name, value in (("network", "vgg19"), ("weights", "0" * 64), ("weights", None)):
        moments.write(path)
        rewrite(path, {}, **{name: value})
        with pytest.raises(WeightsError, match="made for another artkit"):
            Moments.read(path, "night")
    moments.write(path)
    for change in (
        {"relu1_1.256.mean": np.zeros(7, np.float16)},
        {"relu1_1.256.factor": None},
        {"relu1_1.512.mean": np.full(32, np.nan, np.float16)},
        {"what": np.zeros(1, np.float16)},
        {"colors.mean": None},
        {"colors.what": np.zeros(3, np.float32)},
        {"colors.mean": np.zeros(4, np.float32)},
        {"colors.covariance": np.full((3, 3), np.inf, np.float32)},
        {f"relu5_1.512.{part}": None for part in ("mean", "diagonal", "factor")},
    ):
        moments.write(path)
        rewrite(path, change)
        with pytest.raises(WeightsError, match="damaged"):
            Moments.read(path, "night")
    moments.write(path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    with pytest.raises(WeightsError, match="damaged"):
        Moments.read(path, "night")


def test_what_takes_the_painting_itself_says_so(moments: Moments, painting: Picture) -> None:
    for wrong, said in (
        (OptimizeOptions(size=64, style_loss="sliced"), "style loss sliced"),
        (OptimizeOptions(size=64, init="style"), "no picture to start from"),
    ):
        with pytest.raises(WrongCall, match=said):
            list(optimize_steps(painting, [moments], wrong))


def test_colors_of_the_photo_are_kept(moments: Moments) -> None:
    photo = load(ROOT / "samples" / "chelsea.jpg").resized(64)
    means = {}
    keep: Literal["off", "match"]
    for keep in ("off", "match"):
        options = OptimizeOptions(size=64, iterations=8, content_weight=0, keep_color=keep)
        *_, last = optimize_steps(photo, [moments], options)
        means[keep] = np.abs(np.array(last.image[0]).mean(axis=(0, 1)) - photo.pixels.mean(axis=(0, 1))).max()
    assert means["match"] < means["off"] / 4


def test_it_starts_in_the_colors_that_are_known(moments: Moments, painting: Picture) -> None:
    photo = load(ROOT / "samples" / "chelsea.jpg").resized(64)
    for keep in ("off", "luma"):
        options = OptimizeOptions(size=64, keep_color=keep)
        start = _Run(photo, [moments], options, [], None).start()
        assert np.array(start).mean(axis=(0, 1, 2)) == pytest.approx(painting.pixels.mean(axis=(0, 1)), abs=0.02)
    start = _Run(photo, [moments], OptimizeOptions(size=64, keep_color="match"), [], None).start()
    assert np.array(start).mean(axis=(0, 1, 2)) == pytest.approx(photo.pixels.mean(axis=(0, 1)), abs=1e-3)


def test_every_shipped_style_knows_its_painting() -> None:
    sizes = []
    for style in gallery.installed()[0]:
        assert style.moments, style.name
        sizes.append(style.moments.stat().st_size)
        if style.name in ("starry", "mosaic"):
            assert sorted(known(style).kept) == list(EDGES)
    assert max(sizes) < 150_000
    assert sum(sizes) < 6_000_000


def test_a_refined_picture_can_be_made_again(tmp_path: Path) -> None:
    photo, start = ROOT / "samples" / "chelsea.jpg", tmp_path / "start.png"
    save(load(photo).resized(64), start)
    options = OptimizeOptions(size=64, iterations=1, init=str(start))
    job = open_job(Choice(("starry",), options), ())
    assert job.sources[0] == Source("style", "starry", known(gallery.get("starry")).sha256)
    *_, made = job.steps(load(photo))
    recipe = Recipe("stylize", options.model_dump(mode="json"), (Source.of("photo", photo), *job.sources))
    sources = find_sources(recipe, {}, tmp_path)
    *_, again = job_again(recipe, recipe.options, sources).steps(load(photo))
    np.testing.assert_array_equal(made.image, again.image)
    changed = tuple(Source("style", "starry", "0" * 64) if s.role == "style" else s for s in sources)
    with pytest.raises(WrongCall, match='"starry" is not the one that this was made in'):
        job_again(recipe, recipe.options, changed)


def test_an_added_style_brings_what_it_knows(moments: Moments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    starry = gallery.get("starry").manifest.networks["light"]
    theirs = tmp_path / "theirs" / "rain"
    make_style(theirs, "light.safetensors", 1, starry.sha256)
    (theirs / "light.safetensors").write_bytes((gallery.folder() / "networks" / "light.safetensors").read_bytes())
    moments.write(theirs / MOMENTS)
    assert known(collection.add(str(theirs))).sha256 == moments.sha256
    (theirs / MOMENTS).write_bytes(b"no moments at all")
    with pytest.raises(WeightsError):
        collection.add(str(theirs), "rain2")


@pytest.mark.parametrize("weights", ["0" * 64, None], ids=["others", "unknown"])
def test_what_another_network_saw_is_not_used_and_the_person_is_told(
    weights: str | None,
    moments: Moments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    theirs, full = tmp_path / "theirs" / "rain", gallery.get("starry").manifest.networks["light"]
    make_style(theirs, "light.safetensors", 1, full.sha256)
    (theirs / "light.safetensors").write_bytes((gallery.folder() / "networks" / "light.safetensors").read_bytes())
    moments.write(theirs / MOMENTS)
    rewrite(theirs / MOMENTS, weights=weights)
    assert code(["styles", "add", str(theirs)]) == 0
    assert f"{gallery.OUTDATED}: to paint step by step, give the picture" in capsys.readouterr().err
    rain = gallery.get("rain")
    assert rain.outdated
    assert rain.moments is None
    photo, refused = ROOT / "samples" / "chelsea.jpg", f'the style "rain": {gallery.OUTDATED}; give the picture itself'
    assert code(["stylize", str(photo), "--style", "rain", "--no-fast", "-o", str(tmp_path / "a.png")]) == 2
    assert capsys.readouterr().err.splitlines() == [f"artkit: {refused}: --style FILE"]
    with pytest.raises(WrongCall, match=refused):
        artkit.stylize(str(photo), "rain", size=64, fast=False)
    assert code(["stylize", str(photo), "--style", "rain", "--size", "64", "-o", str(tmp_path / "a.png"), "-q"]) == 0
    look = Look(("rain",), RestyleOptions())
    with pytest.raises(WrongCall, match=f'"rain": {gallery.OUTDATED}; drop its painting'):
        refine._paintings(look, None)
    save(load(photo).resized(32), rain.folder / PREVIEW)
    assert refine._paintings(look, None) == (str(rain.folder / PREVIEW),)
    assert refine._instead(refine._paintings(look, None)) == f', after the preview of "rain": {gallery.OUTDATED}'
    assert refine._instead(refine._paintings(look, str(photo))) == ""
    moments.write(rain.folder / MOMENTS)
    assert not rain.outdated
    assert refine._paintings(look, None) == ("rain",)
    assert refine._instead(("rain",)) == ""


def code(words: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_a_named_style_is_painted_step_by_step_from_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = str(ROOT / "samples" / "chelsea.jpg")
    words = ["stylize", photo, "--style", "wave", "--no-fast", "--size", "64", "--iterations", "2", "-o", "a.png"]
    assert code([*words, "--seed", "3", "--save-every", "1", "--quiet"]) == 0
    recipe = load_recipe(tmp_path / "a.png")
    assert recipe is not None
    assert (recipe.technique, recipe.options["iterations"], recipe.sources[1].path) == ("stylize", 2, "wave")
    assert code(["stylize", photo, "--style", "wave", "--no-fast", "--texture", "0.5"]) == 2
    assert "--texture is for one pass of a network, not for --no-fast" in capsys.readouterr().err
    assert code(["stylize", photo, "--style", "wave", "--iterations", "2"]) == 2
    assert "--iterations is for painting step by step: a picture file, or --no-fast" in capsys.readouterr().err


def test_a_style_that_does_not_know_its_painting_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "folder", lambda: tmp_path)
    make_style(tmp_path / "mine", "light.safetensors", 1, "0" * 64)
    with pytest.raises(WrongCall, match='the style "mine" does not know its painting; give the picture itself'):
        choose(["mine"], {"fast": False})


def test_a_picture_is_painted_step_by_step_with_no_fast_too() -> None:
    painting = str(ROOT / "samples" / "night.jpg")
    assert choose([painting], {"fast": False, "iterations": 2}) == choose([painting], {"iterations": 2})
