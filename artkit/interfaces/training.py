"""What the commands of training have in common: opening what is trained on, and training to the end or to Ctrl-C."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import click

from artkit.contract import DeviceError, Options
from artkit.limits import out_of_memory
from artkit.train.options import LoopOptions

if TYPE_CHECKING:
    import numpy as np

    from artkit.train.criterion import FeatureFunction
    from artkit.train.data import Crops, DeadLeaves
    from artkit.train.loop import Progress
    from artkit.train.record import Record
    from artkit.train.report import HeldOut, Learned, Verdict

Given = TypeVar("Given", bound=LoopOptions)
Begin: TypeAlias = "Callable[[Given, Path | None], Iterable[Progress]]"


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


def run(begin: Begin[Given], options: Given, record: Record, quiet: bool) -> None:
    """Train to the end, or to Ctrl-C, which ends the command with code 130 and one line."""
    if learn(begin, options, record, quiet):
        return
    if first_rank():
        kept = f"{record.folder} has what was learned, --resume goes on" if record.begun else "nothing was learned yet"
        click.echo(f"artkit: stopped; {kept}", err=True)
    raise click.exceptions.Exit(130)


def learn(begin: Begin[Given], options: Given, record: Record, quiet: bool) -> bool:
    """Train to the end (True), or to Ctrl-C (False): what was learned so far is kept either way.

    begin(options, state): the steps of the training, from the file of a state or from the beginning. DeviceError: not
    enough memory, and what fits.
    """
    first = first_rank()
    say: Callable[[str], None] = (lambda line: None) if quiet else lambda line: click.echo(line, err=True)
    if first and record.resume and record.state is None:
        say(f"{record.folder}: nothing to resume, starting from the beginning")
    if first:
        say("training; a line every 20 steps, and Ctrl-C keeps what is learned by then")
    pace = Pace()
    try:
        for progress in begin(options, record.state):
            if not first:
                continue
            if line := record(progress):
                say(_line(line))
            elif told := pace(progress):
                say(told)
    except KeyboardInterrupt:
        if first:
            record.finish()
        return False
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        failed = True  # the error holds what fills the memory: it has to be gone before anything else is tried
    else:
        failed = False
    if failed:
        raise DeviceError(what_fits(begin, options, say))
    if first:
        record.finish()
    return True


def what_fits(begin: Begin[Given], options: Given, say: Callable[[str], None]) -> str:
    """What to do about too little memory: the largest batch, and then crop, with which two steps could be made."""
    import artkit.device  # noqa: F401, I001  (fast BLAS before MLX)
    import mlx.core as mx

    asked = f"not enough memory for --batch {options.batch} --crop {options.crop}"
    if mx.distributed.init().size() > 1:  # they would wait for each other
        return f"{asked} on one of the machines; take a smaller --batch or --crop"
    say(f"{asked}; trying what fits")
    for batch, crop in smaller(options.batch, options.crop):
        gc.collect()
        mx.clear_cache()
        trial = begin(options.model_copy(update={"batch": batch, "crop": crop}), None)
        try:
            for _, progress in zip(range(2), trial, strict=False):
                mx.eval(progress.weights)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            continue
        return f"{asked}; --batch {batch} --crop {crop} fits"
    return f"{asked}, nor for --batch 4 --crop 64; close other programs, or take --plan light"


def smaller(batch: int, crop: int) -> Iterator[tuple[int, int]]:
    """Batches (multiples of 4) and crops (of 32) that take less memory, each half of the one before or a little more:
    the batch gets smaller first, the crop when the batch cannot.
    """
    while batch > 4 or crop > 64:
        batch, crop = (max(4, batch // 8 * 4), crop) if batch > 4 else (batch, max(64, crop // 64 * 32))
        yield batch, crop


class Pace:
    """Says early how long a training is going to take: after its first step, and after a few more that are timed."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._steps, self._done = 0, 0.0

    def __call__(self, progress: Progress) -> str | None:
        """A line at the first, the third and the tenth step of this run."""
        self._steps += 1
        now = time.monotonic()
        if self._begun is None:  # the first step waits for kernels to be built, and its time says little
            self._begun, self._done = now, progress.done
            return f"step {progress.step} is done"
        if self._steps not in (3, 10) or not self._done < progress.done < 1:
            return None
        took = now - self._begun
        left = took * (1 - progress.done) / (progress.done - self._done)
        return f"step {progress.step}, {took / (self._steps - 1):.2g} s each, about {duration(left)} to go"


def duration(seconds: float) -> str:
    """As people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
