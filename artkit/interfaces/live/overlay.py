"""Text over live pictures: what is drawn and how fast, the help, a recording that runs."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT, RED = (16, 16, 20, 190), (255, 255, 255, 255), (190, 190, 200, 255), (255, 70, 70, 255)


def chip(picture: np.ndarray, text: str, *, corner: tuple[int, int] = (0, 1), dot: bool = False) -> None:
    """A line of text on a dark patch in a corner, (left or right, top or bottom), into (H, W, 3) uint8 in place.

    dot: a red one before it.
    """
    if text:
        _put(picture, _chip(text, _size(picture), dot), corner)


def table(picture: np.ndarray, rows: Sequence[tuple[str, str]], title: str) -> None:
    """Two columns under a title on a dark patch in the middle."""
    size = min(_size(picture), max(8, round(picture.shape[0] / (1.7 * (len(rows) + 3)))))
    patch = _table(tuple(rows), title, size)
    height, width = picture.shape[:2]
    _blend(picture, patch, max(0, (width - patch.shape[1]) // 2), max(0, (height - patch.shape[0]) // 2))


def split(picture: np.ndarray, frame: np.ndarray) -> None:
    """The camera's left half over the picture's, both of one size, with a line between."""
    middle = picture.shape[1] // 2
    picture[:, :middle] = frame[:, :middle]
    picture[:, max(0, middle - 1) : middle + 1] = 255


def _size(picture: np.ndarray) -> int:
    return max(11, round(min(picture.shape[0], picture.shape[1] * 0.6) / 28))


@functools.lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@functools.lru_cache(maxsize=16)
def _chip(text: str, size: int, dot: bool) -> np.ndarray:
    """(h, w, 4) uint8."""
    font, gap = _font(size), size // 2
    indent = size if dot else 0
    width = round(font.getlength(text)) + 2 * gap + indent
    image, draw = _patch(width, 2 * size, size // 2)
    if dot:
        draw.ellipse((gap, size - size * 0.3, gap + size * 0.6, size + size * 0.3), fill=RED)
    draw.text((gap + indent, size), text, font=font, fill=INK, anchor="lm")
    return np.array(image)


@functools.lru_cache(maxsize=4)
def _table(rows: tuple[tuple[str, str], ...], title: str, size: int) -> np.ndarray:
    font, line, gap = _font(size), round(1.6 * size), size
    first = max(font.getlength(left) for left, _ in rows) + 1.5 * size
    width = round(max(first + max(font.getlength(right) for _, right in rows), font.getlength(title)) + 2 * gap)
    image, draw = _patch(width, line * (len(rows) + 1) + 2 * gap, size)
    draw.text((gap, gap + line // 3), title, font=font, fill=FAINT, anchor="lm")
    for number, (left, right) in enumerate(rows, 1):
        y = gap + number * line + line // 2
        draw.text((gap, y), left, font=font, fill=INK, anchor="lm")
        draw.text((gap + first, y), right, font=font, fill=FAINT, anchor="lm")
    return np.array(image)


def _patch(width: int, height: int, radius: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius, fill=PAPER)
    return image, draw


def _put(picture: np.ndarray, patch: np.ndarray, corner: tuple[int, int]) -> None:
    gap = patch.shape[0] // 4
    right, bottom = corner
    x = picture.shape[1] - patch.shape[1] - gap if right else gap
    y = picture.shape[0] - patch.shape[0] - gap if bottom else gap
    _blend(picture, patch, max(0, x), max(0, y))


def _blend(picture: np.ndarray, patch: np.ndarray, x: int, y: int) -> None:
    under = picture[y : y + patch.shape[0], x : x + patch.shape[1]]
    over = patch[: under.shape[0], : under.shape[1]].astype(np.float32)
    share = over[..., 3:] * np.float32(1 / 255)
    under[:] = (under + share * (over[..., :3] - under) + 0.5).astype(np.uint8)
