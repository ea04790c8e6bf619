"""The preconditioner: a symmetric, positive definite operator that lets an optimizer see large areas."""

import mlx.core as mx
import numpy as np
import pytest

from artkit.nets.lbfgs import LBFGS
from artkit.nets.multilevel import LEAST, multilevel


def matrix(height: int, width: int, around: bool) -> np.ndarray:
    """P, column by column."""
    units = mx.eye(height * width).reshape(-1, height, width, 1)
    return np.array(multilevel(units, around=around)).reshape(height * width, -1)


@pytest.mark.parametrize("shape", [(8, 8), (16, 24), (9, 13), (21, 8)])
@pytest.mark.parametrize("around", [False, True])
def test_symmetric_and_positive_definite(shape: tuple[int, int], around: bool) -> None:
    P = matrix(*shape, around)
    np.testing.assert_allclose(P, P.T, atol=1e-6)
    assert np.linalg.eigvalsh(P.astype(float)).min() > 0.5


def test_large_areas_count_more_than_detail() -> None:
    y, x = np.mgrid[:64, :64]

    def gain(pattern: np.ndarray) -> float:
        r = mx.array(pattern.astype(np.float32))[None, ..., None]
        return float(mx.sum(r * multilevel(r)) / mx.sum(r * r))

    even, waves, checks = gain(np.ones((64, 64))), gain(np.sin(x * np.pi / 12)), gain((x + y) % 2 * 2.0 - 1)
    assert even > 2 * waves > 4 * checks
    assert checks == pytest.approx(1, abs=0.01)


def test_channels_and_pictures_are_on_their_own() -> None:
    r = mx.random.normal((2, 12, 20, 3), key=mx.random.key(0))
    whole = multilevel(r)
    np.testing.assert_allclose(whole[1:, ..., 2:], multilevel(r[1:, ..., 2:]), atol=1e-6)


def test_around_no_edge_is_special() -> None:
    r = np.random.default_rng(0).normal(size=(1, 32, 48, 3)).astype(np.float32)
    there, back = (multilevel(mx.array(np.roll(r, shift, (1, 2))), around=True) for shift in ((0, 0), (8, 24)))
    np.testing.assert_allclose(np.roll(np.array(there), (8, 24), (1, 2)), np.array(back), atol=1e-5)


def test_what_is_too_small_stays_as_it_is() -> None:
    r = mx.random.normal((1, LEAST - 1, 40, 3), key=mx.random.key(0))
    assert multilevel(r) is r


def test_a_membrane_settles_in_fewer_evaluations() -> None:
    """Poisson's equation, whose Hessian is the Laplacian: what multilevel preconditioners are made for."""
    size = 128
    load = mx.random.normal((1, size, size, 1), key=mx.random.key(1))
    load = load - load.mean()

    def energy(x: mx.array) -> mx.array:
        across, down = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
        return 0.5 * (across.square().sum() + down.square().sum()) - (load * x).sum()

    objective = mx.value_and_grad(energy)

    def evaluations(optimizer: LBFGS, lowest: float) -> int:
        x, loss = mx.zeros_like(load), 0.0
        while loss > lowest:
            x, loss = optimizer.step(x, objective)
            assert optimizer.evaluations < 1000
        return optimizer.evaluations

    optimizer, x, loss = LBFGS(precondition=multilevel), mx.zeros_like(load), 0.0
    for _ in range(60):
        x, loss = optimizer.step(x, objective)
    assert evaluations(LBFGS(precondition=multilevel), 0.99 * loss) < 0.5 * evaluations(LBFGS(), 0.99 * loss)
