"""Escape-time iteration of z -> z^p + c and its relatives, for many points at once.

Points are followed `stride` iterations at a time by one fused kernel without a test inside; between kernels, points
that have left are written down and the rest are moved together, so that only living points cost anything. The smooth
count does not depend on which iteration after the escape it is taken at, so a test every few iterations is enough.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import artkit.device as device

import mlx.core as mx
import numpy as np

from artkit.generate.arrays import library

State = tuple[mx.array, ...]
Kernel = Callable[..., State]  # the arrays of a state -> those `stride` iterations on
Leap = Callable[[State], Generator[None, None, State]]  # the same on the CPU; yields while a kernel runs
FormulaName = Literal["mandelbrot", "julia", "ship"]
TrapName = Literal["point", "cross", "circle"]

FEW = 8192  # points
LARGEST = 110  # log2 of the largest |z| that may come up between two tests; float32 ends at 2^128


@dataclass(frozen=True)
class Formula:
    """z -> z^power + c ("ship": of |Re z| + i|Im z|), with what is written down on the way.

    The state is (x, y, cx, cy), then (dx, dy) with `slope`, then the nearest approach with `trap`, each (N,).
    slope: the derivative of z by the pixel (by c; by the first z for "julia"), for distances and relief.
    trap: what the nearest approach of the orbit is measured to: the origin, the two axes, or the unit circle.
    """

    name: FormulaName = "mandelbrot"
    power: int = 2
    slope: bool = False
    trap: TrapName | None = None

    @property
    def radius(self) -> float:
        """A point with |z| beyond this has escaped: far enough out that c hardly matters, 64 for z² + c."""
        return 2 ** (12 / self.power)

    @property
    def stride(self) -> int:
        """Iterations between two tests: |z| just below `radius` before them is still finite after them."""
        growth = math.log(LARGEST / (12 / self.power), self.power)
        return max(1, math.floor(growth + 1e-9))

    def start(self, x: mx.array, y: mx.array, c: complex = 0j) -> State:
        """The state before the first iteration. x, y: points of the plane, (N,). c: the constant, for "julia"."""
        zero, one = mx.zeros_like(x), mx.ones_like(x)
        julia = self.name == "julia"
        state = (x, y, one * c.real, one * c.imag) if julia else (zero, zero, x, y)
        slope = ((one, zero) if julia else (zero, zero)) if self.slope else ()
        return (*state, *slope, *([one * 1e9] if self.trap else []))

    def kernel(self, compiled: bool) -> Kernel:
        """`stride` iterations. compiled: fused into one; on the CPU a compiler takes seconds for it, once a machine."""
        return _fused(self) if compiled else functools.partial(_iterate, self)

    def leap(self, compiled: bool) -> Leap:
        """`stride` iterations, for `follow`. Few points are NumPy's, which begins sooner with them than MLX."""
        kernel = self.kernel(compiled)

        def leap(state: State) -> Generator[None, None, State]:
            if state[0].size <= FEW:
                few: Any = tuple(np.array(array, copy=False) for array in state)
                with np.errstate(over="ignore", invalid="ignore"):
                    return _iterate(self, *few)
            state = kernel(*state)
            mx.async_eval(state)
            yield
            return state

        return leap

    def once(self, x: mx.array, y: mx.array, cx: mx.array, cy: mx.array, *more: mx.array) -> State:
        """The state one iteration on."""
        rest = list(more)
        if self.slope:
            rest[:2] = self._slope(x, y, *rest[:2])
        if self.name == "ship":
            x, y = mx.abs(x), mx.abs(y)
        px, py = _power(x, y, self.power)
        x, y = px + cx, py + cy
        if self.trap:
            rest[-1] = library(x).minimum(rest[-1], approach(self.trap, x, y))
        return (x, y, cx, cy, *rest)

    def _slope(self, x: mx.array, y: mx.array, dx: mx.array, dy: mx.array) -> tuple[mx.array, mx.array]:
        """d(z^p + c) = p z^(p-1) dz + 1; for "ship" the parts change sign with those of z first."""
        if self.name == "ship":
            dx, dy = dx * library(x).sign(x), dy * library(y).sign(y)
            x, y = mx.abs(x), mx.abs(y)
        ax, ay = _power(x, y, self.power - 1)
        ax, ay = ax * self.power, ay * self.power
        own = 0.0 if self.name == "julia" else 1.0
        return ax * dx - ay * dy + own, ax * dy + ay * dx


def _power(x: mx.array, y: mx.array, power: int) -> tuple[mx.array, mx.array]:
    """Real and imaginary part of (x + iy)^power."""
    if power == 1:
        return x, y
    if power == 2:
        return (x + y) * (x - y), (x + x) * y
    px, py = _power(x, y, power // 2)
    px, py = (px + py) * (px - py), (px + px) * py
    return (px * x - py * y, px * y + py * x) if power % 2 else (px, py)


def approach(trap: TrapName, x: Any, y: Any) -> Any:
    """How far points are from a trap; orbits beyond |x| + |y| = 3 no longer come near to the cross.

    x, y, and what comes of them: arrays of MLX or of NumPy.
    """
    if trap == "cross":
        xp = library(x)
        return xp.maximum(xp.minimum(abs(x), abs(y)), abs(x) + abs(y) - 3)
    square = x * x + y * y
    return square if trap == "point" else abs(square - 1)


def _iterate(formula: Formula, *state: mx.array) -> State:
    for _ in range(formula.stride):
        state = formula.once(*state)
    return state


@functools.cache
def _fused(formula: Formula) -> Kernel:
    return mx.compile(functools.partial(_iterate, formula))


@dataclass(frozen=True)
class Orbits:
    """How orbits ended, arrays (N,) each: NumPy's, or MLX's where a GPU followed them, and they stay there.

    count: the iteration at which a point was found outside, 0 for those that never were.
    last: the state then (of those that stayed inside: at the end), in the formula's order.
    """

    count: Any
    last: tuple[Any, ...]


def follow(
    start: State, leap: Leap, stride: int, limit: int, radius: float, *, begin: int = 0, cycles: bool = True
) -> Generator[None, None, Orbits]:
    """Iterate points until all have escaped or `limit` is reached; yields while a kernel runs.

    start: arrays (N,), of which the first two are z. begin: the iteration that they stand at.
    cycles: a point that comes back to the very same z never leaves, and is not followed further.
    """
    size = start[0].size
    count = np.zeros(size, np.float32)
    last = tuple(np.zeros(size, np.float32) for _ in start)
    who, living, state = np.arange(size), np.ones(size, bool), start
    mark, marked = begin + stride, (np.full(size, np.nan, np.float32), np.full(size, np.nan, np.float32))
    done = begin
    while len(who) and done < limit:
        state = yield from leap(state)
        done += stride
        arrays = [np.array(array, copy=False) for array in state]
        x, y = arrays[0], arrays[1]
        with np.errstate(over="ignore", invalid="ignore"):
            inside = x * x + y * y <= radius * radius  # false for points that overflowed
        out = np.flatnonzero(living & ~inside)
        living &= inside
        count[who[out]] = done
        stays = np.flatnonzero(living & (x == marked[0]) & (y == marked[1])) if cycles else out[:0]
        living[stays] = False
        for target, array in zip(last, arrays, strict=True):
            target[who[out]] = array[out]
            target[who[stays]] = array[stays]
        if done >= mark:
            mark, marked = 2 * done, (x, y)
        if np.count_nonzero(living) < 0.8 * len(who):
            keep = np.flatnonzero(living)
            state = tuple(mx.array(array[keep]) for array in arrays)
            who, living, marked = who[keep], living[keep], (marked[0][keep], marked[1][keep])
    rest = np.flatnonzero(living)
    for target, array in zip(last, state, strict=True):
        target[who[rest]] = np.array(array)[rest]
    return Orbits(count, last)


def freeze(start: State, kernel: Kernel, stride: int, limit: int, radius: float, *, begin: int = 0) -> Orbits:
    """What `follow` does, with points that have escaped held where they are: nothing is moved, as GPUs like it."""

    def forward(count: mx.array, now: mx.array, *state: mx.array) -> State:
        new = kernel(*state)
        free = count == 0
        state = tuple(mx.where(free, after, before) for after, before in zip(new, state, strict=True))
        inside = state[0] * state[0] + state[1] * state[1] <= radius * radius
        return mx.where(free & ~inside, now, count), *state

    step = mx.compile(forward) if device.uses_gpu() else forward
    count, state = mx.zeros_like(start[0]), start
    for turn, done in enumerate(range(begin + stride, limit + stride, stride), 1):
        count, *state = step(count, mx.array(float(done)), *state)
        if turn % 16 == 0:
            mx.eval(count, state)
            if mx.all(count > 0).item():
                break
    mx.eval(count, state)
    return Orbits(count, tuple(state))


def together(jobs: Iterable[Generator[None, None, Orbits]], at_once: int) -> Iterator[tuple[int, Orbits]]:
    """Run jobs, some at a time, each on a stream of its own: the next kernel runs while the last one is looked at.

    Yields (number of the job, what it returned), in the order in which they end.
    """
    waiting = enumerate(jobs)
    streams = [mx.new_stream(mx.default_device()) for _ in range(at_once)]
    running: list[tuple[int, Generator[None, None, Orbits], mx.Stream]] = []
    while True:
        while streams and (following := next(waiting, None)):
            running.append((*following, streams.pop()))
        if not running:
            return
        number, job, stream = running.pop(0)
        with mx.stream(stream):
            try:
                next(job)
                running.append((number, job, stream))
            except StopIteration as end:
                streams.append(stream)
                yield number, end.value


def smooth(orbits: Orbits, formula: Formula) -> Any:
    """The count with its fraction, (N,), 0 inside: n - log_p(log|z| / log R), the same for every n past the escape.

    An array of the library that the orbits are of. |z| whose square float32 does not hold count by their logarithm.
    """
    count, (x, y) = orbits.count, (abs(part) for part in orbits.last[:2])
    xp, outside = library(count), orbits.count > 0
    near, far = xp.minimum(x, y), xp.maximum(x, y)
    known = outside & xp.isfinite(far) & xp.isfinite(near)
    near, far = xp.where(known, near, 0.0), xp.where(known, far, xp.where(outside, 2.0**127, formula.radius))
    size = xp.log(far) + 0.5 * xp.log1p(xp.square(near / far))
    least = math.log(formula.radius)
    extra = xp.log(xp.maximum(size / least, 1.0)) / math.log(formula.power)
    return xp.where(outside, xp.maximum(count - extra, 1e-3), 0.0).astype(xp.float32)
