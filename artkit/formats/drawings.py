"""What an SVG that artkit wrote says about itself; what is drawn in it is not read."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import unescape

from artkit.contract import PictureError
from artkit.formats import paths

HEAD = 1_000_000  # bytes that are looked into
_RECIPE = re.compile(r'<metadata id="artkit-recipe">(.*?)</metadata>', re.DOTALL)
_SIZE = re.compile(r'<svg\b[^>]*?\bwidth="([^"]+)"[^>]*?\bheight="([^"]+)"')


@dataclass(frozen=True)
class Head:
    """Width and height as written, such as "210mm"; the recipe's JSON, or ""."""

    width: str
    height: str
    recipe: str


def is_drawing(path: str | os.PathLike[str]) -> bool:
    """Whether the ending says SVG."""
    return Path(path).suffix.lower() == ".svg"


def read_head(path: str | os.PathLike[str]) -> Head:
    """The head of an SVG file; PictureError when there is none to be had."""
    path = Path(path).expanduser()
    text = paths.read(path, drawing=True)[:HEAD].decode("utf-8", "replace")
    size, recipe = _SIZE.search(text), _RECIPE.search(text)
    if size is None:
        raise PictureError(f"{paths.shown(path)} is no SVG drawing with a width and a height")
    return Head(size[1], size[2], unescape(recipe[1]) if recipe else "")
