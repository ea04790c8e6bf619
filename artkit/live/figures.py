"""How live pictures go: frames a second, how late they are, and how many were left out."""

from __future__ import annotations

import statistics
from collections import deque

RECENT = 2.0  # seconds that the figures shown on the way are about


class Meter:
    """Counts frames as they are shown; times are seconds of one clock."""

    def __init__(self) -> None:
        self.frames = 0
        self._first = self._last = 0.0
        self._recent: deque[tuple[float, float]] = deque()  # when it was shown, how late
        self._latencies: list[float] = []

    def shown(self, captured: float, now: float) -> None:
        """A frame of the moment `captured` is shown `now`."""
        self._first = self._first if self.frames else now
        self.frames, self._last = self.frames + 1, now
        self._recent.append((now, now - captured))
        while now - self._recent[0][0] > RECENT:
            self._recent.popleft()
        if len(self._latencies) < 100_000:  # an hour, which is enough to know
            self._latencies.append(now - captured)

    @property
    def fps(self) -> float:
        """Frames a second from the first to the last one, 0 before the second."""
        return (self.frames - 1) / (self._last - self._first) if self._last > self._first else 0.0

    @property
    def latency_ms(self) -> float:
        """From the camera to the screen, the median of all frames, milliseconds."""
        return 1000 * statistics.median(self._latencies) if self._latencies else 0.0

    @property
    def recent(self) -> tuple[float, float]:
        """Frames a second and the median latency in milliseconds, of the last moments."""
        if len(self._recent) < 2:
            return 0.0, self.latency_ms
        span = self._recent[-1][0] - self._recent[0][0]
        return (len(self._recent) - 1) / span, 1000 * statistics.median(late for _, late in self._recent)
