"""Picture files by name: finding them, reading their bytes, and putting new ones in place whole or not at all."""

from __future__ import annotations

import difflib
import errno
import glob
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from artkit.contract import PictureError

_KNOWN = "jpg jpeg jpe jfif png apng webp avif tif tiff gif heic heif hif bmp ppm pgm pnm"
READABLE = frozenset(f".{suffix}" for suffix in _KNOWN.split(" "))
_RAW = "a raw camera file; develop it into a JPEG or 16-bit TIFF first"
_NOT_PHOTOS = {
    ".svg": "a drawing (SVG), not a photo; export it as PNG first",
    ".pdf": "a document (PDF), not a photo; export the page as PNG first",
    ".eps": "a drawing (EPS), not a photo; export it as PNG first",
    ".psd": "a Photoshop document; save it as PNG or TIFF first",
    ".mp4": "a video, not a photo",
    ".mov": "a video, not a photo",
} | dict.fromkeys([".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"], _RAW)


def shown(path: str | Path) -> str:
    """The path as messages show it: quoted, on one line."""
    return '"' + re.sub(r"\s", " ", str(path)) + '"'


def find_pictures(patterns: Iterable[str | Path]) -> list[Path]:
    """Files, folders and glob patterns (`**` too) -> picture files, in the order given, each once.

    A folder stands for the pictures directly in it and a pattern for the pictures it matches, both in natural order
    (2 before 10) and without hidden files; a name that exists is never taken for a pattern.
    PictureError when one of them gives nothing.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        for path in _matches(str(pattern)):
            found.setdefault(path.resolve(), path)
    if not found:
        raise PictureError("no pictures given; name files, folders or patterns such as photos/*.jpg")
    return list(found.values())


def _matches(pattern: str) -> list[Path]:
    refuse_urls(pattern)
    if not pattern:  # an unset variable in a script; Path("") would be the current folder
        raise PictureError('the name of a picture is empty, ""; give a file, a folder or a pattern')
    path = Path(pattern).expanduser()
    if path.is_dir():
        pictures = _pictures(path.iterdir())
        if not pictures:
            raise PictureError(f"no pictures in the folder {shown(pattern)}; artkit looks for {_suffixes()}")
        return pictures
    if path.exists() or not glob.has_magic(pattern):
        check_source(path)
        return [path]
    pictures = _pictures(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 (hides dotfiles)
    if not pictures:
        raise PictureError(f"no picture matches {shown(pattern)}; check the pattern")
    return pictures


def _pictures(paths: Iterable[Path]) -> list[Path]:
    files = (p for p in paths if p.suffix.lower() in READABLE and not p.name.startswith(".") and p.is_file())
    return sorted(files, key=_natural)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """A key under which 2 comes before 10, letters in either case alike."""
    parts = re.findall(r"\d+|\D+", str(path).lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _suffixes() -> str:
    return ", ".join(_KNOWN.split(" "))


def refuse_urls(source: str) -> None:
    """PictureError for an internet address."""
    if re.match(r"(https?|ftp)://", source, re.IGNORECASE):
        raise PictureError(f"{shown(source)} is an internet address; download the picture first and give its file name")


def check_source(path: Path, *, drawing: bool = False) -> None:
    """PictureError unless `path` is a file that may hold a photo and may be read; or a drawing, if that is wanted."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise PictureError(f"no file {shown(path)}; {_nearest(path)}") from None
    except OSError as error:
        raise PictureError(f"cannot read {shown(path)}: {_reason(error)}") from None
    if stat.S_ISDIR(mode):
        raise PictureError(f"{shown(path)} is a folder; give a picture file in it")
    if not drawing and (what := _NOT_PHOTOS.get(path.suffix.lower())):
        raise PictureError(f"{shown(path)} is {what}")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise PictureError(f"{shown(path)} is a device, not a picture file")


def _nearest(path: Path) -> str:
    try:
        near = difflib.get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=1)
    except OSError:
        return f"there is no folder {shown(path.parent)} either; check the path"
    return f"did you mean {shown(path.with_name(near[0]))}?" if near else "check the name"


def read(path: Path, *, drawing: bool = False) -> bytes:
    """The file's bytes; PictureError when there are none to be had, or when it is a drawing and none is wanted."""
    check_source(path, drawing=drawing)
    try:
        data = path.read_bytes()
    except PermissionError:
        raise PictureError(f"cannot read {shown(path)}: permission denied; chmod u+r gives it") from None
    except OSError as error:
        raise PictureError(f"cannot read {shown(path)}: {_reason(error)}") from None
    if not data:
        raise PictureError(f"{shown(path)} is empty (0 bytes); copy or download it again")
    return data


def check_place(path: Path, overwrite: bool) -> None:
    """PictureError unless a file could be put at `path` now."""
    folder = path.parent
    if path.is_dir():
        raise PictureError(f"{shown(path)} is a folder; give a file name in it, such as {shown(path / 'out.png')}")
    if path.exists() and not path.is_file():
        raise PictureError(f"{shown(path)} is a device; give a file name")
    if path.exists() and not overwrite:
        raise _exists(path)
    if not folder.is_dir():
        raise PictureError(f"no folder {shown(folder)} to write {shown(path.name)} into; make it first")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PictureError(
            f"cannot write into the folder {shown(folder)}; choose another one or change its permissions"
        )


def place(path: Path, data: bytes, overwrite: bool) -> None:
    """Put `data` at `path`, whole or not at all; errors as in `settle`, and nothing is left behind."""
    check_place(path, overwrite)
    temporary = part_of(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
        settle(temporary, path, overwrite)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """The name of a new hidden file, in which what will be at `path` is written first."""
    target = path.resolve()  # a link to a picture stays a link
    return target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")


def settle(temporary: Path, path: Path, overwrite: bool) -> None:
    """Flush the finished file `temporary` to the disk and rename it to `path`.

    Without `overwrite` an existing file is kept even if it appeared a moment ago. PictureError when the disk is full
    or the folder cannot be written.
    """
    target = path.resolve()
    try:
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if overwrite:
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        else:
            _rename_without_overwriting(temporary, target)
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise cannot_write(path, error) from None


def _rename_without_overwriting(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links (exFAT, many network ones): the check leaves a tiny gap
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        temporary.replace(target)


def cannot_write(path: Path, error: OSError) -> PictureError:
    """What to say when writing `path` failed."""
    return PictureError(f"cannot write {shown(path)}: {_reason(error)}")


def _exists(path: Path) -> PictureError:
    return PictureError(f"{shown(path)} exists already; choose another name or allow it with --overwrite")


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the disk; free some or choose another folder"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "permission denied; choose another folder or change the permissions"
    if error.errno == errno.EROFS:
        return "the disk is read-only; choose another folder"
    if error.errno == errno.EFBIG:
        return "the file would be larger than is allowed here; choose another folder or a smaller size"
    return (error.strerror or str(error)).lower() + "; check the path"
