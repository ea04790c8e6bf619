"""The command line: what it writes, what it says, and how it ends. The optimizer is a small stand-in here."""

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

import artkit
from artkit.contract import Recipe, Step
from artkit.image import Picture, load, load_recipe
from artkit.interfaces import cli, commands, painting
from artkit.stylize import prepare
from artkit.stylize.options import OptimizeOptions


class Ended(NamedTuple):
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str
    raw: bytes


Run = Callable[..., Ended]


def mixing_steps(
    photo: Picture,
    styles: Sequence[Picture],
    options: OptimizeOptions,
    *,
    masks: Sequence[np.ndarray] | None = None,
    init: Picture | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> Iterator[Step]:
    """In the optimizer's place: the photo turns into the styles' mean color, a little more with every iteration."""
    start = (init or photo).resized(options.size).pixels
    weights = options.style_weight or (1.0,) * len(styles)
    tint = sum(w * style.pixels.mean((0, 1)) for w, style in zip(weights, styles, strict=True)) / sum(weights)
    where = (
        np.ones(start.shape[:2])
        if masks is None
        else Picture.of(np.dstack([masks[0]] * 3)).resized(options.size).pixels[..., 0]
    )
    done = int(checkpoint.read_text()) if resume and checkpoint and checkpoint.exists() else 0
    for n in range(done + 1, options.iterations + 1):
        share = (options.strength * n / options.iterations * where)[..., None]
        image = mx.array(np.clip(start * (1 - share) + tint * share, 0, 1)[None].astype(np.float32))
        mx.eval(image)
        if checkpoint:
            checkpoint.write_text(str(n))
        yield Step(image, n, options.iterations, {"size": options.size, "iterations": n, "loss": 1 / n})
    if checkpoint:
        checkpoint.unlink()


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with a photo and a style, and the quick optimizer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "optimize_steps", mixing_steps)
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save("cat.png")
    Image.new("RGB", (64, 64), (200, 120, 30)).save("gold.png")
    return tmp_path


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(*words: object, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        captured = capsysbinary.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, captured.out.decode(errors="replace"), captured.err.decode(), captured.out)

    return call


QUICK = ("--style", "gold.png", "--size", 64, "--iterations", 4)


def one_line(ended: Ended, code: int, *words: str) -> None:
    """The command ended with `code` and one line on stderr that has all `words`."""
    assert ended.code == code, ended
    assert len(ended.err.splitlines()) == 1, ended.err
    assert ended.err.startswith("artkit: ")
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err


# --- stylize ------------------------------------------------------------------------------------------------------


def test_a_picture_is_written_where_the_default_says(run: Run) -> None:
    ended = run("stylize", "cat.png", *QUICK)
    assert ended.code == 0
    assert ended.out == ""
    picture = load("cat_gold.png")
    assert picture.size == (64, 48)
    assert np.abs(picture.pixels - np.array([200, 120, 30]) / 255).max() < 1 / 255
    assert not Path("cat_gold.png.resume").exists()


def test_every_option_reaches_the_optimizer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[OptimizeOptions] = []

    def spy(photo: Picture, styles: Sequence[Picture], options: OptimizeOptions, **more: Any) -> Iterator[Step]:
        seen.append(options)
        return mixing_steps(photo, styles, options, **more)

    monkeypatch.setattr(prepare, "optimize_steps", spy)
    Image.new("RGB", (8, 8), (0, 0, 99)).save("blue.png")
    words = "--style gold.png --style blue.png --style-weight 0.7,0.3 --size 64 --seed 5 --content-weight 0.3"
    more = "--iterations 2 --keep-color luma --max-memory 2GB --style-layers relu1_1=1,relu4_1=0.5 --optimizer adam"
    assert run("stylize", "cat.png", *words.split(), *more.split()).code == 0
    assert seen == [
        OptimizeOptions.checked(
            {
                "size": 64,
                "style_weight": (0.7, 0.3),
                "seed": 5,
                "content_weight": 0.3,
                "iterations": 2,
                "keep_color": "luma",
                "max_memory": 2_000_000_000,
                "style_layers": {"relu1_1": 1.0, "relu4_1": 0.5},
                "optimizer": "adam",
            }
        )
    ]


def test_several_photos_by_folder_pattern_and_template(run: Run) -> None:
    Path("trip").mkdir()
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (70, 70), (10, 200, 10)).save(Path("trip") / name)
    assert run("stylize", "trip", "cat*.png", *QUICK, "-o", "new/").code == 0
    assert sorted(path.name for path in Path("new").iterdir()) == ["a_gold.png", "b_gold.png", "cat_gold.png"]
    template = "{n:02}-{stem}-{style}-{size}-{seed}.webp"
    assert run("stylize", "trip", *QUICK, "--seed", 3, "-o", template).code == 0
    assert Path("01-a-gold-64-3.webp").exists()
    assert Path("02-b-gold-64-3.webp").exists()


def test_one_of_several_photos_fails_and_the_others_go_on(run: Run) -> None:
    Path("broken.jpg").write_text("this is no picture")
    ended = run("stylize", "broken.jpg", "nowhere.png", "cat.png", *QUICK)
    assert ended.code == 1
    assert Path("cat_gold.png").exists()
    assert not Path("broken_gold.png").exists()
    problems = [line for line in ended.err.splitlines() if line.startswith("artkit: ")]
    assert len(problems) == 2
    assert "nowhere.png" in problems[0]
    assert "broken.jpg" in problems[1]


def test_stdin_to_stdout(run: Run) -> None:
    ended = run("stylize", "-", *QUICK, stdin=Path("cat.png").read_bytes())
    assert ended.code == 0
    assert load(ended.raw).size == (64, 48)
    with_name = run("stylize", "-", *QUICK, "-o", "{stem}.png", stdin=Path("cat.png").read_bytes())
    assert with_name.code == 0
    assert np.array_equal(load("stdin.png").pixels, load(ended.raw).pixels)


def test_stdin_named_twice_is_read_once(run: Run) -> None:
    assert run("stylize", "-", "-", *QUICK, "-o", "out.png", stdin=Path("cat.png").read_bytes()).code == 0
    assert Path("out.png").exists()


def test_json_is_one_object_a_picture_and_nothing_else(run: Run) -> None:
    Image.new("RGB", (80, 40), (1, 2, 3)).save("dog.png")
    ended = run("stylize", "cat.png", "dog.png", *QUICK, "--json", "--seed", 9)
    assert ended.code == 0
    first, second = map(json.loads, ended.out.splitlines())
    assert (first["photo"], first["output"], first["width"], first["height"]) == ("cat.png", "cat_gold.png", 64, 48)
    assert (second["output"], second["height"], second["seed"]) == ("dog_gold.png", 32, 9)
    assert second["figures"]["loss"] == 0.25
    assert second["seconds"] >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no UTF-8")
def test_json_of_a_file_name_that_is_no_text_is_json_all_the_same(run: Run) -> None:
    odd = os.fsdecode(b"c\xff.png")
    Path("cat.png").rename(odd)
    ended = run("stylize", odd, *QUICK, "--json", "-o", "out.png")
    assert ended.code == 0
    assert json.loads(ended.raw.decode())["photo"] == odd
    assert json.loads(run("info", "out.png", "--json").raw.decode())["recipe"]["sources"][0]["path"] == odd


def test_quiet_says_nothing(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK, "--quiet") == (0, "", "", b"")


def test_masks_and_init_files(run: Run) -> None:
    half = np.zeros((60, 80), np.uint8)
    half[:, 40:] = 255
    Image.fromarray(half).save("right.png")
    assert run("stylize", "cat.png", *QUICK, "--mask", "right.png", "--init", "cat.png", "-o", "half.png").code == 0
    result, photo = load("half.png").pixels, load("cat.png").resized(64).pixels
    assert np.abs(result[:, :28] - photo[:, :28]).max() < 1 / 255
    assert np.abs(result[:, 36:] - np.array([200, 120, 30]) / 255).max() < 1 / 255
    recipe = load_recipe("half.png")
    assert recipe is not None
    assert [source.role for source in recipe.sources] == ["photo", "style", "mask", "init"]


def test_save_every_and_preview(run: Run) -> None:
    ended = run("stylize", "cat.png", *QUICK, "--save-every", 2, "--preview", "now.jpg", "-o", "out.png")
    assert ended.code == 0
    assert sorted(path.name for path in Path().glob("out*")) == ["out.png", "out_0002.png", "out_0004.png"]
    assert np.array_equal(load("out_0004.png").pixels, load("out.png").pixels)
    assert np.abs(load("now.jpg").pixels - load("out.png").pixels).max() < 0.02
    assert load_recipe("out_0002.png") is None
    one_line(
        run("stylize", "cat.png", *QUICK, "--save-every", 2, "-o", "./out_00.png", "--preview", "now.jpg"),
        1,
        "now.jpg",
        "--overwrite",
    )


def test_sixteen_bits_and_quality(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK, "--bits", 16, "-o", "deep.png").code == 0
    assert Path("deep.png").read_bytes()[24] == 16
    for quality in (30, 95):
        assert (
            run("stylize", "cat.png", *QUICK, "--strength", 0.5, "--quality", quality, "-o", f"{quality}.jpg").code == 0
        )
    assert Path("30.jpg").stat().st_size < Path("95.jpg").stat().st_size
    one_line(run("stylize", "cat.png", *QUICK, "--bits", 16, "-o", "deep.jpg"), 1, "16 bits")
    one_line(run("stylize", "cat.png", *QUICK, "--quality", 0), 2, "--quality")


def test_existing_files_stay(run: Run) -> None:
    before = Path("gold.png").read_bytes()
    one_line(run("stylize", "cat.png", *QUICK, "-o", "gold.png"), 1, "gold.png", "--overwrite")
    assert Path("gold.png").read_bytes() == before
    assert run("stylize", "cat.png", *QUICK, "-o", "gold.png", "--overwrite").code == 0
    assert load("gold.png").size == (64, 48)


# --- stopping and going on ----------------------------------------------------------------------------------------


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimizer is hit by Ctrl-C after `count` iterations."""

    def stopping(*args: Any, **more: Any) -> Iterator[Step]:
        steps = mixing_steps(*args, **more)
        for _ in range(count):
            yield next(steps)
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "optimize_steps", stopping)


def test_ctrl_c_writes_what_there_is_and_resume_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("stylize", "cat.png", *QUICK, "-o", "whole.png").code == 0
    stop_after(2, monkeypatch)
    ended = run("stylize", "cat.png", *QUICK, "-o", "out.png")
    one_line(ended, 130, "50 %", "out.png", "--resume")
    tint, photo = np.array([200, 120, 30]) / 255, load("cat.png").resized(64).pixels
    assert np.abs(load("out.png").pixels - (photo + tint) / 2).max() < 1 / 255
    assert load_recipe("out.png") is None
    one_line(run("stylize", "cat.png", *QUICK, "-o", "out.png"), 1, "--resume", "--overwrite")

    monkeypatch.setattr(prepare, "optimize_steps", mixing_steps)
    assert run("stylize", "cat.png", *QUICK, "-o", "out.png", "--resume").code == 0
    assert np.array_equal(load("out.png").pixels, load("whole.png").pixels)
    assert not Path("out.png.resume").exists()


def test_resumed_runs_number_their_pictures_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(2, monkeypatch)
    assert run("stylize", "cat.png", *QUICK, "-o", "[a].png", "--save-every", 1).code == 130
    monkeypatch.setattr(prepare, "optimize_steps", mixing_steps)
    assert run("stylize", "cat.png", *QUICK, "-o", "[a].png", "--save-every", 1, "--resume").code == 0
    assert sorted(path.name for path in Path().glob("[[]a]_*")) == [f"[a]_000{n}.png" for n in range(1, 5)]


def test_pictures_are_numbered_by_iteration_wherever_the_checkpoint_is(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(3, monkeypatch)
    assert run("stylize", "cat.png", *QUICK, "-o", "out.png", "--save-every", 1).code == 130
    Path("out.png.resume").write_text("1")  # as when the run was killed a while after its last checkpoint
    whole = {n: load(f"out_{n:04}.png").pixels for n in (2, 3)}
    monkeypatch.setattr(prepare, "optimize_steps", mixing_steps)
    assert run("stylize", "cat.png", *QUICK, "-o", "out.png", "--save-every", 1, "--resume").code == 0
    assert sorted(path.name for path in Path().glob("out_*")) == [f"out_000{n}.png" for n in range(1, 5)]
    assert all(np.array_equal(load(f"out_{n:04}.png").pixels, pixels) for n, pixels in whole.items())


def test_resume_leaves_finished_pictures_alone(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK).code == 0
    before = Path("cat_gold.png").stat().st_mtime_ns
    ended = run("stylize", "cat.png", *QUICK, "--resume")
    assert ended.code == 0
    assert "finished already" in ended.err
    assert Path("cat_gold.png").stat().st_mtime_ns == before
    one_line(run("stylize", "cat.png", *QUICK, "--resume", "--seed", 4), 1, "exists")


def test_ctrl_c_before_anything_happened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(0, monkeypatch)
    one_line(run("stylize", "cat.png", *QUICK), 130, "nothing is written")
    assert not Path("cat_gold.png").exists()


def test_a_coarsest_scale_near_the_size_is_left_out_and_the_person_told(run: Run) -> None:
    for smallest, told in ((0, False), (40, False), (56, True), (64, False), (80, False)):
        ended = run("stylize", "cat.png", *QUICK, "--min-size", smallest, "--overwrite")
        said = f"--min-size {smallest} is left out: --size 64 is less than 1.3 times as large"
        assert (said in ended.err.splitlines()) == told
    assert run("stylize", "cat.png", *QUICK, "--min-size", 56, "--overwrite", "--quiet").err == ""
    assert "left out where the size is less than 1.3 times as large" in " ".join(run("stylize", "--help").out.split())


@pytest.mark.parametrize("module", ["click", "artkit.interfaces.stylize_cli", "numpy", "mlx.core"])
def test_ctrl_c_while_artkit_is_imported(module: str) -> None:
    code = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from artkit.interfaces.cli import main
main(["stylize", "cat.png", "--style", "gold.png", "--size", "64", "--iterations", "1"])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 130, ended.stderr
    assert len(ended.stderr.splitlines()) <= 1
    assert "Traceback" not in ended.stderr
    assert list(Path().glob("cat_*")) == []


# --- again and info -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_again_makes_the_same_pixels(run: Run, suffix: str) -> None:
    made = run("stylize", "cat.png", *QUICK, "--strength", 0.6, "--quality", 60, "-o", f"old.{suffix}")
    assert made.code == 0
    assert run("again", f"old.{suffix}").code == 0
    assert np.array_equal(load(f"old_again.{suffix}").pixels, load(f"old.{suffix}").pixels)
    assert load_recipe(f"old_again.{suffix}") == load_recipe(f"old.{suffix}")


def test_again_says_when_another_method_made_the_picture(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK, "-o", "old.png").code == 0
    recipe = load_recipe("old.png")
    assert recipe is not None
    assert recipe.method == OptimizeOptions().recipe_method > 1
    assert "another way" not in run("again", "old.png").err
    artkit.save(load("old.png"), "older.png", recipe=dataclasses.replace(recipe, method=1))
    assert "method" not in json.loads(run("info", "older.png", "--json").out)["recipe"]  # as before there were numbers
    ended = run("again", "older.png")
    assert ended.code == 0
    (said,) = [line for line in ended.err.splitlines() if "another way" in line]
    assert f"method {OptimizeOptions().recipe_method}, not 1" in said
    assert load_recipe("older_again.png") == recipe
    assert "another way" not in run("again", "older_again.png").err


def test_info_shows_the_method_of_techniques_that_have_one(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK, "-o", "old.png").code == 0
    assert f"method {OptimizeOptions().recipe_method}" in run("info", "old.png").out
    assert json.loads(run("info", "old.png", "--json").out)["recipe"]["method"] == OptimizeOptions().recipe_method
    recipe = load_recipe("old.png")
    assert recipe is not None
    artkit.save(load("old.png"), "older.png", recipe=dataclasses.replace(recipe, method=1))
    assert "method 1" in run("info", "older.png").out
    artkit.save(load("old.png"), "quick.png", recipe=Recipe("restyle", {}))
    assert "method" not in run("info", "quick.png").out


def test_again_finds_moved_files_and_refuses_changed_ones(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK, "-o", "old.png").code == 0
    Path("elsewhere").mkdir()
    Path("cat.png").rename("elsewhere/tom.png")
    one_line(run("again", "old.png"), 1, "cat.png", "--photo")
    assert run("again", "old.png", "--photo", "elsewhere/tom.png").code == 0
    assert np.array_equal(load("old_again.png").pixels, load("old.png").pixels)
    Image.new("RGB", (64, 64), (0, 0, 0)).save("gold.png")
    one_line(
        run("again", "old.png", "--photo", "elsewhere/tom.png", "-o", "b.png"), 1, "gold.png", "SHA-256", "--style"
    )
    one_line(run("again", "old.png", "--style", "a", "--style", "b"), 2, "--style")


def test_no_metadata_leaves_no_recipe(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK, "--no-metadata").code == 0
    assert b"stylize" not in Path("cat_gold.png").read_bytes()
    one_line(run("again", "cat_gold.png"), 1, "no recipe")


def test_info_shows_the_recipe(run: Run) -> None:
    assert run("stylize", "cat.png", *QUICK, "--seed", 77).code == 0
    text = run("info", "cat_gold.png")
    assert text.code == 0
    assert "64×48" in text.out
    for word in ("cat.png", "gold.png", "77", artkit.__version__):
        assert word in text.out
    facts = json.loads(run("info", "cat_gold.png", "--json").out)
    assert (facts["width"], facts["height"], facts["format"]) == (64, 48, "png")
    assert facts["recipe"]["options"]["seed"] == 77
    assert facts["recipe"]["sources"][0]["sha256"] == hashlib.sha256(Path("cat.png").read_bytes()).hexdigest()
    assert "no recipe" in run("info", "cat.png").out
    assert json.loads(run("info", "cat.png", "--json").out)["recipe"] is None


def test_a_recipe_of_another_technique_is_refused_by_name(run: Run) -> None:
    artkit.save(load("cat.png"), "odd.png", recipe=Recipe("dream", {}))
    one_line(run("again", "odd.png"), 1, "dream")


# --- wrong calls and bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["cat.png", "--style", "gold.png", "--size", "-5"], 2, ["--size", "'-5'", "64"]),
        (["cat.png", "--style", "gold.png", "--content-weight", "nan"], 2, ["--content-weight", "finite"]),
        (["cat.png", "--style", "gold.png", "--style-weight", "0.5,-1"], 2, ["--style-weight", "-1"]),
        (["cat.png", "--style", "gold.png", "--max-memory", "lots"], 2, ["--max-memory", "4GB"]),
        (["cat.png", "--style", "gold.png", "--optimizer", "adm"], 2, ["--optimizer", "lbfgs"]),
        (["cat.png", "--style", "gold.png", "--siez", "64"], 2, ["--siez", "--size"]),
        (["cat.png", "--style", "stary"], 2, ["stary", "starry"]),
        (["cat.png", "--style", "gold.pgn"], 1, ["gold.pgn", "gold.png"]),
        (["cat.png"], 2, ["--style"]),
        (["--style", "gold.png"], 2, ["PHOTO"]),
        (["missing.png", "--style", "gold.png"], 1, ["missing.png"]),
        (["empty", "--style", "gold.png"], 1, ["empty"]),
        (["cat.png", "--style", "gold.png", "-o", "no/such/x.png"], 1, ["no/such"]),
        (["cat.png", "--style", "gold.png", "-o", "x.doc"], 1, [".doc", ".png"]),
        (["cat.png", "--style", "gold.png", "-o", "{stem}_{stlye}.png"], 2, ["{stlye}", "{style}"]),
        (["cat.png", "--style", "gold.png", "-o", "{stem.png"], 2, ["-o"]),
        (["cat.png", "--style", "gold.png", "-o", ""], 2, ["-o is empty"]),
        (["cat.png", "gold.png", "--style", "gold.png", "-o", "one.png"], 2, ["one.png", "{stem}"]),
        (["cat.png", "gold.png", "--style", "gold.png", "-o", "-"], 2, ["one photo"]),
        (["cat.png", "--style", "gold.png", "-o", "-", "--json"], 2, ["--json"]),
        (["cat.png", "--style", "gold.png", "-o", "-", "--resume"], 2, ["--resume"]),
        (["cat.png", "--style", "gold.png", "--mask", "gold.png"], 1, ["gold.png", "80×60"]),
        (["cat.png", "--style", "gold.png", "--save-every", "0"], 2, ["--save-every"]),
        (["cat.png", "--style", "gold.png", "--init", "nothing.png"], 1, ["nothing.png"]),
        (["cat.png", "--style", "gold.png", "--init", "nosie"], 2, ["nosie", "noise", "picture file"]),
        (["cat.png", "--style", "gold.png", "--preview", "x.png", "-o", "./x.png"], 2, ["--preview", "x.png"]),
        (["cat.png", "--style", "https://x.org/y.jpg"], 1, ['"https://x.org/y.jpg"', "download"]),
        (["cat.png", "--style", "empty"], 1, ['"empty" is a folder']),
        (["cat.png", "--style", ""], 2, ['no style ""']),
        (["", "--style", "gold.png"], 1, ["is empty"]),
    ],
)
def test_one_line_says_what_is_wrong(run: Run, words: list[str], code: int, says: list[str]) -> None:
    Path("empty").mkdir()
    before = sorted(Path().iterdir())
    one_line(run("stylize", *words), code, *says)
    assert sorted(Path().iterdir()) == before


def test_a_training_option_without_a_value(run: Run) -> None:
    Path("pictures").mkdir()
    folders = [f"--{what}=pictures" for what in ("photos", "paintings", "teacher")]
    one_line(run("train", "distil", *folders, "-o", "out", "--set", "minutes"), 2, "--set 'minutes'", "steps=4000")
    one_line(run("train", "distil", *folders, "-o", "out", "--set", "minuets=2"), 2, "minuets", "minutes")
    assert not Path("out").exists()


def test_a_mistyped_command(run: Run) -> None:
    one_line(run("stylise", "cat.png"), 2, '"stylise"', '"stylize"')


def test_no_command_shows_the_help(run: Run) -> None:
    ended = run()
    assert ended.code == 2
    assert "Usage: artkit" in ended.err


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "--max-memory"),
        (RuntimeError("[malloc] Unable to allocate 99 bytes."), "--max-memory"),
        (RuntimeError("cudaMallocAsync(&data, size, stream) failed: out of memory"), "--max-memory"),
        (RuntimeError("[metal::malloc] Attempting to allocate 9 bytes which is greater than …"), "--max-memory"),
        (RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory (00000008:…)"), "--max-memory"),
        (OSError(28, "No space left on device", "/tmp/x.png"), "the disk is full: /tmp/x.png"),
        (PermissionError(13, "Permission denied", "x.png"), "permission denied: x.png"),
        (ValueError("two\nlines"), "bug"),
    ],
)
def test_other_errors_end_in_one_line_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def failing(*_: object, **__: object) -> Iterator[Step]:
        raise error

    monkeypatch.setattr(prepare, "optimize_steps", failing)
    one_line(run("stylize", "cat.png", *QUICK), 1, says)
    assert "Traceback" in run("--debug", "stylize", "cat.png", *QUICK).err
    assert "Traceback" in run("stylize", "cat.png", *QUICK, "--debug").err


def test_a_full_disk_at_the_end_keeps_the_checkpoint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise artkit.ArtkitError("cannot write: no space left on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(painting, "save", full)
        one_line(run("stylize", "cat.png", *QUICK, "-o", "out.png"), 1, "no space left")
    assert Path("out.png.resume").read_text() == "4"


def test_a_reader_that_leaves_is_no_bug() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "artkit.interfaces.cli", "doctor", "--json"]
    ended = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=Path(artkit.__file__).parents[1]
    )
    os.close(write)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "bug" not in ended.stderr


# --- the other commands -------------------------------------------------------------------------------------------


def test_examples_in_the_help_stand_on_lines_of_their_own(run: Run) -> None:
    for words, example in (
        ([], "artkit stylize photo.jpg --style painting.jpg"),
        (["stylize"], "artkit stylize cat.jpg --style wave.jpg"),
        (["completion"], "zsh:   artkit completion zsh >> ~/.zshrc"),
    ):
        shown = run(*words, "--help").out
        assert example in [line.strip() for line in shown.splitlines()]
        assert "\\b" not in shown


def test_version(run: Run) -> None:
    assert run("--version").out == f"artkit {artkit.__version__}\n"


def test_every_command_has_help(run: Run) -> None:
    for name in commands.COMMANDS:
        ended = run(name, "--help")
        assert ended.code == 0
        assert f"Usage: artkit {name}" in ended.out
    for flag in (
        "--size",
        "--seed",
        "--output",
        "--content-weight",
        "--mask",
        "--json",
        "[default: 512; 64<=x<=16384]",
    ):
        assert flag in run("stylize", "--help").out


def test_doctor_knows_the_machine(run: Run) -> None:
    ended = run("doctor", "--json")
    report = json.loads(ended.out)
    assert report["artkit"] == artkit.__version__
    assert report["machine"]["gflops"] > 0
    assert report["machine"]["memory_budget"] > 0
    assert set(report["weights"]) == {"folder", "installed"}
    assert ended.code == (1 if report["problems"] else 0)
    text = run("doctor").out
    assert f"artkit {artkit.__version__}" in text
    assert "BLAS" in text


def test_doctor_reports_problems(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, Any]:
        raise artkit.ArtkitError("two MLX backends are installed; pip uninstall one")

    monkeypatch.setattr("artkit.device.describe", broken)
    ended = run("doctor")
    assert ended.code == 1
    assert "PROBLEM: two MLX backends" in ended.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Run, shell: str) -> None:
    ended = run("completion", shell)
    assert ended.code == 0
    assert "_ARTKIT_COMPLETE" in ended.out


def test_completion_offers_commands_and_choices(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    def offered(words: str, position: int) -> list[str]:
        monkeypatch.setenv("_ARTKIT_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(position))
        return run().out.split()

    assert offered("artkit st", 1) == ["plain,stylize", "plain,styles"]
    assert offered("artkit stylize --keep-color ", 3) == ["plain,off", "plain,luma", "plain,match"]
    assert offered("artkit stylize ca", 2) == ["file,ca"]


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'mlx', 'mlx.core', 'PIL', 'cv2', 'pydantic', 'rich', 'gradio', 'huggingface_hub', 'torch'}"
    code = f"""
import sys
from artkit.interfaces.cli import main
try:
    main(["--help"])
except SystemExit:
    found = {heavy} & set(sys.modules)
    sys.exit(f"imported {{found}}" if found else 0)
"""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(artkit.__file__).parents[1]
        )
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 1.0  # 0.08 s on an idle machine; the bound is for busy ones


# --- from Python --------------------------------------------------------------------------------------------------


def test_stylize_takes_paths_pictures_and_arrays() -> None:
    from_paths = artkit.stylize("cat.png", "gold.png", size=64, iterations=2)
    assert isinstance(from_paths, Image.Image)
    assert from_paths.size == (64, 48)
    array = np.asarray(Image.open("cat.png"))
    from_memory = artkit.stylize(array, [Image.open("gold.png")], size=64, iterations=2)
    assert np.array_equal(np.asarray(from_memory), np.asarray(from_paths))
    with pytest.raises(artkit.ArtkitError, match='"size"'):
        artkit.stylize("cat.png", "gold.png", siz=64)
    with pytest.raises(artkit.ArtkitError, match="stary"):
        artkit.stylize("cat.png", "stary")


def test_stylize_keeps_alpha() -> None:
    glass = np.full((64, 64, 4), 128, np.uint8)
    assert artkit.stylize(glass, "gold.png", size=64, iterations=1).mode == "RGBA"


def test_the_package_is_the_function_in_any_order() -> None:
    code = (
        "import artkit.stylize.options, artkit; assert callable(artkit.stylize); artkit.stylize.options.OptimizeOptions"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(artkit.__file__).parents[1])


def test_every_public_name_exists() -> None:
    for name in artkit.__all__:
        assert getattr(artkit, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = artkit.nonsense  # pyright: ignore[reportAttributeAccessIssue]
