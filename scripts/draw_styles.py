"""Draw the pictures that artkit's own styles are learned from: python scripts/draw_styles.py FOLDER

Each is a texture of its own hand, 1024×1024 pixels, from a seed: mosaic, ink, cutouts, contours, lanterns and brush.
They are taught to a network like any painting: artkit train many --styles FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

SIZE = 1024
FINE = 2  # drawn twice as large, and reduced: smooth edges


def palette(text: str) -> np.ndarray:
    """Colors, sRGB 0..1, from hexadecimal: two of them are (2, 3)."""
    return np.array([[int(color[n : n + 2], 16) / 255 for n in (0, 2, 4)] for color in text.split()], np.float32)


def noise(rng: np.random.Generator, cells: int, size: int, octaves: int = 3) -> np.ndarray:
    """Smooth noise, (size, size), mean 0 and deviation 1: coarse lattices enlarged, each half as strong as the last."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        lattice = rng.normal(0, 1, (cells * 2**octave + 3,) * 2).astype(np.float32)
        total += cv2.resize(lattice, (size, size), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return (total - total.mean()) / total.std()


def canvas(color: np.ndarray, size: int = SIZE * FINE) -> np.ndarray:
    return np.tile(color, (size, size, 1)).astype(np.float32)


def shades(rng: np.random.Generator, color: np.ndarray, spread: float) -> tuple[float, ...]:
    """The color, a little lighter or darker."""
    return tuple(float(c) for c in np.clip(color * (1 + rng.normal(0, spread)), 0, 1))


def streamline(angle: np.ndarray, start: np.ndarray, steps: int, stride: float) -> np.ndarray:
    """Points that follow a field of angles, (n, 2) as x, y; it ends at the border."""
    points, (x, y) = [], start
    for _ in range(steps):
        if not (0 <= x < angle.shape[1] and 0 <= y < angle.shape[0]):
            break
        points.append((x, y))
        a = angle[int(y), int(x)]
        x, y = x + stride * np.cos(a), y + stride * np.sin(a)
    return np.array(points, np.float32).reshape(-1, 2)


def line(picture: np.ndarray, points: np.ndarray, color: tuple[float, ...], width: int, closed: bool = False) -> None:
    cv2.polylines(picture, [np.round(points * 16).astype(np.int32)], closed, color, width, cv2.LINE_AA, 4)


def mosaic(rng: np.random.Generator) -> np.ndarray:
    """Tesserae in rows, terracotta and sea, with dark grout between them."""
    size, step = SIZE * FINE, 34
    grid = np.stack(np.meshgrid(*[np.arange(step // 2, size, step)] * 2), -1).reshape(-1, 2)
    bend = noise(rng, 3, size)
    sites = grid + rng.normal(0, 0.16 * step, grid.shape)
    sites[:, 0] += 0.5 * step * bend[grid[:, 1], grid[:, 0]]
    x, y = np.clip(sites.round(), 0, size - 1).astype(np.intp).T
    mark = np.full((size, size), 255, np.uint8)
    mark[y, x] = 0
    _, found = cv2.distanceTransformWithLabels(mark, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    label = np.asarray(found, np.intp)
    owner = np.zeros(label.max() + 1, int)
    owner[label[y, x]] = np.arange(len(x))
    colors = palette("0b3954 087e8b bfd7ea f2e8cf e07a5f 9c3d24 e9c46a 2a4d3a")
    regions = np.digitize(noise(rng, 4, size)[y, x] + rng.normal(0, 0.25, len(x)), [-1.2, -0.7, -0.3, 0, 0.4, 0.8, 1.3])
    tiles = colors[regions] * (1 + rng.normal(0, 0.12, (len(x), 1)))
    cell = owner[label]
    picture = tiles[cell].astype(np.float32)
    edges = (np.diff(cell, axis=0, prepend=cell[:1]) != 0) | (np.diff(cell, axis=1, prepend=cell[:, :1]) != 0)
    gap = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, 5)
    picture *= (0.82 + 0.18 * np.clip((gap - 3) / 8, 0, 1))[..., None]  # rounded tiles
    return np.where((gap < 3)[..., None], palette("23201d")[0], picture)


def ink(rng: np.random.Generator) -> np.ndarray:
    """A pen that follows a field, blue-black on cream, pressed harder in some places; a little vermilion."""
    size = SIZE * FINE
    angle = noise(rng, 3, size, 2) * 1.6
    pressure = noise(rng, 5, size)
    picture = canvas(palette("f4ead5")[0])
    for _ in range(5200):
        start = rng.uniform(0, size, 2)
        press = pressure[int(start[1]), int(start[0])]
        if rng.random() > 0.25 + 0.5 / (1 + np.exp(-2.5 * press)):
            continue
        color = palette("c8371f" if press > 1.1 and rng.random() < 0.35 else "141b2d")[0]
        width = int(np.clip(2 + 2.2 * (press + 1), 2, 9))
        line(picture, streamline(angle, start, int(rng.integers(20, 70)), 6), shades(rng, color, 0.05), width)
    return picture


def cutouts(rng: np.random.Generator) -> np.ndarray:
    """Leaves of painted paper, cut with scissors and laid over each other, each with its shadow."""
    size = SIZE * FINE
    colors = palette("f6efe0 1b4db3 f2b705 e4572e 2f8f5b e8a0b4 14213d f6efe0")
    picture = canvas(colors[0])
    for _ in range(420):
        at, reach, turn = rng.uniform(0, size, 2), rng.uniform(50, 210), rng.uniform(0, 2 * np.pi)
        t = np.linspace(0, 2 * np.pi, 160, endpoint=False)
        lobes = rng.integers(3, 8)
        radius = reach * (0.62 + 0.38 * np.cos(lobes * t + rng.uniform(0, 6)) * rng.uniform(0.5, 1))
        outline = np.stack([radius * np.cos(t) * rng.uniform(0.5, 1), radius * np.sin(t)], -1)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        outline = outline @ spin.T + at
        shadow = picture.copy()
        cv2.fillPoly(shadow, [np.round((outline + 7) * 16).astype(np.int32)], (0.05, 0.05, 0.08), cv2.LINE_AA, 4)
        picture = 0.72 * picture + 0.28 * shadow
        color = shades(rng, colors[rng.integers(len(colors))], 0.05)
        cv2.fillPoly(picture, [np.round(outline * 16).astype(np.int32)], color, cv2.LINE_AA, 4)
    gouache = noise(rng, 60, size, 2)[..., None] * 0.02
    return picture * (1 + gouache)


def contours(rng: np.random.Generator) -> np.ndarray:
    """A map of hills in bands of three printing inks, with thin lines between the heights."""
    size = SIZE * FINE
    height = noise(rng, 4, size, 3) * 5
    colors = palette("fdf3e1 ffb997 f67e7d 843b62 0b032d 2d3a8c 3fa7d6 a8e0d1")
    level = np.floor(height).astype(int)
    picture = colors[level % len(colors)]
    slope = np.hypot(*np.gradient(height)) + 1e-6
    near = np.abs(height - np.round(height)) / slope  # pixels to the next line
    edge = np.clip(3.4 - near, 0, 1)[..., None]
    thin = np.clip(1.6 - np.abs(height * 4 - np.round(height * 4)) / (4 * slope), 0, 1)[..., None]
    picture = picture * (1 - 0.35 * thin) + palette("fdf3e1")[0] * 0.35 * thin
    return picture * (1 - edge) + palette("0b032d")[0] * edge


def lanterns(rng: np.random.Generator) -> np.ndarray:
    """Round lights of many sizes at night, larger ones fewer, rings within rings."""
    size = SIZE * FINE
    colors = palette("ffd166 ef476f f78c6b 06d6a0 118ab2 fff1d0 9b5de5")
    picture = canvas(palette("0d1026")[0]) * (1 + 0.25 * noise(rng, 3, size)[..., None])
    free = np.full((size, size), 255, np.uint8)
    free[[0, -1]] = 0
    for radius in (130, 84, 56, 38, 26, 17, 11):
        coarse = radius // 4 + 1  # the room is looked for at a size that suits the lights
        for _ in range(round(0.14 * size**2 / (np.pi * radius**2))):
            room = cv2.distanceTransform(np.ascontiguousarray(free[::coarse, ::coarse]), cv2.DIST_L2, 3) * coarse
            spots = np.argwhere(room > radius * 1.06)
            if not len(spots):
                break
            row, column = (int(n) * coarse for n in spots[rng.integers(len(spots))])
            outer, inner = colors[rng.integers(len(colors), size=2)]
            for part, color in zip((1, 0.72, 0.44, 0.16), (outer, None, inner, None), strict=True):
                shade = (0.05, 0.06, 0.15) if color is None else shades(rng, color, 0.08)
                cv2.circle(picture, (column, row), max(1, int(radius * part)), shade, -1, cv2.LINE_AA)
            cv2.circle(free, (column, row), radius, 0, -1)
    return picture


def brush(rng: np.random.Generator) -> np.ndarray:
    """Short thick strokes with visible bristles along a field, sunset over dark water."""
    size = SIZE * FINE
    angle = noise(rng, 2, size, 2) * 1.3
    warmth = noise(rng, 3, size)
    colors = palette("10263d 1f4e6e 3c7a89 8fb8a8 f2c57c e88d4f c8553d 7a2e3a")
    picture = canvas(colors[0])
    for width in (64, 44, 30):
        for _ in range(round(2.2 * size**2 / (width * width * 5))):
            start = rng.uniform(0, size, 2)
            path = streamline(angle, start, int(rng.integers(8, 14)), width * 0.45)
            if len(path) < 3:
                continue
            tone = warmth[int(start[1]), int(start[0])] * 1.7 + 3.5 + rng.normal(0, 0.9)
            color = colors[int(np.clip(tone, 0, len(colors) - 1))]
            a = angle[int(start[1]), int(start[0])]
            across = np.array([-np.sin(a), np.cos(a)], np.float32)
            for offset in np.linspace(-0.5, 0.5, 9):
                ragged = path[rng.integers(0, 2) : len(path) - rng.integers(0, 2)]
                line(picture, ragged + across * offset * width, shades(rng, color, 0.11), width // 7 + 1)
    return picture


DRAWINGS: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (mosaic, ink, cutouts, contours, lanterns, brush)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, draw in enumerate(DRAWINGS):
        picture = cv2.resize(draw(np.random.default_rng(seed)), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{draw.__name__}.jpg"), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        print(folder / f"{draw.__name__}.jpg", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
