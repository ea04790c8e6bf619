"""Generative pieces beside the plain NumPy version of the same formula, in the same run.

    python -m benchmarks.generate --sizes 1024 4096 --pieces reaction noise

Both are timed by turns, and the fastest of each counts: other programs on the machine then slow both alike. A piece is
one small function in `PIECES`: the size -> what artkit does, what NumPy does, and how much work that is. Both give the
same numbers, which is checked first. On a GPU, artkit does its part often enough in a row to be timed.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import artkit.device as device

import mlx.core as mx
import numpy as np

from artkit.generate import canvas, noises
from artkit.generate.attractor import ORBITS as ATTRACTOR_ORBITS
from artkit.generate.attractor import Brush, Frame
from artkit.generate.canvas import band_streams
from artkit.generate.cells import NEVER, Cells
from artkit.generate.cppn import CppnOptions, Painting
from artkit.generate.crews import CREWS, at_once
from artkit.generate.escape import Formula, follow, freeze, together
from artkit.generate.fields import NoiseField, traced
from artkit.generate.grayscott import STRIDE, GrayScott
from artkit.generate.lenia import LENIA, Lenia, ring_kernel
from artkit.generate.orbits import KINDS, begin
from artkit.generate.strokes import raster
from artkit.generate.tiles import TilesOptions, tiles_drawing
from benchmarks.machine import describe

LONG_ENOUGH = 0.3  # seconds that a GPU is timed for
LIMIT = 500  # iterations of the Mandelbrot set
GENERATIONS = 10
ORBITS = 2**15  # of an attractor, in NumPy


@dataclass(frozen=True)
class Pair:
    """What is compared. Each call does `work` units of it, and gives its result as an array.

    ours: told how many times, it does them one after the other, and gives the result of the last (where each goes on
    from the one before, of all).
    """

    ours: Callable[[int], np.ndarray]
    plain: Callable[[], np.ndarray]
    work: float
    unit: str
    agree: float = 1e-3  # largest difference
    share: float = 0.999  # of the values that agree; rounding grows without bound where things are chaotic


def again(once: Callable[[], Sequence[mx.array]]) -> Callable[[int], np.ndarray]:
    """What draws a thing so many times, each evaluated while the next is told, and gives the last one's parts."""

    def ours(times: int) -> np.ndarray:
        parts: Sequence[mx.array] = ()
        for _ in range(times):
            parts = once()
            mx.async_eval(parts)
        return np.concatenate([np.array(part) for part in parts])

    return ours


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

    def ours(times: int) -> np.ndarray:
        field.u, field.v = start
        field.advance(times)
        return np.array(field.v)

    return Pair(ours, plain, STRIDE, "steps/s")


def noise(size: int) -> Pair:
    """FBm of five octaves over size² pixels."""
    axis = np.linspace(-3, 3, size, dtype=np.float32)
    x, y = (np.ascontiguousarray(a) for a in np.meshgrid(axis, axis))
    mx_x, mx_y = mx.array(x), mx.array(y)
    rows = max(1, 2**18 // size)

    def once() -> Sequence[mx.array]:
        return _banded(size, rows, lambda top, bottom: noises.fbm(mx_x[top:bottom], mx_y[top:bottom], 3))

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

    return Pair(again(once), plain, size * size / 1e6, "Mpixel/s", agree=0.01)


def _banded(size: int, rows: int, draw: Callable[[int, int], mx.array]) -> list[mx.array]:
    """A canvas drawn in bands of rows, one a stream at a time."""
    streams, bands = band_streams(), []
    for i, top in enumerate(range(0, size, rows)):
        with mx.stream(streams[i % len(streams)]):
            bands.append(draw(top, min(size, top + rows)))
        if i % len(streams) == len(streams) - 1:
            mx.eval(bands[-len(streams) :])
    return bands


def flow(size: int) -> Pair:
    """Two steps of size²/16 particles either way through the curl of fBm of two octaves."""
    starts = np.random.default_rng(0).uniform(-2, 2, (size * size // 16, 2)).astype(np.float32)
    field, length, points = NoiseField(1.0, 2, 5), 0.2, 5

    def ours(times: int) -> np.ndarray:
        return [traced(field, starts, length, points) for _ in range(times)][-1]

    def direction(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        c, d = np.float32(0.8), np.float32(0.6)
        finer = 2 * (c * x - d * y) + np.float32(17.3), 2 * (d * x + c * y) - np.float32(9.1)
        _, ax, ay = _simplex(x, y, 5, slope=True)
        _, bx, by = _simplex(*finer, 5 + 1013, slope=True)
        weight = np.float32(0.4 * 2)
        dx = (ax + weight * (c * bx + d * by)) / np.float32(1.4)
        dy = (ay + weight * (c * by - d * bx)) / np.float32(1.4)
        return np.stack([dy, -dx]) / np.sqrt(np.maximum(dx * dx + dy * dy, np.float32(1e-12)))

    def plain() -> np.ndarray:
        halves, step = [], np.float32(length / (points - 1))
        for sense in (-1, 1):
            at, places = starts.T, []
            way = np.float32(sense) * direction(*at)
            for _ in range(points // 2):
                new = direction(*(at + np.float32(0.5) * step * way))
                way = new * np.where((way * new).sum(axis=0) < 0, np.float32(-1), np.float32(1))
                at = at + step * way
                places.append(at.T)
            halves.append(places)
        return np.stack([*reversed(halves[0]), starts, *halves[1]], axis=1)

    return Pair(ours, plain, (points - 1) * size * size / 16e6, "Mparticle steps/s", agree=0.01)


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

    return Pair(again(lambda: [raster(drawing)[0]]), plain, drawing.length, "pixels of line/s", agree=0.3)


def mandelbrot(size: int) -> Pair:
    """The whole set: after how many iterations points escape, in strides of the formula's."""
    formula = Formula()
    x, y = (part.reshape(-1) * 1.25 for part in canvas.grid(size, size))
    x = x - 0.7
    mx.eval(x, y)
    stride, radius, tile = formula.stride, formula.radius, 2**16

    def once() -> np.ndarray:
        if device.uses_gpu():
            return np.array(freeze(formula.start(x, y), formula.kernel(True), stride, LIMIT, radius).count)
        tiles = [slice(at, at + tile) for at in range(0, x.size, tile)]
        jobs = (follow(formula.start(x[t], y[t]), formula.leap(False), stride, LIMIT, radius) for t in tiles)
        done = dict(together(jobs, device.CPU_STREAMS))
        return np.concatenate([done[k].count for k in range(len(tiles))])

    def ours(times: int) -> np.ndarray:
        return [once() for _ in range(times)][-1]

    cx, cy = np.array(x), np.array(y)

    def plain() -> np.ndarray:
        x, y, count, free = np.zeros_like(cx), np.zeros_like(cx), np.zeros_like(cx), np.ones_like(cx, bool)
        for _ in range(LIMIT):
            x2, y2 = x * x, y * y
            free = x2 + y2 <= radius**2
            count += free
            x, y = np.where(free, x2 - y2 + cx, x), np.where(free, 2 * x * y + cy, y)
            if not free.any():
                break
        return np.where(free, 0, np.ceil(count / stride) * stride)

    return Pair(ours, plain, size * size / 1e6, "Mpixel/s", agree=0, share=0.995)


def lenia(size: int) -> Pair:
    """Ten steps of Lenia, and what cells were lately."""
    creature = LENIA["orbium"]
    cells = np.random.default_rng(0).random((size, size)).astype(np.float32)
    kernel = np.fft.rfft2(ring_kernel(size, size, creature.radius, creature.rings)).astype(np.complex64)

    world, array = Lenia(cells, creature, 30), mx.array if device.uses_gpu() else np.array

    def ours(times: int) -> np.ndarray:
        world.cells, world.trace = array(cells), array(cells)
        for _ in range(GENERATIONS * times):
            world.onward()
            mx.async_eval(*world.arrays)
        return np.array(world.trace)

    def plain() -> np.ndarray:
        now = trace = cells
        for _ in range(GENERATIONS):
            potential = np.fft.irfft2(np.fft.rfft2(now) * kernel, now.shape).astype(np.float32)
            near = np.maximum(1 - ((potential - creature.center) * np.float32(1 / (3 * creature.width))) ** 2, 0) ** 2
            rate = 2 * near * near - 1
            now = np.clip(now + rate / np.float32(creature.time), 0, 1)
            trace = np.maximum(trace * np.float32(0.5 ** (1 / 30)), now)
        return trace

    return Pair(ours, plain, GENERATIONS, "steps/s")


def life(size: int) -> Pair:
    """Ten steps of Life, with how long cells have lived, or not lived."""
    cells = np.random.default_rng(0).integers(0, 2, (size, size)).astype(np.uint8)

    world, array = Cells(cells, "B3/S23", 30), mx.array if device.uses_gpu() else np.array
    first = array(world.alive), array(world.steady)

    def ours(times: int) -> np.ndarray:
        world.alive, world.steady = map(array, first)
        for _ in range(GENERATIONS * times):
            world.onward()
            mx.async_eval(*world.arrays)
        return np.array(world.steady)

    def plain() -> np.ndarray:
        now, steady, one = cells, np.where(cells, 1, NEVER).astype(np.uint16), np.uint16(1)
        law = np.array([n == 3 for n in range(9)] + [n in (2, 3) for n in range(9)], np.uint8)
        for _ in range(GENERATIONS):
            rows = now + np.roll(now, 1, 0) + np.roll(now, -1, 0)
            around = rows + np.roll(rows, 1, 1) + np.roll(rows, -1, 1) - now
            before, now = now, law[around + 9 * now]
            steady = np.minimum(steady, NEVER - 1) * (now == before) + one
        return steady

    return Pair(ours, plain, GENERATIONS, "steps/s", agree=0)


def attractor(size: int) -> Pair:
    """Points of a Clifford attractor, counted by pixel with the sums of their speeds; compared in 16×16 blocks."""
    kind = KINDS["clifford"]
    parameters, scale, middle = kind.first, size / 5, size / 2
    brush = Brush(kind, parameters, 0.0, Frame(scale, (middle, middle)), size, size)
    many = begin(kind, 2**20, 0)
    for _ in range(kind.warm_up):
        many = kind.onward(*many, *parameters)
    falls = max(128, size**2 // ORBITS)
    start = tuple(part[:ORBITS] for part in many)  # what NumPy does best
    crews = [tuple(part[k::CREWS][: ATTRACTOR_ORBITS[False]] for part in many) for k in range(CREWS)]

    def blocks(counts: np.ndarray) -> np.ndarray:
        return counts.reshape(16, size // 16, 16, size // 16).sum(axis=(1, 3)) / counts.sum()

    def there(times: int) -> np.ndarray:
        point, counts = tuple(mx.array(part) for part in many), mx.zeros(size * size)
        for _ in range(times):
            point, more, _ = brush.fall_there(point, ORBITS * falls // len(many[0]))
            counts = counts + more
        return blocks(np.array(counts))

    def here(times: int) -> np.ndarray:
        counts, paces = np.zeros((2, size * size), np.float32)
        steps = ORBITS * falls // sum(len(point[0]) for point in crews)
        for _ in range(times):
            for _, packed in at_once(brush.fall_here, crews, [steps] * CREWS):
                packed.add_to(counts, paces)
        return blocks(counts)

    def plain() -> np.ndarray:
        a, b, c, d = (np.float32(p) for p in parameters)
        x, y = start
        places, paces = [], []
        for _ in range(falls):
            before, (x, y) = (x, y), (np.sin(a * y) + c * np.cos(a * x), np.sin(b * x) + d * np.cos(b * y))
            paces.append(np.sqrt((x - before[0]) ** 2 + (y - before[1]) ** 2))
            places.append((middle - y * scale).astype(np.int64) * size + (x * scale + middle).astype(np.int64))
        at = np.concatenate(places)
        counts, _ = np.bincount(at, minlength=size**2), np.bincount(at, np.concatenate(paces), size**2)
        return blocks(counts)

    return Pair(there if device.uses_gpu() else here, plain, ORBITS * falls / 1e6, "Mpoint/s")


def cppn(size: int) -> Pair:
    """What a pattern network gives at every pixel, in bands."""
    painting = Painting.of(CppnOptions())
    network, latent = painting.network, np.array(painting.latent)
    weights, biases = ([np.array(part) for part in parts] for parts in (network.weights, network.biases))
    rows = max(1, 2**16 // size)

    def once() -> Sequence[mx.array]:
        def draw(top: int, bottom: int) -> mx.array:
            return network(*canvas.grid(size, size, top, bottom), painting.latent)

        return _banded(size, rows, draw)

    def plain() -> np.ndarray:
        bands = []
        for top in range(0, size, rows):
            x, y = (np.array(part) for part in canvas.grid(size, size, top, min(size, top + rows)))
            h = np.stack([x, y, np.hypot(x, y)], axis=-1) @ weights[0][:3] + (latent @ weights[0][3:] + biases[0])
            for weight, bias in zip(weights[1:], biases[1:], strict=True):
                a, b, c = np.split(h, 3, axis=-1)
                wave = np.sin(np.float32(np.pi / 2) * b)
                h = np.concatenate([a / np.sqrt(1 + a * a), wave, 2 / (1 + c * c) - 1], axis=-1) @ weight + bias
            bands.append(np.tanh(h))
        return np.concatenate(bands)

    return Pair(again(once), plain, size * size / 1e6, "Mpixel/s", agree=0.05)


PIECES: dict[str, Callable[[int], Pair]] = {
    "reaction": reaction,
    "life": life,
    "lenia": lenia,
    "fractal": mandelbrot,
    "attractor": attractor,
    "flow": flow,
    "noise": noise,
    "cppn": cppn,
    "lines": lines,
}


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
    difference = np.abs(pair.ours(1) - pair.plain())
    if not np.quantile(difference, pair.share) <= pair.agree:
        raise ValueError(f"they differ by {difference.max():.3g}")
    times = max(1, round(LONG_ENOUGH / _seconds(lambda: pair.ours(1)))) if device.uses_gpu() else 1
    ours, plain = [], []
    for _ in range(rounds):
        ours.append(_seconds(lambda: pair.ours(times)) / times)
        plain.append(_seconds(pair.plain))
    return min(ours), min(plain)


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def main() -> None:
    """The table on stdout, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--pieces", nargs="+", choices=list(PIECES), default=list(PIECES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{describe()}; MLX on the {'GPU' if device.uses_gpu() else 'CPU'}\n")
    print("| piece | size | artkit | NumPy | times as fast |\n|---|---|---|---|---|")
    for name in options.pieces:
        for size in options.sizes:
            pair = PIECES[name](size)
            ours, plain = (pair.work / seconds for seconds in compare(pair, options.rounds))
            print(f"| {name} | {size}² | {ours:,.1f} {pair.unit} | {plain:,.1f} | {ours / plain:.1f} |", flush=True)


if __name__ == "__main__":
    main()
