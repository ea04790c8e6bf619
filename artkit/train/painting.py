"""Pictures that a compact network is painting while it learns, so that it learns to be optimized through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.nets.architectures import compact_of
from artkit.nets.features import FeatureNetwork
from artkit.nets.statistics import gram
from artkit.train.axes import Axes, Features, Weights
from artkit.train.criterion import relative_error
from artkit.train.data import Crops
from artkit.train.teacher import TAPS, Teacher

if TYPE_CHECKING:
    from artkit.train.distil import DistilOptions


def painting_loss(
    features: Features, grams: Mapping[str, mx.array], content: mx.array, content_weight: mx.array
) -> mx.array:
    """What a picture being painted descends, (B,): style as five Gram errors, content at relu4_1, all relative."""
    style = sum(relative_error(gram(features[tap]), grams[tap]) for tap in TAPS)
    return style + content_weight * relative_error(features["relu4_1"], content)  # type: ignore[return-value]


class Pool:
    """Pictures being painted by the student: photo or noise at first, moved along the student's gradient by Adam.

    Each has a painting whose Grams it is after and a photo whose content it keeps, both as the teacher sees them,
    and is replaced by a new one after 20 to 200 steps.
    """

    def __init__(self, options: DistilOptions, teacher: Teacher, axes: Axes, photos: Crops, paintings: Crops) -> None:
        self.options, self.teacher, self.axes = options, teacher, axes
        self.photos, self.paintings = photos, paintings
        self.rng = np.random.default_rng(options.seed + 1)
        n, s = options.pool, options.crop
        self.image = mx.zeros((n, s, s, 3))
        self.first, self.second = mx.zeros_like(self.image), mx.zeros_like(self.image)
        self.age, self.life = np.zeros(n), np.zeros(n)
        self.rate, self.content_weight = np.zeros(n, np.float32), np.zeros(n, np.float32)
        self.grams: dict[str, mx.array] = {}
        self.content = mx.array(0.0)
        self._renew(np.arange(n))
        self.age = self.rng.uniform(0, self.life).round()  # so that not all are young at once

    def _renew(self, slots: np.ndarray) -> None:
        """New pictures, all slots computed alike so that shapes stay few; only `slots` are taken over."""
        n, s, rng = self.options.pool, self.options.crop, self.rng
        photo = self.photos.draw(rng, n, s)
        start = photo.copy()
        for slot in slots:
            if rng.random() < 0.3:
                start[slot] = rng.uniform(0, 1, (s, s, 3))
            self.life[slot], self.age[slot] = rng.integers(20, 200), 0
            self.rate[slot] = np.exp(rng.uniform(np.log(0.005), np.log(0.05)))
            self.content_weight[slot] = self.options.content_weight * np.exp(rng.normal(0, 1))
        painted = self.axes.project(self.teacher(mx.array(self.paintings.draw(rng, n, s))))
        content = self.axes.project(self.teacher(mx.array(photo), ["relu4_1"]))["relu4_1"]
        chosen = np.zeros(n, bool)
        chosen[slots] = True

        def take(new: mx.array, old: mx.array) -> mx.array:
            return mx.where(mx.array(chosen).reshape(-1, *[1] * (new.ndim - 1)), new, old)

        grams = {tap: gram(f) for tap, f in painted.items()}
        self.grams = {tap: take(g, self.grams[tap]) for tap, g in grams.items()} if self.grams else grams
        self.content = take(content, self.content) if self.content.ndim else content
        self.image = take(mx.array(start), self.image)
        self.first, self.second = (
            take(mx.zeros_like(self.image), self.first),
            take(mx.zeros_like(self.image), self.second),
        )
        mx.eval(self.grams, self.content, self.image, self.first, self.second)

    def move(self, weights: Weights) -> None:
        """One step of Adam (Kingma and Ba 2015) for each picture, then new pictures for those that are done."""
        student = FeatureNetwork(compact_of(weights), weights, preprocessing="centered")
        content_weight = mx.array(self.content_weight)

        def loss(x: mx.array) -> mx.array:
            return painting_loss(student(x, TAPS), self.grams, self.content, content_weight).sum()

        gradient = mx.grad(loss)(self.image)
        self.age += 1
        age = mx.array(self.age.astype(np.float32)).reshape(-1, 1, 1, 1)
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.99 * self.second + 0.01 * mx.square(gradient)
        first, second = self.first / (1 - mx.power(0.9, age)), self.second / (1 - mx.power(0.99, age))
        rate = mx.array(self.rate).reshape(-1, 1, 1, 1)
        self.image = mx.clip(self.image - rate * first / (mx.sqrt(second) + 1e-12), -0.1, 1.1)
        mx.async_eval(self.image, self.first, self.second)
        if len(done := np.flatnonzero(self.age >= self.life)):
            self._renew(done)
