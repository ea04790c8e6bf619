import itertools

import pytest

from artkit.contract import DeviceError
from artkit.nets.features import load_features
from artkit.stylize.aims import make_aim
from artkit.stylize.memory import plan_memory
from artkit.stylize.options import OptimizeOptions
from artkit.stylize.tiling import UNIT, bytes_per_pixel, core_size, reach


def test_memory_is_obeyed_or_refused():
    aim = make_aim(OptimizeOptions(), load_features("compact"))
    history, left = plan_memory(OptimizeOptions(size=4096, max_memory="4GB"), 3072, 4096, aim)  # type: ignore[arg-type]
    assert history < 10
    assert 0 < left < 4e9
    with pytest.raises(DeviceError, match="need about"):
        plan_memory(OptimizeOptions(size=4096, max_memory="500MB"), 4096, 4096, aim)  # type: ignore[arg-type]


def test_tiles_become_smaller_before_the_history_becomes_shorter():
    aim = make_aim(OptimizeOptions(), load_features("compact"))

    def plan(memory: float, size: int) -> tuple[int, float]:
        options = OptimizeOptions(size=size, max_memory=int(memory))  # type: ignore[arg-type]
        return plan_memory(options, size * 3 // 4, size, aim)

    whole = 384 * 512 * bytes_per_pixel(aim.network, aim.taps)
    histories = [plan(megabytes * 1e6, 512)[0] for megabytes in range(1100, 600, -2)]
    assert plan(1.1e9, 512)[1] >= whole
    assert plan(0.9e9, 512)[1] < whole
    assert plan(0.9e9, 512)[0] == 10
    assert (histories[0], histories[-1]) == (10, 1)
    assert all(before - after <= 2 for before, after in itertools.pairwise(histories))
    assert min(histories[:180]) >= 8  # down to 742 MB, where the smallest tile still fits


def test_tiles_that_would_keep_hardly_more_history_are_not_made_smaller():
    aim = make_aim(OptimizeOptions(), load_features("compact"))
    _, halo = reach(aim.network.architecture, aim.taps)
    history, left = plan_memory(OptimizeOptions(size=4096, max_memory="5GB"), 3072, 4096, aim)  # type: ignore[arg-type]
    assert history == 5
    assert core_size(3072, 4096, UNIT, halo, bytes_per_pixel(aim.network, aim.taps), left) == 2 * UNIT


def test_adam_makes_do_with_less_memory_than_lbfgs():
    aim = make_aim(OptimizeOptions(), load_features("compact"))

    def plan(optimizer: str, memory: int) -> tuple[int, float]:
        options = OptimizeOptions(size=1024, max_memory=memory, optimizer=optimizer)  # type: ignore[arg-type]
        return plan_memory(options, 1024, 1024, aim)

    history, left = plan("lbfgs", 580_000_000)
    assert history == 1
    assert plan("adam", 580_000_000) == (1, left + 2 * 12 * 1024**2)
    plan("adam", 550_000_000)
    with pytest.raises(DeviceError, match="need about"):
        plan("lbfgs", 550_000_000)
