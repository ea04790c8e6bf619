"""artkit in a worker: passes through VGG-19, and whole pictures."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import artkit.device  # before mlx.core: it loads a fast BLAS

# isort: split
import mlx.core as mx
import numpy as np
from pairs import PAIRS
from processes import Contestant

from artkit import image
from artkit.nets.architectures import VGG19
from artkit.nets.features import FeatureNetwork, preprocess
from artkit.nets.layers import channel_products
from artkit.nets.statistics import gram
from artkit.nets.stylenets import PLANS, Code, StyleNetwork
from artkit.stylize.optimize import optimize_steps
from artkit.stylize.options import OptimizeOptions

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def contestant(task: str, size: int, shared: Path, setting: dict[str, Any]) -> Contestant:
    """task: "passes", "restyle" or "pictures". setting: `dtype` and `plan` of a pass, options of a picture."""
    if task == "passes":
        run: Callable[[], Any] = one_pass(size, **setting)
    elif task == "restyle":
        run = one_restyled(size, **setting)
    else:
        run = one_picture(shared, OptimizeOptions(size=size, **setting))

    def peak() -> int:
        return mx.get_peak_memory() if artkit.device.uses_gpu() else 0

    about = f"MLX {version('mlx')} on {mx.default_device()}, BLAS {artkit.device.blas_in_use()}"
    return Contestant(run, peak, about)


def one_pass(size: int, dtype: str = "float32") -> Callable[[], None]:
    """VGG-19 to relu5_1 with random weights and zero padding, five Gram losses, the gradient for the picture."""
    kind = getattr(mx, dtype)
    draw = np.random.default_rng(0)
    weights = {}
    for name, shape in VGG19.shapes().items():
        spread = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.0
        weights[name] = mx.array(draw.standard_normal(shape, np.float32) * np.float32(spread)).astype(kind)
    # The mean is subtracted here, before the change of type: FeatureNetwork would go back to float32 for it.
    network = FeatureNetwork(VGG19, weights, preprocessing="none", padding="zero")
    picture, target = (mx.array(draw.random((1, size, size, 3), np.float32)) for _ in range(2))

    def grams(x: mx.array) -> dict[str, mx.array]:
        found = {}
        for tap, feature in network(preprocess(x, "torch").astype(kind), STYLE).items():
            if kind == mx.float32:
                found[tap] = gram(feature)
                continue
            rows = feature.reshape(1, -1, feature.shape[-1])  # divided before their product, which would overflow
            found[tap] = channel_products(rows * rows.shape[1] ** -0.5).astype(mx.float32)
        return found

    targets = grams(target)
    energy = {tap: mx.square(gram).mean() for tap, gram in targets.items()}
    mx.eval(weights, targets, energy)

    def loss(x: mx.array) -> mx.array:
        found = grams(x)
        return sum((mx.square(found[tap] - targets[tap]).mean() / energy[tap] for tap in targets), mx.array(0.0))

    both = mx.value_and_grad(loss)
    if artkit.device.compiles():
        both = mx.compile(both)
    return lambda: mx.eval(both(picture))


def one_restyled(size: int, plan: str, dtype: str = "float32") -> Callable[[], None]:
    """A style network with random weights over a square picture that is on the device already."""
    kind, draw = getattr(mx, dtype), np.random.default_rng(0)
    weights = {}
    for name, shape in PLANS[plan].shapes().items():
        spread = np.float32((2 / np.prod(shape[1:])) ** 0.5)
        weights[name] = mx.array(draw.standard_normal(shape, np.float32) * spread).astype(kind)
    network = StyleNetwork(PLANS[plan], weights)
    picture = mx.array(draw.random((1, size, size, 3), np.float32)).astype(kind)
    code = PLANS[plan].plain_code().astype(kind)
    mx.eval(weights, picture, code)

    def draw_one(x: mx.array) -> mx.array:
        return network(x, Code.of(code))

    run = mx.compile(draw_one) if artkit.device.compiles() else draw_one
    return lambda: mx.eval(run(picture))


def one_picture(shared: Path, options: OptimizeOptions) -> Callable[[], np.ndarray]:
    """The first pair: everything `artkit stylize` does, from files to an array in memory."""
    pair = PAIRS[0]

    def run() -> np.ndarray:
        photo, painting = image.load(pair.photo_path(shared)), image.load(pair.painting_path(shared))
        *_, last = optimize_steps(photo, [painting], options)
        return np.array(last.image)

    return run
