"""The convolutions of VGG (Simonyan and Zisserman 2014), found in the files of others and brought into one form.

Files name them as torchvision does ("features.0.weight", the place in a chain of convolutions, ReLUs and pools) or as
the authors do ("conv1_1.weight"), with weights (out, in, height, width) as in PyTorch or (out, height, width, in) as
in MLX. Files that end early are fine: a prefix of the network is what a prefix of its taps needs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from artkit.contract import WeightsError

Preprocessing = Literal["torch", "caffe"]
Naming = Literal["torchvision", "authors"]

_FLOATS = {"float64", "float32", "float16", "bfloat16"}
_NAMINGS: dict[Naming, re.Pattern[str]] = {
    "torchvision": re.compile(r"(?:^|\.)features\.(\d+)\.(weight|bias)$"),
    "authors": re.compile(r"(?:^|\.)(conv\d+_\d+)\.(weight|bias)$"),
}


@dataclass(frozen=True)
class Architecture:
    """Blocks of 3×3 convolutions with a pool between: (how many, output channels) of each."""

    name: str
    blocks: tuple[tuple[int, int], ...]

    def convolutions(self) -> dict[str, tuple[int, int]]:
        """{"conv1_1": (channels out, channels in), …}, in order."""
        found, channels = {}, 3
        for block, (count, out) in enumerate(self.blocks, start=1):
            for n in range(1, count + 1):
                found[f"conv{block}_{n}"] = out, channels
                channels = out
        return found

    def places(self) -> dict[str, str]:
        """Where torchvision's chain has each: {"0": "conv1_1", "2": "conv1_2", "5": "conv2_1", …}."""
        found, place = {}, 0
        for block, (count, _) in enumerate(self.blocks, start=1):
            for n in range(1, count + 1):
                found[str(place)] = f"conv{block}_{n}"
                place += 2  # the convolution and its ReLU
            place += 1  # the pool
        return found

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor: weights (out, 3, 3, in), biases (out,)."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, (out, channels) in self.convolutions().items():
            shapes[f"{name}.weight"] = out, 3, 3, channels
            shapes[f"{name}.bias"] = (out,)
        return shapes


VGG16 = Architecture("vgg16", ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)))
VGG19 = Architecture("vgg19", ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)))


class Described(Protocol):
    """A tensor whose numbers are not needed yet."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...


@dataclass(frozen=True)
class Recognized:
    """A VGG in a file: `sources` gives the file's name of each tensor ("conv1_1.weight" -> "features.0.weight")."""

    architecture: Architecture
    sources: Mapping[str, str]
    naming: Naming
    layout: Literal["OIHW", "OHWI"]

    @property
    def last(self) -> str:
        """The deepest convolution in the file."""
        return [name for name in self.architecture.convolutions() if f"{name}.weight" in self.sources][-1]

    @property
    def whole(self) -> bool:
        """Whether all convolutions are there."""
        return len(self.sources) == len(self.architecture.shapes())


def recognize(
    tensors: Mapping[str, Described], origin: object, architectures: Collection[Architecture], likely: str = ""
) -> Recognized:
    """Which architecture the tensors are of, by their names; shapes and dtypes are checked against it.

    origin: the file or address, for the WeightsError. likely: what to take a prefix for that several begin with
    (the last of the architectures otherwise). Tensors of other layers are left alone.
    """
    naming, found = _by_place(tensors, origin)
    given = {place for place, part in found if part == "weight"}
    fitting = []
    for architecture in architectures:
        order = (
            architecture.places() if naming == "torchvision" else {name: name for name in architecture.convolutions()}
        )
        layers = dict(list(order.items())[: len(given)])
        # The layout shows only from the second convolution on.
        if len(given) >= 2 and layers.keys() == given:
            fitting.append((architecture, layers))
    if not fitting:
        norm = next((name for name in tensors if name.endswith("running_mean")), None)
        why = f"it has batch normalization, {norm}" if norm else "it has other layers, or fewer than two"
        networks = " or ".join(architecture.name for architecture in architectures)
        raise WeightsError(f"{origin} is not {networks}, nor the beginning of it: {why}")
    architecture, layers = next((fit for fit in fitting if fit[0].name == likely), fitting[-1])

    sources = {}
    for place, layer in layers.items():
        for part in ("weight", "bias"):
            if (place, part) not in found:
                raise WeightsError(f"{origin} has no {layer}.{part}")
            sources[f"{layer}.{part}"] = found[place, part]
    return Recognized(architecture, sources, naming, _checked_layout(tensors, origin, architecture, sources, naming))


def _by_place(tensors: Iterable[str], origin: object) -> tuple[Naming, dict[tuple[str, str], str]]:
    """How the tensors are named, and the names by (place, "weight" or "bias")."""
    for naming, pattern in _NAMINGS.items():
        found: dict[tuple[str, str], str] = {}
        for name in tensors:
            if match := pattern.search(name):
                other = found.setdefault((match[1], match[2]), name)
                if other != name:
                    raise WeightsError(f"{origin} holds more than one network ({other} and {name})")
        if found:
            return naming, found
    raise WeightsError(f"{origin} holds no VGG; its tensors should be named features.0.weight … or conv1_1.weight …")


def _checked_layout(
    tensors: Mapping[str, Described],
    origin: object,
    architecture: Architecture,
    sources: Mapping[str, str],
    naming: Naming,
) -> Literal["OIHW", "OHWI"]:
    """The order of the axes; WeightsError at a shape that is not the architecture's, or at whole numbers."""
    shapes = architecture.shapes()
    second = [name for name in sources if name.endswith("weight")][1]
    layout = "OHWI" if naming == "authors" and tensors[sources[second]].shape == shapes[second] else "OIHW"
    for name, source in sources.items():
        expected = shapes[name]
        if layout == "OIHW" and len(expected) == 4:
            expected = expected[0], expected[3], expected[1], expected[2]
        if tensors[source].shape != expected:
            raise WeightsError(f"{origin}: {source} is {tensors[source].shape}, {architecture.name} has {expected}")
        if tensors[source].dtype not in _FLOATS:
            raise WeightsError(f"{origin}: {source} is {tensors[source].dtype}; weights are floating-point numbers")
    return layout


def convert(vgg: Recognized, arrays: Mapping[str, np.ndarray], origin: object) -> dict[str, np.ndarray]:
    """The tensors as artkit keeps them: weights (out, 3, 3, in), float32; WeightsError at NaN or infinity."""
    converted = {}
    for name, source in vgg.sources.items():
        array = arrays[source]
        if array.ndim == 4 and vgg.layout == "OIHW":
            array = array.transpose(0, 2, 3, 1)
        with np.errstate(over="ignore"):  # a float64 may not fit; that is infinity, and said below
            converted[name] = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(converted[name]).all():
            raise WeightsError(f"{origin} is damaged: {source} holds numbers that are not finite")
    return converted


# What tells the Oxford (Caffe) release from other weights under the same names: the .pth files of jcjohnson and
# ProGamerGov have torchvision's. Magnitudes are no sign: the first layer of the Oxford VGG-19, which takes 0..255, has
# weights of 0.19 (root mean square), an ordinary size. The numbers themselves are: the B, G and R weights in the top
# left corner of the first three filters, each triple at length 1, so that the network with normalized activations
# (Gatys et al.), where every filter is scaled, is known as well.
_OXFORD = np.array(
    [
        [[0.5069, 0.6496, 0.5666], [0.5590, 0.0995, -0.8232], [0.3062, 0.8899, 0.3382]],  # VGG-16
        [[0.4888, 0.6650, 0.5647], [0.7258, 0.2547, -0.6390], [0.1611, 0.9302, -0.3297]],  # VGG-19
    ]
)


def oxford_channels(first: np.ndarray) -> Literal["BGR", "RGB"] | None:
    """The order of the input channels if conv1_1's weights, (64, 3, 3, 3) OHWI, are of the Oxford release, or None.

    RGB is how torchvision has it for features only (VGG16_Weights.IMAGENET1K_FEATURES).
    """
    corner = first[:3, 0, 0]
    triples = corner / np.maximum(np.linalg.norm(corner, axis=1, keepdims=True), 1e-12)
    for known in _OXFORD:
        if np.allclose(triples, known, atol=5e-3):
            return "BGR"
        if np.allclose(triples[:, ::-1], known, atol=5e-3):
            return "RGB"
    return None


def settle_preprocessing(
    tensors: Mapping[str, np.ndarray], vgg: Recognized, metadata: Mapping[str, str]
) -> tuple[Preprocessing, dict[str, np.ndarray]]:
    """What the converted tensors take as input, and the tensors, conv1_1 turned to BGR where it is Oxford's in RGB.

    The file's metadata decides ("preprocessing" that mentions caffe, BGR or torch), then the weights themselves
    (`oxford_channels`), then the names: torchvision's mean torchvision's weights, the authors' mean theirs.
    """
    said = metadata.get("preprocessing", "").lower()
    if "caffe" in said or "bgr" in said:
        return "caffe", dict(tensors)
    if "torch" in said:
        return "torch", dict(tensors)
    first = tensors["conv1_1.weight"]
    order = oxford_channels(first)
    if order == "RGB":
        first = np.ascontiguousarray(first[..., ::-1])
    return ("caffe" if order or vgg.naming == "authors" else "torch"), {**tensors, "conv1_1.weight": first}
