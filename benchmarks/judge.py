"""How near a finished picture comes to its painting's style and its photo's content, as the hybrid teacher sees it.

    python benchmarks/judge.py result.png photo.jpg painting.jpg

Style is the sum over relu1_1 … relu5_1 of |G - G*|² / |G*|² (G: Gram matrix), content |F - F*|² / |F*|² at relu4_1; the
photo itself has content 0, the painting itself has style 0. Lower is nearer.
"""

# pyright: reportMissingImports=false
# (PyTorch is an extra; types are checked without it too.)
from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from gatys_torch import Objective
from networks_torch import Hybrid, Setting
from pairs import add_shared, read


class Score(NamedTuple):
    style: float
    content: float


class Judge:
    """The teacher, ready to judge any number of pictures."""

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """weights: the folder with vgg19_conv1-3.safetensors and vgg19_16x_encoder.safetensors."""
        self.setting = Setting(device)
        self.teacher = Hybrid(weights, self.setting)

    def score(self, result: Path, photo: Path, painting: Path) -> Score:
        """The photo is resized to the result's size, the painting so that its longest edge is the result's."""
        picture = read(result)
        height, width = picture.shape[:2]
        return self.judge(picture, read(photo, (height, width)), read(painting, max(height, width)))

    def judge(self, picture: np.ndarray, *targets: np.ndarray) -> Score:
        """A picture, (H, W, 3), 0..1, against its photo, as large, and its painting."""
        objective = Objective(self.teacher, *map(self.setting.picture, targets))
        with torch.no_grad():
            losses = objective(self.setting.picture(picture))
        return Score(losses.style.item(), losses.content.item())


def main() -> None:
    parser = argparse.ArgumentParser(description="Style and content loss of a picture, as the hybrid teacher sees it.")
    for name in ("result", "photo", "painting"):
        parser.add_argument(name, type=Path)
    add_shared(parser)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (%(default)s)")
    args = parser.parse_args()
    score = Judge(args.shared / "weights", args.device).score(args.result, args.photo, args.painting)
    print(f"style {score.style:.4f} content {score.content:.4f}")


if __name__ == "__main__":
    main()
