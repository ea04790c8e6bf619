"""One formula for MLX's arrays and NumPy's: which library an array is of, and which is the quicker one here.

On a CPU that is NumPy where many small operations follow each other: MLX takes some 30 µs to begin one.
"""

from __future__ import annotations

from typing import Any

import artkit.device as device

import mlx.core as mx
import numpy as np

Array = Any  # of either


def library(array: Array) -> Any:
    """The module whose functions take this array: mlx.core or numpy."""
    return mx if isinstance(array, mx.array) else np


def native(array: np.ndarray) -> Array:
    """The array where it is worked on: MLX's on a GPU, itself on a CPU."""
    return mx.array(array) if device.uses_gpu() else array
