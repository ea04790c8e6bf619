"""One thread that owns MLX: the web page, the HTTP API and the camera run everything on it.

MLX's streams belong to threads, so a server computes on one thread and hands out finished arrays. Three kinds of work
take turns there, none of which can hold up another for longer than one piece of it:

    urgent calls   frames of a live camera, in the order they came
    quick work     calls and jobs of a second or so, such as one pass of a style network; fair between owners
    jobs           generators of steps that run for minutes; fair between owners, one after the other

Between two steps of a job quick work may take as long as the last step took, and always has one turn; urgent calls
have the same right before either.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar, TypeVarTuple

import numpy as np

from artkit.contract import ArtkitError, Step
from artkit.interfaces.turns import Line

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

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


class _Call:
    """A function for the engine's thread to call once."""

    ready = True

    def __init__(self, work: Callable[[], Any], owner: str) -> None:
        self.owner, self.future = owner, Future[Any]()
        self._work = work

    def advance(self) -> None:
        if self.future.set_running_or_notify_cancel():
            try:
                self.future.set_result(self._work())
            except BaseException as error:
                self.future.set_exception(error)

    def told(self) -> None:
        """A future tells by itself."""

    def close(self) -> None:
        self.future.cancel()


class _Kind(Enum):
    URGENT, QUICK, JOB = range(3)


class Engine:
    """The thread, which starts with the first work and ends with `close`.

    queue: how many calls and jobs may wait, urgent calls aside; Busy is raised beyond.
    """

    def __init__(self, queue: int = 64) -> None:
        self.queue = queue
        self.changed = threading.Condition(threading.RLock())  # guards the lines and every job; notified at each change
        self._urgent: deque[_Call] = deque()
        self._quick: Line[Job | _Call] = Line()
        self._jobs: Line[Job | _Call] = Line()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._urgent_left = self._quick_left = (
            1.0  # seconds that such work may take before the next piece of a lower kind
        )

    def call(
        self, function: Callable[[*Arguments], Result], *args: *Arguments, urgent: bool = False, owner: str = ""
    ) -> Future[Result]:
        """Call `function` on the engine's thread; arrays that it gives back must be evaluated, or NumPy's.

        urgent: before all other work. Busy: too much waits already. A future that is cancelled is not begun.
        """
        call = _Call(lambda: function(*args), owner)
        with self.changed:
            self._check(counted=not urgent)
            if urgent:
                self._urgent.append(call)
            else:
                self._quick.add(call)
            self._start()
        self.tell()
        return call.future

    def submit(
        self, make_steps: Callable[[], Iterator[Step]], owner: str = "", *, quick: bool = False, every: bool = False
    ) -> Job:
        """Put a technique in line; `make_steps` is called, and its steps are taken, on the engine's thread.

        quick: it takes a second or so and is done between the steps of others. every: no update is left out, and the
        job rests while they are not read; else only the newest is kept. Busy: too much waits already.
        """
        with self.changed:
            self._check(counted=True)
            line = self._quick if quick else self._jobs
            job = Job(self, make_steps, owner, line, every)
            line.add(job)
            self._start()
        self.tell()
        return job

    def cancel(self, owner: str) -> None:
        """Cancel every job of an owner whose page has closed."""
        with self.changed:
            jobs = [task for task in self._tasks() if isinstance(task, Job) and task.owner == owner]
        for job in jobs:
            job.cancel()

    @property
    def waiting(self) -> int:
        """How many calls and jobs wait, urgent calls aside."""
        with self.changed:
            return len(self._quick) + len(self._jobs)

    def close(self) -> None:
        """Stop after the present step: jobs and futures are cancelled and the thread ends. May be called again."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        atexit.unregister(self.close)

    def tell(self) -> None:
        """Wake everybody who waits for news."""
        with self.changed:
            self.changed.notify_all()
            tasks = self._tasks()
        for task in tasks:
            task.told()

    def _check(self, counted: bool) -> None:
        if self._closed:
            raise Closed("artkit is closing down; start it again")
        if self._thread is threading.current_thread():
            raise RuntimeError("work on the engine's thread cannot ask it for more work and wait")
        if counted and len(self._quick) + len(self._jobs) >= self.queue:
            raise Busy(f"{self.queue} pictures are waiting already; try again in a minute")

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="artkit engine", daemon=True)
            self._thread.start()
            atexit.register(self.close)  # a thread inside MLX when Python ends takes the process down with it

    def _tasks(self) -> list[Job | _Call]:
        return [*self._urgent, *self._quick.tasks(), *self._jobs.tasks()]

    def _run(self) -> None:
        import artkit.device  # noqa: F401  (before MLX, for the fast BLAS)

        import mlx.core as mx

        while (turn := self._next()) is not None:
            task, kind = turn
            begun = time.monotonic()
            task.advance()
            self._account(kind, time.monotonic() - begun)
            if kind is _Kind.JOB and isinstance(task, Job) and task.finished:
                mx.clear_cache()  # the next one has other shapes
            task.told()
            self.tell()
            del task, turn  # what it holds must not stay until there is more work
        with self.changed:
            left = self._tasks()
        for task in left:
            task.close()
            task.told()
        self.tell()

    def _next(self) -> tuple[Job | _Call, _Kind] | None:
        """What to do now; waits for work, None when the engine closes."""
        with self.changed:
            while not self._closed:
                quick, jobs = self._quick.ready, self._jobs.ready
                if self._urgent and (self._urgent_left > 0 or not (quick or jobs)):
                    return self._urgent.popleft(), _Kind.URGENT
                if quick and (self._quick_left > 0 or not jobs):
                    return self._begun(self._quick.next()), _Kind.QUICK
                if jobs:
                    return self._begun(self._jobs.next()), _Kind.JOB
                self.changed.wait()
        return None

    def _begun(self, task: Job | _Call) -> Job | _Call:
        """Calls leave their line when they begin."""
        if isinstance(task, _Call):
            self._quick.remove(task)
        return task

    def _account(self, kind: _Kind, seconds: float) -> None:
        if kind is _Kind.URGENT:
            self._urgent_left -= seconds
            return
        self._urgent_left = max(seconds, 1e-6)
        if kind is _Kind.QUICK:
            self._quick_left -= seconds
        else:
            self._quick_left = max(seconds, 1e-6)


async def follow(job: Job, silence: float | None = None) -> AsyncGenerator[Update]:
    """`job.updates()` for a coroutine. The job is cancelled when its reader leaves (close it: contextlib.aclosing).

    silence: seconds without news after which the position is told again.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed
            loop.call_soon_threadsafe(news.set)

    job.listen(wake)
    try:
        finished = False
        while not finished:
            news.clear()
            finished = job.finished  # asked first: its last update comes before
            while (update := job.news()) is not None:
                yield update
            if not finished:
                try:
                    async with asyncio.timeout(silence):
                        await news.wait()
                except TimeoutError:
                    yield Update(job.position)
    finally:
        job.cancel()
