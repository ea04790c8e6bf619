"""A picture in a style of the gallery, in one pass of its network.

Strokes have the size in pixels that the network learned them in. Larger ones are drawn in two scales: the photo made
smaller is restyled and enlarged again, with the photo's own fine detail, and as it is then restyled more weakly.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import artkit.device

import cv2
import mlx.core as mx
import numpy as np

from artkit.color import keep_luma, match_color
from artkit.contract import DeviceError, Step, WeightsError, WrongCall
from artkit.image import Picture, resize
from artkit.nets.stylenets import Code
from artkit.stylize import gallery
from artkit.stylize.banding import draw, least_memory
from artkit.stylize.gallery import Style
from artkit.stylize.manifest import Manifest, PlanName
from artkit.stylize.options import RestyleOptions, style_weights
from artkit.stylize.regions import fit_mask, inside
from artkit.stylize.stylefile import StyleSet
from artkit.stylize.texture import grain

DEFAULTS = RestyleOptions()
PLAIN_SIZE = 512  # longest edge up to which strokes have the size that was learned, unless told, pixels
AGAIN = 0.35  # strength of the second pass, of the first one's
HELD, HELD_AGAIN, HELD_GRAIN, HELD_MASK = 50, 36, 8, 8  # bytes a pixel beside the network; the second for two scales
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
                raise WrongCall(_unlike(styles[0], style, plan))
        held = sets[0]
        used = [as_used(style.manifest, options) for style in styles]
        codes = [held.code(about.networks[plan].slot, about.stroke) for about in used]
        brush = cls._mixing(held, codes, used, options)
        said = f"{held.sha256} {brush.stroke} {brush.texture}".encode()
        digests = [hashlib.sha256(said + np.array(code).tobytes()).hexdigest() for code in brush.codes]
        return replace(brush, marks=tuple(zip((style.name for style in styles), digests, strict=True)))

    @classmethod
    def after(cls, pictures: Sequence[Picture], options: RestyleOptions = DEFAULTS) -> Brush:
        """After pictures that no network was trained for: their codes are predicted. WeightsError: a damaged file."""
        from artkit.stylize.predicting import TEXTURE, network_beside, read_predictor, shipped
        from artkit.stylize.stylefile import read_network

        if options.plan == "light":
            raise WrongCall("--plan light: any picture at once takes the full network; leave --plan out")
        predict = read_predictor(shipped())
        held = read_network(network_beside(shipped(), predict), predict.base)
        about = as_used(Manifest(title="any style", texture=TEXTURE), options)
        codes = [predict.at(picture, math.log2(about.stroke)) for picture in pictures]
        return cls._mixing(held, codes, [about] * len(codes), options)

    @classmethod
    def _mixing(
        cls, held: StyleSet, codes: Sequence[mx.array], used: Sequence[Manifest], options: RestyleOptions
    ) -> Brush:
        """codes: of whole styles, (P,) each. used: what each of them is used with."""
        shares = style_weights(options.style_weight, len(codes))
        shares = tuple(share / sum(shares) for share in shares)
        mixed = list(zip(shares, used, strict=True))
        return cls(
            held,
            mx.stack([held.weakened(code, about.strength) for code, about in zip(codes, used, strict=True)]),
            shares,
            marks=(),
            still=not any(about.strength for about in used),
            texture=sum(share * about.strength * about.texture for share, about in mixed),
            stroke=sum(share * about.stroke for share, about in mixed),
        )

    def room(self, height: int, width: int, masks: int, options: RestyleOptions) -> float:
        """Bytes for the network, of the memory that may be used, beside the pictures that are held.

        DeviceError: less was allowed than that takes.
        """
        each = HELD + HELD_AGAIN * (self.stroke > 1) + HELD_GRAIN * (self.texture > 0) + HELD_MASK * masks
        held, least = artkit.device.BASE_MEMORY + each * height * width, least_memory(self.network.network.plan, width)
        if not options.max_memory:
            budget = artkit.device.memory_budget()
            return max(budget - held, budget / 4)
        if options.max_memory < held + least:
            need, usable = (held + least) / 1e9, options.max_memory / 1e9
            raise DeviceError(
                f"{max(height, width)} pixels need about {need:.2f} GB of memory, and {usable:.2f} GB may be used; "
                "choose a smaller --size, or allow more with --max-memory"
            )
        return options.max_memory - held

    def paint(self, x: mx.array, masks: Sequence[np.ndarray], memory: float) -> mx.array:
        """(1, H, W, 3), sRGB 0..1 -> the same restyled, not clipped; masks: (H, W), one a style, or none."""
        pixels = np.array(x[0])
        if self.stroke <= 1:
            return self._draw(pixels, self.codes, self.texture, masks, memory)
        height, width = pixels.shape[:2]
        small = [max(1, round(edge / self.stroke)) for edge in (height, width)]
        photo = resize(pixels, *small)
        first = self._draw(photo, self.codes, self.texture, [fit_mask(mask, *small) for mask in masks], memory)
        detail = pixels - resize(photo, height, width)
        seen = np.clip(resize(np.clip(np.array(first[0]), 0, 1), height, width) + detail, 0, 1)
        weaker = self.network.weakened(self.codes, AGAIN)
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


def _unlike(one: Style, other: Style, plan: PlanName) -> str:
    """Why two styles cannot be mixed, and what can: others of the first one's network, or one that is made for it."""
    base, friends = gallery.network(one, plan).sha256, []
    for style in gallery.installed()[0]:
        with contextlib.suppress(WeightsError):  # a damaged one goes with nothing
            if style.name != one.name and plan in style.manifest.networks:
                friends += [style.name] if gallery.network(style, plan).sha256 == base else []
    said = f'"{one.name}" and "{other.name}" are of different networks and cannot be mixed'
    few = ", ".join(friends[:4]) + (f" and {len(friends) - 4} more" if len(friends) > 4 else "")
    goes = f'"{one.name}" goes with {few}, and with' if friends else f'"{one.name}" goes with'
    return f"{said}; {goes} what artkit train mine PICTURE --base {one.name} --name NEW makes"


def _plan(styles: Sequence[Style], options: RestyleOptions) -> PlanName:
    """The plan asked for, or the full one where all styles have it."""
    if options.plan != "auto":
        return options.plan
    return "full" if all("full" in style.manifest.networks for style in styles) else "light"


def as_used(usual: Manifest, options: RestyleOptions) -> Manifest:
    """A style's manifest with the strength, stroke size and texture that are asked for in place of its own.

    Unless asked for, strokes are larger in large pictures, which are looked at from further away.
    """
    grown = min(2.0, usual.stroke * max(1.0, math.sqrt(options.size / PLAIN_SIZE)))
    asked = {"strength": options.strength, "stroke": options.stroke, "texture": options.texture}
    told = {name: value for name, value in asked.items() if value is not None}
    return usual.model_copy(update={"stroke": grown, **told})


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
    fitted = [fit_mask(mask, small.height, small.width) for mask in masks]
    drawn = brush.paint(x, fitted, brush.room(small.height, small.width, len(fitted), options))
    pixels = np.clip(np.array(drawn[0]), 0, 1)
    if options.keep_color == "luma":
        pixels = keep_luma(pixels, small.pixels)
    elif options.keep_color == "match":
        pixels = np.clip(match_color(pixels, small.pixels), 0, 1)
    if fitted:
        pixels = inside(pixels, small.pixels, fitted)
    yield Step(mx.array(pixels[None]), 1, 1, {"size": options.size})
