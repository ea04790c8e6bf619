"""The coordinates that a compact network is taught in, and the file that holds both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit import checkpoint
from artkit.checkpoint import load_arrays
from artkit.contract import Options, WrongCall
from artkit.nets.architectures import COMPACT, Architecture, Readout
from artkit.nets.statistics import gram
from artkit.train.teacher import HINTS, TAPS, Teacher

Weights = dict[str, mx.array]
Features = Mapping[str, mx.array]


@dataclass(frozen=True)
class Axes:
    """The teacher's features in coordinates of their own: the principal axes at each tap, scaled to unit energy."""

    directions: Mapping[str, mx.array]  # tap -> (teacher's channels, student's channels), orthonormal
    scale: Mapping[str, float]  # tap -> one over the root mean square of the features' length

    def project(self, features: Features) -> dict[str, mx.array]:
        """{tap: (B, H, W, C)} -> {tap: (B, H, W, c)}."""
        return {tap: (f @ self.directions[tap]) * self.scale[tap] for tap, f in features.items()}

    def lift(self, features: Features) -> dict[str, mx.array]:
        """Back to the teacher's channels."""
        return {tap: (f / self.scale[tap]) @ self.directions[tap].T for tap, f in features.items()}

    def replaced(self, others: Axes) -> Axes:
        """These, but those of `others` where it has any."""
        return Axes({**self.directions, **others.directions}, {**self.scale, **others.scale})

    def tensors(self) -> Weights:
        """As named tensors, for a file."""
        return {f"{tap}.axes": self.directions[tap] / self.scale[tap] for tap in self.directions}

    @classmethod
    def from_tensors(cls, tensors: Weights) -> Axes:
        directions, scale = {}, {}
        if missing := [tap for tap in TAPS if f"{tap}.axes" not in tensors]:
            raise WrongCall(f"there are no coordinates of {missing[0]}; give a network that artkit train distil wrote")
        for tap in TAPS:
            axes = tensors[f"{tap}.axes"].astype(mx.float32)
            length = mx.sqrt(mx.square(axes).sum(axis=0).mean()).item()
            directions[tap], scale[tap] = axes / length, 1 / length
        return cls(directions, scale)


def principal_axes(teacher: Teacher, crops: np.ndarray, readouts: Mapping[str, Readout] = COMPACT.readouts) -> Axes:
    """Eigenvectors of the teacher's uncentered second moments over `crops`, (N, S, S, 3), largest first.

    As many as the readout of each tap has channels.
    """
    moments: dict[str, np.ndarray] = {}
    for start in range(0, len(crops), 8):
        features = teacher(mx.array(crops[start : start + 8]), readouts)
        for tap, f in features.items():
            moments[tap] = moments.get(tap, 0) + np.array(gram(f).sum(axis=0), np.float64)
    directions, scale = {}, {}
    for tap, moment in moments.items():
        values, vectors = np.linalg.eigh(moment / len(crops))
        directions[tap] = mx.array(vectors[:, ::-1][:, : readouts[tap].channels].astype(np.float32))
        scale[tap] = float(1 / np.sqrt(values.sum()))
    return Axes(directions, scale)


def save_compact(path: Path, weights: Weights, axes: Axes, options: Options) -> None:
    """Weights and axes in float16, but for those of hints, and what they are; written whole or not at all."""
    left = {f"{hint}.{part}" for hint in HINTS for part in ("readout.weight", "readout.bias", "axes")}
    kept = {name: tensor for name, tensor in (weights | axes.tensors()).items() if name not in left}
    tensors = {name: np.array(tensor.astype(mx.float16)) for name, tensor in kept.items()}
    training = options.model_dump_json()
    checkpoint.write(path, tensors, {"network": "compact", "preprocessing": "centered", "training": training})


def load_compact(path: Path, architecture: Architecture) -> tuple[Weights, Axes]:
    """What `save_compact` wrote, float32; WrongCall when it is of another architecture."""
    tensors = load_arrays(path)
    weights = {name: t.astype(mx.float32) for name, t in tensors.items() if not name.endswith(".axes")}
    if {name: tensor.shape for name, tensor in weights.items()} != architecture.shapes():
        raise WrongCall(f"{path} has other channels or readouts than the options; give its own with --set")
    return weights, Axes.from_tensors(tensors)


def load_axes(path: Path, architecture: Architecture) -> Axes:
    """The coordinates of a compact network; WrongCall when there are not as many as the architecture reads out."""
    axes = Axes.from_tensors(load_arrays(path))
    if any(axes.directions[tap].shape[1] != readout.channels for tap, readout in architecture.readouts.items()):
        raise WrongCall(f"{path} has other readouts than the options; give its own with --set readouts=…")
    return axes
