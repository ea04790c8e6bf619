"""Pictures for the page, 8 bits and no larger than it shows; and the curve of a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from artkit.image import Picture, fit, load, resize
from artkit.interfaces.server.orders import MAX_PIXELS

SAMPLES = Path(__file__).parents[3] / "samples"  # beside a checkout; the wheel has none
SHOWN = 1600  # longest edge, pixels; files have all of them


def opened(file: str) -> Picture:
    """A picture that a visitor gave. PictureError: none, or over MAX_PIXELS."""
    return load(file, max_pixels=MAX_PIXELS)


def pair(photo: Picture, image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Before and after at the size of the result, however small `image` (H, W, 3) still is: (H, W, 3) uint8."""
    before = photo.resized(min(SHOWN, size))
    after = np.clip(resize(image, before.height, before.width), 0, 1)
    return levels(before.pixels), levels(after)


def small(pixels: np.ndarray, longest: int) -> np.ndarray:
    """(H, W, 3) uint8, made smaller where its longest edge is longer."""
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    new_height, new_width = fit(height, width, longest)
    return np.asarray(Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.LANCZOS))


def levels(pixels: np.ndarray) -> np.ndarray:
    """0..1 -> 0..255."""
    return (pixels * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def loss_plot(losses: Sequence[float], width: int = 640, height: int = 96) -> str:
    """The losses so far as a curve on a logarithmic scale, in SVG."""
    values = [math.log10(max(loss, 1e-12)) for loss in losses if math.isfinite(loss)]
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = max(high - low, 1e-3)
    points = " ".join(
        f"{width * number / (len(values) - 1):.1f},{4 + (height - 8) * (high - value) / span:.1f}"
        for number, value in enumerate(values)
    )
    return (
        f'<figure class="losses"><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="Loss, falling from {losses[0]:.3g} to {losses[-1]:.3g}"><polyline points="{points}"/></svg>'
        f"<figcaption>Loss {losses[-1]:.3g}, from {losses[0]:.3g}</figcaption></figure>"
    )
