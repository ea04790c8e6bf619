"""The pictures that the benchmarks are about: six photos with six paintings, where they are, how they are read.

Only NumPy and Pillow are needed here, so that PyTorch's side runs on a machine without artkit.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps


class Pair(NamedTuple):
    """A photo and the painting it is to look like, by their file names without `.jpg`."""

    photo: str
    painting: str

    @property
    def name(self) -> str:
        return f"{self.photo}+{self.painting}"

    def photo_path(self, shared: Path) -> Path:
        return shared / "data/photos/samples" / f"{self.photo}.jpg"

    def painting_path(self, shared: Path) -> Path:
        return shared / "data/paintings/gallery" / f"{self.painting}.jpg"


PAIRS = (
    Pair("tubingen", "starry_night"),
    Pair("golden_gate", "the_scream"),
    Pair("chicago", "great_wave"),
    Pair("cat", "composition_vii"),
    Pair("farmhouse", "shipwreck_minotaur"),
    Pair("valley", "udnie"),
)


def read(path: Path, size: int | tuple[int, int] | None = None) -> np.ndarray:
    """The picture as (H, W, 3) float32, sRGB 0..1, resized as artkit does it: bicubic, in floating point, then cut.

    size: its longest edge, or (height, width), in pixels.
    """
    with Image.open(path) as file:
        pixels = np.asarray(ImageOps.exif_transpose(file).convert("RGB"), np.float32) / 255
    if isinstance(size, int):
        scale = size / max(pixels.shape)
        size = max(1, int(pixels.shape[0] * scale + 0.5)), max(1, int(pixels.shape[1] * scale + 0.5))
    if size is None or size == pixels.shape[:2]:
        return pixels
    height, width = size
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in pixels.transpose(2, 0, 1)]
    resized = [plane.resize((width, height), Image.Resampling.BICUBIC) for plane in planes]
    return np.stack([np.asarray(plane) for plane in resized], axis=-1).clip(0, 1)


def write(pixels: np.ndarray, path: Path) -> None:
    """Write (H, W, 3), sRGB 0..1, with 8 bits a channel; values outside 0..1 are cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)).save(path)


def add_shared(parser: argparse.ArgumentParser) -> None:
    """The flag that says where the pictures and the teacher's weights are."""
    here = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=here, help="folder with data/ and weights/ (%(default)s)")


def check_shared(parser: argparse.ArgumentParser, shared: Path, pairs: tuple[Pair, ...] = PAIRS) -> None:
    """Exit with one line when a picture of `pairs` is missing."""
    for pair in pairs:
        for path in (pair.photo_path(shared), pair.painting_path(shared)):
            if not path.is_file():
                parser.error(f"{path} is missing; --shared should name the folder that holds data/ and weights/")
