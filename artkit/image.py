"""Pictures in and out: any file to float32 sRGB and back, with alpha, recipe, and whole files or none."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, TypeAlias

import numpy as np
from PIL import Image

from artkit.contract import PictureError, Recipe, WrongCall
from artkit.formats import drawings, paths, reading, writing
from artkit.formats.deep import split_alpha
from artkit.formats.paths import find_pictures
from artkit.formats.profiles import to_srgb

if TYPE_CHECKING:
    import mlx.core as mx

__all__ = ["Picture", "check_target", "find_pictures", "fit", "load", "load_frames", "load_recipe", "resize", "save"]

Readable: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray | Picture"
MAX_PIXELS = 400_000_000


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    pixels: (H, W, 3) float32, sRGB 0..1, not multiplied by alpha.
    alpha: (H, W) float32 0..1, None when nothing is transparent.
    name: the file's name without its folder, "" if there is none.
    recipe: how it was made, where its file says so.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    name: str = ""
    recipe: Recipe | None = None

    @classmethod
    def of(cls, array: mx.array | np.ndarray, like: Picture | None = None) -> Self:
        """(H, W, 3) or (1, H, W, 3), sRGB 0..1, clipped; with the alpha (resized) and the name of `like`."""
        pixels = np.array(array, np.float32)
        if pixels.ndim == 4 and len(pixels) == 1:
            pixels = pixels[0]
        if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise PictureError(f"an array of shape {pixels.shape} is not a picture; it should be (height, width, 3)")
        if not np.isfinite(pixels).all():
            raise PictureError("the picture contains NaN or infinity; lower the weights or the learning rate")
        alpha = None
        if like is not None and like.alpha is not None:
            alpha = np.clip(resize(like.alpha[..., None], *pixels.shape[:2])[..., 0], 0, 1)
        return cls(np.clip(pixels, 0, 1), alpha, "" if like is None else like.name)

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow has it."""
        return self.width, self.height

    def resized(self, longest: int) -> Self:
        """The picture with its longest edge `longest` pixels; transparent pixels lend no color to their neighbors."""
        height, width = fit(self.height, self.width, longest)
        if (height, width) == (self.height, self.width):
            return self
        pixels, alpha = resize(self.pixels, height, width), None
        if self.alpha is not None:
            alpha = np.clip(resize(self.alpha[..., None], height, width), 0, 1)
            weighted = resize(self.pixels * self.alpha[..., None], height, width)
            pixels = np.where(alpha > 1e-3, weighted / np.maximum(alpha, 1e-3), pixels)
            alpha = alpha[..., 0]
        return dataclasses.replace(self, pixels=np.clip(pixels, 0, 1), alpha=alpha)

    def array(self) -> mx.array:
        """(1, H, W, 3) float32, sRGB 0..1, for MLX; alpha is left out."""
        import mlx.core as mx  # formats.deep has imported artkit.device, and with it the fast BLAS, before

        return mx.array(self.pixels[None])

    def to_pil(self) -> Image.Image:
        """8-bit RGB, or RGBA where there is alpha."""
        channels = self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])
        return Image.fromarray((np.clip(channels, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8))


def load(source: Readable, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """A picture from a file name, its bytes, an open file, a Pillow picture or an array, upright and in sRGB.

    Reads JPEG, PNG, WebP, AVIF, TIFF, GIF (the first frame), BMP, PPM, and HEIC with `pip install pillow-heif`, at
    full depth; EXIF orientation and ICC profile are applied. Arrays are (H, W) gray or (H, W, 1 | 2 | 3 | 4), gray or
    RGB with or without alpha, uint8, uint16 or float 0..1. A recipe that is damaged counts as none (`load_recipe`
    tells). PictureError: no such file, not a picture, damaged, over `max_pixels` (seen before decoding).
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return _of_array(source)
    if isinstance(source, Image.Image):
        return _picture(reading.decode_image(source), Path(getattr(source, "filename", "") or "").name)
    data, name = _contents(source)
    return _named(name, lambda: _picture(reading.decode(data, max_pixels)[0], name))


def load_frames(source: str | os.PathLike[str] | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> list[Picture]:
    """Every frame of an animated GIF, WebP, PNG or AVIF, or every page of a TIFF; one picture for other files.

    `max_pixels` counts all frames together. Errors as in `load`.
    """
    data, name = _contents(source)
    return _named(name, lambda: [_picture(frame, name) for frame in reading.decode(data, max_pixels, frames=True)])


def load_recipe(source: str | os.PathLike[str] | bytes | BinaryIO) -> Recipe | None:
    """How the picture in a file, or the drawing in an SVG, was made, None if it does not say; no pixels are decoded.

    PictureError when the file is not a picture or its recipe is damaged.
    """
    if isinstance(source, (str, os.PathLike)) and drawings.is_drawing(source):
        text = drawings.read_head(source).recipe
        return Recipe.from_json(text) if text else None
    data, name = _contents(source)
    text = _named(name, lambda: reading.find_recipe(data))
    return Recipe.from_json(text) if text else None


def save(
    picture: Picture,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    bits: Literal[8, 16] = 8,
    quality: int = 95,
    recipe: Recipe | None = None,
    overwrite: bool = False,
) -> Path | None:
    """Writes the picture to a file, whole or not at all, or to an open binary file; gives the path back.

    The suffix decides the format (.jpg .png .webp .avif .tif .gif .heic), or `format` does. `bits` 16 is for PNG and
    TIFF. `quality` 1..100 is for JPEG (always with full color, 4:4:4), WebP (100: lossless), AVIF and HEIC. Alpha is
    kept, by JPEG on white. `recipe` goes into the metadata. PictureError: the file exists (unless `overwrite`), the
    folder is missing or cannot be written, the disk is full, the format is unknown or cannot hold the picture.
    """
    if not 1 <= quality <= 100:
        raise WrongCall(f"quality {quality}: should be 1 to 100")
    if bits not in (8, 16):
        raise WrongCall(f"bits {bits}: should be 8 or 16")
    path = Path(target) if isinstance(target, (str, os.PathLike)) else None
    name = writing.format_of(path, format)
    if path is not None:
        paths.check_place(path, overwrite)
    text = recipe.to_json() if recipe else ""
    data = writing.encode(picture.pixels, picture.alpha, name, bits, quality, text)
    if path is not None:
        paths.place(path, data, overwrite)
    else:
        assert not isinstance(target, (str, os.PathLike))
        target.write(data)
    return path


def check_target(
    path: str | os.PathLike[str], overwrite: bool = False, *, longest: int = 0, bits: Literal[8, 16] = 8
) -> None:
    """What `save` would refuse, found before hours of work; `longest` is the longest edge to come, if known."""
    writing.check_limits(writing.format_of(Path(path), None), longest, bits)
    paths.check_place(Path(path), overwrite)


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(..., H, W, C) -> (..., height, width, C) float32, bicubic (Catmull-Rom), antialiased when shrinking.

    Values are not clipped: near sharp edges they may leave the range by a few percent.
    """
    *leading, old_height, old_width, channels = pixels.shape
    if (old_height, old_width) == (height, width):
        return pixels.astype(np.float32)
    flat = pixels.reshape(-1, old_height, old_width, channels).astype(np.float32)
    resized = np.empty((len(flat), height, width, channels), np.float32)
    for i, picture in enumerate(flat):
        for c in range(channels):
            plane = Image.fromarray(np.ascontiguousarray(picture[..., c]))
            resized[i, ..., c] = np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC))
    return resized.reshape(*leading, height, width, channels)


def fit(height: int, width: int, longest: int) -> tuple[int, int]:
    """(height, width) in the same proportions with the longest edge `longest`, each at least 1."""
    if longest < 1:
        raise WrongCall(f"size {longest}: should be 1 pixel or more")
    scale = longest / max(height, width)
    return max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))


def _contents(source: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[bytes, str]:
    """The bytes, and the file's name or ""."""
    if isinstance(source, (str, os.PathLike)):
        paths.refuse_urls(str(source))
        path = Path(source).expanduser()
        return paths.read(path), path.name
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, name = bytes(source), ""
    elif not hasattr(source, "read"):  # None is what other libraries give for a file that is not there
        raise PictureError(f"{source!r:.40} is no picture; give a file name, bytes, a Pillow picture or an array")
    else:
        data, name = source.read(), getattr(source, "name", "")
        name = Path(name).name if isinstance(name, str) else ""
    if not data:
        raise PictureError("the picture is empty (0 bytes); copy or download it again")
    return data, name


def _named(name: str, work: Callable[[], Any]) -> Any:
    """What `work` gives; its PictureErrors begin with the file's name."""
    try:
        return work()
    except PictureError as error:
        raise PictureError(f"{paths.shown(name) if name else 'the picture'}: {error}") from error.__cause__


def _picture(decoded: reading.Decoded, name: str) -> Picture:
    try:
        recipe = Recipe.from_json(decoded.recipe) if decoded.recipe else None
    except PictureError:
        recipe = None
    return Picture(decoded.pixels, decoded.alpha, name, recipe)


def _of_array(array: np.ndarray) -> Picture:
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    channels = array[..., None] if array.ndim == 2 else array
    if channels.ndim != 3 or channels.shape[2] not in (1, 2, 3, 4) or not channels.size:
        raise PictureError(f"an array of shape {array.shape} is not a picture; it should be (height, width, 3)")
    color, alpha = split_alpha(channels)
    return Picture(to_srgb(color, None), alpha)
