"""How far to go along a direction: line searches over φ(t) = f(x + t·d), in plain numbers (Nocedal and Wright 2006).

A search gets φ, its start φ(0), and the point at t = 1, which is where a quasi-Newton method wants to go. It returns
the step it accepts, or None if it finds no progress. Where the loss is not finite, φ counts as infinitely high.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

DECREASE = 1e-4  # c1: the fall to get, as a part of what the slope at the start promises
FLATNESS = 0.9  # c2: the slope that may be left, as a part of the slope at the start
TRIALS = 20  # at most; a quasi-Newton direction rarely takes more than two
RISE = 0.1  # without a search: how far the loss may rise, relative
RESOLUTION = 2.0**-24  # relative rounding of a float32 loss: a smaller promised fall cannot be seen


class Point(NamedTuple):
    """A step t, the loss φ(t) there and its slope φ'(t)."""

    t: float
    loss: float
    slope: float


Search = Callable[[Callable[[float], Point], Point, Point], float | None]


def wolfe(along: Callable[[float], Point], start: Point, first: Point) -> float | None:
    """A step with the strong Wolfe conditions: lower by DECREASE, flatter by FLATNESS (algorithm 3.5).

    When the trials run out, the lowest point that is low enough will do.
    """
    before, point = start, first
    for trials in range(TRIALS, 0, -1):
        if not _low_enough(start, point) or (before.t > 0 and point.loss >= before.loss):
            return _zoom(along, start, before, point, trials)
        if _flat_enough(start, point):
            return point.t
        if point.slope >= 0:
            return _zoom(along, start, point, before, trials)
        # Still falling steeply: go on, by 1.1 to 4 times the last stride (Moré and Thuente 1994).
        stride = point.t - before.t
        t = _cubic_minimum(before, point, point.t + 1.1 * stride, point.t + 4 * stride)
        before, point = point, along(t)
    return before.t


def _zoom(along: Callable[[float], Point], start: Point, low: Point, high: Point, trials: int) -> float | None:
    """Narrow an interval that holds a Wolfe step; `low` is its lower end, on either side (algorithm 3.6)."""
    for _ in range(trials):
        if max(low.t, high.t) * -start.slope <= RESOLUTION * abs(start.loss):
            break
        margin = 0.1 * abs(high.t - low.t)  # a trial too near an end would not narrow the interval
        point = along(_cubic_minimum(low, high, min(low.t, high.t) + margin, max(low.t, high.t) - margin))
        if not _low_enough(start, point) or point.loss >= low.loss:
            high = point
            continue
        if _flat_enough(start, point):
            return point.t
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low.t if low.t > 0 else None


def armijo(along: Callable[[float], Point], start: Point, first: Point) -> float | None:
    """The first step that is low enough, shortened by quadratic interpolation (algorithm 3.1, equation 3.58)."""
    point = first
    for _ in range(TRIALS):
        if _low_enough(start, point):
            return point.t
        if point.t * -start.slope <= RESOLUTION * abs(start.loss):
            break
        t = -start.slope * point.t**2 / (2 * (point.loss - start.loss - start.slope * point.t))
        point = along(min(max(t, 0.1 * point.t), 0.5 * point.t))
    return None


def unchecked(along: Callable[[float], Point], start: Point, first: Point) -> float | None:
    """The whole step, as Gatys' program took it; halved only where the loss would rise by more than RISE."""
    point = first
    for _ in range(TRIALS):
        if point.loss <= start.loss + RISE * abs(start.loss):
            return point.t
        point = along(point.t / 2)
    return None


def _low_enough(start: Point, point: Point) -> bool:
    return point.loss <= start.loss + DECREASE * point.t * start.slope


def _flat_enough(start: Point, point: Point) -> bool:
    return abs(point.slope) <= -FLATNESS * start.slope


def _cubic_minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through two points and slopes is lowest (equation 3.59), kept within least..most."""
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:  # no minimum, or an end without a finite loss
        return most if least > max(a.t, b.t) else (least + most) / 2
    d2 = math.copysign(math.sqrt(square), b.t - a.t)
    divisor = b.slope - a.slope + 2 * d2
    t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / divisor if divisor else math.inf
    return min(max(t, least), most)
