"""Make styles/, the gallery that artkit ships, of what `artkit train many` wrote.

    python scripts/ship_styles.py OUT_FULL OUT_LIGHT --any OUT_ANY --pictures PICTURES
    python scripts/ship_styles.py --pictures PICTURES

Every style of scripts/gallery.toml gets its style.toml, with its slot in each of the networks, preview.jpg, a sample
photo in the style, and moments.safetensors, what the optimizer asks of the picture that it was learned from; the
networks go into styles/networks/, and what `artkit train any` made into its folder any/. Without networks only the
moments are made anew.
"""

from __future__ import annotations

import argparse
import shutil
import tomllib
from pathlib import Path

from artkit.image import load
from artkit.stylize import manifest
from artkit.stylize.feedforward import restyle
from artkit.stylize.gallery import NETWORKS
from artkit.stylize.manifest import FORMAT, MOMENTS, NAME, PREVIEW, Manifest, NetworkFile
from artkit.stylize.moments import Moments
from artkit.stylize.options import RestyleOptions
from artkit.train.shelve import style_names

HERE = Path(__file__).resolve().parents[1]
STYLES, PHOTO = HERE / "styles", HERE / "samples" / "astronaut.jpg"


def main(trained: list[Path], any_style: Path) -> None:
    catalog = tomllib.loads((Path(__file__).with_name("gallery.toml")).read_text(encoding="utf-8"))
    for old in STYLES.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    (STYLES / NETWORKS).mkdir()
    for folder in trained:
        for network in (folder / NETWORKS).glob("*.safetensors"):
            shutil.copy(network, STYLES / NETWORKS)
    shutil.copytree(any_style / NETWORKS, STYLES / NETWORKS / "any")
    for name, known in catalog.items():
        stem = known.pop("picture")
        (place,) = style_names([stem])
        networks: dict[str, NetworkFile] = {}
        for folder in trained:
            networks |= manifest.read(folder / place / NAME).networks
        licence = "MIT" if known["artist"] == "artkit" else "Public domain"
        values = {"format": FORMAT, "licence": licence, **known, "networks": networks}
        (STYLES / name).mkdir()
        (STYLES / name / NAME).write_text(Manifest.of(values, stem).to_toml(), encoding="utf-8")
    photo, options = load(PHOTO), RestyleOptions(size=320)
    for name in catalog:
        restyle(photo, [name], options).to_pil().save(STYLES / name / PREVIEW, quality=88, optimize=True)
        print(name, flush=True)


def measure(pictures: Path) -> None:
    """Write what the optimizer asks of each style's picture, of those in a folder."""
    for name, known in tomllib.loads((Path(__file__).with_name("gallery.toml")).read_text(encoding="utf-8")).items():
        (picture,) = pictures.rglob(f"{known['picture']}.*")
        target = STYLES / name / MOMENTS
        Moments.of(load(picture), name).write(target)
        print(name, target.stat().st_size, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make styles/ of what was trained.")
    parser.add_argument("trained", nargs="*", type=Path, help="folders that artkit train many wrote, one a plan")
    parser.add_argument("--any", type=Path, help="the folder that artkit train any wrote")
    parser.add_argument("--pictures", type=Path, required=True, help="the pictures that the styles were learned from")
    args = parser.parse_args()
    if args.trained:
        if not args.any:
            parser.error("trained networks go with --any")
        main(args.trained, args.any)
    measure(args.pictures)
