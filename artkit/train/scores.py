"""How good a style network is: how much it takes on of its painting, how much it keeps of the photo, how steady it is.

Style loss is the sum over relu1_1 … relu5_1 of |G - G*|² / |G*|² (G: Gram matrix), content loss |F - F*|² / |F*|² at
relu4_1: the painting itself has style 0, the photo itself content 0. Flicker is the mean difference, in 8-bit levels,
between a frame that is shifted by 3 and 5 pixels, or noisy (deviation 4 levels), restyled, and the restyled frame,
shifted alike or as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.image import Picture
from artkit.nets.statistics import gram
from artkit.train.criterion import CONTENT_TAP, STYLE_TAPS, FeatureFunction, relative_error

MULTIPLE = 8  # of width and height, for all networks
SHIFT = (3, 5)
NOISE = 4 / 255
BORDER = 16  # left out beside a border, which is another one after a shift

Restyle = Callable[[mx.array], mx.array]
"""(1, H, W, 3), sRGB 0..1 -> the same."""
Judge = Callable[[np.ndarray, np.ndarray], tuple[float, float]]
"""A result and its photo, (H, W, 3) each, -> style loss, content loss."""


class Scores(NamedTuple):
    """Of one style; lower is better."""

    style: float
    content: float
    shifted: float
    noisy: float

    @classmethod
    def mean(cls, rows: Sequence[Scores]) -> Scores:
        """Column by column."""
        return cls(*(fmean(column) for column in zip(*rows, strict=True)))


def judging(features: FeatureFunction, painting: Picture) -> Judge:
    """A judge that sees with a feature network; the painting's longest edge is brought to the result's."""
    known: dict[int, dict[str, mx.array]] = {}

    def judge(drawn: np.ndarray, photo: np.ndarray) -> tuple[float, float]:
        size = max(drawn.shape[:2])
        if size not in known:
            seen = features(painting.resized(size).array(), STYLE_TAPS)
            known[size] = {tap: gram(f) for tap, f in seen.items()}
            mx.eval(known[size])
        found = features(mx.array(drawn[None]), {*STYLE_TAPS, CONTENT_TAP})
        style = [float(relative_error(gram(found[tap]), known[size][tap])) for tap in STYLE_TAPS]
        wanted = features(mx.array(photo[None]), [CONTENT_TAP])[CONTENT_TAP]
        return sum(style), float(relative_error(found[CONTENT_TAP], wanted))

    return judge


def fitted(photo: np.ndarray) -> np.ndarray:
    """As much of a photo (H, W, 3) as all networks take."""
    height, width = (edge // MULTIPLE * MULTIPLE for edge in photo.shape[:2])
    return photo[:height, :width]


def measure(restyle: Restyle, photos: Sequence[np.ndarray], judge: Judge) -> Iterator[tuple[Scores, np.ndarray]]:
    """The scores of each photo (H, W, 3), `fitted`, and what was drawn."""
    for number, frame in enumerate(photos):
        drawn = _draw(restyle, frame)
        style, content = judge(drawn, frame)
        noise = np.random.default_rng(number).normal(0, NOISE, frame.shape)
        noisy = _draw(restyle, np.clip(frame + noise, 0, 1).astype(np.float32))
        levels = float(255 * np.abs(noisy - drawn).mean())
        yield Scores(style, content, _shifted(restyle, frame), levels), drawn


def _shifted(restyle: Restyle, frame: np.ndarray) -> float:
    """Two crops of one frame, SHIFT apart, restyled: their difference where they overlap, in 8-bit levels."""
    down, right = SHIFT
    height, width = (edge - MULTIPLE for edge in frame.shape[:2])
    first = _draw(restyle, frame[:height, :width])[down:, right:]
    second = _draw(restyle, frame[down : down + height, right : right + width])[: height - down, : width - right]
    inner = slice(BORDER, -BORDER)
    return float(255 * np.abs(first - second)[inner, inner].mean())


def _draw(restyle: Restyle, frame: np.ndarray) -> np.ndarray:
    return np.clip(np.array(restyle(mx.array(frame[None]))[0]), 0, 1)
