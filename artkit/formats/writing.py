"""Float pixels to the bytes of a picture file, with the recipe and an sRGB profile in its metadata.

Where the recipe (JSON, kept to ASCII) is: PNG iTXt "artkit"; JPEG, WebP, AVIF and HEIC EXIF UserComment; TIFF
ImageDescription; GIF comment. With it EXIF and TIFF say "artkit" and the version as Software.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngInfo

from artkit._version import __version__
from artkit.contract import PictureError
from artkit.formats import deep
from artkit.formats.paths import shown
from artkit.formats.profiles import srgb_profile
from artkit.formats.reading import register_heic

_SOFTWARE = f"artkit {__version__}"
_MAX_EXIF = 65_533 - 1_000  # a JPEG segment, less what else is in it
_SOFTWARE_TAG, _ROWS_PER_STRIP, _STRIP_OFFSETS, _STRIP_SIZES, _PREDICTOR = 305, 278, 273, 279, 317


@dataclass(frozen=True)
class Format:
    """A format that can be written: its encoder, suffixes, and limits."""

    encode: Callable[[np.ndarray, int, str], bytes]  # (H, W, 3 | 4) uint8 or uint16, quality, recipe
    suffixes: tuple[str, ...]
    longest: int
    alpha: bool = True
    deep: bool = False


def encode(pixels: np.ndarray, alpha: np.ndarray | None, name: str, bits: int, quality: int, recipe: str) -> bytes:
    """The file's bytes: pixels (H, W, 3) and alpha (H, W) float 0..1, format name, 8 or 16 bits, JSON or ""."""
    kind = FORMATS[name]
    check_limits(name, max(pixels.shape[:2]), bits)
    if alpha is not None and not kind.alpha:  # onto white
        pixels, alpha = pixels * alpha[..., None] + (1 - alpha[..., None]), None
    channels = pixels if alpha is None else np.dstack([pixels, alpha])
    top, dtype = (255, np.uint8) if bits == 8 else (65535, np.uint16)
    levels = (np.clip(channels, 0, 1) * np.float32(top) + np.float32(0.5)).astype(dtype)
    try:
        return kind.encode(levels, quality, in_ascii(recipe))
    except (OSError, ValueError, MemoryError) as error:  # what encoders raise when they give up
        reason = str(error).split("\n")[0] or type(error).__name__
        raise PictureError(f"cannot be made into {name} ({reason}); try .png") from error


def format_of(path: Path | None, given: str | None) -> str:
    """The format's name, from the one given or the path's suffix; PictureError lists the known ones."""
    suffix = f".{given.lower().lstrip('.')}" if given else path.suffix.lower() if path else ""
    for name, kind in FORMATS.items():
        if suffix in kind.suffixes:
            if name == "heic" and not register_heic():
                raise PictureError("HEIC needs one more package: pip install pillow-heif")
            return name
    known = ", ".join(kind.suffixes[0] for kind in FORMATS.values())
    if given or path is None:
        raise PictureError(f'no picture format "{given}"; known are {known}' if given else f"give a format: {known}")
    what = f'the suffix "{path.suffix}"' if path.suffix else "no suffix"
    raise PictureError(f"{shown(path)} has {what}, so the format is unknown; use one of {known}")


def check_limits(name: str, longest: int, bits: int) -> None:
    """PictureError when the format cannot hold such a picture."""
    kind = FORMATS[name]
    if longest > kind.longest:
        raise PictureError(f"{name} holds at most {kind.longest} pixels along an edge; write {longest} as .png or .tif")
    if bits == 16 and not kind.deep:
        raise PictureError(f"{name} has no 16 bits; use .png or .tif, or leave it at 8")


def metadata(kind: str, recipe: str) -> dict[str, Any]:
    """What Pillow's `save` is given so that the recipe is in the file; kind: the format, as Pillow calls it."""
    if not recipe:
        return {}
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("artkit", recipe)
        return {"pnginfo": info}
    return {"comment": recipe.encode("ascii")} if kind == "GIF" else {"exif": _exif(recipe)}


def in_ascii(recipe: str) -> str:
    """The same JSON without other characters; "" stays."""
    return json.dumps(json.loads(recipe)) if recipe else ""


def _through_pillow(**options: object) -> Callable[[np.ndarray, int, str], bytes]:
    def encode(levels: np.ndarray, quality: int, recipe: str) -> bytes:
        stream = io.BytesIO()
        extra = metadata(str(options["format"]), recipe)
        if options["format"] == "WEBP" and quality == 100:
            extra["lossless"] = True
        image = Image.fromarray(levels)
        image.save(stream, quality=quality, icc_profile=srgb_profile(), **options, **extra)  # type: ignore[arg-type]
        return stream.getvalue()

    return encode


def _exif(recipe: str) -> bytes:
    if len(recipe) > _MAX_EXIF:
        raise PictureError(f"the recipe ({len(recipe)} bytes) is too long for this format; use .png, or --no-metadata")
    exif = Image.Exif()
    exif[Base.Software] = _SOFTWARE
    exif.get_ifd(IFD.Exif)[Base.UserComment] = b"ASCII\0\0\0" + recipe.encode("ascii")
    return exif.tobytes()


def _png(levels: np.ndarray, quality: int, recipe: str) -> bytes:
    if levels.dtype == np.uint16:
        return _deep_png(levels, recipe)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG", icc_profile=srgb_profile(), **metadata("PNG", recipe))
    return stream.getvalue()


def _deep_png(levels: np.ndarray, recipe: str) -> bytes:
    """16-bit PNG, which Pillow cannot write; each row as its difference from the one above (filter 2)."""
    height, width, channels = levels.shape
    rows = levels.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)
    filtered[0, 1:] = rows[0]
    filtered[1:, 1:] = rows[1:] - rows[:-1]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)),
        (b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile())),
        *([(b"iTXt", b"artkit\0\0\0\0\0" + recipe.encode())] if recipe else []),
        (b"IDAT", zlib.compress(filtered.tobytes(), 6)),
        (b"IEND", b""),
    ]
    framed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return deep.PNG + b"".join(framed)


def _tiff(levels: np.ndarray, quality: int, recipe: str) -> bytes:
    """8- or 16-bit TIFF 6.0, Deflate with horizontal differencing (Pillow cannot write 16-bit color)."""
    height, width, channels = levels.shape
    differences = levels.copy()
    differences[:, 1:] -= levels[:, :-1]
    rows = max(1, 2**18 // differences[0].nbytes)
    differences = differences.astype(differences.dtype.newbyteorder("<"))
    strips = [zlib.compress(differences[top : top + rows].tobytes(), 6) for top in range(0, height, rows)]
    offsets = 8 + np.cumsum([0] + [len(strip) + len(strip) % 2 for strip in strips])  # strips begin on even bytes
    tags: dict[int, bytes | list[int]] = {
        deep.WIDTH: [width],
        deep.HEIGHT: [height],
        deep.BITS: [levels.itemsize * 8] * channels,
        deep.COMPRESSION: [8],
        deep.PHOTOMETRIC: [2],
        _STRIP_OFFSETS: offsets[:-1].tolist(),
        deep.SAMPLES: [channels],
        _ROWS_PER_STRIP: [rows],
        _STRIP_SIZES: [len(strip) for strip in strips],
        deep.PLANES: [1],
        _PREDICTOR: [2],
        deep.ICC_PROFILE: srgb_profile(),
    }
    if recipe:
        tags[deep.DESCRIPTION] = recipe.encode("ascii") + b"\0"
        tags[_SOFTWARE_TAG] = _SOFTWARE.encode() + b"\0"
    if channels == 4:
        tags[deep.EXTRA] = [2]  # alpha, colors not multiplied by it
    body = b"".join(strip + b"\0" * (len(strip) % 2) for strip in strips)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + _directory(tags, 8 + len(body))


def _directory(tags: dict[int, bytes | list[int]], start: int) -> bytes:
    """A TIFF tag directory that begins at byte `start`: text and bytes as they are, numbers as 32-bit ones."""
    entries, extra = [], b""
    behind = start + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, data = (7 if tag == deep.ICC_PROFILE else 2), len(value), value
        else:
            kind, count, data = 4, len(value), struct.pack(f"<{len(value)}I", *value)
        if len(data) > 4:
            place = struct.pack("<I", behind + len(extra))
            extra += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        entries.append(struct.pack("<HHI", tag, kind, count) + place)
    return struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<I", 0) + extra


def _gif(levels: np.ndarray, quality: int, recipe: str) -> bytes:
    """256 colors, dithered; alpha is all or nothing."""
    image = Image.fromarray(levels[..., :3])
    palette = image.quantize(255, Image.Quantize.MEDIANCUT)
    indexed = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    options = metadata("GIF", recipe)
    if levels.shape[2] == 4:
        indexed.paste(255, mask=Image.fromarray(np.where(levels[..., 3] < 128, 255, 0).astype(np.uint8)))
        options["transparency"] = 255
    stream = io.BytesIO()
    indexed.save(stream, "GIF", **options)
    return stream.getvalue()


FORMATS = {
    "jpeg": Format(
        _through_pillow(format="JPEG", subsampling=0), (".jpg", ".jpeg", ".jpe", ".jfif"), longest=65_500, alpha=False
    ),
    "png": Format(_png, (".png",), longest=2**31 - 1, deep=True),
    "webp": Format(_through_pillow(format="WEBP"), (".webp",), longest=16_383),
    "avif": Format(_through_pillow(format="AVIF", subsampling="4:4:4"), (".avif",), longest=65_536),
    "tiff": Format(_tiff, (".tif", ".tiff"), longest=2**31 - 1, deep=True),
    "gif": Format(_gif, (".gif",), longest=65_535),
    "heic": Format(_through_pillow(format="HEIF"), (".heic", ".heif"), longest=16_384),
}
