"""How an optimization shares out its memory: pairs for the optimizer's history, and room for the network beside."""

from __future__ import annotations

import artkit.device

from artkit.contract import DeviceError
from artkit.nets.multilevel import multilevel
from artkit.nets.optimizers import LBFGS, Adam, Optimizer
from artkit.stylize.options import OptimizeOptions
from artkit.stylize.tiling import UNIT, bytes_per_pixel, reach
from artkit.stylize.view import Aim

CONTENT_CHANNELS = 512  # at most, of a content layer
FEWER = 0.8  # this share of the pairs paints hardly worse, while tiles twice as wide take about half the time


def make_optimizer(options: OptimizeOptions, history: int) -> Optimizer:
    """The optimizer that the options name; history: correction pairs that L-BFGS keeps."""
    if options.optimizer == "adam":
        return Adam(learning_rate=options.learning_rate, averaging=options.averaging)
    return LBFGS(history, options.line_search, multilevel)


def plan_memory(options: OptimizeOptions, height: int, width: int, aim: Aim) -> tuple[int, float]:
    """(L-BFGS history, bytes left for the network): what fits beside each other into the memory at hand.

    First the tiles become smaller, to the smallest there are, then the history shorter, pair by pair; but a fifth of
    the pairs goes before tiles as slow as the smallest. DeviceError when nothing helps.
    """
    budget = options.max_memory or artkit.device.memory_budget()
    budget -= artkit.device.BASE_MEMORY
    pixels = height * width
    picture = pixels * 12  # one float32 picture
    strides = [aim.network.architecture.geometry(tap)[0] for tap in aim.content_layers]
    content = pixels * 4 * sum(CONTENT_CHANNELS / stride**2 for stride in strides)
    _, halo = reach(aim.network.architecture, aim.taps)
    most = 1 if options.optimizer == "adam" else options.history

    def tile(core: int) -> float:
        return min(pixels, (core + 2 * halo) ** 2) * bytes_per_pixel(aim.network, aim.taps)

    def kept(history: int) -> float:
        return make_optimizer(options, history).memory((1, height, width, 3)) + 4 * picture + content

    def pairs(core: int) -> int:
        """How many fit beside such a tile."""
        return next((n for n in range(most, 0, -1) if kept(n) + tile(core) <= budget), 0)

    slow, quick = pairs(UNIT), pairs(2 * UNIT)
    history = quick if quick >= FEWER * slow else slow
    history = history or 1  # a tile takes less than is reckoned with
    if (left := budget - kept(history)) > 0:
        return history, left
    need, usable = (kept(1) + tile(UNIT) + artkit.device.BASE_MEMORY) / 1e9, (budget + artkit.device.BASE_MEMORY) / 1e9
    raise DeviceError(
        f"{max(height, width)} pixels need about {need:.2f} GB of memory, and {usable:.2f} GB may be used; "
        "choose a smaller --size, or allow more with --max-memory"
    )
