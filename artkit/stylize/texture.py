"""Strokes where a photo has nothing to follow: a clear sky, a wall.

A style network draws along what it sees, and steadily, so that an even area stays even. A little smooth noise, given
to the network there and nowhere else, is something to follow (Ulyanov et al. 2016 feed noise to a network for the same
end). For a size it is the same noise every time, and the photo itself is left as it is.
"""

from __future__ import annotations

import cv2
import numpy as np

AMPLITUDE = 0.08  # deviation of the noise at texture 1, of the range 0..1
SCALES = (3.0, 8.0)  # deviations of the Gaussians that the noise is smoothed with, pixels
BLOCK, AROUND = 4, 4  # a square of that many blocks, of that many pixels an edge, says by its deviation how even it is
EVEN = 0.05  # deviation at which an area counts as even by 1/e


def grain(pixels: np.ndarray, texture: float, noise: np.ndarray | None = None) -> np.ndarray:
    """The noise for a photo (H, W, 3), sRGB 0..1: (H, W, 1), float32. texture: 0..1, how much.

    noise: `smooth_noise` of this size, from those who need it again and again.
    """
    height, width = pixels.shape[:2]
    noise = smooth_noise(height, width) if noise is None else noise
    return (noise * amplitude(pixels, texture))[..., None]


def amplitude(pixels: np.ndarray, texture: float) -> np.ndarray:
    """How strong the noise is at each place of a photo (H, W, 3), of range 0..1 or uint8: (H, W), float32."""
    height, width = pixels.shape[:2]
    most = 255.0 if pixels.dtype == np.uint8 else 1.0
    gray = cv2.transform(pixels, np.full((1, 3), 1 / 3, np.float32)).astype(np.float32, copy=False)
    small = (max(1, width // BLOCK), max(1, height // BLOCK))
    mean, square = (cv2.resize(g, small, interpolation=cv2.INTER_AREA) for g in (gray, gray * gray))
    mean, square = (cv2.blur(g, (AROUND, AROUND)) for g in (mean, square))
    even = np.exp(np.maximum(square - mean * mean, 0) * (-1 / (most * EVEN) ** 2))
    return cv2.resize(AMPLITUDE * texture * even, (width, height), interpolation=cv2.INTER_LINEAR)


def smooth_noise(height: int, width: int) -> np.ndarray:
    """Noise of two scales and deviation 1, (H, W) float32: for a size the same every time."""
    noise = np.zeros((height, width), np.float32)
    for number, scale in enumerate(SCALES):
        white = np.random.default_rng(number).standard_normal((height, width), np.float32)
        # White noise smoothed by a Gaussian of deviation s has a deviation of 1 / (2 s √π).
        noise += cv2.GaussianBlur(white, (0, 0), scale) * np.float32(2 * scale * np.sqrt(np.pi / len(SCALES)))
    return noise
