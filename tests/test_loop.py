"""The training loop: it learns, goes on exactly where it was cut off, and shares a batch between ranks exactly."""

import itertools
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WeightsError
from artkit.train import loop
from artkit.train.loop import GROUPS, Item, generator, stack, train_steps
from artkit.train.options import LoopOptions
from tests.style_files import rewrite

OPTIONS = LoopOptions(steps=40, batch=4, learning_rate=0.1, warm_up=5, averaging=0.8)
TRUTH = np.array([1.0, -2.0, 3.0], np.float32)


def item(step: int, number: int) -> Item:
    x = generator(0, step, number).normal(size=3).astype(np.float32)
    return {"x": x, "y": np.array(x @ TRUTH, np.float32)}


def loss(weights, batch):
    error = mx.square(batch["x"] @ weights["w"] - batch["y"]).mean()
    return error, {"error": error}


def fresh() -> dict[str, mx.array]:
    return {"w": mx.zeros(3)}


def test_it_learns():
    *_, last = train_steps(fresh(), loss, item, OPTIONS.model_copy(update={"steps": 120}))
    assert (last.step, last.done) == (120, 1.0)
    np.testing.assert_allclose(np.array(last.weights["w"]), TRUTH, atol=0.3)


def test_memory_of_a_gpu_is_left_to_others_while_it_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "uses_gpu", lambda: True)
    before = mx.set_cache_limit(1000)
    steps = train_steps(fresh(), loss, item, OPTIONS)
    next(steps)
    assert mx.set_cache_limit(500) == 500
    steps.close()
    assert mx.set_cache_limit(before) == 1000


def test_the_first_step_of_adam_is_as_long_as_the_learning_rate():
    first = next(train_steps(fresh(), loss, item, OPTIONS))
    np.testing.assert_allclose(np.abs(np.array(first.weights["w"])) * 10 / 9, 0.1 / 5, rtol=1e-3)  # averaged with zeros


def test_resumed_is_as_if_never_stopped(tmp_path: Path):
    *_, whole = train_steps(fresh(), loss, item, OPTIONS)
    *_, half = itertools.islice(train_steps(fresh(), loss, item, OPTIONS), 17)
    half.save(tmp_path / "state.safetensors")
    *_, last = train_steps(fresh(), loss, item, OPTIONS, resume=tmp_path / "state.safetensors")
    assert last.step == 40
    assert mx.array_equal(last.weights["w"], whole.weights["w"])


def test_resumed_weights_are_summed_in_the_same_order(tmp_path: Path):
    def far(weights, batch):
        parts = [mx.abs(w * (n + 1.7) - batch["x"].mean()).sum() for n, w in enumerate(weights.values())]
        error = sum(parts, mx.array(0.0))
        return error, {"error": error}

    start = {f"w{n * 7 % 11}": mx.full(3 + n, 0.1 * n) for n in range(11)}
    *_, whole = train_steps(start, far, item, OPTIONS)
    next(train_steps(start, far, item, OPTIONS)).save(tmp_path / "state.safetensors")
    *_, last = train_steps(start, far, item, OPTIONS, resume=tmp_path / "state.safetensors")
    assert list(last.weights) == list(whole.weights)
    assert all(mx.array_equal(last.weights[name], whole.weights[name]) for name in start)


@pytest.mark.parametrize(("subject", "changes"), [("other pictures", {}), ("", {"seed": 1}), ("", {"batch": 8})])
def test_other_pictures_and_options_do_not_go_on(tmp_path: Path, subject: str, changes: dict[str, int]):
    path = tmp_path / "state.safetensors"
    next(train_steps(fresh(), loss, item, OPTIONS)).save(path)
    longer = OPTIONS.model_copy(update={"steps": 50})
    assert next(train_steps(fresh(), loss, item, longer, resume=path)).step == 2
    other = OPTIONS.model_copy(update=changes)
    with pytest.raises(WeightsError, match="another training, with other pictures or options"):
        next(train_steps(fresh(), loss, item, other, subject=subject, resume=path))


def test_the_state_of_another_training_is_refused(tmp_path: Path):
    next(train_steps(fresh(), loss, item, OPTIONS)).save(tmp_path / "state.safetensors")
    with pytest.raises(WeightsError, match="another training"):
        next(train_steps({"w": mx.zeros(4)}, loss, item, OPTIONS, resume=tmp_path / "state.safetensors"))


def test_a_training_that_went_astray_leaves_the_last_good_state(tmp_path: Path):
    path = tmp_path / "state.safetensors"
    steps = train_steps(fresh(), lambda w, batch: loss({"w": w["w"] * slope}, batch), item, OPTIONS)
    slope = 1.0
    next(steps).save(path)
    good, slope = path.read_bytes(), float("nan")
    with pytest.raises(WeightsError, match=r"step 2.*learning-rate"):
        next(steps).save(path)
    assert path.read_bytes() == good


@pytest.mark.parametrize(
    ("value", "step", "reason"), [(np.nan, "1", "not finite"), (1, "", "damaged"), (1, None, "damaged")]
)
def test_a_damaged_state_is_refused(tmp_path: Path, value: float, step: str | None, reason: str):
    path = tmp_path / "state.safetensors"
    next(train_steps(fresh(), loss, item, OPTIONS)).save(path)
    rewrite(path, {f"{group}/w": np.full(3, value, np.float32) for group in GROUPS}, step=step)
    with pytest.raises(WeightsError, match=reason):
        next(train_steps(fresh(), loss, item, OPTIONS, resume=path))


def test_names_that_only_some_items_have_are_stacked_from_those():
    batch = stack([{"a": np.ones(()), "b": np.zeros(2)}, {"a": np.full((), 2.0)}])
    assert batch["a"].tolist() == [1, 2]
    assert batch["b"].shape == (1, 2)


RANKS = """
import sys
sys.path.insert(0, {tests!r})
from test_loop import OPTIONS, fresh, item, loss
import mlx.core as mx
from artkit.train.loop import train_steps
{first}
*_, last = train_steps(fresh(), loss, item, OPTIONS)
if mx.distributed.init().rank() == 0:
    print("size", mx.distributed.init().size(), "weights", *last.weights["w"].tolist())
"""


CLOCKS = """
from artkit.train import loop as watched
clock, rate = watched.time.monotonic, 1 + 3 * mx.distributed.init().rank()  # a second that passes four times as fast
watched.time = type("Clock", (), {"monotonic": staticmethod(lambda: clock() * rate)})
OPTIONS = OPTIONS.model_copy(update={"minutes": 0.05})
"""
ENDS = """
print("rank", mx.distributed.init().rank(), "ends at", last.step, flush=True)
"""


def on_two_ranks(script: Path, text: str) -> subprocess.CompletedProcess[str]:
    script.write_text(text)
    launch = [str(Path(sys.executable).parent / "mlx.launch"), "-n", "2", "--python", sys.executable, str(script)]
    return subprocess.run(launch, capture_output=True, text=True, timeout=60)


def test_ranks_end_at_the_same_step_whatever_their_clocks_say(tmp_path: Path):
    text = RANKS.format(tests=str(Path(__file__).parent), first=CLOCKS) + ENDS
    done = on_two_ranks(tmp_path / "ranks.py", text)
    ends = [line.split("ends at")[1] for line in done.stdout.splitlines() if "ends at" in line]
    assert len(ends) == 2, done.stdout + done.stderr
    assert ends[0] == ends[1]


def test_two_ranks_follow_one_with_the_whole_batch(tmp_path: Path):
    *_, alone = train_steps(fresh(), loss, item, OPTIONS)
    done = on_two_ranks(tmp_path / "ranks.py", RANKS.format(tests=str(Path(__file__).parent), first=""))
    line = next((line for line in done.stdout.splitlines() if "size 2" in line), None)
    assert line, done.stdout + done.stderr
    weights = [float(word) for word in line.split("weights")[1].split()]
    np.testing.assert_allclose(weights, alone.weights["w"].tolist(), rtol=1e-4, atol=1e-5)
