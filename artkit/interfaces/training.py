"""What the commands of training have in common: opening what is trained on, and training to the end or to Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np

    from artkit.contract import Options
    from artkit.train.criterion import FeatureFunction
    from artkit.train.data import Crops, DeadLeaves
    from artkit.train.loop import Progress
    from artkit.train.record import Record
    from artkit.train.report import HeldOut, Learned, Verdict


def open_features(name: str) -> FeatureFunction:
    """A feature network by name, or the teacher whose weights are in a folder."""
    if Path(name).is_dir():
        from artkit.train.teacher import Teacher

        return Teacher(Path(name))
    from artkit.nets.features import load_features

    return load_features(name)


def open_photos(folder: Path | None, crop: int) -> Crops | DeadLeaves:
    """Not larger than is of use: a folder of holiday photos would not fit into memory."""
    from artkit.train.data import DeadLeaves

    return open_crops(folder, shorter=(1, 2 * crop)) if folder else DeadLeaves()


def open_crops(*folders: Path, shorter: tuple[int, int]) -> Crops:
    from artkit.train.data import Crops

    crops = Crops(*folders, shorter=shorter)
    left_out(crops.broken)
    return crops


def left_out(broken: int) -> None:
    if broken and first_rank():
        click.echo(f"artkit: {broken} of the pictures cannot be read and are left out", err=True)


def first_rank() -> bool:
    """Of several machines that train together, one speaks and keeps the record."""
    import artkit.device  # noqa: F401, I001  (fast BLAS before MLX)
    import mlx.core as mx

    return mx.distributed.init().rank() == 0


def samples(pictures: Crops | DeadLeaves, size: int) -> np.ndarray:
    """Four of them for previews, the same in every training."""
    import numpy as np

    return np.stack([pictures.one(np.random.default_rng(n), size) for n in range(4)])


def run(steps: Iterable[Progress], record: Record, quiet: bool) -> None:
    """Train to the end, or to Ctrl-C, which ends the command with code 130 and one line."""
    if learn(steps, record, quiet):
        return
    if first_rank():
        kept = f"{record.folder} has what was learned, --resume goes on" if record.begun else "nothing was learned yet"
        click.echo(f"artkit: stopped; {kept}", err=True)
    raise click.exceptions.Exit(130)


def learn(steps: Iterable[Progress], record: Record, quiet: bool) -> bool:
    """Train to the end (True), or to Ctrl-C (False): what was learned so far is kept either way."""
    first = first_rank()
    say: Callable[[str], None] = (lambda line: None) if quiet else lambda line: click.echo(line, err=True)
    if first and record.resume and record.state is None:
        say(f"{record.folder}: nothing to resume, starting from the beginning")
    if first:
        say("training; a line every 20 steps, and Ctrl-C keeps what is learned by then")
    try:
        for progress in steps:
            if first and (line := record(progress)):
                say(_line(line))
    except KeyboardInterrupt:
        if first:
            record.finish()
        return False
    if first:
        record.finish()
    return True


def report(
    record: Record,
    styles: Sequence[Learned],
    held: HeldOut,
    seen: FeatureFunction,
    features: str,
    options: Options,
    technique: str,
    quiet: bool,
) -> list[Verdict]:
    """Judge what was learned and write it down; Ctrl-C ends the command, and what was learned is there all the same.

    features: the name of `seen`. Nothing to judge: no verdicts.
    """
    from artkit.train import report

    verdicts: list[Verdict] = []
    try:
        for verdict in report.judge(styles, held, seen):
            verdicts.append(verdict)
            if not quiet and len(styles) > 1:
                click.echo(f"{len(verdicts)} of {len(styles)}: {verdict.name}, {verdict.line()}", err=True)
        if verdicts:
            report.write(record.folder, verdicts, held, features, options, technique)
    except KeyboardInterrupt:
        click.echo("artkit: stopped before the report; what was learned is there", err=True)
        raise click.exceptions.Exit(130) from None
    return verdicts


def _line(line: dict[str, float]) -> str:
    """Step 400, 12 %, 33 s, style 0.31, content 0.5."""
    rest = {name: value for name, value in line.items() if name not in ("step", "done", "seconds")}
    figures = ", ".join(f"{name} {value:.4g}" for name, value in rest.items())
    return f"step {line['step']:.0f}, {line['done']:.0%}, {line['seconds']:.0f} s, {figures}"
