"""The gallery's styles beside the networks of ml5.js: style and content as the teacher sees them, and flicker.

    python benchmarks/quality_styles.py --photos 20
    python benchmarks/quality_styles.py --gallery out --only the_scream,udnie     what `artkit train many -o out` wrote

The first photos of data/photos/val at 512 px. Flicker is the mean difference, in 8-bit levels, between a frame that is
shifted by 3 and 5 pixels, or noisy (deviation 4 levels), restyled, and the restyled frame, shifted alike or as it is.
"""

# pyright: reportMissingImports=false
# (PyTorch is an extra; types are checked without it too.)
from __future__ import annotations

import argparse
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np
from judge import Judge
from machine import describe
from ml5 import TransformerNet
from pairs import add_shared, read, write

from artkit.nets.stylenets import Code
from artkit.stylize import gallery, manifest
from artkit.stylize.gallery import Style
from artkit.stylize.manifest import PlanName

Restyle = Callable[[mx.array], mx.array]

MULTIPLE = 8  # of width and height, for all networks
SHIFT = (3, 5)
NOISE = 4 / 255
BORDER = 16  # left out beside a border, which is another one after a shift
HERE = Path(__file__).resolve().parents[1]
ML5 = {"rain_princess": "benchmark_styles/rain_princess"}  # what only they learned


class Figures(NamedTuple):
    """Of one style, means over the photos."""

    style: float
    content: float
    shifted: float
    noisy: float


def paintings(shared: Path) -> dict[str, Path]:
    """The shared pictures that styles were learned from, by the styles' names and by the files'."""
    catalog = tomllib.loads((HERE / "scripts" / "gallery.toml").read_text(encoding="utf-8"))
    folder = shared / "data/paintings"
    found = {path.stem: path for path in (folder / "gallery").glob("*.jpg")}
    found |= {name: found[known["picture"]] for name, known in catalog.items() if known["picture"] in found}
    return found | {name: folder / f"{path}.jpg" for name, path in ML5.items()}


def measured(restyle: Restyle, photos: list[Path], painting: Path, judge: Judge, size: int) -> Figures:
    """`restyle`: (1, H, W, 3), sRGB 0..1 -> the same."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(photos):
            height, width = (edge // MULTIPLE * MULTIPLE for edge in read(path, size).shape[:2])
            frame = read(path, (height, width))
            drawn = _draw(restyle, frame)
            write(drawn, file := Path(folder) / "drawn.png")
            score = judge.score(file, path, painting)
            noise = np.random.default_rng(number).normal(0, NOISE, frame.shape)
            noisy = _draw(restyle, np.clip(frame + noise, 0, 1).astype(np.float32))
            rows.append((*score, _shifted(restyle, frame), 255 * np.abs(noisy - drawn).mean()))
    return Figures(*(fmean(column) for column in zip(*rows, strict=True)))


def _shifted(restyle: Restyle, frame: np.ndarray) -> float:
    """Two crops of one frame, SHIFT apart, restyled: their difference where they overlap, in 8-bit levels."""
    down, right = SHIFT
    height, width = (edge - MULTIPLE for edge in frame.shape[:2])
    first = _draw(restyle, frame[:height, :width])[down:, right:]
    second = _draw(restyle, frame[down : down + height, right : right + width])[: height - down, : width - right]
    inner = slice(BORDER, -BORDER)
    return float(255 * np.abs(first - second)[inner, inner].mean())


def _draw(restyle: Restyle, frame: np.ndarray) -> np.ndarray:
    return np.clip(np.array(restyle(mx.array(frame[None]))[0]), 0, 1)


def of_gallery(folder: Path, plan: PlanName) -> dict[str, Restyle]:
    """The styles of a gallery's folder that the plan draws."""
    found: dict[str, Restyle] = {}
    for file in sorted(folder.glob(f"*/{manifest.NAME}")):
        style = Style(file.parent.name, file.parent, manifest.read(file))
        if entry := style.manifest.networks.get(plan):
            held = gallery.network(style, plan)
            code = Code.of(held.code(entry.slot))
            found[style.name] = lambda x, network=held.network, code=code: network(x, code)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="The gallery's styles beside the networks of ml5.js, judged.")
    add_shared(parser)
    parser.add_argument("--gallery", type=Path, default=HERE / "styles", help="folder of styles (%(default)s)")
    parser.add_argument("--plan", choices=["full", "light"], default="full", help="which networks (%(default)s)")
    parser.add_argument("--photos", type=int, default=20, help="how many (%(default)s)")
    parser.add_argument("--size", type=int, default=512, help="longest edge, pixels (%(default)s)")
    parser.add_argument("--only", help="names of styles, separated by commas")
    args = parser.parse_args()
    photos = sorted((args.shared / "data/photos/val").glob("*.jpg"))[: args.photos]
    contestants = {("artkit", name): restyle for name, restyle in of_gallery(args.gallery, args.plan).items()}
    for file in sorted((args.shared / "weights/third_party").glob("ml5_*.safetensors")):
        contestants["ml5", file.stem.removeprefix("ml5_")] = TransformerNet(file)
    judge = Judge(args.shared / "weights")
    print(f"{describe()}; {len(photos)} photos, {args.size} px\n")
    print(
        "| network | style | style loss | content loss | flicker, shifted | flicker, noisy |\n|---|---|--:|--:|--:|--:|"
    )
    known = paintings(args.shared)
    for (whose, name), restyle in contestants.items():
        if name not in known or (args.only and name not in args.only.split(",")):
            continue
        f = measured(restyle, photos, known[name], judge, args.size)
        cells = f"{f.style:.4f} | {f.content:.4f} | {f.shifted:.2f} | {f.noisy:.2f}"
        print(f"| {whose} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
