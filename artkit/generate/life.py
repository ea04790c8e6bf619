"""Living patterns on a world that closes upon itself: Lenia, and cellular automata of many states.

Lenia: B. W.-C. Chan 2019, "Lenia: biology of artificial life": A' = clip(A + G(K * A) / T), the convolution by FFT.
Cellular automata: Life-like rules (born/survives), D. Griffeath's cyclic automaton, B. Silverman's Brian's Brain.
Colors tell what is alive, for how long it has been, and how long ago it was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import artkit.device as device

import cv2
import mlx.core as mx
import numpy as np
from pydantic import Field, field_validator

from artkit.contract import Step
from artkit.generate import canvas
from artkit.generate.canvas import CanvasOptions
from artkit.generate.cells import Brain, Cells, Cyclic
from artkit.generate.orbium import ORBIUM
from artkit.generate.palettes import Palette
from artkit.image import resize

CELL_BYTES = 160  # of a cell: transforms and their copies, memory, colors
SHOWN = 40  # pictures on the way


@dataclass(frozen=True)
class Creature:
    """A Lenia: radius in cells, time T, center and width of growth, heights of the kernel's rings; soup or orbia."""

    radius: int
    time: float
    center: float
    width: float
    rings: tuple[float, ...]
    soup: bool = True


LENIA: dict[str, Creature] = {
    "orbium": Creature(13, 10, 0.15, 0.015, (1.0,), soup=False),
    "geminium": Creature(18, 10, 0.26, 0.036, (0.5, 1.0, 2 / 3)),
    "tissue": Creature(16, 10, 0.22, 0.032, (1.0, 0.55)),
}
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


# --- Lenia --------------------------------------------------------------------------------------------------------


def ring_kernel(height: int, width: int, radius: float, rings: Sequence[float]) -> np.ndarray:
    """The neighborhood's weights around cell (0, 0) of a world that closes upon itself, (H, W), of sum 1.

    Rings of the given heights, each exp(4 - 1/(r(1 - r))) across (Chan 2019, eq. 5 and 6).
    """
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in (height, width))
    distance = np.hypot(y[:, None], x[None, :]) / radius * len(rings)
    ring = np.minimum(distance.astype(int), len(rings) - 1)
    r = np.clip(distance - ring, 1e-6, 1 - 1e-6)
    weights = np.where(distance < len(rings), np.exp(4 - 1 / (r * (1 - r))) * np.asarray(rings)[ring], 0)
    return (weights / weights.sum()).astype(np.float32)


def growth(potential: mx.array, center: float, width: float) -> mx.array:
    """How fast cells grow, -1..1, by the potential around them: 1 at `center`, -1 from 3 widths away.

    2 max(0, 1 - (u - m)²/9s²)⁴ - 1, the polynomial one of Chan 2019 (eq. 8).
    """
    away = (potential - center) * (1 / (3 * width))
    near = mx.maximum(1 - away * away, 0)
    near = near * near
    return 2 * near * near - 1


def convolution(height: int, width: int, creature: Creature) -> Callable[[mx.array], mx.array]:
    """What sums up each cell's neighborhood, weighted by the creature's kernel, (H, W) -> (H, W), by FFT."""
    if device.uses_gpu():
        kernel = ring_kernel(height, width, creature.radius, creature.rings)
        spectrum = mx.fft.rfft2(mx.array(kernel))
        mx.eval(spectrum)
        return lambda cells: mx.fft.irfft2(mx.fft.rfft2(cells) * spectrum, cells.shape)
    reach = math.ceil(creature.radius)
    (top, bottom), (left, right) = (_continued(edge, reach) for edge in (height, width))
    kernel = ring_kernel(top + height + bottom, left + width + right, creature.radius, creature.rings)
    packed = cv2.dft(kernel)

    def around(cells: mx.array) -> mx.array:
        whole = cv2.copyMakeBorder(np.array(cells, copy=False), top, bottom, left, right, cv2.BORDER_WRAP)
        sums = cv2.dft(cv2.mulSpectrums(cv2.dft(whole), packed, 0), flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)
        return mx.array(sums[top : top + height, left : left + width])

    return around


def _continued(edge: int, reach: int) -> tuple[int, int]:
    """How far a world is continued at either end, so that OpenCV transforms it quickly: not at all, or past `reach`."""
    if cv2.getOptimalDFTSize(edge) == edge:
        return 0, 0
    more = cv2.getOptimalDFTSize(edge + 2 * reach) - edge
    return more // 2, more - more // 2


class Lenia:
    """A: the cells, (H, W) 0..1. trace: what they were lately."""

    def __init__(self, cells: np.ndarray, creature: Creature, memory: float) -> None:
        self.cells = mx.array(cells.astype(np.float32))
        self.trace = self.cells
        self._creature, self._keep = creature, 0.5 ** (1 / memory)
        height, width = cells.shape
        self._around = convolution(height, width, creature)
        self._grow = mx.compile(self._grown) if device.uses_gpu() else self._grown
        mx.eval(self.cells)

    def _grown(self, cells: mx.array, trace: mx.array, potential: mx.array) -> tuple[mx.array, mx.array]:
        creature = self._creature
        rate = growth(potential, creature.center, creature.width) * (1 / creature.time)
        cells = mx.clip(cells + rate, 0, 1)
        return cells, mx.maximum(trace * self._keep, cells)

    def onward(self) -> None:
        self.cells, self.trace = self._grow(self.cells, self.trace, self._around(self.cells))

    def shown(self) -> mx.array:
        return mx.clip(0.72 * mx.sqrt(self.trace) + 0.28 * self.cells, 0, 1)

    @property
    def arrays(self) -> Sequence[mx.array]:
        return self.cells, self.trace


def _soup(height: int, width: int, creature: Creature, seed: int) -> np.ndarray:
    """Cells to begin with: random patches as large as a kernel, or orbia in every direction."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((height, width))
    if creature.soup:
        edge = 2 * creature.radius
        for _ in range(max(1, round(0.55 * height * width / edge**2))):
            _put(cells, rng.random((edge, edge)) * rng.uniform(0.3, 1.0), rng)
        return cells
    for _ in range(max(1, round(height * width / 72**2))):
        _put(cells, np.rot90(ORBIUM if rng.random() < 0.5 else ORBIUM.T, int(rng.integers(4))), rng)
    return cells


def _put(cells: np.ndarray, patch: np.ndarray, rng: np.random.Generator) -> None:
    top, left = (rng.integers(edge) for edge in cells.shape)
    rows, columns = (
        (start + np.arange(n)) % edge for start, n, edge in zip((top, left), patch.shape, cells.shape, strict=True)
    )
    cells[np.ix_(rows, columns)] = patch


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
        return Lenia(_soup(height, width, LENIA[rule], options.seed), LENIA[rule], options.memory)
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
