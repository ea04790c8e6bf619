"""Texture from a picture: something new that is made of the same, at any size, tileable on request.

Gatys, Ecker and Bethge 2015, "Texture Synthesis Using Convolutional Neural Networks": noise is changed until the
statistics of its features are the picture's, here coarse to fine, so that large shapes come out whole. The losses and
the optimizer are those of style transfer, of which this is the part without a photo.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Literal

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import cv2
import mlx.core as mx
import numpy as np
from pydantic import Field

from artkit.color import match_histogram
from artkit.contract import Step, WrongCall
from artkit.generate.canvas import check_memory, memory_for
from artkit.generate.imagery import Layers, NeuralOptions, finished, weighted
from artkit.image import Picture, fit, resize
from artkit.nets.features import load_features
from artkit.nets.losses import STYLE_LOSSES
from artkit.nets.multilevel import multilevel
from artkit.nets.optimizers import LBFGS
from artkit.stylize.noise import soft_noise
from artkit.stylize.objective import Objective
from artkit.stylize.optimize import ladder
from artkit.stylize.view import Aim

COARSEST = 64  # shorter edge of the first scale, pixels
LEAST = 48  # shorter edge that the source is seen at, at least, pixels
GRID = 16  # tileable textures grow at multiples of it: the deepest stride
KEPT_BYTES = 12 * 22  # a pixel: picture, gradient, the optimizer's pairs, what is preconditioned
HISTORY = 6
PATIENCE, TOLERANCE = 8, 2e-3  # a scale ends when so many iterations gain less than this each, relative


class TextureOptions(NeuralOptions):
    """A texture from a picture."""

    tileable: bool = Field(default=False, description="Goes on at the other side, without a seam")
    pattern: int = Field(
        default=0, ge=0, le=4096, description="Longest edge that the source is seen at, pixels (0: its own, up to 768)"
    )
    loss: Literal["gram", "covariance", "wasserstein", "sliced"] = Field(
        default="gram", description="What makes two textures alike"
    )
    iterations: int = Field(default=28, ge=1, le=10_000, description="Iterations at full size; smaller ones get more")
    layers: Layers = Field(default={}, description="Layers and weights, relu1_1=1,relu4_1=0.5 (all five if not given)")
    network: str = Field(default="compact", description="Feature network: compact (bundled), vgg19 or vgg16 once added")

    @property
    def recipe_method(self) -> int:
        """3: painted within the range of colors."""
        return 3


def texture_steps(options: TextureOptions, source: Picture | None = None) -> Iterator[Step]:
    """Grow a texture like `source`; a Step an iteration. Step.figures: size (longest edge), iteration, loss.

    WrongCall without a source, or for a layer that does not exist; DeviceError when it does not fit into the memory.
    """
    if source is None:
        raise WrongCall("texture needs a picture to be like: --from painting.jpg")
    pixels = options.supersample**2
    check_memory(options, KEPT_BYTES * pixels)
    run = _Run(options, source)
    memory = memory_for(options) - options.width * options.height * pixels * KEPT_BYTES
    total = sum(count * work for count, work in run.planned) + 1
    done, x, figures = 0, run.start(), {}
    for (height, width), (count, work) in zip(run.shapes, run.planned, strict=True):
        x = run.resized(x, height, width)
        objective, optimizer = run.objective(height, width, memory), run.optimizer()
        losses: list[float] = []
        for iteration in range(1, count + 1):
            x, loss = optimizer.step(x, objective)
            losses.append(loss)
            figures = {"size": max(height, width), "iteration": iteration, "loss": loss}
            yield Step(finished(x, options), done + iteration * work, total, figures)
            if optimizer.stalled or _settled(losses):
                break
        done += count * work
    yield Step(finished(run.matched(x), options), total, total, figures)


def _settled(losses: list[float]) -> bool:
    return len(losses) > PATIENCE and losses[-1 - PATIENCE] - losses[-1] < TOLERANCE * PATIENCE * losses[-1]


class _Run:
    """A texture being made, at the sizes it goes through."""

    def __init__(self, options: TextureOptions, source: Picture) -> None:
        self.options = options
        network = load_features(options.network)
        layers = weighted(options.layers or network.architecture.style_layers)
        if unknown := sorted(set(layers) - set(network.taps)):
            raise WrongCall(
                f'network "{options.network}" has no layer "{unknown[0]}"; it has {", ".join(network.taps)}'
            )
        self.aim = Aim(network, STYLE_LOSSES[options.loss](), None, layers, {}, 0.0, 0.0)
        self.size = options.height * options.supersample, options.width * options.supersample
        seen = options.pattern * options.supersample or min(768, max(source.size))
        self.source = Picture.of(resize(source.pixels, *fit(source.height, source.width, seen)))
        self.least = LEAST if min(self.source.size) >= LEAST else min(self.source.size)
        deepest = max(network.architecture.geometry(tap)[0] for tap in layers)
        if min(self.source.size) < deepest:
            raise WrongCall(f"the source is only {min(self.source.size)} pixels at its shorter edge; give a larger one")
        self.scales = self._scales(deepest)
        self.shapes = [self._shape(scale) for scale in self.scales]
        self.planned = [
            (round(options.iterations * min(4.0, 1 / scale)), max(1, height * width // 1000))
            for scale, (height, width) in zip(self.scales, self.shapes, strict=True)
        ]

    def _scales(self, deepest: int) -> list[float]:
        """Of the canvas and of the source alike, up to 1: neither may become too small to have its pattern."""
        shorter = min(self.size)
        coarsest = max(COARSEST / shorter, self.least / min(self.source.size), deepest / shorter)
        return [edge / shorter for edge in ladder(shorter, min(shorter, math.ceil(coarsest * shorter)))]

    def _shape(self, scale: float) -> tuple[int, int]:
        """(H, W) at a scale; tileable, a multiple of the deepest stride."""
        if not self.options.tileable:
            return round(self.size[0] * scale), round(self.size[1] * scale)
        height, width = (max(GRID, math.ceil(edge * scale / GRID) * GRID) for edge in self.size)
        return height, width

    def start(self) -> mx.array:
        """Soft noise with the mean and covariance of the source's colors."""
        colors = self.source.pixels.reshape(-1, 3).astype(np.float64)
        values, axes = np.linalg.eigh(np.cov(colors.T))
        noise = soft_noise(*self.shapes[0], self.options.seed, self.options.tileable)
        noise = noise * np.sqrt(np.maximum(values, 0)) @ axes.T + colors.mean(axis=0)
        return mx.array(np.clip(noise, 0, 1)[None].astype(np.float32))

    def optimizer(self) -> LBFGS:
        return LBFGS(HISTORY, precondition=functools.partial(multilevel, around=self.options.tileable))

    def objective(self, height: int, width: int, memory: float) -> Objective:
        scale = self.scales[self.shapes.index((height, width))]
        longest = max(1, round(max(self.source.size) * scale))
        source = self.source.resized(longest).array()
        blank = mx.zeros((1, height, width, 3))
        return Objective(self.aim, blank, [source], [1.0], memory=memory, around=self.options.tileable)

    def resized(self, x: mx.array, height: int, width: int) -> mx.array:
        """(1, H, W, 3) -> (1, height, width, 3), bicubic; tileable, around the border too."""
        if x.shape[1:3] == (height, width):
            return x
        pixels = np.array(x[0])
        return mx.array(around(pixels, height, width) if self.options.tileable else resize(pixels, height, width))[None]

    def matched(self, x: mx.array) -> mx.array:
        """The finished texture: in its size, with the source's colors, value by value."""
        x = self.resized(x, *self.size)
        return mx.array(match_histogram(np.clip(np.array(x[0]), 0, 1), self.source.pixels)[None])


def around(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, C) -> (height, width, C), bicubic, of a picture that goes on at its other side."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new - 0.5).astype(np.float32)
        for new, old in zip((height, width), pixels.shape, strict=False)
    )
    x, y = np.meshgrid(columns, rows)
    return cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
