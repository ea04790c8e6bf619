"""A style of your own: one picture fitted to a network that knows other styles already.

The network stays as it is and only a code is learned, its scales and shifts and how they depend on the stroke size
(Dumoulin, Shlens and Kudlur 2017, section 3.3): a few thousand numbers. Deep, the whole network learns too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.image import Picture
from artkit.nets.stylenets import StyleNetwork
from artkit.stylize.stylefile import photo_code
from artkit.train.criterion import STYLE_TAPS, Criterion, FeatureFunction
from artkit.train.data import Crops, DeadLeaves
from artkit.train.loop import Item, Progress, Weights, generator, train_steps
from artkit.train.manystyle import STROKES, Frames, Styles, mixed
from artkit.train.options import MineOptions


def mine_steps(
    painting: Picture,
    network: StyleNetwork,
    codes: mx.array,
    strokes: mx.array,
    photos: Crops | DeadLeaves,
    features: FeatureFunction,
    options: MineOptions,
    *,
    resume: Path | None = None,
) -> Generator[Progress]:
    """Fit a code to `painting`; yields after every step. The weights learned are "code" and "stroke", (P,) each.

    network, codes, strokes: what it is fitted to; row 0 is the photo, and the mean of the other rows is the start.
    Deep, the weights learned are the network's too; every `plan.shapes()` name is among them then.
    """
    frames = Frames(photos, options)
    photo = photo_code(network.plan) if options.deep else codes[0]  # what strengths are mixed with in use
    criterion = Criterion(features, options, dict.fromkeys(STYLE_TAPS, 1.0))
    targets = Styles.of_pictures([painting.name], [painting], features, options.style_size).grams

    def item(step: int, number: int) -> Item:
        rng = generator(options.seed, step, number)
        return {**frames.item(rng, number), "stroke": np.array(frames.stroke(rng), np.int32)}

    def loss(weights: Weights, batch: Mapping[str, mx.array]) -> tuple[mx.array, dict[str, mx.array]]:
        stroke = batch["stroke"]
        drawn = mixed(
            weights["code"] + mx.array(STROKES)[stroke][:, None] * weights["stroke"], batch["strength"], photo
        )
        net = StyleNetwork(network.plan, weights) if options.deep else network
        return criterion(net, drawn, {tap: each[stroke] for tap, each in targets.items()}, frames.pictures(batch))

    known = len(codes) > 1
    start = {
        "code": codes[1:].mean(axis=0) if known else network.plan.plain_code(),
        "stroke": strokes[1:].mean(axis=0) if known else mx.zeros(network.plan.code_size),
    }
    if options.deep:
        start |= network.weights
    subject = hashlib.sha256(painting.pixels.tobytes()).hexdigest()
    yield from train_steps(start, loss, item, options, subject=subject, resume=resume)
