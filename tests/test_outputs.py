"""Where results go, and what a template may say."""

from pathlib import Path

import pytest

from artkit.contract import WrongCall
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
        ("{n!x}.png", "template"),
    ],
)
def test_wrong_templates(output: str, says: str) -> None:
    with pytest.raises(WrongCall) as error:
        places(output, "cat")
    assert says in str(error.value)


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
