"""`artkit train many | any | mine` from pictures to a style that is used by its name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artkit.image import load
from artkit.interfaces import training
from artkit.interfaces.cli import main
from artkit.stylize import gallery
from artkit.stylize.predicting import read_predictor
from artkit.stylize.stylefile import read_network
from artkit.train import loop
from tests.style_files import make_gallery

QUICK = ["--crop", "64", "--batch", "4", "--style-size", "64", "--steps", "3"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pictures to learn and a photo; no styles but those that are trained here."""
    (tmp_path / "pictures").mkdir()
    y, x = np.mgrid[:90, :90] / 5
    for name, angle in (("Great Wave", 1), ("scream", 2)):
        pixels = np.stack([np.sin(x * angle + y), np.cos(y), np.sin(x)], axis=-1)
        Image.fromarray((pixels * 127 + 128).astype(np.uint8)).save(tmp_path / "pictures" / f"{name}.png")
    Image.fromarray((pixels * 60 + 128).astype(np.uint8)).resize((70, 50)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(gallery, "folder", lambda: tmp_path / "shipped")
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit:
        main(list(words))
    out, err = capfd.readouterr()
    return int(exit.value.code or 0), out, err


def works(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    code, out, err = run(capfd, *words)
    assert code == 0, err
    return out


def test_many_styles_make_a_gallery(capfd: pytest.CaptureFixture[str]) -> None:
    out = works(capfd, "train", "many", "--styles", "pictures", "-o", "out", "--plan", "light", *QUICK, "--noise", "0")
    assert "2 styles" in out
    assert load("out/preview.jpg").size == (256, 192)  # four drawn photos, and two styles below them
    said = Path("out/report.md").read_text(encoding="utf-8")
    assert {"great-wave", "scream", "**mean**"} < {
        line.split("|")[1].strip() for line in said.splitlines() if "|" in line
    }
    assert "4 pictures drawn by artkit" in said
    assert load("out/report.png").width > 1000
    assert works(capfd, "styles", "add", "out/great-wave", "--name", "wave")
    assert gallery.get("wave").manifest.title == "Great Wave"
    assert works(capfd, "stylize", "photo.png", "--style", "wave", "--size", "70", "-o", "painted.png", "-q") == ""
    assert load("painted.png").size == (70, 50)
    held = gallery.network(gallery.get("wave"), "light")
    assert held.codes[0, -1].item() == 1
    assert np.abs(np.array(held.strokes[0])).max() == 0
    code, _, err = run(capfd, "train", "many", "--styles", "pictures", "-o", "out", *QUICK)
    assert code == 2
    assert "--resume" in err


def test_a_training_begins_with_the_network_of_another(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--plan", "light", *QUICK, "--learning-rate", "1e-9"]  # so that it ends where it begins
    many = ["train", "many", "--styles", "pictures", *words]
    works(capfd, *many, "-o", "one")
    works(capfd, *many, "--seed", "1", "-o", "two", "--start", "one/networks/light.safetensors")
    one, two = (read_network(Path(f"{out}/networks/light.safetensors")) for out in ("one", "two"))
    np.testing.assert_allclose(np.array(one.codes), np.array(two.codes), atol=1e-3)
    code, _, err = run(capfd, *many, "-o", "three", "--plan", "full", "--start", "one/networks/light.safetensors")
    assert code == 2
    assert "is a light network of 2 styles, not a full one of 2; --start takes one of the same --plan" in err
    any_style = ["train", "any", "--paintings", "pictures", *words]
    works(capfd, *any_style, "-o", "four")
    works(capfd, *any_style, "--seed", "1", "-o", "five", "--start", "four/networks/predictor.safetensors")
    four, five = (read_predictor(Path(f"{out}/networks/predictor.safetensors")) for out in ("four", "five"))
    for name, tensor in four.predictor.weights.items():
        np.testing.assert_allclose(np.array(tensor), np.array(five.predictor.weights[name]), atol=1e-3)


def test_a_stopped_training_goes_on(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "many", "--styles", "pictures", "--plan", "light", *QUICK, "--steps", "4"]
    works(capfd, *words, "-o", "whole")
    steps = loop.train_steps

    def stopping(*args, **kwargs):
        for progress in steps(*args, **kwargs):
            yield progress
            if progress.step == 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("artkit.train.manystyle.train_steps", stopping)
        code, _, err = run(capfd, *words, "-o", "cut")
    assert code == 130
    assert "--resume goes on" in err
    works(capfd, *words, "-o", "cut", "--resume")
    wholly, cut = (Path(name, "networks", "light.safetensors").read_bytes() for name in ("whole", "cut"))
    assert wholly == cut


def test_broken_pictures_are_left_out_and_counted(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "pictures" / "broken.jpg").write_bytes(b"not a picture")
    (here / "pictures" / "folder.jpg").mkdir()
    words = ["train", "many", "--styles", "pictures", "--photos", "pictures", "--plan", "light", *QUICK, "-o", "out"]
    code, out, err = run(capfd, *words, "--resume")
    assert code == 0
    assert "2 styles" in out
    assert err.count("1 of the pictures cannot be read and are left out\n") == 2  # of the photos, and of the styles
    assert "out: nothing to resume, starting from the beginning" in err
    for picture in (here / "pictures").glob("*.png"):
        picture.write_bytes(b"not a picture")
    code, _, err = run(capfd, "train", "many", "--styles", "pictures", *QUICK, "-o", "other")
    assert code == 1
    assert "none of the pictures in pictures can be read" in err


def test_any_style_makes_styles_of_pictures(capfd: pytest.CaptureFixture[str]) -> None:
    Path("pictures/broken.jpg").write_bytes(b"not a picture")
    for number in range(3):
        Path(f"pictures/z{number}.png").write_bytes(Path("pictures/scream.png").read_bytes())
    code, _, err = run(capfd, "train", "any", "--paintings", "pictures", "-o", "out", "--plan", "light", *QUICK)
    assert code == 0
    assert "1 of the pictures cannot be read" in err
    assert "| z0 |" in Path("out/report.md").read_text(encoding="utf-8")  # one in five is held back, the middle one
    for number, picture in enumerate(("Great Wave", "scream")):
        predictor = ["--predictor", "out/networks/predictor.safetensors"]
        works(capfd, "styles", "make", f"pictures/{picture}.png", "--name", f"made{number}", *predictor)
    listed = json.loads(works(capfd, "styles", "--json"))
    assert [style["name"] for style in listed] == ["made0", "made1"]
    works(capfd, "stylize", "photo.png", "-s", "made0", "-s", "made1", "--size", "70", "-o", "painted.png", "-q")
    codes = [gallery.network(gallery.get(f"made{n}"), "light").code(1) for n in (0, 1)]
    assert float(abs(codes[0] - codes[1]).max()) > 1e-4
    code, _, err = run(
        capfd, "styles", "make", "photo.png", "--name", "x", "--predictor", "out/networks/light.safetensors"
    )
    assert code == 1
    assert "does not predict styles" in err
    Path("alone").mkdir()
    alone = ["--predictor", "alone/predictor.safetensors"]
    Path(alone[1]).write_bytes(Path("out/networks/predictor.safetensors").read_bytes())
    for _ in range(2):  # without a network beside it, and then with another one
        code, _, err = run(capfd, "styles", "make", "photo.png", "--name", "x", *alone)
        assert code == 1
        assert "keep the two together" in err
        Path("alone/light.safetensors").write_bytes(b"another one")


@pytest.mark.parametrize("deep", [[], ["--deep"]], ids=["code", "deep"])
def test_a_style_of_your_own_is_there_by_its_name(
    here: Path, capfd: pytest.CaptureFixture[str], deep: list[str]
) -> None:
    make_gallery(here / "data" / "styles", "starry")
    words = ["train", "mine", "pictures/scream.png", "--name", "mine", "--plan", "light", *QUICK, *deep]
    said = works(capfd, *words, "-o", "kept")
    assert "mine  style " in said
    assert "0: the photo" in said
    assert "| mine |" in Path("kept/report.md").read_text(encoding="utf-8")
    assert gallery.get("mine").manifest.title == "Mine"
    works(capfd, "stylize", "photo.png", "--style", "mine", "--size", "70", "-o", "painted.png", "-q")
    slowly = "--no-fast", "--iterations", "1", "-o", "slowly.png", "-q"
    works(capfd, "stylize", "photo.png", "--style", "mine", "--size", "70", *slowly)
    assert Path("kept/mine.artstyle").stat().st_size < (10_000 if not deep else 400_000)
    code, _, err = run(capfd, *words)
    assert code == 2
    assert 'there is a style "mine" already' in err


@pytest.mark.parametrize("said", ["[malloc] Unable to allocate 9 bytes.", "cudaMallocAsync failed: out of memory"])
def test_too_little_memory_says_which_batch_and_crop_fit(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    steps = loop.train_steps

    def short(weights, loss, item, options, **rest):
        if options.batch * options.crop**2 > 4 * 96**2:
            raise RuntimeError(said)
        yield from steps(weights, loss, item, options, **rest)

    monkeypatch.setattr("artkit.train.manystyle.train_steps", short)
    words = ["train", "many", "--styles", "pictures", "--plan", "light", *QUICK, "--batch", "16", "--crop", "160"]
    code, _, err = run(capfd, *words, "-o", "out")
    assert code == 1
    *_, last = err.splitlines()
    assert last == "artkit: not enough memory for --batch 16 --crop 160; --batch 4 --crop 64 fits"
    code, _, err = run(capfd, *words, "-o", "out", "--quiet")
    assert err.count("\n") == 1


def test_the_sizes_that_are_tried_get_smaller_to_the_least() -> None:
    tried = list(training.smaller(16, 256))
    assert tried == [(8, 256), (4, 256), (4, 128), (4, 64)]
    assert list(training.smaller(4, 64)) == []
    assert list(training.smaller(20, 96)) == [(8, 96), (4, 96), (4, 64)]


def test_how_long_it_takes_is_said_early(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 30))
    monkeypatch.setattr(training.time, "monotonic", lambda: float(next(clock)))
    pace = training.Pace()
    told = [pace(loop.Progress(step, step / 600, 0, {}, {}, lambda path: None)) for step in range(1, 12)]
    assert told[0] == "step 1 is done"
    assert told[2] == "step 3, 30 s each, about 5.0 h to go"  # 597 steps of 30 s
    assert told[9] == "step 10, 30 s each, about 4.9 h to go"
    assert sum(line is not None for line in told) == 3
    assert [training.duration(seconds) for seconds in (40, 120, 9000)] == ["40 s", "2 min", "2.5 h"]


def test_a_style_of_your_own_that_was_stopped_is_there_so_far(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_gallery(here / "data" / "styles", "starry")
    steps = loop.train_steps

    def stopping(*args, **kwargs):
        yield next(steps(*args, **kwargs))
        raise KeyboardInterrupt

    words = ["train", "mine", "pictures/scream.png", "--plan", "light", *QUICK]
    with monkeypatch.context() as patch:
        patch.setattr("artkit.train.personal.train_steps", stopping)
        code, _, err = run(capfd, *words, "--name", "mine", "-q")
        assert (code, err.count("\n")) == (130, 1)
        assert '"mine" is what was learned so far' in err
        assert gallery.get("mine").own
        code, _, err = run(capfd, *words, "--name", "kept", "-o", "kept")
        assert "--resume --overwrite goes on" in err
    works(capfd, *words, "--name", "kept", "-o", "kept", "--resume", "--overwrite")


def test_every_picture_has_a_style_of_its_own_whatever_it_is_called(capfd: pytest.CaptureFixture[str]) -> None:
    names = ["a b", "a-b", "葛飾", "北斎", "networks", "_x", "line\nbreak", "latin\udce9"]
    for name in names:
        Path("pictures/scream.png").rename(f"pictures/{name}.png")
        Path("pictures/scream.png").write_bytes(Path(f"pictures/{name}.png").read_bytes())
    works(capfd, "train", "many", "--styles", "pictures", "-o", "out", "--plan", "light", *QUICK[:-1], "1")
    made = sorted(path.parent.name for path in Path("out").glob("*/style.toml"))
    assert len(made) == len(names) + 2
    assert {"a-b", "a-b-2", "style", "style-2", "networks-2", "x", "line-break", "latin"} < set(made)
    works(capfd, "styles", "add", "out/line-break")


def test_without_a_network_to_learn_with_it_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capfd, "train", "mine", "photo.png", "--name", "mine")
    assert code == 2
    assert "artkit train many makes one" in err
    code, _, err = run(capfd, "train", "mine", "photo.png", "--name", "No Name")
    assert code == 2


def test_a_missing_folder_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    for words in (["any", "--paintings", "nowhere"], ["many", "--styles", "nowhere"]):
        code, _, err = run(capfd, "train", *words, "-o", "out")
        assert code == 1
        assert "nowhere" in err
        assert err.count("\n") == 1
