"""The gallery's styles beside the networks of ml5.js: style and content as the teacher sees them, and flicker.

    python benchmarks/quality_styles.py --photos 20
    python benchmarks/quality_styles.py --gallery out --only the_scream,udnie     what `artkit train many -o out` wrote

The first photos of data/photos/val at 512 px; what the figures are, artkit/train/scores.py says.
"""

# pyright: reportMissingImports=false
# (PyTorch is an extra; types are checked without it too.)
from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import numpy as np
from judge import Judge
from machine import describe
from ml5 import TransformerNet
from pairs import add_shared, read

from artkit.nets.stylenets import Code
from artkit.stylize import gallery, manifest
from artkit.stylize.gallery import Style
from artkit.stylize.manifest import PlanName
from artkit.train.scores import MULTIPLE, Restyle, Scores, measure

HERE = Path(__file__).resolve().parents[1]
ML5 = {"rain_princess": "benchmark_styles/rain_princess"}  # what only they learned


def paintings(shared: Path) -> dict[str, Path]:
    """The shared pictures that styles were learned from, by the styles' names and by the files'."""
    catalog = tomllib.loads((HERE / "scripts" / "gallery.toml").read_text(encoding="utf-8"))
    folder = shared / "data/paintings"
    found = {path.stem: path for path in (folder / "gallery").glob("*.jpg")}
    found |= {name: found[known["picture"]] for name, known in catalog.items() if known["picture"] in found}
    return found | {name: folder / f"{path}.jpg" for name, path in ML5.items()}


def measured(restyle: Restyle, photos: list[Path], painting: Path, judge: Judge, size: int) -> Scores:
    """Means over the photos, judged by the teacher."""
    frames = [read(path, (height, width)) for path in photos for height, width in [_fitting(read(path, size))]]

    def judged(drawn: np.ndarray, photo: np.ndarray) -> tuple[float, float]:
        return judge.judge(np.rint(drawn * 255) / 255, photo, read(painting, max(drawn.shape[:2])))

    return Scores.mean([scores for scores, _ in measure(restyle, frames, judged)])


def _fitting(photo: np.ndarray) -> tuple[int, int]:
    """(height, width) of as much as all networks take."""
    height, width = (edge // MULTIPLE * MULTIPLE for edge in photo.shape[:2])
    return height, width


def of_gallery(folder: Path, plan: PlanName) -> dict[str, Restyle]:
    """The styles of a gallery's folder that the plan draws, as strong and with such strokes as they are used with."""
    found: dict[str, Restyle] = {}
    for file in sorted(folder.glob(f"*/{manifest.NAME}")):
        style = Style(file.parent.name, file.parent, manifest.read(file))
        if entry := style.manifest.networks.get(plan):
            held = gallery.network(style, plan)
            about = style.manifest
            code = Code.of(held.weakened(held.code(entry.slot, about.stroke), about.strength))
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
