"""What the engine works on: jobs, which make steps and tell of them, and calls."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from artkit.contract import ArtkitError, Step
from artkit.interfaces.turns import Line

if TYPE_CHECKING:
    from artkit.interfaces.engine import Engine

UNREAD = 4  # updates of a job that is asked for every one of them; it rests while so many wait to be read


class Busy(ArtkitError):
    """More work waits than the engine takes on."""


class Closed(ArtkitError):
    """The engine is closed, or closes while the work waits."""


@dataclass(frozen=True, eq=False)
class Update:
    """News of a job: its place in line, or a step.

    position: 0 runs, 1 next, …
    step: where the technique stands, None while the job waits or warms up; its arrays are evaluated.
    image: the picture so far, (H, W, 3) float32 0..1; None without a step.
    """

    position: int
    step: Step | None = None
    image: np.ndarray | None = None

    @property
    def done(self) -> int:
        """Work done, in the units of `total`."""
        return self.step.done if self.step else 0

    @property
    def total(self) -> int:
        """All the work, 0 while that is not known."""
        return self.step.total if self.step else 0

    @property
    def figures(self) -> Mapping[str, float]:
        """Losses, size, iterations, by name."""
        return self.step.figures if self.step else {}

    @cached_property
    def pixels(self) -> np.ndarray | None:
        """The picture so far, (H, W, 3) uint8."""
        if self.image is None:
            return None
        return (np.clip(np.nan_to_num(self.image), 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


class Job:
    """A technique at work on the engine's thread; read by one thread, or by one coroutine through `follow`."""

    def __init__(self, engine: Engine, make: Callable[[], Iterator[Step]], owner: str, line: Line[Any], every: bool):
        self.owner = owner
        self._engine, self._line, self._every = engine, line, every
        self._make: Callable[[], Iterator[Step]] | None = make
        self._steps: Iterator[Step] | None = None
        self._unread: deque[Update] = deque(maxlen=None if every else 1)
        self._told: int | None = None  # the position that the reader knows
        self._error: BaseException | None = None
        self._listener: Callable[[], None] | None = None
        self.cancelled = False
        self.finished = False

    @property
    def position(self) -> int:
        """0: it runs, or is over; 1: it is next; …"""
        with self._engine.changed:
            return self._line.position(self)

    @property
    def ready(self) -> bool:
        """False while it rests because every update is wanted and nobody reads them."""
        return self.cancelled or not self._every or len(self._unread) < UNREAD

    def cancel(self) -> None:
        """Stop after the present step; the generator is closed and `updates` ends. May be called at any time."""
        with self._engine.changed:
            if self.finished or self.cancelled:
                return
            self.cancelled = True
            if self._line.position(self):
                self._end()
        self._engine.tell()

    def updates(self) -> Iterator[Update]:
        """News as they come, and the end when it is done or cancelled. What the technique raises comes out here."""
        while True:
            with self._engine.changed:
                while (update := self.news()) is None and not self.finished:
                    self._engine.changed.wait()
            if update is None:
                return
            yield update

    def news(self) -> Update | None:
        """The next unread update without waiting for it, None when there is none; raises the job's error at its end."""
        with self._engine.changed:
            if self._unread:
                if self._every and len(self._unread) == UNREAD:
                    self._engine.changed.notify_all()
                return self._unread.popleft()
            if self._error is not None:
                raise self._error
            position = self._line.position(self)
            if self.finished or position == self._told:
                return None
            self._told = position
            return Update(position)

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call `listener` whenever there may be news, on any thread; it must not wait."""
        self._listener = listener

    def told(self) -> None:
        """Wake the listener."""
        if listener := self._listener:
            listener()

    def advance(self) -> None:
        """One step, on the engine's thread."""
        update = None
        try:
            if self._steps is None and self._make is not None and not self.cancelled:
                self._steps, self._make = iter(self._make()), None
            step = None if self.cancelled or self._steps is None else next(self._steps, None)
            if step is not None:
                update = Update(0, step, np.asarray(step.image)[0])
            elif isinstance(self._steps, Generator):
                self._steps.close()
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)  # or their pictures stay as long as the error
            step, self._error = None, error
        with self._engine.changed:
            if update is not None:
                self._unread.append(update)
                self._told = 0
            if step is None:
                self._end()

    def close(self) -> None:
        """End it, on the engine's thread, because the engine closes."""
        self.cancelled = True
        if self._steps is None:
            self._end()
        else:
            self.advance()

    def _end(self) -> None:
        self.finished = True
        self._steps = self._make = None
        self._line.remove(self)


class Call:
    """A function for the engine's thread to call once."""

    ready = True

    def __init__(self, work: Callable[[], Any], owner: str) -> None:
        self.owner, self.future = owner, Future[Any]()
        self._work = work

    def advance(self) -> None:
        """Call it, on the engine's thread."""
        if self.future.set_running_or_notify_cancel():
            try:
                self.future.set_result(self._work())
            except BaseException as error:
                self.future.set_exception(error)

    def told(self) -> None:
        """A future tells by itself."""

    def close(self) -> None:
        """Nobody will call it."""
        self.future.cancel()
