"""Where results go, and what a template may say."""

from pathlib import Path

import pytest

from artkit.contract import PictureError, WrongCall
from artkit.interfaces.outputs import STDOUT, checkpoint_of, numbered, targets


def places(output: str | None, *stems: str) -> list[str]:
    return [str(path) for path in targets(output, stems, style="wave", size=512, seed=7)]


def test_a_place_for_every_photo(tmp_path: Path) -> None:
    assert places(None, "cat") == ["cat_wave.png"]
    assert places("x.jpg", "cat") == ["x.jpg"]
    assert places("{stem}-{style}-{size}-{seed}-{n}.tif", "cat", "dog") == [
        "cat-wave-512-7-1.tif",
        "dog-wave-512-7-2.tif",
    ]
    assert places("{n:03}{{}}.png", "cat") == ["001{}.png"]
    assert places(str(tmp_path), "cat") == [str(tmp_path / "cat_wave.png")]
    assert places(f"{tmp_path}/new/", "cat") == [str(tmp_path / "new" / "cat_wave.png")]
    assert (tmp_path / "new").is_dir()
    assert targets("-", ["cat"], style="wave", size=512, seed=7) == [STDOUT]
    assert places("x.jpg") == []


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("", "-o is empty"),
        ("{stem", "template"),
        ("{}.png", "{} is not known"),
        ("{stem.__class__}.png", "{stem.__class__} is not known"),
        ("{name}.png", "{name} is not known"),
        ("{size:q}.png", "template"),
        ("{size:{depth}}.png", "{size:{depth}} is not known"),
        ("{n!x}.png", "template"),
    ],
)
def test_wrong_templates(output: str, says: str) -> None:
    with pytest.raises(WrongCall) as error:
        places(output, "cat")
    assert says in str(error.value)


def test_folders_of_a_template_are_made_and_those_of_a_plain_name_are_not(tmp_path: Path) -> None:
    assert places(f"{tmp_path}/{{style}}/{{stem}}.png", "cat") == [str(tmp_path / "wave" / "cat.png")]
    assert (tmp_path / "wave").is_dir()
    places(f"{tmp_path}/mistyped/cat.png", "cat")
    assert not (tmp_path / "mistyped").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").touch()
    for output in (f"{tmp_path}/cat.jpg/", f"{tmp_path}/cat.jpg/{{stem}}.png"):
        with pytest.raises(PictureError, match=r"cannot make the folder .*choose another"):
            places(output, "cat")


def test_two_photos_never_share_a_file() -> None:
    with pytest.raises(WrongCall, match=r"2 photos .* x\.png"):
        places("x.png", "cat", "dog")
    with pytest.raises(WrongCall, match=r"cat_wave\.png"):
        places(None, "cat", "dog", "cat")
    with pytest.raises(WrongCall, match="one photo"):
        places("-", "cat", "dog")


def test_files_beside_the_result() -> None:
    assert numbered(Path("out/cat.png"), 50) == Path("out/cat_0050.png")
    assert checkpoint_of(Path("out/cat.png")) == Path("out/cat.png.resume")
