"""Capture, drawing and display, each on a thread of its own, with one place between them for the newest frame.

A frame that is not taken from its place before the next one comes is dropped, so that what is shown is never more
than one frame behind what is drawn, and what is drawn never more than one behind the camera. Where every frame is
wanted, for a file, whoever comes to a place that is taken waits instead. Drawing may be two threads' work: one looks at
the next frame while the other paints; then what is drawn may be two behind.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import numpy as np

from artkit.live.figures import Meter
from artkit.live.sources import Source

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame as the camera saw it, (H, W, 3) uint8 RGB; its number from 0; when that was, by time.perf_counter."""

    frame: np.ndarray
    number: int
    captured: float


@dataclass(frozen=True, eq=False)
class Seen(Shot):
    """The frame and what was found out about it before it is drawn."""

    sight: Any


@dataclass(frozen=True, eq=False)
class Drawn(Shot):
    """The frame and what was drawn of it, (h, w, 3) uint8 RGB, at the size that kept the frame rate."""

    picture: np.ndarray


class Place(Generic[Item]):
    """Room for one thing between two threads.

    waits: to put something there when it is taken waits until it is free; otherwise the old one is dropped.
    """

    def __init__(self, waits: bool) -> None:
        self.dropped = 0
        self._waits = waits
        self._held: list[Item] = []
        self._ended = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Whether there is any need for more."""
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: not self._held or self._ended)
            if not self._ended:
                self.dropped += len(self._held)
                self._held = [item]
            self._changed.notify_all()
            return not self._ended

    def take(self, timeout: float | None = None) -> Item | None:
        """The newest, as soon as there is one; None when none came in time, or will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._ended, timeout)
            taken = self._held.pop() if self._held else None
            self._changed.notify_all()
            return taken

    @property
    def over(self) -> bool:
        """Whether there is nothing here and never will be."""
        with self._changed:
            return self._ended and not self._held

    def end(self, *, drop: bool = False) -> None:
        """Nothing more will be put here; what is there may still be taken, unless it is dropped."""
        with self._changed:
            self._ended = True
            if drop:
                self._held = []
            self._changed.notify_all()


class Pipeline:
    """From a source to drawn pictures, for the thread that shows them.

    make: called on the drawing thread, which alone touches MLX, before the first frame is taken; gives what draws a
    frame. see: what is done with a frame before, on a thread of its own; then the sight it gives is drawn.
    every: no frame is dropped. paced: frames of a file come as they were taken, not as fast as they can be read.
    """

    def __init__(
        self,
        source: Source,
        make: Callable[[], Callable[[Any], np.ndarray]],
        *,
        see: Callable[[np.ndarray], Any] | None = None,
        every: bool = False,
        paced: bool = True,
    ) -> None:
        self.meter = Meter()
        self._source, self._make = source, make
        self._period = 1 / source.fps if paced and not source.live and source.fps else 0.0
        self._shot, self._done = Place[Shot](every), Place[Drawn](every)
        self._seen = Place[Seen](True) if see else None  # what has been looked at is not dropped any more
        self._stop, self._ready = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        work: list[tuple[str, Callable[[], None], Place[Any]]] = [("capture", self._capture, self._shot)]
        if see and self._seen:
            work.append(("seeing", functools.partial(self._look, see, self._seen), self._seen))
        work += [("drawing", self._draw, self._done)]
        self._threads = [
            threading.Thread(target=self._guarded, args=(task, end), name=name, daemon=True) for name, task, end in work
        ]

    @property
    def dropped(self) -> int:
        """Frames that came too soon to be drawn or shown."""
        return self._shot.dropped + self._done.dropped

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def pictures(self, timeout: float | None = None) -> Iterator[Drawn | None]:
        """Pictures as they are done; None each time that none came within `timeout` seconds.

        What goes wrong with the source or the drawing is raised here, after the pictures that were done before.
        """
        while True:
            drawn = self._done.take(timeout)
            if drawn is not None:
                self.meter.shown(drawn.captured, time.perf_counter())
            elif self._done.over:
                break
            yield drawn
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop after the frame at hand."""
        self._stop.set()
        for place in (self._shot, self._seen, self._done):
            if place is not None:
                place.end(drop=True)
        capture, *drawing = self._threads
        for thread in drawing:
            if thread.is_alive():
                thread.join()
        if capture.is_alive():
            capture.join(2.0)  # a stream that is dead may hold it up
        if not capture.is_alive():
            self._source.close()

    def _guarded(self, work: Callable[[], None], end: Place[Any]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = self._error or error
        finally:
            end.end()

    def _capture(self) -> None:
        self._ready.wait()
        due = time.perf_counter()
        for number, frame in enumerate(self._source):
            if self._period:
                due = max(due + self._period, time.perf_counter() - self._period)
                if self._stop.wait(max(0.0, due - time.perf_counter())):
                    return
            if not self._shot.put(Shot(frame, number, time.perf_counter())):
                return

    def _look(self, see: Callable[[np.ndarray], Any], seen: Place[Seen]) -> None:
        try:
            while (shot := self._shot.take()) is not None:
                if not seen.put(Seen(shot.frame, shot.number, shot.captured, see(shot.frame))):
                    return
        finally:
            self._shot.end(drop=True)

    def _draw(self) -> None:
        before = self._seen or self._shot
        try:
            draw = self._make()
            self._ready.set()
            while (shot := before.take()) is not None:
                picture = draw(shot.sight if isinstance(shot, Seen) else shot.frame)
                if not self._done.put(Drawn(shot.frame, shot.number, shot.captured, picture)):
                    return
        finally:
            before.end(drop=True)
            self._ready.set()
