"""How fast fractals, life, attractors and pattern networks are drawn, beside plain NumPy of the same formula.

    python benchmarks/forms.py [--size 1024] [--rounds 3]

Both sides take turns in one run; the best of each counts. NumPy works in float32 throughout, on whole arrays, as one
would write it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import artkit.device as device

import mlx.core as mx
import numpy as np

from artkit.generate import canvas
from artkit.generate.attractor import KINDS, Brush, Frame
from artkit.generate.cells import Cells
from artkit.generate.cppn import CppnOptions, Painting
from artkit.generate.escape import Formula, follow, freeze, together
from artkit.generate.life import LENIA, Lenia, ring_kernel

LIMIT = 500  # iterations of the Mandelbrot set
Pair = tuple[Callable[[], object], Callable[[], object]]


def mandelbrot(size: int) -> Pair:
    """The whole set: smooth counts of every point."""
    formula = Formula()
    x, y = (part.reshape(-1) * 1.25 for part in canvas.grid(size, size))
    x = x - 0.7
    mx.eval(x, y)

    def ours() -> None:
        if device.uses_gpu():
            freeze(formula.start(x, y), formula.kernel(True), formula.stride, LIMIT, formula.radius)
            return
        tile = 2**16
        jobs = (
            follow(
                formula.start(x[at : at + tile], y[at : at + tile]),
                formula.leap(False),
                formula.stride,
                LIMIT,
                formula.radius,
            )
            for at in range(0, x.size, tile)
        )
        for _ in together(jobs, device.CPU_STREAMS):
            pass

    cx, cy = np.array(x), np.array(y)

    def plain() -> np.ndarray:
        x, y, count = np.zeros_like(cx), np.zeros_like(cx), np.zeros_like(cx)
        for _ in range(LIMIT):
            x2, y2 = x * x, y * y
            free = x2 + y2 <= formula.radius**2
            count += free
            x, y = np.where(free, x2 - y2 + cx, x), np.where(free, 2 * x * y + cy, y)
            if not free.any():
                break
        return count

    return ours, plain


def lenia(size: int) -> Pair:
    """Ten steps of Lenia."""
    creature = LENIA["orbium"]
    cells = np.random.default_rng(0).random((size, size)).astype(np.float32)
    kernel = np.fft.rfft2(ring_kernel(size, size, creature.radius, creature.rings)).astype(np.complex64)

    def ours() -> None:
        world = Lenia(cells, creature, 30)
        for _ in range(10):
            world.onward()
            mx.async_eval(*world.arrays)
        mx.eval(*world.arrays)

    def plain() -> np.ndarray:
        now = trace = cells
        for _ in range(10):
            potential = np.fft.irfft2(np.fft.rfft2(now) * kernel, now.shape).astype(np.float32)
            near = np.maximum(1 - ((potential - creature.center) * np.float32(1 / (3 * creature.width))) ** 2, 0) ** 2
            rate = 2 * near * near - 1
            now = np.clip(now + rate / np.float32(creature.time), 0, 1)
            trace = np.maximum(trace * np.float32(0.98), now)
        return trace

    return ours, plain


def life(size: int) -> Pair:
    """Ten steps of Life, with ages and traces."""
    cells = np.random.default_rng(0).integers(0, 2, (size, size)).astype(np.uint8)

    def ours() -> None:
        world = Cells(cells, "B3/S23", 30)
        for _ in range(10):
            world.onward()
            mx.async_eval(*world.arrays)
        mx.eval(*world.arrays)

    def plain() -> np.ndarray:
        now, age, trace = cells, cells.astype(np.float32), cells.astype(np.float32)
        law = np.array([n == 3 for n in range(9)] + [n in (2, 3) for n in range(9)], np.uint8)
        for _ in range(10):
            rows = now + np.roll(now, 1, 0) + np.roll(now, -1, 0)
            around = rows + np.roll(rows, 1, 1) + np.roll(rows, -1, 1) - now
            now = law[around + 9 * now]
            age = (age + 1) * now
            trace = np.maximum(trace * np.float32(0.98), now)
        return trace

    return ours, plain


def attractor(size: int) -> Pair:
    """Four million points of a Clifford attractor, counted by pixel with the sums of their speeds."""
    kind, orbits, steps = KINDS["clifford"], 2**15, 128
    parameters, scale, middle = kind.first, size / 5, size / 2
    brush = Brush(kind, parameters, 0.0, Frame(scale, (middle, middle)), size, size)
    begin = np.random.default_rng(0).uniform(-1, 1, (2, orbits)).astype(np.float32)
    crews = device.CPU_STREAMS

    def ours() -> None:
        if device.uses_gpu():
            brush.fall_there(tuple(mx.array(part) for part in begin), steps)
            return
        with ThreadPoolExecutor(crews) as pool:
            list(
                pool.map(
                    brush.fall_here, [tuple(part[k::crews] for part in begin) for k in range(crews)], [steps] * crews
                )
            )

    def plain() -> tuple[np.ndarray, np.ndarray]:
        a, b, c, d = (np.float32(p) for p in parameters)
        x, y = begin
        places, paces = [], []
        for _ in range(steps):
            before, (x, y) = (x, y), (np.sin(a * y) + c * np.cos(a * x), np.sin(b * x) + d * np.cos(b * y))
            paces.append(np.sqrt((x - before[0]) ** 2 + (y - before[1]) ** 2))
            places.append((y * scale + middle).astype(np.int64) * size + (x * scale + middle).astype(np.int64))
        at = np.concatenate(places)
        return np.bincount(at, minlength=size**2), np.bincount(at, np.concatenate(paces), size**2)

    return ours, plain


def cppn(size: int) -> Pair:
    """The outputs of a pattern network, in bands."""
    painting = Painting.of(CppnOptions())
    network, latent = painting.network, np.array(painting.latent)
    weights, biases = ([np.array(part) for part in parts] for parts in (network.weights, network.biases))
    rows = max(1, 2**16 // size)

    def ours() -> None:
        streams = [mx.default_stream(mx.default_device())]
        if not device.uses_gpu():
            streams = [mx.new_stream(mx.cpu) for _ in range(device.CPU_STREAMS)]
        waiting = []
        for k, top in enumerate(range(0, size, rows)):
            with mx.stream(streams[k % len(streams)]):
                waiting.append(network(*canvas.grid(size, size, top, min(size, top + rows)), painting.latent))
            if len(waiting) == len(streams):
                mx.eval(waiting)
                waiting = []
        mx.eval(waiting)

    def plain() -> None:
        for top in range(0, size, rows):
            x, y = (np.array(part) for part in canvas.grid(size, size, top, min(size, top + rows)))
            h = np.stack([x, y, np.hypot(x, y)], axis=-1) @ weights[0][:3] + (latent @ weights[0][3:] + biases[0])
            for weight, bias in zip(weights[1:], biases[1:], strict=True):
                a, b, c = np.split(h, 3, axis=-1)
                wave = np.sin(np.float32(np.pi / 2) * b)
                h = np.concatenate([a / np.sqrt(1 + a * a), wave, 2 / (1 + c * c) - 1], axis=-1) @ weight + bias
            np.tanh(h)

    return ours, plain


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(f"{'':12} {'artkit':>9} {'NumPy':>9}  ratio   ({given.size}², seconds, best of {given.rounds})")
    for make in (mandelbrot, lenia, life, attractor, cppn):
        sides = make(given.size)
        best = [float("inf")] * 2
        for _ in range(given.rounds + 1):  # the first warms up
            for side, work in enumerate(sides):
                start = time.perf_counter()
                work()
                best[side] = min(best[side], time.perf_counter() - start)
        print(f"{make.__name__:12} {best[0]:9.3f} {best[1]:9.3f} {best[1] / best[0]:6.1f}", flush=True)


if __name__ == "__main__":
    main()
