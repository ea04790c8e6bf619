"""Textures that grow: cells that learned a picture, each seeing only its neighbors (artkit/nets/automaton.py).

Niklasson et al. 2021, "Self-Organising Textures". They grow at any size, heal when they are torn, follow a field that
turns what they see, and two of them can be grafted onto each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Literal

import artkit.device as device

import mlx.core as mx
import numpy as np
from pydantic import Field

from artkit.contract import Options, Step, WrongCall
from artkit.generate.canvas import FINISHED_BYTES, check_memory, grid
from artkit.generate.imagery import NeuralOptions, cover, finished
from artkit.generate.shelf import get
from artkit.image import Picture
from artkit.nets.automaton import CHANNELS, RATE, Automaton, picture, seed
from artkit.nets.cpu_bands import thread_streams

CELL_BYTES = 4 * CHANNELS * 3  # a cell: before a step, after it, and the bands on their way
BAND_CELLS = 2**14  # worked on at a time, on a core
TORN = 0.6  # part of the updates after which holes are torn
SHOWN = 4  # updates from one step to the next


class Culture(Options):
    """What every dish of cells has."""

    texture: str = Field(default="", description="Which one has been learned (the first if not given)")
    rate: float = Field(default=RATE, ge=0, le=1, description="Share of the cells that change each time")
    turn: float = Field(
        default=0.0,
        ge=-360,
        le=360,
        description="Degrees that all cells see their neighbors turned by",
        json_schema_extra={"period": 360},
    )


class AutomataOptions(Culture, NeuralOptions):
    """A texture that grows out of nothing."""

    updates: int = Field(default=160, ge=1, le=100_000, description="How often the cells change")
    field: Literal["even", "ring", "whirl", "waves"] = Field(
        default="even", description="How the turn differs over the canvas: around the middle, in a spiral, in waves"
    )
    graft: str = Field(default="", description="A second texture, that grows into the first")
    where: Literal["half", "disk", "checks", "stripes"] = Field(
        default="half", description="Where the second grows, without a picture; with one, where it is dark"
    )
    holes: int = Field(default=0, ge=0, le=1000, description="Holes torn in it when it has grown, that heal")


class DishOptions(Culture):
    """Cells to be touched."""

    graft: str = Field(default="", description="The texture that is planted (the next if not given)")
    edge: int = Field(default=256, ge=32, le=2048, description="Cells along an edge; fewer grow quicker")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of which cells change when")


def automata_steps(options: AutomataOptions, source: Picture | None = None) -> Iterator[Step]:
    """The texture as it grows; Step.figures: update. A source says where a grafted texture grows: where it is dark.

    WrongCall for a texture nobody has learned, or a source without anything to graft.
    """
    if source is not None and not options.graft:
        raise WrongCall("the picture of --from says where a second texture grows; name one with --graft")
    check_memory(options, options.supersample**2 * (CELL_BYTES + FINISHED_BYTES))
    height, width = options.height * options.supersample, options.width * options.supersample
    dish = Dish(get(options.texture), height, width, options.seed, options.rate)
    dish.turn = turned(options, height, width)
    if options.graft:
        dish.graft = get(options.graft), grafted(options, height, width, source)
    random = np.random.default_rng(options.seed)
    for update in range(1, options.updates + 1):
        if update == round(TORN * options.updates):
            for _ in range(options.holes):
                dish.erase(random.uniform(0, width), random.uniform(0, height), min(width, height) / 8)
        dish.update()
        if update % SHOWN == 0 or update == options.updates:
            yield Step(finished(dish.picture(), options), update, options.updates, {"update": update})


class Dish:
    """Cells on a torus, (1, H, W, 12), and what may be done to them at any time between updates.

    turn: angles by which cells see their neighbors turned, radians, (H, W). graft: a second automaton, and how far each
    cell follows it, (H, W), 0..1.
    """

    def __init__(self, automaton: Automaton, height: int, width: int, number: int = 0, rate: float = RATE) -> None:
        self.automaton, self.rate = automaton, rate
        self.cells = seed(1, height, width)
        self.turn: mx.array | None = None
        self.graft: tuple[Automaton, mx.array] | None = None
        self._key = mx.random.key(number)

    def update(self) -> None:
        """All cells once, of which a share `rate` changes; in bands of rows, so that little memory is needed."""
        _, height, width, _ = self.cells.shape
        self._key, key = mx.random.split(self._key)
        live = mx.random.bernoulli(self.rate, (1, height, width, 1), key=key)
        rows = max(1, BAND_CELLS * (16 if device.uses_gpu() else 1) // width)
        cores = [None] if device.uses_gpu() else thread_streams()
        bands = []
        mx.eval(self.cells, live)
        for top, core in zip(range(0, height, rows), itertools.cycle(cores)):
            with mx.stream(core or mx.default_stream(mx.default_device())):
                bands.append(self._band(live, top, min(top + rows, height)))
            if len(bands) % 32 == 0:
                mx.eval(bands)
        self.cells = mx.concatenate(bands, axis=1)
        mx.eval(self.cells)

    def _band(self, live: mx.array, top: int, bottom: int) -> mx.array:
        height = self.cells.shape[1]
        rows = mx.array(np.arange(top - 1, bottom + 1) % height)
        seen = mx.take(self.cells, rows, axis=1)
        seen = mx.concatenate([seen[:, :, -1:], seen, seen[:, :, :1]], axis=2)
        turn = None if self.turn is None else self.turn[top:bottom]
        change = self.automaton.change(seen, turn)
        if self.graft is not None:
            other, where = self.graft
            part = where[top:bottom, :, None]
            change = change * (1 - part) + other.change(seen, turn) * part
        return self.cells[:, top:bottom] + change * live[:, top:bottom]

    def erase(self, x: float, y: float, radius: float) -> None:
        """Begin anew within a disk; pixels, around the border too."""
        self.cells = self.cells * (1 - self._disk(x, y, radius)[..., None])

    def plant(self, automaton: Automaton, x: float, y: float, radius: float) -> None:
        """Let a second texture grow within a disk, as `erase`, and where one was planted before."""
        where = mx.zeros(self.cells.shape[1:3]) if self.graft is None else self.graft[1]
        self.graft = automaton, mx.maximum(where, self._disk(x, y, radius))

    def turn_to(self, degrees: float) -> None:
        """What all cells see is turned by this."""
        self.turn = mx.full(self.cells.shape[1:3], math.radians(degrees)) if degrees else None

    def _disk(self, x: float, y: float, radius: float) -> mx.array:
        """1 within, 0 outside, (H, W)."""
        _, height, width, _ = self.cells.shape
        across = np.abs(np.arange(width) + 0.5 - x % width)
        down = np.abs(np.arange(height) + 0.5 - y % height)
        distance = np.hypot(np.minimum(down, height - down)[:, None], np.minimum(across, width - across)[None])
        return mx.array((distance <= radius).astype(np.float32))

    def picture(self) -> mx.array:
        """(1, H, W, 3), sRGB 0..1."""
        return mx.clip(picture(self.cells), 0, 1)


def turned(options: AutomataOptions, height: int, width: int) -> mx.array | None:
    """Angles (H, W); None where nothing is turned."""
    if options.turn == 0 and options.field == "even":
        return None
    x, y = grid(width, height)
    angle = mx.full((height, width), math.radians(options.turn))
    if options.field == "ring":
        return angle + mx.arctan2(-y, x)
    if options.field == "whirl":
        return angle + mx.arctan2(-y, x) + 4 * mx.sqrt(x * x + y * y)
    if options.field == "waves":
        return angle + mx.sin(2 * math.pi * x) * mx.cos(2 * math.pi * y)
    return angle


def grafted(options: AutomataOptions, height: int, width: int, source: Picture | None) -> mx.array:
    """How far each cell follows the second texture, (H, W), 0..1."""
    if source is not None:
        luma = cover(source.pixels, height, width) @ np.array([0.299, 0.587, 0.114], np.float32)
        middle = float(np.median(luma))
        return mx.array(np.clip((middle - luma) * 8 + 0.5, 0, 1))
    x, y = grid(width, height)
    inside = {
        "half": x,
        "disk": 0.6 - mx.sqrt(x * x + y * y),
        "checks": mx.sin(math.pi * 2 * x) * mx.sin(math.pi * 2 * y) / 4,
        "stripes": mx.sin(math.pi * 2 * (x + y)) / 4,
    }[options.where]
    return mx.sigmoid(inside * 40)
