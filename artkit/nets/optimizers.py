"""Minimizers over one picture: L-BFGS (lbfgs.py) settles in fewer iterations, Adam takes less memory.

Both have `step(x, objective)`, `average(x)`, `resized(resize, area)`, `memory(shape)`, `state()`, `load_state(state)`,
`evaluations` and `stalled`, so that a caller need not know which it holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import mlx.core as mx

from artkit.contract import ArtkitError
from artkit.nets.lbfgs import LBFGS, NOT_FINITE, LineSearch, Objective, dot, numbers, settled

__all__ = ["LBFGS", "Adam", "LineSearch", "Objective", "Optimizer"]


class Adam:
    """Adam (Kingma and Ba 2015) with the picture kept in bounds and an average over the iterates.

    learning_rate: the length of a step, in units of the 0..1 color range.
    averaging: decay of the average that `average` gives (Polyak averaging, as in Crowson's style-transfer-pytorch).
    bounds: what the picture is clipped to after each step; None leaves it alone.
    eps: added to the root of the second moment. Losses are means over pixels, so gradients shrink as pictures grow;
    eps is therefore divided by the number of elements (a departure from the paper), to mean the same at every size.
    """

    stalled = False  # Adam never knows; L-BFGS does

    def __init__(
        self,
        learning_rate: float = 0.02,
        beta1: float = 0.9,
        beta2: float = 0.99,
        eps: float = 1e-8,
        averaging: float = 0.99,
        bounds: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.averaging, self.bounds = averaging, bounds
        self.evaluations = 0  # also the number of steps
        self._moment1 = self._moment2 = mx.array(0.0)
        self._sum, self._averaged = mx.array(0.0), 0  # decaying sum over that many iterates

    def step(self, x: mx.array, objective: Objective) -> tuple[mx.array, float]:
        """One iteration from x, float32: the new picture, and the loss at x (that of the new one is not known yet).

        Raises ArtkitError, and changes nothing, if the loss is not finite.
        """
        loss, gradient = objective(x)
        values = mx.stack([loss, dot(gradient, gradient)])
        mx.eval(gradient, values)
        value, norm = numbers(values)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise ArtkitError(NOT_FINITE)

        self.evaluations += 1
        self._moment1 = settled(self.beta1 * self._moment1 + (1 - self.beta1) * gradient, x)
        self._moment2 = settled(self.beta2 * self._moment2 + (1 - self.beta2) * gradient * gradient, x)
        mean = self._moment1 / (1 - self.beta1**self.evaluations)
        square = self._moment2 / (1 - self.beta2**self.evaluations)
        x = settled(x - self.learning_rate * mean / (mx.sqrt(square) + self.eps / x.size), x)
        x = x if self.bounds is None else mx.clip(x, *self.bounds)
        self._sum, self._averaged = self.averaging * self._sum + (1 - self.averaging) * x, self._averaged + 1
        mx.eval(x, self._moment1, self._moment2, self._sum)
        return x, value

    def average(self, x: mx.array) -> mx.array:
        """The average over the iterates since the start or the last `resized`, debiased; x before the first step."""
        return self._sum / (1 - self.averaging**self._averaged) if self._averaged else x

    def resized(self, resize: Callable[[mx.array], mx.array], area: float) -> Self:
        """Carry the moments to another scale and return the optimizer; `area` is new pixels over old pixels.

        A loss that is a mean over pixels has gradient elements smaller by `area`. The average begins anew, because
        enlarged iterates would blur it: start the new scale from the old one's average.
        """
        if self.evaluations:
            self._moment1 = resize(self._moment1) / area
            self._moment2 = mx.maximum(resize(self._moment2) / area**2, 0)  # resampling overshoots
        self._sum, self._averaged = mx.array(0.0), 0
        mx.eval(self._moment1, self._moment2, self._sum)
        return self

    def memory(self, shape: Sequence[int]) -> int:
        """Bytes at most, for a picture of this shape, besides what the objective takes: float32 arrays like it.

        Two moments, the average, the gradient, the picture before the step and after it, and three in between.
        """
        return 4 * math.prod(shape) * 9

    def state(self) -> dict[str, mx.array]:
        """Everything that the next steps depend on, for a checkpoint; the picture itself is the caller's."""
        counters = mx.array([self.evaluations, self._averaged])
        return {"counters": counters, "moment1": self._moment1, "moment2": self._moment2, "sum": self._sum}

    def load_state(self, state: Mapping[str, mx.array]) -> None:
        """Go on from `state`: the next steps are the same, bit for bit. Raises ArtkitError if it is something else."""
        try:
            evaluations, averaged = numbers(state["counters"])
            arrays = state["moment1"], state["moment2"], state["sum"]
        except KeyError as missing:
            raise ArtkitError(f"this is no state of Adam: {missing} is missing; start again") from None
        self.evaluations, self._averaged = int(evaluations), int(averaged)
        self._moment1, self._moment2, self._sum = arrays


Optimizer = LBFGS | Adam
