"""Deep zooms into the Mandelbrot set by perturbation: one orbit in full precision, differences to it in float32.

With Z_n the orbit of the middle and z_n = Z_n + d_n that of a pixel, d' = 2Zd + d² + dc (K. I. Martin 2013,
"SuperFractalThing maths"). d is kept as w·2^e, so that it may be far below what float32
holds; where |Z + d| < |d| the pixel goes on from the start of the reference orbit with d = z (rebasing: Zhuoran 2021,
fractalforums.org), which leaves no glitches. The first iterations, in which d is still a cubic polynomial of dc, are
skipped for all pixels (Martin's series).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np

from artkit.generate.escape import Formula, Kernel, Leap, State, approach

LOW = 64  # pixels that rebase below 2^-40 are kept as multiples of 2^-64
STRIDE = 3
SERIES_ERROR = 1e-7  # of the cubic term against the linear one


@dataclass(frozen=True)
class Reference:
    """The orbit of a picture's middle: Z_0 = 0, Z_1 = c, …; the last is beyond the escape radius or at the limit.

    skipped: iterations for which the series stands in; a, b, c: its terms there, times r, r² and r³.
    exponent: r = 2^exponent is the unit in which distances to the middle are given.
    """

    points: Sequence[complex]
    exponent: int
    skipped: int
    terms: tuple[complex, complex, complex]

    @classmethod
    def of(cls, points: Sequence[complex], radius: float) -> Reference:
        """radius: the largest distance of a pixel from the middle."""
        exponent = math.ceil(math.log2(radius))
        unit = 2.0**exponent
        a = b = c = 0j
        skipped, terms = 0, (a, b, c)
        for n, z in enumerate(points[:-1]):
            a, b, c = 2 * z * a + unit, 2 * z * b + a * a, 2 * z * c + 2 * a * b
            if not abs(c) < SERIES_ERROR * abs(a) or not abs(a) < 1e-3 or n + 2 >= len(points):
                break
            skipped, terms = n + 1, (a, b, c)
        return cls(points, exponent, skipped, terms)


@dataclass(frozen=True)
class DeepFormula:
    """z -> z² + c near a reference orbit, for points at dc = (u + iv)·r from its own.

    The state, (N,) each: z (x, y), w (x, y), e, 2^e, r·2^-e, n of the reference, u, v; then the slope dz/dc·r·2^-e
    (x, y) with `slope`, then the nearest approach with a trap.
    """

    formula: Formula
    reference: Reference

    @property
    def stride(self) -> int:
        """Iterations between two tests: one less than usual, since w is 2^-e times as large as z."""
        return STRIDE

    def start(self, u: mx.array, v: mx.array) -> State:
        """The state after the skipped iterations."""
        reference, one = self.reference, mx.ones_like(u)
        e = math.floor(math.log2(abs(reference.terms[0]))) if reference.skipped else reference.exponent
        a, b, c = (term / 2.0**e for term in reference.terms)
        w = _polynomial(u, v, (0j, a, b, c))
        z = reference.points[reference.skipped]
        slope = _polynomial(u, v, (a, 2 * b, 3 * c)) if self.formula.slope else ()
        trap = [one * 1e9] if self.formula.trap else []
        s, t = _scales(one * e, reference.exponent)
        place = mx.full(u.shape, reference.skipped, mx.int32)
        return (z.real + s * w[0], z.imag + s * w[1], *w, one * e, s, t, place, u, v, *slope, *trap)

    def kernel(self) -> Kernel:
        """`stride` iterations, each of them looking for pixels to rebase: the plain form, and that for GPUs."""
        points = mx.array(np.array(self.reference.points, np.complex64))
        last = len(self.reference.points) - 1

        def kernel(*state: mx.array) -> State:
            state = _normalized(state, self.formula, self.reference.exponent)
            for _ in range(self.stride):
                place = state[7]
                here, following = points[place], points[mx.minimum(place + 1, last)]
                state = _careful(self.formula, self.reference.exponent, last)(here, following, *state)
            return state

        return kernel

    def leap(self, compiled: bool) -> Leap:
        """`stride` iterations for the CPU, where choosing by pixel costs more than arithmetic: boldly without a look at
        rebasing; the few pixels that needed it are taken again, carefully.
        """
        table = np.array(self.reference.points, np.complex64)
        last, stride, exponent = len(table) - 1, self.stride, self.reference.exponent
        bold = _bold(self.formula, compiled)
        careful = self.kernel()
        turn = 0

        def leap(state: State) -> Generator[None, None, State]:
            nonlocal turn
            turn += 1
            if turn % 4 == 0:
                state = _normalized(state, self.formula, exponent)
            place = np.array(state[7])
            shared = place[0] if (place == place[0]).all() else place
            points = [table[np.minimum(shared + k, last)] for k in range(stride + 1)]
            parts = [mx.array(np.ascontiguousarray(part)) for z in points for part in (np.real(z), np.imag(z))]
            worst, *new = bold(mx.array(place + stride), *parts, *state)
            mx.async_eval(worst, new, state)
            yield
            again = np.flatnonzero(~(np.array(worst, copy=False) >= 0) | (place + stride >= last))
            if not len(again):
                return tuple(new)
            chosen = tuple(mx.array(np.array(array, copy=False)[again]) for array in state)
            chosen = careful(*chosen)
            mx.async_eval(chosen)
            yield
            arrays = [np.array(array) for array in new]
            for array, right in zip(arrays, chosen, strict=True):
                array[again] = np.array(right, copy=False)
            return tuple(mx.array(array) for array in arrays)

        return leap


def _polynomial(u: mx.array, v: mx.array, terms: Sequence[complex]) -> tuple[mx.array, mx.array]:
    """Σ terms[k]·(u + iv)^k by Horner's rule: real and imaginary part."""
    re, im = mx.full(u.shape, terms[-1].real), mx.full(u.shape, terms[-1].imag)
    for term in reversed(terms[:-1]):
        re, im = re * u - im * v + term.real, re * v + im * u + term.imag
    return re, im


def _power_of_two(exponent: mx.array) -> mx.array:
    """2^exponent exactly, for whole exponents from -126 to 126; 0 below, 2^126 above."""
    bits = (mx.clip(exponent, -127, 126).astype(mx.int32) + 127) << 23
    return bits.view(mx.float32)


def _scales(e: mx.array, exponent: int) -> tuple[mx.array, mx.array]:
    """2^e, and r·2^-e."""
    return _power_of_two(e), _power_of_two(exponent - e)


def _normalized(state: State, formula: Formula, exponent: int) -> State:
    """The same differences with the larger part of w between 1 and 2, where it was not far below."""
    x, y, wx, wy, e, _, _, place, u, v, *more = state
    size = mx.maximum(mx.abs(wx), mx.abs(wy))
    shift = mx.maximum((size.view(mx.int32) >> 23) - 127, -60).astype(mx.float32)  # bits 23 to 30 are the exponent
    back = _power_of_two(-shift)
    e = e + shift
    if formula.slope:
        more[:2] = more[0] * back, more[1] * back
    return (x, y, wx * back, wy * back, e, *_scales(e, exponent), place, u, v, *more)


def _onward(
    formula: Formula, here: tuple[mx.array, mx.array], following: tuple[mx.array, mx.array], state: State
) -> tuple[State, mx.array, mx.array]:
    """One iteration between two points of the reference; also d (x, y) after it. The place is left as it was."""
    x, y, wx, wy, e, s, t, place, u, v, *more = state
    if formula.slope:
        gx, gy = more[:2]
        more[:2] = 2 * (x * gx - y * gy) + t, 2 * (x * gy + y * gx)
    ax, ay = 2 * here[0] + s * wx, 2 * here[1] + s * wy
    wx, wy = ax * wx - ay * wy + t * u, ax * wy + ay * wx + t * v
    dx, dy = s * wx, s * wy
    x, y = following[0] + dx, following[1] + dy
    if formula.trap:
        more[-1] = mx.minimum(more[-1], approach(formula.trap, x, y))
    return (x, y, wx, wy, e, s, t, place, u, v, *more), dx, dy


@functools.cache
def _bold(formula: Formula, compiled: bool) -> Kernel:
    """`stride` iterations without rebasing: (new place, points of the reference, state) -> (worst, new state).

    worst: the least of |z|² - |d|² on the way; below 0, the pixel should have been rebased.
    """

    def bold(place: mx.array, *parts: mx.array) -> State:
        points, state = parts[: 2 * STRIDE + 2], parts[2 * STRIDE + 2 :]
        worst = mx.full((), 1e30)
        for k in range(STRIDE):
            here, following = (points[2 * k], points[2 * k + 1]), (points[2 * k + 2], points[2 * k + 3])
            state, dx, dy = _onward(formula, here, following, state)
            worst = mx.minimum(worst, state[0] * state[0] + state[1] * state[1] - dx * dx - dy * dy)
        return (worst, *state[:7], place, *state[8:])

    return mx.compile(bold) if compiled else bold


@functools.cache
def _careful(formula: Formula, exponent: int, last: int) -> Kernel:
    """One iteration, rebased where |z| < |d| and at the end of the reference: (Z_n, Z_n+1, state) -> state."""

    def careful(here: mx.array, following: mx.array, *before: mx.array) -> State:
        ends = (mx.real(here), mx.imag(here)), (mx.real(following), mx.imag(following))
        state, dx, dy = _onward(formula, *ends, before)
        x, y, wx, wy, e, s, t, place, u, v, *more = state
        place = place + 1
        again = (x * x + y * y < dx * dx + dy * dy) | (place >= last)
        small = mx.maximum(mx.abs(x), mx.abs(y)) < 2.0**-40
        grown = mx.where(small, 2.0**LOW, 1.0)
        if formula.slope:
            more[:2] = (mx.where(again, part * s * grown, part) for part in more[:2])
        new_e = mx.where(small, -float(LOW), 0.0)
        e, wx, wy = mx.where(again, new_e, e), mx.where(again, x * grown, wx), mx.where(again, y * grown, wy)
        new_s, new_t = _scales(new_e, exponent)
        s, t = mx.where(again, new_s, s), mx.where(again, new_t, t)
        return (x, y, wx, wy, e, s, t, mx.where(again, 0, place), u, v, *more)

    return careful
