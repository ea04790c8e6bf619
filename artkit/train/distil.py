"""Distillation of the compact feature network from a VGG-19 teacher.

The student learns the teacher's features at each tap, in coordinates along the principal axes of those features,
and it learns to be optimized through: a third of every batch are pictures that the student's own gradients are
painting just then. Without them an optimizer finds pictures that please the student and not the teacher. Every layer
in between has a hint: something of what the teacher computes there should be a linear map away (Romero et al. 2015,
"FitNets"). The maps are left behind, and hints fade as the steps get smaller.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import mlx.optimizers
import numpy as np
from mlx.utils import tree_map
from pydantic import Field, ValidationInfo, field_validator

from artkit.contract import Options, WrongCall
from artkit.nets.architectures import COMPACT, Architecture, Conv, Readout, compact
from artkit.nets.features import FeatureNetwork
from artkit.nets.statistics import gram
from artkit.train.axes import Axes, Features, Weights, load_axes, load_compact, principal_axes
from artkit.train.criterion import relative_error
from artkit.train.data import Crops
from artkit.train.painting import Pool
from artkit.train.teacher import HINTS, TAPS, Teacher


class DistilOptions(Options):
    """How long and on what to distil."""

    steps: int = Field(default=16000, ge=1, description="Training steps")
    minutes: float = Field(default=0, ge=0, description="Stop the schedule after so many minutes instead (0: by steps)")
    batch: int = Field(default=16, ge=2, description="Fresh crops a step, of photos and of paintings")
    pool: int = Field(default=8, ge=1, description="Pictures being painted, trained on beside the fresh crops")
    crop: int = Field(default=256, ge=32, multiple_of=16, description="Edge of a crop, pixels")
    learning_rate: float = Field(default=4e-3, gt=0, description="Adam's step at its highest")
    kernel_rate: float = Field(
        default=0.02, ge=0, description="Muon's step for kernels at its highest (0: Adam for all)"
    )
    fine: str = Field(default="32,64/112,112/256", description="Channels of the fine chain, block by block")
    deep: str = Field(
        default="24/48,48/96,96,96,96/160,160,160,160/160",
        description="Channels of the deep chain, block by block; the first is that of its second convolution",
    )
    readouts: str = Field(
        default="32/96/256/256+160/256+160",
        description="Channels behind each tap; 256+128 has 256 hidden ones before them",
    )
    gram_weight: float = Field(default=1.0, ge=0, description="Weight of the Gram error beside the feature error")
    hint_weight: float = Field(default=1.0, ge=0, description="Weight of the hints' error beside the feature error")
    content_weight: float = Field(default=0.15, ge=0, description="Content weight of the pictures being painted")
    averaging: float = Field(default=0.999, ge=0, lt=1, description="Decay of the average over the weights")
    seed: int = Field(default=0, ge=0, description="Seed of weights, crops and paintings")

    @field_validator("fine", "deep")
    @classmethod
    def _blocks(cls, text: str, about: ValidationInfo) -> str:
        block = r"\d+(,\d+){0,7}"
        blocks, example = (3, "32,64/112,112/256") if about.field_name == "fine" else (5, "24/48,48/96,96/160,160/160")
        last = r"\d+" if blocks == 3 else block  # the fine chain ends with one convolution
        if not re.fullmatch(rf"({block}/){{{blocks - 1}}}{last}", text):
            raise ValueError(f"should be {blocks} blocks of numbers such as {example}")
        return text

    @field_validator("readouts")
    @classmethod
    def _five_readouts(cls, text: str) -> str:
        if not re.fullmatch(r"(\d+\+)?\d+(/(\d+\+)?\d+){4}", text):
            raise ValueError("should be five numbers such as 32/64/96/256+128/256+128")
        return text

    @property
    def architecture(self) -> Architecture:
        """The network to train, without hints."""
        readouts = []
        for text in self.readouts.split("/"):
            hidden, _, channels = text.rpartition("+")
            readouts.append(Readout(int(channels), int(hidden or 0)))
        fine, deep = (
            [[int(n) for n in block.split(",")] for block in chain.split("/")] for chain in (self.fine, self.deep)
        )
        return compact(fine, deep, readouts)


DEFAULTS = DistilOptions()


def hinted(architecture: Architecture, weight: float) -> Architecture:
    """With a readout for every hint that it has a layer for, of as many channels as the teacher has there at most."""
    if not weight:
        return architecture
    widths = {layer.tap: layer.channels for layer in architecture.layers if isinstance(layer, Conv)}
    hints = {tap: Readout(min(widths[tap], channels)) for tap, channels in HINTS.items() if tap in widths}
    return replace(architecture, readouts={**architecture.readouts, **hints})


def initial_weights(key: mx.array, architecture: Architecture = COMPACT) -> Weights:
    """Fresh weights (He et al. 2015), every tensor of the architecture, float32."""
    weights = {}
    for name, shape in architecture.shapes().items():
        key, draw = mx.random.split(key)
        gain = 0.01 if "readout" in name else 2.0  # so that the first steps need not shrink what nobody asked for
        fan_in = math.prod(shape[1:])
        weights[name] = (
            mx.random.normal(shape, key=draw) * math.sqrt(gain / fan_in) if len(shape) > 1 else mx.zeros(shape)
        )
    return weights


class Steps:
    """Muon (Jordan et al. 2024) for kernels, whose directions all get steps of one size; Adam for all other weights.

    Kernels are those with more than one pixel.
    """

    def __init__(self, weights: Weights, options: DistilOptions) -> None:
        self.options = options
        self.kernels = {name for name, t in weights.items() if t.ndim == 4 and t.shape[1] > 1 and options.kernel_rate}
        self.muon = mlx.optimizers.Muon(options.kernel_rate, weight_decay=0)
        self.adam = mlx.optimizers.Adam(options.learning_rate, betas=[0.9, 0.99])
        for optimizer, part in zip((self.muon, self.adam), self._split(weights), strict=True):
            optimizer.init(part)

    def _split(self, tensors: Weights) -> tuple[Weights, Weights]:
        mine = {name: t for name, t in tensors.items() if name in self.kernels}
        return mine, {name: t for name, t in tensors.items() if name not in self.kernels}

    def __call__(self, weights: Weights, slope: Weights, pace: float) -> Weights:
        """The weights after a step of `pace` (0..1) times the highest size."""
        self.muon.learning_rate = mx.array(self.options.kernel_rate * pace)
        self.adam.learning_rate = mx.array(self.options.learning_rate * pace)
        (kernels, others), (along, down) = self._split(weights), self._split(slope)
        return {**self.muon.apply_gradients(along, kernels), **self.adam.apply_gradients(down, others)}

    @property
    def state(self) -> list[Any]:
        return [self.muon.state, self.adam.state]


def student_loss(
    weights: Weights, x: mx.array, targets: Features, architecture: Architecture, gram_weight: float, fading: mx.array
) -> tuple[mx.array, mx.array]:
    """(loss, errors), means over pictures: of the features at each of TAPS, of their Gram matrices, of the hints.

    targets: at the taps and hints of the architecture. fading: the weight of the hints' error.
    """
    found = FeatureNetwork(architecture, weights, preprocessing="centered")(x, targets)
    off = {tap: relative_error(found[tap], wanted).mean() for tap, wanted in targets.items()}
    features = mx.stack([off[tap] for tap in TAPS])
    grams = mx.stack([relative_error(gram(found[tap]), gram(targets[tap])).mean() for tap in TAPS]).mean()
    hints = mx.stack([error for tap, error in off.items() if tap not in TAPS] or [mx.array(0.0)]).mean()
    loss = features.mean() + gram_weight * grams + fading * hints
    return loss, mx.concatenate([features, mx.stack([grams, hints])])


def noisy(crops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A third of the crops with noise of up to a fifth of the range: optimizers start and wander there."""
    for crop in crops:
        if rng.random() < 1 / 3:
            crop += rng.normal(0, 1, crop.shape).astype(np.float32) * rng.uniform(0, 0.2)
    return crops


@dataclass(frozen=True)
class Progress:
    """A step of the training: its number, how much of the schedule is done (0..1), figures, averaged weights."""

    step: int
    done: float
    figures: Mapping[str, float]
    weights: Weights


def distil_steps(
    photos: Path,
    paintings: list[Path],
    teacher_weights: Path,
    options: DistilOptions = DEFAULTS,
    *,
    start: Path | None = None,
    like: Path | None = None,
) -> Iterator[tuple[Progress, Axes]]:
    """Train a compact network; yields after every step, figures filled in every 20th.

    photos, paintings: folders of pictures. teacher_weights: the folder of the teacher's two files.
    start: a file that `save_compact` wrote, to go on from without hints; its channels are those of the options.
    like: such a file whose coordinates the new network is taught in, so that it can take its place.
    WrongCall: they do not fit the options.
    """
    rng = np.random.default_rng(options.seed)
    teacher = Teacher(teacher_weights)
    photo_crops, painting_crops = Crops(photos), Crops(*paintings)

    def fresh_crops() -> np.ndarray:
        some = max(1, options.batch * 3 // 8)
        drawn = [
            photo_crops.draw(rng, options.batch - some, options.crop),
            painting_crops.draw(rng, some, options.crop),
        ]
        return noisy(np.concatenate(drawn), rng)

    if start and like:
        raise WrongCall("a network to go on from keeps its own coordinates; leave --like out")
    if start:
        architecture = options.architecture
        weights, axes = load_compact(start, architecture)
    else:
        architecture = hinted(options.architecture, options.hint_weight)
        sample = np.concatenate([fresh_crops() for _ in range(48)])
        weights = initial_weights(mx.random.key(options.seed), architecture)
        axes = principal_axes(teacher, sample, architecture.readouts)
        axes = axes.replaced(load_axes(like, options.architecture)) if like else axes
    mx.eval(weights, axes.directions)
    pool = Pool(options, teacher, axes, photo_crops, painting_crops)
    average = dict(weights)
    step_of = Steps(weights, options)
    loss_and_gradient = mx.value_and_grad(student_loss)
    begin, step = time.monotonic(), 0
    reader = ThreadPoolExecutor(1)  # crops for the next step are cut while the GPU works on this one
    upcoming = reader.submit(fresh_crops)
    while True:
        done = (time.monotonic() - begin) / (60 * options.minutes) if options.minutes else step / options.steps
        if done >= 1:
            reader.shutdown()
            return
        pace = min(1.0, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * done))
        x = mx.concatenate([mx.array(upcoming.result()), pool.image])
        upcoming = reader.submit(fresh_crops)
        targets = axes.project(teacher(x, architecture.readouts))
        fading = mx.array(options.hint_weight * pace)
        (_, errors), slope = loss_and_gradient(weights, x, targets, architecture, options.gram_weight, fading)
        slope, _ = mlx.optimizers.clip_grad_norm(slope, 1.0)
        before = weights
        weights = step_of(weights, slope, pace)
        decay = min(options.averaging, (step + 1) / (step + 10))
        average = tree_map(lambda a, w, d=decay: d * a + (1 - d) * w, average, weights)
        mx.async_eval(weights, average, step_of.state, errors)
        pool.move(weights)
        mx.eval(before)  # one step at most is under way while the next is prepared
        step += 1
        figures: dict[str, float] = {}
        if step % 20 == 0:
            figures |= zip((*TAPS, "gram", "hints"), np.array(errors).tolist(), strict=True)
            figures["feature"] = sum(figures[tap] for tap in TAPS) / len(TAPS)
            figures["rate"] = step / (time.monotonic() - begin)
        yield Progress(step, done, figures, average), axes
