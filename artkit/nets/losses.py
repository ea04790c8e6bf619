"""What makes two pictures alike: small classes over the features of one layer.

A loss reads a feature map in two moves, so that a picture may be seen whole or tile by tile:

    summary(features, mask)     what the loss keeps of (1, H, W, C): sums over positions, or samples of them
    combine(summaries)          the summary of a picture from those of its tiles
    target(summary)             what a picture is compared with, worked out once
    distance(summary, target)   a scalar, normalized by the target's own energy: 0 is equal, about 1 unrelated

Normalized so, a weight means the same for every layer, picture size and network. `blend` lies between two targets,
which is what `--strength` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import mlx.core as mx

from artkit.nets.layers import channel_products
from artkit.nets.statistics import column_sums, directions, square_root, total

Summary = dict[str, mx.array]
FLAT = 1e-3  # share of the energy of features below which their variance counts as rounding
ROUNDING = 1e-6  # of their energy
SAMPLES = 65_536  # positions at most that sorting and pairwise losses look at


class Loss(Protocol):
    """What every loss below offers."""

    def summary(self, features: mx.array, mask: mx.array | None = None, every: int = 1) -> Summary: ...
    def combine(self, summaries: Sequence[Summary]) -> Summary: ...
    def target(self, summary: Summary) -> Summary: ...
    def blend(self, first: Summary, second: Summary, amount: float) -> Summary: ...
    def distance(self, summary: Summary, target: Summary) -> mx.array: ...


def _products(features: mx.array, mask: mx.array | None) -> mx.array:
    """Sums over positions of the products of channels, (C, C), each position weighted by the mask."""
    if mask is not None:
        features = features * mx.sqrt(mask)
    return channel_products(features.reshape(1, -1, features.shape[-1])).squeeze(0)


def _relative(found: mx.array, wanted: mx.array) -> mx.array:
    return total(mx.square(found - wanted)) / (total(mx.square(wanted)) + 1e-8)


class Additive:
    """A loss over moments, which add up over tiles: sums of the features, of their outer products, and of positions."""

    def summary(self, features: mx.array, mask: mx.array | None = None, every: int = 1) -> Summary:
        """mean: (C,); outer: (C, C); count: a scalar. They are means once they are divided by the count."""
        rows, count = features.reshape(-1, features.shape[-1]), mx.array(float(features[..., 0].size))
        if mask is not None:
            rows, count = rows * mask.reshape(-1, 1), total(mask)
        return {"mean": column_sums(rows), "outer": _products(features, mask), "count": count}

    @staticmethod
    def read(summary: Summary, weight: mx.array, bias: mx.array) -> Summary:
        """The summary of W f + b from that of f: far less work than W f in every place. weight: (O, C); bias: (O,)."""
        mean, count = weight @ summary["mean"], summary["count"]
        cross = mx.outer(mean, bias)
        outer = weight @ summary["outer"] @ weight.T + cross + cross.T + count * mx.outer(bias, bias)
        return {"mean": mean + count * bias, "outer": outer, "count": count}

    def combine(self, summaries: Sequence[Summary]) -> Summary:
        return {name: sum((s[name] for s in summaries[1:]), summaries[0][name]) for name in summaries[0]}

    def target(self, summary: Summary) -> Summary:
        count = summary["count"] + 1e-8
        return {name: value / count for name, value in summary.items() if name != "count"}

    def known(self, mean: mx.array, outer: mx.array) -> Summary:
        """The target of a picture whose mean (C,) and mean outer product (C, C) are known."""
        return {"mean": mean, "outer": outer}

    def blend(self, first: Summary, second: Summary, amount: float) -> Summary:
        return {name: first[name] * (1 - amount) + second[name] * amount for name in first}


class Gram(Additive):
    """Channel correlations (Gatys, Ecker and Bethge 2016, equation 3), F·Fᵀ over positions."""

    def distance(self, summary: Summary, target: Summary) -> mx.array:
        return _relative(summary["outer"] / (summary["count"] + 1e-8), target["outer"])


class MeanStd(Additive):
    """Mean and standard deviation of each channel (Huang and Belongie 2017, equation 13)."""

    def distance(self, summary: Summary, target: Summary) -> mx.array:
        found = self._moments(self.target(summary))
        return _relative(found, self._moments(target))

    @staticmethod
    def _moments(moments: Summary) -> mx.array:
        variance = mx.maximum(mx.diagonal(moments["outer"]) - mx.square(moments["mean"]), 0)
        return mx.concatenate([moments["mean"], mx.sqrt(variance + 1e-6)])


class Covariance(Additive):
    """Mean and covariance of the channels: the Gram matrix taken apart, so that brightness and pattern both count."""

    def blend(self, first: Summary, second: Summary, amount: float) -> Summary:
        """Means and covariances each in between (raw second moments would count the means' difference as spread)."""
        mean = first["mean"] * (1 - amount) + second["mean"] * amount
        covariance = self._covariance(first) * (1 - amount) + self._covariance(second) * amount
        return {"mean": mean, "outer": covariance + mx.outer(mean, mean)}

    def distance(self, summary: Summary, target: Summary) -> mx.array:
        found = self.target(summary)
        mean = _relative(found["mean"], target["mean"])
        return 0.5 * (mean + _relative(self._covariance(found), self._covariance(target)))

    @classmethod
    def _covariance(cls, moments: Summary) -> mx.array:
        return moments["outer"] - mx.outer(moments["mean"], moments["mean"])


class Wasserstein(Covariance):
    """Wasserstein-2 between normal distributions (Olkin and Pukelsheim 1982):

    |μ - μ*|² + tr(Σ + Σ* - 2 (Σ*^½ Σ Σ*^½)^½), over |μ*|² + tr Σ*. Square roots by Newton–Schulz.
    """

    def distance(self, summary: Summary, target: Summary) -> mx.array:
        found = self.target(summary)
        covariance, wanted = self._covariance(found), self._covariance(target)
        root = mx.stop_gradient(square_root(wanted))
        cross = square_root(root @ covariance @ root)
        spread = mx.trace(covariance) + mx.trace(wanted) - 2 * mx.trace(cross)
        energy = mx.square(target["mean"]).sum() + mx.trace(wanted)
        return (mx.square(found["mean"] - target["mean"]).sum() + mx.maximum(spread, 0)) / (energy + 1e-8)

    @classmethod
    def _covariance(cls, moments: Summary) -> mx.array:
        """With roots: of a flat picture the difference of moments is all rounding, and may be negative."""
        covariance, energy = super()._covariance(moments), mx.trace(moments["outer"])
        identity = mx.eye(covariance.shape[0])
        flat = mx.trace(covariance) < FLAT * energy
        return mx.where(flat, FLAT * energy / len(identity) * identity, covariance + ROUNDING * energy * identity)


class Sampled:
    """A loss over samples, kept as rows (N, P); with a mask, the samples outside of it are left out."""

    def summary(self, features: mx.array, mask: mx.array | None = None, every: int = 1) -> Summary:
        """every: look at each `every`-th position along both edges only."""
        rows = features[:, ::every, ::every].reshape(-1, features.shape[-1])
        inside = (
            mx.ones(rows.shape[0]) if mask is None else (mask[:, ::every, ::every].reshape(-1) > 0.5).astype(mx.float32)
        )
        return {"samples": self.measure(rows), "inside": inside}

    def measure(self, rows: mx.array) -> mx.array:
        return rows

    def combine(self, summaries: Sequence[Summary]) -> Summary:
        return {name: mx.concatenate([s[name] for s in summaries]) for name in summaries[0]}


class SlicedWasserstein(Sampled):
    """Sliced Wasserstein-2 (Heitz et al. 2021): features projected on random directions, sorted, compared.

    `count` directions, the same for all positions and iterations.
    """

    QUANTILES = 4096

    def __init__(self, count: int = 32, seed: int = 0) -> None:
        self.count, self.seed = count, seed

    def measure(self, rows: mx.array) -> mx.array:
        return rows @ directions(self.count, rows.shape[-1], mx.random.key(self.seed))

    def target(self, summary: Summary) -> Summary:
        return {"quantiles": self._quantiles(self._sorted(summary), summary["inside"].sum(), self.QUANTILES)}

    def blend(self, first: Summary, second: Summary, amount: float) -> Summary:
        return {"quantiles": first["quantiles"] * (1 - amount) + second["quantiles"] * amount}

    def distance(self, summary: Summary, target: Summary) -> mx.array:
        wanted = target["quantiles"]
        ordered, inside = self._sorted(summary), mx.stop_gradient(summary["inside"]).sum()
        rank = mx.arange(ordered.shape[0], dtype=mx.float32)
        place = mx.clip((rank + 0.5) / (inside + 1e-8) * wanted.shape[0] - 0.5, 0, wanted.shape[0] - 1)
        difference = mx.square(ordered - self._at(wanted, place)) * (rank < inside)[:, None]
        return total(difference) / (inside + 1e-8) / (total(mx.square(wanted)) / wanted.shape[0] + 1e-8)

    @staticmethod
    def _sorted(summary: Summary) -> mx.array:
        """Samples in order, (N, P), column by column; those outside the mask last, as zeros."""
        outside = (mx.stop_gradient(summary["inside"]) < 0.5)[:, None]
        order = mx.argsort(mx.where(outside, mx.inf, mx.stop_gradient(summary["samples"])).T, axis=1)
        kept = mx.where(outside, 0.0, summary["samples"]).T
        return mx.take_along_axis(kept, order, axis=1).T

    @classmethod
    def _quantiles(cls, ordered: mx.array, inside: mx.array, count: int) -> mx.array:
        place = (mx.arange(count, dtype=mx.float32) + 0.5) / count * inside - 0.5
        return cls._at(ordered, mx.clip(place, 0, mx.maximum(inside - 1, 0)))

    @staticmethod
    def _at(ordered: mx.array, place: mx.array) -> mx.array:
        """Rows of (N, P) at fractional places, linearly in between."""
        low = mx.floor(place).astype(mx.int32)
        high = mx.minimum(low + 1, ordered.shape[0] - 1)
        part = (place - low)[:, None]
        return ordered[low] * (1 - part) + ordered[high] * part


class Histogram(SlicedWasserstein):
    """The histogram of each channel (Risser et al. 2017), compared by sorting: nothing is binned."""

    def __init__(self) -> None:
        super().__init__()

    def measure(self, rows: mx.array) -> mx.array:
        return rows


class SelfSimilarity(Sampled):
    """Content as the pattern of similarities within the picture (Kolkin et al. 2019, equations 7 and 8).

    Cosine distances between all pairs of sampled positions, each row divided by its sum: colors and textures may
    change as long as what was alike stays alike.
    """

    def target(self, summary: Summary) -> Summary:
        return {"distances": self._distances(summary["samples"])}

    def blend(self, first: Summary, second: Summary, amount: float) -> Summary:
        return {"distances": first["distances"] * (1 - amount) + second["distances"] * amount}

    def distance(self, summary: Summary, target: Summary) -> mx.array:
        found, wanted = self._distances(summary["samples"]), target["distances"]
        return total(mx.abs(found - wanted)) / total(mx.abs(wanted))

    @staticmethod
    def _distances(samples: mx.array) -> mx.array:
        unit = samples / mx.sqrt(mx.square(samples).sum(axis=1, keepdims=True) + 1e-8)
        distances = mx.maximum(1 - unit @ unit.T, 0)
        return distances / (distances.sum(axis=0, keepdims=True) + 1e-8)


def variation(x: mx.array, axis: int) -> mx.array:
    """Sum of squared differences of neighbors along an axis: half of the total variation (Johnson et al. 2016)."""
    ahead, behind = (x[:, 1:], x[:, :-1]) if axis == 1 else (x[:, :, 1:], x[:, :, :-1])
    return total(mx.square(ahead - behind))


STYLE_LOSSES: Mapping[str, Callable[[], Loss]] = {
    "gram": Gram,
    "mean-std": MeanStd,
    "covariance": Covariance,
    "wasserstein": Wasserstein,
    "sliced": SlicedWasserstein,
    "histogram": Histogram,
}
