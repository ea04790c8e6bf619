"""The shapes of feature networks: VGG-16, VGG-19 and the compact network that comes with artkit.

A network is a chain of convolutions and pools (Simonyan and Zisserman 2014); a tap is the output of a named
ReLU. The compact network has two chains, a wide one for what is fine and a narrow one for what is deep, and a 1×1
readout behind each tap, which maps it onto the principal axes of the VGG-19 features it was distilled from: its taps
are VGG's features, rotated and cut to the axes that carry energy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from artkit import vgg
from artkit.contract import WeightsError, WrongCall

if TYPE_CHECKING:
    import mlx.core as mx


@dataclass(frozen=True)
class Conv:
    """A convolution followed by a ReLU; `tap` names its output."""

    name: str
    channels: int
    tap: str
    kernel: int = 3
    stride: int = 1


@dataclass(frozen=True)
class Pool:
    """Halves the picture, 2×2; an odd edge is dropped."""


@dataclass(frozen=True)
class Branch:
    """What follows goes on from an earlier tap instead of the layer before."""

    tap: str


Layer = Conv | Pool | Branch


@dataclass(frozen=True)
class Readout:
    """A 1×1 convolution behind a tap; with hidden channels two of them, and a ReLU between."""

    channels: int
    hidden: int = 0


@dataclass(frozen=True)
class Architecture:
    """Layers, each fed by the one before, and which taps style and content are usually read from.

    content_scale: what content weighs here where it weighs 1 in VGG-19, so that a weight keeps as much of the photo.
    """

    name: str
    layers: tuple[Layer, ...]
    style_layers: Mapping[str, float]
    content_layers: Mapping[str, float]
    readouts: Mapping[str, Readout] = field(default_factory=dict)  # by tap; where there are any, others give nothing
    content_scale: float = 1.0

    @property
    def taps(self) -> tuple[str, ...]:
        """Every tap, in the order of the layers."""
        convs = [layer.tap for layer in self.layers if isinstance(layer, Conv)]
        return tuple(tap for tap in convs if tap in self.readouts) if self.readouts else tuple(convs)

    def path(self, *taps: str) -> tuple[Layer, ...]:
        """The layers that these taps need, in order; WrongCall names a tap that there is not."""
        for tap in taps:
            if not any(isinstance(layer, Conv) and layer.tap == tap for layer in self.layers):
                raise WrongCall(f'network "{self.name}" has no layer "{tap}"; it has {", ".join(self.taps)}')
        needed, wanted, on_the_way = [], set(taps), False
        for layer in reversed(self.layers):
            if isinstance(layer, Conv):
                on_the_way = on_the_way or layer.tap in wanted
            needed += [layer] if on_the_way else []
            if isinstance(layer, Branch) and on_the_way:
                wanted.add(layer.tap)
                on_the_way = False
        return tuple(reversed(needed))

    def geometry(self, tap: str) -> tuple[int, int]:
        """(stride, reach) of a tap: pixels between its positions, and how far from its own pixels it sees."""
        stride, reach = 1, 0
        for layer in self._chain(tap):
            if isinstance(layer, Pool):
                reach, stride = reach + stride, stride * 2
            else:
                reach, stride = reach + stride * (layer.kernel // 2), stride * layer.stride
        return stride, reach

    def length(self, tap: str, pixels: int) -> int:
        """How many positions a tap has along an edge of so many pixels."""
        for layer in self._chain(tap):
            pixels = pixels // 2 if isinstance(layer, Pool) else -(-pixels // layer.stride)
        return pixels

    def _chain(self, tap: str) -> list[Conv | Pool]:
        """From the picture to a tap, without what belongs to other taps."""
        chain: list[Conv | Pool] = []
        for layer in self.path(tap):
            if isinstance(layer, Branch):
                chain = chain[: next(n for n, kept in enumerate(chain, 1) if getattr(kept, "tap", "") == layer.tap)]
            else:
                chain.append(layer)
        return chain

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors a full set of weights holds, OHWI."""
        shapes: dict[str, tuple[int, ...]] = {}
        channels, widths = 3, {}
        for layer in self.layers:
            if isinstance(layer, Branch):
                channels = widths[layer.tap]
            elif isinstance(layer, Conv):
                shapes[f"{layer.name}.weight"] = (layer.channels, layer.kernel, layer.kernel, channels)
                shapes[f"{layer.name}.bias"] = (layer.channels,)
                channels = widths[layer.tap] = layer.channels
                if readout := self.readouts.get(layer.tap):
                    hidden, out = readout.hidden, readout.channels
                    if hidden:
                        shapes[f"{layer.tap}.hidden.weight"] = (hidden, 1, 1, channels)
                        shapes[f"{layer.tap}.hidden.bias"] = (hidden,)
                    shapes[f"{layer.tap}.readout.weight"] = (out, 1, 1, hidden or channels)
                    shapes[f"{layer.tap}.readout.bias"] = (out,)
        return shapes


def _vgg(table: vgg.Architecture) -> Architecture:
    layers: list[Layer] = []
    for name, (channels, _) in table.convolutions().items():
        if name.endswith("_1") and layers:
            layers.append(Pool())
        layers.append(Conv(name, channels, name.replace("conv", "relu")))
    style = {f"relu{block}_1": 1.0 for block in range(1, 6)}
    return Architecture(table.name, tuple(layers), style, {"relu4_2": 1.0})


VGG16 = _vgg(vgg.VGG16)
VGG19 = _vgg(vgg.VGG19)


# Measured (benchmarks/RESULTS.md): painted coarse to fine, a weight in the compact network keeps as much of a photo as
# the same weight in its teacher does at one scale.
CONTENT_SCALE = 1.8


# The compact network's fine chain ends with this convolution; its deep chain leaves it at this tap.
FINE_END, LEAVING = (3, 1), "relu1_1"


def compact(fine: Sequence[Sequence[int]], deep: Sequence[Sequence[int]], readouts: Sequence[Readout]) -> Architecture:
    """Two chains with pools where VGG-19 has them, because nothing else follows a maximum: `fine` from the picture to
    relu3_1, `deep` from relu1_1 to relu5_1. What both have is called deep1_2 … deep3_1 in the second.

    fine, deep: channels of the convolutions, block by block; those of `deep` begin with the second one.
    readouts: behind the first ReLU of every block.
    """
    layers: list[Layer] = []
    for block, widths in enumerate(fine, 1):
        layers += [Pool()] if block > 1 else []
        layers += [Conv(f"conv{block}_{n}", width, f"relu{block}_{n}") for n, width in enumerate(widths, 1)]
    layers.append(Branch(LEAVING))
    for block, widths in enumerate(deep, 1):
        layers += [Pool()] if block > 1 else []
        for n, width in enumerate(widths, 2 if block == 1 else 1):
            names = ("deep", "deep") if (block, n) <= FINE_END else ("conv", "relu")
            layers.append(Conv(f"{names[0]}{block}_{n}", width, f"{names[1]}{block}_{n}"))
    taps = [f"relu{block}_1" for block in range(1, len(deep) + 1)]
    style, read = dict.fromkeys(taps, 1.0), dict(zip(taps, readouts, strict=True))
    return Architecture("compact", tuple(layers), style, {"relu4_1": 1.0}, read, CONTENT_SCALE)


def _place(name: str) -> tuple[int, int]:
    """Block and number of a convolution, such as conv3_1.weight."""
    return int(name[4]), int(name[6])


def compact_of(weights: Mapping[str, mx.array]) -> Architecture:
    """The architecture of a compact network, from its tensors; WeightsError when they are not those of one."""
    fine: dict[int, list[int]] = {}
    deep: dict[int, list[int]] = {}
    for name in sorted((name for name in weights if re.fullmatch(r"(conv|deep)\d_\d\.weight", name)), key=_place):
        block, n = _place(name)
        chain = fine if name.startswith("conv") and (block, n) <= FINE_END else deep
        chain.setdefault(block, []).append(weights[name].shape[0])
    foreign = WeightsError("these weights are not those of a compact network of this artkit; add or train them again")
    try:
        taps = [f"relu{block}_1" for block in sorted(deep)]
        hidden = [weights.get(f"{tap}.hidden.weight") for tap in taps]
        out = [weights[f"{tap}.readout.weight"].shape[0] for tap in taps]
        readouts = [Readout(o, 0 if h is None else h.shape[0]) for o, h in zip(out, hidden, strict=True)]
        found = compact([fine[n] for n in sorted(fine)], [deep[n] for n in sorted(deep)], readouts)
        if any(weights[name].shape != shape for name, shape in found.shapes().items()):
            raise foreign
    except (KeyError, ValueError):
        raise foreign from None
    return found


# What comes with artkit.
COMPACT = compact(
    [(32, 64), (112, 112), (256,)],
    [(24,), (48, 48), (96, 96, 96, 96), (160, 160, 160, 160), (160,)],
    [Readout(32), Readout(96), Readout(256), Readout(160, hidden=256), Readout(160, hidden=256)],
)

ARCHITECTURES = {architecture.name: architecture for architecture in (VGG16, VGG19, COMPACT)}
