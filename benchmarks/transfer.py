"""Does a picture optimized through the compact network satisfy the teacher it was distilled from?

    python benchmarks/transfer.py

Six photos in the style of six paintings, each made twice by the same optimizer, at one size and with equal iterations:
once through the compact network, once through the teacher itself. The teacher judges both. The compact network should
come within 15 % of the teacher's style loss, with content no more than 10 % higher.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np
from machine import describe
from pairs import PAIRS, add_shared, check_shared, read, write

from artkit.checkpoint import load_arrays
from artkit.nets.architectures import COMPACT, compact_of
from artkit.nets.features import FeatureNetwork, load_features
from artkit.nets.optimizers import LBFGS
from artkit.stylize.aims import make_aim
from artkit.stylize.objective import Objective
from artkit.stylize.options import OptimizeOptions
from artkit.train.teacher import Teacher


def painted(objective: Objective, start: mx.array, iterations: int) -> mx.array:
    """`iterations` of L-BFGS from `start`; colors in range."""
    optimizer, x = LBFGS(), start
    for _ in range(iterations):
        x, _ = optimizer.step(x, objective)
    return mx.clip(x, 0, 1)


def network_of(path: Path | None) -> FeatureNetwork:
    """The bundled compact network, or the one in a file that `artkit train distil` wrote."""
    if path is None:
        return load_features("compact")
    weights = load_arrays(path)
    return FeatureNetwork(compact_of(weights), weights, "centered")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_shared(parser)
    parser.add_argument("--network", type=Path, help="a compact network's file (the bundled one if not given)")
    parser.add_argument("--size", type=int, default=384, help="longest edge, pixels (%(default)s)")
    parser.add_argument("--iterations", type=int, default=150, help="of L-BFGS, for both (%(default)s)")
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    args = parser.parse_args()
    check_shared(parser, args.shared)

    teacher, compact = Teacher(args.shared / "weights"), network_of(args.network)
    style = dict.fromkeys(COMPACT.taps, 1.0)
    options = OptimizeOptions(style_layers=style, content_layers={"relu4_1": 1.0}, content_weight=0.05)
    aims = {"teacher": make_aim(options, teacher), "compact": make_aim(options, compact)}  # type: ignore[arg-type]
    print(f"{describe()}; {args.size} px, {args.iterations} iterations\n")
    print("| pair | style: teacher | compact | ratio | content: teacher | compact | ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    ratios = []
    for pair in PAIRS:
        photo = mx.array(read(pair.photo_path(args.shared), args.size)[None])
        painting = mx.array(read(pair.painting_path(args.shared), args.size)[None])
        judge = Objective(aims["teacher"], photo, [painting], [1])
        scores = {}
        for name, aim in aims.items():
            picture = painted(Objective(aim, photo, [painting], [1]), photo, args.iterations)
            mx.eval(judge(picture))
            scores[name] = judge.figures
            if args.out:
                write(np.array(picture[0]), args.out / f"{pair.name}_{name}.png")
        cells = []
        for part in ("style", "content"):
            one, two = scores["teacher"][part], scores["compact"][part]
            cells += [one, two, two / one]
        ratios.append((cells[2], cells[5]))
        print(f"| {pair.name} | " + " | ".join(f"{cell:.4f}" for cell in cells) + " |", flush=True)
    style, content = np.mean(ratios, axis=0)
    print(f"| mean | | | {style:.4f} | | | {content:.4f} |")


if __name__ == "__main__":
    main()
