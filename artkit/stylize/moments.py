"""What a style of the gallery keeps of its painting, so that the optimizer can paint after it without the painting.

The optimizer asks a painting for the moments of its features at each style layer: their mean, and the mean of their
outer products, whose off-diagonal part is the Gram matrix of Gatys et al. 2016. They are kept for a few sizes of the
painting, and lie in between for others. Second moments have few large eigenvalues: each is a factor (C, r) times its
transpose, with its own diagonal, and float16; what that leaves out is under REMAINDER of the matrix' energy. A file
says which weights of the network they were seen by, for with others they are some per cent off. Beside them it has
the painting's colors, to start in.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit import checkpoint, weights
from artkit.color import Colors
from artkit.contract import WeightsError
from artkit.image import Picture, fit, resize
from artkit.nets.architectures import COMPACT
from artkit.nets.features import load_features
from artkit.nets.statistics import column_sums

NETWORK = COMPACT.name  # the only network that they are kept for
EDGES = (256, 512, 1024)  # longest edges of the painting, pixels
REMAINDER = 5e-4
MAX_BYTES = 1 << 20
FORMAT = "2"
COLORS = "colors."  # what the names of their tensors begin with
_PART = re.compile(r"(\w+)\.(\d{1,5})\.(mean|diagonal|factor)")


class Moment(NamedTuple):
    """Of the features of one layer: their mean (C,), and the mean of their outer products (C, C)."""

    mean: mx.array
    outer: mx.array


class _Kept(NamedTuple):
    """A moment as it is kept, float16: mean (C,), diagonal (C,) and factor (C, r) of the outer products."""

    mean: np.ndarray
    diagonal: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, moment: Moment) -> _Kept:
        outer = np.array(moment.outer).astype(np.float64)
        values, vectors = np.linalg.eigh(outer)
        order = np.argsort(values)[::-1]
        left, energy = outer.copy(), np.square(outer).sum()
        rank = 0
        while rank < len(values) and np.square(left - np.diag(np.diag(left))).sum() > REMAINDER * energy:
            vector = vectors[:, order[rank]]
            left -= values[order[rank]] * np.outer(vector, vector)
            rank += 1
        factor = (vectors[:, order[:rank]] * np.sqrt(np.maximum(values[order[:rank]], 0))).astype(np.float16)
        rest = np.diag(outer) - np.square(factor.astype(np.float64)).sum(axis=1)
        return cls(np.array(moment.mean).astype(np.float16), rest.astype(np.float16), factor)

    def moment(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean, outer), float32; without what was left out the covariance could have negative eigenvalues."""
        mean, diagonal, factor = (part.astype(np.float64) for part in self)
        square = np.outer(mean, mean)
        values, vectors = np.linalg.eigh(factor @ factor.T + np.diag(diagonal) - square)
        outer = (vectors * np.maximum(values, 0)) @ vectors.T + square
        return mean.astype(np.float32), outer.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Moments:
    """A painting, as far as the optimizer knows it. name: of the style. kept: edge -> layer -> moment."""

    name: str
    kept: Mapping[int, Mapping[str, _Kept]]
    colors: Colors

    @classmethod
    def of(cls, painting: Picture, name: str) -> Moments:
        """Look at a painting with the network."""
        network = load_features(NETWORK)
        taps, kept = list(network.architecture.style_layers), {}
        for edge in EDGES:
            x = mx.array(resize(painting.pixels, *fit(painting.height, painting.width, edge))[None])
            seen = network(x, taps)
            kept[edge] = {tap: _Kept.of(_moment(seen[tap])) for tap in taps}
        colors = Colors.of(painting.resized(min(EDGES)).pixels)  # as broad as they are started in, not every speckle
        return cls(name, kept, Colors(*(part.astype(np.float32) for part in colors)))

    @cached_property
    def sha256(self) -> str:
        """Of everything that is kept."""
        digest = hashlib.sha256()
        for name, array in sorted(self._arrays().items()):
            digest.update(f"{name} {array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def at(self, edge: int) -> dict[str, Moment]:
        """Layer -> moment of the painting at this longest edge; beyond those that are kept, of the nearest."""
        edges = sorted(self.kept)
        place = float(np.interp(math.log2(edge), np.log2(edges), range(len(edges))))
        low, high, part = edges[math.floor(place)], edges[math.ceil(place)], place % 1
        found = {}
        for tap, first in self.kept[low].items():
            pairs = zip(first.moment(), self.kept[high][tap].moment(), strict=True)
            found[tap] = Moment(*(mx.array(a * (1 - part) + b * part) for a, b in pairs))
        return found

    def write(self, path: Path) -> None:
        """WeightsError: the disk."""
        with checkpoint.disk_errors(path.parent, "choose another folder"):
            checkpoint.write(path, self._arrays(), _origin())

    @classmethod
    def read(cls, path: Path, name: str) -> Moments:
        """WeightsError: the file is damaged, or of another artkit."""
        with checkpoint.reading(path):
            if path.stat().st_size > MAX_BYTES:
                checkpoint.damaged(path)
        held = checkpoint.read(path)
        if not _is_ours(held):
            raise WeightsError(f"{path} was made for another artkit; get the style again, or update artkit")
        if checkpoint.data_sha256(path) != held.metadata.get("sha256"):
            checkpoint.damaged(path)
        parts: dict[int, dict[str, dict[str, np.ndarray]]] = {}
        colors: dict[str, np.ndarray] = {}
        for key, tensor in held.tensors.items():
            if key.startswith(COLORS):
                colors[key.removeprefix(COLORS)] = tensor.read()
                continue
            if not (match := _PART.fullmatch(key)):
                checkpoint.damaged(path)
            tap, edge, part = match.groups()
            parts.setdefault(int(edge), {}).setdefault(tap, {})[part] = tensor.read()
        with checkpoint.reading(path):
            kept = {edge: {tap: _checked(**each) for tap, each in taps.items()} for edge, taps in parts.items()}
            if not kept or any(taps.keys() != COMPACT.style_layers.keys() for taps in kept.values()):
                raise ValueError("not the layers that styles are seen at")
            return cls(name, kept, _checked_colors(**colors))

    def _arrays(self) -> dict[str, np.ndarray]:
        features = {
            f"{tap}.{edge}.{part}": array
            for edge, taps in self.kept.items()
            for tap, kept in taps.items()
            for part, array in kept._asdict().items()
        }
        return features | {f"{COLORS}{part}": array for part, array in self.colors._asdict().items()}


def is_ours(path: Path) -> bool:
    """Whether a file of moments, by its header, is of this artkit and its network. WeightsError: damaged."""
    return _is_ours(checkpoint.read(path))


def _is_ours(held: checkpoint.Checkpoint) -> bool:
    return _origin().items() <= held.metadata.items()


def _origin() -> dict[str, str]:
    """What a file says of where it is from; weights: the SHA-256 of the network's."""
    return {"format": FORMAT, "network": NETWORK, "weights": weights.info(NETWORK).sha256}


def _moment(features: mx.array) -> Moment:
    """(1, H, W, C) -> its moment, evaluated."""
    rows = features.reshape(-1, features.shape[-1])
    moment = Moment(column_sums(rows) / len(rows), rows.T @ rows / len(rows))
    mx.eval(moment)
    return moment


def _checked(mean: np.ndarray, diagonal: np.ndarray, factor: np.ndarray) -> _Kept:
    """ValueError: shapes that do not go together, or numbers that are none."""
    channels = len(mean)
    if mean.shape != (channels,) or diagonal.shape != (channels,) or factor.shape != (channels, *factor.shape[1:2]):
        raise ValueError("shapes do not go together")
    if not all(np.isfinite(part).all() for part in (mean, diagonal, factor)):
        raise ValueError("not a number")
    return _Kept(mean, diagonal, factor)


def _checked_colors(mean: np.ndarray, covariance: np.ndarray) -> Colors:
    """ValueError as in `_checked`."""
    if mean.shape != (3,) or covariance.shape != (3, 3):
        raise ValueError("colors have three channels")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("not a number")
    return Colors(mean, covariance)
