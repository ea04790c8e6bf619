"""Newton's method for the roots of z^n - 1: which root a point comes to is a fractal (Cayley 1879).

With a complex factor a before the step (z - a p/p'), the basins turn into spirals. How fast a point arrives is summed
up smoothly as exp(-1/|step|) (P. Bourke's "exponential smoothing").
"""

from __future__ import annotations

import cmath
import functools
import math
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import artkit.device  # noqa: F401

import mlx.core as mx

from artkit.contract import Step
from artkit.generate.canvas import shaded
from artkit.generate.palettes import Palette
from artkit.generate.views import BASE

if TYPE_CHECKING:
    from artkit.generate.fractal import FractalOptions

ITERATIONS = 48


def factor_of(seed: int) -> complex:
    """How long a step is, and which way it is turned, by the seed; Newton's own is 1."""
    rng = random.Random(f"newton {seed}")
    return cmath.rect(rng.uniform(0.75, 1.35), rng.choice([-1, 1]) * rng.uniform(0.15, 0.65))


def newton(x: mx.array, y: mx.array, power: int, factor: complex, iterations: int) -> tuple[mx.array, ...]:
    """Where points arrive, (x, y), and how slowly, for z^power - 1; the shapes of x."""
    slow = mx.zeros_like(x)
    for _ in range(iterations):
        x, y, slow = _once(x, y, slow, power, factor)
    return x, y, slow


def _once(x: mx.array, y: mx.array, slow: mx.array, power: int, factor: complex) -> tuple[mx.array, mx.array, mx.array]:
    """One step: z - a (z - z^(1-n)) / n, since p/p' = (z^n - 1) / (n z^(n-1))."""
    square = x * x + y * y + 1e-12
    ix, iy = x / square, -y / square  # 1/z
    px, py = ix, iy
    for _ in range(power - 2):
        px, py = px * ix - py * iy, px * iy + py * ix
    sx, sy = mx.clip((x - px) / power, -1e4, 1e4), mx.clip((y - py) / power, -1e4, 1e4)
    sx, sy = factor.real * sx - factor.imag * sy, factor.real * sy + factor.imag * sx
    slow = slow + mx.exp(-1 / mx.sqrt(sx * sx + sy * sy + 1e-12))
    return x - sx, y - sy, slow


def newton_steps(options: FractalOptions) -> Iterator[Step]:
    """The picture, band by band. A root is a part of the palette; slow places are dark, and lit at their rims."""
    palette, power = Palette.of(options.palette), max(3, options.power)
    factor, radius = factor_of(options.seed), BASE["newton"] * 10.0 ** -(options.zoom or 0)
    middle = [float(part) for part in options.center.split(",")] if options.center else [0.0, 0.0]
    iterate = functools.partial(newton, power=power, factor=factor, iterations=options.limit or ITERATIONS)
    turn = math.radians(options.angle)

    def shade(x: mx.array, y: mx.array) -> mx.array:
        x, y = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
        x, y, slow = iterate(middle[0] + radius * x, middle[1] + radius * y)
        root = mx.arctan2(y, x) / (2 * math.pi) * power
        root = (mx.round(root) % power) / power
        wave = 0.5 - 0.5 * mx.cos(2 * math.pi * (options.turns * 0.35 * slow + options.phase))
        t = 0.22 + 0.72 * root + 0.16 * (wave - 0.5)
        light = mx.exp(-0.13 * mx.maximum(slow - 1.0, 0)) * (0.72 + 0.28 * wave)
        return mx.clip(palette(t) * light[..., None], 0, 1)

    yield from shaded(options, shade)
