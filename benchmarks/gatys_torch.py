"""Neural style after Gatys, Ecker and Bethge (2016) in plain PyTorch: what artkit is compared with.

    python benchmarks/gatys_torch.py photo.jpg painting.jpg --out result.png
    python benchmarks/gatys_torch.py --pairs --size 512 --device cuda --out folder

A picture is optimized with L-BFGS, starting from the photo, until its features are those of the photo and its Gram
matrices those of the painting. The network is VGG-19 (`--network vgg19 --weights FILE`) or the hybrid teacher:
VGG-19's own relu1_1, relu2_1 and relu3_1, and relu4_1 and relu5_1 as the 16x compressed VGG-19 predicts them.

Departures from the paper: every loss is divided by the mean square of its target, so that the weights mean the same in
every layer and at every size; padding reflects, so that the border is no black frame to the network; a little total
variation. It needs torch, NumPy and Pillow, nothing of artkit.
"""

# pyright: reportMissingImports=false
# (PyTorch is an extra; types are checked without it too.)
from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from networks_torch import CONTENT, Hybrid, Network, Setting, Vgg19
from pairs import PAIRS, add_shared, check_shared, read, write
from torch.nn import functional


def gram(feature: torch.Tensor) -> torch.Tensor:
    """(1, C, H, W) -> (C, C), the mean over pixels of every product of two channels."""
    flat = feature[0].flatten(1)
    flat = flat * flat.shape[1] ** -0.5  # before the product: half precision would overflow after it
    return flat @ flat.T


def total_variation(x: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of neighbors down plus that of neighbors across."""
    return x.diff(dim=2).square().mean() + x.diff(dim=3).square().mean()


class Losses(NamedTuple):
    style: torch.Tensor
    content: torch.Tensor
    tv: torch.Tensor


class Objective:
    """Style, content and smoothness of a picture, against a painting and a photo.

    Style: the sum over layers of |G - G*|² / |G*|². Content: |F - F*|² / |F*|². Each term is 0 for its target and 1
    for an empty picture without features.
    """

    def __init__(self, network: Network, photo: torch.Tensor, painting: torch.Tensor) -> None:
        self.network = network
        with torch.no_grad():
            self.grams = {tap: gram(feature).float() for tap, feature in network(painting).items()}
            self.content = network(photo)[CONTENT].float()
            self.gram_energy = {tap: target.square().mean() for tap, target in self.grams.items()}
            self.content_energy = self.content.square().mean()

    def __call__(self, x: torch.Tensor) -> Losses:
        features = self.network(x)
        style = torch.stack(
            [
                functional.mse_loss(gram(features[tap]).float(), self.grams[tap]) / self.gram_energy[tap]
                for tap in self.grams
            ]
        )
        content = functional.mse_loss(features[CONTENT].float(), self.content) / self.content_energy
        return Losses(style.sum(), content, total_variation(x.float()))


def stylize(
    objective: Objective,
    start: torch.Tensor,
    *,
    iterations: int = 150,
    content_weight: float = 0.15,
    tv_weight: float = 1.0,
    history: int = 100,
    line_search: bool = False,
    watch: Callable[[float], None] | None = None,
) -> torch.Tensor:
    """The picture after `iterations` of L-BFGS from `start`, (1, 3, H, W), sRGB 0..1 (not cut to it)."""
    x = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x],
        max_iter=iterations,
        max_eval=iterations * 25,
        history_size=history,
        line_search_fn="strong_wolfe" if line_search else None,
        tolerance_grad=0,
        tolerance_change=0,
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        losses = objective(x)
        total = losses.style + content_weight * losses.content + tv_weight * losses.tv
        # L-BFGS' first step has the length 1/|g|, and it drops pairs with s·y under 1e-10: without this factor, which
        # changes no minimum, the gradient of a mean over so many pixels is too small for both.
        total = total * x.numel()
        total.backward()
        if watch:
            watch(total.item() / x.numel())
        return total

    optimizer.step(loss)
    return x.detach()


def pixels(x: torch.Tensor) -> np.ndarray:
    """(1, 3, H, W) -> (H, W, 3) float32"""
    return x[0].permute(1, 2, 0).float().cpu().numpy()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Neural style after Gatys et al. (2016) in plain PyTorch.")
    parser.add_argument("photo", type=Path, nargs="?")
    parser.add_argument("painting", type=Path, nargs="?")
    parser.add_argument("--pairs", action="store_true", help="the six pairs of pairs.py instead of photo and painting")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write; with --pairs the folder")
    add_shared(parser)
    parser.add_argument("--size", type=int, default=512, help="longest edge, pixels (%(default)s)")
    parser.add_argument("--iterations", type=int, default=150, help="L-BFGS steps (%(default)s)")
    parser.add_argument("--content-weight", type=float, default=0.15, help="(%(default)s)")
    parser.add_argument("--tv-weight", type=float, default=1.0, help="(%(default)s)")
    parser.add_argument("--history", type=int, default=100, help="L-BFGS: correction pairs kept (%(default)s)")
    parser.add_argument("--line-search", action="store_true", help="L-BFGS: strong Wolfe line search")
    parser.add_argument("--network", choices=["hybrid", "vgg19"], default="hybrid", help="(%(default)s)")
    parser.add_argument("--weights", type=Path, help="model.safetensors of timm/vgg19.tv_in1k, for --network vgg19")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (%(default)s)")
    parser.add_argument("--channels-last", action="store_true", help="features as NHWC in memory")
    parser.add_argument("--tuned", action="store_true", help="CUDA: TF32 products, cuDNN's best algorithms")
    args = parser.parse_args()
    if args.pairs == bool(args.painting):
        parser.error("give a photo and a painting, or --pairs")
    if args.network == "vgg19" and not args.weights:
        parser.error("--network vgg19 needs --weights FILE")
    if args.pairs:
        check_shared(parser, args.shared)
    return args


def paint(
    network: Network, setting: Setting, photo: Path, painting: Path, out: Path, args: argparse.Namespace
) -> dict[str, float]:
    """Write one picture; the seconds it took and its losses, as the network sees the file that was written."""
    start, style = (setting.picture(read(path, args.size)) for path in (photo, painting))
    begin = time.perf_counter()
    objective = Objective(network, start, style)
    settings = {
        name: getattr(args, name) for name in ("iterations", "content_weight", "tv_weight", "history", "line_search")
    }
    result = stylize(objective, start, **settings)
    setting.wait()
    seconds = time.perf_counter() - begin
    write(pixels(result), out)
    with torch.no_grad():
        losses = objective(setting.picture(read(out)))
    return {"seconds": seconds, **{name: loss.item() for name, loss in losses._asdict().items()}}


def main() -> None:
    args = arguments()
    setting = Setting(args.device, channels_last=args.channels_last, tuned=args.tuned)
    setting.tune()
    network = Vgg19.load(args.weights, setting) if args.network == "vgg19" else Hybrid(args.shared / "weights", setting)
    if args.pairs:
        jobs = [(p.photo_path(args.shared), p.painting_path(args.shared), args.out / f"{p.name}.png") for p in PAIRS]
    else:
        jobs = [(args.photo, args.painting, args.out)]
    pictures = {}
    for photo, painting, out in jobs:
        pictures[out.stem] = paint(network, setting, photo, painting, out, args)
        print(out, *(f"{name} {value:.4g}" for name, value in pictures[out.stem].items()), flush=True)
    if args.pairs:
        device = torch.cuda.get_device_name() if args.device == "cuda" else args.device
        settings = {name: value for name, value in vars(args).items() if isinstance(value, str | int | float)}
        record = {"torch": torch.__version__, **settings, "device": device, "pictures": pictures}
        (args.out / "losses.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
