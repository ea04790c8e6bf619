"""Tiles: Truchet's quarter circles, fans in several sizes, diagonals, and Wang tiles whose pipes match.

Truchet 1704 had triangles; quarter circles are Smith's (1987, "The tiling patterns of Sebastien Truchet"). Tiles of
several sizes after Carlson 2018, "Multi-scale Truchet patterns". Wang 1961: square tiles of which edges have to match;
at random, with every combination of edges among the tiles (Cohen et al. 2003).

Everything is laid out with edges of 1: the tile in row j, column i is i..i+1 to the right and j..j+1 downwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from artkit.contract import Step
from artkit.generate.lineart import LineOptions, cut, drawing_of, grown, pens_of
from artkit.generate.palettes import Palette
from artkit.generate.strokes import Drawing, Stroke
from artkit.generate.tones import Tones
from artkit.generate.travel import merged
from artkit.image import Picture

WIDTHS = 12  # different ones where lines follow a photo
RIGHT, BOTTOM, LEFT, TOP = 1, 2, 4, 8  # edges of a tile, as bits


class TilesOptions(LineOptions):
    """Truchet and Wang tiles."""

    palette: str = Field(default="bauhaus", description="Name, a picture file to take colors from, or #hex,#hex,…")
    line: float = Field(
        default=4.0,
        ge=0.2,
        le=60,
        description="Width of lines, thousandths of the shorter edge",
        json_schema_extra={"surprise": [2.5, 5.0]},
    )
    design: Literal["fans", "arcs", "diagonals", "wang"] = Field(
        default="fans", description="Fans of several sizes, quarter circles, diagonals, or pipes whose ends match"
    )
    pens: int = Field(default=0, ge=0, le=64, description="Number of colors, a layer each in SVG (0: the palette's)")
    tiles: int = Field(
        default=20, ge=1, le=400, description="Tiles along the shorter edge", json_schema_extra={"surprise": [10, 24]}
    )
    lines: int = Field(
        default=4, ge=1, le=24, description="Lines side by side in a tile", json_schema_extra={"surprise": [2, 5]}
    )
    depth: int = Field(default=3, ge=1, le=6, description="Sizes of fans, each twice the last")
    divide: float = Field(default=0.55, ge=0, le=1, description="Part of the larger fans that are divided")
    fill: float = Field(default=0.62, ge=0, le=1, description="Part of the edges that a pipe goes through (wang)")

    @property
    def fine(self) -> float:
        """Sides of a quarter circle as large as a tile: within 1/50,000 of the shorter edge of a true one."""
        return 4 * math.sqrt(1000 * (1 - 2 * self.border) / self.tiles)


@dataclass(frozen=True, eq=False)
class Piece:
    """A line within a tile, (N, 2), and where in the palette it is, 0..1, None where connected lines share a color."""

    line: np.ndarray
    tint: float | None = None


def arc(x: float, y: float, radius: float, begin: float, end: float, fine: float) -> np.ndarray:
    """From angle to angle in quarter turns, clockwise from the right as y is downwards: (N, 2).

    fine: sides of a quarter circle of radius 1; others have as many as leave the same distance to the true circle.
    """
    sides = max(2, math.ceil(fine * math.sqrt(radius) * abs(end - begin)))
    t = np.linspace(begin, end, sides + 1) * np.pi / 2
    return np.stack([x + radius * np.cos(t), y + radius * np.sin(t)], axis=1)


def band(count: int) -> np.ndarray:
    """Where lines side by side cross an edge, (count,): evenly over the middle of it, the same from both its ends."""
    return 0.5 + (np.arange(count) - (count - 1) / 2) * 0.62 / max(count, 2)


def arcs(rows: int, columns: int, options: TilesOptions, rng: np.random.Generator) -> list[Piece]:
    """Quarter circles around two opposite corners, either pair."""
    turned = rng.random((rows, columns)) < 0.5

    def around(x: int, y: int, begin: int) -> list[np.ndarray]:
        return [arc(x, y, radius, begin, begin + 1, options.fine) for radius in band(options.lines)]

    ways = [around(0, 0, 0) + around(1, 1, 2), around(1, 0, 1) + around(0, 1, 3)]
    return [
        Piece(line + np.array([i, j])) for j in range(rows) for i in range(columns) for line in ways[int(turned[j, i])]
    ]


def diagonals(rows: int, columns: int, options: TilesOptions, rng: np.random.Generator) -> list[Piece]:
    """Parallels to one diagonal or the other, which meet those of the neighbors at the edges."""
    turned = rng.random((rows, columns)) < 0.5
    offsets = (np.arange(options.lines) + 0.5) / options.lines if options.lines > 1 else np.array([0.0])
    falling = [np.array([[d, 0], [1, 1 - d]]) for d in offsets]
    falling += [np.array([[0, 1 - d], [d, 1]]) for d in offsets if d]
    ways = [falling, [np.array([1, 0]) + line * (-1, 1) for line in falling]]
    return [
        Piece(line + np.array([i, j])) for j in range(rows) for i in range(columns) for line in ways[int(turned[j, i])]
    ]


def fans(rows: int, columns: int, options: TilesOptions, rng: np.random.Generator) -> list[Piece]:
    """Arcs at equal distances around two opposite corners, those of one over those of the other.

    Tiles of all sizes have lines at the same distances, and each edge is met at all of them: lines go on everywhere.
    All fans around one point have one color.
    """
    largest = 2 ** (options.depth - 1)
    tints = rng.random((rows + 1, columns + 1))
    squares = [(i, j, largest) for j in range(0, rows, largest) for i in range(0, columns, largest)]
    pieces = []
    while squares:
        i, j, size = squares.pop()
        if i >= columns or j >= rows:
            continue
        sticks_out = i + size > columns or j + size > rows
        if size > 1 and (sticks_out or rng.random() < options.divide):
            half = size // 2
            squares += [(i + x, j + y, half) for x in (0, half) for y in (0, half)]
            continue
        corner = int(rng.integers(4))
        for opposite in (False, True):
            x, y, begin = [(0, 0, 0), (1, 0, 1), (1, 1, 2), (0, 1, 3)][(corner + 2 * opposite) % 4]
            x, y = i + size * x, j + size * y
            for radius in (np.arange(size * options.lines) + 0.5) / options.lines:
                hidden = _hidden(radius, size) if opposite else 0.0
                parts = [(0, 1)] if hidden == 0 else [(0, 0.5 - hidden), (0.5 + hidden, 1)]
                least = 0.3 / (options.lines * radius)  # shorter ones would be dots
                for part_begin, part_end in parts:
                    if part_end - part_begin > least:
                        line = arc(x, y, radius, begin + part_begin, begin + part_end, options.fine)
                        pieces.append(Piece(line, float(tints[y, x])))
    return pieces


def _hidden(radius: float, size: float) -> float:
    """Half of the part of a quarter circle, in quarter turns, that a quarter disc over the opposite corner covers.

    Points at the angle φ from the tile's diagonal are 2s² + r² - 2√2·s·r·cos φ from that corner, squared.
    """
    cosine = (size**2 + radius**2) / (2 * np.sqrt(2) * size * radius)
    return float(np.arccos(cosine) / (np.pi / 2)) if cosine < 1 else 0.0


def wang(rows: int, columns: int, options: TilesOptions, rng: np.random.Generator) -> list[Piece]:
    """Pipes of parallel lines, which go through an edge in both of its tiles or in neither."""
    upright = rng.random((rows, columns + 1)) < options.fill  # edges at the left and the right of tiles
    level = rng.random((rows + 1, columns)) < options.fill
    upright[:, [0, -1]] = False
    level[[0, -1]] = False
    kinds = RIGHT * upright[:, 1:] + BOTTOM * level[1:] + LEFT * upright[:, :-1] + TOP * level[:-1]
    over = rng.random((rows, columns)) < 0.5
    return [
        Piece(line + np.array([i, j]))
        for j in range(rows)
        for i in range(columns)
        for line in pipes(int(kinds[j, i]), options.lines, bool(over[j, i]), options.fine)
    ]


def pipes(edges: int, count: int, over: bool, fine: float) -> list[np.ndarray]:
    """The lines of a tile whose pipes go through `edges`: ends, bends, straight ones, junctions, crossings.

    over: of a crossing, the upright pipe lies over the level one. fine: sides of a quarter circle, as `arc` has it.
    """
    turns = [turn for turn, bit in enumerate((RIGHT, BOTTOM, LEFT, TOP)) if edges & bit]
    across = band(count)
    reach = across.max() - 0.5 + 0.31 / max(count, 2)  # from the middle to just beside the outermost line
    straight = [np.array([[0, y], [1, y]]) for y in across]
    stub = [np.array([[0.5 + reach, y], [1, y]]) for y in across]
    if len(turns) == 1:  # towards the right, then turned; each line comes back as another one
        ends = [_u_turn(y, fine) for y in across if y <= 0.5]
        return [_turned(line, turns[0]) for line in ends]
    if len(turns) == 2 and (turns[1] - turns[0]) % 2:
        corner = turns[0] if turns[1] - turns[0] == 1 else 3
        return [_turned(arc(1, 1, r, 2, 3, fine), corner) for r in across]
    if len(turns) == 2:
        return [_turned(line, turns[0]) for line in straight]
    if len(turns) == 3:
        (third,) = [turn for turn in turns if (turn + 2) % 4 not in turns]
        return [_turned(line, third + 1) for line in straight] + [_turned(line, third) for line in stub]
    if len(turns) == 4:
        first = int(over)
        beside = [_turned(line, turn) for turn in (first + 1, first + 3) for line in stub]
        return [_turned(line, first) for line in straight] + beside
    return []


def _u_turn(y: float, fine: float) -> np.ndarray:
    """In from the right at height y, around the middle, and out again on the other side of it; y 0.5 ends there."""
    if y == 0.5:
        return np.array([[1.0, 0.5], [0.5, 0.5]])
    around = arc(0.5, 0.5, 0.5 - y, 3, 1, fine)
    return np.concatenate([[[1.0, y]], around, [[1.0, 1 - y]]])


def _turned(line: np.ndarray, quarters: int) -> np.ndarray:
    """Around the middle of the tile, clockwise."""
    x, y = (line - 0.5).T
    for _ in range(quarters % 4):
        x, y = -y, x
    return np.stack([x, y], axis=1) + 0.5


DESIGNS = {"fans": fans, "arcs": arcs, "diagonals": diagonals, "wang": wang}


def tiles_drawing(options: TilesOptions, source: Picture | None = None) -> Drawing:
    """Lines that go on from tile to tile; with a photo they are as wide as it differs from the paper."""
    rng = np.random.default_rng(options.seed)
    left, top, right, bottom = options.frame
    edge = min(right - left, bottom - top) / options.tiles
    columns, rows = int((right - left) / edge + 1e-6), int((bottom - top) / edge + 1e-6)
    corner = np.array([left + right - columns * edge, top + bottom - rows * edge]) / 2
    pieces = DESIGNS[options.design](rows, columns, options, rng)
    lines = [corner + edge * piece.line for piece in pieces]
    palette = Palette.of(options.palette)
    colors = pens_of(palette, options.pens)
    if source is not None:
        lines = [part for line in lines for part in cut(line, 0.4 * edge)]
        widths, tints = _toned(lines, source, edge, palette, options)
    elif pieces and pieces[0].tint is None:
        lines = merged(lines, 1e-4 * edge)
        widths, tints = np.full(len(lines), options.line_width), _by_length(lines, rng)
    else:
        tints = np.array([piece.tint for piece in pieces], np.float64)
        widths = np.full(len(lines), options.line_width)
    pens = np.minimum((tints * len(colors)).astype(int), len(colors) - 1)
    strokes = []
    for pen, color in enumerate(colors):
        for width in np.unique(widths[pens == pen]):
            alike = [lines[i] for i in np.flatnonzero((pens == pen) & (widths == width))]
            strokes += [Stroke(line, color, float(width)) for line in merged(alike, 1e-4 * edge)]
    return drawing_of(options, strokes)


def _by_length(lines: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """0..1 for each line: the shortest and the longest are far apart in the palette, those alike not quite alike."""
    lengths = np.array([np.hypot(*np.diff(line, axis=0).T).sum() for line in lines])
    rank = np.argsort(np.argsort(lengths + 1e-6 * rng.random(len(lines)))) / max(len(lines) - 1, 1)
    return np.clip(rank + rng.uniform(-0.12, 0.12, len(lines)), 0, 1)


def _toned(
    lines: list[np.ndarray], source: Picture, edge: float, palette: Palette, options: TilesOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Widths in pixels and places in the palette by the photo's brightness at the middle of each line."""
    tones = Tones.covering(source, options.frame)
    light = tones.at(tones.lightness(0.3 * edge), np.array([line[len(line) // 2] for line in lines]))
    ink = light if palette.background.mean() < 0.5 else 1 - light
    levels = np.round(ink * (WIDTHS - 1)) / (WIDTHS - 1)
    return (0.06 + 0.84 * levels) * edge / max(options.lines, 2), light


def tiles_steps(options: TilesOptions, source: Picture | None = None) -> Iterator[Step]:
    """The picture as the pens draw it."""
    yield from grown(tiles_drawing(options, source), options)
