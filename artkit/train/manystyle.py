"""Many styles in one network: conditional instance norm (Dumoulin, Shlens and Kudlur 2017), trained on all at once.

Beside the style, what the network can do at run time is trained for: strengths between the photo (the identity, row 0
of the codes) and the style, and stroke sizes from half to twice, on which codes depend linearly in the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.contract import PictureError, WrongCall
from artkit.image import Picture, find_pictures, load
from artkit.nets.statistics import gram
from artkit.nets.stylenets import PLANS, Plan, StyleNetwork
from artkit.stylize.predicting import at_stroke
from artkit.train.criterion import SHIFT, STYLE_TAPS, Criterion, FeatureFunction
from artkit.train.data import Crops, DeadLeaves, lit
from artkit.train.loop import Item, Progress, Weights, generator, train_steps
from artkit.train.options import FrameOptions, ManyOptions

STROKES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # log2 of the stroke sizes that styles are learned at


@dataclass(frozen=True)
class Styles:
    """The pictures to learn: their names, and their Gram matrices by tap, (styles · stroke sizes, C, C).

    files, broken: those of the folder that were read, in the order of the names, and those that cannot be.
    """

    names: tuple[str, ...]
    grams: Mapping[str, mx.array]
    files: tuple[Path, ...] = ()
    broken: tuple[Path, ...] = ()

    @classmethod
    def of(cls, folder: Path, features: FeatureFunction, size: int) -> Styles:
        """Every picture in a folder, each at every stroke size; PictureError when none of them can be read."""
        files: list[Path] = []
        broken: list[Path] = []

        def readable() -> Iterator[Picture]:
            for file in find_pictures([str(folder)]):
                try:
                    picture = load(file)
                except PictureError:
                    broken.append(file)
                    continue
                files.append(file)
                yield picture
            if not files:
                raise PictureError(f"none of the pictures in {folder} can be read; give a folder of JPEG or PNG files")

        learned = cls.of_pictures((), readable(), features, size)
        return cls(tuple(file.stem for file in files), learned.grams, tuple(files), tuple(broken))

    @classmethod
    def of_pictures(
        cls, names: Sequence[str], pictures: Iterable[Picture], features: FeatureFunction, size: int
    ) -> Styles:
        """size: of their longest edge at stroke size 1, pixels."""
        grams: dict[str, list[mx.array]] = {tap: [] for tap in STYLE_TAPS}
        for picture in pictures:
            for stroke in STROKES:
                found = features(at_stroke(picture, size, stroke).array(), STYLE_TAPS)
                for tap in STYLE_TAPS:
                    grams[tap].append(gram(found[tap])[0])
                mx.eval(grams)
        return cls(tuple(names), {tap: mx.stack(each) for tap, each in grams.items()})


def initial_weights(plan: Plan, styles: int, key: mx.array) -> Weights:
    """Fresh weights (He et al. 2015), codes of scale 1 and shift 0 near each other, stroke sizes without effect."""
    weights = {}
    for name, shape in plan.shapes().items():
        key, draw = mx.random.split(key)
        gain = 0.02 if name == "out.weight" else 2.0  # a gray picture at first, in which all features can grow
        weights[name] = mx.random.normal(shape, key=draw) * math.sqrt(gain / math.prod(shape[1:]))
    weights["codes"] = plan.plain_code() + 0.05 * mx.random.normal((styles + 1, plan.code_size), key=key)
    weights["strokes"] = mx.zeros((styles + 1, plan.code_size))
    return weights


def mixed(codes: mx.array, strength: mx.array, identity: mx.array) -> mx.array:
    """Codes (B, P) brought toward the identity (P,), of which the photo's share is 1 whatever was learned."""
    identity = mx.concatenate([identity[:-1], mx.ones(1)])
    return strength[:, None] * codes + (1 - strength[:, None]) * identity


class Frames:
    """The content side of a batch, item by item: photos, strengths, shifted and noisy twins."""

    def __init__(self, photos: Crops | DeadLeaves, options: FrameOptions) -> None:
        """WrongCall for a batch that is not a multiple of four on every rank."""
        if options.batch % (4 * mx.distributed.init().size()):
            raise WrongCall(f"batch {options.batch}: should be a multiple of 4, on every rank of several")
        self.photos, self.options = photos, options

    @staticmethod
    def stroke(rng: np.random.Generator) -> int:
        """An index into STROKES: the plain one oftener than the others."""
        return int(rng.integers(len(STROKES))) if rng.random() < 0.6 else STROKES.index(0)

    def item(self, rng: np.random.Generator, number: int) -> Item:
        """The content side of one item; of a batch of them, `pictures` makes what `Criterion` reads."""
        size = self.options.crop
        whole, light = self.photos.crop(rng, size + 2 * SHIFT)
        inside = slice(SHIFT, SHIFT + size)
        shift = rng.integers(-SHIFT, SHIFT + 1, 2)
        strength = rng.random() if number % 4 == 0 and rng.random() < 0.8 else 1.0
        found = {"photo": whole[inside, inside], "light": light, "strength": np.array(strength, np.float32)}
        if number % 4 == 1:
            top, left = SHIFT + shift
            found["other"] = whole[top : top + size, left : left + size]
            found["shift"] = shift.astype(np.int32)
            found["noise"] = np.array(self.options.noise * rng.random(), np.float32)
            found["key"] = rng.integers(1 << 32, size=2, dtype=np.uint32)
        return found

    @staticmethod
    def pictures(batch: Mapping[str, mx.array]) -> dict[str, mx.array]:
        """A batch of items, stacked, with crops as pictures and noise upon the shifted ones."""
        other = lit(batch["other"], batch["light"][1::4])
        noise = mx.stack([mx.random.normal(other.shape[1:], key=key) for key in batch["key"]])
        other = mx.clip(other + batch["noise"][:, None, None, None] * noise, 0, 1)
        return {**batch, "photo": lit(batch["photo"], batch["light"]), "other": other}


def manystyle_steps(
    photos: Crops | DeadLeaves,
    styles: Styles,
    features: FeatureFunction,
    options: ManyOptions,
    *,
    weights: Weights | None = None,
    resume: Path | None = None,
) -> Generator[Progress]:
    """Train a network for `styles` on `photos`; yields after every step.

    features: what photos and styles are compared in. weights: where to begin, instead of afresh.
    """
    plan, frames = PLANS[options.plan], Frames(photos, options)
    criterion = Criterion(features, options, dict.fromkeys(STYLE_TAPS, 1.0))

    def item(step: int, number: int) -> Item:
        rng = generator(options.seed, step, number)
        style = rng.integers(len(styles.names))
        return {
            **frames.item(rng, number),
            "style": np.array(style, np.int32),
            "stroke": np.array(frames.stroke(rng), np.int32),
        }

    def loss(weights: Weights, batch: Mapping[str, mx.array]) -> tuple[mx.array, dict[str, mx.array]]:
        row, stroke = batch["style"] + 1, batch["stroke"]
        codes = weights["codes"][row] + mx.array(STROKES)[stroke][:, None] * weights["strokes"][row]
        grams = {tap: each[batch["style"] * len(STROKES) + stroke] for tap, each in styles.grams.items()}
        codes = mixed(codes, batch["strength"], weights["codes"][0])
        return criterion(StyleNetwork(plan, weights), codes, grams, frames.pictures(batch))

    if weights is None:
        weights = initial_weights(plan, len(styles.names), mx.random.key(options.seed))
    yield from train_steps(weights, loss, item, options, subject=" ".join(styles.names), resume=resume)
