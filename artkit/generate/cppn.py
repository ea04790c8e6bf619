"""Compositional pattern producing networks: a small random network of smooth functions paints each place by itself.

K. O. Stanley 2007, "Compositional pattern producing networks". The inputs are x, y, the distance to the middle, and a
point of a latent space; taking that point around a circle is a loop without a seam, and since it is a function of the
place, it has every resolution.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
from pydantic import Field

from artkit.contract import Step
from artkit.generate.canvas import CanvasOptions, grid, shaded
from artkit.generate.palettes import Palette, from_oklab

LATENT = 8  # dimensions of the latent space
OUTPUTS = 4  # position in the palette, light, and two for the network's own colors
SAMPLE = 72  # edge of the small picture by which a network is judged and its contrast set, pixels
TRIES = 10  # networks of a seed, of which one is taken
DETAIL = 6.0  # how often the palette is run through along an edge of the picture that is taken, about
RANKS = 65
TABLE = 1024  # entries of the table that ranks are looked up in
ROUNDING = 1.5 * 2.0**23  # added to a float32 and taken away again, it rounds it
COLORS = 33  # of a table of the network's own colors, an axis


class CppnOptions(CanvasOptions):
    """A random network, and how it is seen."""

    palette: str = Field(default="dusk", description=CanvasOptions.model_fields["palette"].description)
    supersample: int = Field(default=2, ge=1, le=4, description="Drawn this many times larger, then averaged down")
    colors: Literal["palette", "network"] = Field(
        default="palette", description="Colors from the palette, or the network's own"
    )
    layers: int = Field(default=5, ge=2, le=16, description="More are more intricate")
    units: int = Field(default=24, ge=6, le=96, description="Functions in each layer")
    scale: float = Field(default=1.0, ge=0.1, le=10, description="How much of the pattern is seen: larger is finer")
    turns: float = Field(default=2.0, ge=0.1, le=20, description="Times through the palette, up and down in turn")
    symmetry: Literal["none", "mirror", "turn"] = Field(
        default="none", description="The same on the left and the right, or after half a turn"
    )
    travel: float = Field(default=0.8, ge=0, le=4, description="How far the loop goes in the latent space")
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in its loop it stands; 0 and 1 are the same")


@dataclass(frozen=True)
class Network:
    """Weights (I, U), (U, U)…, (U, O) and biases (U,)…; a third of the units each is a step, a wave and a bell."""

    weights: tuple[mx.array, ...]
    biases: tuple[mx.array, ...]

    @classmethod
    def random(cls, key: mx.array, layers: int, units: int) -> Network:
        sizes = [3 + LATENT, *[units] * layers, OUTPUTS]
        keys = mx.random.split(key, 2 * len(sizes))
        weights = [
            mx.random.normal((fan, out), key=keys[2 * k]) * (2.0 / math.sqrt(fan))
            for k, (fan, out) in enumerate(itertools.pairwise(sizes))
        ]
        places = mx.concatenate([mx.full((3, units), 1.6), mx.full((LATENT, units), 1.0)])
        weights[0] = weights[0] * places
        biases = [mx.random.normal((out,), key=keys[2 * k + 1]) * 0.5 for k, out in enumerate(sizes[1:])]
        return cls(tuple(weights), tuple(biases))

    def __call__(self, x: mx.array, y: mx.array, latent: mx.array) -> mx.array:
        """(...), (...), (LATENT,) -> (..., OUTPUTS), about -1..1 each."""
        radius = mx.sqrt(x * x + y * y)
        places, (first, *rest) = mx.stack([x, y, radius], axis=-1), self.weights
        h = _functions(places @ first[:3] + (latent @ first[3:] + self.biases[0]))
        for weight, bias in zip(rest[:-1], self.biases[1:-1], strict=True):
            h = _functions(h @ weight + bias)
        return mx.tanh(h @ rest[-1] + self.biases[-1])


def _functions(h: mx.array) -> mx.array:
    """(..., U) -> the same: a step, a wave, and a bell that is 1 at 0 and goes to -1, of arithmetic that is cheap.

    The wave is a sine of period 4 but for 0.001 (two parabolas, bent), since the CPU takes long for a real one.
    """
    third = h.shape[-1] // 3
    a, b, c = h[..., :third], h[..., third : 2 * third], h[..., 2 * third :]
    turn = 0.25 * b
    turn = 2 * (turn - ((turn + ROUNDING) - ROUNDING))
    wave = 4 * turn * (1 - mx.abs(turn))
    wave = wave * (0.775 + 0.225 * mx.abs(wave))
    return mx.concatenate([a * mx.rsqrt(1 + a * a), wave, 2 / (1 + c * c) - 1], axis=-1)


def loop(key: mx.array, phase: float, travel: float) -> mx.array:
    """The point of the latent space at `phase`: (LATENT,), on a circle of radius `travel` around a random middle."""
    middle, one, other = (mx.random.normal((LATENT,), key=part) for part in mx.random.split(key, 3))
    one = one / mx.linalg.norm(one)
    other = other - (other * one).sum() * one
    other = other / mx.linalg.norm(other)
    turn = 2 * math.pi * phase
    return middle + travel * (math.cos(turn) * one + math.sin(turn) * other)


@dataclass(frozen=True)
class Painting:
    """A network with what is needed to show it.

    ranks: of each output, the values below which equal shares of a small picture lie, (O, RANKS): by them, every part
    of the palette gets about as much of the picture as any other.
    """

    network: Network
    latent: mx.array
    ranks: np.ndarray

    @classmethod
    def of(cls, options: CppnOptions) -> Painting:
        """The network of a seed: of a few, the one of the most fitting detail; the same at every phase."""
        best, miss = None, math.inf
        for key in mx.random.split(mx.random.key(options.seed), TRIES):
            network_key, loop_key = mx.random.split(key)
            network = Network.random(network_key, options.layers, options.units)
            still = loop(loop_key, 0.0, options.travel)
            outputs = np.array(network(*_placed(*grid(SAMPLE, SAMPLE), options), still))
            ranks = np.quantile(outputs, np.linspace(0, 1, RANKS), axis=(0, 1)).T
            t = np.interp(outputs[..., 0], _rising(ranks[0]), np.linspace(0, 1, RANKS))
            detail = sum(float(np.abs(np.diff(t, axis=axis)).mean()) for axis in (0, 1)) * SAMPLE / 2
            if (now := abs(math.log((detail + 1e-3) / DETAIL))) < miss:
                latent = loop(loop_key, options.phase, options.travel)
                best, miss = cls(network, latent, ranks.astype(np.float32)), now
        if best is None:
            raise AssertionError("no network was tried")
        return best

    def __call__(self, x: mx.array, y: mx.array) -> mx.array:
        """(H, W), (H, W) -> (H, W, OUTPUTS), 0..1."""
        outputs = self.network(x, y, self.latent)
        return mx.stack([_ranked(outputs[..., k], self.ranks[k]) for k in range(OUTPUTS)], axis=-1)


def _rising(values: np.ndarray) -> np.ndarray:
    """Not falling values -> values that rise by a little everywhere."""
    return values + np.linspace(0, 1e-4, len(values))


def _ranked(values: mx.array, ranks: np.ndarray) -> mx.array:
    """Where values lie among the ranks, (...) -> (...) 0..1, smoothly: sigmoids as steep as the ranks are close."""
    middle, spread = float(np.median(ranks)), float(ranks[-1] - ranks[0]) + 1e-6
    table = np.interp(np.linspace(-1, 1, TABLE), _rising(ranks), np.linspace(0, 1, len(ranks)))
    table = np.convolve(np.pad(table, TABLE // 32, mode="edge"), np.ones(TABLE // 16 + 1) / (TABLE // 16 + 1), "valid")
    equal = 0.5 * table + 0.5 * (0.5 + np.clip((np.linspace(-1, 1, TABLE) - middle) / spread, -0.5, 0.5))
    at = (values + 1) * ((TABLE - 1) / 2)
    low = mx.clip(mx.floor(at), 0, TABLE - 2)
    steps = mx.array(equal.astype(np.float32))
    index, rest = low.astype(mx.uint32), at - low
    return steps[index] * (1 - rest) + steps[index + 1] * rest


def cppn_steps(options: CppnOptions) -> Iterator[Step]:
    """The picture, band by band."""
    painting, palette = Painting.of(options), Palette.of(options.palette)
    mx.eval(painting.latent, painting.network.weights, painting.network.biases)
    own = mx.array(_own_colors())

    def shade(x: mx.array, y: mx.array) -> mx.array:
        outputs = painting(*_placed(x, y, options))
        if options.colors == "network":
            return _looked_up(own, outputs)
        t = options.turns * outputs[..., 0]
        t = t - 2 * mx.floor(t / 2)
        light = 0.8 + 0.28 * outputs[..., 1:2]
        return mx.clip(palette(mx.where(t > 1, 2 - t, t)) * light, 0, 1)

    yield from shaded(options, shade)


def _placed(x: mx.array, y: mx.array, options: CppnOptions) -> tuple[mx.array, mx.array]:
    """Plane coordinates -> the network's."""
    x, y = x * options.scale, y * options.scale
    if options.symmetry == "mirror":
        x = mx.sqrt(x * x + 1e-4)  # |x| without an edge down the middle
    elif options.symmetry == "turn":
        x, y = x * x - y * y, 2 * x * y
    return x, y


def _own_colors() -> np.ndarray:
    """Colors by three outputs, (COLORS³, 3) sRGB: lightness, and two hues that fade where it is very dark or light."""
    axis = np.linspace(0, 1, COLORS)
    first, green, blue = np.meshgrid(axis, axis, axis, indexing="ij")
    lightness = 0.12 + 0.84 * first
    chroma = 0.12 * np.sqrt(np.clip(1 - (2 * first - 1) ** 2, 0, 1)) + 0.02
    lab = np.stack([lightness, chroma * (2 * green - 1), chroma * (2 * blue - 1)], axis=-1)
    return np.clip(from_oklab(lab), 0, 1).reshape(-1, 3).astype(np.float32)


def _looked_up(table: mx.array, outputs: mx.array) -> mx.array:
    """(..., OUTPUTS) -> (..., 3): trilinear between the entries of `_own_colors`."""
    at = mx.clip(mx.take(outputs, mx.array([0, 2, 3]), axis=-1), 0, 1)
    at = at * (COLORS - 1)
    low = mx.minimum(mx.floor(at), COLORS - 2)
    rest, low = at - low, low.astype(mx.int32)
    color = mx.zeros((*outputs.shape[:-1], 3))
    for corner in range(8):
        step = [corner >> 2 & 1, corner >> 1 & 1, corner & 1]
        share = mx.ones(outputs.shape[:-1])
        index = mx.zeros(outputs.shape[:-1], mx.int32)
        for axis in range(3):
            share = share * (rest[..., axis] if step[axis] else 1 - rest[..., axis])
            index = index * COLORS + low[..., axis] + step[axis]
        color = color + table[index] * share[..., None]
    return color
