"""Feed-forward style networks: a picture restyled in one pass, by a style code that sets the network's norms.

Johnson, Alahi and Fei-Fei 2016 in shape (encode, residual blocks, decode), Dumoulin, Shlens and Kudlur 2017 in how a
style enters: every convolution is followed by an instance norm whose scales and shifts are the style. All of a
network's scales and shifts are one vector, the code, so that styles are rows of a table, mixtures of styles are
mixtures of rows, and a new style is 17 kB. Departures: pixels are folded into channels on the way in; a few
of the residual blocks see the picture at an eighth of its size, which carries twice as far; on the way out resizing is
linear and done within the convolution; and a part of the photo passes by the network, of which the code says how much,
so that the code "all photo" is the photo itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import mlx.core as mx
import numpy as np

from artkit.nets.features import FeatureNetwork
from artkit.nets.layers import conv2d, depth_to_space, pad, space_to_depth

EPSILON = 1e-5  # added to a channel's variance: features are of the order of 1


@dataclass(frozen=True)
class Layer:
    """A 3×3 convolution: its channels in and out, what it does to the size, and whether a norm and a ReLU follow.

    skip: "from" remembers the input, "to" adds what was remembered last, and forgets it.
    """

    name: str
    ins: int
    outs: int
    size: Literal["same", "half", "double"] = "same"
    norm: bool = True
    relu: bool = True
    skip: Literal["", "from", "to"] = ""


@dataclass(frozen=True)
class Plan:
    """The layers of a style network; `fold` pixels an edge become channels first."""

    name: str
    fold: int
    layers: tuple[Layer, ...]

    @property
    def multiple(self) -> int:
        """Width and height must be multiples of this."""
        return self.fold * math.prod(2 for layer in self.layers if layer.size == "half")

    @property
    def norms(self) -> dict[str, int]:
        """Where in a code the norm of each layer begins: its scales, and then its shifts."""
        places, at = {}, 0
        for layer in self.layers:
            if layer.norm:
                places[layer.name], at = at, at + 2 * layer.outs
        return places

    @property
    def code_size(self) -> int:
        """Numbers in a code: a scale and a shift for every channel with a norm, and the photo's share."""
        return 2 * sum(layer.outs for layer in self.layers if layer.norm) + 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors a full set of weights holds, OHWI; what norms scale and shift by is in the code."""
        return {f"{layer.name}.weight": (layer.outs, 3, 3, layer.ins) for layer in self.layers}

    def plain_code(self) -> mx.array:
        """The code that scales by 1 and shifts by 0, without the photo, (P,)."""
        code = np.zeros(self.code_size, np.float32)
        for layer in self.layers:
            if layer.norm:
                code[self.norms[layer.name] : self.norms[layer.name] + layer.outs] = 1
        return mx.array(code)

    def operations(self, height: int, width: int) -> int:
        """Multiplications and additions of the convolutions for one picture."""
        scale, total = 1 / self.fold, 0.0
        for layer in self.layers:
            scale *= {"same": 1, "half": 0.5, "double": 2}[layer.size]
            total += 2 * 9 * layer.ins * layer.outs * height * width * scale**2
        return round(total)


def _blocks(name: str, channels: int, first: int, last: int) -> Iterator[Layer]:
    for n in range(first, last + 1):
        yield Layer(f"{name}{n}a", channels, channels, skip="from")
        yield Layer(f"{name}{n}b", channels, channels, relu=False, skip="to")


FULL = Plan(
    "full",
    2,
    (
        Layer("in", 12, 48),
        Layer("down", 48, 128, size="half"),
        *_blocks("block", 128, 1, 2),
        Layer("descend", 128, 96, size="half", skip="from"),
        *_blocks("coarse", 96, 1, 2),
        Layer("ascend", 96, 128, size="double", relu=False, skip="to"),
        *_blocks("block", 128, 3, 5),
        Layer("up", 128, 48, size="double"),
        Layer("out", 48, 3, size="double", norm=False, relu=False),
    ),
)
LIGHT = Plan(
    "light",
    4,
    (
        Layer("in", 48, 48),
        *_blocks("block", 48, 1, 3),
        Layer("up", 48, 16, size="double"),
        Layer("out", 16, 3, size="double", norm=False, relu=False),
    ),
)
PLANS = {plan.name: plan for plan in (FULL, LIGHT)}


class Code:
    """A style code as the norms read it: the same for the whole picture, or mixed pixel by pixel.

    table: (S, P), S codes. weights: (B, S), how much of each in each picture, or (B, H, W, S), in each pixel of a map
    as large as the picture (padded to the plan's multiple).
    """

    def __init__(self, table: mx.array, weights: mx.array) -> None:
        self.table, self.weights = table, weights
        self._whole = weights @ table if weights.ndim == 2 else None

    @classmethod
    def of(cls, codes: mx.array) -> Code:
        """One code (P,) for every picture, or one each (B, P)."""
        codes = codes[None] if codes.ndim == 1 else codes
        return cls(codes, mx.eye(len(codes)))

    def rows(self, top: int, bottom: int) -> Code:
        """The code of some rows of pixels."""
        return self if self._whole is not None else Code(self.table, self.weights[:, top:bottom])

    def take(self, start: int, count: int, height: int, width: int) -> mx.array:
        """`count` numbers from `start`, (B, 1, 1, count), or for every position of a map, (B, height, width, count)."""
        if self._whole is not None:
            return self._whole[:, None, None, start : start + count]
        B, H, W, S = self.weights.shape
        f = H // height
        mean = self.weights.reshape(B, height, f, width, W // width, S).mean(axis=(2, 4))
        return mean @ self.table[:, start : start + count]


def moments(x: mx.array) -> tuple[mx.array, mx.array]:
    """Mean and variance of each channel over a picture: (B, H, W, C) -> (B, 1, 1, C) twice, float32.

    Sums are products with a row of ones: fast on every device, and exact where a plain float32 sum over a large
    picture is not.
    """
    mean = _mean(x)
    return mean, _mean(mx.square(x - mean.astype(x.dtype)))


def _mean(x: mx.array) -> mx.array:
    """Over positions, (B, 1, 1, C) float32; over rows first, because half precision has no such number as 1/(H·W)."""
    B, H, W, C = x.shape
    if x.dtype == mx.float32:
        return (mx.full((1, H * W), 1 / (H * W)) @ x.reshape(B, H * W, C))[:, None]
    rows = mx.full((1, W), 1 / W, x.dtype) @ x.reshape(B * H, W, C)
    return rows.astype(mx.float32).reshape(B, H, 1, C).mean(axis=1, keepdims=True)


def affine(mean: mx.array, variance: mx.array, scale: mx.array, shift: mx.array) -> tuple[mx.array, mx.array]:
    """(a, b) with a·x + b the instance norm of x with this scale and shift (Ulyanov et al. 2016)."""
    a = scale * mx.rsqrt(variance + EPSILON)
    return a, shift - mean * a


_AHEAD = np.array(  # [phase, low-resolution tap, tap]: linear interpolation between pixel centers, then three taps
    [[[0.75, 0.25, 0], [0.25, 0.75, 0.75], [0, 0, 0.25]], [[0.25, 0, 0], [0.75, 0.75, 0.25], [0, 0.25, 0.75]]],
    np.float32,
)


def doubling_kernel(weight: mx.array) -> mx.array:
    """A kernel for twice the size, (O, 3, 3, I), as one at the size it comes from: (4·O, 3, 3, I).

    Enlarging by linear interpolation and then convolving is linear in the small picture: each of the 2×2 pixels that
    one becomes is a 3×3 convolution of the small picture. Sixteen times less memory than enlarging first, a quarter
    of the products, and the same result, without the grid that transposed convolutions leave (Odena et al. 2016).
    """
    O, _, _, I = weight.shape  # noqa: E741
    ahead = mx.array(_AHEAD)
    return mx.einsum("apu,bqv,ouvi->abopqi", ahead, ahead, weight).reshape(4 * O, 3, 3, I)


@dataclass(frozen=True)
class StyleNetwork:
    """A plan with its weights. Called with pictures and a code, it gives pictures.

    weights: the tensors of `plan.shapes()`.
    """

    plan: Plan
    weights: Mapping[str, mx.array]

    def __call__(self, x: mx.array, code: Code, grain: mx.array | None = None) -> mx.array:
        """(B, H, W, 3), sRGB 0..1, of any size -> the same, not clipped.

        grain: added to what the layers see, (B, H, W, 1), and not to the photo's share.
        """
        _, H, W, _ = x.shape
        f = self.fold(self.padded(x if grain is None else x + grain))
        x, kept = self.padded(x), list[mx.array]()
        for layer in self.plan.layers:
            if layer.skip == "from":
                kept.append(f)
            f = self.convolve(layer, f)
            if layer.norm:
                f = self.normalize(layer, f, moments(f), code)
            if layer.skip == "to":
                f = f + kept.pop()
        return self.finish(x, f, code)[:, :H, :W]

    def padded(self, x: mx.array) -> mx.array:
        """Reflected below and to the right, up to the plan's multiple."""
        down, right = (-edge % self.plan.multiple for edge in x.shape[1:3])
        return pad(x, (0, down), (0, right), "reflect")

    def fold(self, x: mx.array) -> mx.array:
        """Pictures as the first layer takes them."""
        return space_to_depth(x - 0.5, self.plan.fold)

    def convolve(self, layer: Layer, f: mx.array) -> mx.array:
        """The layer's convolution alone."""
        weight = self.weights[f"{layer.name}.weight"]
        if layer.size == "double":
            return depth_to_space(conv2d(f, doubling_kernel(weight).astype(f.dtype)), 2)
        return conv2d(f, weight, stride=2 if layer.size == "half" else 1)

    def normalize(self, layer: Layer, f: mx.array, moments: tuple[mx.array, mx.array], code: Code) -> mx.array:
        """The layer's norm with these moments (of `f`, or of the whole picture that it is a part of), and its ReLU."""
        _, H, W, C = f.shape
        start = self.plan.norms[layer.name]
        a, b = affine(*moments, code.take(start, C, H, W), code.take(start + C, C, H, W))
        f = f * a.astype(f.dtype) + b.astype(f.dtype)
        return mx.maximum(f, 0) if layer.relu else f

    def finish(self, x: mx.array, f: mx.array, code: Code) -> mx.array:
        """What the last layer drew, and the photo's share; mid-gray where there is neither."""
        share = code.take(self.plan.code_size - 1, 1, *x.shape[1:3])
        return share * (x - 0.5) + f + 0.5


HIDDEN = 512  # units between what is read of a picture and its code


@dataclass(frozen=True)
class Predictor:
    """The code of a picture from the statistics of its features: one hidden layer, and a code to add to.

    weights: "predict.hidden.weight" (HIDDEN, N) and ".bias", "predict.code.weight" (P, HIDDEN), "predict.base" (P,).
    """

    weights: Mapping[str, mx.array]

    def __call__(self, statistics: mx.array) -> mx.array:
        """(B, N) -> codes (B, P)."""
        w = self.weights
        hidden = mx.maximum(statistics @ w["predict.hidden.weight"].T + w["predict.hidden.bias"], 0)
        return w["predict.base"] + hidden @ w["predict.code.weight"].T

    @staticmethod
    def read(network: FeatureNetwork, x: mx.array) -> mx.array:
        """Means and deviations of every channel at a network's taps: (B, H, W, 3) -> (B, N), N = 2 · channels."""
        found = network(x, network.taps)
        parts = []
        for tap in network.taps:
            mean, variance = (m[:, 0, 0] for m in moments(found[tap]))
            size = found[tap].shape[-1] ** 0.5  # taps of the compact network have a mean square length of one
            parts += [mean * size, mx.sqrt(variance + 1e-6) * size]
        return mx.stop_gradient(mx.concatenate(parts, axis=1))

    @staticmethod
    def inputs(network: FeatureNetwork) -> int:
        """How many statistics `read` gives, N."""
        return 2 * sum(readout.channels for readout in network.architecture.readouts.values())

    @staticmethod
    def initial_weights(inputs: int, plan: Plan, key: mx.array) -> dict[str, mx.array]:
        """Fresh weights whose codes hardly depend on the picture."""
        first, second = mx.random.split(key)
        return {
            "predict.hidden.weight": mx.random.normal((HIDDEN, inputs), key=first) * (2 / inputs) ** 0.5,
            "predict.hidden.bias": mx.zeros(HIDDEN),
            "predict.code.weight": mx.random.normal((plan.code_size, HIDDEN), key=second) * 0.1 / HIDDEN**0.5,
            "predict.base": plan.plain_code(),
        }
