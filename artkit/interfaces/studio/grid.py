"""A table of pictures: a row for each style, a column for each strength, with their names beside and above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 10  # pixels around every picture
INK, PAPER = "#1c1917", "#ffffff"


class Grid:
    """An empty table, whose pictures are put in one after the other."""

    def __init__(self, rows: Sequence[str], columns: Sequence[str], size: tuple[int, int]) -> None:
        """size: (width, height) of every picture, pixels."""
        self._width, self._height = size
        self._text = max(12, self._width // 16)
        self._left, self._top = GAP, GAP + 2 * self._text
        across, down = self._width + GAP, self._height + GAP + 2 * self._text
        self._down = down
        self._sheet = Image.new("RGB", (GAP + len(columns) * across, self._top + len(rows) * down), PAPER)
        draw, font = ImageDraw.Draw(self._sheet), ImageFont.load_default(self._text)
        for column, name in enumerate(columns):
            draw.text(
                (self._left + column * across + self._width / 2, self._top - self._text), name, INK, font, anchor="mm"
            )
        for row, name in enumerate(rows):
            y = self._top + row * down + self._height + self._text
            draw.text((self._left, y), name, INK, font, anchor="lm")

    def put(self, row: int, column: int, pixels: np.ndarray) -> None:
        """pixels: (H, W, 3), 0..1, of the size of all."""
        picture = Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
        self._sheet.paste(picture, (self._left + column * (self._width + GAP), self._top + row * self._down))

    def pixels(self) -> np.ndarray:
        """The table so far, (H, W, 3) float32, 0..1."""
        return np.asarray(self._sheet, np.float32) / 255
