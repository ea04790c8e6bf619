"""A picture seen through a feature network, whole or tile by tile: what the losses of an objective keep of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.nets.features import FeatureNetwork
from artkit.nets.losses import SAMPLES, Additive, Loss, SelfSimilarity, Summary
from artkit.stylize.regions import shrink_mask
from artkit.stylize.tiling import UNIT, Tile, bytes_per_pixel, core_size, reach, tiles, tiles_around, widened

PAIRS = 1024  # positions that self-similarity compares with each other


@dataclass(frozen=True)
class Aim:
    """What to minimize, apart from the pictures: the network, the losses and their weights.

    style_layers, content_layers: tap -> weight, each summing to one.
    self_similarity: keeps the pattern of the photo instead of its features; None compares features directly.
    """

    network: FeatureNetwork
    style: Loss
    self_similarity: SelfSimilarity | None
    style_layers: Mapping[str, float]
    content_layers: Mapping[str, float]
    content_weight: float
    tv_weight: float

    @cached_property
    def taps(self) -> list[str]:
        content = self.content_layers if self.content_weight else {}
        return list(dict.fromkeys([*self.style_layers, *content]))


class Key(NamedTuple):
    """One summary of a picture: a layer, a region (-1: everywhere), and which loss reads it."""

    tap: str
    region: int
    kind: str  # "style" or "content"


class View:
    """A picture of some size seen through the network, in as many tiles as the memory asks for."""

    def __init__(
        self,
        aim: Aim,
        height: int,
        width: int,
        memory: float,
        masks: Sequence[np.ndarray] = (),
        around: bool = False,
    ) -> None:
        """memory: bytes that a pass through the network may take. masks: (height, width), 0..1, one a region.

        around: see the picture as one of many like it, side by side; both edges are multiples of the deepest stride.
        """
        self.aim, self.height, self.width = aim, height, width
        architecture = aim.network.architecture
        self.strides = {tap: architecture.geometry(tap)[0] for tap in aim.taps}
        regions = range(len(masks)) if masks else (-1,)
        self.keys = [Key(tap, region, "style") for tap in aim.style_layers for region in regions]
        if aim.self_similarity and aim.content_weight:
            self.keys += [Key(tap, -1, "content") for tap in aim.content_layers]
        self._every = {key: self._sampling(key) for key in self.keys}
        grid, halo = reach(architecture, aim.taps)
        unit = max(UNIT, grid, *(self._every[key] * self.strides[key.tap] for key in self.keys))
        core = core_size(height, width, unit, halo, bytes_per_pixel(aim.network, aim.taps), memory)
        self.margin = halo if around and core else 0
        self.tiles = tiles_around(height, width, core, halo) if self.margin else tiles(height, width, core, halo)
        self._network = replace(aim.network, padding="wrap") if around and not core else aim.network
        self._readouts = self._known_readouts()
        self._masks = {
            (tap, region): mx.array(
                shrink_mask(mask, architecture.length(tap, height), architecture.length(tap, width))
            )[None, :, :, None]
            for region, mask in enumerate(masks)
            for tap in aim.style_layers
        }

    def loss(self, key: Key) -> Loss:
        if key.kind == "style" or self.aim.self_similarity is None:
            return self.aim.style
        return self.aim.self_similarity

    def _sampling(self, key: Key) -> int:
        """Sampling losses look at every n-th position, n a power of two, so that there are not too many."""
        limit = SAMPLES if key.kind == "style" else PAIRS
        positions = self.height * self.width / self.strides[key.tap] ** 2
        return 2 ** max(0, math.ceil(math.log2(max(1, positions / limit)) / 2))

    def _known_readouts(self) -> dict[str, tuple[mx.array, mx.array]]:
        """Readouts that moments can go through in place of the features they are of: linear, and of style alone."""
        aim, others = self.aim, self.aim.content_layers if self.aim.content_weight else {}
        if not isinstance(aim.style, Additive) or not isinstance(self._network, FeatureNetwork):
            return {}
        found = {tap: self._network.linear_readout(tap) for tap in aim.style_layers if tap not in others}
        return {tap: readout for tap, readout in found.items() if readout is not None}

    def features(self, piece: mx.array, tile: Tile) -> dict[str, mx.array]:
        """The tile's own features at every tap, from the tile with its halo; some of them before their readout."""
        if self._readouts:
            found = self._network(piece, self.aim.taps, self._readouts)
        else:
            found = self._network(piece, self.aim.taps)
        return {tap: tile.core(f, self.strides[tap]) for tap, f in found.items()}

    def summaries(self, features: Mapping[str, mx.array], tile: Tile) -> dict[Key, Summary]:
        """What the losses keep of a tile."""
        found = {}
        for key in self.keys:
            mask = self._masks.get((key.tap, key.region)) if key.kind == "style" else None
            own = None if mask is None else tile.own(mask, self.strides[key.tap])
            found[key] = self.loss(key).summary(features[key.tap], own, self._every[key])
            if key.tap in self._readouts:
                found[key] = Additive.read(found[key], *self._readouts[key.tap])
        return found

    def combine(self, pieces: Sequence[dict[Key, Summary]]) -> dict[Key, Summary]:
        """The summaries of the picture from those of its tiles."""
        if len(pieces) == 1:
            return pieces[0]
        return {key: self.loss(key).combine([piece[key] for piece in pieces]) for key in self.keys}

    def survey(self, x: mx.array) -> tuple[dict[Key, Summary], list[dict[str, mx.array]]]:
        """(targets, features of each tile at the content layers) of a picture that is not optimized."""
        pieces, kept = [], []
        x = widened(x, self.margin)
        for tile in self.tiles:
            features = self.features(tile.read(x), tile)
            pieces.append(self.summaries(features, tile))
            kept.append({tap: mx.contiguous(features[tap]) for tap in self.aim.content_layers if tap in features})
            mx.eval(pieces[-1], kept[-1])
        targets = {key: self.loss(key).target(summary) for key, summary in self.combine(pieces).items()}
        mx.eval(targets)
        return targets, kept
