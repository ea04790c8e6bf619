"""A style of one's own for the studio: learned step by step with pictures on the way, then put into the gallery."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.contract import Step
from artkit.image import Picture, load, save
from artkit.interfaces.train_styles_cli import base_of
from artkit.nets.features import load_features
from artkit.stylize import collection, gallery
from artkit.stylize.manifest import PREVIEW
from artkit.train.data import DeadLeaves
from artkit.train.options import MineOptions
from artkit.train.personal import mine_steps
from artkit.train.shelve import sheet, shelve_mine, title_of

SECONDS = 4.0  # between two pictures of what is learned so far
UNITS = 1000  # of progress
EDGE = 320  # of the preview in the gallery, pixels


def learn_steps(
    painting: Picture, name: str, options: MineOptions, photos: list[Path], enough: threading.Event
) -> Iterator[Step]:
    """Learn the style of `painting`; the pictures are the photos, and below them the photos in the style so far.

    enough: once it is set, what is learned by then is kept. The gallery has the style when the last step comes.
    WrongCall: the name cannot be; WeightsError: no network to learn with, the disk.
    """
    collection.check_new(name, overwrite=False)
    held, leaves = base_of(None, None), DeadLeaves()
    rng = np.random.default_rng(options.seed)
    crops = [_square(load(path), 256) for path in photos] or [leaves.one(rng, 256) for _ in range(3)]
    shown, drawn, last, begun = np.stack(crops), time.monotonic() - SECONDS, None, True
    image = mx.zeros((1, 1, 1, 3))
    for progress in mine_steps(
        painting, held.network, held.codes, held.strokes, leaves, load_features("compact"), options
    ):
        last, figures = progress, {each: float(value) for each, value in progress.figures.items()}
        if begun or time.monotonic() - drawn >= SECONDS:
            pixels = sheet(held.network, progress.weights["code"][None], shown)
            image, drawn, begun = mx.array(np.clip(pixels, 0, 1)[None]), time.monotonic(), False
            mx.eval(image)
        yield Step(image, min(UNITS - 1, int(UNITS * progress.done)), UNITS, {"step": progress.step, **figures})
        if enough.is_set():
            break
    assert last is not None, "a training has a step"
    pixels = sheet(held.network, last.weights["code"][None], shown)
    with tempfile.TemporaryDirectory(prefix="artkit-") as passing:
        made = Path(passing) / f"{name}.artstyle"
        shelve_mine(made, title_of(name), held.network.plan, last.weights, held.sha256)
        style = collection.add(str(made), name, painting=painting)
    preview = Picture.of(pixels[-256:, :256]).resized(EDGE)
    save(preview, style.folder / PREVIEW, quality=88, overwrite=True)
    yield Step(mx.array(np.clip(pixels, 0, 1)[None]), UNITS, UNITS, {"step": last.step})


def _square(picture: Picture, edge: int) -> np.ndarray:
    """The middle of a picture, (edge, edge, 3)."""
    shorter = min(picture.size)
    top, left = (picture.height - shorter) // 2, (picture.width - shorter) // 2
    return Picture(picture.pixels[top : top + shorter, left : left + shorter]).resized(edge).pixels


def default_name(painting: str) -> str:
    """A free name for the style of a file."""
    from artkit.train.shelve import style_names

    plain = style_names([Path(painting).stem])[0]
    taken = set(gallery.names())
    return next(name for name in (plain, *(f"{plain}-{n}" for n in range(2, 1000))) if name not in taken)
