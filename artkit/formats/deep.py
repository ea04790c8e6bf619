"""PNG and TIFF with more than 8 bits a channel, which Pillow would cut down to 8: read through OpenCV instead."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import artkit.device  # noqa: F401  (its BLAS must be loaded before cv2)

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from artkit.contract import PictureError

PNG = b"\x89PNG\r\n\x1a\n"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, SAMPLES = 256, 257, 258, 259, 262, 270, 277
PLANES, EXTRA, SAMPLE_FORMAT, ICC_PROFILE = 284, 338, 339, 34675
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_ASSOCIATED = 1  # ExtraSamples: the colors are already multiplied by alpha


def is_deep_png(data: bytes) -> bool:
    """Whether `data` is a PNG of 16 bits with color or alpha (Pillow reads 16-bit gray in full)."""
    return data[:8] == PNG and data[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06")


def tiff_pages(data: bytes) -> Iterator[ImageFileDirectory_v2]:
    """The tag directory of every picture in a TIFF."""
    header = data[:16] if data[2:3] == b"+" or data[3:4] == b"+" else data[:8]
    directory, seen = ImageFileDirectory_v2(header), set[int]()
    while directory.next and directory.next not in seen:
        seen.add(directory.next)
        stream = io.BytesIO(data)
        stream.seek(directory.next)
        directory = ImageFileDirectory_v2(header, prefix=directory.prefix)
        directory.load(stream)
        yield directory


def is_deep_tiff(page: ImageFileDirectory_v2) -> bool:
    """Whether the page has over 8 bits a channel in gray or RGB (Pillow reads CMYK and the like, at 8 bits)."""
    gray_or_rgb = page.get(PHOTOMETRIC) in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
    return gray_or_rgb and max(page.get(BITS, (1,))) > 8


def read_png(data: bytes) -> np.ndarray:
    """A deep PNG -> (H, W, 1 | 3 | 4) uint16."""
    return _decoded(_critical_chunks(data), page=0)


def read_tiff(data: bytes, number: int, page: ImageFileDirectory_v2) -> tuple[np.ndarray, np.ndarray | None]:
    """Page `number` of a deep TIFF, upright -> color (H, W, 1 | 3) float32 0..1, alpha (H, W) or None.

    Floating point pixels count as 0..1. PictureError for layouts that OpenCV reads wrongly or not at all.
    """
    bits, samples = set(page.get(BITS, (1,))), page.get(SAMPLES, 1)
    if len(bits) > 1 or not bits <= {16, 32, 64} or samples not in (1, 3, 4) or page.get(PLANES, 1) != 1 < samples:
        layout = f"{samples} channels of {'/'.join(map(str, sorted(bits)))} bits"
        raise PictureError(f"an unusual kind of TIFF ({layout}); save it as 16-bit PNG or plain 16-bit RGB TIFF first")
    color, alpha = split_alpha(_decoded(data, number))
    if page.get(PHOTOMETRIC) == _WHITE_IS_ZERO:
        color = 1 - color
    if alpha is not None and _ASSOCIATED in np.atleast_1d(page.get(EXTRA, ())):
        color = np.clip(color / np.maximum(alpha, 1e-6)[..., None], 0, 1)
    return color, alpha


def split_alpha(array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 1 to 4) of any number type -> color (H, W, 1 | 3) float32 0..1, alpha (H, W) float32 0..1 or None."""
    values = as_unit(array)
    if values.shape[2] in (2, 4):
        return np.ascontiguousarray(values[..., :-1]), np.ascontiguousarray(values[..., -1])
    return values, None


def as_unit(array: np.ndarray) -> np.ndarray:
    """Any number type -> float32 0..1: whole numbers by their type's range, floats as they are, clipped, NaN to 0.

    PictureError for floats that are clearly on another scale.
    """
    if array.dtype == bool:
        return array.astype(np.float32)
    if np.issubdtype(array.dtype, np.unsignedinteger):
        values = array.astype(np.float32)
        values /= np.float32(np.iinfo(array.dtype).max)
        return values
    if not np.issubdtype(array.dtype, np.floating):
        raise PictureError(f"pixels of type {array.dtype} are not understood; use uint8, uint16 or float 0..1")
    if np.count_nonzero(array > 1) > array.size / 2:
        raise PictureError(f"pixels go up to {np.nanmax(array):.4g}, and floats should be 0..1; divide them first")
    return np.clip(np.nan_to_num(array.astype(np.float32), posinf=1, neginf=0), 0, 1)


def _decoded(data: bytes, page: int) -> np.ndarray:
    import cv2

    quiet = cv2.utils.logging
    level = quiet.getLogLevel()
    quiet.setLogLevel(quiet.LOG_LEVEL_SILENT)  # it writes to stderr; what is wrong is said below
    try:
        buffer = np.frombuffer(data, np.uint8)
        if page == 0:
            array = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
        else:
            _, arrays = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
            array = arrays[0] if arrays else None
    except cv2.error:
        array = None
    finally:
        quiet.setLogLevel(level)
    if array is None or array.dtype == np.uint8:
        raise ValueError("pixel data cannot be decoded")
    array = np.atleast_3d(array)
    return array[..., [2, 1, 0, 3][: array.shape[2]]] if array.shape[2] > 1 else array


def _critical_chunks(data: bytes) -> bytes:
    """The PNG without its remarks and profiles: libpng warns about odd ones on stderr."""
    parts, at = [data[:8]], 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            parts.append(data[at : at + 12 + length])
        at += 12 + length
    return b"".join(parts)
