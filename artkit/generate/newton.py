"""Newton's method for the roots of z^n - 1: which root a point comes to is a fractal (Cayley 1879).

With a complex factor a before the step (z - a p/p'), the basins turn into spirals. How fast a point arrives is summed
up smoothly as exp(-1/|step|) (P. Bourke's "exponential smoothing").
"""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import artkit.device  # noqa: F401

import mlx.core as mx

from artkit.contract import Step
from artkit.generate.canvas import shaded
from artkit.generate.escape import TrapName, approach
from artkit.generate.palettes import Palette
from artkit.generate.views import BASE

if TYPE_CHECKING:
    from artkit.generate.fractal import FractalOptions

ITERATIONS = 48


def factor_of(seed: int) -> complex:
    """How long a step is, and which way it is turned, by the seed; Newton's own is 1."""
    rng = random.Random(f"newton {seed}")
    return cmath.rect(rng.uniform(0.75, 1.35), rng.choice([-1, 1]) * rng.uniform(0.15, 0.65))


class Followed(NamedTuple):
    """Points on their way to the roots, each (H, W), and what is known of the way.

    x, y: where they are. slow: how slowly they arrive. stretch: log |dz/dz0|, and steepest: the most it was.
    nearest: the closest that they came to the trap.
    """

    x: mx.array
    y: mx.array
    slow: mx.array
    stretch: mx.array
    steepest: mx.array
    nearest: mx.array

    @classmethod
    def of(cls, x: mx.array, y: mx.array) -> Followed:
        zero = mx.zeros_like(x)
        return cls(x, y, zero, zero, zero, zero + 1e9)


def newton(x: mx.array, y: mx.array, power: int, factor: complex, iterations: int, trap: TrapName) -> Followed:
    """The points (x, y) after some steps for z^power - 1."""
    points = Followed.of(x, y)
    for _ in range(iterations):
        points = _once(points, power, factor, trap)
    return points


def _once(at: Followed, power: int, factor: complex, trap: TrapName) -> Followed:
    """One step: z - a (z - z^(1-n)) / n, since p/p' = (z^n - 1) / (n z^(n-1)).

    Its slope is 1 - a/n - a (1 - 1/n) z^(-n). The trap is twice as large as usual, and turned so that no root is in it.
    Lazy: what nobody looks at is never computed.
    """
    x, y = at.x, at.y
    square = mx.maximum(x * x + y * y + 1e-12, 5e-10)  # so that the eighth power of 1/z is a number
    ix, iy = x / square, -y / square  # 1/z
    px, py = ix, iy
    for _ in range(power - 2):
        px, py = px * ix - py * iy, px * iy + py * ix
    sx, sy = mx.clip((x - px) / power, -1e4, 1e4), mx.clip((y - py) / power, -1e4, 1e4)
    sx, sy = factor.real * sx - factor.imag * sy, factor.real * sy + factor.imag * sx
    slow = at.slow + mx.exp(-1 / mx.sqrt(sx * sx + sy * sy + 1e-12))
    qx, qy = (1 - 1 / power) * (px * ix - py * iy), (1 - 1 / power) * (px * iy + py * ix)
    dx = 1 - factor.real / power - (factor.real * qx - factor.imag * qy)
    dy = -factor.imag / power - (factor.real * qy + factor.imag * qx)
    stretch = at.stretch + 0.5 * mx.log(mx.clip(dx * dx + dy * dy, 1e-12, 1e30))
    nearest = mx.minimum(at.nearest, approach(trap, *_turned(x / 2, y / 2, math.pi / math.lcm(power, 4))))
    return Followed(x - sx, y - sy, slow, stretch, mx.maximum(at.steepest, stretch), nearest)


def _turned(x: mx.array, y: mx.array, angle: float) -> tuple[mx.array, mx.array]:
    """Points turned around the origin, radians."""
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def newton_steps(options: FractalOptions) -> Iterator[Step]:
    """The picture, band by band. A root is a part of the palette; the way there is what `coloring` shows."""
    palette, power = Palette.of(options.palette), max(3, options.power)
    factor, radius = factor_of(options.seed), BASE["newton"] * 10.0 ** -(options.zoom or 0)
    middle = [float(part) for part in options.center.split(",")] if options.center else [0.0, 0.0]
    pixel = 2 * radius / min(options.size)
    turn = math.radians(options.angle)

    def shade(x: mx.array, y: mx.array) -> mx.array:
        x, y = _turned(x, y, turn)
        start = middle[0] + radius * x, middle[1] + radius * y
        points = newton(*start, power, factor, options.limit or ITERATIONS, options.trap)
        root = mx.arctan2(points.y, points.x) / (2 * math.pi) * power
        root = (mx.round(root) % power) / power
        wave, light = _seen(points, options, pixel)
        t = 0.22 + 0.72 * root + 0.16 * (wave - 0.5)
        return mx.clip(palette(t) * light[..., None], 0, 1)

    yield from shaded(options, shade)


def _seen(points: Followed, options: FractalOptions, pixel: float) -> tuple[mx.array, mx.array]:
    """(wave, light) of points, 0..1: where in its root's part of the palette one is, and how bright.

    relief: slow places are dark, and lit at their rims. smooth: by slowness, without light. distance: dark at the
    borders of the basins, which are about 1 / max |dz/dz0| away. trap: what came near to the trap is bright.
    pixel: the edge of one, in the plane.
    """
    if options.coloring == "distance":
        level = mx.log2(1 + mx.exp(-points.steepest) / pixel) / math.log2(1 + 1 / pixel)
    elif options.coloring == "trap":
        level = -mx.log2(mx.clip(points.nearest, 1e-4, 1.0)) / math.log2(1e4)
    else:
        level = 0.35 * points.slow
    wave = 0.5 - 0.5 * mx.cos(2 * math.pi * (options.turns * level + options.phase))
    if options.coloring == "smooth":
        return wave, mx.ones_like(wave)
    if options.coloring == "relief":
        return wave, mx.exp(-0.13 * mx.maximum(points.slow - 1.0, 0)) * (0.72 + 0.28 * wave)
    return wave, (0.45 + 0.55 * mx.clip(level, 0, 1)) * (0.72 + 0.28 * wave)
