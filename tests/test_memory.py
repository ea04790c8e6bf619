import pytest

from artkit.contract import DeviceError
from artkit.nets.features import load_features
from artkit.stylize.memory import plan_memory
from artkit.stylize.optimize import make_aim
from artkit.stylize.options import OptimizeOptions


def test_memory_is_obeyed_or_refused():
    aim = make_aim(OptimizeOptions(), load_features("compact"))
    history, left = plan_memory(OptimizeOptions(size=4096, max_memory="4GB"), 3072, 4096, aim)  # type: ignore[arg-type]
    assert history < 10
    assert 0 < left < 4e9
    with pytest.raises(DeviceError, match="need about"):
        plan_memory(OptimizeOptions(size=4096, max_memory="500MB"), 4096, 4096, aim)  # type: ignore[arg-type]


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
