"""ICC profiles: colors of any space to sRGB.

Profiles made of curves and a matrix (cameras, screens, Display P3, Adobe RGB, ProPhoto, gray) are applied here in
float32, so that 16-bit pictures keep their precision; profiles made of tables (CMYK, printers, scanners) go through
LittleCMS at 8 bits. A broken or unfitting profile is ignored: the colors then count as sRGB.
"""

from __future__ import annotations

import contextlib
import functools
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

Curve = Callable[[np.ndarray], np.ndarray]

# The columns are sRGB's primaries in the ICC's connection space, XYZ under D50 (IEC 61966-2-1, Bradford adapted).
SRGB_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
_ROWS = 256  # rows converted at a time, to bound the memory in between
_BROKEN = (ValueError, ArithmeticError, LookupError, TypeError, OSError, struct.error, ImageCms.PyCMSError)


def to_srgb(color: np.ndarray, icc: bytes | None) -> np.ndarray:
    """(H, W, 1 | 3) float32 0..1 in the space of the profile `icc` -> (H, W, 3) float32 0..1 sRGB."""
    if icc:
        with contextlib.suppress(*_BROKEN):
            color = _converted(color, icc)
    return np.repeat(color, 3, axis=2) if color.shape[2] == 1 else color


def cmyk_to_srgb(image: Image.Image, icc: bytes | None) -> np.ndarray:
    """A Pillow CMYK or LAB picture -> (H, W, 3) float32 0..1 sRGB; without a fitting profile by the plain formulas."""
    space = {"CMYK": b"CMYK", "LAB": b"Lab "}[image.mode]
    if icc and icc[16:20] == space:
        with contextlib.suppress(*_BROKEN):
            return _through_littlecms(image, ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    if image.mode == "LAB":
        return _through_littlecms(image, ImageCms.createProfile("LAB"))
    return np.asarray(image.convert("RGB"), np.float32) / 255


@functools.cache
def srgb_profile() -> bytes:
    """An sRGB profile to embed, always the same bytes (LittleCMS writes the time of day into it)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light 0..1 -> sRGB 0..1 (IEC 61966-2-1); what lies outside is clipped."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _converted(color: np.ndarray, icc: bytes) -> np.ndarray:
    space = {1: b"GRAY", 3: b"RGB "}[color.shape[2]]
    if icc[16:20] != space:
        return color
    tags = _tags(icc)
    if b"A2B0" in tags:
        levels = (color * 255 + 0.5).astype(np.uint8)
        image = Image.fromarray(levels[..., 0] if space == b"GRAY" else levels)
        return _through_littlecms(image, ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    if space == b"GRAY":
        curves, matrix = [_curve(tags[b"kTRC"])], np.eye(1)
    else:
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
        to_xyz = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
        matrix = np.linalg.inv(SRGB_TO_XYZ) @ to_xyz

    def convert(block: np.ndarray) -> np.ndarray:
        linear = np.stack([curve(block[..., i]) for i, curve in enumerate(curves)], axis=-1)
        return encode_srgb(linear @ matrix.T.astype(np.float32)).astype(np.float32)

    probe = np.linspace(0, 1, 9, dtype=np.float32)
    probe = np.stack(np.meshgrid(*[probe] * len(curves)), axis=-1)
    change = np.abs(convert(probe) - probe).max()
    if not change > 2 / 255:  # sRGB as somebody else rounded it (or not a number): keep the pixels exactly as they are
        return color
    converted = np.empty_like(color)
    for top in range(0, len(color), _ROWS):
        converted[top : top + _ROWS] = convert(color[top : top + _ROWS])
    return converted


def _through_littlecms(image: Image.Image, profile: Any) -> np.ndarray:
    """Relative colorimetric with black point compensation: what Photoshop does by default."""
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(
        image,
        profile,
        srgb,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # only in-place conversion gives None
    return np.asarray(converted, np.float32) / 255


def _tags(icc: bytes) -> dict[bytes, bytes]:
    """The profile's tags by signature (ICC.1:2022, 7.3)."""
    (count,) = struct.unpack_from(">I", icc, 128)
    tags = {}
    for i in range(min(count, 100)):
        name, offset, size = struct.unpack_from(">4sII", icc, 132 + 12 * i)
        tags[name] = icc[offset : offset + size]
    return tags


def _xyz(tag: bytes) -> np.ndarray:
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> Curve:
    """A tone curve: device value 0..1 -> linear light (ICC.1:2022, 10.6 and 10.18)."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return lambda x: x
        table = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            gamma = table[0] / 256
            return lambda x: np.power(x, gamma)
        levels, steps = table / 65535, np.linspace(0, 1, count)
        return lambda x: np.interp(x, steps, levels)
    if tag[:4] != b"para":
        raise ValueError("no tone curve")
    kind = struct.unpack_from(">H", tag, 8)[0]
    p = [number / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
    if kind in (1, 2):
        p = [*p[:3], 0, -p[2] / p[1], *p[3:] * 2]
    g, a, b, c, d, e, f = p if len(p) == 7 else (*p, 0, 0) if len(p) == 5 else (p[0], 1, 0, 0, 0, 0, 0)
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
