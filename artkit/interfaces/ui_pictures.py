"""Pictures for the page: 8 bits, no larger than it shows."""

from __future__ import annotations

import numpy as np

from artkit.image import Picture, resize

SHOWN = 1600  # longest edge, pixels; files have all of them


def pair(photo: Picture, image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Before and after at the size of the result, however small `image` (H, W, 3) still is: (H, W, 3) uint8."""
    before = photo.resized(min(SHOWN, size))
    after = np.clip(resize(image, before.height, before.width), 0, 1)
    return levels(before.pixels), levels(after)


def levels(pixels: np.ndarray) -> np.ndarray:
    """0..1 -> 0..255."""
    return (pixels * np.float32(255) + np.float32(0.5)).astype(np.uint8)
