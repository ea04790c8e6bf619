"""L-BFGS and Adam: known minima, the conditions of their papers, PyTorch's numbers, checkpoints, coarse to fine."""

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artkit.contract import ArtkitError
from artkit.nets import lbfgs, linesearch
from artkit.nets.optimizers import LBFGS, Adam, LineSearch, Objective, Optimizer

LINE_SEARCHES: tuple[LineSearch, ...] = ("wolfe", "armijo", "none")


def objective(loss: Callable[[mx.array], mx.array]) -> Objective:
    return mx.value_and_grad(loss)


def rosenbrock(x: mx.array) -> mx.array:
    return mx.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def blurred(pixels: int) -> Objective:
    """Mean squared difference to a smooth picture (1, pixels, pixels, 3) after both are blurred by 4 % of the width."""
    i = np.arange(pixels) / pixels
    kernel = np.exp(-((i[:, None] - i) ** 2) / (2 * 0.04**2))
    blur = mx.array((kernel / kernel.sum(1, keepdims=True)).astype(np.float32))
    phase = 2 * np.pi * (i + 0.5 / pixels)
    waves = [np.sin(phase * k)[:, None] * np.cos(phase * k) for k in (1, 2, 3)]
    picture = mx.array((0.5 + 0.4 * np.stack(waves, axis=-1)).astype(np.float32))[None]

    def loss(x: mx.array) -> mx.array:
        return mx.mean(mx.einsum("ij,bjkc,lk->bilc", blur, x - picture, blur) ** 2)

    return objective(loss)


def noise(*shape: int) -> mx.array:
    return mx.random.uniform(shape=shape, key=mx.random.key(3))


def resize(pixels: int) -> Callable[[mx.array], mx.array]:
    return lambda a: mx.array(cv2.resize(np.array(a[0]), (pixels, pixels), interpolation=cv2.INTER_CUBIC))[None]


def run(optimizer: Optimizer, x: mx.array, f: Objective, steps: int) -> tuple[mx.array, list[float]]:
    losses = []
    for _ in range(steps):
        x, loss = optimizer.step(x, f)
        losses.append(loss)
    return x, losses


def evaluations_until(optimizer: Optimizer, x: mx.array, f: Objective, target: float) -> int:
    before = optimizer.evaluations
    while True:
        x, loss = optimizer.step(x, f)
        assert optimizer.evaluations < before + 2000, "the target was never reached"
        if loss <= target:
            return optimizer.evaluations - before


# --- L-BFGS: the algorithm ------------------------------------------------------------------------------------------


def test_quadratic_is_solved_in_as_many_steps_as_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    """With exact searches and the whole history, BFGS makes conjugate directions (Nocedal and Wright, theorem 6.4)."""
    monkeypatch.setattr(linesearch, "FLATNESS", 1e-3)
    scale = mx.array(np.geomspace(1, 30, 10).astype(np.float32))
    minimum = mx.arange(10) / 10
    f = objective(lambda x: mx.sum(scale * (x - minimum) ** 2))
    x, losses = run(LBFGS(history=10, line_search="wolfe"), mx.ones(10) * 3, f, 12)
    assert losses[-1] < 1e-9 * losses[0]
    np.testing.assert_allclose(x, minimum, atol=1e-4)


@pytest.mark.parametrize("precondition", [False, True])
def test_direction_is_that_of_the_bfgs_matrix(precondition: bool) -> None:
    """The two loops against H built as a matrix from the same pairs (equation 7.16), in float64."""
    x = mx.array([-1.2, 1.0, 0.3, -0.5])
    P = np.array([[2, 1, 0, 0], [1, 3, 0, 0], [0, 0, 1, 0.5], [0, 0, 0.5, 1]]) if precondition else np.eye(4)
    multiply = (lambda r: mx.array(P.astype(np.float32)) @ r) if precondition else None
    optimizer = LBFGS(history=3, line_search="wolfe", precondition=multiply)
    x, _ = run(optimizer, x, objective(rosenbrock), 6)
    state = {name: np.array(value, np.float64) for name, value in optimizer.state().items()}
    s, y = state["s2"], state["y2"]
    H = P * (s @ y) / (y @ P @ y)
    for s, y in ((state[f"s{i}"], state[f"y{i}"]) for i in range(3)):
        V = np.eye(4) - np.outer(y, s) / (y @ s)
        H = V.T @ H @ V + np.outer(s, s) / (y @ s)
    trials: list[mx.array] = []

    def f(x: mx.array) -> tuple[mx.array, mx.array]:
        trials.append(x)
        return objective(rosenbrock)(x)

    optimizer.step(x, f)
    np.testing.assert_allclose(np.array(trials[0]) - state["x"], -H @ state["gradient"], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("size", "line_search"), [(2, "wolfe"), (10, "wolfe"), (10, "armijo"), (10, "none")])
def test_rosenbrock_takes_no_more_evaluations_than_pytorch(size: int, line_search: LineSearch) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    start = np.array([-1.2, 1.0] * (size // 2), np.float32)
    p = torch.tensor(start, requires_grad=True)
    peer = torch.optim.LBFGS([p], max_iter=1000, history_size=10, line_search_fn="strong_wolfe", tolerance_change=0)
    losses: list[float] = []

    def closure():
        peer.zero_grad()
        loss = (100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()
        loss.backward()
        losses.append(loss.item())
        return loss

    peer.step(closure)
    theirs = next(i for i, loss in enumerate(losses, 1) if loss < 1e-6)
    ours = evaluations_until(LBFGS(10, line_search), mx.array(start), objective(rosenbrock), 1e-6)
    assert ours <= 1.3 * theirs + 5


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16), size=st.integers(2, 20), condition=st.floats(1, 1e3))
def test_accepted_steps_meet_the_strong_wolfe_conditions(seed: int, size: int, condition: float) -> None:
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(size, size)))[0]
    A = rotation * np.geomspace(1, condition, size) @ rotation.T
    matrix = mx.array(A.astype(np.float32))
    x = mx.array(rng.normal(size=size).astype(np.float32))
    first = 0.5 * float(mx.sum(x * (matrix @ x)))
    optimizer = LBFGS(history=5, line_search="wolfe")
    for _ in range(8):
        old = np.array(x, np.float64)
        x, loss = optimizer.step(x, objective(lambda x: 0.5 * mx.sum(x * (matrix @ x))))
        if loss < 1e-5 * first:
            break  # from here on float32 decides
        new = np.array(x, np.float64)
        before, after = A @ old @ (new - old), A @ new @ (new - old)
        rounding = 1e-5 * (old @ A @ old)
        assert before < 0
        assert 0.5 * new @ A @ new <= 0.5 * old @ A @ old + linesearch.DECREASE * before + rounding
        assert abs(after) <= -linesearch.FLATNESS * before + rounding


def test_first_move_is_two_percent_of_the_color_range() -> None:
    x = noise(1, 8, 8, 3)
    for scale in (1e-9, 1.0, 1e6):
        y, _ = LBFGS().step(x, objective(lambda x, scale=scale: scale * mx.mean((x - 3) ** 2)))
        assert mx.mean(mx.abs(y - x)).item() == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize("line_search", LINE_SEARCHES)
def test_pairs_have_positive_curvature_and_the_loss_falls(line_search: LineSearch) -> None:
    optimizer = LBFGS(5, line_search)
    bumpy = objective(lambda x: mx.mean(mx.cos(9 * x) + (x - 0.3) ** 2))
    _, losses = run(optimizer, noise(1, 6, 6, 3), bumpy, 8)
    products = [np.array(value) for name, value in optimizer.state().items() if name.startswith("products")]
    assert products
    assert all(sy > 0 and yy > 0 for sy, yy in products)
    assert losses[-1] < losses[0]
    if line_search != "none":
        assert losses == sorted(losses, reverse=True)


def test_pairs_of_negative_curvature_are_left_out() -> None:
    optimizer = LBFGS(line_search="armijo")
    _, losses = run(optimizer, noise(5), objective(lambda x: -mx.sum(x * x)), 4)
    assert losses[-1] < losses[0] < 0
    assert "s0" not in optimizer.state()


def test_history_keeps_the_newest_pairs() -> None:
    optimizer = LBFGS(3, "armijo")
    f = objective(rosenbrock)
    x, _ = run(optimizer, mx.array([-1.2, 1.0]), f, 5)
    newest = optimizer.state()["s2"]
    optimizer.step(x, f)
    np.testing.assert_array_equal(optimizer.state()["s1"], newest)
    assert "s3" not in optimizer.state()


# --- L-BFGS: evaluations, trouble, memory ---------------------------------------------------------------------------


@pytest.mark.parametrize("line_search", LINE_SEARCHES)
def test_no_point_is_evaluated_twice(line_search: LineSearch) -> None:
    seen: list[bytes] = []

    def f(x: mx.array) -> tuple[mx.array, mx.array]:
        seen.append(np.array(x).tobytes())
        return objective(rosenbrock)(x)

    optimizer = LBFGS(5, line_search)
    x, _ = run(optimizer, mx.array([-1.2, 1.0]), f, 20)
    assert optimizer.evaluations == len(seen) == len(set(seen))
    assert optimizer.evaluations < 35

    optimizer.step(mx.array(np.array(x)), f)  # an equal picture is known, a changed one is not
    assert len(set(seen)) == len(seen)
    optimizer.step(x + 0.5, f)
    assert seen.count(np.array(x + 0.5).tobytes()) == 1


@pytest.mark.parametrize("line_search", LINE_SEARCHES)
def test_a_step_out_of_the_domain_is_taken_back(line_search: LineSearch) -> None:
    """-log is infinite at zero and NaN beyond, and the first move of 0.02 goes there."""
    f = objective(lambda x: mx.mean(50 * x - mx.log(x)))
    x, losses = run(LBFGS(5, line_search), mx.full((1, 4, 4, 3), 0.0205), f, 12)
    assert all(math.isfinite(loss) for loss in losses)
    np.testing.assert_allclose(x, 0.02, rtol=2e-3)
    x, losses = run(LBFGS(5, line_search), mx.full((1, 4, 4, 3), 0.03) - 0.012 * noise(1, 4, 4, 3), f, 12)
    assert all(math.isfinite(loss) for loss in losses)
    np.testing.assert_allclose(x, 0.02, rtol=2e-3)


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam()], ids=["lbfgs", "adam"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_start_without_a_finite_loss_is_an_error(optimizer: Optimizer, value: float) -> None:
    with pytest.raises(ArtkitError, match="not a finite number"):
        optimizer.step(noise(4), lambda x: (mx.array(value), x))
    with pytest.raises(ArtkitError, match="not a finite number"):
        optimizer.step(noise(4), lambda x: (mx.array(1.0), x * value))
    x, loss = optimizer.step(noise(4), objective(lambda x: mx.mean(x * x)))
    assert math.isfinite(loss)
    assert mx.isfinite(x).all()


def test_a_misleading_history_is_forgotten() -> None:
    f = objective(lambda x: mx.mean((x - 0.5) ** 2))
    x = noise(1, 4, 4, 3)
    optimizer = LBFGS(line_search="armijo")
    unit = mx.ones_like(x) / math.sqrt(x.size)
    pair = {"s0": unit * 1e15, "y0": unit * 1e-15, "products0": mx.array([1.0, 1e-30])}  # promises 1e30 times too far
    optimizer.load_state({"counters": mx.array([0, 0]), **pair})
    _, loss = optimizer.step(x, f)
    assert loss < float(f(x)[0])
    assert not optimizer.stalled
    assert mx.abs(optimizer.state()["s0"]).max() < 1  # the pair of this step, not the loaded one
    assert "s1" not in optimizer.state()


@pytest.mark.parametrize("line_search", LINE_SEARCHES)
def test_stalled_at_the_minimum(line_search: LineSearch) -> None:
    optimizer = LBFGS(line_search=line_search)
    f = objective(lambda x: 1 + mx.mean((x - 0.5) ** 2))
    x, loss = optimizer.step(mx.full((3,), 0.5), f)
    assert optimizer.stalled
    assert loss == 1.0
    np.testing.assert_array_equal(x, np.full(3, 0.5))
    optimizer.step(mx.zeros(3), f)
    assert not optimizer.stalled


@pytest.mark.parametrize("line_search", ["wolfe", "armijo"])
def test_stalls_soon_where_float32_ends(line_search: LineSearch) -> None:
    optimizer = LBFGS(line_search=line_search)
    f = objective(lambda x: 1 + mx.mean(x * x * (1 + 9 * noise(1, 8, 8, 3))))
    x, loss, before = noise(1, 8, 8, 3), 0.0, 0
    for _ in range(40):
        before = optimizer.evaluations
        x, loss = optimizer.step(x, f)
        if optimizer.stalled:
            break
    assert optimizer.stalled
    assert loss == pytest.approx(1.0, abs=1e-6)
    assert optimizer.evaluations - before <= 12


@pytest.mark.parametrize("optimizer", [LBFGS(2, "wolfe"), LBFGS(2, "none"), Adam()], ids=["wolfe", "none", "adam"])
def test_memory_is_what_it_says(optimizer: Optimizer) -> None:
    x = mx.full((1, 1200, 1200, 3), 0.7)
    weight = noise(*x.shape) / x.size

    def f(x: mx.array) -> tuple[mx.array, mx.array]:
        gradient = weight * x
        return lbfgs.dot(gradient, x) / 2, gradient

    mx.eval(x, weight)
    others = mx.get_active_memory() - x.nbytes
    mx.reset_peak_memory()
    for _ in range(4):
        x, _ = optimizer.step(x, f)
    assert mx.get_peak_memory() - others <= 1.02 * optimizer.memory(x.shape)
    assert mx.get_peak_memory() - others >= 0.8 * optimizer.memory(x.shape)  # nor does it ask for much too much


def test_total_is_exact_for_large_pictures() -> None:
    x = noise(1, 1500, 1500, 3)
    assert lbfgs.total(x).item() == pytest.approx(np.array(x, np.float64).sum(), rel=1e-6)


# --- Adam -----------------------------------------------------------------------------------------------------------


def test_adam_by_hand() -> None:
    """Two steps with gradients 1 and 3: bias correction makes the first step the learning rate itself."""
    adam = Adam(learning_rate=0.1, beta1=0.9, beta2=0.99, eps=0, averaging=0.5, bounds=None)
    x1, loss = adam.step(mx.array([0.0]), lambda x: (mx.array(7.0), mx.array([1.0])))
    assert loss == 7
    assert x1.item() == pytest.approx(-0.1)
    x2, _ = adam.step(x1, lambda x: (mx.array(6.0), mx.array([3.0])))
    mean, square = (0.09 + 0.3) / 0.19, (0.0099 + 0.09) / 0.0199
    assert x2.item() == pytest.approx(-0.1 - 0.1 * mean / math.sqrt(square), rel=1e-5)
    assert adam.average(x2).item() == pytest.approx((0.25 * -0.1 + 0.5 * x2.item()) / 0.75, rel=1e-5)
    assert adam.evaluations == 2


def test_adam_agrees_with_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    start, weight = np.array(noise(1, 5, 4, 3)), np.array(noise(1, 5, 4, 3)) + 0.1
    p = torch.tensor(start, requires_grad=True)
    peer = torch.optim.Adam([p], lr=0.03, betas=(0.8, 0.95), eps=1e-3)
    for _ in range(30):
        peer.zero_grad()
        (torch.tensor(weight) * (p - 0.2) ** 2).mean().backward()
        peer.step()
    adam = Adam(0.03, 0.8, 0.95, eps=1e-3 * start.size, bounds=None)
    f = objective(lambda x: mx.mean(mx.array(weight) * (x - 0.2) ** 2))
    x, _ = run(adam, mx.array(start), f, 30)
    np.testing.assert_allclose(x, p.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_adam_does_the_same_at_every_size() -> None:
    f = objective(lambda x: mx.mean((x - 0.2) ** 2))
    small = noise(1, 3, 3, 3)
    large = mx.tile(small, (1, 8, 8, 1))
    x, _ = run(Adam(eps=0.1), small, f, 20)
    y, _ = run(Adam(eps=0.1), large, f, 20)
    np.testing.assert_allclose(y, mx.tile(x, (1, 8, 8, 1)), rtol=1e-4, atol=1e-5)


def test_adam_stays_in_bounds() -> None:
    f = objective(lambda x: mx.mean((x - mx.array([-3.0, 4.0, 0.5])) ** 2))
    x, _ = run(Adam(0.1), noise(1, 2, 2, 3), f, 60)
    assert mx.min(x).item() == 0
    assert mx.max(x).item() == 1
    np.testing.assert_allclose(x[..., 2], 0.5, atol=0.05)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_average_of_a_constant_is_the_constant(steps: int) -> None:
    adam = Adam()
    x, _ = run(adam, mx.full((1, 2, 2, 3), 0.7), lambda x: (mx.array(1.0), mx.zeros_like(x)), steps)
    np.testing.assert_allclose(adam.average(x), 0.7, rtol=1e-5)


def test_average_settles_where_the_iterates_jitter() -> None:
    f = objective(lambda x: mx.mean(mx.abs(x - 0.5)))
    adam = Adam(0.05, averaging=0.9)
    x, _ = run(adam, noise(1, 4, 4, 3), f, 100)
    assert mx.abs(adam.average(x) - 0.5).mean() < 0.5 * mx.abs(x - 0.5).mean()
    last = Adam(0.05, averaging=0)
    x, _ = run(last, noise(1, 4, 4, 3), f, 3)
    np.testing.assert_array_equal(last.average(x), x)


# --- checkpoints and coarse to fine ---------------------------------------------------------------------------------


def optimizers() -> list[Optimizer]:
    return [*(LBFGS(3, line_search) for line_search in LINE_SEARCHES), Adam(averaging=0.9)]


@pytest.mark.parametrize("which", range(4), ids=[*LINE_SEARCHES, "adam"])
@pytest.mark.parametrize("steps", [0, 1, 6])
def test_a_checkpoint_goes_on_bit_for_bit(which: int, steps: int, tmp_path: Path) -> None:
    f = blurred(12)
    optimizer, resumed = optimizers()[which], optimizers()[which]
    x, _ = run(optimizer, noise(1, 12, 12, 3), f, steps)
    mx.save_safetensors(str(tmp_path / "state.safetensors"), optimizer.state() | {"picture": x})
    y, losses = run(optimizer, x, f, 5)

    state = mx.load(str(tmp_path / "state.safetensors"))
    assert isinstance(state, dict)
    resumed.load_state(state)
    z, again = run(resumed, state["picture"], f, 5)
    assert again == losses
    np.testing.assert_array_equal(y, z)
    np.testing.assert_array_equal(optimizer.average(y), resumed.average(z))
    assert resumed.evaluations == optimizer.evaluations


def test_a_stall_is_remembered() -> None:
    optimizer, resumed = LBFGS(), LBFGS()
    optimizer.step(mx.zeros(3), objective(lambda x: mx.mean(x * x)))
    resumed.load_state(optimizer.state())
    assert resumed.stalled


def test_the_state_of_another_optimizer_is_an_error() -> None:
    with pytest.raises(ArtkitError, match="no state of L-BFGS"):
        LBFGS().load_state({"moment1": mx.zeros(3)})
    adam = Adam()
    with pytest.raises(ArtkitError, match="no state of Adam"):
        adam.load_state(LBFGS().state())
    assert adam.evaluations == 0


def double(x: mx.array) -> mx.array:
    return mx.repeat(mx.repeat(x, 2, axis=1), 2, axis=2)


def test_pairs_carried_up() -> None:
    """Four times the pixels: s as it is, y a quarter, so s·y is kept and y·y a quarter (whole pixels doubled)."""
    optimizer = LBFGS(3, "armijo")
    run(optimizer, noise(1, 8, 8, 3), blurred(8), 5)
    before = optimizer.state()
    assert optimizer.resized(double, 4.0) is optimizer
    after = optimizer.state()
    assert "x" not in after  # the loss is another: nothing is known about it yet
    for i in range(3):
        np.testing.assert_array_equal(after[f"s{i}"], double(before[f"s{i}"]))
        np.testing.assert_array_equal(after[f"y{i}"], double(before[f"y{i}"]) / 4)
        np.testing.assert_allclose(after[f"products{i}"], before[f"products{i}"] * mx.array([1, 0.25]), rtol=1e-5)


def test_pairs_that_lose_their_curvature_are_dropped() -> None:
    good = mx.ones((1, 2, 2, 1))
    mixed = mx.array([-1.0, 2.0, 2.0, 2.0]).reshape(1, 2, 2, 1)  # s·y is 5, but -1 at the pixel that stays
    state = {"counters": mx.array([9, 1]), "s0": good, "y0": good, "products0": mx.array([4.0, 4.0])}
    state |= {"s1": good, "y1": mixed, "products1": mx.array([5.0, 13.0])}
    optimizer = LBFGS()
    optimizer.load_state(state)
    optimizer.resized(lambda a: a[:, :1, :1], 0.25)
    assert optimizer.state()["s0"].shape == (1, 1, 1, 1)
    assert "s1" not in optimizer.state()
    assert not optimizer.stalled


@pytest.mark.parametrize("line_search", ["wolfe", "armijo"])
@pytest.mark.parametrize("scale", [2, 3])
def test_going_on_with_carried_pairs_is_no_slower_than_afresh(line_search: LineSearch, scale: int) -> None:
    coarse, fine = 16, 16 * scale
    optimizer = LBFGS(line_search=line_search)
    x, losses = run(optimizer, noise(1, coarse, coarse, 3), blurred(coarse), 12)
    x = resize(fine)(x)
    carried = optimizer.resized(resize(fine), scale**2)
    for target in (losses[-1], 0.3 * losses[-1]):
        carried_up = LBFGS(line_search=line_search)
        carried_up.load_state(carried.state())
        afresh = evaluations_until(LBFGS(line_search=line_search), x, blurred(fine), target)
        assert evaluations_until(carried_up, x, blurred(fine), target) <= afresh


def test_moments_carried_up() -> None:
    adam = Adam()
    x, _ = run(adam, noise(1, 4, 4, 3), objective(lambda x: mx.mean((x - 0.2) ** 2)), 5)
    before = adam.state()
    assert adam.resized(double, 4.0) is adam
    after = adam.state()
    np.testing.assert_allclose(after["moment1"], double(before["moment1"]) / 4, rtol=1e-6)
    np.testing.assert_allclose(after["moment2"], double(before["moment2"]) / 16, rtol=1e-6)
    x = double(x)
    np.testing.assert_array_equal(adam.average(x), x)  # begun anew

    adam.resized(lambda a: a - mx.max(a), 1.0)  # resampling that overshoots below zero
    assert mx.min(adam.state()["moment2"]) >= 0


def test_adam_goes_on_at_twice_the_size_as_if_nothing_happened() -> None:
    """A loss without neighbors: each of the four new pixels follows the path of the old one."""
    f = objective(lambda x: mx.mean((x - 0.2) ** 2))
    small, large = Adam(), Adam()
    x, _ = run(small, noise(1, 4, 4, 3), f, 5)
    large.load_state(small.state())
    y, _ = run(large.resized(double, 4.0), double(x), f, 5)
    x, _ = run(small, x, f, 5)
    np.testing.assert_allclose(y, double(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("line_search", LINE_SEARCHES)
def test_lbfgs_goes_on_at_twice_the_size_as_if_nothing_happened(line_search: LineSearch) -> None:
    f = objective(lambda x: mx.mean(mx.cosh(3 * (x - 0.2))))
    small, large = LBFGS(line_search=line_search), LBFGS(line_search=line_search)
    x, _ = run(small, noise(1, 4, 4, 3), f, 4)
    large.load_state(small.state())
    y, losses = run(large.resized(double, 4.0), double(x), f, 2)
    x, expected = run(small, x, f, 2)
    np.testing.assert_allclose(y, double(x), rtol=1e-4, atol=1e-5)
    assert losses == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam()], ids=["lbfgs", "adam"])
def test_nothing_learned_is_carried_up_as_nothing(optimizer: Optimizer) -> None:
    x, loss = optimizer.resized(double, 4.0).step(noise(1, 4, 4, 3), blurred(4))
    assert loss > 0
    assert x.shape == (1, 4, 4, 3)
