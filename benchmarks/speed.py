"""artkit beside PyTorch on this machine, in one run: prints tables in Markdown.

    python benchmarks/speed.py                       everything; about half an hour on 2 cores
    python benchmarks/speed.py --only passes         a minute

passes    VGG-19 to relu5_1 with five Gram losses, forward and backward to the picture (random weights, zero padding)
restyle   a style network beside TransformerNet of pytorch/examples, one pass (random weights)
pictures  a whole picture within a warm process (on GPUs)
commands  `artkit stylize` and gatys_torch.py, process start to file written, with the peak of their memory
large     the peak of artkit's memory at 4096 pixels

Contestants take turns, in changing order, so that a busy moment of the machine does not fall on one of them; figures
are medians over the rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe, gpu
from pairs import PAIRS, add_shared, check_shared
from processes import HERE, ProcessError, Worker, artkit_command, timed

SECTIONS = ("passes", "restyle", "pictures", "commands", "large")
HALF = {"channels_last": True, "tuned": True}
# label, library, setting; the first of PyTorch's is its default
PASSES: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "cpu": [
        ("artkit", "artkit", {}),
        ("PyTorch, default", "torch", {}),
        ("PyTorch, channels last", "torch", {"channels_last": True}),
    ],
    "mps": [
        ("artkit", "artkit", {}),
        ("artkit, float16", "artkit", {"dtype": "float16"}),
        ("PyTorch, default", "torch", {}),
        ("PyTorch, float16", "torch", {"dtype": "float16"}),
    ],
    "cuda": [
        ("artkit", "artkit", {}),
        ("artkit, float16", "artkit", {"dtype": "float16"}),
        ("PyTorch, default", "torch", {}),
        ("PyTorch, TF32, channels last", "torch", {"channels_last": True, "tuned": True}),
        ("PyTorch, float16, channels last", "torch", {"dtype": "float16", **HALF}),
        ("PyTorch, bfloat16, channels last", "torch", {"dtype": "bfloat16", **HALF}),
    ],
}
RESTYLE: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "cpu": [
        ("artkit, full", "artkit", {"plan": "full"}),
        ("artkit, light", "artkit", {"plan": "light"}),
        ("TransformerNet, default", "torch", {}),
        ("TransformerNet, channels last", "torch", {"channels_last": True}),
    ],
    "cuda": [
        ("artkit, full", "artkit", {"plan": "full"}),
        ("artkit, full, float16", "artkit", {"plan": "full", "dtype": "float16"}),
        ("artkit, light, float16", "artkit", {"plan": "light", "dtype": "float16"}),
        ("TransformerNet, default", "torch", {}),
        ("TransformerNet, float16, channels last", "torch", {"dtype": "float16", **HALF}),
    ],
}
RESTYLE["mps"] = [entry for entry in RESTYLE["cuda"] if "channels" not in entry[0]]
BEST = {"channels_last": True, "tuned": True, "history": 10}  # for whole pictures, in float32
# At 4096 px: enough iterations at full size to fill the history of L-BFGS, none below it.
LARGE = {"iterations": 12, "min_size": 4096, "tolerance": 0}


@dataclass
class Entry:
    """One row: what each round measured, or why there is nothing."""

    label: str
    framework: str
    rounds: list[float] = field(default_factory=list)
    peak: int = 0
    first: float | None = None
    failure: str = ""

    @property
    def seconds(self) -> float:
        return median(self.rounds)


def faster(entry: Entry, than: Entry | None) -> str:
    """How many times as fast: the median of the rounds' ratios."""
    if than is None or not entry.rounds:
        return "–"
    return f"{median(b / a for a, b in zip(entry.rounds, than.rounds, strict=True)):.2f}"


def table(title: str, entries: Sequence[Entry], unit: str) -> str:
    """A Markdown table; a row's speed is given against PyTorch's default and against its fastest setting."""
    theirs = [entry for entry in entries if entry.framework == "torch" and entry.rounds]
    default, best = theirs[0] if theirs else None, min(theirs, key=lambda entry: entry.seconds, default=None)
    peaks, firsts = any(entry.peak for entry in entries), any(entry.first for entry in entries)
    head = ["", f"median, {unit}", "× PyTorch default", "× PyTorch's best"]
    head += ["first run, s"] * firsts + ["peak memory, GB"] * peaks
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for entry in entries:
        scale = 1000 if unit == "ms" else 1
        row = [entry.label, f"{entry.seconds * scale:.4g}" if entry.rounds else f"failed: {entry.failure}"]
        row += [faster(entry, default), faster(entry, best)]
        row += [f"{entry.first:.1f}" if entry.first else "–"] * firsts
        row += [f"{entry.peak / 1e9:.2f}" if entry.peak else "–"] * peaks
        rows.append(row)
    return "\n".join([f"### {title}", "", *("| " + " | ".join(row) + " |" for row in rows), ""])


def take_turns(entries: Sequence[Entry], repeats: int, turns: Sequence[Callable[[], tuple[float, int]] | None]) -> None:
    """Let every contestant run once a round; None has failed already. Each turn gives its seconds and its peak."""
    for number in range(repeats):
        order = list(zip(entries, turns, strict=True))
        for entry, turn in reversed(order) if number % 2 else order:
            if turn is None or entry.failure:
                continue
            try:
                seconds, entry.peak = turn()
                entry.rounds.append(seconds)
            except ProcessError as error:
                entry.failure, entry.rounds = str(error), []


def workers(task: str, settings: Sequence[tuple[str, str, dict[str, Any]]], args: argparse.Namespace) -> list[Entry]:
    """Warm processes side by side, run in turns."""
    count = 1 if task == "pictures" else 3 if args.device == "cpu" else 20
    entries, turns = [Entry(label, library) for label, library, _ in settings], []
    with ExitStack() as stack:
        for entry, (_, library, setting) in zip(entries, settings, strict=True):
            given = setting | ({"device": args.device} if library == "torch" else {})
            say(f"{task}: warming up {entry.label}")
            try:
                worker = Worker(task=task, library=library, size=args.size, shared=args.shared, setting=given)
            except ProcessError as error:
                entry.failure = str(error)
                turns.append(None)
                continue
            stack.callback(worker.close)
            entry.first = worker.warm_up if task == "pictures" else None
            say(f"{task}: {entry.label}: {worker.about}; ready after {worker.warm_up:.1f} s")
            turns.append(turn_of(worker, count))
        take_turns(entries, args.repeats, turns)
    return entries


def turn_of(worker: Worker, count: int) -> Callable[[], tuple[float, int]]:
    def turn() -> tuple[float, int]:
        seconds, peak = worker.run(count)
        return median(seconds), peak

    return turn


def passes(args: argparse.Namespace) -> str:
    title = f"VGG-19 forward and backward to the picture, {args.size}², batch 1"
    return table(title, workers("passes", PASSES[args.device], args), "ms")


def restyle(args: argparse.Namespace) -> str:
    return table(f"Restyling {args.size}², batch 1", workers("restyle", RESTYLE[args.device], args), "ms")


def pictures(args: argparse.Namespace) -> str:
    settings = [("artkit, defaults", "artkit", {}), ("PyTorch, default", "torch", {}), ("PyTorch, best", "torch", BEST)]
    title = f"A picture of {args.size} px in a warm process (PyTorch: hybrid teacher, 150 L-BFGS steps)"
    return table(title, workers("pictures", settings, args), "s")


def commands(args: argparse.Namespace) -> str:
    photo, painting = PAIRS[0].photo_path(args.shared), PAIRS[0].painting_path(args.shared)
    entries = [Entry("artkit stylize", "artkit"), Entry("PyTorch, default", "torch"), Entry("PyTorch, best", "torch")]
    best = ["--channels-last", "--tuned", "--history", "10"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.png"
        torch: list[str | Path] = [sys.executable, HERE / "gatys_torch.py", photo, painting, "--out", out]
        torch += ["--size", str(args.size), "--device", args.device, "--shared", args.shared]
        lines = [artkit_command(photo, painting, out, size=args.size), torch, [*torch, *best]]
        say("commands: process start to file written")
        take_turns(entries, args.repeats, [lambda line=line: timed(line) for line in lines])
    title = f"{args.size} px, process start to file written (PyTorch: hybrid teacher, 150 L-BFGS steps)"
    return table(title, entries, "s")


def large(args: argparse.Namespace) -> str:
    """Memory on the CPU is the process's; on a GPU it is MLX's, and the time is that of the first run."""
    entry = Entry("artkit, 12 iterations", "artkit")
    say("large: 4096 px")
    try:
        if args.device == "cpu":
            photo, painting = PAIRS[0].photo_path(args.shared), PAIRS[0].painting_path(args.shared)
            with tempfile.TemporaryDirectory() as folder:
                command = artkit_command(photo, painting, Path(folder) / "out.png", size=4096, **LARGE)
                seconds, entry.peak = timed(command)
        else:
            worker = Worker(task="pictures", library="artkit", size=4096, shared=args.shared, setting=LARGE)
            seconds, (_, entry.peak) = worker.warm_up, worker.run(0)
            worker.close()
        entry.rounds = [seconds]
    except ProcessError as error:
        entry.failure = str(error)
    return table("4096 px at full size only", [entry], "s")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="artkit beside PyTorch on this machine.")
    add_shared(parser)
    parser.add_argument("--only", help=f"sections, separated by commas, of {', '.join(SECTIONS)}")
    parser.add_argument("--device", choices=["cpu", "mps", "cuda"], help="PyTorch's device (the GPU if there is one)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (%(default)s)")
    parser.add_argument("--size", type=int, default=512, help="longest edge, pixels (%(default)s)")
    args = parser.parse_args()
    args.device = args.device or ("mps" if sys.platform == "darwin" else "cuda" if gpu() else "cpu")
    wanted = (
        args.only.split(",") if args.only else [name for name in SECTIONS if args.device != "cpu" or name != "pictures"]
    )
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    check_shared(parser, args.shared, PAIRS[:1])
    print(f"## {describe()}\n", flush=True)
    parts = {"passes": passes, "restyle": restyle, "pictures": pictures, "commands": commands, "large": large}
    for section in wanted:
        print(parts[section](args), flush=True)


if __name__ == "__main__":
    main()
