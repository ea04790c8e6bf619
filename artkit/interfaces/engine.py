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
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from enum import Enum
from typing import TypeVar, TypeVarTuple

from artkit.contract import Step
from artkit.interfaces.engine_work import Busy, Call, Closed, Job, Update
from artkit.interfaces.turns import Line

__all__ = ["Busy", "Closed", "Engine", "Job", "Update", "follow"]

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class _Kind(Enum):
    URGENT, QUICK, JOB = range(3)


class Engine:
    """The thread, which starts with the first work and ends with `close`.

    queue: how many calls and jobs may wait, urgent calls aside; Busy is raised beyond.
    """

    def __init__(self, queue: int = 64) -> None:
        self.queue = queue
        self.changed = threading.Condition(threading.RLock())  # guards the lines and every job; notified at each change
        self._urgent: deque[Call] = deque()
        self._quick: Line[Job | Call] = Line()
        self._jobs: Line[Job | Call] = Line()
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
        call = Call(lambda: function(*args), owner)
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

    def _tasks(self) -> list[Job | Call]:
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

    def _next(self) -> tuple[Job | Call, _Kind] | None:
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

    def _begun(self, task: Job | Call) -> Job | Call:
        """Calls leave their line when they begin."""
        if isinstance(task, Call):
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
