"""Noise to begin a picture with: soft, because an optimizer keeps the grain that it is given.

Statistics of features hardly tell a smooth area from one whose neighboring pixels differ at random, so that what white
noise has of it stays: speckles and checkers, most of all in small pictures, which have no coarser scales to come from.
"""

from __future__ import annotations

import math

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

import cv2
import numpy as np

SOFT = 2.0  # deviation of the Gaussian that smooths it, pixels


def soft_noise(height: int, width: int, seed: int, around: bool = False) -> np.ndarray:
    """(H, W, 3) float32 of mean 0 and deviation 1, every channel on its own. around: it goes on at its other side."""
    reach, rng = math.ceil(4 * SOFT), np.random.default_rng(seed)
    if around:
        white = rng.standard_normal((height, width, 3), np.float32)
        white = np.pad(white, [(reach, reach), (reach, reach), (0, 0)], "wrap")
    else:
        white = rng.standard_normal((height + 2 * reach, width + 2 * reach, 3), np.float32)
    smooth = cv2.GaussianBlur(white, (0, 0), SOFT)[reach:-reach, reach:-reach]
    return smooth * np.float32(2 * SOFT * math.sqrt(math.pi))  # white noise, so smoothed, deviates by 1 / (2 s √π)
