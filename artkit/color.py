"""Keeping a photo's colors, and giving one picture the colors of another.

Everything works on (H, W, 3) float32 sRGB 0..1 arrays, with NumPy. Source: Gatys, Bethge, Hertzmann and Shechtman,
"Preserving Color in Neural Artistic Style Transfer" (2016).
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Y of YIQ, ITU-R BT.601
_NOISE = (1 / 255) ** 2  # variance along a color axis below which there is nothing but rounding and compression


class Colors(NamedTuple):
    """A picture's colors, as far as `recolored` asks for them: mean (3,) and covariance (3, 3), float64."""

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray, mask: np.ndarray | None = None) -> Self:
        """Those of (H, W, 3), each pixel as much as the mask (H, W) says; where that is nowhere, of all."""
        colors, share = pixels.reshape(-1, 3).astype(np.float64), np.ones((pixels.size // 3, 1))
        if mask is not None and mask.any():
            share = mask.reshape(-1, 1).astype(np.float64)
        mean = (share * colors).sum(axis=0) / share.sum()
        away = colors - mean
        return cls(mean, (share * away).T @ away / share.sum())


def luma(pixels: np.ndarray) -> np.ndarray:
    """Brightness as the eye weighs it, Y of YIQ: (H, W, 3) -> (H, W)."""
    return pixels @ _LUMA


def keep_luma(result: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The strokes of `result` in the colors of `photo`: Y from the one, I and Q from the other (section 3.2).

    Both (H, W, 3) of the same size. As Y is linear, exchanging it adds the same difference to all three channels.
    Where that leaves 0..1 the paper clips, which shifts hue and brightness; here the color fades toward the gray of
    the wanted luma just as far as needed, so that the luma of the answer is exactly that of `result`.
    """
    gray = luma(np.clip(result, 0, 1))[..., None]
    chroma = photo - luma(photo)[..., None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # room without end is as good as 1
        room = np.where(chroma > 0, (1 - gray) / chroma, np.where(chroma < 0, -gray / chroma, 1))
    return np.clip(gray + np.minimum(room.min(axis=2, keepdims=True), 1) * chroma, 0, 1).astype(np.float32)


def match_luma(style: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The style picture as bright and as contrasty as the photo: its luma gets the photo's mean and deviation.

    What section 3.2 does before the transfer of luma, so that a dark painting does not darken a bright photo. Any two
    sizes; (H, W, 3) like `style`, not clipped. A flat style only gets the mean.
    """
    old, wanted = luma(style), luma(photo)
    gain = wanted.std() / old.std() if old.std() ** 2 > _NOISE else 1
    return (style + ((gain * (old - old.mean()) + wanted.mean()) - old)[..., None]).astype(np.float32)


def match_color(style: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The style picture in the photo's colors (section 3.1); any two sizes, the rest as in `recolored`."""
    return recolored(style, Colors.of(photo))


def recolored(picture: np.ndarray, colors: Colors, soften: float = 0, mask: np.ndarray | None = None) -> np.ndarray:
    """The picture, its colors (those within a mask (H, W), 0..1, if there is one) with this mean and covariance.

    x -> Σc^½ Σp^-½ (x - μp) + μc with symmetric square roots, which moves colors least among the linear maps.
    (H, W, 3) like `picture`, not clipped: a few values may leave 0..1. Where the picture has no variance (it is gray,
    or flat) there is nothing to stretch, and the colors follow the directions that it has.

    soften: a deviation, 0..1; what varies less than that in the picture is stretched less than it takes.
    """
    own = Colors.of(picture, mask)
    values, axes = np.linalg.eigh(own.covariance)
    whiten = (axes * np.where(values > _NOISE, (np.maximum(values, _NOISE) + soften**2) ** -0.5, 0)) @ axes.T
    values, axes = np.linalg.eigh(colors.covariance)
    stretch = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    return ((picture - own.mean) @ (stretch @ whiten).T + colors.mean).astype(np.float32)


def match_histogram(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Each channel of `picture` with the distribution of values that `like` has; any two sizes.

    The value at quantile q becomes the value of `like` at q; equal values stay equal and take the middle of theirs.
    """
    matched = np.empty(picture.shape, np.float32)
    for c in range(picture.shape[2]):
        _, where, counts = np.unique(picture[..., c], return_inverse=True, return_counts=True)
        quantiles = (np.cumsum(counts) - counts / 2) / counts.sum()
        wanted = np.sort(like[..., c], axis=None)
        values = np.interp(quantiles, (np.arange(wanted.size) + 0.5) / wanted.size, wanted)
        matched[..., c] = values[where].reshape(picture.shape[:2])
    return matched
