"""Where styles come from: a picture file, or a name in the gallery, artkit's own `styles/` and the person's.

A style is a folder with a style.toml; the networks it names are beside it, or in `networks/` beside all styles. What
a person adds is in $ARTKIT_DATA_DIR/styles (collection.py) and stands before a shipped style of its name.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import artkit
from artkit.contract import UnknownStyle, WeightsError, WrongCall
from artkit.formats.paths import refuse_urls
from artkit.stylize import manifest
from artkit.stylize.manifest import Manifest, NetworkFile, PlanName, locate

if TYPE_CHECKING:
    from artkit.stylize.stylefile import StyleSet

NETWORKS = "networks"  # the folder beside the styles with what several of them share
OUTDATED = "what it knows of its painting is of another artkit"


@dataclass(frozen=True)
class Style:
    """A style of the gallery: its name, its folder, and what its style.toml says."""

    name: str
    folder: Path
    manifest: Manifest

    @property
    def own(self) -> bool:
        """Whether the person added it."""
        return self.folder.parent == own_folder()

    @property
    def preview(self) -> Path | None:
        """A photo in this style, if there is one."""
        path = self.folder / manifest.PREVIEW
        return path if path.is_file() else None

    @property
    def moments(self) -> Path | None:
        """What the optimizer asks of its painting, if that is known and not outdated."""
        path = self.folder / manifest.MOMENTS
        return path if path.is_file() and not self.outdated else None

    @property
    def outdated(self) -> bool:
        """Whether what it knows of its painting is of another artkit, whose network saw something else, and no use."""
        from artkit.stylize.moments import is_ours

        path = self.folder / manifest.MOMENTS
        return path.is_file() and not is_ours(path)


def folder() -> Path:
    """The shipped gallery: artkit/styles in a wheel, styles/ beside artkit/ in a checkout or an editable install."""
    package = Path(artkit.__file__).parent
    inside = package / "styles"
    return inside if inside.is_dir() else package.parent / "styles"


def own_folder() -> Path:
    """The person's styles: $ARTKIT_DATA_DIR/styles, or in the user's data folder; may not exist yet."""
    if chosen := os.environ.get("ARTKIT_DATA_DIR"):
        return Path(chosen).expanduser() / "styles"
    import platformdirs

    return platformdirs.user_data_path("artkit", appauthor=False) / "styles"


def names() -> list[str]:
    """Every name in the gallery, sorted; nothing is read."""
    found = {path.parent.name for root in (own_folder(), folder()) for path in root.glob(f"*/{manifest.NAME}")}
    return sorted(filter(is_name, found))


def is_name(name: str) -> bool:
    """Whether a style can have this name."""
    return re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", name) is not None and name != NETWORKS


def folder_of(name: str) -> Path | None:
    """The folder of a style, the person's before the shipped one; names are lowercase, but may be typed otherwise."""
    name = name.lower()
    places = [root / name for root in (own_folder(), folder())] if is_name(name) else []
    return next((place for place in places if (place / manifest.NAME).is_file()), None)


def get(name: str) -> Style:
    """The style of this name.

    UnknownStyle offers the nearest name; WeightsError: its style.toml is damaged.
    """
    place = folder_of(name)
    if place is None:
        raise UnknownStyle(name, names())
    return Style(place.name, place, manifest.read(locate(place, manifest.NAME)))


def with_painting(name: str) -> Style:
    """The style of this name, if it knows its painting well enough to be painted after step by step.

    WrongCall: it does not; else as `get`.
    """
    style = get(name)
    if style.moments is None:
        why = f": {OUTDATED}" if style.outdated else " does not know its painting"
        raise WrongCall(f'the style "{name}"{why}; give the picture itself: --style FILE')
    return style


def installed() -> tuple[list[Style], list[WeightsError]]:
    """Every style whose manifest can be read, by name, and what is wrong with the others."""
    styles, errors = [], []
    for name in names():
        try:
            styles.append(get(name))
        except WeightsError as error:
            errors.append(error)
    return styles, errors


def is_named(style: str) -> bool:
    """Whether this is a style of the gallery; a file of that name comes first."""
    return folder_of(style) is not None and not Path(style).exists()


def find(style: str) -> Path:
    """The picture of `style`; UnknownStyle when it is nothing on the disk and does not look like a file.

    A name with an ending or a folder is taken for a file even if there is none, so that reading it says what is wrong.
    PictureError for an internet address, WrongCall for a style of the gallery, which is a network and no picture.
    """
    refuse_urls(style)
    path = Path(style).expanduser()
    if (style and path.exists()) or path.suffix or any(separator in style for separator in ("/", os.sep)):
        return path
    if folder_of(style):
        raise WrongCall(f'"{style}" is a style of the gallery, a network without its picture; give a picture file here')
    raise UnknownStyle(style, names())


def network(style: Style, plan: PlanName = "full") -> StyleSet:
    """The network that draws `style`, which is `style.manifest.networks[plan].slot` in it; read once per file.

    WrongCall: it has none of this plan. WeightsError: the file is missing, damaged or not the one that style.toml
    names; a single style's network is not installed.
    """
    entries = style.manifest.networks
    if plan not in entries:
        raise WrongCall(f'style "{style.name}" has no {plan} network, only {" and ".join(entries)}')
    again = f"artkit styles remove {style.name}, and add or make it again" if style.own else "install artkit again"
    path = locate(style.folder, entries[plan].file)
    if not path.is_file():
        raise WeightsError(f'style "{style.name}": {path} is missing; {again}')
    found = _read(path, entries[plan])
    if found.network.plan.name != plan:
        raise WeightsError(f'style "{style.name}": {path} is a {found.network.plan.name} network, not {plan}; {again}')
    if entries[plan].slot >= len(found.codes):
        raise WeightsError(
            f'style "{style.name}": slot {entries[plan].slot} is not in {path}, which ends at {len(found.codes) - 1}; '
            f"{again}"
        )
    return found


def _read(path: Path, entry: NetworkFile) -> StyleSet:
    stamp = path.stat()
    return _read_once(path, entry.sha256, stamp.st_mtime_ns, stamp.st_size)


@functools.lru_cache(maxsize=8)
def _read_once(path: Path, sha256: str, *stamp: int) -> StyleSet:
    """What a file holds; the stamp tells one version of it from the next."""
    from artkit.stylize.stylefile import read_network, read_style

    if path.suffix != ".artstyle":
        return read_network(path, sha256)
    style = read_style(path, sha256)
    if not style.base:
        return style.on(None)
    held = base_file(style.base)
    if held is None:
        raise WeightsError(
            f"{path} was made for a network that is not installed (SHA-256 {style.base[:12]}…); update artkit, "
            "or ask its maker for a zip with the network"
        )
    base = _read(held, NetworkFile(file=held.name, slot=1, sha256=style.base))
    if base.network.plan is not style.plan:
        raise WeightsError(
            f"{path}: its plan is {style.plan.name}, its network's {base.network.plan.name}; get or make it again"
        )
    return style.on(base)


def base_file(sha256: str) -> Path | None:
    """The file of a network that single styles were made for."""
    kept = own_folder() / NETWORKS / f"{sha256}.safetensors"
    if kept.is_file():
        return kept
    for style in installed()[0]:
        for entry in style.manifest.networks.values():
            if entry.sha256 == sha256:
                return locate(style.folder, entry.file)
    return None
