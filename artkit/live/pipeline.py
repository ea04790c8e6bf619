"""Capture, drawing and display, each on a thread of its own, with one place between them for the newest frame.

A frame that is not taken from its place before the next one comes is dropped, so that what is shown is never more
than one frame behind what is drawn, and what is drawn never more than one behind the camera. Where every frame is
wanted, for a file, whoever comes to a place that is taken waits instead.

Drawing may be the work of up to three threads: one looks at the next frame while another paints, and a third finishes
what was painted before. Nothing is dropped between them, so that what is drawn may be two behind with one thread more,
four with two: for each, a frame that waits for it, and one in the hands of the thread before.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np

from artkit.live.figures import Meter
from artkit.live.sources import Source

Item = TypeVar("Item")

# Seconds until a thread lets another go on that waits for Python: ten times sooner than usual, since five of them work
# on each frame. A tenth more frames a second.
TURN = 0.0005


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame as the camera saw it, (H, W, 3) uint8 RGB; its number from 0; when that was, by time.perf_counter.

    made: what it has become so far: the frame itself, what was found out about it, what was drawn of it.
    """

    frame: np.ndarray
    number: int
    captured: float
    made: Any


@dataclass(frozen=True, eq=False)
class Drawn:
    """A shot and its picture, (h, w, 3) uint8 RGB, at the size that kept the frame rate."""

    frame: np.ndarray
    number: int
    captured: float
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
    frame. see: what is done with a frame before, on a thread of its own; then the sight it gives is drawn. finish: what
    makes a picture of what was drawn, on a thread of its own. A frame that was seen is drawn and finished, in order.
    every: no frame is dropped. paced: frames of a file come as they were taken, not as fast as they can be read.
    """

    def __init__(
        self,
        source: Source,
        make: Callable[[], Callable[[Any], Any]],
        *,
        see: Callable[[np.ndarray], Any] | None = None,
        finish: Callable[[Any], np.ndarray] | None = None,
        every: bool = False,
        paced: bool = True,
    ) -> None:
        self.meter = Meter()
        self._source, self._make = source, make
        self._period = 1 / source.fps if paced and not source.live and source.fps else 0.0
        self._stop, self._ready = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._turn = sys.getswitchinterval()
        stages: list[tuple[str, Callable[[], Callable[[Any], Any]]]] = [("drawing", self._made)]
        if see:
            stages.insert(0, ("seeing", lambda: see))
        if finish:
            stages.append(("finishing", lambda: finish))
        between = [Place[Shot](True) for _ in stages[1:]]  # what is begun is not dropped any more
        self._places = [Place[Shot](every), *between, Place[Shot](every)]
        self._shot, self._done = self._places[0], self._places[-1]
        self._threads = [self._thread("capture", self._shot, self._capture)]
        for (name, make), before, after in zip(stages, self._places[:-1], self._places[1:], strict=True):
            self._threads.append(self._thread(name, after, self._stage, make, before, after))

    @property
    def dropped(self) -> int:
        """Frames that came too soon to be drawn or shown."""
        return self._shot.dropped + self._done.dropped

    def __enter__(self) -> Self:
        sys.setswitchinterval(min(TURN, self._turn))
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
            shot = self._done.take(timeout)
            if shot is not None:
                self.meter.shown(shot.captured, time.perf_counter())
            elif self._done.over:
                break
            yield shot and Drawn(shot.frame, shot.number, shot.captured, shot.made)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop after the frame at hand."""
        self._stop.set()
        for place in self._places:
            place.end(drop=True)
        capture, *drawing = self._threads
        for thread in drawing:
            if thread.is_alive():
                thread.join()
        if capture.is_alive():
            capture.join(2.0)  # a stream that is dead may hold it up
        if not capture.is_alive():
            self._source.close()
        sys.setswitchinterval(self._turn)

    def _thread(self, name: str, end: Place[Shot], work: Callable[..., None], *args: Any) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(end, work, *args), name=name, daemon=True)

    def _guarded(self, end: Place[Shot], work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
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
            if not self._shot.put(Shot(frame, number, time.perf_counter(), frame)):
                return

    def _made(self) -> Callable[[Any], Any]:
        draw = self._make()
        self._ready.set()
        return draw

    def _stage(self, make: Callable[[], Callable[[Any], Any]], before: Place[Shot], after: Place[Shot]) -> None:
        """Frame after frame from one place, worked on and put into the next."""
        try:
            work = make()
            while (shot := before.take()) is not None:
                if not after.put(replace(shot, made=work(shot.made))):
                    return
        finally:
            before.end(drop=True)
            self._ready.set()
