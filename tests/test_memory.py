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


def test_adam_makes_do_with_as_little_memory_as_the_shortest_history():
    aim = make_aim(OptimizeOptions(), load_features("compact"))
    plans = {
        name: plan_memory(OptimizeOptions(size=1024, max_memory=550_000_000, optimizer=name), 1024, 1024, aim)
        for name in ("lbfgs", "adam")
    }
    assert plans["adam"] == plans["lbfgs"]
    assert plans["adam"][0] == 1
