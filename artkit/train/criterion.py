"""What a feed-forward style network is trained for: the style of its picture, the photo's content, a steady hand.

The losses of the optimizer (artkit/nets/losses.py) for whole batches, in which every picture has a style of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx

from artkit.nets.statistics import gram, square_root
from artkit.nets.stylenets import Code, StyleNetwork
from artkit.train.options import CriterionOptions

Features = Mapping[str, mx.array]
FeatureFunction = Callable[[mx.array, Iterable[str]], dict[str, mx.array]]

STYLE_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_TAP = "relu4_1"
SHIFT = 4  # pixels at most between the frames whose steadiness is looked at
BEYOND = 1.0  # weight of what is drawn beyond 0..1, so that it comes back from there
CAP = 4.0  # of a layer's style error: nothing is learned from a picture that is far off


def relative_error(found: mx.array, wanted: mx.array) -> mx.array:
    """Squared error over the energy of `wanted`, picture by picture: (B, …) twice -> (B,)."""
    axes = tuple(range(1, wanted.ndim))
    return mx.square(found - wanted).sum(axis=axes) / (mx.square(wanted).sum(axis=axes) + 1e-8)


def wasserstein(found: mx.array, wanted: mx.array) -> mx.array:
    """Squared Wasserstein-2 distance of centered normal distributions with these second moments, over the energy of
    `wanted`: (B, C, C) twice -> (B,). tr(Σ + Σ* - 2 (Σ*^½ Σ Σ*^½)^½) (Olkin and Pukelsheim 1982).
    """
    root = mx.stop_gradient(square_root(wanted))
    cross = square_root(root @ found @ root)
    trace = [mx.diagonal(m, axis1=1, axis2=2).sum(axis=1) for m in (found, wanted, cross)]
    return mx.maximum(trace[0] + trace[1] - 2 * trace[2], 0) / (trace[1] + 1e-8)


def style_error(
    found: Features, grams: Mapping[str, mx.array], weights: Mapping[str, float], kind: Literal["gram", "wasserstein"]
) -> mx.array:
    """(B,): features (B, H, W, C) against Gram matrices (B, C, C), by layer, weighted by shares that sum to one."""
    distance = relative_error if kind == "gram" else wasserstein
    parts = [weight * mx.minimum(distance(gram(found[tap]), grams[tap]), CAP) for tap, weight in weights.items()]
    return sum(parts[1:], parts[0]) / sum(weights.values())


def roughness(x: mx.array) -> mx.array:
    """Mean squared difference of neighbors, (B, H, W, C) -> (B,)."""
    down, right = mx.square(x[:, 1:] - x[:, :-1]), mx.square(x[:, :, 1:] - x[:, :, :-1])
    return down.mean(axis=(1, 2, 3)) + right.mean(axis=(1, 2, 3))


@dataclass(frozen=True)
class Criterion:
    """The loss of a batch of restyled pictures.

    features: pictures (B, H, W, 3) and taps -> features, of a FeatureNetwork or the teacher.
    layers: style tap -> weight.

    A batch: "photo" (B, S, S, 3); "strength" (B,), below 1 only for the first of every four; for the second of every
    four, "other" (B/4, S, S, 3), the same photo shifted and noisy, and "shift" (B/4, 2), by how many pixels.
    """

    features: FeatureFunction
    options: CriterionOptions
    layers: Mapping[str, float]

    def __call__(
        self, network: StyleNetwork, codes: mx.array, grams: Mapping[str, mx.array], batch: Mapping[str, mx.array]
    ) -> tuple[mx.array, dict[str, mx.array]]:
        """The loss, a scalar, and its parts: of the pictures cut to 0..1, as they are handed out.

        codes: (B, P). grams: of the styles, by tap, (B, C, C). Where the strength is below 1, the picture's Gram
        matrices are to be as far between photo and style as the strength says, as its code is; all else stays.
        """
        photo, options = batch["photo"], self.options
        painted = network(photo, Code.of(codes))
        drawn = mx.clip(painted, 0, 1)
        found = self.features(drawn, {*self.layers, CONTENT_TAP})
        plain = self.features(photo[::4], self.layers)
        wanted = {tap: _weaken(grams[tap], gram(plain[tap]), batch["strength"][::4]) for tap in self.layers}
        content = relative_error(found[CONTENT_TAP], self.features(photo, [CONTENT_TAP])[CONTENT_TAP])
        parts = {
            "style": style_error(found, wanted, self.layers, options.style_loss).mean(),
            "content": content.mean(),
            "roughness": roughness(drawn).mean(),
            "beyond": mx.square(painted - drawn).mean(),
        }
        loss = parts["style"] + options.content_weight * parts["content"] + options.tv_weight * parts["roughness"]
        loss = loss + BEYOND * parts["beyond"]
        if options.stability_weight:
            parts["flicker"] = self._flicker(network, drawn[1::4], codes[1::4], batch)
            loss = loss + options.stability_weight * parts["flicker"]
        return loss, parts

    def _flicker(
        self, network: StyleNetwork, drawn: mx.array, codes: mx.array, batch: Mapping[str, mx.array]
    ) -> mx.array:
        """Mean squared difference between the shifted and noisy photo restyled, and the restyled photo shifted."""
        other = mx.clip(network(batch["other"], Code.of(codes))[:, SHIFT:-SHIFT, SHIFT:-SHIFT], 0, 1)
        for axis in (1, 2):
            index = mx.arange(SHIFT, drawn.shape[axis] - SHIFT) + batch["shift"][:, axis - 1, None]
            index = index[:, :, None, None] if axis == 1 else index[:, None, :, None]
            drawn = mx.take_along_axis(drawn, index, axis)
        return mx.square(other - drawn).mean()


def _weaken(style: mx.array, photo: mx.array, strength: mx.array) -> mx.array:
    """Gram matrices (B, C, C), of which every fourth moves toward its photo's, (B/4, C, C), as strength falls."""
    fours = style.reshape(-1, 4, *style.shape[1:])
    s = strength[:, None, None]
    return mx.concatenate([(s * fours[:, 0] + (1 - s) * photo)[:, None], fours[:, 1:]], axis=1).reshape(style.shape)
