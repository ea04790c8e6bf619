"""Generative pieces beside the plain NumPy version of the same formula, in the same run.

    python -m benchmarks.generate --sizes 1024 4096 --pieces reaction noise

Both are timed by turns, and the fastest of each counts: other programs on the machine then slow both alike. A piece is
one small function in `PIECES`: the size -> what artkit does, what NumPy does, and how much work that is. Both give the
same numbers, which is checked first.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import artkit.device

import mlx.core as mx
import numpy as np

from artkit.generate import noises
from artkit.generate.grayscott import STRIDE, GrayScott
from artkit.generate.strokes import raster
from artkit.generate.tiles import TilesOptions, tiles_drawing
from benchmarks.machine import describe


@dataclass(frozen=True)
class Pair:
    """What is compared. Each call does `work` units of it, and gives its result as an array."""

    ours: Callable[[], np.ndarray]
    plain: Callable[[], np.ndarray]
    work: float
    unit: str
    agree: float = 1e-3  # largest difference


def reaction(size: int) -> Pair:
    """Gray–Scott: eight steps of size² cells."""
    rng = np.random.default_rng(0)
    u = rng.random((size, size), np.float32)
    v = 0.4 * rng.random((size, size), np.float32)
    feed, kill = np.float32(0.0545), np.float32(0.062)
    field = GrayScott(mx.array(u), mx.array(v), float(feed), float(kill))
    start = field.u, field.v

    def spread(a: np.ndarray) -> np.ndarray:
        p = np.pad(a, 1, mode="wrap")
        near = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]
        near *= np.float32(0.2)
        far = p[:-2, :-2] + p[:-2, 2:] + p[2:, :-2] + p[2:, 2:]
        far *= np.float32(0.05)
        near += far
        near -= a
        return near

    def plain() -> np.ndarray:
        a, b = u, v
        for _ in range(STRIDE):
            made = a * b
            made *= b
            a, b = (
                a + spread(a) - made + feed * (1 - a),
                b + np.float32(0.5) * spread(b) + made - (feed + kill) * b,
            )
        return b

    def ours() -> np.ndarray:
        field.u, field.v = start
        field.advance(1)
        return np.array(field.v)

    return Pair(ours, plain, STRIDE, "steps/s")


def noise(size: int) -> Pair:
    """FBm of five octaves over size² pixels."""
    axis = np.linspace(-3, 3, size, dtype=np.float32)
    x, y = (np.ascontiguousarray(a) for a in np.meshgrid(axis, axis))
    mx_x, mx_y = mx.array(x), mx.array(y)
    rows = max(1, 2**18 // size)

    def ours() -> np.ndarray:
        from artkit.generate.canvas import band_streams

        streams, bands = band_streams(), []
        for i, top in enumerate(range(0, size, rows)):
            with mx.stream(streams[i % len(streams)]):
                bands.append(noises.fbm(mx_x[top : top + rows], mx_y[top : top + rows], 3))
            if i % len(streams) == len(streams) - 1:
                mx.eval(bands[-len(streams) :])
        mx.eval(bands)
        return np.concatenate([np.asarray(band) for band in bands])

    def plain() -> np.ndarray:
        total, weight, norm = np.zeros_like(x), np.float32(1), 0.0
        a, b = x, y
        for octave in range(5):
            total += weight * _simplex(a, b, 3 + 1013 * octave)
            norm, weight = norm + float(weight), weight * np.float32(0.5)
            a, b = (
                np.float32(2) * (np.float32(0.8) * a - np.float32(0.6) * b) + np.float32(17.3),
                np.float32(2) * (np.float32(0.6) * a + np.float32(0.8) * b) - np.float32(9.1),
            )
        return total / np.float32(norm)

    return Pair(ours, plain, size * size / 1e6, "Mpixel/s", agree=0.01)


def flow(size: int) -> Pair:
    """The field's directions at size²/16 particles: the curl of fBm of two octaves."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-2, 2, (2, size * size // 16)).astype(np.float32)
    mx_x, mx_y = mx.array(x), mx.array(y)

    def ours() -> np.ndarray:
        dx, dy = noises.curl(mx_x, mx_y, 5, 2, 0.4)
        mx.eval(dx, dy)
        return np.stack([np.asarray(dx), np.asarray(dy)])

    def plain() -> np.ndarray:
        c, d = np.float32(0.8), np.float32(0.6)
        finer = 2 * (c * x - d * y) + np.float32(17.3), 2 * (d * x + c * y) - np.float32(9.1)
        _, ax, ay = _simplex(x, y, 5, slope=True)
        _, bx, by = _simplex(*finer, 5 + 1013, slope=True)
        weight = np.float32(0.4 * 2)
        dx = (ax + weight * (c * bx + d * by)) / np.float32(1.4)
        dy = (ay + weight * (c * by - d * bx)) / np.float32(1.4)
        return np.stack([dy, -dx])

    return Pair(ours, plain, size * size / 16e6, "Mparticle steps/s", agree=0.01)


def lines(size: int) -> Pair:
    """The picture of a drawing, as all pieces of lines have it: the default tiles."""
    drawing = tiles_drawing(TilesOptions.checked({"size": size}))
    strokes = [stroke for pen in drawing.pens().values() for stroke in pen]

    def plain() -> np.ndarray:
        canvas = np.broadcast_to(drawing.background.astype(np.float32), (size, size, 3)).copy()
        for stroke in strokes:  # one after the other: the distance of every pixel around it to each segment
            reach = stroke.width / 2 + 1
            low = np.maximum(np.floor(stroke.points.min(axis=0) - reach), 0).astype(int)
            high = np.minimum(np.ceil(stroke.points.max(axis=0) + reach), size).astype(int)
            covered = np.zeros((high[1] - low[1], high[0] - low[0]), np.float32)
            for p, q in itertools.pairwise(stroke.points):
                left, top = np.maximum(np.floor(np.minimum(p, q) - reach), low).astype(int)
                right, bottom = np.minimum(np.ceil(np.maximum(p, q) + reach), high).astype(int)
                y, x = np.mgrid[top:bottom, left:right] + 0.5
                d = q - p
                t = np.clip(((x - p[0]) * d[0] + (y - p[1]) * d[1]) / (d @ d), 0, 1)
                away = np.hypot(x - p[0] - t * d[0], y - p[1] - t * d[1])
                part = covered[top - low[1] : bottom - low[1], left - low[0] : right - low[0]]
                half = stroke.width / 2
                inked = np.minimum(away + 0.5, half) - np.maximum(away - 0.5, -half)
                np.maximum(part, inked, out=part, casting="same_kind")
            part = canvas[low[1] : high[1], low[0] : high[0]]
            part += covered[..., None] * (stroke.color - part)
        return canvas

    return Pair(lambda: np.array(raster(drawing)[0]), plain, drawing.length, "pixels of line", agree=0.3)


PIECES: dict[str, Callable[[int], Pair]] = {"reaction": reaction, "noise": noise, "flow": flow, "lines": lines}


def _simplex(x: np.ndarray, y: np.ndarray, seed: int, slope: bool = False) -> np.ndarray:
    """Simplex noise, and its derivatives, as `artkit.generate.noises` has it, in NumPy."""
    f = np.float32
    skew = (x + y) * f(noises._SKEW)
    cx, cy = np.floor(x + skew), np.floor(y + skew)
    ix, iy = cx.astype(np.int32), cy.astype(np.int32)
    unskew = (cx + cy) * f(noises._UNSKEW)
    x0, y0 = x - cx + unskew, y - cy + unskew
    right = (x0 > y0).astype(np.int32)
    total, dx, dy = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for corner in range(3):
        i, j = [(0, 0), (right, 1 - right), (1, 1)][corner]
        h = (ix + i).astype(np.uint32) * np.uint32(0x8DA6B343) + (iy + j).astype(np.uint32) * np.uint32(0xD8163841)
        h = h + np.uint32(noises._mixed(seed))
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
        c, s = ((h + np.uint32(o)).view(np.int32).astype(np.float32) for o in (0x40000000, 0))
        c, s = (a * (f(noises._STEEP) - f(noises._BENT) * np.abs(a)) for a in (c, s))
        px, py = x0 - i + f(corner * noises._UNSKEW), y0 - j + f(corner * noises._UNSKEW)
        t = np.maximum(f(0.5) - px * px - py * py, f(0))
        dot = c * px + s * py
        total += t**2 * t**2 * dot
        if slope:
            pull = f(-8) * t**2 * t * dot
            dx += t**2 * t**2 * c + pull * px
            dy += t**2 * t**2 * s + pull * py
    if slope:
        return np.stack([f(noises._SCALE) * a for a in (total, dx, dy)])
    return f(noises._SCALE) * total


def compare(pair: Pair, rounds: int) -> tuple[float, float]:
    """Seconds of a call, artkit's and NumPy's: the least of `rounds` by turns. ValueError when they do not agree."""
    difference = np.abs(pair.ours() - pair.plain())
    if not np.quantile(difference, 0.999) <= pair.agree:
        raise ValueError(f"they differ by {difference.max():.3g}")
    times: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        for call, spent in zip((pair.ours, pair.plain), times, strict=True):
            begun = time.perf_counter()
            call()
            spent.append(time.perf_counter() - begun)
    return min(times[0]), min(times[1])


def main() -> None:
    """The table on stdout, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--pieces", nargs="+", choices=list(PIECES), default=list(PIECES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{describe()}; MLX on the {'GPU' if artkit.device.uses_gpu() else 'CPU'}\n")
    print("| piece | size | artkit | NumPy | times as fast |\n|---|---|---|---|---|")
    for name in options.pieces:
        for size in options.sizes:
            pair = PIECES[name](size)
            ours, plain = (pair.work / seconds for seconds in compare(pair, options.rounds))
            print(f"| {name} | {size}² | {ours:,.1f} {pair.unit} | {plain:,.1f} | {ours / plain:.1f} |", flush=True)


if __name__ == "__main__":
    main()
