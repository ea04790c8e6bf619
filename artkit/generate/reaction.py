"""Gray–Scott reaction–diffusion as a picture: two substances that feed on each other grow corals, mazes, cells.

The reaction runs on a grid of its own, `detail` cells along the shorter edge, whatever the size of the canvas: the same
picture at any size, but for small ones, which have fewer cells. It takes as many steps as its fronts need to get
everywhere. What is seen is the second substance as a relief, in colors that tell when the front came by.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
from pydantic import Field

from artkit.contract import Step
from artkit.generate.canvas import FINISHED_BYTES, CanvasOptions, check_memory, shaded
from artkit.generate.grayscott import STRIDE, GrayScott
from artkit.generate.palettes import Palette
from artkit.generate.sampling import covering, resampled, spline_weights
from artkit.image import Picture


class Growth(NamedTuple):
    """Rates, and how they grow: cells a step that a front goes, steps until what it left has settled.

    apart: cells between the drops of `scatter`, at most.
    """

    feed: float
    kill: float
    speed: float
    settling: int
    apart: float = math.inf

    def drops(self, shorter: int) -> float:
        """Of `scatter`, on a square of so many cells along the edge."""
        return max(9.0, (shorter / self.apart) ** 2)


PRESETS = {  # names after K. Sims' and R. Munafo's maps of the (F, k) plane; speeds are measured
    "coral": Growth(0.0545, 0.062, 0.01125, 1000),
    "mitosis": Growth(0.0367, 0.0649, 0.0072, 1500),
    "maze": Growth(0.029, 0.057, 0.03, 2000),
    "worms": Growth(0.078, 0.061, 0.002, 1500, apart=38.0),
    "holes": Growth(0.039, 0.058, 0.036, 3500),
    "fingerprint": Growth(0.037, 0.06, 0.0225, 3000),
    "spots": Growth(0.03, 0.0625, 0.018, 2000),
    "loops": Growth(0.018, 0.051, 0.045, 3000),
    "foam": Growth(0.034, 0.056, 0.045, 3000),
    "chaos": Growth(0.026, 0.051, 0.06, 3500),
}
CELLS, FEWEST = 384, 128  # along the shorter edge; in fewer some patterns die out
RING = 0.3  # its radius, of the shorter edge
PATCH, SOWN = 8, 0.12  # of noise: its grain in cells, and the share that is sown; less of either dies out
Preset = Literal["coral", "mitosis", "maze", "worms", "holes", "fingerprint", "spots", "loops", "foam", "chaos"]


class ReactionOptions(CanvasOptions):
    """Gray–Scott reaction–diffusion."""

    preset: Preset = Field(default="coral", description="What grows: a pair of feed and kill rates")
    feed: float | None = Field(
        default=None, ge=0, le=0.12, description="How fast food comes in (the preset's if not given)"
    )
    kill: float | None = Field(
        default=None, ge=0, le=0.08, description="How fast it decays (the preset's if not given)"
    )
    steps: int | None = Field(default=None, ge=1, le=1_000_000, description="Steps of it (as many as fill the canvas)")
    detail: int | None = Field(
        default=None,
        ge=32,
        le=4096,
        description=f"Cells along the shorter edge: more are finer patterns (default: {CELLS}, fewer if small)",
        json_schema_extra={"surprise": [CELLS // 2, 3 * CELLS // 2]},
    )
    start: Literal["scatter", "center", "ring", "noise"] = Field(default="scatter", description="Where it begins")
    relief: float = Field(default=0.6, ge=0, le=1, description="Light from the side: 0 is flat")
    follow: float = Field(default=1.0, ge=0, le=1, description="How much a picture given bends the rates")
    moments: int = Field(default=24, ge=1, le=10_000, description="Pictures shown while it grows")


def reaction_steps(options: ReactionOptions, source: Picture | None = None) -> Iterator[Step]:
    """It grows; the steps done are counted."""
    check_memory(options, FINISHED_BYTES)
    feed, kill = rates(options, source)
    u, v = beginning(options)
    reaction = GrayScott(u, v, feed, kill)
    came = mx.zeros(v.shape)  # 1 where it was from the beginning, 0 where it never came
    steps = filling(options) if options.steps is None else options.steps
    strides = -(-steps // STRIDE)
    marks = sorted({round(strides * (i + 1) / options.moments) for i in range(options.moments)} - {0})
    done = 0
    for mark in marks:
        while done < mark:
            few = min(8, mark - done)
            reaction.advance(few)
            done += few
            came = mx.maximum(came, (reaction.v > 0.15) * (1 - done / strides))
            mx.eval(came)
        picture = _picture(reaction.v, came, options)
        yield Step(picture, mark, strides, {"iterations": mark * STRIDE})


def filling(options: ReactionOptions) -> int:
    """The steps in which the pattern comes everywhere, and settles."""
    growth, (height, width) = PRESETS[options.preset], _cells(options)
    shorter, corner = min(height, width), math.hypot(height, width) / 2
    ways = {  # to the place furthest from where it begins, cells; drops lie about this far apart at most
        "scatter": 0.703125 * shorter / math.sqrt(growth.drops(shorter)),
        "center": corner,
        "ring": max(RING * shorter, corner - RING * shorter),
        "noise": 12.0,
    }
    return round(growth.settling + ways[options.start] / growth.speed)


def rates(options: ReactionOptions, source: Picture | None) -> tuple[float | mx.array, float | mx.array]:
    """Feed and kill, numbers or maps (h, w): the light parts of a picture thin the pattern out."""
    feed, kill = PRESETS[options.preset][:2]
    feed = feed if options.feed is None else options.feed
    kill = kill if options.kill is None else options.kill
    if source is None:
        return feed, kill
    light = mx.array(covering(source, *_cells(options)) @ np.array([0.299, 0.587, 0.114], np.float32)) - 0.5
    return feed - 0.012 * options.follow * light, kill + 0.006 * options.follow * light


def beginning(options: ReactionOptions) -> tuple[mx.array, mx.array]:
    """The fields at the start, (h, w): food everywhere, and here and there a drop."""
    height, width = _cells(options)
    rng = np.random.default_rng(options.seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    drops = np.zeros((height, width), np.float32)
    if options.start == "noise":
        coarse = rng.random((-(-height // PATCH), -(-width // PATCH))) < SOWN
        drops = np.kron(coarse, np.ones((PATCH, PATCH), np.float32))[:height, :width]
    elif options.start == "ring":
        radius = np.hypot(x - width / 2, y - height / 2) / min(height, width)
        drops = (np.abs(radius - RING) < 0.008).astype(np.float32)
    else:
        count = PRESETS[options.preset].drops(min(height, width)) * height * width / min(height, width) ** 2
        count = 1 if options.start == "center" else max(3, round(count))
        centers = [(width / 2, height / 2)] if count == 1 else _apart(rng, count, width, height)
        for cx, cy in centers:
            dx, dy = np.abs(x - cx), np.abs(y - cy)
            distance = np.hypot(np.minimum(dx, width - dx), np.minimum(dy, height - dy))
            drops = np.maximum(drops, distance < rng.uniform(3, 6))
    drops *= rng.uniform(0.8, 1, drops.shape).astype(np.float32)  # broken symmetry
    return mx.array(1 - 0.5 * drops), mx.array(0.5 * drops)


def _apart(rng: np.random.Generator, count: int, width: int, height: int) -> list[tuple[float, float]]:
    """Places at random, but not on top of each other: each the best of ten (Mitchell 1991)."""
    places: list[tuple[float, float]] = []
    for _ in range(count):
        tries = rng.uniform(0, 1, (10, 2)) * (width, height)
        apart = [min((np.hypot(*(one - place)) for place in places), default=0) for one in tries]
        places.append(tuple(tries[int(np.argmax(apart))]))
    return places


def _cells(options: ReactionOptions) -> tuple[int, int]:
    """Rows and columns of the reaction's grid."""
    shorter = min(options.size)
    detail = options.detail or max(FEWEST, min(CELLS, shorter))
    return round(options.height * detail / shorter), round(options.width * detail / shorter)


def _picture(v: mx.array, came: mx.array, options: ReactionOptions) -> mx.array:
    """The relief of v in its colors, (1, H, W, 3)."""
    palette = Palette.of(options.palette)
    height, width = v.shape
    half = min(height, width) / 2
    mx.eval(v, came)

    def shade(x: mx.array, y: mx.array) -> mx.array:
        columns = np.array(x[0]) * half + width / 2
        rows = height / 2 - np.array(y[:, 0]) * half
        across, down = spline_weights(columns, width, wrap=True), spline_weights(rows, height, wrap=True)
        level = resampled(v, down, across)
        step = 0.7
        slope_x = resampled(v, down, spline_weights(columns + step, width, wrap=True)) - level
        slope_y = resampled(v, spline_weights(rows + step, height, wrap=True), across) - level
        age = resampled(came, down, across)
        body = mx.clip((level - 0.08) / 0.3, 0, 1)
        color = palette(body * (0.35 + 0.65 * age))
        light = mx.clip(1 - options.relief * 9 * (slope_x + slope_y), 0.35, 1.8)
        return mx.clip(color * light[..., None], 0, 1)

    return deque(shaded(options, shade), maxlen=1).pop().image
