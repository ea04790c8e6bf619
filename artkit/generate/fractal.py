"""Fractals of escaping points: Mandelbrot, Julia and Burning Ship sets with relief, and the basins of Newton's method.

Mandelbrot pictures go as deep as 10^60 by perturbation (see deep.py). Distances to the set are |z| log|z| / |dz/dc|,
and the direction of z / (dz/dc) is the slope that light falls on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import artkit.device as device

import mlx.core as mx
import numpy as np
from pydantic import Field, field_validator, model_validator

from artkit.contract import Step, WrongCall
from artkit.generate import canvas
from artkit.generate.bigplane import Place, bits_for, orbit
from artkit.generate.canvas import CanvasOptions
from artkit.generate.deep import DeepFormula, Reference
from artkit.generate.escape import Formula, Orbits, TrapName, follow, freeze, smooth, together
from artkit.generate.palettes import Palette
from artkit.generate.places import SPOTS, julia_constant, wander
from artkit.image import resize

DEEPEST = {"mandelbrot": 60.0, "julia": 3.5, "ship": 3.5, "newton": 3.5}
PLAIN_ZOOM = 1.5  # log10 of the magnification from which float32 coordinates are too coarse
BASE = {"mandelbrot": 1.25, "julia": 1.2, "ship": 1.5, "newton": 1.5}  # half of the shorter edge at zoom 0
HOME = {"mandelbrot": (-0.7, 0.0), "julia": (0.0, 0.0), "ship": (-0.45, -0.5), "newton": (0.0, 0.0)}
HEAVY = 2**32  # pixels × iterations above which fusing kernels on the CPU is worth waiting for the compiler
TILE = {False: 2**16, True: 2**22}  # points at a time on the CPU, on a GPU
FIRST_LIMIT = 60_000  # iterations that the preview may take


class FractalOptions(CanvasOptions):
    """A place in a fractal, and how it is painted."""

    supersample: int = Field(default=2, ge=1, le=4, description="Drawn this many times larger, then averaged down")
    formula: Literal["mandelbrot", "julia", "ship", "newton"] = Field(
        default="mandelbrot", description="z² + c by pixel, z² + c by start, Burning Ship, or Newton's method"
    )
    power: int = Field(default=2, ge=2, le=8, description="The exponent of z; newton: the number of roots, from 3")
    center: str = Field(default="", description="Middle, such as -0.745,0.113, of any length; else the seed finds it")
    zoom: float | None = Field(
        default=None, ge=-1, le=60, description="Magnification as a power of ten: 0 the whole set, 13 is 10^13"
    )
    angle: float = Field(
        default=0.0, ge=-360, le=360, description="Turned by, degrees", json_schema_extra={"period": 360}
    )
    constant: str = Field(default="", description="c of a Julia set, such as -0.8,0.156; else the seed finds it")
    limit: int = Field(default=0, ge=0, le=1_000_000, description="Iterations at most (0: as many as it needs)")
    coloring: Literal["relief", "smooth", "distance", "trap"] = Field(
        default="relief", description="Lit from the side, plain, by the distance to the set, or by an orbit trap"
    )
    trap: Literal["point", "cross", "circle"] = Field(default="cross", description="What orbits are trapped by")
    turns: float = Field(default=2.0, ge=0.1, le=50, description="Times through the palette and back")
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in the palette it begins; 0 and 1 are the same")

    @field_validator("center", "constant")
    @classmethod
    def _is_point(cls, words: str) -> str:
        if words and not re.fullmatch(r"\s*[-+]?\d*\.?\d+(e[-+]?\d+)?\s*,\s*[-+]?\d*\.?\d+(e[-+]?\d+)?\s*", words):
            raise ValueError("should be two numbers with a comma between, such as -0.745,0.113")
        return words

    @model_validator(mode="after")
    def _not_too_deep(self) -> FractalOptions:
        deepest = DEEPEST[self.formula] if self.power == 2 else 3.5
        if self.zoom is not None and self.zoom > deepest:
            raise ValueError(f"this formula goes to zoom {deepest:g}; only mandelbrot of power 2 goes deeper")
        return self


@dataclass(frozen=True)
class View:
    """What is looked at: a place, half of the shorter edge, and what is iterated there."""

    middle: Place
    radius: float
    formula: Formula
    constant: complex

    @classmethod
    def of(cls, options: FractalOptions) -> View:
        """The view the person asks for, or the one the seed finds."""
        name = options.formula
        middle, zoom = _found(options)
        if options.zoom is not None:
            zoom = options.zoom
        radius = BASE[name] * 10.0**-zoom
        if options.center:
            across, up = options.center.split(",")
            middle = Place.of(across.strip(), up.strip(), bits_for(radius))
        constant = (
            complex(*map(float, options.constant.split(","))) if options.constant else julia_constant(options.seed)
        )
        slope = options.coloring in ("relief", "distance") and name != "ship"  # whose z is no smooth function of c
        trap: TrapName | None = options.trap if options.coloring == "trap" else None
        return cls(
            middle.finer(bits_for(radius)), radius, Formula(_escaping(name), options.power, slope, trap), constant
        )

    @property
    def deep(self) -> bool:
        """Whether it is too small for float32 coordinates."""
        return self.formula.name == "mandelbrot" and self.formula.power == 2 and self.radius < 10**-PLAIN_ZOOM


def _escaping(name: str) -> Literal["mandelbrot", "julia", "ship"]:
    if name == "newton":
        raise WrongCall("newton has no escaping points")
    return name  # type: ignore[return-value]


def _found(options: FractalOptions) -> tuple[Place, float]:
    """The seed's place, and the power of ten that suits it."""
    name, home = options.formula, Place.of(*HOME[options.formula])
    if options.center:
        return home, 0.0
    if name == "mandelbrot" and options.power == 2:
        middle, radius = wander(options.seed)
        return middle, -math.log10(radius / BASE[name])
    if name in SPOTS and options.power == 2:
        words, zoom = SPOTS[name][options.seed % len(SPOTS[name])]
        across, up = words.split(",")
        return Place.of(across, up), zoom
    return (Place.of(0, 0) if options.power > 2 else home), 0.0


def fractal_steps(options: FractalOptions) -> Iterator[Step]:
    """A coarse preview, then the picture from the top down."""
    if options.formula == "newton":
        from artkit.generate.newton import newton_steps

        yield from newton_steps(options)
        return
    canvas.check_memory(options, canvas.FINISHED_BYTES)
    view, palette = View.of(options), Palette.of(options.palette)
    factor = options.supersample
    small = max(1, min(options.size) // 96)
    preview = (max(1, options.width // small), max(1, options.height // small))
    limit = options.limit or _first_limit(view)
    work = Work.of(view, options, limit, preview[0] * preview[1])
    _, coarse = next(work.orbits(*preview, [(0, preview[1])]))
    if not options.limit:
        limit = _limit(coarse, work.formula, limit)
    shade = Shade.of(coarse, view, options, palette)
    width, height = options.width * factor, options.height * factor
    first = np.asarray(shade(coarse, preview, 1))
    picture = np.clip(resize(first, options.height, options.width), 0, 1).astype(np.float32)
    rows = max(1, TILE[device.uses_gpu()] // width // factor) * factor
    bands = [(top, min(top + rows, height)) for top in range(0, height, rows)]
    yield _step(picture, 0, len(bands))
    work = Work.of(view, options, limit, width * height)
    shown = 0
    for done, ((top, bottom), orbits) in enumerate(work.orbits(width, height, bands), 1):
        band = canvas.average_down(shade(orbits, (width, bottom - top), factor), factor)
        picture[top // factor : bottom // factor] = np.asarray(canvas.dither(band, options.seed + top))
        if done == len(bands) or done - shown >= len(bands) / 16:
            shown = done
            yield _step(picture, done, len(bands), iterations=limit)


def _step(picture: np.ndarray, done: int, total: int, **figures: float) -> Step:
    image = mx.array(picture[None])
    mx.eval(image)
    return Step(image, done, total, figures)


def _first_limit(view: View) -> int:
    """Iterations for the preview: deeper places need more."""
    return min(FIRST_LIMIT, 1000 + 300 * max(0, round(-math.log10(view.radius))))


def _limit(coarse: Orbits, formula: Formula | DeepFormula, limit: int) -> int:
    """Enough iterations for nearly every point that escapes at all, going by the preview."""
    counts = coarse.count[coarse.count > 0]
    return min(limit, int(np.quantile(counts, 0.998) * 1.5) + 100) if len(counts) else 200


@dataclass(frozen=True)
class Work:
    """How the points of a view are followed."""

    view: View
    formula: Formula | DeepFormula
    stride: int
    limit: int
    begin: int
    angle: float
    compiled: bool

    @classmethod
    def of(cls, view: View, options: FractalOptions, limit: int, points: int) -> Work:
        plain = view.formula
        angle = math.radians(options.angle)
        compiled = device.uses_gpu() or points * limit > HEAVY
        if not view.deep:
            return cls(view, plain, plain.stride, limit, 0, angle, compiled)
        corner = view.radius * math.hypot(*options.size) / min(options.size)
        reference = Reference.of(orbit(view.middle, limit), corner)
        formula = DeepFormula(plain, reference)
        return cls(view, formula, formula.stride, limit, reference.skipped, angle, compiled)

    def orbits(self, width: int, height: int, bands: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], Orbits]]:
        """What becomes of the points of each band of rows of a W×H canvas, as they are done."""
        radius = self.view.formula.radius
        plain = isinstance(self.formula, Formula)
        if device.uses_gpu():
            kernel = self.formula.kernel(True) if isinstance(self.formula, Formula) else self.formula.kernel()
            for band in bands:
                start = self._start(width, height, band)
                yield band, freeze(start, kernel, self.stride, self.limit, radius, begin=self.begin)
            return

        def jobs() -> Iterable[Generator[None, None, Orbits]]:
            for band in bands:
                start, leap = self._start(width, height, band), self.formula.leap(self.compiled)
                yield follow(start, leap, self.stride, self.limit, radius, begin=self.begin, cycles=plain)

        for number, orbits in together(jobs(), device.CPU_STREAMS):
            yield bands[number], orbits

    def _start(self, width: int, height: int, band: tuple[int, int]) -> tuple[mx.array, ...]:
        x, y = (part.reshape(-1) for part in canvas.grid(width, height, *band))
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = x * cos - y * sin, x * sin + y * cos
        view = self.view
        if view.formula.name == "ship":
            y = -y  # so that it floats
        if isinstance(self.formula, DeepFormula):
            unit = view.radius / 2.0**self.formula.reference.exponent
            start = self.formula.start(x * unit, y * unit)
        else:
            middle = complex(view.middle)
            start = self.formula.start(middle.real + view.radius * x, middle.imag + view.radius * y, view.constant)
        mx.eval(start)
        return start


@dataclass(frozen=True)
class Shade:
    """How orbits become colors. low, high: the smooth counts between which the palette is run through `turns` times."""

    view: View
    options: FractalOptions
    palette: Palette
    low: float
    high: float

    @classmethod
    def of(cls, coarse: Orbits, view: View, options: FractalOptions, palette: Palette) -> Shade:
        counts = smooth(coarse, view.formula)
        counts = counts[counts > 0]
        low, high = np.quantile(counts, (0.0, 0.97)) if len(counts) else (0.0, 1.0)
        return cls(view, options, palette, float(low), float(max(high, low + 1)))

    def __call__(self, orbits: Orbits, size: tuple[int, int], factor: int) -> mx.array:
        """(h, w, 3) sRGB. size: width and height of the band; factor: supersampling."""
        count = mx.array(smooth(orbits, self.view.formula))
        inside = count <= 0
        coloring = self.options.coloring
        level = mx.log1p(mx.maximum(count - self.low, 0) / self._knee) / math.log1p((self.high - self.low) / self._knee)
        if coloring == "trap":
            color = self._trapped(mx.array(orbits.last[-1]))
        elif coloring == "distance":
            color = self._far(orbits, size)
        else:
            color = self._along(level)
        if coloring == "relief":
            color = self._lit(color, orbits, size, factor)
        if coloring != "trap":
            color = mx.where(inside[:, None], mx.array(self._dark), color)
        return color.reshape(size[1], size[0], 3)

    @property
    def _knee(self) -> float:
        """Iterations after the first escape beyond which colors go by the logarithm."""
        return max(2.0, 0.08 * (self.high - self.low))

    @property
    def _dark(self) -> np.ndarray:
        """The color of the inside."""
        return self.palette.colors[0] * 0.6

    def _along(self, level: mx.array) -> mx.array:
        """Up the palette and down again."""
        t = level * self.options.turns + self.options.phase
        t = t - mx.floor(t)
        return self.palette(1 - mx.abs(2 * t - 1))

    def _slope(self, orbits: Orbits, size: tuple[int, int]) -> tuple[mx.array, ...]:
        """The direction of z / (dz/dpixel), (x, y), and the distance to the set in halves of the shorter edge."""
        if not self.view.formula.slope:
            return self._measured(orbits, size)
        deep = self.view.deep
        at = 10 if deep else 4
        x, y, dx, dy = (mx.array(orbits.last[k]) for k in (0, 1, at, at + 1))
        far, steep = mx.maximum(_length(x, y), 1.0), _length(dx, dy)
        dx, dy = dx / steep, dy / steep
        x, y = x / far, y / far
        nx, ny = x * dx + y * dy, y * dx - x * dy
        if deep:  # the slope is kept as a multiple of 2^e, per unit of 2^exponent
            unit = 2.0 ** math.ceil(
                math.log2(self.view.radius * math.hypot(*self.options.size) / min(self.options.size))
            )
            distance = far * mx.log(far) / steep * mx.power(2.0, -mx.array(orbits.last[4])) * (unit / self.view.radius)
        else:
            distance = far * mx.log(far) / steep / self.view.radius
        return mx.nan_to_num(nx), mx.nan_to_num(ny), mx.where(mx.isfinite(distance), distance, 0)

    def _measured(self, orbits: Orbits, size: tuple[int, int]) -> tuple[mx.array, ...]:
        """The same from how the count changes between pixels: it falls by 1 where log|z| doubles."""
        count = smooth(orbits, self.view.formula).reshape(size[1], size[0])
        down, right = np.gradient(count)
        steep = np.hypot(right, down) + 1e-9
        pixel = 2.0 / size[0] * max(1.0, self.options.width / self.options.height)
        distance = pixel / (2 * math.log(2) * steep)
        return tuple(mx.array(part.reshape(-1).astype(np.float32)) for part in (-right / steep, down / steep, distance))

    def _lit(self, color: mx.array, orbits: Orbits, size: tuple[int, int], factor: int) -> mx.array:
        """Lit from the upper left; threads of the set thinner than a pixel are drawn as if they had a width."""
        nx, ny, distance = self._slope(orbits, size)
        turned = math.radians(135 + self.options.angle)
        toward = nx * math.cos(turned) + ny * math.sin(turned)
        light = (toward + 1.4) / 2.4
        gloss = mx.maximum(toward, 0) ** 12
        color = color * (0.45 + 0.6 * light)[:, None] + 0.08 * gloss[:, None]
        pixel = 2.0 / min(self.options.size) / factor
        edge = mx.clip(2 * distance / (0.7 * pixel), 0, 1)[:, None]  # the distance is known up to a factor of 4
        return mx.clip(color * edge + mx.array(self._dark) * (1 - edge), 0, 1)

    def _far(self, orbits: Orbits, size: tuple[int, int]) -> mx.array:
        """By the distance to the set, on a logarithmic scale."""
        _, _, distance = self._slope(orbits, size)
        pixel = 2.0 / min(self.options.size)
        t = mx.log2(1 + distance / pixel) / math.log2(1 + 1 / pixel)
        return self._along(t)

    def _trapped(self, nearest: mx.array) -> mx.array:
        """By the nearest approach, on a logarithmic scale: what came near is bright."""
        t = -mx.log2(mx.clip(nearest, 1e-6, 4.0)) / 10
        t = mx.clip(0.5 * self.options.turns * (t + 0.1), 0, None) + self.options.phase
        t = t - 2 * mx.floor(t / 2)
        return self.palette(mx.where(t > 1, 2 - t, t))


def _length(x: mx.array, y: mx.array) -> mx.array:
    """√(x² + y²) of numbers whose squares float32 does not hold; 10^-30 of zeros."""
    size = mx.clip(mx.maximum(mx.abs(x), mx.abs(y)), 1e-30, 1e38)
    x, y = x / size, y / size
    return size * mx.sqrt(x * x + y * y + 1e-12)
