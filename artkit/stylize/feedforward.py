"""A picture in a style of the gallery, in one pass of its network.

Strokes have the size in pixels that the network learned them in. Larger ones are drawn in two scales: the photo made
smaller is restyled and enlarged again, with the photo's own fine detail, and as it is then restyled more weakly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import artkit.device

import cv2
import mlx.core as mx
import numpy as np

from artkit.color import keep_luma, match_color
from artkit.contract import Step, WrongCall
from artkit.image import Picture, resize
from artkit.nets.stylenets import Code
from artkit.stylize import gallery
from artkit.stylize.banding import draw
from artkit.stylize.gallery import Style
from artkit.stylize.manifest import Manifest, PlanName
from artkit.stylize.options import RestyleOptions
from artkit.stylize.regions import inside
from artkit.stylize.stylefile import StyleSet
from artkit.stylize.texture import grain

DEFAULTS = RestyleOptions()
PLAIN_SIZE = 512  # longest edge up to which strokes have the size that was learned, unless told, pixels
AGAIN = 0.35  # strength of the second pass, of the first one's
BROAD = 8.0  # deviation of the Gaussian that tells broad areas, which the first pass colors, from strokes, pixels


@dataclass(frozen=True)
class Brush:
    """Styles that one network draws, ready for any number of photos.

    codes: one a style, (S, P), as strong and with strokes as large as the options or the style say. weights: (S,).
    marks: names, each with a SHA-256 of the network, the code, stroke and texture: another one draws another picture.
    still: nothing is to change. texture: of even areas, 0..1. stroke: above 1, what the first pass divides the size by.
    """

    network: StyleSet
    codes: mx.array
    weights: tuple[float, ...]
    marks: tuple[tuple[str, str], ...]
    still: bool
    texture: float
    stroke: float

    @classmethod
    def of(cls, names: Sequence[str], options: RestyleOptions = DEFAULTS) -> Brush:
        """UnknownStyle, WeightsError: a style that is not there or damaged. WrongCall: styles of different networks."""
        styles = [gallery.get(name) for name in names]
        if not styles:
            raise WrongCall("no style given; artkit styles lists them")
        plan = _plan(styles, options)
        sets = [gallery.network(style, plan) for style in styles]
        for style, held in zip(styles, sets, strict=True):
            if held.sha256 != sets[0].sha256:
                raise WrongCall(f'"{styles[0].name}" and "{style.name}" are of different networks and cannot be mixed')
        codes = [_code(style, plan, held, options) for style, held in zip(styles, sets, strict=True)]
        shares = _shares(options.style_weight, len(styles))
        still = not any(_strength(style, options) for style in styles)
        texture = sum(
            share * _strength(style, options) * (style.manifest.texture if options.texture is None else options.texture)
            for share, style in zip(shares, styles, strict=True)
        )
        stroke = sum(
            share * _stroke(style.manifest.stroke, options) for share, style in zip(shares, styles, strict=True)
        )
        about = f"{sets[0].sha256} {stroke} {texture}".encode()
        marks = [hashlib.sha256(about + np.array(code).tobytes()).hexdigest() for code in codes]
        return cls(sets[0], mx.stack(codes), shares, tuple(zip(names, marks, strict=True)), still, texture, stroke)

    @classmethod
    def after(cls, pictures: Sequence[Picture], options: RestyleOptions = DEFAULTS) -> Brush:
        """After pictures that no network was trained for: their codes are predicted. WeightsError: a damaged file."""
        from artkit.stylize.predicting import TEXTURE, network_beside, read_predictor, shipped
        from artkit.stylize.stylefile import read_network

        predict = read_predictor(shipped())
        held = read_network(network_beside(shipped(), predict), predict.base)
        if options.plan == "light":
            raise WrongCall("--plan light: any picture at once takes the full network; leave --plan out")
        usual = Manifest(title="any style", texture=TEXTURE)
        strength = usual.strength if options.strength is None else options.strength
        stroke = _stroke(usual.stroke, options)
        codes = []
        for picture in pictures:
            code, slope = predict(picture)
            codes.append(strength * (code + math.log2(stroke) * slope) + (1 - strength) * held.code(0))
        texture = strength * (usual.texture if options.texture is None else options.texture)
        shares = _shares(options.style_weight, len(codes))
        return cls(held, mx.stack(codes), shares, (), strength == 0, texture, stroke)

    def paint(self, x: mx.array, masks: Sequence[np.ndarray], memory: float) -> mx.array:
        """(1, H, W, 3), sRGB 0..1 -> the same restyled, not clipped; masks: (H, W), one a style, or none."""
        pixels = np.array(x[0])
        if self.stroke <= 1:
            return self._draw(pixels, self.codes, self.texture, masks, memory)
        height, width = pixels.shape[:2]
        small = [max(1, round(edge / self.stroke)) for edge in (height, width)]
        photo = resize(pixels, *small)
        first = self._draw(photo, self.codes, self.texture, [fit(mask, *small) for mask in masks], memory)
        detail = pixels - resize(photo, height, width)
        seen = np.clip(resize(np.clip(np.array(first[0]), 0, 1), height, width) + detail, 0, 1)
        weaker = AGAIN * self.codes + (1 - AGAIN) * self.network.code(0)
        drawn = np.array(self._draw(seen, weaker, 0, masks, memory)[0])
        drawn += cv2.GaussianBlur(seen - drawn, (0, 0), BROAD)  # a second pass would drive colors further and further
        return mx.array(drawn[None])

    def _draw(
        self, pixels: np.ndarray, codes: mx.array, texture: float, masks: Sequence[np.ndarray], memory: float
    ) -> mx.array:
        """One pass over pixels (H, W, 3)."""
        network, x = self.network.network, mx.array(pixels[None])
        noise = mx.array(grain(pixels, texture)[None]) if texture else None
        if not masks:
            return draw(network, x, Code(codes, mx.array([self.weights])), memory, noise)
        weights = np.array(self.weights, np.float32)
        where = np.stack(masks, axis=-1) * weights
        total = where.sum(axis=-1, keepdims=True)
        # What no mask covers is left out in the end; until then it has to look like the rest, for the norms' sake.
        where = np.where(total > 1e-6, where / np.maximum(total, 1e-6), weights)
        down, right = (-edge % network.plan.multiple for edge in x.shape[1:3])
        padded = np.pad(where, ((0, down), (0, right), (0, 0)), "edge")
        return draw(network, x, Code(codes, mx.array(padded[None])), memory, noise)


def _shares(weights: Sequence[float], styles: int) -> tuple[float, ...]:
    """Of each style in a mixture, summing to one; equal ones if no weights are given."""
    weights = weights or (1.0,) * styles
    if len(weights) != styles:
        raise WrongCall(f"{len(weights)} style weights for {styles} styles; give one for each")
    return tuple(weight / sum(weights) for weight in weights)


def _plan(styles: Sequence[Style], options: RestyleOptions) -> PlanName:
    """The plan asked for, or the full one where all styles have it."""
    if options.plan != "auto":
        return options.plan
    return "full" if all("full" in style.manifest.networks for style in styles) else "light"


def _code(style: Style, plan: PlanName, held: StyleSet, options: RestyleOptions) -> mx.array:
    """The code of a style, (P,), between the photo's and its own as its strength says."""
    manifest = style.manifest
    stroke = _stroke(manifest.stroke, options)
    strength = _strength(style, options)
    return strength * held.code(manifest.networks[plan].slot, stroke) + (1 - strength) * held.code(0)


def _stroke(own: float, options: RestyleOptions) -> float:
    """As told, or the style's own; larger in large pictures, which are looked at from further away."""
    if options.stroke is not None:
        return options.stroke
    return min(2.0, own * max(1.0, math.sqrt(options.size / PLAIN_SIZE)))


def _strength(style: Style, options: RestyleOptions) -> float:
    return style.manifest.strength if options.strength is None else options.strength


def restyle(
    photo: Picture, styles: Sequence[str], options: RestyleOptions = DEFAULTS, *, masks: Sequence[np.ndarray] = ()
) -> Picture:
    """The photo in one or more named styles; the last step of `restyle_steps`."""
    *_, last = restyle_steps(photo, Brush.of(styles, options), options, masks=masks)
    return Picture.of(last.image, like=photo)


def restyle_steps(
    photo: Picture, brush: Brush, options: RestyleOptions = DEFAULTS, *, masks: Sequence[np.ndarray] = ()
) -> Iterator[Step]:
    """One step, the finished picture.

    masks: (H, W) float32 0..1 of the photo's proportions, one a style; where all are 0 the photo is left as it is.
    WrongCall: another number of masks than of styles.
    """
    if masks and len(masks) != len(brush.codes):
        raise WrongCall(f"{len(masks)} masks for {len(brush.codes)} styles; give one for each")
    small = photo.resized(options.size)
    x = mx.array(np.clip(small.pixels, 0, 1)[None])
    if brush.still:
        yield Step(x, 1, 1, {"size": options.size})
        return
    fitted = [fit(mask, small.height, small.width) for mask in masks]
    drawn = brush.paint(x, fitted, options.max_memory or artkit.device.memory_budget())
    pixels = np.clip(np.array(drawn[0]), 0, 1)
    if options.keep_color == "luma":
        pixels = keep_luma(pixels, small.pixels)
    elif options.keep_color == "match":
        pixels = np.clip(match_color(pixels, small.pixels), 0, 1)
    if fitted:
        pixels = inside(pixels, small.pixels, fitted)
    yield Step(mx.array(pixels[None]), 1, 1, {"size": options.size})


def fit(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask (H, W), 0..1, at another size."""
    return np.clip(resize(mask[..., None], height, width)[..., 0], 0, 1)
