"""Draw docs/options.jpg: one photo and one style, painted with different options, each picture labeled.

    python scripts/draw_options.py

Takes some ten minutes on two CPU cores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import artkit

HERE = Path(__file__).parents[1]
PHOTO, STYLE = HERE / "samples" / "astronaut.jpg", HERE / "samples" / "night.jpg"
SIZE, EDGE, COLUMNS, LABEL, GAP = 448, 288, 4, 34, 6  # painted larger than shown: a face needs some pixels
VARIANTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "--content-weight 0.15": {"content_weight": 0.15},
    "--content-weight 0.002": {"content_weight": 0.002},
    "--style-scale 0.5": {"style_scale": 0.5},
    "--style-scale 2": {"style_scale": 2.0},
    "--strength 0.4": {"strength": 0.4},
    "--keep-color luma": {"keep_color": "luma"},
    "--keep-color match": {"keep_color": "match"},
    "--style-loss wasserstein": {"style_loss": "wasserstein"},
    "--init noise": {"init": "noise"},
}


def main() -> None:
    cells = [("the photo", np.array(Image.open(PHOTO))), ("the style", np.array(Image.open(STYLE)))]
    for label, options in VARIANTS.items():
        cells.append((label, np.array(artkit.stylize(PHOTO, STYLE, size=SIZE, **options))))
        print(label, flush=True)
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (EDGE + GAP) - GAP, rows * (EDGE + LABEL)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(17)
    for index, (label, pixels) in enumerate(cells):
        x, y = index % COLUMNS * (EDGE + GAP), index // COLUMNS * (EDGE + LABEL)
        sheet.paste(Image.fromarray(pixels).resize((EDGE, EDGE), Image.Resampling.LANCZOS), (x, y))
        draw.text((x + EDGE / 2, y + EDGE + LABEL / 2), label, "black", font, anchor="mm")
    (HERE / "docs").mkdir(exist_ok=True)
    sheet.save(HERE / "docs" / "options.jpg", quality=88, subsampling=0)


if __name__ == "__main__":
    main()
