"""The gallery: names, pictures and networks."""

import os
from pathlib import Path

import mlx.core as mx
import platformdirs
import pytest

from artkit.contract import PictureError, UnknownStyle, WeightsError, WrongCall
from artkit.nets.stylenets import FULL
from artkit.stylize import gallery
from artkit.stylize.stylefile import write_network
from tests.style_files import make_gallery, make_style, random_network, sha256


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of two styles that share a network, in place of the shipped one, and none of the person's own."""
    root = tmp_path / "shipped"
    make_gallery(root, "wave", "starry")
    monkeypatch.setattr(gallery, "folder", lambda: root)
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture
def base(shipped: Path) -> str:
    return sha256(shipped / "networks" / "light.safetensors")


# --- finding --------------------------------------------------------------------------------------------------------


def test_styles_by_name(shipped: Path) -> None:
    assert gallery.names() == ["starry", "wave"]
    style = gallery.get("starry")
    assert (style.name, style.folder, style.manifest.title) == ("starry", shipped / "starry", "Starry")
    assert not style.own
    assert style.preview is None
    assert gallery.installed() == ([style, gallery.get("wave")], [])


@pytest.mark.parametrize(
    "name", ["stary", "", "..", "networks", "wave/../starry", "../shipped/wave", "Wafe", ".hidden"]
)
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(UnknownStyle) as error:
        gallery.get(name)
    if name == "stary":
        assert str(error.value) == 'no style "stary"; did you mean "starry"? (artkit styles lists all 2)'


def test_no_gallery_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "folder", lambda: tmp_path / "nowhere")
    assert gallery.names() == []
    assert gallery.installed() == ([], [])
    with pytest.raises(UnknownStyle, match="no named styles are installed yet"):
        gallery.get("starry")


def test_pictures_are_found_and_names_are_suggested(tmp_path: Path) -> None:
    for name in ("painting.jpg", "folder/painting", str(tmp_path)):
        assert gallery.find(name) == Path(name)
    with pytest.raises(UnknownStyle, match='no style "wavy"; did you mean "wave"'):
        gallery.find("wavy")
    with pytest.raises(WrongCall, match='"wave" is a style of the gallery, a network without its picture'):
        gallery.find("wave")
    (tmp_path / "wave").touch()
    assert gallery.find("wave") == Path("wave")
    with pytest.raises(PictureError, match="internet address"):
        gallery.find("https://example.org/wave.jpg")


def test_where_styles_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gallery.own_folder() == tmp_path / "data" / "styles"
    monkeypatch.setenv("ARTKIT_DATA_DIR", "~/art")
    assert gallery.own_folder() == Path.home() / "art" / "styles"
    monkeypatch.delenv("ARTKIT_DATA_DIR")
    assert gallery.own_folder() == platformdirs.user_data_path("artkit", appauthor=False) / "styles"


def test_a_damaged_style_does_not_hide_the_others(shipped: Path) -> None:
    (shipped / "wave" / "style.toml").write_text("title =")
    styles, errors = gallery.installed()
    assert [style.name for style in styles] == ["starry"]
    assert len(errors) == 1
    assert f"{shipped / 'wave' / 'style.toml'} is not TOML" in str(errors[0])
    with pytest.raises(WeightsError, match="is not TOML"):
        gallery.get("wave")


def test_a_style_that_is_a_link_out_of_the_gallery_is_damaged(shipped: Path, tmp_path: Path) -> None:
    make_gallery(tmp_path / "theirs", "rain", seed=7)
    (shipped / "rain").symlink_to(tmp_path / "theirs" / "rain")
    assert [style.name for style in gallery.installed()[0]] == ["starry", "wave"]
    with pytest.raises(WeightsError, match="leads out of"):
        gallery.get("rain")


# --- networks -------------------------------------------------------------------------------------------------------


def test_styles_share_what_is_read_once(shipped: Path) -> None:
    wave = gallery.network(gallery.get("wave"), "light")
    assert gallery.network(gallery.get("starry"), "light") is wave
    network, codes, _ = random_network(3)
    assert mx.array_equal(wave.codes, codes)
    assert mx.array_equal(wave.network.weights["out.weight"], network.weights["out.weight"])


def test_a_file_that_changes_is_read_anew(shipped: Path) -> None:
    gallery.network(gallery.get("wave"), "light")
    file = shipped / "networks" / "light.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(0, 0))
    with pytest.raises(WeightsError, match=r"light\.safetensors: damaged or another file: its SHA-256 is "):
        gallery.network(gallery.get("wave"), "light")


def test_what_cannot_be_drawn_is_said(shipped: Path, base: str) -> None:
    with pytest.raises(WrongCall, match='style "wave" has no full network, only light'):
        gallery.network(gallery.get("wave"), "full")
    file = "../networks/light.safetensors"
    make_style(shipped / "late", file, 3, base)
    with pytest.raises(
        WeightsError, match=r'style "late": slot 3 is not in .*light.safetensors, which ends at 2; inst'
    ):
        gallery.network(gallery.get("late"), "light")
    make_style(shipped / "absent", "absent.safetensors", 1, base)
    with pytest.raises(WeightsError, match=r'style "absent": .*absent\.safetensors is missing; install artkit again'):
        gallery.network(gallery.get("absent"), "light")
    digest = write_network(shipped / "networks" / "full.safetensors", *random_network(2, FULL))
    make_style(shipped / "other", "../networks/full.safetensors", 1, digest)
    with pytest.raises(WeightsError, match=r'style "other": .*full\.safetensors is a full network, not light'):
        gallery.network(gallery.get("other"), "light")
    make_style(shipped / "link", "far.safetensors", 1, base)
    (shipped / "link" / "far.safetensors").symlink_to("/etc/hostname")
    with pytest.raises(WeightsError, match="leads out of"):
        gallery.network(gallery.get("link"), "light")
