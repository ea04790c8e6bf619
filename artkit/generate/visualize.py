"""Feature visualization: the picture that a channel of a network likes best.

Olah, Mordvintsev and Schubert 2017, "Feature Visualization". Gradient ascent on one channel from a nearly gray picture,
whose parameters are Fourier coefficients with decorrelated colors, seen each time through another random transformation
(moved, turned, enlarged), so that only what holds under all of them grows. From small to large: the slow waves come
first and stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np
from pydantic import Field

from artkit.contract import Step
from artkit.generate.canvas import FINISHED_BYTES, check_memory
from artkit.generate.dream import channels_of, count_of
from artkit.generate.imagery import Layer, NeuralOptions, Spectrum, finished, inside
from artkit.nets.features import load_features
from artkit.nets.optimizers import Adam
from artkit.stylize.optimize import ladder
from artkit.stylize.tiling import bytes_per_pixel

COARSEST = 96  # shorter edge of the first scale, pixels
SHIFT, TURN, SCALE = 12.0, 6.0, 0.08  # pixels, degrees, and part of the size that the picture is moved by at most
MIDDLE = 0.25  # part of an edge that is the middle


class VisualizeOptions(NeuralOptions):
    """What a channel of a network likes best."""

    layer: str = Field(default="relu5_1", description="Layer, such as relu3_1, relu4_1, relu4_3 or relu5_1")
    channel: int = Field(default=-1, ge=-1, le=511, description="Channel of the layer (-1: one by the seed)")
    spot: bool = Field(default=False, description="Only in the middle, instead of everywhere")
    iterations: int = Field(default=40, ge=1, le=10_000, description="Steps at every size")
    rate: float = Field(default=0.05, gt=0, le=1, description="Adam's step, in Fourier coefficients")
    moves: float = Field(default=1.0, ge=0, le=4, description="How far the picture is moved, turned and enlarged")
    network: str = Field(default="compact", description="Feature network: compact (bundled), vgg19 or vgg16 once added")


def visualize_steps(options: VisualizeOptions) -> Iterator[Step]:
    """The picture as it comes to please the channel; Step.figures: channel, size (longest edge), activation.

    WrongCall for a layer or a channel that does not exist, DeviceError when the picture does not fit into the memory.
    """
    network, random = load_features(options.network, pooling="average"), np.random.default_rng(options.seed)
    chosen = int(random.integers(count_of(network, options.layer)))
    channel = chosen if options.channel < 0 else options.channel
    layer = channels_of(network, options.layer, (channel,), straight=True)
    seen = network if options.layer in network.taps else inside(network)
    check_memory(options, options.supersample**2 * (bytes_per_pixel(seen, [options.layer]) + FINISHED_BYTES))
    height, width = options.height * options.supersample, options.width * options.supersample
    longest = max(height, width)
    sizes = ladder(longest, min(longest, math.ceil(COARSEST * longest / min(height, width))))
    done, total, parameters = 0, len(sizes) * options.iterations, mx.zeros(0)
    for size in sizes:
        spectrum = Spectrum(max(1, round(height * size / longest)), max(1, round(width * size / longest)))
        parameters = finer(parameters, spectrum) if parameters.size else spectrum.start(mx.random.key(options.seed))
        adam = Adam(learning_rate=options.rate, bounds=None)
        ascent = mx.value_and_grad(lambda p, m, s=spectrum: -_activation(layer, turned(s.image(p), m), options.spot))
        for _ in range(options.iterations):
            matrix = mx.array(transformation(random, options.moves))
            parameters, loss = adam.step(parameters, lambda p, m=matrix, f=ascent: f(p, m))
            done += 1
            figures = {"channel": channel, "size": size, "activation": -loss}
            yield Step(finished(spectrum.image(parameters), options), done, total, figures)


def _activation(layer: Layer, image: mx.array, spot: bool) -> mx.array:
    """How much a channel sees of what it likes: the mean, in the middle or everywhere."""
    found = layer(image)
    if spot:
        height, width = found.shape[1:3]
        top, left = (int(edge * (1 - MIDDLE) / 2) for edge in (height, width))
        found = found[:, top : height - top, left : width - left]
    return found.mean()


def finer(parameters: mx.array, spectrum: Spectrum) -> mx.array:
    """The parameters of a picture, (2, h, w // 2 + 1, 3), as those of the same one at a larger size.

    The slow coefficients are the old ones, number by number: in a `Spectrum` of decay 1, what the edge does to the
    frequency and what the area does to the inverse transform cancel out.
    """
    old_height, old_columns = parameters.shape[1:3]
    height, columns = spectrum.height, spectrum.width // 2 + 1
    upper, lower = (old_height + 1) // 2, old_height // 2
    kept = min(columns, old_columns)
    old = np.array(parameters)[:, :, :kept]
    grown = np.zeros((2, height, columns, 3), np.float32)
    grown[:, :upper, :kept], grown[:, height - lower :, :kept] = old[:, :upper], old[:, upper:]
    return mx.array(grown)


def transformation(random: np.random.Generator, moves: float) -> np.ndarray:
    """A random motion, (2, 3): from pixels of the result, counted from the middle, to those of the picture."""
    angle = math.radians(random.uniform(-TURN, TURN) * moves)
    scale = math.exp(random.uniform(-SCALE, SCALE) * moves)
    shift = random.uniform(-SHIFT, SHIFT, 2) * moves
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]], np.float32)


def turned(image: mx.array, matrix: mx.array) -> mx.array:
    """A picture (1, H, W, 3) moved by a matrix (2, 3), bilinear; at the border it goes on at the other side."""
    _, height, width, _ = image.shape
    x = mx.arange(width, dtype=mx.float32)[None] - (width - 1) / 2
    y = mx.arange(height, dtype=mx.float32)[:, None] - (height - 1) / 2
    across = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] + (width - 1) / 2
    down = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] + (height - 1) / 2
    left, top = mx.floor(across), mx.floor(down)
    right_part, lower_part = (across - left)[..., None], (down - top)[..., None]
    flat, column, row = image.reshape(-1, 3), left.astype(mx.int32), top.astype(mx.int32)

    def at(row: mx.array, column: mx.array) -> mx.array:
        return flat[(row % height) * width + column % width]

    upper = at(row, column) * (1 - right_part) + at(row, column + 1) * right_part
    lower = at(row + 1, column) * (1 - right_part) + at(row + 1, column + 1) * right_part
    return (upper * (1 - lower_part) + lower * lower_part)[None]
