"""artkit at its defaults beside PyTorch on the teacher itself: six pictures each, judged by the teacher.

    python benchmarks/quality.py --out folder
    python benchmarks/quality.py --out folder --torch elsewhere     with what gatys_torch.py --pairs wrote there

Prints a table in Markdown; the folder gets the pictures, losses.json, and sheet.jpg: photo, painting, PyTorch, artkit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean

import numpy as np
from judge import Judge, Score
from machine import describe
from pairs import PAIRS, Pair, add_shared, check_shared, read, write
from processes import HERE, artkit_command, timed

MARKS = Score(style=1.25, content=1.1)  # artkit's losses against PyTorch's, at most


def sheet(rows: list[list[Path]], height: int = 384) -> np.ndarray:
    """Pictures side by side, each `height` pixels high, (H, W, 3); columns are as wide as their widest picture."""
    sizes = [[read(path).shape[:2] for path in row] for row in rows]
    cells = [
        [read(path, (height, max(1, round(w * height / h)))) for path, (h, w) in zip(row, line, strict=True)]
        for row, line in zip(rows, sizes, strict=True)
    ]
    widths = [max(cell.shape[1] for cell in column) for column in zip(*cells, strict=True)]
    page = np.ones((len(rows) * (height + 8), sum(widths) + 8 * len(widths), 3), np.float32)
    for number, row in enumerate(cells):
        left = 0
        for cell, width in zip(row, widths, strict=True):
            top, inset = number * (height + 8), left + (width - cell.shape[1]) // 2
            page[top : top + height, inset : inset + cell.shape[1]] = cell
            left += width + 8
    return page


def paint_artkit(pair: Pair, out: Path, args: argparse.Namespace) -> float:
    """Write artkit's picture; the seconds from process start to file written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    command = artkit_command(pair.photo_path(args.shared), pair.painting_path(args.shared), out, size=args.size)
    return timed(command).seconds


def paint_torch(folder: Path, args: argparse.Namespace) -> None:
    """Write PyTorch's six pictures."""
    command = [sys.executable, HERE / "gatys_torch.py", "--pairs", "--out", folder, "--size", str(args.size)]
    timed([*command, "--device", args.device, "--shared", args.shared])


def table(scores: dict[str, tuple[Score, Score]]) -> str:
    """One row a pair and one for their means, whose ratio is what counts."""
    rows = [["", "PyTorch style", "artkit style", "ratio", "PyTorch content", "artkit content", "ratio"]]
    rows += [["---"] + ["---:"] * 6]
    for name, (torch, artkit) in [*scores.items(), ("mean", mean(scores))]:
        figures = []
        for theirs, ours in zip(torch, artkit, strict=True):
            figures += [f"{theirs:.4f}", f"{ours:.4f}", f"{ours / theirs:.2f}"]
        rows.append([name, *figures])
    ratios = [ours / theirs for theirs, ours in zip(*mean(scores), strict=True)]
    verdicts = [
        f"{name} {ratio:.2f} of at most {mark}: {'reached' if ratio <= mark else 'not reached'}"
        for name, ratio, mark in zip(Score._fields, ratios, MARKS, strict=True)
    ]
    return "\n".join([*("| " + " | ".join(row) + " |" for row in rows), "", "; ".join(verdicts)])


def mean(scores: dict[str, tuple[Score, Score]]) -> tuple[Score, Score]:
    """The means over pairs, of PyTorch's scores and of artkit's."""
    both = [
        Score(*(fmean(figures) for figures in zip(*side, strict=True))) for side in zip(*scores.values(), strict=True)
    ]
    return both[0], both[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="artkit's pictures and PyTorch's, judged by the teacher.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--torch", type=Path, help="folder that gatys_torch.py --pairs wrote, in place of running it")
    parser.add_argument(
        "--artkit", type=Path, help="folder of artkit's pictures, named alike, in place of painting them"
    )
    add_shared(parser)
    parser.add_argument("--size", type=int, default=512, help="longest edge, pixels (%(default)s)")
    parser.add_argument("--device", default="cpu", help="PyTorch's: cpu, cuda or mps (%(default)s)")
    args = parser.parse_args()
    check_shared(parser, args.shared)
    torch, artkit = args.torch or args.out / "torch", args.artkit or args.out / "artkit"
    if not args.torch:
        paint_torch(torch, args)
    judge = Judge(args.shared / "weights", args.device)
    scores: dict[str, tuple[Score, Score]] = {}
    rows: list[list[Path]] = []
    for pair in PAIRS:
        photo, painting = pair.photo_path(args.shared), pair.painting_path(args.shared)
        results = torch / f"{pair.name}.png", artkit / f"{pair.name}.png"
        if not args.artkit:
            print(pair.name, f"{paint_artkit(pair, results[1], args):.1f} s", file=sys.stderr, flush=True)
        scores[pair.name] = judge.score(results[0], photo, painting), judge.score(results[1], photo, painting)
        rows.append([photo, painting, *results])
    print(f"## {describe()}\n\n### Teacher-measured losses, {args.size} px\n\n{table(scores)}")
    write(sheet(rows), args.out / "sheet.jpg")
    record = {name: {"torch": theirs._asdict(), "artkit": ours._asdict()} for name, (theirs, ours) in scores.items()}
    (args.out / "losses.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
