"""The person's own styles in the gallery: added whole or not at all, and removed.

The network that a single style was made for is kept beside them, as long as one of them needs it.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from artkit import checkpoint
from artkit.checkpoint import disk_errors
from artkit.contract import UnknownStyle, WeightsError, WrongCall
from artkit.stylize import gallery, manifest
from artkit.stylize.gallery import NETWORKS, Style

if TYPE_CHECKING:
    from artkit.image import Picture


def check_new(name: str, overwrite: bool) -> None:
    """WrongCall for a name that a new style cannot have."""
    if not gallery.is_name(name):
        raise WrongCall(f'"{name}" cannot be a name of a style; --name takes a-z, 0-9, "-" and "_", up to 64 of them')
    if not overwrite and (gallery.folder_of(name) or (gallery.own_folder() / name).exists()):
        raise WrongCall(f'there is a style "{name}" already; --name gives another name, --overwrite replaces it')


def add(source: str, name: str | None = None, *, overwrite: bool = False, painting: Picture | None = None) -> Style:
    """Keep a style under a name; what it is made of is checked before it is put in place.

    source: an .artstyle file, a folder or zip with a style.toml, the https address of such a file, or hf:user/repo.
    name: None takes the source's own. painting: what the style was learned from, of which it then keeps what painting
    step by step needs. WrongCall: a name that is taken, unless `overwrite`, or cannot be.
    WeightsError: what is wrong with the source, the network, the disk.
    """
    from artkit.stylize.moments import Moments
    from artkit.stylize.parcels import SINGLE, unpack

    if name is not None:
        check_new(name, overwrite)
    root = gallery.own_folder()
    with _disk_errors(), _staging(root) as staging:
        try:
            suggested = unpack(source, staging)
            name = name or re.sub("[^a-z0-9_]+", "-", suggested.lower()).strip("-_")[:64]
            check_new(name, overwrite)
            style = Style(name, staging, manifest.read(staging / manifest.NAME))
            for plan in style.manifest.networks:
                gallery.network(style, plan)
            if painting is not None:
                Moments.of(painting, name).write(staging / manifest.MOMENTS)
            elif style.moments:
                Moments.read(style.moments, name)
        except WeightsError as error:
            said = str(error)
            for passing in (staging.resolve(), staging):  # the person knows the source, not where it is unpacked
                said = said.replace(str(passing / SINGLE), source).replace(str(passing), source)
            raise WeightsError(said) from None
        _keep_bases(staging)
        _put_in_place(staging, root / name, overwrite)
        _drop_unused_bases()
    return gallery.get(name)


def keep_network(path: Path) -> str:
    """Keep a file of style networks where single styles made for it find it; its SHA-256. WeightsError: the disk."""
    from artkit.stylize.stylefile import read_network

    digest = read_network(path).sha256
    with _disk_errors():
        _copy_network(path, gallery.own_folder() / NETWORKS / f"{digest}.safetensors")
    return digest


def remove(name: str) -> None:
    """Delete a style that the person added; UnknownStyle, WrongCall: there is no such style, or artkit ships it."""
    place = gallery.folder_of(name)
    if place is None:
        raise UnknownStyle(name, gallery.names())
    if place.parent != gallery.own_folder():
        raise WrongCall(f'"{name}" comes with artkit and is not removed')
    with _disk_errors():
        _delete(place)
        _drop_unused_bases()


def _needed_bases(folder: Path) -> set[str]:
    """The networks that the single styles in a folder were made for."""
    needed = set()
    for file in folder.glob("*.artstyle"):
        with contextlib.suppress(WeightsError):
            needed.add(checkpoint.read(file).metadata.get("base", ""))
    return needed - {""}


def _keep_bases(staging: Path) -> None:
    """Copy the networks of single styles: the next artkit may come with other ones."""
    for sha256 in _needed_bases(staging):
        held = gallery.base_file(sha256)
        assert held is not None, "the style has been read, and its network with it"
        _copy_network(held, gallery.own_folder() / NETWORKS / f"{sha256}.safetensors")


def _copy_network(path: Path, kept: Path) -> None:
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, checkpoint.replacing(kept) as copy:
            shutil.copyfileobj(source, copy)


def _drop_unused_bases() -> None:
    needed = {sha256 for place in gallery.own_folder().iterdir() for sha256 in _needed_bases(place)}
    for kept in (gallery.own_folder() / NETWORKS).glob("*.safetensors"):
        if kept.stem not in needed:
            kept.unlink(missing_ok=True)


def _disk_errors() -> contextlib.AbstractContextManager[None]:
    return disk_errors(gallery.own_folder(), "set ARTKIT_DATA_DIR to another folder")


@contextlib.contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """A hidden folder among the person's styles, gone at the end unless it has been renamed."""
    staging = root / f".{secrets.token_hex(4)}.adding"
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _put_in_place(staging: Path, place: Path, overwrite: bool) -> None:
    """Rename; a style that was there comes back if that fails."""
    old = place.with_name(f".{secrets.token_hex(4)}.old")
    if overwrite and place.exists():
        place.rename(old)
    try:
        staging.rename(place)
    except BaseException:
        if old.exists():
            old.rename(place)
        raise
    _delete(old)


def _delete(place: Path) -> None:
    """Take a folder, or a link to one, out of sight first: it is there whole, or not at all."""
    hidden = place.with_name(f".{secrets.token_hex(4)}.removed")
    with contextlib.suppress(FileNotFoundError):
        place.rename(hidden)
        if hidden.is_symlink():
            hidden.unlink()
        else:
            shutil.rmtree(hidden)
