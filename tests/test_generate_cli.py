"""`artkit generate` and `artkit again` as a person uses them: files, movies, sheets, chance, and one line an error."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit import catalog
from artkit.contract import Step, WrongCall
from artkit.generate.chance import drawn
from artkit.generate.flow import FlowOptions
from artkit.generate.motion import plan, split_ranges
from artkit.generate.noise import NoiseOptions
from artkit.generate.reaction import ReactionOptions
from artkit.image import Picture, load, load_recipe, save
from artkit.interfaces.cli import main
from artkit.interfaces.drawing.movies import _growing, last_of
from artkit.interfaces.drawing.orders import seeds_of
from artkit.video.media import read_frames, read_recipe


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return tmp_path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_a_picture_with_its_recipe_and_again(here: Path) -> None:
    assert run("generate", "noise", "--size", "48x32", "--seed", 5, "--palette", "tide", "-q") == 0
    picture = load("noise_5.png")
    assert picture.size == (48, 32)
    recipe = load_recipe("noise_5.png")
    assert recipe is not None
    assert recipe.technique == "generate"
    assert {"piece": "noise", "seed": 5, "palette": "tide", "size": [48, 32]}.items() <= recipe.options.items()
    assert run("again", "noise_5.png", "-q") == 0
    assert Path("noise_5_again.png").read_bytes() == Path("noise_5.png").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ["--coloring", "smooth", "-o", "a.png"],
        ["--coloring", "smooth", "--seeds", "0..1", "--sheet", "-o", "a.png"],
        ["--coloring", "smooth", "--turns", "1..2", "--frames", 2, "-o", "a.gif"],
    ],
)
def test_pictures_sheets_and_movies_carry_the_number_of_their_method(words: list[object]) -> None:
    assert run("generate", "fractal", "--formula", "newton", "--size", 32, *words, "-q") == 0
    recipe = read_recipe(str(words[-1]))
    assert recipe is not None
    assert recipe.method == 2


def test_a_sheet_and_a_movie_have_the_number_of_the_newest_of_their_pictures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plants = ["lsystem", "--iterations", 2, "--size", 32]
    assert run("generate", *plants, "--wildness", "0..1", "--frames", 2, "-o", "a.gif", "-q") == 0
    recipe = read_recipe("a.gif")
    assert recipe is not None
    assert recipe.method == 2
    assert run("generate", *plants, "-o", "b.png", "-q") == 0
    tame = load_recipe("b.png")
    assert tame is not None
    assert tame.method == 1
    sheet = [{"wildness": 0.0}, {"wildness": 1.0}]
    for method, number in ((1, 1), (2, 0)):
        capsys.readouterr()
        save(load("b.png"), "c.png", recipe=replace(tame, method=method, options={**tame.options, "sheet": sheet}))
        assert run("again", "c.png") == 0
        assert capsys.readouterr().err.count("(method 2, not 1)") == number
        Path("c.png").unlink()
        Path("c_again.png").unlink()


def test_info_shows_what_is_not_as_usual(capsys: pytest.CaptureFixture[str]) -> None:
    run("generate", "noise", "--size", 32, "--warp", 0.25, "-q")
    assert run("info", "noise_0.png") == 0
    chosen, usual = capsys.readouterr().out.split("as usual:")
    assert "warp:" in chosen
    assert "octaves" in usual


def test_files_are_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.png").write_text("precious")
    assert run("generate", "noise", "--size", 32, "-o", "out.png") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert Path("out.png").read_text() == "precious"
    assert run("generate", "noise", "--size", 32, "-o", "out.png", "--overwrite", "-q") == 0
    assert load("out.png").size == (32, 32)


def test_seeds_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "noise", "--size", 32, "--seeds", "3..4,9", "--json", "-q", "-o", "o/{name}-{seed}.png") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["output"] for line in lines] == ["o/noise-3.png", "o/noise-4.png", "o/noise-9.png"]
    assert [line["seed"] for line in lines] == [3, 4, 9]
    assert len({Path(line["output"]).read_bytes() for line in lines}) == 3


def test_a_sheet() -> None:
    words = ["--seeds", "0..3", "--size", 40, "--sheet", "--random", "-q", "-o", "sheet.png"]
    assert run("generate", "noise", *words) == 0
    sheet = load("sheet.png")
    assert min(sheet.size) > 40
    assert np.ptp(sheet.pixels) > 0.9


def test_a_loop_comes_around(here: Path) -> None:
    assert run("generate", "noise", "--size", 32, "--frames", 12, "--fps", 10, "-o", "loop.gif", "-q") == 0
    with read_frames("loop.gif") as clip:
        assert clip.fps == pytest.approx(10)
        frames = np.stack(list(clip)).astype(float)
    assert frames.shape == (12, 32, 32, 3)
    steps = [np.abs(frames[(i + 1) % 12] - frames[i]).mean() for i in range(12)]
    assert steps[-1] < 1.5 * np.mean(steps)  # the step from the last to the first is like the others
    assert min(steps) > 0


def test_options_as_ranges(here: Path) -> None:
    words = ["--size", 32, "--scale", "1..3", "--phase", 0, "--frames", 5, "-o", "m.apng", "-q"]
    assert run("generate", "noise", *words) == 0
    with read_frames("m.apng") as clip:
        frames = list(clip)
    assert len(frames) == 5
    for frame, scale in ((0, 1), (2, 2), (4, 3)):
        run("generate", "noise", "--size", 32, "--scale", scale, "-o", "still.png", "-q", "--overwrite")
        np.testing.assert_allclose(frames[frame], load("still.png").pixels * 255, atol=1)


@pytest.mark.parametrize("name", ["m.mp4", "m.mov", "m.mkv", "m.gif", "m.webp", "m.apng"])
def test_a_movie_knows_how_it_was_made(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--size", 32, "--seed", 5, "--scale", "1..3..1", "--frames", 4, "--fps", 8, "-o", name]
    assert run("generate", "noise", *words, "-q") == 0
    recipe = read_recipe(name)
    assert recipe is not None
    assert {"piece": "noise", "seed": 5, "size": [32, 32], "scale": 1.0}.items() <= recipe.options.items()
    assert recipe.options["movie"] == {"frames": 4, "fps": 8, "ranges": {"scale": [1, 3, 1], "phase": [0, 1]}}
    assert run("info", name) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{name}  32×32, 4 frames, 8 a second")
    assert "4 frames, 8 a second, scale 1..3..1, phase 0..1" in said
    assert run("info", name, "--json") == 0
    assert {"frames": 4, "fps": 8}.items() <= json.loads(capsys.readouterr().out).items()
    assert run("again", name, "-q") == 0
    with read_frames(name) as before, read_frames(name.replace(".", "_again.")) as now:  # Matroska has random numbers
        np.testing.assert_array_equal(np.stack(list(before)), np.stack(list(now)))


def test_growth_again() -> None:
    words = ["--size", 32, "--detail", 32, "--steps", 80, "--start", "center", "--frames", 3, "-o", "g.apng", "-q"]
    assert run("generate", "reaction", *words) == 0
    assert run("again", "g.apng", "-q") == 0
    assert Path("g_again.apng").read_bytes() == Path("g.apng").read_bytes()


@pytest.mark.parametrize("words", [["--frames", 2, "-o", "m.mp4"], ["--frames", 2, "-o", "m.gif"], ["--sheet"]])
def test_a_recipe_may_be_left_out(words: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    words = words if "-o" in words else [*words, "--seeds", "0,1", "-o", "s.png"]
    assert run("generate", "noise", "--size", 32, *words, "-q", "--no-metadata") == 0
    assert read_recipe(str(words[-1])) is None
    assert run("again", words[-1]) == 1
    assert "has no recipe" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["s.png", "s.jpg"])
def test_a_sheet_again(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--seeds", "3..5", "--size", 40, "--sheet", "--random", "--octaves", 2, "-q", "-o", name]
    assert run("generate", "noise", *words) == 0
    assert run("info", name) == 0
    assert "3 pictures, seeds 3 to 5" in capsys.readouterr().out
    recipe = load_recipe(name)
    assert recipe is not None
    assert [each["seed"] for each in recipe.options["sheet"]] == [3, 4, 5]
    assert "octaves" not in recipe.options["sheet"][0]  # which they have in common
    assert run("again", name, "-q") == 0
    assert Path(name.replace(".", "_again.")).read_bytes() == Path(name).read_bytes()


def test_a_movie_of_growth() -> None:
    words = ["--size", 48, "--detail", 48, "--steps", 160, "--start", "center", "--frames", 6, "-o", "g.mp4", "-q"]
    assert run("generate", "reaction", *words) == 0
    with read_frames("g.mp4") as clip:
        assert len(list(clip)) == 6


def test_growth_fills_its_frames_whatever_the_steps() -> None:
    class Slow:
        def run(self, options: object, source: object) -> list[Step]:
            return [Step(np.zeros(1), done, 10) for done in (1, 5, 10)]  # type: ignore[arg-type]

    class Order:
        piece, source = Slow(), None

    done = [step.done for step in _growing(NoiseOptions(), Order(), 10)]  # type: ignore[arg-type]
    assert done == [1, 5, 5, 5, 5, 10, 10, 10, 10, 10]


def test_after_a_picture_and_colors_of_a_picture(here: Path, rng: np.random.Generator) -> None:
    save(Picture(rng.random((40, 40, 3), np.float32)), "photo.png")
    words = ["--size", 40, "--detail", 32, "--steps", 80, "--from", "photo.png", "--palette", "photo.png"]
    assert run("generate", "reaction", *words, "-q", "-o", "r.png") == 0
    recipe = load_recipe("r.png")
    assert recipe is not None
    assert recipe.options["palette"].startswith("#")  # the colors themselves: the file may go
    assert [source.role for source in recipe.sources] == ["photo"]
    assert run("again", "r.png", "-q") == 0
    assert Path("r_again.png").read_bytes() == Path("r.png").read_bytes()
    Path("photo.png").rename("moved.png")
    assert run("again", "r.png", "-q", "--overwrite") == 1
    assert run("again", "r.png", "-q", "--overwrite", "--photo", "moved.png") == 0


def test_a_style_follows(here: Path) -> None:
    assert run("generate", "noise", "--size", 64, "--then", "stylize:starry,plan=light", "-q", "-o", "s.png") == 0
    assert run("generate", "noise", "--size", 64, "-q", "-o", "plain.png") == 0
    assert np.abs(load("s.png").pixels - load("plain.png").pixels).mean() > 0.03
    recipe = load_recipe("s.png")
    assert recipe is not None
    assert [(source.role, source.path) for source in recipe.sources] == [("style", "starry")]
    assert run("again", "s.png", "-q") == 0
    assert Path("s_again.png").read_bytes() == Path("s.png").read_bytes()


def test_a_piece_follows_a_piece() -> None:
    words = ["--then", "reaction,steps=80,detail=32"]
    assert run("generate", "noise", "--size", 40, *words, "-q", "-o", "s.png") == 0
    assert load("s.png").size == (40, 40)


def test_strokes_as_svg_and_the_same_as_a_picture(here: Path) -> None:
    words = ["--size", 64, "--look", "pen", "--line", 8, "-q", "--coverage", 0.4]
    assert run("generate", "flow", *words, "-o", "f.svg", "--paper", "a6") == 0
    assert Path("f.svg").read_text().count("<path") + Path("f.svg").read_text().count("<polyline") > 0
    assert run("generate", "flow", *words, "-o", "f.png") == 0
    assert load("f.png").pixels.std() > 0.02


def test_flow_after_a_picture_has_its_colors(here: Path) -> None:
    halves = np.zeros((64, 64, 3), np.float32)
    halves[:, :32], halves[:, 32:] = (0.8, 0.2, 0.1), (0.1, 0.3, 0.7)
    save(Picture(halves), "halves.png")
    words = ["--from", "halves.png", "--relief", 0, "--variety", 0, "--supersample", 1]
    assert run("generate", "flow", "--size", 64, *words, "-q", "-o", "f.png") == 0
    got = load("f.png").pixels
    np.testing.assert_allclose(np.median(got[:, :20], axis=(0, 1)), halves[0, 0], atol=0.05)
    np.testing.assert_allclose(np.median(got[:, 44:], axis=(0, 1)), halves[0, -1], atol=0.05)


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate") == 0
    bare = capsys.readouterr().out
    assert run("generate", "--list") == 0
    assert capsys.readouterr().out == bare
    assert any(line.startswith("flow ") and "SVG" in line for line in bare.splitlines())
    assert run("generate", "--palettes", "--json") == 0
    assert "ember" in json.loads(capsys.readouterr().out)
    assert run("generate", "flow", "--help") == 0
    assert "--coverage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nosie"], 2, 'did you mean "noise"'),
        (["noise", "--scale", "99"], 2, "--scale '99': input should be less than or equal to 20"),
        (["noise", "--scale", "1..99", "-o", "m.mp4"], 2, "--scale 99.0: input should be less than or equal to 20"),
        (["fractal", "--formula", "ship", "--zoom", "9"], 2, "artkit: this formula goes to zoom 3.5"),
        (["--size", "32", "noise"], 2, "the piece comes first"),
        (["noise", "--kind", "1..2"], 2, "--kind"),
        (["noise", "--palette", "1..2"], 2, "no number"),
        (["noise", "--sise", "9"], 2, "--size"),
        (["noise", "--palette", "embr"], 2, 'did you mean "ember"'),
        (["noise", "--size", "16384", "--max-memory", "1GB"], 1, "fits"),
        (["noise", "--from", "x.png"], 2, "no such option"),
        (["reaction", "--from", "missing.png"], 1, "missing.png"),
        (["reaction", "--from", "broken.png"], 1, "broken.png"),
        (["noise", "--size", "32", "-o", "nowhere/out.png"], 1, "nowhere"),
        (["noise", "--size", "32", "-o", "out.xyz"], 1, "xyz"),
        (["noise", "--size", "32", "-o", "out.svg"], 2, "no strokes"),
        (["flow", "--size", "32", "-o", "out.svg"], 2, "--look pen"),
        (["noise", "--size", "32", "-o", "{sed}.png"], 2, "{seed}"),
        (["noise", "--size", "32", "--seeds", "0..3", "-o", "out.png"], 2, "{seed}"),
        (["noise", "--size", "32", "--seeds", "3..1"], 2, "upwards"),
        (["noise", "--size", "32", "--seed", "3", "--seeds", "3..5"], 2, "--seeds"),
        (["noise", "--size", "32", "--fps", "12"], 2, "--frames"),
        (["noise", "--size", "32", "--sheet", "--frames", "12"], 2, "--sheet"),
        (["noise", "--size", "32", "--then", "stylize:stary"], 2, 'did you mean "starry"'),
        (["noise", "--size", "32", "--then", "stylize"], 2, "which style"),
        (["noise", "--size", "32", "--then", "stylize:starry,strenght=1"], 2, "strenght"),
        (["noise", "--size", "32", "--then", "stylize:starry,strength=9"], 2, "strength=9: strength '9': input should"),
        (["noise", "--size", "32", "--then", "flow,scale=nan"], 2, "--then flow,scale=nan: scale 'nan'"),
        (["noise", "--size", "32", "--then", "qqq"], 2, 'no piece "qqq"; choose another'),
        (["noise", "--size", "32", "--then", "noise"], 2, "does not follow a picture"),
        (["noise", "--size", "32", "--window"], 1, "no display"),
    ],
)
def test_one_line_an_error(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.png").write_bytes(b"\x89PNG broken")
    assert run("generate", *words) == code
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert sorted(os.listdir()) == ["broken.png"]  # noqa: PTH208


@pytest.mark.parametrize("words", [["--frames", 3, "-o", "m.mp4"], ["--seeds", "0..3", "--sheet", "-o", "s.png"]])
def test_ctrl_c_leaves_no_half_of_a_movie_or_a_sheet(
    words: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[Step] = []

    def interrupted(*_: object) -> Iterator[Step]:
        if drawn:
            raise KeyboardInterrupt
        drawn.append(Step(mx.zeros((1, 32, 32, 3)), 1, 1))
        yield drawn[0]

    monkeypatch.setattr("artkit.generate.noise.noise_steps", interrupted)
    assert run("generate", "noise", "--size", 32, *words) == 130
    assert f'stopped; "{words[-1]}" is not written' in capsys.readouterr().err
    assert not any(Path().iterdir())


@pytest.mark.parametrize("name", ["flow", "noise", "harmonograph", "phyllotaxis", "lsystem", "tiles", "pack", "life"])
def test_the_largest_seed(name: str) -> None:
    assert run("generate", name, "--size", 32, "--seed", 2**32 - 1, "-q") == 0


def test_seeds_as_people_write_them() -> None:
    assert seeds_of("0..3") == [0, 1, 2, 3]
    assert seeds_of("7, 2, 7") == [7, 2]


def test_where_the_frames_of_a_range_are() -> None:
    fixed, stops = split_ranges({"scale": "1..3", "warp": "0.5", "palette": "#fff,#000", "gain": ".2 .. .4 .. .2"})
    assert fixed == {"warp": "0.5", "palette": "#fff,#000"}
    assert stops == {"scale": (1, 3), "gain": (0.2, 0.4, 0.2)}
    motion = plan(NoiseOptions, fixed, {"scale": (1, 3)}, loops=False)
    assert [frame["scale"] for frame in (motion.at(i, 5) for i in range(5))] == [1, 1.5, 2, 2.5, 3]
    assert not motion.cyclic
    around = plan(NoiseOptions, fixed, {"gain": (0.2, 0.4, 0.2)}, loops=True)
    assert around.cyclic
    assert [round(around.at(i, 4)["gain"], 6) for i in range(4)] == [0.2, 0.3, 0.4, 0.3]
    assert [around.at(i, 4)["phase"] for i in range(4)] == [0, 0.25, 0.5, 0.75]
    turned = plan(NoiseOptions, {}, {"phase": (0.25, 1.25)}, loops=True)  # a whole turn leaves out where it began
    assert [turned.at(i, 4)["phase"] for i in range(4)] == [0.25, 0.5, 0.75, 1]
    assert not plan(NoiseOptions, {}, {"phase": (0, 0.5)}, loops=True).cyclic
    octaves = plan(NoiseOptions, {}, {"octaves": (1, 4)}, loops=False)
    assert [options.octaves for options in octaves.options(NoiseOptions, {}, 7)] == [1, 2, 2, 2, 3, 4, 4]
    with pytest.raises(WrongCall, match="kind is no number"):
        plan(NoiseOptions, {}, {"kind": (1, 2)}, loops=False)


@pytest.mark.parametrize("name", ["fractal", "lsystem", "phyllotaxis", "lines"])
def test_a_whole_turn_leaves_out_where_it_began(name: str) -> None:
    """By what options say of themselves: an angle is where it was after 360 degrees, a phase after 1."""
    piece = catalog.get(name)
    whole = plan(piece.options, {}, {"angle": (-180, 180)}, piece.loops)
    assert [whole.at(i, 4)["angle"] for i in range(4)] == [-180, -90, 0, 90]
    if piece.loops:
        assert [whole.at(i, 4)["phase"] for i in range(4)] == [0, 0.25, 0.5, 0.75]
    half = plan(piece.options, {}, {"angle": (0, 180)}, piece.loops)
    assert [half.at(i, 4)["angle"] for i in range(4)] == [0, 60, 120, 180]


def test_a_movie_of_a_whole_turn() -> None:
    model = catalog.get("fractal").options
    motion = plan(model, {"phase": 0}, {"angle": (0, 360)}, loops=True)
    values = {"size": 32, "supersample": 1, "center": "-0.5,0", "zoom": 0, "coloring": "smooth"}
    frames = [np.array(last_of(catalog.get("fractal").run(each)).image) for each in motion.options(model, values, 4)]
    for i in range(1, 4):
        turned = np.rot90(frames[0], -i, (1, 2))
        assert np.median(np.abs(frames[i] - turned)) < 0.01
        assert np.abs(frames[i] - frames[0]).mean() > 0.02  # no frame is another


@pytest.mark.parametrize("model", [NoiseOptions, FlowOptions, ReactionOptions])
def test_chance_draws_what_is_allowed(model: type) -> None:
    draws = [drawn(model, seed) for seed in range(200)]
    for values in draws:
        model.checked(values)
        assert not {"size", "seed", "phase", "supersample"} & values.keys()
    assert draws[3] == drawn(model, 3) != draws[4]
    if model is ReactionOptions:
        assert len({values["detail"] for values in draws}) > 100
    assert len({values["palette"] for values in draws}) > 20
    fixed = drawn(model, 3, {"palette"})
    assert "palette" not in fixed
    assert fixed == {name: value for name, value in draws[3].items() if name != "palette"}
