"""PyTorch in a worker: passes through VGG-19, and whole pictures."""

# pyright: reportMissingImports=false
# (PyTorch is an extra; types are checked without it too.)
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gatys_torch import Objective, gram, pixels, stylize
from networks_torch import Hybrid, Setting, Vgg19, transformer
from pairs import PAIRS, read
from processes import Contestant
from torch.nn import functional


def contestant(task: str, size: int, shared: Path, setting: dict[str, Any]) -> Contestant:
    """task: "passes", "restyle" or "pictures". setting: that of networks_torch.Setting; for pictures `history` too."""
    history = setting.pop("history", 100)
    place = Setting(**setting)
    place.tune()
    if task == "passes":
        run: Callable[[], Any] = one_pass(size, place)
    elif task == "restyle":
        run = one_restyled(size, place)
    else:
        run = one_picture(size, shared, place, history)

    def peak() -> int:
        return torch.cuda.max_memory_allocated() if place.device == "cuda" else 0

    return Contestant(run, peak, f"PyTorch {torch.__version__}, {torch.get_num_threads()} CPU threads")


def one_pass(size: int, place: Setting) -> Callable[[], None]:
    """VGG-19 to relu5_1 with random weights and zero padding, five Gram losses, the gradient for the picture."""
    network = Vgg19.random(place)
    draw = np.random.default_rng(0)
    picture, target = (place.picture(draw.random((size, size, 3), np.float32)) for _ in range(2))
    with torch.no_grad():
        targets = {tap: gram(feature).float() for tap, feature in network(target).items()}
        energy = {tap: target.square().mean() for tap, target in targets.items()}
    picture.requires_grad_()

    def run() -> None:
        picture.grad = None
        features = network(picture)
        losses = [functional.mse_loss(gram(features[tap]).float(), targets[tap]) / energy[tap] for tap in targets]
        torch.stack(losses).sum().backward()
        place.wait()

    return run


def one_restyled(size: int, place: Setting) -> Callable[[], None]:
    """TransformerNet with random weights over a square picture that is on the device already."""
    network = transformer()
    for weight in network.parameters():
        weight.data = place.place(weight.data)
    picture = place.picture(np.random.default_rng(0).random((size, size, 3), np.float32))

    def run() -> None:
        with torch.no_grad():
            network(picture)
        place.wait()

    return run


def one_picture(size: int, shared: Path, place: Setting, history: int) -> Callable[[], np.ndarray]:
    """The first pair: 150 steps of L-BFGS on the hybrid teacher, from files to an array in memory."""
    teacher, pair = Hybrid(shared / "weights", place), PAIRS[0]

    def run() -> np.ndarray:
        paths = pair.photo_path(shared), pair.painting_path(shared)
        photo, painting = (place.picture(read(path, size)) for path in paths)
        return pixels(stylize(Objective(teacher, photo, painting), photo, history=history))

    return run
