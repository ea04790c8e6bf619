"""Styles on their way into the gallery: what a file, a folder, a zip, an address or a repository brings, unpacked.

Only style.toml and the files it names are taken, each read up to a limit and put under a name of our own choosing:
nothing that a stranger's archive or manifest says decides where a file is written.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import re
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from artkit import checkpoint
from artkit.contract import WeightsError, WrongCall
from artkit.formats.paths import READABLE
from artkit.stylize import manifest, moments
from artkit.stylize.manifest import NetworkFile, locate
from artkit.stylize.stylefile import MAX_BYTES, read_style

SINGLE = "style.artstyle"  # a style that came as one file
_MAX_PREVIEW = 4 << 20  # bytes

# A file, relative to the folder of style.toml, and the most bytes it may have -> its content
Get = Callable[[str, int], bytes]


def unpack(source: str, into: Path) -> str:
    """Put the style that `source` stands for into a folder: style.toml and the files it names, now beside it.

    source: an .artstyle file, a folder or zip with style.toml, the https address of such a file, or hf:user/repo.
    Gives the name that the source suggests. WeightsError, WrongCall: what is wrong with the source.
    """
    if source.startswith("hf:"):
        _collect(_in_repository(source), into, source)
        return source.rpartition("/")[2]
    if "://" in source:
        return _unpack_file(_fetch(source), into, source, PurePosixPath(unquote(urlsplit(source).path)).stem)
    path = Path(source).expanduser()
    if path.is_dir():
        _collect(_in_folder(path.resolve()), into, source)
        return path.resolve().name
    if path.suffix.lower() in READABLE:
        raise WrongCall(f"{source} is a picture, and needs no adding: artkit stylize photo.jpg --style {source}")
    return _unpack_file(_read(path, MAX_BYTES), into, source, path.stem)


def _unpack_file(data: bytes, into: Path, origin: str, stem: str) -> str:
    if data.startswith(b"PK"):
        folder, get = _in_zip(data, origin)
        _collect(get, into, origin)
        return PurePosixPath(folder).name or stem
    if data[8:9] != b"{":  # how the header of safetensors begins
        raise WeightsError(f"{origin} is no style; artkit styles add takes .artstyle files, and zips with a style.toml")
    (into / SINGLE).write_bytes(data)
    style = read_style(into / SINGLE)
    networks = {style.plan.name: NetworkFile(file=SINGLE, slot=1, sha256=style.sha256)}
    _write_manifest(style.manifest.model_copy(update={"networks": networks}), into)
    return stem


def _collect(get: Get, into: Path, origin: str) -> None:
    """Take what the manifest names, and the preview and the painting's moments if there are any."""
    held = manifest.parse(get(manifest.NAME, manifest.MAX_BYTES), f"{origin}/{manifest.NAME}")
    left, networks = MAX_BYTES, {}
    for plan, entry in held.networks.items():
        content = get(entry.file, left)
        left -= len(content)
        name = plan + PurePosixPath(entry.file).suffix
        (into / name).write_bytes(content)
        networks[plan] = entry.model_copy(update={"file": name})
    for name, limit in ((manifest.PREVIEW, _MAX_PREVIEW), (manifest.MOMENTS, moments.MAX_BYTES)):
        with contextlib.suppress(WeightsError):
            (into / name).write_bytes(get(name, limit))
    _write_manifest(held.model_copy(update={"networks": networks}), into)


def _write_manifest(held: manifest.Manifest, into: Path) -> None:
    (into / manifest.NAME).write_text(held.to_toml(), encoding="utf-8")


def _in_folder(folder: Path) -> Get:
    return lambda file, limit: _read(locate(folder, file), limit)


def _read(path: Path, limit: int) -> bytes:
    with checkpoint.reading(path), path.open("rb") as file:
        return _within(file.read(limit + 1), limit, path)


def _in_zip(data: bytes, origin: str) -> tuple[str, Get]:
    """The folder in the archive that the style is in ("": at the top), and how to read from it."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except checkpoint.BROKEN:
        checkpoint.damaged(origin)
    members = {entry.filename: entry for entry in archive.filelist}
    folders = [posixpath.dirname(name) for name in members if posixpath.basename(name) == manifest.NAME]
    if not folders:
        raise WeightsError(f"{origin} holds no {manifest.NAME}, and so no style")
    if len(folders) > 1:
        raise WeightsError(f"{origin} holds {len(folders)} styles; unpack it and add their folders one by one")

    def get(file: str, limit: int) -> bytes:
        path = posixpath.normpath(posixpath.join(folders[0], file))
        if path.startswith(".."):
            raise WeightsError(f"{origin}: its {manifest.NAME} names {file!a:.80}, which leads out of the zip")
        if path not in members:
            raise WeightsError(f"{origin} does not hold {path!a:.80}, which its {manifest.NAME} names")
        if members[path].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise WeightsError(f"{origin} is compressed in a way that is not read; zip it anew")
        try:
            with archive.open(members[path]) as member:
                return _within(member.read(limit + 1), limit, f"{origin}/{path}")
        except checkpoint.BROKEN:
            checkpoint.damaged(origin)

    return folders[0], get


def _fetch(url: str) -> bytes:
    from artkit.remote import fetch_bytes

    if not url.lower().startswith("https://"):
        raise WrongCall(f"{url} is not an https address; artkit styles add takes these, and files")
    return fetch_bytes(url, MAX_BYTES)


def _in_repository(source: str) -> Get:
    """Reads from a Hugging Face repository; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are obeyed."""
    from artkit.remote import fetch_bytes, hub_url

    repository = source.removeprefix("hf:")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", repository, re.ASCII):
        raise WrongCall(f"{source} is no repository; it should be hf:user/repo")

    def get(file: str, limit: int) -> bytes:
        path = posixpath.normpath(file)
        if path.startswith(".."):
            raise WeightsError(f"{source}: its {manifest.NAME} names {file!a:.80}, which leads out of the repository")
        return fetch_bytes(
            hub_url(repository, path, source, "artkit styles add FILE"), limit, token=os.environ.get("HF_TOKEN")
        )

    return get


def _within(content: bytes, limit: int, origin: object) -> bytes:
    if len(content) > limit:
        raise WeightsError(
            f"{origin} is longer than {limit:,} bytes, which no style is; check that it is the right one"
        )
    return content
