"""L-BFGS over one picture (Liu and Nocedal 1989; Nocedal and Wright 2006, chapter 7)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Self

import mlx.core as mx
import numpy as np

from artkit.contract import ArtkitError
from artkit.nets.linesearch import Point, Search, armijo, unchecked, wolfe

Objective = Callable[[mx.array], tuple[mx.array, mx.array]]
"""A picture -> its loss, a scalar, and the gradient, shaped like the picture; both may be lazy."""

LineSearch = Literal["wolfe", "armijo", "none"]
SEARCHES: dict[LineSearch, Search] = {"wolfe": wolfe, "armijo": armijo, "none": unchecked}

FIRST_MOVE = 0.02  # mean change of a pixel in the first step, before anything is known about the curvature
CURVATURE = 1e-5  # smallest cosine between s and y of a pair that is kept; below it y is mostly rounding
LARGE = 2**24  # bytes: a picture whose copies count more than a wait for the device

NOT_FINITE = "the loss is not a finite number; check the picture and the network's weights, or lower the loss weights"


def total(values: mx.array) -> mx.array:
    """The sum of all values, a scalar; row by row, because one float32 sum over a large picture is off by percents."""
    return values.reshape(math.prod(values.shape[:-2]), -1).sum(axis=1).sum()


def dot(a: mx.array, b: mx.array) -> mx.array:
    """The inner product of two pictures, a scalar."""
    return settled(total(a * b), a)


def settled(value: mx.array, picture: mx.array) -> mx.array:
    """`value`, computed from pictures like this; already evaluated if they are large, so that no copies queue up."""
    if picture.nbytes >= LARGE:
        mx.eval(value)
    return value


def numbers(values: mx.array) -> list[float]:
    """The values of a vector as Python numbers; waits for the device."""
    return np.array(values).tolist()


class Place(NamedTuple):
    """A picture, its loss and its gradient, all evaluated."""

    x: mx.array
    loss: float
    gradient: mx.array


class Pair(NamedTuple):
    """A correction: s, the move; y, the gradient's change; their products s·y > 0 and y·P y."""

    s: mx.array
    y: mx.array
    sy: float
    ypy: float


class LBFGS:
    """Limited-memory BFGS: `x, loss = optimizer.step(x, objective)` is one iteration.

    line_search: "wolfe" (strong Wolfe conditions), "armijo" (backtracking: fewer evaluations an iteration) or
    "none" (whole steps, shortened only where the loss would rise by a tenth or be infinite).
    precondition: P of the first estimate of the inverse Hessian, H0 = γP, symmetric, positive definite; None: I.
    Pairs without positive curvature are left out, so that every direction goes downhill. Memory: see `memory`.

    evaluations: calls of the objective so far.
    stalled: the last step found no lower loss, even straight down the gradient; more steps will not either.
    """

    def __init__(
        self,
        history: int = 10,
        line_search: LineSearch = "armijo",
        precondition: Callable[[mx.array], mx.array] | None = None,
    ) -> None:
        self.history, self._precondition = history, precondition
        self.line_search: LineSearch = line_search
        self.evaluations = 0
        self.stalled = False
        self._pairs: deque[Pair] = deque(maxlen=history)  # oldest first
        self._place: Place | None = None  # where the last step ended, so that the next need not evaluate it

    def step(self, x: mx.array, objective: Objective) -> tuple[mx.array, float]:
        """One iteration from x, float32: the new picture and its loss.

        The objective should be the same from step to step; x may be changed in between, for one more evaluation.
        Raises ArtkitError if the loss at x is not finite.
        """
        start = self._place
        if start is None or not (x is start.x or mx.array_equal(x, start.x)):
            start = self._place = self._evaluate(x, objective)
        end = self._search(start, self._direction(start.gradient), objective)
        if end is None and self._pairs:  # the history misleads: forget it
            self._pairs.clear()
            end = self._search(start, self._direction(start.gradient), objective)
        self.stalled = end is None
        if end is None:
            return x, start.loss
        self._place = end
        self._remember(start, end)
        return end.x, end.loss

    def average(self, x: mx.array) -> mx.array:
        """Just x: the iterates of L-BFGS settle without averaging."""
        return x

    def resized(self, resize: Callable[[mx.array], mx.array], area: float) -> Self:
        """Carry the pairs to another scale, one by one, and return the optimizer; `area` is new pixels over old pixels.

        A loss that is a mean over pixels has a gradient element, and so y, smaller by `area`.
        """
        for _ in range(len(self._pairs)):
            old = self._pairs.popleft()
            self._keep(resize(old.s), resize(old.y) / area)
        self._place, self.stalled = None, False
        return self

    def memory(self, shape: Sequence[int]) -> int:
        """Bytes at most, for a picture of this shape, besides what the objective takes: float32 arrays like it.

        Two for each pair; picture and gradient, before the step and after it; three for a new pair and its products,
        and two for what is preconditioned.
        """
        return 4 * math.prod(shape) * (2 * self.history + (9 if self._precondition else 7))

    def state(self) -> dict[str, mx.array]:
        """Everything that the next steps depend on, for a checkpoint; "x" is where the last step ended."""
        state = {"counters": mx.array([self.evaluations, int(self.stalled)])}
        if self._place:
            state |= {"x": self._place.x, "loss": mx.array([self._place.loss]), "gradient": self._place.gradient}
        for i, pair in enumerate(self._pairs):
            state |= {f"s{i}": pair.s, f"y{i}": pair.y, f"products{i}": mx.array([pair.sy, pair.ypy])}
        return state

    def load_state(self, state: Mapping[str, mx.array]) -> None:
        """Go on from `state`: the next steps are the same, bit for bit. Raises ArtkitError if it is something else."""
        try:
            evaluations, stalled = numbers(state["counters"])
            place = Place(state["x"], numbers(state["loss"])[0], state["gradient"]) if "x" in state else None
            count = sum(f"s{i}" in state for i in range(len(state)))
            pairs = [Pair(state[f"s{i}"], state[f"y{i}"], *numbers(state[f"products{i}"])) for i in range(count)]
        except KeyError as missing:
            raise ArtkitError(f"this is no state of L-BFGS: {missing} is missing; start again") from None
        self.evaluations, self.stalled = int(evaluations), bool(stalled)
        self._place, self._pairs = place, deque(pairs, maxlen=self.history)

    def _evaluate(self, x: mx.array, objective: Objective) -> Place:
        self.evaluations += 1
        loss, gradient = objective(x)
        values = mx.stack([loss, dot(gradient, gradient)])
        mx.eval(x, gradient, values)
        value, norm = numbers(values)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise ArtkitError(NOT_FINITE)
        return Place(x, value, gradient)

    def _direction(self, gradient: mx.array) -> mx.array:
        """-H·g by the two-loop recursion (algorithm 7.4); without pairs, down P·g by FIRST_MOVE. Lazy."""
        if not self._pairs:
            down = self._preconditioned(gradient)
            mean = total(mx.abs(down)) / gradient.size
            return down * (-FIRST_MOVE / mx.maximum(mean, 1e-30))
        r, alphas = -gradient, []
        for pair in reversed(self._pairs):
            alphas.append(dot(pair.s, r) / pair.sy)
            r = r - alphas[-1] * pair.y
        r = self._preconditioned(r) * (self._pairs[-1].sy / self._pairs[-1].ypy)  # H0 = γ·P (equation 7.20 for P = I)
        for pair, alpha in zip(self._pairs, reversed(alphas), strict=True):
            r = r + (alpha - dot(pair.y, r) / pair.sy) * pair.s
        return r

    def _preconditioned(self, r: mx.array) -> mx.array:
        return settled(self._precondition(r), r) if self._precondition else r

    def _search(self, start: Place, direction: mx.array, objective: Objective) -> Place | None:
        """The place that the line search accepts on start.x + t·direction; None if there is none.

        Only the latest trial is held. The slope at the start comes with the first of them: one wait an evaluation.
        """
        start_slope = dot(start.gradient, direction)
        place, tried, downhill = start, Point(0, start.loss, math.nan), math.nan

        def along(t: float) -> Point:
            nonlocal place, tried, downhill
            place = start  # frees the last trial
            self.evaluations += 1
            x = start.x + t * direction
            loss, gradient = objective(x)
            values = mx.stack([loss, dot(gradient, direction), start_slope])
            mx.eval(x, gradient, values)
            value, slope, downhill = numbers(values)
            finite = math.isfinite(value) and math.isfinite(slope)
            place, tried = Place(x, value, gradient), Point(t, value if finite else math.inf, slope)
            return tried

        first = along(1.0)
        if not downhill < 0:
            return None
        t = SEARCHES[self.line_search](along, Point(0, start.loss, downhill), first)
        if t is not None and t != tried.t:  # the trials ran out and an earlier one was the best
            along(t)
        return None if t is None else place

    def _remember(self, start: Place, end: Place) -> None:
        self._keep(end.x - start.x, end.gradient - start.gradient)

    def _keep(self, s: mx.array, y: mx.array) -> None:
        """Add a pair to the history, unless its curvature is not positive."""
        yy = dot(y, y)
        ypy = dot(y, self._preconditioned(y)) if self._precondition else yy
        products = mx.stack([dot(s, s), dot(s, y), yy, ypy])
        mx.eval(s, y, products)
        ss, sy, yy, ypy = numbers(products)
        if sy > CURVATURE * math.sqrt(ss * yy):
            self._pairs.append(Pair(s, y, sy, ypy))
