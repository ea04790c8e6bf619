"""Picture files and Pillow pictures to float32 sRGB: orientation, profiles, alpha and depth done right."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import IFD, Base

from artkit.contract import PictureError
from artkit.formats import deep
from artkit.formats.profiles import cmyk_to_srgb, to_srgb

_FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "HEIF"]  # never EPS: it starts Ghostscript
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True, eq=False)
class Decoded:
    """pixels (H, W, 3) float32 0..1 sRGB, alpha (H, W) float32 0..1 or None, recipe: the JSON in the file, or ""."""

    pixels: np.ndarray
    alpha: np.ndarray | None
    recipe: str


def decode(data: bytes, max_pixels: int, frames: bool = False) -> list[Decoded]:
    """The picture in `data`, or every frame of it. PictureError says what is wrong, without naming the file."""
    with _reading():
        if data[:4] in deep.TIFF:
            pages = list(deep.tiff_pages(data))[: None if frames else 1]
            _check_size(max((p.get(deep.WIDTH, 0), p.get(deep.HEIGHT, 0)) for p in pages), len(pages), max_pixels)
            if all(map(deep.is_deep_tiff, pages)):
                return [_deep_tiff(data, number, page) for number, page in enumerate(pages)]
        image = _opened(data)
        count = getattr(image, "n_frames", 1) if frames and image.format in _ANIMATED else 1
        _check_size(image.size, count, max_pixels)
        if count == 1:
            return [_deep_png(data, image) if deep.is_deep_png(data) else _decoded(image)]
        decoded = []
        for number in range(count):
            image.seek(number)
            decoded.append(_decoded(image.copy(), recipe_in(image)))
        return decoded


def decode_image(image: Image.Image) -> Decoded:
    """A Pillow picture of any mode, with its profile and orientation."""
    with _reading():
        return _decoded(image)


def find_recipe(data: bytes) -> str:
    """The recipe's JSON in a picture file's metadata, or ""; the pixels are not decoded."""
    with _reading():
        if data[:4] in deep.TIFF:
            return as_recipe(next(deep.tiff_pages(data)).get(deep.DESCRIPTION))
        return recipe_in(_opened(data))


def count_frames(data: bytes) -> int:
    """How many pictures there are in a picture file, one after the other; PictureError."""
    with _reading():
        return getattr(_opened(data), "n_frames", 1)


def recipe_in(image: Image.Image) -> str:
    """The recipe's JSON in the metadata of a Pillow picture, or "" (`writing` puts it there)."""
    if image.format == "PNG":  # asking it for EXIF may decode it
        return as_recipe(image.info.get("artkit"))
    exif = _exif(image)
    user_comment = exif.get(Base.UserComment, b"")
    if isinstance(user_comment, bytes):
        user_comment = user_comment[8:]  # the first eight name the character set
    places = (user_comment, exif.get(Base.ImageDescription), image.info.get("comment"))
    return next(filter(None, map(as_recipe, places)), "")


def _exif(image: Image.Image) -> dict[int, Any]:
    """The EXIF tags, of the picture and the photo alike; a broken block counts as none."""
    try:
        exif = image.getexif()
        return {**exif, **exif.get_ifd(IFD.Exif)}
    except Exception:  # SyntaxError, struct.error and others, none of which concerns the pixels
        return {}


def as_recipe(text: Any) -> str:
    """The text if it is meant as a recipe: other programs leave their remarks in the same places."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return text.rstrip("\0") if isinstance(text, str) and text.startswith('{"artkit"') else ""


@contextmanager
def _reading() -> Iterator[None]:
    """Whatever a decoder raises becomes a PictureError; its warnings and Pillow's size limit are off meanwhile."""
    with _quiet:
        try:
            yield
        except PictureError:
            raise
        except UnidentifiedImageError:
            raise PictureError("not a picture that artkit knows; JPEG, PNG, WebP, AVIF, TIFF, GIF work") from None
        except MemoryError:
            raise PictureError("too large for this machine's memory; make it smaller first") from None
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, IndexError … on damaged files
            reason = str(error).split("\n")[0] or type(error).__name__
            raise PictureError(f"damaged or cut off ({reason}); copy or download it again") from error


class _Quiet:
    """Pillow's size limit (a module variable) and Python's warnings off while anybody reads; the limit is ours."""

    def __init__(self) -> None:
        self._lock, self._readers = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            self._readers += 1
            if self._readers == 1:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                Image.MAX_IMAGE_PIXELS = self._limit
                self._warnings.__exit__(None, None, None)


_quiet = _Quiet()


def _opened(data: bytes) -> Image.Image:
    """The picture's header; nothing is decoded yet."""
    head = data[:1024].lstrip().lower()
    if b"<svg" in head:
        raise PictureError("a drawing (SVG), not a photo; export it as PNG first")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and not register_heic():
        raise PictureError("a HEIC picture, and these need one more package: pip install pillow-heif")
    return Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name != "HEIF" or register_heic()])


def register_heic() -> bool:
    """Whether HEIC can be read and written; teaches Pillow the first time."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _check_size(size: tuple[int, int], frames: int, max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PictureError(f"{width}×{height} pixels; there is nothing in it")
    if width * height * frames > max_pixels:
        many = f" in {frames} frames" if frames > 1 else ""
        raise PictureError(
            f"{width}×{height} pixels{many}, and the limit is {max_pixels:,} in all; make it smaller first"
        )


def _decoded(image: Image.Image, recipe: str | None = None) -> Decoded:
    image.load()  # the metadata of some formats comes after the pixels
    pixels, alpha = _pixels(image)
    turn = _exif(image).get(Base.Orientation, 1)
    return _finished(pixels, alpha, turn, recipe_in(image) if recipe is None else recipe)


def _deep_png(data: bytes, image: Image.Image) -> Decoded:
    image.load()  # finds cuts and wrong checksums, which OpenCV overlooks
    color, alpha = deep.split_alpha(deep.read_png(data))
    pixels = to_srgb(color, image.info.get("icc_profile"))
    return _finished(pixels, alpha, _exif(image).get(Base.Orientation, 1), recipe_in(image))


def _deep_tiff(data: bytes, number: int, page: Any) -> Decoded:
    color, alpha = deep.read_tiff(data, number, page)
    return _finished(to_srgb(color, page.get(deep.ICC_PROFILE)), alpha, 1, as_recipe(page.get(deep.DESCRIPTION)))


def _finished(pixels: np.ndarray, alpha: np.ndarray | None, turn: int, recipe: str) -> Decoded:
    if alpha is not None and alpha.min() == 1:
        alpha = None
    return Decoded(_upright(pixels, turn), None if alpha is None else _upright(alpha, turn), recipe)


def _upright(array: np.ndarray, turn: int) -> np.ndarray:
    """Undoes the EXIF orientation `turn` (Exif 2.32, 4.6.4): first the transposition, then the mirrorings."""
    if turn in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        array = array[::-1]
    if turn in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _pixels(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """A loaded Pillow picture of any mode -> (H, W, 3) and (H, W) or None, float32 0..1 sRGB, not yet upright."""
    icc = image.info.get("icc_profile")
    if image.mode in ("CMYK", "LAB"):
        return cmyk_to_srgb(image, icc), None
    if image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.uint16)[..., None]
        color, alpha = deep.split_alpha(levels)
        if isinstance(clear := image.info.get("transparency"), int):
            alpha = (levels[..., 0] != clear).astype(np.float32)
        return to_srgb(color, icc), alpha
    if image.mode == "I":  # Pillow's own convention: 16-bit values in 32 bits; only TIFF has more
        levels = np.asarray(image).view(np.uint32)[..., None]
        return to_srgb(deep.as_unit(levels.astype(np.uint16) if levels.max() < 65536 else levels), icc), None
    if image.mode == "F":
        return to_srgb(deep.as_unit(np.asarray(image)[..., None]), icc), None
    clear = image.has_transparency_data or image.mode in ("La", "RGBa")
    gray = image.mode in ("1", "L", "LA", "La")
    mode = {(True, False): "L", (True, True): "LA", (False, False): "RGB", (False, True): "RGBA"}[gray, clear]
    color, alpha = deep.split_alpha(np.atleast_3d(np.asarray(image.convert(mode))))
    return to_srgb(color, icc), alpha
