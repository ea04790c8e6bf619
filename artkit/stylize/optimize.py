"""Neural style by optimization, coarse to fine: the picture itself is what is learned.

Gatys, Ecker and Bethge 2016, at a ladder of sizes up to 2 apart (Gatys et al. 2017 go from coarse to fine to carry
strokes up to large pictures): each scale starts from the one before, with the optimizer's state carried up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.color import Colors, keep_luma, match_color, match_luma, recolored
from artkit.contract import Step, WrongCall
from artkit.image import Picture, fit, resize
from artkit.nets.features import load_features
from artkit.nets.optimizers import Optimizer
from artkit.stylize.aims import check_known, least_size, make_aim
from artkit.stylize.checkpoint import Checkpoint
from artkit.stylize.memory import make_optimizer, plan_memory
from artkit.stylize.moments import Moments
from artkit.stylize.noise import soft_noise
from artkit.stylize.objective import Objective
from artkit.stylize.options import NEARLY, OptimizeOptions, style_weights
from artkit.stylize.regions import fit_mask, inside

DEFAULTS = OptimizeOptions()
PATIENCE = 8  # iterations over which a scale's progress is judged
COARSEST = 256  # about the longest edge to begin at, pixels
NOISE = 64  # from noise, which has no shapes yet
SPREAD = 0.29  # deviation of the noise, of the range 0..1: as if all its values were equally likely
NEARLY_GRAY = 8 / 255  # deviation of a photo's colors that is not to become that of a painting: blocks of a JPEG file


def ladder(size: int, smallest: int, apart: float = 2) -> list[int]:
    """Longest edges from `smallest` up to `size`, `apart` from each other at most: 500, 128 -> [128, 250, 500]."""
    if size <= smallest:
        return [size]
    rungs = math.ceil(math.log(size / smallest, apart) - 1e-9)
    return [round(size * (smallest / size) ** (1 - rung / rungs)) for rung in range(rungs + 1)]


def halved(size: int, near: int) -> int:
    """`size` halved as often as brings it nearest to `near`: 700, 256 -> 350."""
    return round(size / 2 ** max(0, round(math.log2(size / near))))


def resized(x: mx.array, height: int, width: int) -> mx.array:
    """(1, H, W, 3) -> (1, height, width, 3)."""
    return mx.array(resize(np.array(x), height, width))


def optimize_steps(
    photo: Picture,
    styles: Sequence[Picture | Moments],
    options: OptimizeOptions = DEFAULTS,
    *,
    masks: Sequence[np.ndarray] | None = None,
    init: Picture | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> Iterator[Step]:
    """Paint `photo` in the style of `styles`; a Step after every iteration, the last one with the finished picture.

    styles: pictures, or what a style of the gallery knows of its painting.
    masks: (H, W), 0..1, one a style, where in the photo it goes; where none does, the photo stays.
    init: the picture to start from, when options.init names a file.
    checkpoint: a file that the run is saved to as it goes, and that `resume` goes on from; the result is the same as
    that of a run that was never interrupted. It is removed when the picture is finished.
    Step.figures: size (of the scale), iteration (at this scale), iterations (so far), loss, style, content, tv.

    WrongCall for options that do not fit together, WeightsError for a missing network, DeviceError when the picture
    does not fit into the memory.
    """
    if not styles:
        raise WrongCall("no style given; add --style with a picture file")
    run = _Run(photo, list(styles), options, list(masks or ()), init)
    if options.strength == 0:
        yield Step(
            run.photo_at(options.size), 1, 1, {"size": options.size, "iteration": 0, "iterations": 0, "loss": 0.0}
        )
        return
    yield from run.steps(Checkpoint(checkpoint, resume, run.fingerprint()))


class _Run:
    """One picture being made."""

    def __init__(
        self,
        photo: Picture,
        styles: list[Picture | Moments],
        options: OptimizeOptions,
        masks: list[np.ndarray],
        init: Picture | None,
    ) -> None:
        if masks and len(masks) != len(styles):
            raise WrongCall(f"{len(masks)} masks for {len(styles)} styles; give one for each")
        self.photo, self.options, self.masks, self.init = photo, options, masks, init
        self.weights = style_weights(options.style_weight, len(styles))
        recolor = {"match": match_color, "luma": match_luma}.get(options.keep_color)
        self.styles = [
            Picture.of(recolor(s.pixels, photo.pixels), like=s) if recolor and isinstance(s, Picture) else s
            for s in styles
        ]
        self.aim = make_aim(options, load_features(options.network, options.pooling, options.padding))
        for style in styles:
            if isinstance(style, Moments):
                check_known(style, self.aim, options)
        least = least_size(photo, self.aim)
        if options.size < least:
            raise WrongCall(
                f"the photo is too narrow, {photo.width}×{photo.height} pixels, for size {options.size}; "
                f"choose a size of {least} or more, or crop it"
            )
        coarsest = options.min_size or halved(options.size, NOISE if options.init == "noise" else COARSEST)
        if options.size < NEARLY * coarsest:
            coarsest = options.size
        self.sizes = ladder(options.size, min(max(coarsest, least), options.size))
        self.work = [max(1, math.prod(self.shape(size)) // 1000) for size in self.sizes]  # of one iteration

    def fingerprint(self) -> str:
        """What a checkpoint must come from to be gone on with: the same pictures, the same options."""
        import hashlib

        digest = hashlib.sha256(self.options.model_dump_json(exclude={"max_memory"}).encode())
        digest.update(f"{self.options.recipe_method} {self.sizes}".encode())
        pictures = [style for style in self.styles if isinstance(style, Picture)]
        digest.update("".join(style.sha256 for style in self.styles if isinstance(style, Moments)).encode())
        arrays = [self.photo.pixels, *(style.pixels for style in pictures), *self.masks]
        for array in arrays + ([self.init.pixels] if self.init else []):
            digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def shape(self, size: int) -> tuple[int, int]:
        return fit(self.photo.height, self.photo.width, size)

    def photo_at(self, size: int) -> mx.array:
        return mx.array(np.clip(resize(self.photo.pixels, *self.shape(size)), 0, 1)[None])

    def start(self) -> mx.array:
        """The picture to begin with, at the smallest size."""
        height, width = self.shape(self.sizes[0])
        if self.options.init == "noise":
            noise = 0.5 + SPREAD * soft_noise(height, width, self.options.seed)
            return mx.array(np.clip(noise, 0, 1)[None])
        if self.options.init == "style":
            if isinstance(self.styles[0], Moments):
                raise WrongCall(f'"{self.styles[0].name}" has no picture to start from; start from content or noise')
            return mx.array(resize(self.styles[0].pixels, height, width)[None])
        if self.init is not None:
            return mx.array(resize(self.init.pixels, height, width)[None])
        if self.options.init != "content":
            raise WrongCall(f'cannot start from "{self.options.init}"; it is content, noise, style or a picture file')
        return self._recolored(self.photo_at(self.sizes[0]))

    def _recolored(self, photo: mx.array) -> mx.array:
        """The photo in its paintings' colors, each in its place, as strongly as is wanted: an optimizer is long in
        turning a bright sky dark.
        """
        if self.options.keep_color == "match":
            return photo
        pixels = np.array(photo[0])
        masks = self._masks(*pixels.shape[:2])
        each = [
            np.clip(recolored(pixels, self._colors(style), NEARLY_GRAY, mask), 0, 1)
            for style, mask in zip(self.styles, masks or [None] * len(self.styles), strict=True)
        ]
        shares = np.stack([mask[..., None] for mask in masks]) if masks else np.reshape(self.weights, (-1, 1, 1, 1))
        mixed = (shares * each).sum(axis=0) / (shares.sum(axis=0) + 1e-30)
        mixed = inside(mixed, pixels, masks) if masks else mixed
        return mx.array(np.clip(pixels + self.options.strength * (mixed - pixels), 0, 1).astype(np.float32)[None])

    def _colors(self, style: Picture | Moments) -> Colors:
        return style.colors if isinstance(style, Moments) else Colors.of(np.array(self._sized(style, self.sizes[0])[0]))

    def _masks(self, height: int, width: int) -> list[np.ndarray]:
        """Where each style goes, (H, W), 0..1; none where they go everywhere."""
        return [fit_mask(mask, height, width) for mask in self.masks]

    def objective(self, size: int, memory: float) -> Objective:
        height, width = self.shape(size)
        edge = round(size * self.options.style_scale)
        styles = [style.at(edge) if isinstance(style, Moments) else self._sized(style, edge) for style in self.styles]
        return Objective(
            self.aim,
            self.photo_at(size),
            styles,
            self.weights,
            strength=self.options.strength,
            masks=self._masks(height, width),
            memory=memory,
        )

    def _sized(self, style: Picture, edge: int) -> mx.array:
        shape = fit(style.height, style.width, max(edge, least_size(style, self.aim)))
        return mx.array(resize(style.pixels, *shape)[None])

    def steps(self, checkpoint: Checkpoint) -> Iterator[Step]:
        plans = [plan_memory(self.options, *self.shape(size), self.aim) for size in self.sizes]
        optimizer = make_optimizer(self.options, plans[0][0])
        x, first, before, losses, figures = self.start(), 0, 0, [], {}
        if saved := checkpoint.load():
            x, first, before, losses, figures = saved.x, saved.scale, saved.before, saved.losses, saved.figures
            optimizer = make_optimizer(self.options, plans[first][0])
            optimizer.load_state(saved.optimizer)
        planned = [self.options.iterations] * len(self.sizes)
        done = sum(n * w for n, w in zip(planned[:first], self.work, strict=False))
        with checkpoint:
            for scale in range(first, len(self.sizes)):
                size = self.sizes[scale]
                history, memory = plans[scale]
                if scale > first or not saved:
                    x, optimizer = self._carry(x, optimizer, size, history)
                objective = self.objective(size, memory)
                while len(losses) < planned[scale] and not self._settled(losses) and not optimizer.stalled:
                    x, loss = optimizer.step(x, objective)
                    losses.append(loss)
                    ahead = sum(n * w for n, w in zip(planned[scale:], self.work[scale:], strict=True))
                    count = {"iteration": len(losses), "iterations": before + len(losses)}
                    figures = {"size": size, **count, "loss": loss, **objective.figures}
                    checkpoint.offer(x, optimizer, scale, before, losses, figures)
                    now = done + len(losses) * self.work[scale]
                    yield Step(optimizer.average(x), now, done + ahead + 1, figures)  # 1: to finish the picture
                done += len(losses) * self.work[scale]
                planned[scale], before = len(losses), before + len(losses)
                x, losses, optimizer.stalled = optimizer.average(x), [], False
            yield Step(self.finished(x), done + 1, done + 1, figures)
            checkpoint.finish()

    def _carry(self, x: mx.array, optimizer: Optimizer, size: int, history: int) -> tuple[mx.array, Optimizer]:
        """The picture and the optimizer's state at the next size."""
        height, width = self.shape(size)
        area = height * width / (x.shape[1] * x.shape[2])
        if area == 1:
            return x, optimizer
        carried = make_optimizer(self.options, history)
        carried.load_state(optimizer.resized(lambda a: resized(a, height, width), area).state())
        grown = resized(x, height, width)
        if self.options.init == "content":  # and the detail that the photo gains, or the new scale starts out blurred
            grown = grown + self.photo_at(size) - resized(self.photo_at(max(x.shape[1:3])), height, width)
        return grown, carried

    def _settled(self, losses: list[float]) -> bool:
        """Whether the last iterations gained less than the tolerance each."""
        if len(losses) <= PATIENCE or not self.options.tolerance:
            return False
        before, now = losses[-1 - PATIENCE], losses[-1]
        return before - now < self.options.tolerance * PATIENCE * abs(before)

    def finished(self, x: mx.array) -> mx.array:
        """The picture to hand out: colors in range, the photo's where they are kept, the photo outside of all masks."""
        pixels = np.clip(np.array(x[0]), 0, 1)
        if self.options.keep_color == "match" and any(isinstance(style, Moments) for style in self.styles):
            pixels = np.clip(match_color(pixels, self.photo.pixels), 0, 1)  # known styles cannot be recolored before
        if self.options.keep_color == "luma" or self.masks:
            photo = np.array(self.photo_at(self.options.size)[0])
            if self.options.keep_color == "luma":
                pixels = keep_luma(pixels, photo)
            if self.masks:
                pixels = inside(pixels, photo, self._masks(*pixels.shape[:2]))
        return mx.array(pixels[None])
