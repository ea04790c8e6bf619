"""Flow fields: particles drift through noise without sources or sinks and leave strokes of paint, or lines of a pen.

Given a photo or a painting they follow its edges and take its colors, large strokes first and small ones where there is
detail (Hertzmann 1998, "Painterly rendering with curved brush strokes of multiple sizes").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
from pydantic import Field

from artkit.contract import Step, WrongCall
from artkit.generate.brush import BYTES, MOST_STROKES, Brush
from artkit.generate.canvas import FINISHED_BYTES, check_memory
from artkit.generate.fields import NoiseField, PictureField, traced
from artkit.generate.lineart import LineOptions, drawing_of, grown, pens_of
from artkit.generate.noises import fbm
from artkit.generate.palettes import Palette, from_oklab, to_oklab
from artkit.generate.spacing import Spacing
from artkit.generate.strokes import Drawing, Stroke
from artkit.image import Picture

SIZES = (1.0, 0.5, 0.25)  # of the strokes of each layer, against the largest
FINEST = 0.12  # and one more for what is small in a picture
POINTS, PEN_POINTS = 64, 240  # of a stroke
SHOWN = 8  # pictures on the way
SPREAD = 2.5  # of the lines of a pen: from one to the next, in widths


class FlowOptions(LineOptions):
    """Strokes along a field."""

    palette: str = Field(default="hokusai", description="Name, a picture file to take colors from, or #hex,#hex,…")
    supersample: int = Field(default=2, ge=1, le=4, description="Drawn this many times larger, then averaged down")
    look: Literal["paint", "pen"] = Field(
        default="paint",
        description="Paint that covers, or even lines of a pen, which an SVG holds too",
        json_schema_extra={"surprise": False},
    )
    scale: float = Field(default=0.75, gt=0, le=8, description="Swirls: larger is more and smaller ones")
    octaves: int = Field(default=2, ge=1, le=6, description="Layers of detail of the field")
    length: float = Field(default=0.45, ge=0.02, le=2, description="Length of the strokes, of the shorter edge")
    stroke: float = Field(default=30, ge=1, le=150, description="Width of the largest strokes, thousandths of it")
    coverage: float = Field(default=1.6, ge=0.1, le=6, description="How often each layer covers the canvas")
    variety: float = Field(default=0.35, ge=0, le=1, description="How far neighbors differ in color")
    relief: float = Field(default=0.7, ge=0, le=1, description="Thickness of the paint, seen by its light and shade")
    dry: float = Field(default=0.5, ge=0, le=1, description="How dry the brush is at the end of a stroke")
    follow: float = Field(default=0.9, ge=0, le=1, description="How closely strokes follow a picture's edges")
    colors: Literal["picture", "palette"] = Field(
        default="picture", description="Of a picture given: its own colors, or the palette by its brightness"
    )
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in its loop it stands")


def flow_steps(options: FlowOptions, source: Picture | None = None) -> Iterator[Step]:
    """The painting, stroke by stroke, or the drawing as the pen makes it."""
    if options.look == "pen":
        yield from grown(flow_drawing(options, source), options.model_copy(update={"supersample": 1}))  # smooth already
        return
    check_memory(options, FINISHED_BYTES + BYTES * options.supersample**2)
    palette = Palette.of(options.palette)
    brush = Brush(*options.size, options.supersample, options.seed, options.dry)
    layers = list(_layers(options, source, palette))
    background = layers[0].colors.mean(axis=0) if source is not None else palette.background
    total, done = sum(len(layer.paths) for layer in layers), 0
    together = max(1, -(-total // SHOWN))
    for layer in layers:
        for first in range(0, len(layer.paths), together):
            part = layer.part(slice(first, first + together))
            brush.lay(part.paths, part.lengths, part.widths, part.colors)
            done += len(part.paths)
            picture = brush.picture(background, options.relief, draft=done < total)
            yield Step(picture, done, total, {"strokes": done})


def flow_drawing(options: FlowOptions, source: Picture | None = None) -> Drawing:
    """Lines of a pen along the field, evenly apart, in the pens nearest to the colors that paint would have.

    WrongCall for paint, of which lines would be another picture.
    """
    if options.look == "paint":
        raise WrongCall(
            "flow paints, which an SVG does not hold; --look pen draws lines, alike in an SVG and a picture"
        )
    palette = Palette.of(options.palette)
    layer = _layer(options, _field(options, source), palette, 0, options.line * SPREAD, None)
    pens = pens_of(palette, options.pens)
    near = ((to_oklab(layer.colors)[:, None] - to_oklab(pens)[None]) ** 2).sum(axis=2).argmin(axis=1)
    left, top, right, bottom = options.frame
    apart = Spacing(*options.size, options.line_width * SPREAD / 2, PEN_POINTS // 16)
    strokes = []
    for path, color in zip(layer.paths.astype(np.float64), pens[near], strict=True):
        inside = (path[:, 0] >= left) & (path[:, 0] <= right) & (path[:, 1] >= top) & (path[:, 1] <= bottom)
        for line in apart.admitted(path, inside):
            strokes.append(Stroke(line, color, options.line_width))
    return drawing_of(options, strokes)


@dataclass(frozen=True)
class _Layer:
    """Strokes of one size: paths (N, POINTS, 2) and widths (N,) in pixels, how many points count, colors (N, 3)."""

    paths: np.ndarray
    lengths: np.ndarray
    widths: np.ndarray
    colors: np.ndarray

    def part(self, which: slice) -> _Layer:
        return _Layer(self.paths[which], self.lengths[which], self.widths[which], self.colors[which])


def _field(options: FlowOptions, source: Picture | None) -> NoiseField | PictureField:
    noise = NoiseField(options.scale, options.octaves, options.seed, options.phase)
    return noise if source is None else PictureField(source, *options.size, noise, options.follow)


def _layers(options: FlowOptions, source: Picture | None, palette: Palette) -> Iterator[_Layer]:
    field = _field(options, source)
    for number, size in enumerate(SIZES if source is None else (*SIZES, FINEST)):
        yield _layer(options, field, palette, number, options.stroke * size, size)


def _layer(
    options: FlowOptions,
    field: NoiseField | PictureField,
    palette: Palette,
    number: int,
    width: float,
    size: float | None,
) -> _Layer:
    """Strokes about `width` thousandths wide. size: against the largest; None for lines of a pen, all alike."""
    rng = np.random.default_rng((options.seed, number))
    reach = np.array(options.size) / min(options.size)  # of plane coordinates
    length, points = (4 * options.length, PEN_POINTS) if size is None else (2 * options.length * size**0.5, POINTS)
    length *= 0.5 if isinstance(field, PictureField) else 1
    area = 4 * reach.prod()
    count = int(options.coverage * area / (length * 2 * width / 1000 * 0.6)) + 1
    if size is None or (number == 0 and isinstance(field, PictureField)):
        count *= 3  # many tries for lines that keep their distance; a ground that covers
    elif isinstance(field, PictureField):
        count *= 2  # many of which are not wanted
    count = min(count, MOST_STROKES // 4)
    starts = rng.uniform(-1.04, 1.04, (count, 2)) * reach
    chance = rng.random(count)
    if isinstance(field, PictureField) and number > 0:
        starts = starts[chance < field.wanted(starts, width / 1000)]
    paths = traced(field, starts, length, points)
    colors = _colors(options, field, palette, paths[:, points // 2], rng, width)
    lengths = np.full(len(paths), points)
    if isinstance(field, PictureField):
        paths, lengths = field.within_color(paths, width / 1000)
    half = min(options.size) / 2
    pixels = np.array(options.size) / 2 + half * paths * (1, -1)
    widths = width / 1000 * min(options.size) * rng.uniform(0.45, 1.0, len(paths))
    return _Layer(pixels, lengths, widths, colors)


def _colors(
    options: FlowOptions,
    field: NoiseField | PictureField,
    palette: Palette,
    places: np.ndarray,
    rng: np.random.Generator,
    width: float,
) -> np.ndarray:
    """Of strokes through `places`, (N, 2): the picture's or the palette's, more or less varied -> (N, 3) sRGB."""
    x, y = places[:, 0], places[:, 1]
    vary = rng.normal(size=(len(places), 3))
    if isinstance(field, PictureField):
        seen = field.colors(x, y, width / 1000 / 3)
        if options.colors == "picture":
            lab = to_oklab(seen) + options.variety * vary * (0.035, 0.018, 0.018)
            return np.clip(from_oklab(lab), 0, 1)
        light = to_oklab(seen)[:, 0] + 0.12 * options.variety * vary[:, 0]
        return np.array(palette(mx.array(light.astype(np.float32))))
    t = fbm(mx.array(x) * 0.6, mx.array(y) * 0.6, options.seed + 77, 2, phase=options.phase)
    drift = np.array(t) * 0.95 + 0.5 + 0.28 * options.variety * vary[:, 0]
    return np.array(palette(mx.array(drift.astype(np.float32))))
