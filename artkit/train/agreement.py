"""How well a compact network agrees with its teacher: the numbers of its model card."""

from __future__ import annotations

from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.contract import PictureError
from artkit.nets.architectures import compact_of
from artkit.nets.features import FeatureNetwork
from artkit.nets.statistics import gram
from artkit.train.axes import Axes, Weights
from artkit.train.criterion import relative_error
from artkit.train.data import Crops
from artkit.train.teacher import TAPS, Teacher


def center_crops(folder: Path, size: int = 256, limit: int | None = None) -> np.ndarray:
    """The middle of every picture in a folder, (N, size, size, 3), float32, 0..1; smaller pictures stay out.

    PictureError when none is left.
    """
    crops = []
    for picture in Crops(folder, limit=limit).pictures:
        top, left = ((edge - size) // 2 for edge in picture.shape[:2])
        if min(top, left) >= 0:
            crops.append(picture[top : top + size, left : left + size].astype(np.float32) / 255)
    if not crops:
        raise PictureError(f"no picture in {folder} is {size}×{size} pixels or larger; give a folder of larger ones")
    return np.stack(crops)


def agreement(weights: Weights, teacher: Teacher, crops: np.ndarray, batch: int = 4) -> dict[str, dict[str, float]]:
    """Per tap, means over pictures, in the teacher's own channels.

    feature: 1 - squared error / energy of the teacher's features (1 is equal, 0 no better than zeros).
    correlation: cosine between the two, over all positions and channels.
    gram: squared error of the Gram matrix over its energy: what a style loss would be out by.
    """
    network, axes = FeatureNetwork(compact_of(weights), weights, preprocessing="centered"), Axes.from_tensors(weights)
    sums: dict[str, np.ndarray] = {tap: np.zeros(3) for tap in TAPS}
    for start in range(0, len(crops), batch):
        x = mx.array(crops[start : start + batch])
        found, wanted = axes.lift(network(x, TAPS)), teacher(x)
        for tap in TAPS:
            f, w = found[tap], wanted[tap]
            product = (f * w).sum(axis=(1, 2, 3))
            cosine = product / mx.sqrt(mx.square(f).sum(axis=(1, 2, 3)) * mx.square(w).sum(axis=(1, 2, 3)) + 1e-12)
            values = (1 - relative_error(f, w), cosine, relative_error(gram(f), gram(w)))
            sums[tap] += [value.sum().item() for value in values]
    names = ("feature", "correlation", "gram")
    return {tap: dict(zip(names, (total / len(crops)).round(4).tolist(), strict=True)) for tap, total in sums.items()}
