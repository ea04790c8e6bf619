"""What a stylized picture minimizes: style, content and smoothness, whole or tile by tile.

    loss = Σ over layers, regions and styles of weight · style distance
         + content_weight · content error + tv_weight · mean squared total variation
         + BEYOND · mean squared distance from the range of colors

All but the last are of the picture cut to that range, as it is handed out: what lies beyond it would count for nothing
in the end. An optimizer that may paint darker than black does so, and is content with less that is dark.

Layer weights and style weights each sum to one, and every part is normalized by its target, so that the three weights
mean the same for every network and size. Tiled, the style summaries of all tiles are added up first; the gradient of
the style distances with respect to those sums is then sent back through each tile. That is the chain rule, so the
gradient is the untiled one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import artkit.device

import mlx.core as mx
import numpy as np

from artkit.nets.losses import Additive, Summary, variation
from artkit.nets.statistics import total
from artkit.stylize.moments import Moment
from artkit.stylize.tiling import Tile, folded, widened
from artkit.stylize.view import Aim, Key, View

BEYOND = 0.2  # so much that colors come back from beyond the range, and so little that they cross its border freely


class Objective:
    """The loss of a picture and its gradient: `loss, gradient = objective(x)`, x (1, H, W, 3)."""

    def __init__(
        self,
        aim: Aim,
        photo: mx.array,
        styles: Sequence[mx.array | Mapping[str, Moment]],
        weights: Sequence[float],
        *,
        strength: float = 1.0,
        masks: Sequence[np.ndarray] = (),
        memory: float = math.inf,
        around: bool = False,
    ) -> None:
        """photo: (1, H, W, 3). styles: pictures (1, h, w, 3), of any size, or what is known of them; weights: in order.

        strength: 1 aims at the styles' statistics, less at statistics between the photo's own and theirs.
        masks: (H, W), 0..1, one a style; none lets every style cover the whole picture.
        memory: bytes that a pass through the network may take.
        around: the style goes on at the other side of the picture (total variation stops at the border).
        """
        _, height, width, _ = photo.shape
        self.aim, self.view = aim, View(aim, height, width, memory, masks, around)
        own, kept = self.view.survey(photo)
        self._content = kept if aim.content_weight and not aim.self_similarity else []
        self._energy = {
            tap: sum((total(mx.square(piece[tap])) for piece in self._content), mx.array(1e-8))
            for tap in (aim.content_layers if self._content else ())
        }
        theirs = [self._theirs(style, memory) for style in styles]
        share = [float(mask.mean()) for mask in masks] or [1.0] * len(styles)
        parts = np.array([weight * area for weight, area in zip(weights, share, strict=True)])
        parts = parts / parts.sum()
        self._targets: dict[Key, list[tuple[float, Summary]]] = {}
        for key in self.view.keys:
            if key.kind == "content":
                weight = aim.content_weight * aim.content_layers[key.tap]
                self._targets[key] = [(weight, own[key])]
                continue
            chosen = range(len(styles)) if key.region < 0 else (key.region,)
            loss = self.view.loss(key)
            self._targets[key] = [
                (
                    float(parts[i]) * aim.style_layers[key.tap],
                    loss.blend(own[key], theirs[i][key._replace(region=-1)], strength),
                )
                for i in chosen
            ]
        mx.eval(self._energy, [[target for _, target in targets] for targets in self._targets.values()])
        self._figures = mx.zeros(3)
        self._whole: Callable[[mx.array], tuple[mx.array, mx.array]] | None = None
        if len(self.view.tiles) == 1:
            value_and_grad = mx.value_and_grad(self._all)
            self._whole = mx.compile(value_and_grad) if artkit.device.compiles() else value_and_grad  # type: ignore[assignment]

    def _theirs(self, style: mx.array | Mapping[str, Moment], memory: float) -> dict[Key, Summary]:
        """The targets of a style."""
        if isinstance(style, mx.array):
            return View(self.aim, style.shape[1], style.shape[2], memory).survey(style)[0]
        assert isinstance(self.aim.style, Additive), "whoever asks for another loss has the picture"
        return {Key(tap, -1, "style"): self.aim.style.known(*style[tap]) for tap in self.aim.style_layers}

    @property
    def figures(self) -> dict[str, float]:
        """The parts of the last loss: style, content (both before their weights) and total variation."""
        return dict(zip(("style", "content", "tv"), np.array(self._figures).tolist(), strict=True))

    def __call__(self, x: mx.array) -> tuple[mx.array, mx.array]:
        within = mx.clip(x, 0, 1)
        beyond = x - within
        loss, gradient = self._within(within)
        # Not left to automatic differentiation: it has no gradient at pure black and white, which photos are full of.
        gradient = mx.where(beyond == 0, gradient, 0) + 2 * BEYOND / x.size * beyond
        return loss + BEYOND * mx.square(beyond).mean(), gradient

    def _within(self, x: mx.array) -> tuple[mx.array, mx.array]:
        if self._whole:
            (loss, self._figures), gradient = self._whole(x)  # type: ignore[misc]
            return loss, gradient
        return self._tiled(x)

    def _distances(self, summaries: Mapping[Key, Summary]) -> tuple[mx.array, mx.array]:
        """(weighted style distance, weighted self-similarity distance) of a whole picture's summaries."""
        sums = {"style": mx.array(0.0), "content": mx.array(0.0)}
        for key, targets in self._targets.items():
            for weight, target in targets:
                sums[key.kind] = sums[key.kind] + weight * self.view.loss(key).distance(summaries[key], target)
        return sums["style"], sums["content"]

    def _near(self, piece: mx.array, tile: Tile, index: int) -> tuple[dict[Key, Summary], mx.array, mx.array]:
        """(summaries, content error, total variation) of a tile: the last two are its share of the picture's."""
        features = self.view.features(piece, tile)
        content = mx.array(0.0)
        for tap, weight in self.aim.content_layers.items() if self._content else ():
            error = total(mx.square(features[tap] - self._content[index][tap]))
            content = content + weight * error / self._energy[tap]
        tall, broad = tile.neighbors(piece)
        smoothness = (variation(tall, 1) + variation(broad, 2)) / (self.view.height * self.view.width * 3)
        return self.view.summaries(features, tile), content, smoothness

    def _weigh(self, style: mx.array, content: mx.array, smoothness: mx.array) -> mx.array:
        return style + self.aim.content_weight * content + self.aim.tv_weight * smoothness

    def _all(self, x: mx.array) -> tuple[mx.array, mx.array]:
        (tile,) = self.view.tiles
        summaries, content, smoothness = self._near(tile.read(x), tile, 0)
        style, similarity = self._distances(summaries)
        loss = self._weigh(style, content, smoothness) + similarity
        shown = content if self._content else similarity / (self.aim.content_weight or 1)
        return loss, mx.stop_gradient(mx.stack([style, shown, smoothness]))

    def _tiled(self, x: mx.array) -> tuple[mx.array, mx.array]:
        pieces, content, smoothness = [], mx.array(0.0), mx.array(0.0)
        x = widened(x, self.view.margin)
        for index, tile in enumerate(self.view.tiles):
            summaries, near, differences = self._near(tile.read(x), tile, index)
            pieces.append(summaries)
            content, smoothness = content + near, smoothness + differences
            mx.eval(pieces[-1], content, smoothness)

        def distance(pieces: list[list[Summary]]) -> tuple[mx.array, mx.array, mx.array]:
            style, similarity = self._distances(self.view.combine([self._keyed(piece) for piece in pieces]))
            return style + similarity, style, similarity

        # MLX differentiates through lists, not through dictionaries with tuples for keys.
        listed = [list(piece.values()) for piece in pieces]
        (_, style, similarity), slopes = mx.value_and_grad(distance)(listed)
        mx.eval(style, similarity, slopes)
        gradient = np.zeros(x.shape, np.float32)
        for index, (tile, slope) in enumerate(zip(self.view.tiles, slopes, strict=True)):

            def share(piece: mx.array, tile: Tile = tile, index: int = index, slope: list[Summary] = slope) -> mx.array:
                summaries, near, differences = self._near(piece, tile, index)
                sent = sum(
                    total(found[name] * back[name])
                    for found, back in zip(summaries.values(), slope, strict=True)
                    for name in found
                )
                return sent + self.aim.content_weight * near + self.aim.tv_weight * differences

            part = np.array(mx.grad(share)(tile.read(x)))
            rows, columns = tile.rows, tile.columns
            gradient[:, rows.wide_start : rows.wide_stop, columns.wide_start : columns.wide_stop] += part
        loss = self._weigh(style, content, smoothness) + similarity
        shown = content if self._content else similarity / (self.aim.content_weight or 1)
        self._figures = mx.stack([style, shown, smoothness])
        return loss, mx.array(folded(gradient, self.view.margin))

    def _keyed(self, piece: list[Summary]) -> dict[Key, Summary]:
        return dict(zip(self.view.keys, piece, strict=True))
