"""A contact sheet: pictures in rows on white, each with its caption."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artkit.contract import WrongCall
from artkit.image import Picture

GAP = 12  # pixels around every cell
RATIO = 1.5  # width to height of the sheet, about


def contact_sheet(cells: Sequence[tuple[str, Picture]], edge: int, columns: int = 0) -> Picture:
    """Captions and pictures, in rows from the top left; `edge` pixels is the longest edge of each.

    columns: how many, 0 for as many as fill the sheet best. Cells are as large as the widest and the highest picture;
    transparent pixels are white. WrongCall without pictures.
    """
    if not cells:
        raise WrongCall("there are no pictures to put on a sheet")
    pictures = [_on_white(picture.resized(edge)) for _, picture in cells]
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    size = max(11, edge // 20)  # of the captions, pixels
    across, down = width + GAP, height + 2 * size + GAP
    columns = columns or columns_for(len(cells), across, down)
    sheet = Image.new("RGB", (columns * across + GAP, math.ceil(len(cells) / columns) * down + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    for index, ((caption, _), picture) in enumerate(zip(cells, pictures, strict=True)):
        x, y = GAP + index % columns * across, GAP + index // columns * down
        sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
        draw.text((x + width / 2, y + height + size), caption, "black", font, anchor="mm")
    return Picture(np.asarray(sheet, np.float32) / 255)


def columns_for(count: int, across: int, down: int) -> int:
    """The columns with which `count` cells make a sheet about RATIO times as wide as high, its last row well filled."""

    def miss(columns: int) -> float:
        return abs(math.log(columns * across / (math.ceil(count / columns) * down) / RATIO))

    rows = math.ceil(count / min(range(1, count + 1), key=miss))
    return math.ceil(count / rows)


def _on_white(picture: Picture) -> Image.Image:
    image = picture.to_pil()
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
