"""How far a run is: a bar on a terminal, a line now and then in a pipe; always on stderr, stdout is for results."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from artkit.contract import Step

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 10.0


class Pace:
    """Iterations per second and seconds left, from the steps so far."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._recent: deque[float] = deque(maxlen=20)

    def update(self, step: Step) -> None:
        now = time.monotonic()
        self._recent.append(now)
        self._first = self._first or (now, step.done)
        self._done, self._total, self._now = step.done, step.total, now

    @property
    def rate(self) -> float:
        """Iterations per second over the last few; 0 before the second one."""
        span = self._recent[-1] - self._recent[0]
        return (len(self._recent) - 1) / span if span > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds left; None until it can be told."""
        assert self._first is not None, "update comes first"
        begun, at = self._first
        work = self._done - at  # a resumed run does not begin at 0
        return (self._now - begun) / work * (self._total - self._done) if work > 0 else None


class Progress:
    """Shows nothing: the progress of --quiet, and what the others have in common. Errors are said all the same."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def start(self, name: str) -> None:
        """A new picture, shown as `name`."""

    def step(self, step: Step) -> None:
        """The picture is this far."""

    def say(self, line: str) -> None:
        """News that --quiet leaves out."""

    def warn(self, line: str) -> None:
        """What the person must see."""
        click.echo(line, err=True)


class Lines(Progress):
    """A plain line every ten seconds: for log files and pipes."""

    def start(self, name: str) -> None:
        self._name, self._pace, self._last = name, Pace(), time.monotonic()

    def step(self, step: Step) -> None:
        self._pace.update(step)
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            click.echo(f"{self._name}: {100 * step.done // max(step.total, 1)} %, {facts(step, self._pace)}", err=True)

    def say(self, line: str) -> None:
        click.echo(line, err=True)


class Bar(Progress):
    """A bar with the loss, iterations per second and the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._bar: RichProgress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, name: str) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._pace = Pace()
        self._task = self._bar.add_task(name, total=None, facts="getting ready")

    def step(self, step: Step) -> None:
        assert self._task is not None, "start comes first"
        self._pace.update(step)
        self._bar.update(self._task, completed=step.done, total=step.total, facts=facts(step, self._pace))

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        self.say(line)


def progress(quiet: bool) -> Progress:
    """The progress that fits where stderr goes."""
    if quiet:
        return Progress()
    return Bar() if sys.stderr.isatty() else Lines()


def facts(step: Step, pace: Pace) -> str:
    """256 px, loss 0.1234, 3.2 it/s, 0:21 left."""
    parts = [f"{step.figures['size']:.0f} px"] if "size" in step.figures else []
    parts += [f"loss {step.figures['loss']:.4g}"] if "loss" in step.figures else []
    parts += [f"{pace.rate:.1f} it/s"] if pace.rate else []
    parts += [f"{clock(pace.left)} left"] if pace.left is not None else []
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """75 -> 1:15; 3700 -> 1:01:40."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
