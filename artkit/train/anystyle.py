"""Any style in one pass: codes predicted from a picture (Ghiasi et al. 2017), trained on many paintings.

The prediction reads the means and deviations of the compact network's features, so that it is what the picture is made
of that counts, and not where things are. The network it sets is the one of manystyle.py.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx

from artkit.nets.features import FeatureNetwork
from artkit.nets.statistics import gram
from artkit.nets.stylenets import PLANS, Predictor, StyleNetwork
from artkit.train.criterion import STYLE_TAPS, Criterion, FeatureFunction
from artkit.train.data import Crops, DeadLeaves, lit
from artkit.train.loop import Item, Progress, Weights, generator, train_steps
from artkit.train.manystyle import Frames, initial_weights, mixed
from artkit.train.options import ManyOptions


def anystyle_steps(
    photos: Crops | DeadLeaves,
    paintings: Crops,
    features: FeatureFunction,
    reader: FeatureNetwork,
    options: ManyOptions,
    *,
    weights: Weights | None = None,
    resume: Path | None = None,
) -> Generator[Progress]:
    """Train a network and the prediction of its codes on crops of photos and paintings; yields after every step.

    features: what pictures are compared in. reader: what the prediction reads a painting with. weights: where to begin
    instead of afresh; those of a many-style network will do. The rest as in `manystyle_steps`.
    """
    plan, frames = PLANS[options.plan], Frames(photos, options)
    criterion = Criterion(features, options, dict.fromkeys(STYLE_TAPS, 1.0))
    predictor = Predictor.inputs(reader)

    def item(step: int, number: int) -> Item:
        rng = generator(options.seed, step, number)
        painting, seen_in = paintings.crop(rng, options.crop)
        return {**frames.item(rng, number), "painting": painting, "seen_in": seen_in}

    def loss(weights: Weights, batch: Mapping[str, mx.array]) -> tuple[mx.array, dict[str, mx.array]]:
        painting = lit(batch["painting"], batch["seen_in"])
        codes = Predictor(weights)(Predictor.read(reader, painting))
        codes = mixed(codes, batch["strength"], weights["identity"])
        grams = {tap: gram(f) for tap, f in features(painting, STYLE_TAPS).items()}
        return criterion(StyleNetwork(plan, weights), codes, grams, frames.pictures(batch))

    key = mx.random.key(options.seed)
    fresh = initial_weights(plan, 0, key)
    identity = fresh.pop("codes")[0]
    fresh.pop("strokes")
    fresh |= {"identity": identity} | Predictor.initial_weights(predictor, plan, key)
    given = weights or {}
    start = {name: given.get(name, tensor) for name, tensor in fresh.items()}
    if "codes" in given:
        start["identity"], start["predict.base"] = given["codes"][0], given["codes"][1:].mean(axis=0)
    yield from train_steps(start, loss, item, options, resume=resume)
