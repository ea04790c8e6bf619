"""Masks: where in the photo each style goes.

Either one gray picture per style (white where it goes, gray in between, transparent nowhere), or one picture in flat
colors for all of them. Colors belong to the styles in reading order: the color met first, going through the picture
like through a page of text, line by line from the top left, is the first style's. One color more than there are
styles may be black: there, and wherever the picture is transparent, the photo stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import artkit.device  # noqa: F401  (its BLAS must be loaded before cv2)

import numpy as np

from artkit.color import luma
from artkit.contract import PictureError, WrongCall
from artkit.image import Picture, Readable, load, resize

_SAME = 0.12  # colors closer than this (of √3, black to white) are one: JPEG noise stays below, drawn colors above
_FLAT = 0.06  # largest step between neighbors inside an area of one color
_SMALLEST = 1e-3  # share of the picture below which a color is a smudge
_LINES = 64  # lines of the page in which colors are met
_ENOUGH = 500_000  # pixels to find the colors from
_MOST = 100  # colors; with more it is a photo
_BLACK = 0.1  # brightest channel of a color that means "no style"


class Region(NamedTuple):
    """An area of one color: its color (3,) sRGB 0..1 and where it is, (H, W) bool."""

    color: np.ndarray
    where: np.ndarray


def load_masks(sources: Sequence[Readable], styles: int, height: int, width: int) -> list[np.ndarray]:
    """One mask (height, width) float32 0..1 per style, for a photo of that size; together at most 1 in each pixel.

    As many gray pictures as styles, or one picture in flat colors for several styles (the order is described above).
    They may be larger or smaller than the photo, but must have its proportions.
    WrongCall when their number does not fit; PictureError when one has other proportions, is all black, or does not
    have one color per style.
    """
    pictures = [load(source) for source in sources]
    if len(pictures) not in (1, styles):
        raise WrongCall(
            f"{len(pictures)} masks for {_many(styles, 'style')}; give {_many(styles, 'gray mask')}, one per style, "
            "or 1 mask in flat colors"
        )
    for picture in pictures:
        _check_proportions(picture, height, width)
    one_each = len(pictures) == styles
    planes = [_gray(picture) for picture in pictures] if one_each else _by_color(pictures[0], styles)
    masks = [fit_mask(plane, height, width) for plane in planes]
    total = np.maximum(np.sum(masks, axis=0), 1)
    return [(mask / total).astype(np.float32) for mask in masks]


def fit_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask (H, W), 0..1, at another size."""
    return np.clip(resize(mask[..., None], height, width)[..., 0], 0, 1)


def shrink_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask at the size of a feature map: (H, W) -> (height, width) float32, each the mean of the area it covers."""
    import cv2

    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)


def inside(result: np.ndarray, photo: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    """The result where any mask is, the photo elsewhere; pictures (H, W, 3), masks (H, W)."""
    share = np.clip(np.sum(masks, axis=0), 0, 1)[..., None]
    return (share * result + (1 - share) * photo).astype(np.float32)


def color_regions(picture: Picture) -> list[Region]:
    """The flat colors of a picture, in reading order, and where they are; every opaque pixel belongs to one.

    JPEG noise and soft edges make no colors of their own: those are found inside of flat areas only, and the pixels
    between areas go to the nearest one.
    """
    import cv2

    levels = (picture.pixels * 255 + 0.5).astype(np.uint8)
    opaque = np.ones(levels.shape[:2], bool) if picture.alpha is None else picture.alpha >= 0.5
    kernel = np.ones((3, 3), np.uint8)
    step = cv2.dilate(levels, kernel) - cv2.erode(levels, kernel)
    flat = (cv2.max(cv2.max(step[..., 0], step[..., 1]), step[..., 2]) < _FLAT * 255) & opaque
    thinned = levels[flat][:: max(1, flat.sum() // _ENOUGH)].astype(np.float32) / 255
    colors = _flat_colors(thinned, opaque.sum() * _SMALLEST * len(thinned) / max(1, flat.sum()))
    if not colors:
        return []
    # a table over 64 levels a channel of the nearest color and its distance, looked up for every pixel
    table = (np.indices((64, 64, 64)).reshape(3, -1).T * 4 + 1.5) / 255
    distances = np.stack([((table - color) ** 2).sum(axis=1) for color in colors])
    red, green, blue = (levels[..., c].astype(np.int32) >> 2 for c in range(3))
    bins = (red * 64 + green) * 64 + blue
    labels = distances.argmin(axis=0).astype(np.uint8)[bins]
    sure = flat & (distances.min(axis=0) < _SAME**2)[bins]
    _, nearest = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_number = np.zeros(nearest.max() + 1, labels.dtype)
    by_number[nearest[sure]] = labels[sure]
    labels = by_number[nearest]
    regions = [Region(color, (labels == i) & opaque) for i, color in enumerate(colors)]
    return sorted(regions, key=lambda region: _place(region.where))


def _flat_colors(pixels: np.ndarray, fewest: float) -> list[np.ndarray]:
    """The colors that (N, 3) pixels gather around, each with at least `fewest` of them, most frequent first."""
    colors = []
    left = pixels
    while len(left) >= max(fewest, 1) and len(colors) < _MOST:
        bins = (left * 15.999).astype(np.int32) @ np.array([256, 16, 1], np.int32)
        center = left[bins == np.bincount(bins).argmax()].mean(axis=0)
        near = ((left - center) ** 2).sum(axis=1) < _SAME**2
        if near.sum() >= fewest:
            colors.append(left[near].mean(axis=0))
        left = left[~near]
    return colors


def _place(where: np.ndarray) -> tuple[int, int]:
    """Where on the page the area begins: its first line, and the first column within that line."""
    height = max(1, len(where) // _LINES)
    first = int(where.any(axis=1).argmax()) // height
    return first, int(where[first * height : (first + 1) * height].any(axis=0).argmax())


def _by_color(picture: Picture, styles: int) -> list[np.ndarray]:
    regions = color_regions(picture)
    if len(regions) == styles + 1:
        colored = [region for region in regions if region.color.max() > _BLACK]
        regions = colored if len(colored) == styles else regions
    if len(regions) != styles:
        found = ", ".join("#" + bytes((region.color * 255 + 0.5).astype(np.uint8)).hex() for region in regions[:8])
        more = ", …" if len(regions) > 8 else ""
        raise PictureError(
            f"the mask{_called(picture)} has {_many(len(regions), 'flat color')} ({found or 'none'}{more}) for "
            f"{styles} styles; paint one per style (the first met from the top left is the first style's), "
            "and black where the photo should stay"
        )
    return [region.where.astype(np.float32) for region in regions]


def _gray(picture: Picture) -> np.ndarray:
    mask = luma(picture.pixels)
    if picture.alpha is not None:
        mask = mask * picture.alpha
    if mask.max() < 0.02:
        raise PictureError(f"the mask{_called(picture)} is all black; paint white where its style goes")
    return mask


def _check_proportions(picture: Picture, height: int, width: int) -> None:
    """Sizes fit when one is the other scaled, give or take a pixel of rounding in the smaller one."""
    scale = max(height / picture.height, width / picture.width)
    off = max(abs(height - picture.height * scale), abs(width - picture.width * scale))
    if off > max(1, scale):
        raise PictureError(
            f"the mask{_called(picture)} is {picture.width}×{picture.height} and the photo {width}×{height}; "
            "make the mask in the photo's proportions"
        )


def _called(picture: Picture) -> str:
    return f' "{picture.name}"' if picture.name else ""


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
