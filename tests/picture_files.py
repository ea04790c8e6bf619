"""Odd picture files for the tests, byte by byte: 16-bit PNG, TIFF of any layout, ICC profiles."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import numpy as np
from PIL import Image

# Primaries in XYZ under D50, as in Apple's Display P3 and Adobe RGB (1998).
DISPLAY_P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
ADOBE_RGB = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(levels: np.ndarray, *extra: bytes) -> bytes:
    """(H, W, 1 to 4) uint8 or uint16, unfiltered, with extra chunks before the pixels."""
    height, width, channels = levels.shape
    rows = levels.astype(levels.dtype.newbyteorder(">")).tobytes()
    step = len(rows) // height
    raw = b"".join(b"\0" + rows[i : i + step] for i in range(0, len(rows), step))
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, levels.itemsize * 8, kind, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + body


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no pixels: a decompression bomb."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def tiff(
    pages: np.ndarray | list[np.ndarray],
    order: Literal["<", ">"] = "<",
    photometric: int | None = None,
    extra: int | None = None,
    planar: bool = False,
    orientation: int = 1,
    icc: bytes = b"",
    description: bytes = b"",
) -> bytes:
    """Uncompressed TIFF of (H, W, C) arrays of any number type and byte order."""
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    pages = [pages] if isinstance(pages, np.ndarray) else pages
    for number, page in enumerate(pages):
        height, width, channels = page.shape
        planes = np.moveaxis(page, 2, 0) if planar else page
        raw = np.ascontiguousarray(planes).astype(page.dtype.newbyteorder(order)).tobytes()
        strips = channels if planar else 1
        space = photometric if photometric is not None else (1 if channels < 3 else 2)
        tags: dict[int, tuple[str, list[int] | bytes]] = {
            256: ("I", [width]),
            257: ("I", [height]),
            258: ("H", [page.itemsize * 8] * channels),
            259: ("H", [1]),
            262: ("H", [space]),
            273: ("I", [0] * strips),
            274: ("H", [orientation]),
            277: ("H", [channels]),
            278: ("I", [height]),
            279: ("I", [len(raw) // strips] * strips),
            284: ("H", [2 if planar else 1]),
            339: ("H", [3 if page.dtype.kind == "f" else 1] * channels),
        }
        if description:
            tags[270] = ("s", description + b"\0")
        if extra is not None:
            tags[338] = ("H", [extra])
        if icc:
            tags[34675] = ("B", icc)
        start = len(data)
        behind = start + 2 + 12 * len(tags) + 4
        sizes = {tag: len(v) * {"I": 4, "H": 2, "s": 1, "B": 1}[k] for tag, (k, v) in tags.items()}
        pixels_at = behind + sum(size + size % 2 for size in sizes.values() if size > 4)
        tags[273] = ("I", [pixels_at + i * (len(raw) // strips) for i in range(strips)])
        entries, tail = b"", b""
        for tag, (kind, value) in sorted(tags.items()):
            packed = value if isinstance(value, bytes) else struct.pack(f"{order}{len(value)}{kind}", *value)
            code = {"I": 4, "H": 3, "s": 2, "B": 7}[kind]
            if len(packed) > 4:
                place = struct.pack(order + "I", behind + len(tail))
                tail += packed + b"\0" * (len(packed) % 2)
            else:
                place = packed.ljust(4, b"\0")
            entries += struct.pack(order + "HHI", tag, code, len(value)) + place
        following = pixels_at + len(raw) + len(raw) % 2 if number + 1 < len(pages) else 0
        data += struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", following) + tail
        data += raw + b"\0" * (len(raw) % 2)
    return data


def profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC version 2 profile."""
    offset, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, kind, space, connection).ljust(36, b"\0")
    header = (header + b"acsp").ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def rgb_profile(primaries: list[tuple[float, float, float]], curve: bytes) -> bytes:
    """A matrix of primaries and one tone curve for all three."""
    tags = {b"wtpt": _xyz((0.9642, 1.0, 0.8249))}
    for name, color in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags[name + b"XYZ"] = _xyz(color)
        tags[name + b"TRC"] = curve
    return profile(b"RGB ", b"XYZ ", tags)


def gray_profile(curve: bytes) -> bytes:
    return profile(b"GRAY", b"XYZ ", {b"wtpt": _xyz((0.9642, 1.0, 0.8249)), b"kTRC": curve})


def table_profile(space: bytes, inputs: int, lab: tuple[int, int, int]) -> bytes:
    """A profile by table in which every color but paper white becomes one Lab color (8-bit encoding)."""
    nodes = np.tile(np.array(lab, np.uint8), (2**inputs, 1))
    nodes[0 if space == b"CMYK" else -1] = (255, 128, 128)
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([inputs, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut += identity * inputs + nodes.tobytes() + identity * 3
    return profile(space, b"Lab ", {b"wtpt": _xyz((0.9642, 1.0, 0.8249)), b"A2B0": lut})


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(gamma * 256))


def table_curve(levels: np.ndarray) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">I", len(levels)) + (levels * 65535).round().astype(">u2").tobytes()


def formula_curve(kind: int, *numbers: float) -> bytes:
    """A parametric curve of one of the five kinds of ICC.1:2022, 10.18."""
    fixed = struct.pack(f">{len(numbers)}i", *(round(x * 65536) for x in numbers))
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed


def _xyz(color: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(x * 65536) for x in color))


SRGB_CURVE = formula_curve(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
