"""Living patterns on a world that closes upon itself: Lenia, and cellular automata of many states.

Their laws are in lenia.py and cells.py; colors tell what is alive, for how long it has been, and how long ago it was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
from pydantic import Field, field_validator

from artkit.contract import Step
from artkit.generate import canvas
from artkit.generate.canvas import CanvasOptions
from artkit.generate.cells import Brain, Cells, Cyclic
from artkit.generate.lenia import LENIA, Lenia, soup
from artkit.generate.palettes import Palette
from artkit.image import resize

CELL_BYTES = 160  # of a cell: transforms and their copies, memory, colors
SHOWN = 40  # pictures on the way


LIFE_LIKE = {"life": "B3/S23", "maze": "B3/S12345", "coral": "B3/S45678", "daynight": "B3678/S34678"}
SUITS = {"orbium": 320, "geminium": 160, "tissue": 200, "life": 700, "maze": 300, "coral": 260, "daynight": 260}
SUITS |= {"cyclic": 420, "brain": 240}  # generations
DENSITY = {"coral": 0.45, "maze": 0.45, "daynight": 0.5, "life": 0.3}  # of living cells at the beginning


class LifeOptions(CanvasOptions):
    """A world, its law, and how long it lives."""

    palette: str = Field(default="aurora", description=CanvasOptions.model_fields["palette"].description)
    rule: Literal["orbium", "geminium", "tissue", "life", "maze", "coral", "daynight", "cyclic", "brain"] = Field(
        default="orbium", description="The law: Lenia (orbium, geminium, tissue) or a cellular automaton"
    )
    law: str = Field(default="", description="A Life-like rule of your own instead, such as B36/S23")
    generations: int = Field(default=0, ge=0, le=200_000, description="Steps in time (0: what suits the rule)")
    cell: int = Field(default=2, ge=1, le=64, description="Edge of a cell in pixels")
    states: int = Field(default=14, ge=3, le=64, description="cyclic: states that cells go through")
    memory: float = Field(default=50.0, ge=1, le=500, description="Steps for which traces stay")

    @field_validator("law")
    @classmethod
    def _is_rule(cls, law: str) -> str:
        if law and not re.fullmatch(r"[Bb][0-8]*/[Ss][0-8]*", law.strip()):
            raise ValueError("should say with how many neighbors cells are born and survive, such as B3/S23")
        return law.strip().upper()


class World(Protocol):
    """What lives: goes one step on, and shows itself as (H, W) positions in the palette, 0..1."""

    def onward(self) -> None: ...

    def shown(self) -> mx.array: ...

    @property
    def arrays(self) -> Sequence[mx.array]: ...


# --- the picture --------------------------------------------------------------------------------------------------


def life_steps(options: LifeOptions) -> Iterator[Step]:
    """The world, as it lives."""
    factor = options.supersample
    height, width = (max(8, math.ceil(edge * factor / options.cell)) for edge in (options.height, options.width))
    share = height * width / (options.height * options.width)
    canvas.check_memory(options, canvas.FINISHED_BYTES + CELL_BYTES * share)
    world, palette = _world(options, height, width), Palette.of(options.palette)
    total = options.generations or SUITS[options.rule]
    every = max(1, total // SHOWN)
    for done in range(1, total + 1):
        world.onward()
        mx.async_eval(*world.arrays)
        if done % every == 0 or done == total:
            image = _painted(world, options, palette)
            mx.eval(image)
            yield Step(image, done, total)


def _world(options: LifeOptions, height: int, width: int) -> World:
    """The world as it begins."""
    rng = np.random.default_rng(options.seed)
    rule, shape = options.rule, (height, width)
    if options.law:
        return Cells(rng.random(shape) < 0.3, options.law, options.memory)
    if rule in LENIA:
        return Lenia(soup(height, width, LENIA[rule], options.seed), LENIA[rule], options.memory)
    if rule == "cyclic":
        return Cyclic(rng.integers(options.states, size=shape), options.states, options.memory)
    if rule == "brain":
        return Brain(rng.random(shape) < 0.12, options.memory)
    begin = rng.random(shape) < DENSITY[rule]
    if rule in ("coral", "maze"):
        begin &= _drops(height, width, rng)
    return Cells(begin, LIFE_LIKE[rule], options.memory)


def _drops(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Some round places, (H, W) bool, from which growing laws can grow."""
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    here = np.zeros((height, width), bool)
    for _ in range(max(3, height * width // 12_000)):
        dy, dx = np.abs(y - rng.integers(height)), np.abs(x - rng.integers(width))
        here |= np.hypot(np.minimum(dy, height - dy), np.minimum(dx, width - dx)) < rng.uniform(4, 16)
    return here


def _painted(world: World, options: LifeOptions, palette: Palette) -> mx.array:
    """(1, H, W, 3) sRGB: Lenia is enlarged smoothly, cells stay square."""
    factor, shown = options.supersample, world.shown()
    height, width = options.height * factor, options.width * factor
    if isinstance(world, Lenia):
        shown = mx.clip(mx.array(resize(np.array(shown)[..., None].repeat(3, axis=2), height, width)[..., 0]), 0, 1)
    else:
        shown = mx.repeat(mx.repeat(shown, options.cell, axis=0), options.cell, axis=1)[:height, :width]
    colors = (
        palette.around(shown) if isinstance(world, Cyclic) else palette(shown if not _is_light(palette) else 1 - shown)
    )
    image = canvas.average_down(colors, factor)
    return canvas.dither(image, options.seed)[None] if isinstance(world, Lenia) else image[None]


def _is_light(palette: Palette) -> bool:
    """Whether the background is nearer to the end of the palette than to its beginning."""
    first, last = (np.abs(palette.background - palette.colors[k]).sum() for k in (0, -1))
    return bool(last < first)
