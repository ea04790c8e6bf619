"""DeepDream: what a network sees in a picture, strengthened until all can see it.

Mordvintsev, Olah and Tyka 2015, "Inceptionism: Going Deeper into Neural Networks". Gradient ascent on the activations
of a layer, coarse to fine over octaves of the picture: what is found in a small picture is carried up and gets details.
Against noise: the picture jitters under the network, and every octave of the gradient counts alike (imagery.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Literal

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import cv2
import mlx.core as mx
import numpy as np
from pydantic import Field, NonNegativeInt

from artkit.contract import Step, WrongCall
from artkit.generate.canvas import FINISHED_BYTES, check_memory, memory_for
from artkit.generate.crews import evenly
from artkit.generate.imagery import (
    Layer,
    Layers,
    NeuralOptions,
    Spectrum,
    axes_of,
    cover,
    finished,
    inside,
    layer_of,
    pyramid,
    weighted,
)
from artkit.image import Picture, load, resize
from artkit.nets.features import FeatureNetwork, load_features
from artkit.nets.optimizers import Adam
from artkit.stylize.tiling import bytes_per_pixel

USUAL = {"compact": {"relu5_1": 1.0}, "vgg16": {"relu4_3": 1.0}, "vgg19": {"relu4_4": 1.0}}  # layers that dream well
SMALLEST = 96  # shorter edge of the coarsest octave, pixels: below it the deep layers see the whole picture at once
TILE = 128  # tiles are multiples of it, pixels
FOURIER_RATE = 1.6  # Adam's, for a strength of 1
GUIDES = 2048  # places of the guide that are compared with, at most


class DreamOptions(NeuralOptions):
    """DeepDream on a photo, or on noise."""

    network: str = Field(default="compact", description="Feature network: compact (bundled), vgg19 or vgg16 once added")
    layers: Layers = Field(
        default={}, description="What is strengthened, such as relu5_1 (eyes), relu4_4, relu4_2, relu5_1=2,relu3_1=1"
    )
    channels: tuple[NonNegativeInt, ...] = Field(default=(), description="Channels to strengthen (all if not given)")
    guide: str = Field(default="", description="Picture file whose features are sought in the dream")
    octaves: int = Field(default=5, ge=1, le=12, description="Sizes from coarse to fine")
    octave_scale: float = Field(default=1.4, ge=1.1, le=2, description="From one size to the next")
    iterations: int = Field(default=12, ge=1, le=1000, description="Steps at every size")
    strength: float = Field(default=0.025, gt=0, le=0.5, description="Change of a pixel in a step, of the range 0..1")
    focus: float = Field(
        default=1.3, ge=1, le=4, description="1 dreams everywhere alike, more where something is seen already"
    )
    jitter: int = Field(
        default=32, ge=0, le=256, description="Pixels that the picture moves under the network, at most"
    )
    parameters: Literal["pixels", "fourier"] = Field(
        default="fourier", description="What moves: Fourier coefficients, or pixels, evened out by a Laplacian pyramid"
    )
    zooms: int = Field(default=0, ge=0, le=10_000, description="Dream on into the picture so often: 59 for --frames 60")
    zoom: float = Field(default=1.04, gt=1, le=2, description="How much nearer from frame to frame")
    turn: float = Field(default=0.0, ge=-45, le=45, description="Degrees that the picture turns from frame to frame")


def dream_steps(options: DreamOptions, source: Picture | None = None) -> Iterator[Step]:
    """Dream into `source`, which covers the canvas, or into soft noise; a Step an iteration.

    With `zooms`, the dream goes on into what was dreamt, a little nearer each time, and a Step is a finished frame.
    Step.figures: octave, score (what the layers show, against the start).

    WrongCall for a layer or channel that does not exist, DeviceError when the picture does not fit into the memory.
    """
    check_memory(options, (FINISHED_BYTES + 60) * options.supersample**2)
    height, width = options.height * options.supersample, options.width * options.supersample
    image = noise(options, height, width) if source is None else cover(source.pixels, height, width)
    dreamer, sizes = Dreamer(options, image), octaves(options, height, width)
    total = len(sizes) * options.iterations
    for frame in range(options.zooms + 1):
        if frame:
            image, sizes = nearer(image, options.zoom, options.turn), sizes[-2:]  # what is there needs no small ones
        for done, (octave, so_far, score) in enumerate(dreamer.dream(image, sizes), 1):
            image, last = so_far, done == len(sizes) * options.iterations
            where = (frame + 1, options.zooms + 1) if options.zooms else (done, total)
            if last or not options.zooms:
                yield Step(finished(mx.array(image[None]), options), *where, {"octave": octave, "score": score})


class Dreamer:
    """The network, what is strengthened in it, and how."""

    def __init__(self, options: DreamOptions, start: np.ndarray) -> None:
        """start: the picture (H, W, 3) that is dreamt into, by whose features layers are made to count alike."""
        self.options, self.network = options, load_features(options.network, pooling="average")
        usual = USUAL.get(options.network, {self.network.taps[-1]: 1.0})
        self.layers = weighted(options.layers or usual)
        self.random = np.random.default_rng(options.seed)
        guide = load(options.guide).resized(512).array() if options.guide else None
        small = Picture(start).resized(256).array()
        self.scores = []
        for name, weight in self.layers.items():
            score = self._score(name, guide)
            self.scores.append((weight / (abs(score(small).item()) + 1e-6), score))
        self.ascent = mx.value_and_grad(self._total)
        taps = [name for name in self.layers if name in self.network.taps]
        seen = self.network if len(taps) == len(self.layers) else inside(self.network)
        self.tile = self._tile(bytes_per_pixel(seen, self.layers))

    def dream(self, image: np.ndarray, sizes: list[tuple[int, int]]) -> Iterator[tuple[int, np.ndarray, float]]:
        """(octave, picture so far (H, W, 3), score) after every iteration."""
        detail = np.zeros((*sizes[0], 3), np.float32)
        for octave, (height, width) in enumerate(sizes, 1):
            plain = resize(image, height, width)
            ways = {"pixels": self._pixels, "fourier": self._fourier}
            start = np.clip(plain + resize(detail, height, width), 0, 1)
            for so_far, score in ways[self.options.parameters](start):
                yield octave, so_far, score
                detail = so_far - plain

    def _pixels(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        for _ in range(self.options.iterations):
            score, gradient = self.slope(x)
            x = np.clip(x + self.options.strength * pyramid(gradient), 0, 1)
            yield x, score

    def _fourier(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        spectrum = Spectrum(*x.shape[:2])
        adam = Adam(learning_rate=self.options.strength * FOURIER_RATE, bounds=None)
        parameters = spectrum.parameters(mx.array(x[None]))

        def objective(parameters: mx.array) -> tuple[mx.array, mx.array]:
            score, gradient = self.slope(np.array(spectrum.image(parameters)[0]))
            _, (uphill,) = mx.vjp(spectrum.image, [parameters], [mx.array(gradient[None])])
            return mx.array(-score), -uphill

        for _ in range(self.options.iterations):
            parameters, loss = adam.step(parameters, objective)
            yield np.array(spectrum.image(parameters)[0]), -loss

    def slope(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """The score of (H, W, 3) and its gradient: the picture moved by chance, around the other side, tile by tile.

        As it moves, tiles and border fall elsewhere every time, and leave no trace.
        """
        height, width, _ = x.shape
        reach = np.array([height, width]) if max(height, width) > self.tile else self.options.jitter
        move = self.random.integers(-reach, reach, 2, endpoint=True).tolist()
        moved = np.roll(x, move, (0, 1))
        gradient, score = np.zeros_like(x), 0.0
        for top, left in itertools.product(_cuts(height, self.tile), _cuts(width, self.tile)):
            part = np.s_[slice(*top), slice(*left)]
            value, slope = self.ascent(mx.array(moved[part][None]))
            mx.eval(value, slope)
            share = math.prod(moved[part].shape[:2]) / (height * width)
            gradient[part] = np.array(slope[0]) * share
            score += value.item() * share
        return score, np.roll(gradient, [-m for m in move], (0, 1))

    def _total(self, x: mx.array) -> mx.array:
        return sum((weight * score(x) for weight, score in self.scores), mx.array(0.0))

    def _score(self, name: str, guide: mx.array | None) -> Callable[[mx.array], mx.array]:
        """How much of what is sought a picture has, in one layer."""
        layer = channels_of(self.network, name, self.options.channels)
        focus = self.options.focus
        if guide is None:
            return lambda x: (mx.abs(layer(x)) ** focus).mean()
        wanted = layer(guide)
        wanted = wanted.reshape(-1, wanted.shape[-1])
        wanted = wanted[:: math.ceil(len(wanted) / GUIDES)]
        mx.eval(wanted)

        def score(x: mx.array) -> mx.array:
            """Each place with the place of the guide that it is most like: the product of both."""
            found = layer(x)
            found = found.reshape(-1, found.shape[-1])
            nearest = mx.argmax(mx.stop_gradient(found) @ wanted.T, axis=1)
            return (found * wanted[nearest]).sum(axis=1).mean()

        return score

    def _tile(self, per_pixel: float) -> int:
        """The longest edge that is seen at once."""
        edge = math.sqrt(0.5 * memory_for(self.options) / per_pixel)
        return max(TILE, min(2048, int(edge // TILE) * TILE))


def octaves(options: DreamOptions, height: int, width: int) -> list[tuple[int, int]]:
    """Sizes (H, W) from coarse to fine, none too small to dream in."""
    scales = [options.octave_scale**-n for n in range(options.octaves)]
    sizes = [(round(height * scale), round(width * scale)) for scale in scales]
    return [size for n, size in enumerate(sizes) if n == 0 or min(size) >= SMALLEST][::-1]


def channels_of(network: FeatureNetwork, name: str, channels: tuple[int, ...], *, straight: bool = False) -> Layer:
    """A layer, or some channels of it: those of the VGG it was distilled from, where it has axes that lead there.

    straight: without their own ReLU, which has no slope where a channel sees nothing yet.
    """
    layer = layer_of(network, name, straight=straight)
    if not channels:
        return layer
    axes, count = axes_of(network, name), count_of(network, name)
    if wrong := [channel for channel in channels if channel >= count]:
        raise WrongCall(f"layer {name} has no channel {wrong[0]}; they go from 0 to {count - 1}")
    chosen = mx.array(channels)
    if axes is None:
        return lambda x: layer(x)[..., chosen]
    back = axes[chosen].T
    return lambda x: layer(x) @ back if straight else mx.maximum(layer(x) @ back, 0)


def count_of(network: FeatureNetwork, name: str) -> int:
    """How many channels `channels_of` knows in a layer."""
    axes = axes_of(network, name)
    return layer_of(network, name)(mx.zeros((1, 32, 32, 3))).shape[-1] if axes is None else axes.shape[0]


def noise(options: DreamOptions, height: int, width: int) -> np.ndarray:
    """Something to dream into: soft gray noise, (H, W, 3)."""
    random = np.random.default_rng(options.seed)
    total = np.zeros((height, width), np.float32)
    for cells in (3, 6, 12, 24, 48):
        lattice = random.normal(size=(cells + 1, cells + 1)).astype(np.float32)
        total += cv2.resize(lattice, (width, height), interpolation=cv2.INTER_CUBIC) / np.sqrt(np.float32(cells))
    return np.repeat(np.clip(0.5 + 0.12 * total, 0, 1)[..., None], 3, axis=2)


def nearer(image: np.ndarray, zoom: float, turn: float) -> np.ndarray:
    """The picture enlarged around its middle and turned by degrees, (H, W, 3) -> the same."""
    height, width, _ = image.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, zoom)
    return np.clip(
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), 0, 1
    )


def _cuts(length: int, tile: int) -> list[tuple[int, int]]:
    """Even parts of a length, none longer than a tile."""
    return evenly(length, math.ceil(length / tile))
