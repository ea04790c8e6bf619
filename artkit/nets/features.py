"""Feature networks at work: an architecture with its weights, which gives the features of a picture at named taps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx

from artkit import weights
from artkit.contract import WeightsError, WrongCall
from artkit.nets.architectures import ARCHITECTURES, COMPACT, Architecture, Branch, Conv, Pool, compact_of
from artkit.nets.layers import Padding, conv2d, pool

Pooling = Literal["max", "average", "l2"]

# Average and L2 pooling return less and more than max pooling: these factors keep the scale of what follows
# (crowsonkb/style-transfer-pytorch).
POOLING_SCALE: Mapping[Pooling, float] = {"max": 1.0, "average": 2.0, "l2": 0.78}


def preprocess(x: mx.array, convention: str) -> mx.array:
    """SRGB 0..1, (B, H, W, 3), to what a network was trained on.

    "torch": RGB minus the ImageNet mean, over its deviation (torchvision).
    "caffe": BGR 0..255 minus the mean (the original VGG release).
    "centered": RGB to about -1..1 (the compact network).
    """
    if convention == "torch":
        return (x - mx.array([0.485, 0.456, 0.406])) / mx.array([0.229, 0.224, 0.225])
    if convention == "caffe":
        return x[..., ::-1] * 255 - mx.array([103.939, 116.779, 123.68])
    if convention == "centered":
        return (x - 0.45) * 2
    if convention == "none":
        return x
    raise WeightsError(f'unknown preprocessing "{convention}"; it is torch, caffe, centered or none')


@dataclass(frozen=True)
class FeatureNetwork:
    """An architecture with its weights. Called with a picture, it gives the features at the taps asked for.

    weights: OHWI tensors by name ("conv1_1.weight"); a chain cut short is fine up to where it ends.
    """

    architecture: Architecture
    weights: Mapping[str, mx.array]
    preprocessing: str = "torch"
    pooling: Pooling = "max"
    padding: Padding = "reflect"

    def __call__(self, x: mx.array, taps: Iterable[str], unread: Collection[str] = ()) -> dict[str, mx.array]:
        """(B, H, W, 3), sRGB 0..1 -> {tap: (B, H / stride, W / stride, C)}, in the order of the layers.

        unread: taps wanted as they are before their readout.
        Nothing is computed that none of them needs. WrongCall names a tap that does not exist.
        """
        wanted = set(taps)
        for tap in wanted - set(self.taps):
            raise WrongCall(f'network "{self.architecture.name}" has no layer "{tap}"; it has {", ".join(self.taps)}')
        found: dict[str, mx.array] = {}
        x = preprocess(x, self.preprocessing)
        path = self.architecture.path(*wanted)
        left = dict.fromkeys([layer.tap for layer in path if isinstance(layer, Branch)], x)
        for layer in path:
            if isinstance(layer, Branch):
                x = left[layer.tap]
                continue
            if isinstance(layer, Pool):
                x = pool(x, self.pooling) * POOLING_SCALE[self.pooling] if self.pooling != "max" else pool(x, "max")
                continue
            weight, bias = self.weights[f"{layer.name}.weight"], self.weights[f"{layer.name}.bias"]
            x = conv2d(x, weight, bias, stride=layer.stride, padding=self.padding, relu=True)
            if layer.tap in left:
                left[layer.tap] = x
            if layer.tap in wanted:
                found[layer.tap] = x if layer.tap in unread else self._readout(layer.tap, x)
        return found

    def linear_readout(self, tap: str) -> tuple[mx.array, mx.array] | None:
        """(W, b), (O, C) and (O,), where a tap is W f + b of what its convolution gives; None where it is not."""
        if f"{tap}.hidden.weight" in self.weights or f"{tap}.readout.weight" not in self.weights:
            return None
        return self.weights[f"{tap}.readout.weight"][:, 0, 0], self.weights[f"{tap}.readout.bias"]

    def _readout(self, tap: str, x: mx.array) -> mx.array:
        for name, relu in (("hidden", True), ("readout", False)):
            if f"{tap}.{name}.weight" in self.weights:
                x = conv2d(x, self.weights[f"{tap}.{name}.weight"], self.weights[f"{tap}.{name}.bias"], relu=relu)
        return x

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that the weights at hand reach."""
        path = self.architecture.path
        return tuple(
            tap
            for tap in self.architecture.taps
            if all(f"{layer.name}.weight" in self.weights for layer in path(tap) if isinstance(layer, Conv))
        )


def load_features(name: str, pooling: Pooling = "max", padding: Padding = "reflect") -> FeatureNetwork:
    """The feature network whose weights go by `name`: "compact", "vgg19", "vgg16" or one that was added.

    pooling, padding: for networks with pools; the compact one is used as it was trained.
    WeightsError says what brings missing weights.
    """
    about, loaded = weights.info(name), weights.load(name)
    tensors = {key: tensor.astype(mx.float32) for key, tensor in loaded.items()}
    mx.eval(tensors)
    architecture = ARCHITECTURES[about.network]
    if architecture is COMPACT:
        try:
            return FeatureNetwork(compact_of(tensors), tensors, about.preprocessing)
        except WeightsError:
            raise WeightsError(
                f'the weights "{name}" are of another artkit; artkit weights remove {name}, and add some of this one'
            ) from None
    return FeatureNetwork(architecture, tensors, about.preprocessing, pooling, padding)
