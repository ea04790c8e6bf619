"""A drawing as SVG for pen plotters, in millimetres: a layer a pen, little way in the air, the paper's margins kept.

Browsers show what `artkit.generate.strokes.raster` gives. The color of the paper is the page's, not a shape: a plotter
does not draw it. Layers are Inkscape's, which AxiDraw's software and vpype know too.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from pydantic import Field, field_validator

from artkit.contract import Options, Recipe, WrongCall
from artkit.formats import paths
from artkit.generate.strokes import Drawing, Stroke, hex_of
from artkit.generate.travel import merged, nearest_next

PIXEL = 25.4 / 96  # millimetres, as CSS has it
MEET = 0.05  # millimetres between ends of lines that are drawn in one go
PAPERS = {  # millimetres, upright
    "a2": (420.0, 594.0),
    "a3": (297.0, 420.0),
    "a4": (210.0, 297.0),
    "a5": (148.0, 210.0),
    "a6": (105.0, 148.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
    "tabloid": (279.4, 431.8),
}
_MEASURES = re.compile(r"(\d+(?:\.\d+)?)[x×](\d+(?:\.\d+)?)(mm|cm|in)?")
_UNITS = {"mm": 1.0, "cm": 10.0, "in": 25.4}


class PaperOptions(Options):
    """The sheet that an SVG is drawn on."""

    paper: str = Field(default="", description="a2 … a6, letter, legal, tabloid or WxHmm (default: the picture's size)")
    margin: float = Field(default=15.0, ge=0, le=500, description="Free on every side of the paper, millimetres")

    @field_validator("paper")
    @classmethod
    def _known(cls, paper: str) -> str:
        paper = paper.strip().lower().replace(" ", "")
        if paper and paper not in PAPERS and not _MEASURES.fullmatch(paper):
            raise ValueError(f"should be {', '.join(PAPERS)}, or width x height such as 300x200mm")
        return paper


def sheet(drawing: Drawing, options: PaperOptions) -> tuple[float, float, float, float, float]:
    """Width and height of the paper, millimetres a pixel, and where the drawing's corner lies: left and top.

    A named paper is turned to lie as the drawing does. WrongCall when the margins leave nothing.
    """
    if not options.paper:
        return drawing.width * PIXEL, drawing.height * PIXEL, PIXEL, 0.0, 0.0
    if measures := _MEASURES.fullmatch(options.paper):
        width, height = (float(measures[i]) * _UNITS[measures[3] or "mm"] for i in (1, 2))
    else:
        width, height = PAPERS[options.paper]
        if drawing.width > drawing.height:
            width, height = height, width
    free = width - 2 * options.margin, height - 2 * options.margin
    if min(free) <= 0:
        raise WrongCall(f"margin {options.margin:g} mm leaves nothing of a paper of {width:g}×{height:g} mm")
    scale = min(free[0] / drawing.width, free[1] / drawing.height)
    return width, height, scale, (width - scale * drawing.width) / 2, (height - scale * drawing.height) / 2


def svg(drawing: Drawing, options: PaperOptions | None = None, recipe: Recipe | None = None) -> str:
    """The SVG file: one layer a pen, lines merged and sorted, nothing outside of the drawing's own rectangle."""
    width, height, scale, left, top = sheet(drawing, options or PaperOptions())
    layers = [
        _layer(number, pen, strokes, scale, np.array([left, top]))
        for number, (pen, strokes) in enumerate(drawing.clipped().pens().items(), 1)
    ]
    paper = hex_of(drawing.background)
    said = f'<metadata id="artkit-recipe">{escape(recipe.to_json())}</metadata>\n' if recipe else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" '
        'xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" '
        f'width="{width:.6g}mm" height="{height:.6g}mm" viewBox="0 0 {width:.6g} {height:.6g}" '
        f'style="background:{paper}">\n'
        f'{said}<sodipodi:namedview pagecolor="{paper}" inkscape:document-units="mm"/>\n'
        f"{''.join(layers)}</svg>\n"
    )


def save_drawing(
    drawing: Drawing,
    target: str | os.PathLike[str],
    options: PaperOptions | None = None,
    *,
    recipe: Recipe | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes the SVG, whole or not at all. PictureError: the file exists or cannot be written."""
    path = Path(target)
    paths.check_place(path, overwrite)
    paths.place(path, svg(drawing, options, recipe).encode(), overwrite)
    return path


def _layer(number: int, pen: tuple[str, str], strokes: list[Stroke], scale: float, corner: np.ndarray) -> str:
    """One pen's lines, those as wide as each other merged, all of them sorted."""
    name, color = pen
    by_width: dict[float, list[np.ndarray]] = {}
    for stroke in strokes:
        by_width.setdefault(round(stroke.width * scale, 3), []).append(stroke.points * scale + corner)
    lines, widths = [], []
    for width, those in by_width.items():
        whole = merged(those, MEET)
        lines += whole
        widths += [width] * len(whole)
    alike = len(by_width) == 1
    drawn = [_path(line, None if alike else widths[i]) for i, line in nearest_next(lines)]
    label = f"{number} {name} {color}".replace("  ", " ")
    width = f' stroke-width="{widths[0]:g}"' if alike else ""
    return (
        f'<g id="layer{number}" inkscape:groupmode="layer" inkscape:label={quoteattr(label)} stroke="{color}"{width} '
        f'fill="none" stroke-linecap="round" stroke-linejoin="round">\n{"".join(drawn)}</g>\n'
    )


def _path(line: np.ndarray, width: float | None) -> str:
    """M x,y x,y …: points after the first are lines to it. A dot is a line of a thousandth of a millimetre."""
    if len(line) == 1:
        line = np.concatenate([line, line + np.array([0.001, 0])])
    closed = len(line) > 3 and (line[0] == line[-1]).all()
    points = line[:-1] if closed else line
    numbers = ("%.3f,%.3f " * len(points)) % tuple(points.ravel().tolist())
    own = "" if width is None else f' stroke-width="{width:g}"'
    return f'<path{own} d="M{numbers.rstrip()}{"Z" if closed else ""}"/>\n'
