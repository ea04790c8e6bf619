"""style.toml: what is written is what is read, and what is wrong is named in one line."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from artkit.contract import WeightsError
from artkit.stylize.manifest import MAX_BYTES, Manifest, NetworkFile, locate, parse, read
from tests.style_files import MANIFEST

FULL = NetworkFile(file="../networks/full.safetensors", slot=3, sha256="0123456789abcdef" * 4)
TOML = MANIFEST.model_copy(update={"networks": {"full": FULL}}).to_toml()


def test_the_text_is_plain_toml() -> None:
    assert tomllib.loads(TOML) == {
        "format": 1,
        "title": "The Starry Night",
        "artist": "Vincent van Gogh",
        "year": "1889",
        "licence": "Public domain",
        "source": "https://example.org/starry",
        "description": "Swirls, blue and yellow.",
        "strength": 0.9,
        "stroke": 0.8,
        "texture": 0.35,
        "networks": {
            "full": {"file": "../networks/full.safetensors", "slot": 3, "sha256": "0123456789abcdef" * 4},
        },
    }


LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=50)


@given(LINES.filter(bool), LINES, st.floats(0, 1), st.floats(0.5, 2), st.integers(1, 100_000))
def test_every_manifest_comes_back(title: str, description: str, strength: float, stroke: float, slot: int) -> None:
    entry = NetworkFile(file="a b/c.artstyle", slot=slot, sha256="f" * 64)
    manifest = Manifest(
        title=title,
        description=description,
        strength=strength,
        stroke=stroke,
        networks={"light": entry, "full": FULL},
    )
    assert parse(manifest.to_toml().encode(), "style.toml") == manifest
    alone = manifest.model_copy(update={"networks": {}})
    assert Manifest.from_json(manifest.to_json(), "x.artstyle") == alone


def test_only_format_title_and_networks_are_asked_for() -> None:
    text = 'format = 1\ntitle = "x"\n[networks.light]\nfile = "a.artstyle"\nslot = 1\nsha256 = "' + "0" * 64 + '"'
    held = parse(text.encode(), "style.toml")
    assert (held.artist, held.strength, held.stroke) == ("", 1.0, 1.0)
    with pytest.raises(ValidationError):
        held.title = "y"  # pyright: ignore[reportAttributeAccessIssue]  (that it is frozen is the point)


def changed(old: str, new: str) -> str:
    assert old in TOML
    return TOML.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '"format" is missing; it should be 1'),
        (changed("format = 1", "format = 2\nnovelty = 1"), "made by a newer artkit (format 2); update artkit"),
        (changed("format = 1", "format = true"), '"format" is True: it should be 1'),
        (changed("format = 1", "format = 0"), '"format" is 0: it should be 1'),
        (changed("format = 1", 'format = "1"'), "\"format\" is '1': it should be 1"),
        (changed('title = "The Starry Night"\n', ""), '"title" is missing'),
        (changed('"The Starry Night"', '""'), "\"title\" is '': "),
        (changed("artist", "artits"), 'unknown key "artits"; did you mean "artist"?'),
        (changed("slot", "slto"), '"networks.full.slot" is missing'),
        (changed("slot", "mood = 1\nslot"), 'unknown key "networks.full.mood"'),
        (changed('"1889"', "1889"), '"year" should be text, in quotes'),
        (changed("0.9", "1.1"), '"strength" is 1.1: input should be less than or equal to 1'),
        (changed("0.9", "nan"), '"strength" is nan: input should be a finite number'),
        (changed("0.9", "true"), '"strength" is True: '),
        (changed("stroke = 0.8", "stroke = 0.4"), '"stroke" is 0.4: input should be greater than or equal to 0.5'),
        (changed("Swirls", "\\u001b[2J"), "should be one line without control characters"),
        (changed("Swirls", "one\\ntwo"), "should be one line without control characters"),
        (changed("Swirls", "S" * 2000), '"description" is '),
        (changed("networks.full", "networks.huge"), "\"networks.huge\" is 'huge': input should be 'full' or 'light'"),
        (changed("slot = 3", "slot = 0"), '"networks.full.slot" is 0: '),
        (changed("0123456789abcdef", "0123456789ABCDEF"), '"networks.full.sha256" is '),
        (changed("0123456789abcdef", "01234567"), '"networks.full.sha256" is '),
        (TOML.partition("\n[")[0], '"networks" is missing'),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(WeightsError) as error:
        parse(text.encode(), "mine/style.toml")
    assert str(error.value).startswith("mine/style.toml: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("../../full.safetensors", "leads out of the gallery's folder"),
        ("../networks/../../full.safetensors", "leads out of the gallery's folder"),
        ("a/../../../x.artstyle", "leads out of the gallery's folder"),
        ("/etc/full.safetensors", "should be relative"),
        ("..\\..\\full.safetensors", "should be relative"),
        ("C:/full.safetensors", "should be relative"),
        ("file://full.safetensors", "should be relative"),
        ("full.pth", "should end in .safetensors or .artstyle"),
        ("", "should end in .safetensors or .artstyle"),
    ],
)
def test_no_file_outside_of_the_gallery_is_named(file: str, reason: str) -> None:
    text = TOML.replace('"../networks/full.safetensors"', f"'{file}'")
    with pytest.raises(WeightsError, match=r"networks\.full\.file") as error:
        parse(text.encode(), "style.toml")
    assert reason in str(error.value)


def test_no_link_leads_out_of_the_gallery(tmp_path: Path) -> None:
    gallery, outside = tmp_path / "styles", tmp_path / "outside"
    for folder in (gallery / "networks", gallery / "wave", outside):
        folder.mkdir(parents=True)
    (gallery / "networks" / "in.safetensors").touch()
    (outside / "out.safetensors").touch()
    (gallery / "wave" / "near.safetensors").symlink_to("../networks/in.safetensors")
    (gallery / "wave" / "far.safetensors").symlink_to(outside / "out.safetensors")
    (gallery / "wave" / "folder").symlink_to(outside)
    (gallery / "linked").symlink_to(outside)
    wanted = (gallery / "networks" / "in.safetensors").resolve()
    assert locate(gallery / "wave", "../networks/in.safetensors") == wanted
    assert locate(gallery / "wave", "near.safetensors") == wanted
    for folder, file in (
        ("wave", "far.safetensors"),
        ("wave", "folder/out.safetensors"),
        ("linked", "out.safetensors"),
    ):
        with pytest.raises(WeightsError, match=r"leads out of .*styles"):
            locate(gallery / folder, file)


@pytest.mark.parametrize("text", [b"title = ", b"title = 'a'\ntitle = 'b'", b"x = " + b"[" * 20_000, b"\x00"])
def test_what_is_no_toml_is_said(text: bytes) -> None:
    with pytest.raises(WeightsError, match=r"^style\.toml is not TOML: "):
        parse(text, "style.toml")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "style.toml"
    with pytest.raises(WeightsError, match=r"cannot read .*style\.toml: No such file"):
        read(path)
    path.write_bytes(TOML.replace("Swirls", "Wirbel, größer").encode("latin-1"))
    with pytest.raises(WeightsError, match=r"style\.toml is not UTF-8 text"):
        read(path)
    path.write_text(TOML + "#" * MAX_BYTES)
    with pytest.raises(WeightsError, match=r"65,537 bytes long"):
        read(path)
    path.write_text(TOML)
    assert read(path).networks["full"] == FULL
