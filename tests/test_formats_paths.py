"""Finding, reading and placing files: every refusal says what to do, and nothing is left behind or lost."""

import errno
import os
import resource
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from artkit.contract import PictureError
from artkit.formats.paths import check_place, find_pictures, place, read


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ["b10.jpg", "b2.JPG", "A1.png", ".hidden.jpg", "notes.txt", "sub/deep.webp", "sub/x/deeper.heic"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder in which nothing may be written, and files that may not be read, even when the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "secret.jpg").write_bytes(b"x")
        (folder / "secret.jpg").chmod(0)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def names(found: list[Path], album: Path) -> list[str]:
    return [str(path.relative_to(album)) for path in found]


def test_a_folder_gives_its_own_pictures_in_natural_order(album: Path) -> None:
    assert names(find_pictures([str(album)]), album) == ["A1.png", "b2.JPG", "b10.jpg"]


def test_patterns(album: Path) -> None:
    assert names(find_pictures([f"{album}/b*"]), album) == ["b2.JPG", "b10.jpg"]
    assert names(find_pictures([f"{album}/**"]), album) == [
        "A1.png", "b2.JPG", "b10.jpg", "sub/deep.webp", "sub/x/deeper.heic"
    ]  # fmt: skip
    assert names(find_pictures([f"{album}/**/*.heic"]), album) == ["sub/x/deeper.heic"]


def test_order_is_kept_and_duplicates_go(album: Path) -> None:
    (album / "link.png").symlink_to(album / "A1.png")
    given = [f"{album}/b10.jpg", album, f"{album}/sub/../A1.png"]
    assert names(find_pictures(given), album) == ["b10.jpg", "A1.png", "b2.JPG"]


def test_a_file_named_outright_is_taken_whatever_its_suffix(album: Path) -> None:
    (album / "photo[1].jpg").write_bytes(b"x")
    assert names(find_pictures([f"{album}/notes.txt", f"{album}/photo[1].jpg"]), album) == ["notes.txt", "photo[1].jpg"]


def test_the_home_folder_by_its_sign(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(album))
    assert names(find_pictures(["~/A1.png", "~/b*"]), album) == ["A1.png", "b2.JPG", "b10.jpg"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("b11.jpg", r'no file ".*b11.jpg"; did you mean ".*b10.jpg"\?'),
        ("quite_different.gif", r"no file .*check the name"),
        ("nowhere/a.jpg", r"no file .*there is no folder .*nowhere"),
        ("sub/x/*.png", r"no picture matches .*check the pattern"),
        ("empty", r"no pictures in the folder .*looks for jpg, "),
    ],
)
def test_finding_nothing(album: Path, pattern: str, message: str) -> None:
    (album / "empty").mkdir()
    (album / "empty/readme.txt").write_bytes(b"x")
    with pytest.raises(PictureError, match=message) as error:
        find_pictures([str(album / "A1.png"), str(album / pattern)])
    assert "\n" not in str(error.value)


def test_finding_among_no_names_at_all() -> None:
    with pytest.raises(PictureError, match="no pictures given"):
        find_pictures([])


@pytest.mark.parametrize(
    "address", ["http://example.org/a.jpg", "HTTPS://example.org/a.jpg", "ftp://example.org/a.jpg"]
)
def test_internet_addresses_are_to_be_downloaded_first(address: str) -> None:
    with pytest.raises(PictureError, match="download the picture first"):
        find_pictures([address])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.svg", "a drawing .SVG., not a photo; export it as PNG"),
        ("a.PDF", "a document"),
        ("a.nef", "raw camera file; develop it"),
        ("a.mov", "a video"),
        ("empty.jpg", "is empty .0 bytes.; copy or download it again"),
        ("folder", "is a folder; give a picture file in it"),
        ("gone.jpg", "no file .*gone.jpg"),
        ("line\nbreak.jpg", 'no file ".*line break.jpg"'),
        ("a.svg/b.jpg", "cannot read .*not a directory"),
        ("x" * 300 + ".jpg", "cannot read .*name too long"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    for file in ("a.svg", "a.PDF", "a.nef", "a.mov"):
        (tmp_path / file).write_bytes(b"x")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(PictureError, match=message) as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_device_is_no_picture() -> None:
    with pytest.raises(PictureError, match="is a device"):
        read(Path("/dev/zero"))


def test_a_file_without_permission(locked: Path) -> None:
    with pytest.raises(PictureError, match=r"permission denied; chmod u\+r"):
        read(locked / "secret.jpg")


def test_placing(tmp_path: Path) -> None:
    place(tmp_path / "a.png", b"new", overwrite=False)
    assert (tmp_path / "a.png").read_bytes() == b"new"
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask
    assert os.listdir(tmp_path) == ["a.png"]  # noqa: PTH208


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with pytest.raises(PictureError, match="exists already; choose another name or allow it with --overwrite"):
        place(path, b"new", overwrite=False)
    assert path.read_bytes() == b"old"
    place(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    path = tmp_path / "a.png"
    fsync, link = os.fsync, os.link

    def somebody_else_writes(number: int) -> None:
        fsync(number)
        path.write_bytes(b"theirs")

    def without_links(*names: Path) -> None:
        if not links:
            raise OSError(errno.EPERM, "no hard links here")
        link(*names)

    monkeypatch.setattr(os, "fsync", somebody_else_writes)
    monkeypatch.setattr(os, "link", without_links)
    with pytest.raises(PictureError, match="exists already"):
        place(path, b"ours", overwrite=False)
    assert path.read_bytes() == b"theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_links(*names: Path) -> None:
        raise OSError(errno.ENOTSUP, "no hard links here")

    monkeypatch.setattr(os, "link", without_links)
    place(tmp_path / "a.png", b"new", overwrite=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"new"


def test_a_link_to_a_picture_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.png").write_bytes(b"old")
    (tmp_path / "a.png").symlink_to("real/a.png")
    place(tmp_path / "a.png", b"new", overwrite=True)
    assert (tmp_path / "a.png").is_symlink()
    assert (tmp_path / "real/a.png").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on the disk; free some or choose another folder"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EIO, "input/output error"),
    ],
)
def test_a_disk_that_fails_leaves_things_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PictureError, match=message) as error:
        place(tmp_path / "a.png", b"new", overwrite=True)
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"old"


def test_a_write_that_stops_half_way(tmp_path: Path) -> None:
    """A real one: the system refuses to let the file grow past 64 KB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        with pytest.raises(PictureError, match="larger than is allowed"):
            place(tmp_path / "a.png", bytes(100_000), overwrite=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        place(tmp_path / "a.png", b"new", overwrite=False)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written(locked: Path) -> None:
    with pytest.raises(PictureError, match=r"cannot write into the folder .*choose another one"):
        check_place(locked / "a.png", overwrite=False)
    with pytest.raises(PictureError, match="cannot write into the folder"):
        place(locked / "a.png", b"new", overwrite=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/a.png", 'no folder ".*missing" to write "a.png" into; make it first'),
        ("folder", r'is a folder; give a file name in it, such as ".*folder/out.png"'),
        ("file/a.png", "no folder .*file"),
    ],
)
def test_places_where_no_file_can_be(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(PictureError, match=message):
        check_place(tmp_path / name, overwrite=True)


def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(PictureError, match="is a device"):
        check_place(Path("/dev/null"), overwrite=True)
