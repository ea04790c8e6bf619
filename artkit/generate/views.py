"""What is looked at in a fractal, and how the points of a picture of it are followed."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import artkit.device as device

import mlx.core as mx
import numpy as np

from artkit.contract import WrongCall
from artkit.generate import canvas
from artkit.generate.bigplane import DEEPEST_BITS, Place, Reference
from artkit.generate.deep import DeepView
from artkit.generate.escape import Formula, Orbits, State, TrapName, follow, freeze, together
from artkit.generate.places import SPOTS, julia_constant, wander

if TYPE_CHECKING:
    from artkit.generate.fractal import FractalOptions

BASE = {"mandelbrot": 1.25, "julia": 1.2, "ship": 1.5, "newton": 1.5}  # half of the shorter edge at zoom 0
HOME = {"mandelbrot": (-0.7, 0.0), "julia": (0.0, 0.0), "ship": (-0.45, -0.5), "newton": (0.0, 0.0)}
PLAIN_ZOOM = 1.5  # log10 of the magnification from which float32 coordinates are too coarse
HEAVY = 2**32  # pixels × iterations above which fusing kernels on the CPU is worth waiting for the compiler
TILE = {False: 2**16, True: 2**22}  # points at a time on the CPU, on a GPU
DEEP_TILE = 2**18  # points whose patches are followed together
LONGEST = 16  # times the iterations that a picture of this depth usually needs


@dataclass(frozen=True)
class View:
    """What is looked at: a place, half of the shorter edge, and what is iterated there, turned by `angle` (radians)."""

    middle: Place
    radius: float
    formula: Formula
    constant: complex
    angle: float

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
            middle = Place.of(across.strip(), up.strip(), DEEPEST_BITS)
        constant = (
            complex(*map(float, options.constant.split(","))) if options.constant else julia_constant(options.seed)
        )
        slope = options.coloring in ("relief", "distance") and name != "ship"  # whose z is no smooth function of c
        trap: TrapName | None = options.trap if options.coloring == "trap" else None
        formula = Formula(_escaping(name), options.power, slope, trap)
        return cls(middle, radius, formula, constant, math.radians(options.angle))

    @property
    def deep(self) -> bool:
        """Whether it is too small for float32 coordinates."""
        return self.formula.name == "mandelbrot" and self.formula.power == 2 and self.radius < 10**-PLAIN_ZOOM

    @property
    def unit(self) -> float:
        """What slopes are by, in the plane."""
        return self.radius if self.deep else 1.0

    def orbits(
        self, width: int, height: int, bands: list[tuple[int, int]], limit: int
    ) -> Iterator[tuple[tuple[int, int], Orbits]]:
        """What becomes of the points of each band of rows of a W×H canvas, as they are done."""
        if self.deep:
            patches = self._patches(width, height, limit)
            yield from ((band, patches.orbits(*band)) for band in bands)  # side by side they are no quicker
            return
        formula, starts = self.formula, (self._start(width, height, band) for band in bands)
        if device.uses_gpu():
            for band, start in zip(bands, starts, strict=True):
                yield band, freeze(start, formula.kernel(True), formula.stride, limit, formula.radius)
            return
        leap = formula.leap(width * height * limit > HEAVY)
        jobs = (follow(start, leap, formula.stride, limit, formula.radius) for start in starts)
        for number, orbits in together(jobs, device.CPU_STREAMS):
            yield bands[number], orbits

    def surveyed(self, width: int, height: int) -> tuple[Orbits, int]:
        """All points of a small canvas, followed until hardly any of them leaves any more; and how long that is."""
        limit = 1000 + 300 * max(0, round(-math.log10(self.radius)))
        most = LONGEST * limit
        if self.deep:
            limit = max(limit, min(most, 2000 + 3 * self._patches(width, height, most).begin))
        while True:
            _, orbits = next(self.orbits(width, height, [(0, height)], limit))
            count = np.asarray(orbits.count)
            late = np.count_nonzero(count > 0.85 * limit)
            if limit >= most or (count.any() and late <= 0.005 * count.size):
                return orbits, limit
            limit = min(2 * limit, most) if count.any() else most

    def _start(self, width: int, height: int, band: tuple[int, int]) -> State:
        x, y = (part.reshape(-1) for part in canvas.grid(width, height, *band))
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = x * cos - y * sin, x * sin + y * cos
        if self.formula.name == "ship":
            y = -y  # so that it floats
        middle = complex(self.middle)
        start = self.formula.start(middle.real + self.radius * x, middle.imag + self.radius * y, self.constant)
        mx.eval(start)
        return start

    def _patches(self, width: int, height: int, limit: int) -> DeepView:
        scale = cmath.rect(2 * self.radius / min(width, height), self.angle)
        return DeepView(Reference.of(self.middle), width, height, scale, limit, self.formula.trap)


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
