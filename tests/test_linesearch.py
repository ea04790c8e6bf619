"""Line searches on functions of one number, where the answers are known."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artkit.nets import linesearch
from artkit.nets.linesearch import Point, Search, armijo, unchecked, wolfe


class Line:
    """φ and φ' from t = 0, with the number of trials counted."""

    def __init__(self, loss: Callable[[float], float], slope: Callable[[float], float]) -> None:
        self.loss, self.slope, self.trials = loss, slope, 0
        self.start = Point(0, loss(0), slope(0))

    def __call__(self, t: float) -> Point:
        self.trials += 1
        return Point(t, self.loss(t), self.slope(t))

    def search(self, search: Search, first: float = 1.0) -> float:
        t = search(self, self.start, self(first))
        assert t is not None
        return t

    def is_wolfe(self, t: float) -> bool:
        low = self.loss(t) <= self.loss(0) + linesearch.DECREASE * t * self.slope(0)
        return low and abs(self.slope(t)) <= -linesearch.FLATNESS * self.slope(0)


def parabola(minimum: float) -> Line:
    return Line(lambda t: (t - minimum) ** 2, lambda t: 2 * (t - minimum))


def barrier() -> Line:
    """Falls until 0.7, infinite from 0.9 on: 1 / (0.9 - t) - 25 t."""
    return Line(
        lambda t: 1 / (0.9 - t) - 25 * t if t < 0.9 else math.inf,
        lambda t: 1 / (0.9 - t) ** 2 - 25 if t < 0.9 else math.nan,
    )


# The first two of Moré and Thuente's test functions (1994), with their β.
MORE_THUENTE = {
    "1": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "2": (
        lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
        lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3,
    ),
}


@pytest.mark.parametrize("first", [1e-3, 1e-1, 1e1, 1e3])
@pytest.mark.parametrize("function", MORE_THUENTE)
def test_wolfe_on_the_functions_of_more_and_thuente(function: str, first: float) -> None:
    line = Line(*MORE_THUENTE[function])
    assert line.is_wolfe(line.search(wolfe, first))
    assert line.trials <= 16


@given(minimum=st.floats(1e-3, 1e3), wave=st.floats(0, 0.9), first=st.floats(0.1, 10))
def test_wolfe_holds_on_wavy_valleys(minimum: float, wave: float, first: float) -> None:
    line = Line(
        lambda t: (t / minimum - 1) ** 2 + wave * math.cos(3 * t / minimum),
        lambda t: (2 * (t / minimum - 1) - 3 * wave * math.sin(3 * t / minimum)) / minimum,
    )
    assert line.is_wolfe(line.search(wolfe, first))


def test_wolfe_goes_on_while_the_slope_is_steep() -> None:
    line = parabola(50)
    assert line.search(wolfe) >= 5  # at 5 the slope has fallen to 0.9 of its start


def test_wolfe_takes_the_best_trial_when_none_is_flat_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linesearch, "FLATNESS", 1e-9)
    monkeypatch.setattr(linesearch, "TRIALS", 4)
    line = Line(lambda t: abs(t - math.pi) ** 1.5, lambda t: 1.5 * math.copysign(abs(t - math.pi) ** 0.5, t - math.pi))
    t = line.search(wolfe, first=8.0)
    assert not line.is_wolfe(t)
    assert line.loss(t) < line.start.loss
    assert line.trials <= 6


def test_armijo_jumps_to_the_minimum_of_a_parabola() -> None:
    line = parabola(0.3)
    assert line.search(armijo) == pytest.approx(0.3)
    assert line.trials == 2


def test_armijo_shortens_to_a_tenth_at_most() -> None:
    line = parabola(1e-3)
    t = line.search(armijo)
    assert t == pytest.approx(1e-3)
    assert line.trials == 4  # 1, 0.1, 0.01, and the minimum


@pytest.mark.parametrize("search", [wolfe, armijo, unchecked])
def test_steps_into_infinity_are_taken_back(search: Search) -> None:
    line = barrier()
    t = line.search(search)
    assert 0 < t < 0.9
    assert line.loss(t) < line.start.loss


def test_unchecked_keeps_the_whole_step_while_the_loss_rises_a_little() -> None:
    flat = Line(lambda t: 1 + 0.09 * t, lambda t: -1.0)
    assert flat.search(unchecked) == 1.0
    steep = Line(lambda t: 1 + 0.3 * t, lambda t: -1.0)
    assert steep.search(unchecked) == 0.25


@pytest.mark.parametrize("search", [wolfe, armijo, unchecked])
def test_no_progress_is_none(search: Search) -> None:
    line = Line(lambda t: 1 + 9 * (t > 0), lambda t: -1.0)
    assert search(line, line.start, line(1.0)) is None
    assert line.trials <= linesearch.TRIALS + 1


@pytest.mark.parametrize("search", [wolfe, armijo])
def test_a_fall_below_rounding_is_not_hunted_for(search: Search) -> None:
    line = Line(lambda t: 1.0, lambda t: -1e-8)
    assert search(line, line.start, line(1.0)) is None
    assert line.trials == 1
