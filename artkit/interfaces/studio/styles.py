"""The gallery as tiles to pick from: one style, or several with shares."""

from __future__ import annotations

import base64
import functools
import io
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from artkit.contract import WrongCall
from artkit.stylize import gallery
from artkit.stylize.gallery import Style

EDGE = 168  # of a tile's picture, pixels
SCRIPT = Path(__file__).with_name("assets") / "picker.js"
FIRST = "starry"  # what is picked when the page opens


def picker(value: list[list[Any]] | None = None, *, elem_id: str) -> gr.HTML:
    """The tiles; its value is [[name, weight], …], and `input` tells that the person picked."""
    return gr.HTML(
        value if value is not None else first(),
        html_template='<div class="styles" role="group" aria-label="Styles"></div><div class="mix" hidden></div>',
        js_on_load=SCRIPT.read_text(encoding="utf-8"),
        styles=tiles(),
        elem_id=elem_id,
        elem_classes="picker",
        apply_default_css=False,
    )


def first() -> list[list[Any]]:
    """What is picked when the page opens, if anything is installed."""
    names = gallery.names()
    return [[FIRST if FIRST in names else names[0], 1]] if names else []


def check_name(name: str) -> None:
    """WrongCall for a name that a new style cannot have."""
    if not gallery.is_name(name):
        raise WrongCall(f'"{name}" cannot be a name; names have small letters, digits and dashes, 64 at most')
    if gallery.folder_of(name):
        raise WrongCall(f'there is a style "{name}" already; choose another name, or remove that one first')


def tiles() -> list[dict[str, str]]:
    """Every readable style for the tiles, the person's own first."""
    styles = sorted(gallery.installed()[0], key=lambda style: (not style.own, style.manifest.title))
    return [
        {"name": style.name, "title": style.manifest.title, "by": style.manifest.artist, "src": thumbnail(style)}
        for style in styles
    ]


def read_picks(value: Any) -> dict[str, float]:
    """Name -> weight, of what the tiles send; what is not in the gallery any more is left out."""
    pairs = value if isinstance(value, list) else []
    known = set(gallery.names())
    return {
        str(pair[0]): float(pair[1])
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and pair[0] in known and isinstance(pair[1], int | float)
    }


def thumbnail(style: Style) -> str:
    """A style's preview as a small square in a data address, "" without one."""
    path = style.preview
    return _small(path, path.stat().st_mtime_ns) if path else ""


@functools.lru_cache(maxsize=512)
def _small(path: Path, changed: int) -> str:
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError:
        return ""
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge)).resize((EDGE, EDGE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=72)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
