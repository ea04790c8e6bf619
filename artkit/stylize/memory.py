"""How an optimization shares out its memory: pairs for the optimizer's history, and room for the network beside."""

from __future__ import annotations

import artkit.device

from artkit.contract import DeviceError
from artkit.nets.multilevel import multilevel
from artkit.nets.optimizers import LBFGS, Adam, Optimizer
from artkit.stylize.options import OptimizeOptions
from artkit.stylize.tiling import bytes_per_pixel, reach
from artkit.stylize.view import Aim

CONTENT_CHANNELS = 512  # at most, of a content layer


def make_optimizer(options: OptimizeOptions, history: int) -> Optimizer:
    """The optimizer that the options name; history: correction pairs that L-BFGS keeps."""
    if options.optimizer == "adam":
        return Adam(learning_rate=options.learning_rate, averaging=options.averaging)
    return LBFGS(history, options.line_search, multilevel)


def plan_memory(options: OptimizeOptions, height: int, width: int, aim: Aim) -> tuple[int, float]:
    """(L-BFGS history, bytes left for the network): what fits beside each other into the memory at hand.

    History gives way before the tiles become smaller than they are useful; DeviceError when nothing helps.
    """
    budget = options.max_memory or artkit.device.memory_budget()
    budget -= artkit.device.BASE_MEMORY
    pixels = height * width
    picture = pixels * 12  # one float32 picture
    strides = [aim.network.architecture.geometry(tap)[0] for tap in aim.content_layers]
    content = pixels * 4 * sum(CONTENT_CHANNELS / stride**2 for stride in strides)
    _, halo = reach(aim.network.architecture, aim.taps)
    least = min(pixels, (256 + 2 * halo) ** 2) * bytes_per_pixel(aim.network, aim.taps)

    def kept(history: int) -> float:
        return make_optimizer(options, history).memory((1, height, width, 3)) + 4 * picture + content

    for history in range(1 if options.optimizer == "adam" else options.history, 0, -1):
        left = budget - kept(history)
        if left >= least or (history == 1 and left > 0):
            return history, left
    need, usable = (kept(1) + least + artkit.device.BASE_MEMORY) / 1e9, (budget + artkit.device.BASE_MEMORY) / 1e9
    raise DeviceError(
        f"{max(height, width)} pixels need about {need:.2f} GB of memory, and {usable:.2f} GB may be used; "
        "choose a smaller --size, or allow more with --max-memory"
    )
