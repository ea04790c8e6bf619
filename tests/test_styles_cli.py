"""`artkit styles …` as a person or a script calls it."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from artkit.contract import WeightsError
from artkit.image import Picture, load
from artkit.interfaces.cli import main
from artkit.nets.stylenets import LIGHT
from artkit.stylize import gallery
from artkit.stylize.options import RestyleOptions
from artkit.stylize.stylefile import write_style
from tests.style_files import MANIFEST, make_gallery, make_style, sha256

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of two styles, no styles of the person's own, and a current folder with a photo and a style file."""
    root = tmp_path / "shipped"
    digest = make_gallery(root, "wave", "starry")
    monkeypatch.setattr(gallery, "folder", lambda: root)
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 40), (0, 0, 255)).save("photo.png")
    size = LIGHT.code_size
    write_style(Path("rain.artstyle"), MANIFEST, LIGHT, mx.ones(size), mx.zeros(size), base=digest)
    return root


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """`artkit styles ARGUMENTS` -> exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["styles", *arguments])
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call


# --- list, show -----------------------------------------------------------------------------------------------------


def test_the_list_is_aligned(call: Call, shipped: Path) -> None:
    make_style(shipped / "x", "../networks/light.safetensors", 1, "0" * 64)
    toml = shipped / "x" / "style.toml"
    toml.write_text(toml.read_text().replace('"X"', '"神奈川沖浪裏"').replace("Vincent van Gogh", "北斎"))
    code, out, err = call()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "name    title         artist            year  licence        network",
        "starry  Starry        Vincent van Gogh  1889  Public domain  light",
        "wave    Wave          Vincent van Gogh  1889  Public domain  light",
        "x       神奈川沖浪裏  北斎              1889  Public domain  light",
    ]


def test_the_list_as_json(call: Call, shipped: Path) -> None:
    toml = shipped / "wave" / "style.toml"
    text = toml.read_text()
    full = text[text.index("[networks") :].replace("light", "full").replace("slot = 1", "slot = 7")
    toml.write_text(text + "\n" + full)
    code, out, err = call("--json")
    assert (code, err) == (0, "")
    common = {"artist": "Vincent van Gogh", "year": "1889", "licence": "Public domain"}
    assert json.loads(out) == [
        {"name": "starry", "title": "Starry", **common, "network": "light"},
        {"name": "wave", "title": "Wave", **common, "network": "full, light"},
    ]


def test_a_damaged_style_is_named_and_the_others_are_listed(call: Call, tmp_path: Path) -> None:
    call("add", "rain.artstyle")
    (tmp_path / "data" / "styles" / "rain" / "style.toml").write_text('format = 1\ntitle = "x"\nmood = "good"')
    code, out, err = call("--json")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == ["starry", "wave"]
    assert err.startswith("artkit: ")
    assert err.endswith('data/styles/rain/style.toml: unknown key "mood"\n')
    assert err.count("\n") == 1


def test_without_styles_the_list_says_what_to_do(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "folder", lambda: tmp_path / "nowhere")
    code, out, err = call()
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert "no named styles are installed yet" in out
    assert "artkit stylize photo.jpg --style painting.jpg" in out
    assert call("--json") == (0, "[]\n", "")
    code, out, err = call("sheet", "-o", "sheet.jpg", "photo.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no named styles are installed yet" in err


def test_show(call: Call, shipped: Path) -> None:
    code, out, err = call("show", "starry")
    assert (code, err) == (0, "")
    facts = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in out.splitlines()}
    assert facts == {
        "name": "starry",
        "title": "Starry",
        "artist": "Vincent van Gogh",
        "year": "1889",
        "licence": "Public domain",
        "network": "light",
        "source": "https://example.org/starry",
        "description": "Swirls, blue and yellow.",
        "strength": "0.9",
        "stroke": "0.8",
        "texture": "0.35",
        "added by": "artkit",
        "light": f"{shipped}/starry/../networks/light.safetensors, slot 2",
    }


# --- add, remove ----------------------------------------------------------------------------------------------------


def test_a_style_comes_and_goes(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "data" / "styles" / "monsoon"
    code, out, err = call("add", "rain.artstyle", "--name", "monsoon")
    assert (code, out) == (0, f"{place}\n")
    assert err == "monsoon: The Starry Night; artkit stylize photo.jpg --style monsoon\n"
    assert sha256(place / "style.artstyle") == sha256(tmp_path / "rain.artstyle")
    assert "added by     you" in call("show", "monsoon")[1]
    assert call("add", "rain.artstyle", "--name", "monsoon")[0] == 2
    assert call("add", "rain.artstyle", "--name", "monsoon", "--overwrite")[0] == 0
    assert call("remove", "monsoon") == (0, "", "monsoon removed\n")
    assert not place.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "stary"], 2, 'no style "stary"; did you mean "starry"? (artkit styles lists all 2)'),
        (["remove", "stary"], 2, 'did you mean "starry"?'),
        (["remove", "wave"], 2, '"wave" comes with artkit and is not removed'),
        (["add", "rain.artstyle", "--name", "wave"], 2, "--overwrite replaces it"),
        (["add", "rain.artstyle", "--name", "../x"], 2, "cannot be a name of a style"),
        (["add", "photo.png"], 2, "artkit stylize photo.jpg --style photo.png"),
        (["add", "nothing.artstyle"], 1, "cannot read nothing.artstyle: No such file or directory"),
        (["add", "http://example.org/x.zip"], 2, "not an https address"),
        (["add", "hf:rain"], 2, "hf:user/repo"),
        (["--json", "show", "wave"], 2, "--json goes with artkit styles alone"),
        (["sheet"], 2, "missing option '-o'"),
        (["sheet", "-o", "sheet.docx"], 1, "sheet.docx"),
        (["sheet", "-o", "photo.png"], 1, "exists already"),
        (["sheet", "-o", "sheet.png"], 2, "no style comes with a preview; give a photo"),
        (["sheet", "-o", "sheet.png", "nothing.jpg"], 1, 'no file "nothing.jpg"'),
    ],
)
def test_errors_are_one_line(call: Call, arguments: list[str], code: int, message: str) -> None:
    got, out, err = call(*arguments)
    assert (got, out) == (code, "")
    last = err.splitlines()[-1]
    assert message in last
    assert last.startswith("artkit: ")
    assert len(err.splitlines()) == (3 if arguments == ["sheet", "-o", "sheet.png"] else 1)


def test_offline(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, out, err = call("add", "hf:somebody/rain")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "HF_HUB_OFFLINE is set" in err


# --- sheet ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def restyled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Picture, list[str]]]:
    """What `restyle` is asked for; in its place, pictures in style "wave" are red, in "starry" green."""
    asked: list[tuple[Picture, list[str]]] = []
    colors = {"wave": (1, 0, 0), "starry": (0, 1, 0)}

    def restyle(photo: Picture, styles: Sequence[str], options: RestyleOptions) -> Picture:
        assert options.size == max(photo.size)
        asked.append((photo, list(styles)))
        if styles[0] not in colors:
            raise WeightsError(f'style "{styles[0]}" is damaged')
        return Picture(np.broadcast_to(np.array(colors[styles[0]], np.float32), photo.pixels.shape))

    module = ModuleType("artkit.stylize.feedforward")
    vars(module)["restyle"] = restyle
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def test_a_sheet_has_the_photo_and_every_style(call: Call, restyled: list[tuple[Picture, list[str]]]) -> None:
    code, out, err = call("sheet", "photo.png", "-o", "sheet.png", "--size", "90")
    assert (code, out) == (0, "sheet.png\n")
    assert err == "1 of 2: starry\n2 of 2: wave\n"
    assert [(photo.size, styles) for photo, styles in restyled] == [((90, 60), ["starry"]), ((90, 60), ["wave"])]
    pixels = load("sheet.png").pixels
    counts = [int((pixels == color).all(axis=2).sum()) for color in ((0, 0, 1), (0, 1, 0), (1, 0, 0))]
    assert counts == [90 * 60] * 3
    assert call("sheet", "photo.png", "-o", "sheet.png")[0] == 1
    assert call("sheet", "photo.png", "-o", "sheet.png", "--overwrite")[0] == 0
    assert load("sheet.png").width > pixels.shape[1]


def test_a_sheet_goes_on_without_a_damaged_style(
    call: Call, shipped: Path, restyled: list[tuple[Picture, list[str]]]
) -> None:
    make_style(shipped / "rain", "rain.artstyle", 1, "0" * 64)
    code, out, err = call("sheet", "photo.png", "-o", "sheet.png", "--size", "90")
    assert (code, out) == (0, "sheet.png\n")
    assert 'artkit: style "rain" is damaged\n' in err
    (shipped / "starry" / "style.toml").unlink()
    (shipped / "wave" / "style.toml").unlink()
    code, out, err = call("sheet", "photo.png", "-o", "other.png")
    assert (code, out) == (1, "")
    assert err == '1 of 1: rain\nartkit: style "rain" is damaged\n'
    assert not Path("other.png").exists()


def test_a_sheet_of_previews_needs_no_network(call: Call, shipped: Path) -> None:
    Image.new("RGB", (30, 20), (255, 0, 0)).save(shipped / "wave" / "preview.jpg", quality=100)
    make_style(shipped / "rain", "x.artstyle", 1, "0" * 64)
    (shipped / "rain" / "preview.jpg").write_bytes(b"rain")
    code, out, err = call("sheet", "-o", "sheet.png", "--size", "90")
    assert (code, out) == (0, "sheet.png\n")
    assert "starry has no preview\n" in err
    assert 'artkit: rain: "preview.jpg"' in err
    red = np.abs(load("sheet.png").pixels - (1, 0, 0)).max(axis=2) < 0.02
    assert red.sum() == 90 * 60


# --- the command ----------------------------------------------------------------------------------------------------


def test_listing_starts_no_network() -> None:
    """Heavy modules come with the command that needs them."""
    code = (
        "import sys, artkit.interfaces.styles_cli\n"
        "heavy = ('numpy', 'mlx', 'pydantic', 'rich', 'urllib.request', 'huggingface_hub')\n"
        "print([m for m in heavy if m in sys.modules])\n"
        "from artkit.stylize import gallery; gallery.installed()\n"
        "print([m for m in ('mlx.core', 'cv2', 'urllib.request', 'huggingface_hub') if m in sys.modules])\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).splitlines() == ["[]", "[]"]


def test_names_are_completed() -> None:
    from click.shell_completion import ShellComplete

    from artkit.interfaces.styles_cli import styles

    complete = ShellComplete(styles, {}, "styles", "_STYLES_COMPLETE")
    assert [item.value for item in complete.get_completions(["show"], "")] == ["starry", "wave"]
    assert [item.value for item in complete.get_completions(["remove"], "wa")] == ["wave"]
