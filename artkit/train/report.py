"""What a training ends with: how good each style came out, on photos that were not trained on (report.md, report.png).

The judge is the feature network that was trained with, which flatters: another one would find less. Figures of two
trainings can be compared when they had the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artkit import checkpoint
from artkit._version import __version__
from artkit.contract import ArtkitError, Options
from artkit.image import Picture, load
from artkit.nets.features import FeatureNetwork
from artkit.nets.stylenets import Code, Plan, Predictor, StyleNetwork
from artkit.stylize.predicting import at_stroke
from artkit.train.criterion import FeatureFunction
from artkit.train.data import Crops, DeadLeaves
from artkit.train.loop import Weights
from artkit.train.scores import BORDER, MULTIPLE, Restyle, Scores, fitted, judging, measure
from artkit.train.shelve import network_of, style_names

TEXT, SHEET = "report.md", "report.png"
PHOTOS = 4  # that are judged on
SIZE = 512  # their longest edge at most, pixels
SHARE = 5  # one photo in so many is held out, at most
_DRAWN = 2**32 - 1  # seed of the pictures drawn for those without photos


@dataclass(frozen=True)
class HeldOut:
    """Photos (H, W, 3), 0..1, that are not trained on. drawn: they are artkit's own pictures, for lack of photos."""

    photos: tuple[np.ndarray, ...]
    drawn: bool


@dataclass(frozen=True)
class Learned:
    """A style that was learned: its name, what opens its painting, and what draws in it."""

    name: str
    painting: Callable[[], Picture]
    restyle: Restyle


@dataclass(frozen=True)
class Verdict:
    """What became of a style. photo: the style loss of the photos themselves. row: the painting and the results."""

    name: str
    scores: Scores
    photo: float
    row: tuple[np.ndarray, ...]

    def line(self) -> str:
        """In plain words."""
        flicker = max(self.scores.shifted, self.scores.noisy)
        return (
            f"style {self.scores.style:.2f} (0: the painting; the photos have {self.photo:.2f}), "
            f"content {self.scores.content:.2f} (0: the photo), flicker {flicker:.1f} of 255 levels"
        )


def hold_out(photos: Crops | DeadLeaves, crop: int) -> HeldOut:
    """Take a few photos out of those that are trained on; without any, or with too few of them, draw pictures.

    crop: the edge of what is trained on, pixels; photos are judged at twice that size or SIZE.
    """
    size = min(SIZE, 2 * crop)
    taken = photos.hold_out(PHOTOS, SHARE) if isinstance(photos, Crops) else []
    if taken:
        pictures = [Picture(pixels.astype(np.float32) / 255).resized(size).pixels for _, pixels in taken]
        least = MULTIPLE + 2 * BORDER + 8  # of a very narrow one nothing would be left to look at
        pictures = [pixels for pixels in pictures if min(pixels.shape[:2]) >= least]
        if pictures:
            return HeldOut(tuple(map(fitted, pictures)), drawn=False)
    drawn = DeadLeaves()
    return HeldOut(tuple(drawn.one(np.random.default_rng([_DRAWN, n]), size) for n in range(PHOTOS)), drawn=True)


def learned_many(plan: Plan, weights: Weights, files: Sequence[Path]) -> list[Learned]:
    """What `manystyle_steps` learned from these pictures, in the order of its codes."""
    network = network_of(plan, weights)

    def one(name: str, file: Path, code: mx.array) -> Learned:
        return Learned(name, lambda: load(file), lambda x: network(x, Code.of(code)))

    names = style_names([file.stem for file in files])
    return [one(*each) for each in zip(names, files, weights["codes"][1:], strict=True)]


def learned_any(
    plan: Plan, weights: Weights, reader: FeatureNetwork, paintings: Sequence[tuple[str, np.ndarray]], size: int
) -> list[Learned]:
    """What `anystyle_steps` makes of paintings, (H, W, 3) 8-bit. size: of their longest edge, pixels."""
    network, predictor = network_of(plan, weights), Predictor(weights)

    def one(name: str, pixels: np.ndarray) -> Learned:
        painting = Picture(pixels.astype(np.float32) / 255, name=name)
        code = predictor(Predictor.read(reader, at_stroke(painting, size, 0).array()))[0]
        return Learned(name, lambda: painting, lambda x: network(x, Code.of(code)))

    names = style_names([name for name, _ in paintings])
    return [one(name, pixels) for name, (_, pixels) in zip(names, paintings, strict=True)]


def learned_mine(name: str, painting: Picture, network: StyleNetwork, weights: Weights) -> Learned:
    """What `mine_steps` learned; network: the one it was fitted to, or its own."""
    code = Code.of(weights["code"])
    return Learned(name, lambda: painting, lambda x: network(x, code))


def judge(styles: Iterable[Learned], held: HeldOut, features: FeatureFunction) -> Iterator[Verdict]:
    """One verdict after the other, as each style is done."""
    for style in styles:
        painting = style.painting()
        found = judging(features, painting)
        results = list(measure(style.restyle, held.photos, found))
        before = [found(photo, photo)[0] for photo in held.photos]
        row = (painting.resized(SIZE).pixels, *(drawn for _, drawn in results))
        yield Verdict(style.name, Scores.mean([scores for scores, _ in results]), float(np.mean(before)), row)


def write(
    folder: Path, verdicts: Sequence[Verdict], held: HeldOut, features: str, options: Options, technique: str
) -> Path:
    """report.md and report.png in `folder`; ArtkitError when they cannot be written. features: the judge's name."""
    try:
        with checkpoint.replacing(folder / SHEET) as file:
            sheet(verdicts, held).save(file, "PNG")
        with checkpoint.replacing(folder / TEXT) as file:
            file.write(text(verdicts, held, features, options, technique).encode())
    except OSError as error:
        raise ArtkitError(
            f"cannot write the report to {folder}: {error.strerror or error}; the rest is there"
        ) from None
    return folder / TEXT


def text(verdicts: Sequence[Verdict], held: HeldOut, features: str, options: Options, technique: str) -> str:
    """The report as Markdown."""
    size = max(max(photo.shape[:2]) for photo in held.photos)
    what = "pictures drawn by artkit (too few photos to hold any back)" if held.drawn else "photos not trained on"
    rows = [(v.name, v.photo, v.scores) for v in verdicts]
    if len(rows) > 1:
        photo = float(np.mean([v.photo for v in verdicts]))
        rows.append(("**mean**", photo, Scores.mean([v.scores for v in verdicts])))
    table = [
        f"| {name} | {s.style:.3f} | {photo:.3f} | {s.content:.3f} | {s.shifted:.2f} | {s.noisy:.2f} |"
        for name, photo, s in rows
    ]
    changed = ", ".join(f"{name} {value}" for name, value in options.model_dump(mode="json").items())
    return "\n".join(
        [
            f"# `artkit train {technique}`: what was learned",
            "",
            f"{len(held.photos)} {what}, {size} pixels along the longer edge, judged by the feature network "
            f"`{features}`, which the training saw with too: another one would find more to object to.",
            "",
            "| style | style loss | of the photos themselves | content loss | flicker, shifted | flicker, noisy |",
            "|---|--:|--:|--:|--:|--:|",
            *table,
            "",
            "Lower is better. Style loss: 0 is the painting itself. Content loss: 0 is the photo itself. Flicker: how "
            "much the result changes, besides moving along, when the photo is shifted by 3 and 5 pixels, or is noisy "
            "(deviation 4 levels), in 8-bit levels.",
            "",
            f"![Photos, and below them the painting and the results of each style]({SHEET})",
            "",
            f"artkit {__version__}; {changed}",
            "",
        ]
    )


def sheet(verdicts: Sequence[Verdict], held: HeldOut) -> Image.Image:
    """A row of the photos, and below it one for each style: its painting, and the photos in it."""
    edge = 320 if len(verdicts) <= 6 else 192
    blank = np.ones((edge, edge, 3), np.float32)
    rows = [("", (blank, *held.photos)), *((verdict.name, verdict.row) for verdict in verdicts)]
    caption, gap = max(12, edge // 16), 8
    down, across = edge + caption + 2 * gap, edge + gap
    image = Image.new("RGB", ((1 + len(held.photos)) * across + gap, len(rows) * down + gap), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(caption)
    for number, (name, pictures) in enumerate(rows):
        top = gap + number * down
        for column, pixels in enumerate(pictures):
            small = Picture(pixels).resized(edge).to_pil()
            left = gap + column * across + (edge - small.width) // 2
            above = (edge - small.height) // 2
            image.paste(small, (left, top + above))
            if not column:
                place = (left + small.width / 2, top + above + small.height + gap + caption / 2)
                draw.text(place, name[:40], "black", font, anchor="mm")
    return image
