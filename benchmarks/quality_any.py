"""Any picture as a style in one pass, beside the optimizer: style and content as the teacher sees them.

    python benchmarks/quality_any.py --pairs 20

The first photos of data/photos/val, each after the painting of data/paintings/val with its number, at 512 px, by
`artkit stylize --fast` and by `artkit stylize` as they are without further options.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import artkit.device

from judge import Judge
from machine import describe
from pairs import add_shared, read, write

import artkit


def main() -> None:
    parser = argparse.ArgumentParser(description="Any picture as a style in one pass, beside the optimizer.")
    add_shared(parser)
    parser.add_argument("--pairs", type=int, default=20, help="how many (%(default)s)")
    parser.add_argument("--size", type=int, default=512, help="longest edge, pixels (%(default)s)")
    args = parser.parse_args()
    folders = args.shared / "data/photos/val", args.shared / "data/paintings/val"
    photos, paintings = (sorted(folder.glob("*.jpg"))[: args.pairs] for folder in folders)
    judge = Judge(args.shared / "weights")
    print(f"{describe()}; {len(photos)} pairs, {args.size} px\n")
    print("| pair | how | seconds | style loss | content loss |\n|---|---|--:|--:|--:|")
    rows: dict[str, list[tuple[float, float, float]]] = {"one pass": [], "optimized": []}
    with tempfile.TemporaryDirectory() as folder:
        drawn, fitted = Path(folder) / "drawn.png", Path(folder) / "photo.png"
        for number, (photo, painting) in enumerate(zip(photos, paintings, strict=True), 1):
            height, width = (edge // 16 * 16 for edge in read(photo, args.size).shape[:2])  # whole at every tap
            write(read(photo, (height, width)), fitted)
            ways: dict[str, dict[str, Any]] = {"one pass": {"fast": True}, "optimized": {}}
            for how, options in ways.items():
                start = time.perf_counter()
                artkit.stylize(str(fitted), str(painting), size=max(height, width), **options).save(drawn)
                seconds = time.perf_counter() - start
                style, content = judge.score(drawn, fitted, painting)
                rows[how].append((seconds, style, content))
                print(f"| {number} | {how} | {seconds:.1f} | {style:.3f} | {content:.3f} |", flush=True)
    for how, found in rows.items():
        seconds, style, content = (fmean(column) for column in zip(*found, strict=True))
        print(f"| mean | {how} | {seconds:.1f} | {style:.3f} | {content:.3f} |")


if __name__ == "__main__":
    main()
