"""Growing a texture: a cellular automaton that learns to become like a picture and to stay so.

Niklasson et al. 2021, "Self-Organising Textures". A pool of half-grown grids: at each step some of them run on for a
while, are compared with the picture through a feature network, and go back to the pool; now and then one begins anew.
So the automaton learns to grow from nothing and to persist. Compared are distributions of features: sliced
Wasserstein-2, as in the authors' later code, or what style networks are trained with (criterion.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.image import Picture
from artkit.nets.automaton import Automaton, fresh, picture, seed
from artkit.nets.statistics import directions, gram
from artkit.train.criterion import STYLE_TAPS, FeatureFunction, style_error
from artkit.train.loop import Item, Progress, Weights, generator, train_steps
from artkit.train.options import GrowOptions

RANGE = 1.0  # cells beyond ±1 are pulled back
OVERFLOW = 300.0  # weight of what cells have beyond the range: far heavier than the style, or they run away
WILD = 8.0  # a grid with a cell beyond that begins anew
ANEW = 8  # every so many steps one grid begins from nothing
ROWS = 16_384  # places of the texture that are compared with, at most
SLICES = 32  # directions that features are looked at along, new ones at every step
FLAT = 0.01  # of the energy of features, that counts as spread where a picture is flat
HURT = 4  # every so many steps one grid has a hole to heal


def automata_steps(
    texture: Picture,
    features: FeatureFunction,
    options: GrowOptions,
    *,
    weights: Weights | None = None,
    resume: Path | None = None,
) -> Generator[Progress]:
    """Teach an automaton to grow `texture`; yields after every step. Weights as in `artkit.nets.automaton.SHAPES`.

    weights: of another automaton, to begin with; the two can be grafted then. Taken up again, the pool begins anew.
    """
    aim = Aim.of(texture, features, options)
    pool = mx.repeat(seed(1, options.crop, options.crop), max(options.pool, options.batch), axis=0)

    def item(step: int, number: int) -> Item:
        """Which grid of the pool, its hole if it has one, and how long it runs."""
        random = generator(options.seed, step, number)
        stratum = np.arange(number, len(pool), options.batch)  # no grid twice in a batch
        fate = np.ones((options.crop, options.crop, 1), np.float32)
        if number == 0 and step % ANEW == 0:
            fate[:] = 0
        elif number == options.batch - 1 and step % HURT == 1:
            fate = hole(random, options.crop)
        steps = generator(options.seed, step, options.batch).integers(options.shortest, options.longest, endpoint=True)
        numbers = {"grid": random.choice(stratum), "steps": steps, "key": random.integers(2**31)}
        return {"fate": fate, **{name: np.array(number, np.int32) for name, number in numbers.items()}}

    def loss(weights: Weights, batch: Mapping[str, mx.array]) -> tuple[mx.array, dict[str, mx.array]]:
        key = mx.random.key(int(np.array(batch["key"])[0]))
        run, slices = mx.random.split(key)
        cells = Automaton(weights).run(pool[batch["grid"]] * batch["fate"], run, int(np.array(batch["steps"])[0]))
        style = aim.distance(picture(cells), slices)
        beyond = mx.abs(cells - mx.clip(cells, -RANGE, RANGE)).mean()
        return style + OVERFLOW * beyond, {"style": style, "beyond": beyond, "grid": batch["grid"], "cells": cells}

    subject = hashlib.sha256(texture.pixels.tobytes()).hexdigest()
    start = fresh(mx.random.key(options.seed)) if weights is None else weights
    for progress in train_steps(start, loss, item, options, subject=subject, resume=resume, even=True):
        figures = dict(progress.figures)
        grids, cells = figures.pop("grid"), figures.pop("cells")
        wild = ~(mx.abs(cells).max(axis=(1, 2, 3), keepdims=True) < WILD)  # or not a number
        pool[grids] = mx.where(wild, 0, cells)
        mx.eval(pool)
        yield replace(progress, figures=figures)


def preview(weights: Weights, options: GrowOptions) -> np.ndarray:
    """What an automaton grows from nothing, (H, 4·H, 3): after the updates of one training step, 2, 4 and 8 times."""
    automaton, cells = Automaton(weights), seed(1, options.crop, options.crop)
    pictures = []
    for moment in range(4):
        for update in range(options.longest * 2**moment // (2 if moment else 1)):
            cells = automaton.step(cells, mx.random.key(1000 * moment + update))
            mx.eval(cells)
        pictures.append(np.clip(np.array(picture(cells)[0]), 0, 1))
    return np.concatenate(pictures, axis=1)


def hole(random: np.random.Generator, edge: int) -> np.ndarray:
    """(edge, edge, 1): 0 in a disk somewhere on the torus, 1 elsewhere."""
    row, column = (np.abs(np.arange(edge) - random.integers(edge)) for _ in range(2))
    row, column = np.minimum(row, edge - row), np.minimum(column, edge - column)
    radius = random.uniform(edge / 8, edge / 4)
    return (np.hypot(row[:, None], column[None]) > radius).astype(np.float32)[..., None]


@dataclass(frozen=True)
class Aim:
    """A texture, as its features tell of it.

    rows: by tap, and the colors themselves, the features of up to `ROWS` places, (N, C). grams: by tap, (1, C, C).
    """

    features: FeatureFunction
    kind: Literal["sliced", "gram", "wasserstein"]
    rows: Mapping[str, mx.array]
    grams: Mapping[str, mx.array]

    @classmethod
    def of(cls, texture: Picture, features: FeatureFunction, options: GrowOptions) -> Aim:
        longest = round(options.pattern * max(texture.size) / min(texture.size))
        x = mx.clip(texture.resized(longest).array(), 0, 1)
        found = {"pixels": x, **features(x, STYLE_TAPS)}
        random = np.random.default_rng(options.seed)
        rows = {name: cls._rows(f[0], random) for name, f in found.items()}
        grams = {tap: gram(found[tap]) for tap in STYLE_TAPS}
        mx.eval(rows, grams)
        return cls(features, options.loss, rows, grams)

    @staticmethod
    def _rows(features: mx.array, random: np.random.Generator) -> mx.array:
        rows = features.reshape(-1, features.shape[-1])
        chosen = random.permutation(len(rows))[:ROWS]
        return rows[mx.array(chosen)]

    def distance(self, x: mx.array, key: mx.array) -> mx.array:
        """Pictures (B, H, W, 3) -> how far they are from the texture, a scalar; 0 is alike, about 1 unrelated."""
        found = self.features(x, STYLE_TAPS)
        if self.kind != "sliced":
            grams = {tap: mx.repeat(g, len(x), axis=0) for tap, g in self.grams.items()}
            return style_error(found, grams, dict.fromkeys(STYLE_TAPS, 1.0), self.kind).mean()
        found = {"pixels": x, **found}
        parts = [sliced(f, self.rows[name], key) for name, f in found.items()]
        return sum(parts[1:], parts[0]) / len(parts)


def sliced(features: mx.array, wanted: mx.array, key: mx.array) -> mx.array:
    """Sliced Wasserstein-2 (Heitz et al. 2021) of (B, H, W, C) and rows (N, C), squared, over their spread."""
    B, H, W, C = features.shape
    slices = directions(SLICES, C, key)
    target = wanted @ slices
    target = mx.sort(target, axis=0)
    ordered = mx.sort(features.reshape(B, H * W, C) @ slices, axis=1)
    place = mx.clip((mx.arange(H * W) + 0.5) / (H * W) * len(target) - 0.5, 0, len(target) - 1)
    low = mx.floor(place).astype(mx.int32)
    part = (place - low)[:, None]
    between = target[low] * (1 - part) + target[mx.minimum(low + 1, len(target) - 1)] * part
    spread = mx.square(target - target.mean(axis=0)).mean() + FLAT * mx.square(target).mean()
    return mx.square(ordered - between).mean() / (spread + 1e-8)
