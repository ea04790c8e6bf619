"""The size at which frames are drawn, chosen so that a frame rate is kept."""

from __future__ import annotations

import statistics
from collections import deque

# Longest edges, pixels. Few, because a GPU takes its time with every size that it has not seen before.
SIZES = (192, 224, 256, 288, 320, 352, 384, 432, 480, 544, 608, 672, 768, 896, 1024, 1280, 1536, 1920)
LOOK = 5  # frames that are timed before the size changes
ROOM = 0.85  # of the time a frame may take, what a larger size must be expected to stay below
PATIENCE = 60  # frames until a size that was too slow is tried again, at first
MOST_PATIENCE = 20 * PATIENCE


class Pace:
    """Told how long each frame took, it knows the size of the next."""

    def __init__(self, start: int = 320, *, fixed: int = 0) -> None:
        """start: one of SIZES. fixed: a size that is kept whatever it takes, 0 for none."""
        self._fixed = fixed
        self._at = SIZES.index(start)
        self._took: deque[float] = deque(maxlen=LOOK)
        self._fresh = True  # the first frame at a size also prepares it
        self._frames = 0
        self._too_slow, self._until, self._wait = len(SIZES), 0, PATIENCE
        self.late = False

    def size(self, most: int) -> int:
        """The longest edge for a frame whose own is `most`, pixels."""
        return min(self._fixed or SIZES[self._at], most)

    def took(self, seconds: float, fps: float, most: int) -> None:
        """A frame at `size(most)` took so long; frames are wanted `fps` times a second."""
        if self._fresh:
            self._fresh = False
            return
        self._took.append(seconds)
        self._frames += 1
        if self._frames >= self._until:
            self._too_slow = len(SIZES)
        if len(self._took) < LOOK:
            return
        typical, budget = statistics.median(self._took), 1 / fps
        self.late = typical > budget
        if self._fixed:
            return
        if self.late and self._at > 0:
            self._shrink(typical / budget, most)
        elif self._at + 1 < self._too_slow and SIZES[self._at] < most:
            growth = (min(SIZES[self._at + 1], most) / SIZES[self._at]) ** 2
            if typical * growth < ROOM * budget:
                self._go(self._at + 1)

    def _shrink(self, excess: float, most: int) -> None:
        """To a size that takes so many times less: time goes with the area."""
        while self._at > 0 and SIZES[self._at - 1] >= most:
            self._at -= 1
        self._too_slow, self._until = self._at, self._frames + self._wait
        self._wait = min(2 * self._wait, MOST_PATIENCE)
        wanted = self.size(most) * max(0.5, excess**-0.5)
        self._go(max(0, min(self._at, sum(size <= wanted for size in SIZES)) - 1))

    def _go(self, at: int) -> None:
        self._at, self._fresh = at, True
        self._took.clear()
