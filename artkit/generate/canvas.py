"""The ground that generative pieces are drawn on: size, coordinates, densities, supersampling, memory.

A canvas is W×H pixels. Pixel coordinates run to the right and down, pixel (i, j) covers [i, i+1) × [j, j+1). Plane
coordinates (`grid`) have their origin in the middle, x to the right, y upwards; the shorter edge spans -1..1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple

import artkit.device as device

import mlx.core as mx
import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from artkit.contract import DeviceError, Options, Step
from artkit.limits import available_memory
from artkit.stylize.options import Bytes

SMALLEST, LARGEST = 16, 16_384  # pixels of an edge


class Size(NamedTuple):
    """Width and height in pixels; written 1024x768."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_size(value: object) -> object:
    """1024 or "1024" -> 1024x1024; "1024x768" or "1024×768" -> 1024x768; pairs pass through."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value)
    elif isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+)\s*(?:[x×*,]\s*(\d+)\s*)?", value.lower())
        if not match:
            raise ValueError("should be pixels such as 1024 or 1024x768")
        value = (int(match[1]), int(match[2] or match[1]))
    if isinstance(value, list | tuple) and not all(
        isinstance(edge, int) and SMALLEST <= edge <= LARGEST for edge in value
    ):
        raise ValueError(f"each edge should be {SMALLEST} to {LARGEST} pixels")
    return value


class CanvasOptions(Options):
    """What every piece has."""

    size: Annotated[Size, BeforeValidator(parse_size)] = Field(
        default=Size(1024, 1024), description="Width x height in pixels, or one number for a square"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of every random draw")
    palette: str = Field(default="ember", description="Name, a picture file to take colors from, or #hex,#hex,…")
    supersample: int = Field(default=1, ge=1, le=4, description="Drawn this many times larger, then averaged down")
    max_memory: Bytes = Field(
        default=0, ge=0, description="Memory to stay under, such as 4GB (0: half of what is free)"
    )

    @field_validator("palette")
    @classmethod
    def _known_palette(cls, name: str) -> str:
        from artkit.generate.palettes import check_name

        return check_name(name)

    @property
    def width(self) -> int:
        """Pixels of the finished picture."""
        return self.size.width

    @property
    def height(self) -> int:
        """Pixels of the finished picture."""
        return self.size.height


def grid(width: int, height: int, top: int = 0, bottom: int | None = None) -> tuple[mx.array, mx.array]:
    """Plane coordinates (x, y) of the pixels' middles, (H, W) each; of the rows top..bottom only, if given."""
    shorter = min(width, height)
    x = (2 * mx.arange(width, dtype=mx.float32) + (1 - width)) / shorter
    y = ((height - 1) - 2 * mx.arange(top, height if bottom is None else bottom, dtype=mx.float32)) / shorter
    shape = (y.shape[0], width)
    return mx.broadcast_to(x[None, :], shape), mx.broadcast_to(y[:, None], shape)


def to_pixels(x: mx.array, y: mx.array, width: int, height: int) -> mx.array:
    """Plane coordinates (N,), (N,) -> pixel coordinates (N, 2), for `splat`."""
    half = min(width, height) / 2
    return mx.stack([x * half + width / 2, height / 2 - y * half], axis=-1)


def splat(points: mx.array, weights: mx.array, width: int, height: int) -> mx.array:
    """What the points add up to in each pixel: (N, 2), (N,) or (N, C) -> (H, W) or (H, W, C) float32.

    points: pixel coordinates (x, y); those outside the canvas, and NaN, count nowhere. Up to 2²⁴ a pixel are exact.
    """
    x, y = points[:, 0], points[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    at = mx.where(inside, mx.floor(y).astype(mx.int32) * width + mx.floor(x).astype(mx.int32), width * height)
    density = mx.zeros((width * height + 1, *weights.shape[1:]), mx.float32).at[at].add(weights.astype(mx.float32))
    return density[:-1].reshape(height, width, *weights.shape[1:])


def average_down(image: mx.array, factor: int) -> mx.array:
    """(H·f, W·f, 3) sRGB -> (H, W, 3): each pixel the mean of f×f, in linear light, as a camera or the eye adds up."""
    if factor == 1:
        return image
    H, W, C = image.shape[0] // factor, image.shape[1] // factor, image.shape[2]
    return from_linear(to_linear(image).reshape(H, factor, W, factor, C).mean(axis=(1, 3)))


def to_linear(srgb: mx.array) -> mx.array:
    """SRGB -> linear light (IEC 61966-2-1), any shape, 0..1."""
    return mx.where(srgb <= 0.04045, srgb / 12.92, ((mx.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 2.4)


def from_linear(linear: mx.array) -> mx.array:
    """Linear light -> sRGB, any shape, 0..1."""
    return mx.where(linear <= 0.0031308, linear * 12.92, 1.055 * mx.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def dither(image: mx.array, seed: int) -> mx.array:
    """Smooth gradients without bands once they are 8-bit: triangular noise of ±1/255, (H, W, C) -> the same."""
    a, b = mx.random.split(mx.random.key(seed))
    noise = mx.random.uniform(shape=image.shape, key=a) - mx.random.uniform(shape=image.shape, key=b)
    return mx.clip(image + noise / 255, 0, 1)


def memory_for(options: CanvasOptions) -> int:
    """Bytes the canvas may take."""
    if options.max_memory:
        return options.max_memory
    return device.memory_budget() if device.uses_gpu() else available_memory() // 2


def check_memory(options: CanvasOptions, bytes_per_pixel: float) -> None:
    """DeviceError, saying what fits, when the canvas needs more memory than it may take.

    bytes_per_pixel: the most that the piece holds at once for each pixel of the finished picture.
    """
    budget, pixels = memory_for(options), options.width * options.height
    if (needed := pixels * bytes_per_pixel) <= budget:
        return
    scale = math.sqrt(budget / needed)
    fits = Size(max(SMALLEST, int(options.width * scale)), max(SMALLEST, int(options.height * scale)))
    raise DeviceError(
        f"a canvas of {options.size} needs {needed / 1e9:.1f} GB, over the {budget / 1e9:.1f} GB it may take; "
        f"--size {fits} fits, or --max-memory {math.ceil(needed / 1e8) / 10:g}GB allows it"
    )


def band_streams() -> list[mx.Stream]:
    """Where bands of a picture are worked on side by side: MLX runs a stream of the CPU on one core."""
    if device.uses_gpu():
        return [mx.default_stream(mx.gpu)]
    return [mx.new_stream(mx.cpu) for _ in range(device.CPU_STREAMS)]


FINISHED_BYTES = 40  # a pixel: the float32 picture in MLX and in NumPy, its clipped copy, 8 bits on the way to the file
BAND_PIXELS = 2**20  # drawn at a time


def shaded(
    options: CanvasOptions, shade: Callable[[mx.array, mx.array], mx.array], *, dithered: bool = True
) -> Iterator[Step]:
    """The steps of a piece in which a pixel depends on its place alone, in bands of rows: any size in little memory.

    shade: plane coordinates x, y, (h, W) each -> sRGB (h, W, 3). It sees the supersampled grid. On the CPU two or more
    bands are worked on at once.
    """
    check_memory(options, FINISHED_BYTES)
    factor = options.supersample
    width, height = options.width * factor, options.height * factor
    rows = max(1, BAND_PIXELS // (4 if not device.uses_gpu() else 1) // width // factor) * factor
    bands = [(top, min(top + rows, height)) for top in range(0, height, rows)]
    streams = band_streams()
    picture = np.zeros((options.height, options.width, 3), np.float32)
    shown = max(1, len(bands) // 12)  # pictures on the way
    for first in range(0, len(bands), len(streams)):
        together = list(zip(bands[first : first + len(streams)], streams, strict=False))
        images = []
        for (top, bottom), stream in together:
            with mx.stream(stream):
                image = average_down(shade(*grid(width, height, top, bottom)), factor)
                images.append(dither(image, options.seed + top) if dithered else mx.clip(image, 0, 1))
        mx.eval(images)
        for ((top, bottom), _), image in zip(together, images, strict=True):
            picture[top // factor : bottom // factor] = np.asarray(image)
        done = first + len(together)
        if done == len(bands) or (first // len(streams)) % shown == shown - 1:
            image = mx.array(picture[None])
            mx.eval(image)
            yield Step(image, done, len(bands))
