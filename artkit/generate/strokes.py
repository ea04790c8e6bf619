"""Line art: strokes of a round pen, and the picture that they make.

Strokes of one layer and one color are drawn with one pen, pens one after the other, in the picture as on a plotter;
`artkit.generate.plotter` writes the same drawing as SVG.

Edges are antialiased by coverage: a pixel at distance d from a line of width w has the part of w in it that a pixel
laid across the line would have. A stroke covers a pixel as far as the nearest of its segments does, so that nothing
shows where segments meet; strokes are painted one over the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import artkit.device  # noqa: F401 - the fast BLAS, before MLX

import mlx.core as mx
import numpy as np

from artkit.contract import Step

FRAGMENTS = 1 << 20  # pixels times segments that are worked on at once
STEPS = 32  # of a drawing that grows, at least, where it has as many segments


@dataclass(frozen=True, eq=False)
class Stroke:
    """One line, drawn without lifting the pen; a single point is a dot.

    points: (N, 2) float64, pixels, x to the right and y downwards, (0, 0) the picture's upper left corner.
    color: (3,) sRGB 0..1. width: pixels. layer: a name; strokes of one layer and one color are drawn with one pen.
    """

    points: np.ndarray
    color: np.ndarray
    width: float
    layer: str = ""

    @property
    def length(self) -> float:
        """What the pen travels on the paper, pixels."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())

    @property
    def closed(self) -> bool:
        return len(self.points) > 2 and bool((self.points[0] == self.points[-1]).all())

    @property
    def pen(self) -> tuple[str, str]:
        """(layer, color as "#rrggbb")."""
        return self.layer, hex_of(self.color)


@dataclass(frozen=True, eq=False)
class Drawing:
    """Strokes on a sheet of width × height pixels. background: (3,) sRGB 0..1."""

    width: int
    height: int
    background: np.ndarray
    strokes: tuple[Stroke, ...]

    def pens(self) -> dict[tuple[str, str], list[Stroke]]:
        """The strokes of each pen, pens in the order in which they are first needed."""
        pens: dict[tuple[str, str], list[Stroke]] = {}
        for stroke in self.strokes:
            pens.setdefault(stroke.pen, []).append(stroke)
        return pens

    @property
    def length(self) -> float:
        """What the pens travel on the paper, pixels."""
        return sum(stroke.length for stroke in self.strokes)

    def scaled(self, factor: int) -> Self:
        """The same drawing on a sheet `factor` times as large."""
        strokes = tuple(replace(s, points=s.points * factor, width=s.width * factor) for s in self.strokes)
        return replace(self, width=self.width * factor, height=self.height * factor, strokes=strokes)

    def clipped(self) -> Self:
        """Without what lies outside of the sheet; a stroke that leaves it and returns becomes several."""
        strokes = [replace(s, points=part) for s in self.strokes for part in _inside(s.points, self.width, self.height)]
        return replace(self, strokes=tuple(strokes))


def hex_of(color: np.ndarray) -> str:
    """(3,) sRGB 0..1 -> "#rrggbb"."""
    red, green, blue = (np.clip(color, 0, 1) * 255 + 0.5).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def raster(drawing: Drawing, supersample: int = 1) -> mx.array:
    """The picture, (1, H, W, 3) float32, sRGB 0..1; drawn `supersample` times as large and averaged."""
    large = drawing.scaled(supersample) if supersample > 1 else drawing
    canvas = _blank(large)
    for batch in _batches(large):
        _paint(canvas, batch, large.height, large.width)
    return _shown(canvas, large, supersample)


def growing(drawing: Drawing, supersample: int = 1) -> Iterator[Step]:
    """The picture as the pens draw it, about evenly in ink; the last step is `raster`'s."""
    large = drawing.scaled(supersample) if supersample > 1 else drawing
    canvas = _blank(large)
    batches = list(_batches(large))
    for done, batch in enumerate(batches, 1):
        _paint(canvas, batch, large.height, large.width)
        yield Step(_shown(canvas, large, supersample), done, len(batches), {"strokes": len(drawing.strokes)})
    if not batches:
        yield Step(_shown(canvas, large, supersample), 1, 1, {"strokes": 0})


def _blank(drawing: Drawing) -> np.ndarray:
    """(H·W, 3) of the background."""
    canvas = np.empty((drawing.height * drawing.width, 3), np.float32)
    canvas[:] = drawing.background
    return canvas


def _shown(canvas: np.ndarray, drawing: Drawing, supersample: int) -> mx.array:
    image = canvas.reshape(drawing.height, drawing.width, 3)
    if supersample > 1:
        s = supersample
        image = image.reshape(drawing.height // s, s, drawing.width // s, s, 3).mean(axis=(1, 3))
    shown = mx.array(image[None])
    mx.eval(shown)
    return shown


def _batches(drawing: Drawing) -> Iterator[list[Stroke]]:
    """The strokes in the order of the pens, long ones cut, in lists that cover about as many pixels each."""
    strokes = [stroke for pen in drawing.pens().values() for stroke in pen]
    costs = [_cost(stroke) for stroke in strokes]
    limit = min(FRAGMENTS, max(FRAGMENTS // 32, sum(float(cost.sum()) for cost in costs) / STEPS))
    batch: list[Stroke] = []
    filled = 0.0
    for stroke, cost in zip(strokes, costs, strict=True):
        begin = 0
        ends = np.cumsum(cost)
        while begin < len(cost):
            before = float(ends[begin - 1]) if begin else 0.0
            end = max(begin + 1, int(np.searchsorted(ends, before + limit - filled, "right")))
            batch.append(
                stroke if (begin, end) == (0, len(cost)) else replace(stroke, points=stroke.points[begin : end + 1])
            )
            filled += float(ends[end - 1]) - before
            begin = end
            if filled >= 0.999 * limit or end < len(cost):
                yield batch
                batch, filled = [], 0.0
    if batch:
        yield batch


def _cost(stroke: Stroke) -> np.ndarray:
    """About how many pixels each segment touches, (N - 1,); a dot is one segment."""
    radius = stroke.width / 2 + 0.5
    lengths = np.hypot(*np.diff(stroke.points, axis=0).T) if len(stroke.points) > 1 else np.zeros(1)
    return 2 * radius * lengths + np.pi * radius**2 + 1


def _paint(canvas: np.ndarray, strokes: list[Stroke], height: int, width: int) -> None:
    """Paint strokes over canvas, (H·W, 3), in their order.

    Of the fragments of one pixel, back to front with color c and coverage a, the pixel becomes
    canvas · Π(1 - a) + Σᵢ cᵢ aᵢ Πⱼ﹥ᵢ(1 - aⱼ); the products are taken for all pixels at once, as sums of logarithms.
    """
    first, last, owner = _segments(strokes)
    widths = np.array([stroke.width for stroke in strokes])
    segment, x, y, coverage = _fragments(first, last, widths[owner], height, width)
    if not len(segment):
        return
    key = (y * width + x) * len(strokes) + owner[segment]
    order = np.argsort(key)
    key, coverage = key[order], coverage[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    pixel, stroke = np.divmod(key[starts], len(strokes))
    a = np.maximum.reduceat(coverage, starts)
    clear = np.cumsum(np.log1p(-np.minimum(a, 1 - 1e-7)))
    starts = np.flatnonzero(np.diff(pixel, prepend=-1))
    ends = np.append(starts[1:], len(pixel)) - 1
    over = np.exp(np.repeat(clear[ends], ends - starts + 1) - clear)  # what strokes above leave of this one
    colors = np.array([s.color for s in strokes], np.float64)[stroke]
    added = np.add.reduceat(colors * (a * over)[:, None], starts)
    before = np.where(starts > 0, clear[starts - 1], 0.0)
    left = np.exp(clear[ends] - before)
    where = pixel[starts]
    canvas[where] = canvas[where] * left[:, None] + added


def _segments(strokes: list[Stroke]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends (S, 2) and (S, 2) of every segment, and the index of its stroke, (S,)."""
    lines = [s.points if len(s.points) > 1 else np.repeat(s.points, 2, axis=0) for s in strokes]
    owner = np.repeat(np.arange(len(lines)), [len(line) - 1 for line in lines])
    return np.concatenate([line[:-1] for line in lines]), np.concatenate([line[1:] for line in lines]), owner


def _fragments(
    first: np.ndarray, last: np.ndarray, width: np.ndarray, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Segment, x, y and coverage of every pixel that a segment touches.

    A segment with round ends is convex: it meets each row of pixel centers in one interval. The interval's right end is
    the largest of x₀ + t·dx + sqrt(R² - (y - y₀ - t·dy)²) over t in 0..1, which is concave in t and largest where the
    radius is normal to the segment.
    """
    radius = width / 2 + 0.5
    low, high = np.minimum(first, last), np.maximum(first, last)
    top = np.clip(np.ceil(low[:, 1] - radius - 0.5), 0, rows).astype(int)
    bottom = np.clip(np.floor(high[:, 1] + radius - 0.5), -1, rows - 1).astype(int)
    i, y = _ranges(top, bottom)
    delta = (last - first)[i]
    (dx, dy), r = delta.T, radius[i]
    length = np.maximum(np.hypot(dx, dy), 1e-12)
    above = y + 0.5 - first[i, 1]
    reach = []
    for side in (-1, 1):
        normal_y = -side * np.sign(dy) * dx / length
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(np.abs(dy) > 1e-9, (above - r * normal_y) / dy, side * dx > 0)
        t = np.clip(t, 0, 1)
        reach.append(first[i, 0] + t * dx + side * np.sqrt(np.maximum(r**2 - (above - t * dy) ** 2, 0)))
    left = np.clip(np.ceil(reach[0] - 0.5), 0, columns).astype(int)
    right = np.clip(np.floor(reach[1] - 0.5), -1, columns - 1).astype(int)
    row, x = _ranges(left, right)
    i, y = i[row], y[row]
    delta = (last - first)[i]
    px, py = x + 0.5 - first[i, 0], y + 0.5 - first[i, 1]
    squared = np.maximum((delta**2).sum(axis=1), 1e-24)
    t = np.clip((px * delta[:, 0] + py * delta[:, 1]) / squared, 0, 1)
    distance = np.hypot(px - t * delta[:, 0], py - t * delta[:, 1])
    half = width[i] / 2
    coverage = np.minimum(distance + 0.5, half) - np.maximum(distance - 0.5, -half)
    seen = coverage > 1e-4
    return i[seen], x[seen], y[seen], coverage[seen]


def _ranges(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers begin..end (inclusive) of every range, one after the other, with the index of their range."""
    counts = np.maximum(end - begin + 1, 0)
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts - begin, counts)


def _inside(points: np.ndarray, width: float, height: float) -> list[np.ndarray]:
    """The parts of a line in 0..width × 0..height (Liang and Barsky 1984, all segments at once)."""
    limit = np.array([width, height], np.float64)
    if ((points >= 0) & (points <= limit)).all():
        return [points]
    p, q = points[:-1], points[1:]
    if not len(p):
        return []
    d = q - p
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.stack([-p / d, (limit - p) / d])  # where the segment's line crosses each pair of edges
    level = d == 0
    within = (p >= 0) & (p <= limit)
    enter = np.where(level, np.where(within, 0.0, 2.0), t.min(axis=0)).max(axis=1)
    leave = np.where(level, np.where(within, 1.0, -1.0), t.max(axis=0)).min(axis=1)
    enter, leave = np.maximum(enter, 0), np.minimum(leave, 1)
    begins, ends = p + enter[:, None] * d, p + leave[:, None] * d
    parts: list[np.ndarray] = []
    current: list[np.ndarray] = []
    for i in np.flatnonzero(leave > enter):
        if not current or enter[i] > 0:
            current = [begins[i]]
        current.append(ends[i])
        if leave[i] < 1:
            parts.append(np.array(current))
            current = []
    if current:
        parts.append(np.array(current))
    return parts
