"""Where a step of training a style network goes: milliseconds by part, in Markdown.

    python benchmarks/training.py                      the full network, 16 crops of 256²
    python benchmarks/training.py --crop 64 --batch 4  a minute on two CPU cores

Parts are timed one by one, each waited for, so that they sum to more than the step, in which they overlap.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np
from machine import describe
from pairs import add_shared

from artkit.image import Picture
from artkit.nets.statistics import gram
from artkit.nets.stylenets import PLANS, Code, StyleNetwork
from artkit.train.criterion import STYLE_TAPS
from artkit.train.data import Crops
from artkit.train.loop import stack
from artkit.train.manystyle import Frames, Styles, initial_weights, manystyle_steps
from artkit.train.options import ManyOptions
from artkit.train.teacher import Teacher


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    """The median over `repeats` after a warm-up; what `work` returns is evaluated."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        mx.eval(work())
        times.append(1000 * (time.perf_counter() - start))
    return median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description="Where a step of training a style network goes.")
    add_shared(parser)
    parser.add_argument("--plan", choices=list(PLANS), default="full", help="the network (%(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="pictures a step (%(default)s)")
    parser.add_argument("--crop", type=int, default=256, help="edge of a picture, pixels (%(default)s)")
    parser.add_argument("--repeats", type=int, default=10, help="steps that are timed (%(default)s)")
    args = parser.parse_args()
    options = ManyOptions(plan=args.plan, batch=args.batch, crop=args.crop, style_size=args.crop)
    photos = Crops(args.shared / "data/photos/val", limit=20)
    teacher, plan = Teacher(args.shared / "weights"), PLANS[args.plan]
    weights = initial_weights(plan, 1, mx.random.key(0))
    code = mx.broadcast_to(weights["codes"][1], (args.batch, plan.code_size))
    x = mx.array(photos.draw(np.random.default_rng(0), args.batch, args.crop))
    frames = Frames(photos, options)
    steps = manystyle_steps(photos, _one_style(photos, teacher, args.crop), teacher, options)

    def drawn(weights: dict[str, mx.array]) -> mx.array:
        return mx.square(StyleNetwork(plan, weights)(x, Code.of(code))).mean()

    def seen(x: mx.array) -> mx.array:
        return sum((mx.square(gram(f)).mean() for f in teacher(x, STYLE_TAPS).values()), mx.array(0.0))

    def step() -> list[mx.array]:
        return list(next(steps).weights.values())

    rng = np.random.default_rng(0)
    parts: dict[str, Callable[[], Any]] = {
        "one batch, prepared": lambda: list(stack([frames.item(rng, n) for n in range(args.batch)]).values()),
        "network": lambda: drawn(weights),
        "network, with gradients": lambda: list(mx.grad(drawn)(weights).values()),
        "features": lambda: seen(x),
        "features, with gradients": lambda: mx.grad(seen)(x),
        "whole step": step,
    }
    print(f"{describe()}; {args.plan}, {args.batch} crops of {args.crop}²\n\n| part | ms |\n|---|--:|")
    for name, work in parts.items():
        print(f"| {name} | {milliseconds(work, args.repeats):.1f} |", flush=True)
    peak, kept = mx.get_peak_memory() / 1e9, mx.get_cache_memory() / 1e9
    print(f"\nmost memory in use: {peak:.1f} GB, kept for reuse: {kept:.1f} GB")


def _one_style(photos: Crops, teacher: Teacher, size: int) -> Styles:
    return Styles.of_pictures(["one"], [Picture.of(photos.draw(np.random.default_rng(1), 1, size)[0])], teacher, size)


if __name__ == "__main__":
    main()
