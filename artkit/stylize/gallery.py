"""Where styles come from: a picture file, or a name in the gallery `styles/`."""

from __future__ import annotations

import os
from pathlib import Path

import artkit
from artkit.contract import UnknownStyle
from artkit.formats.paths import refuse_urls


def folder() -> Path:
    """The gallery: artkit/styles in a wheel, styles/ beside artkit/ in a checkout or an editable install."""
    package = Path(artkit.__file__).parent
    inside = package / "styles"
    return inside if inside.is_dir() else package.parent / "styles"


def find(style: str) -> Path:
    """The picture of `style`; UnknownStyle when it is nothing on the disk and does not look like a file.

    A name with an ending or a folder is taken for a file even if there is none, so that reading it says what is wrong.
    PictureError for an internet address.
    """
    refuse_urls(style)
    path = Path(style).expanduser()
    if (style and path.exists()) or path.suffix or any(separator in style for separator in ("/", os.sep)):
        return path
    raise UnknownStyle(style)
