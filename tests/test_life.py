"""Lenia's gliders, Life's own, Brian's Brain and the cyclic automaton, step by step."""

from typing import Any

import artkit.device  # noqa: F401

import cv2
import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WrongCall
from artkit.generate import cells as cells_module
from artkit.generate import lenia
from artkit.generate.canvas import Size
from artkit.generate.cells import ALIVE, NEVER, Brain, Cells, Cyclic, neighbors, parse_law
from artkit.generate.lenia import LENIA, Lenia, growth, packed_spectrum, ring_kernel
from artkit.generate.life import LifeOptions, life_steps
from artkit.generate.orbium import ORBIUM

GLIDER = ["010", "001", "111"]


def world(rows: list[str], size: int = 12) -> np.ndarray:
    cells = np.zeros((size, size), np.uint8)
    for y, row in enumerate(rows):
        cells[y + 2, 2 : 2 + len(row)] = [int(letter) for letter in row]
    return cells


def test_neighbors_are_counted_around_the_edges() -> None:
    cells = np.random.default_rng(0).integers(0, 2, (7, 9)).astype(np.uint8)
    wanted = sum(np.roll(cells, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) - cells
    np.testing.assert_array_equal(np.array(neighbors(mx.array(cells))), wanted)


def test_a_glider_of_life_moves_by_one_in_four_steps() -> None:
    life = Cells(world(GLIDER), "B3/S23", memory=10)
    for _ in range(4):
        life.onward()
    np.testing.assert_array_equal(np.array(life.alive) > 0, np.roll(world(GLIDER), (1, 1), (0, 1)))
    for _ in range(4 * 11):  # all the way around
        life.onward()
    np.testing.assert_array_equal(np.array(life.alive) > 0, world(GLIDER))


def test_ages_and_traces() -> None:
    life = Cells(world(["111"]), "B3/S23", memory=2)  # a blinker: only its middle stays
    life.onward()
    life.onward()
    cells, steady, shown = np.array(life.alive) > 0, np.array(life.steady), np.array(life.shown())
    assert (cells[2, 3], steady[2, 3]) == (1, 3)
    assert (cells[2, 2], steady[2, 2]) == (1, 1)
    assert (cells[1, 3], steady[1, 3]) == (0, 1)
    assert shown[1, 3] == pytest.approx(0.5 * 0.5**0.5)
    assert steady[0, 0] == NEVER
    assert shown[0, 0] == 0


@pytest.mark.parametrize("law", ["B3/S23", "B36/S125", "B/S012345678"])
@pytest.mark.parametrize(("height", "width"), [(13, 17), (1, 5), (70, 9)])
def test_laws_are_the_same_on_every_device(law: str, height: int, width: int) -> None:
    rng = np.random.default_rng(1)
    cells = rng.choice([0, ALIVE], (height, width)).astype(np.uint8)
    steady = rng.choice([1, 5, NEVER - 1, NEVER], cells.shape).astype(np.uint16)
    there = mx.array(cells), mx.array(steady)
    here, live = (cells, steady), cells_module.LiveHere(*parse_law(law), (height, width))
    for _ in range(3):
        here, there = live(*here), cells_module.live_there(*parse_law(law))(*there)
        for mine, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(mine, np.array(other))


@pytest.mark.parametrize("rings", [(1.0,), (0.5, 1.0, 2 / 3)])
@pytest.mark.parametrize("size", [(60, 60), (61, 60), (60, 61), (61, 61)])
def test_a_kernels_spectrum_is_where_opencv_has_what_it_multiplies(size: tuple[int, int], rings: Any) -> None:
    kernel, cells = ring_kernel(*size, 12, rings), np.random.default_rng(0).random(size).astype(np.float32)
    wanted = np.fft.irfft2(np.fft.rfft2(cells) * np.fft.rfft2(kernel), size)
    found = cv2.dft(cv2.dft(cells) * packed_spectrum(kernel), flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("creature", ["orbium", "geminium"])
@pytest.mark.parametrize("size", [(40, 48), (300, 37), (67, 530)])
def test_lenia_is_the_same_on_every_device(creature: str, size: tuple[int, int]) -> None:
    begin = np.random.default_rng(1).random(size).astype(np.float32)
    there, far = (mx.array(begin), mx.array(begin)), lenia.live_there(LENIA[creature], 0.9, size)
    here, near = (begin.copy(), begin.copy()), lenia.LiveHere(LENIA[creature], 0.9, size)
    for _ in range(4):
        there, here = far(*there), near(*here)
    for mine, other in zip(here, there, strict=True):
        assert np.abs(np.diff(mine)).max() > 0.05
        np.testing.assert_allclose(mine, np.array(other), atol=2e-3)


def test_a_replicator_of_highlife_by_its_law() -> None:
    """B36/S23 and B3/S23 differ once a dead cell has six neighbors."""
    rows = ["101", "101", "101"]
    with_six, without = Cells(world(rows), "B36/S23", 5), Cells(world(rows), "B3/S23", 5)
    with_six.onward()
    without.onward()
    assert np.array(with_six.alive)[3, 3] > 0
    assert np.array(without.alive)[3, 3] == 0


def test_brians_brain() -> None:
    brain = Brain(world(["11"]), memory=5)
    brain.onward()
    state = np.array(brain.state)
    assert (state[2, 2:4] == 2).all()  # both rest
    assert (state[1, 2:4] == 1).all()  # what saw both fires
    assert (state[3, 2:4] == 1).all()
    assert (state == 1).sum() == 4


def test_the_cyclic_automaton() -> None:
    state = np.zeros((6, 6), int)
    state[2, 2] = 1
    cyclic = Cyclic(state, 3, memory=10)
    cyclic.onward()
    wanted = np.zeros((6, 6), int)
    wanted[2, 1:4] = wanted[1:4, 2] = 1
    np.testing.assert_array_equal(np.array(cyclic.state), wanted)


def test_states_of_the_cyclic_automaton_come_around() -> None:
    state = np.full((5, 5), 3)
    state[0, 0] = 0
    cyclic = Cyclic(state, 4, memory=10)
    cyclic.onward()
    assert (np.array(cyclic.state) == 0).sum() == 5


@pytest.mark.parametrize("rings", [(1.0,), (0.5, 1.0, 2 / 3)])
def test_the_kernel(rings: tuple[float, ...]) -> None:
    kernel = ring_kernel(40, 48, 12, rings)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel[0, 0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(kernel[1:], kernel[1:][::-1])  # the same in both directions
    assert kernel[13:28].max() == 0  # nothing beyond the radius
    peaks = [kernel[0, round(12 * (k + 0.5) / len(rings))] for k in range(len(rings))]
    np.testing.assert_allclose(np.array(peaks) / max(peaks), np.array(rings) / max(rings), atol=0.02)


def test_growth() -> None:
    rates = np.array(growth(mx.array([0.15, 0.0, 1.0]), 0.15, 0.015))
    np.testing.assert_allclose(rates, [1, -1, -1], atol=1e-5)


def test_an_empty_world_and_a_flat_one_are_as_they_should_be() -> None:
    creature = LENIA["orbium"]
    empty = Lenia(np.zeros((32, 32)), creature, 10)
    empty.onward()
    assert np.abs(np.array(empty.cells)).max() == 0
    flat = Lenia(np.full((32, 32), 0.15), creature, 10)  # the potential is 0.15 everywhere: full growth, 1/T
    flat.onward()
    np.testing.assert_allclose(np.array(flat.cells), 0.25, atol=1e-4)


def test_one_step_of_lenia_is_that_of_a_plain_sum() -> None:
    creature, size = LENIA["orbium"], 30
    cells = np.random.default_rng(1).random((size, size))
    kernel = ring_kernel(size, size, creature.radius, creature.rings).astype(float)
    potential = sum(
        kernel[dy, dx] * np.roll(cells, (dy, dx), (0, 1)) for dy in range(size) for dx in range(size) if kernel[dy, dx]
    )
    rate = 2 * np.maximum(1 - (potential - creature.center) ** 2 / (9 * creature.width**2), 0) ** 4 - 1
    living = Lenia(cells, creature, 10)
    living.onward()
    np.testing.assert_allclose(np.array(living.cells), np.clip(cells + rate / creature.time, 0, 1), atol=1e-4)


def test_the_orbium_glides_and_keeps_its_mass() -> None:
    cells = np.zeros((64, 64))
    cells[20:40, 20:40] = ORBIUM
    living = Lenia(cells, LENIA["orbium"], 10)
    for _ in range(60):
        living.onward()
    early = np.array(living.cells)
    for _ in range(140):
        living.onward()
    late = np.array(living.cells)
    assert late.sum() == pytest.approx(early.sum(), rel=0.05)
    assert 50 < late.sum() < 120
    overlap = np.fft.ifft2(np.fft.fft2(late) * np.conj(np.fft.fft2(early))).real
    shift = np.unravel_index(overlap.argmax(), overlap.shape)
    assert shift != (0, 0)
    assert overlap.max() > 0.94 * (early**2).sum()  # the same creature, elsewhere


@pytest.mark.parametrize(
    "rule", ["orbium", "geminium", "tissue", "life", "maze", "coral", "daynight", "cyclic", "brain"]
)
def test_pictures(rule: str) -> None:
    options = LifeOptions.checked({"size": "96x64", "rule": rule, "generations": 12, "cell": 2, "seed": 3})
    steps = list(life_steps(options))
    picture = np.array(steps[-1].image)
    assert picture.shape == (1, 64, 96, 3)
    assert picture.std() > 0.01
    assert len(steps) == steps[-1].done == steps[-1].total == 12
    *_, again = life_steps(options)
    np.testing.assert_array_equal(picture, np.array(again.image))


def test_a_law_of_ones_own() -> None:
    *_, last = life_steps(LifeOptions(size=Size(64, 64), law="b36/s23", generations=3))
    assert np.array(last.image).std() > 0.01
    with pytest.raises(WrongCall, match="B3/S23"):
        LifeOptions(law="3/23")
