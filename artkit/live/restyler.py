"""Frames of a camera in the style of the gallery, one after the other, as quickly as the machine can."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import artkit.device

import cv2
import mlx.core as mx
import numpy as np

from artkit.contract import ArtkitError
from artkit.image import fit
from artkit.live.look import DEFAULTS, Look, brush_for, has_light
from artkit.live.options import LiveOptions
from artkit.live.pace import Pace
from artkit.live.smoothing import Eye, Glance, Hand
from artkit.nets.stylenets import Code
from artkit.stylize.banding import draw
from artkit.stylize.feedforward import Brush
from artkit.stylize.manifest import PlanName
from artkit.stylize.texture import amplitude, smooth_noise

FULL_SIZE = 400  # longest edge below which the full network is not worth its time, pixels


@dataclass(frozen=True, eq=False)
class Sight:
    """A frame, and what is known of it before it is drawn.

    frame: as it came, or mirrored. small: the same at the size that it is drawn at. texture, even: how much of it, and
    how strong it is in each place, (h, w), if there is any. most: the longest edge that the frame could have had.
    glance: how it differs from the one before, if it has been looked at. seconds: what that took.
    """

    frame: np.ndarray
    small: np.ndarray
    texture: float
    even: np.ndarray | None
    most: int
    glance: Glance | None = None
    seconds: float = 0.0


@dataclass(eq=False)
class Drawing:
    """What was drawn of a sight, (h, w, 3) uint8, and the picture that it is once it is finished.

    glance: what the last drawing is blended in by; None: it stands alone, and the next one does so too.
    """

    drawn: np.ndarray
    glance: Glance | None = None
    picture: np.ndarray | None = None


class Restyler:
    """Frames in, pictures out. It draws on one thread, always the same; its look may be changed from any other.

    While one frame is drawn (`paint`), the next may be looked at (`see`) on a second thread, and the one before blended
    with those before it (`finish`) on a third; `draw` does all of it. The time that a frame takes, which the size keeps
    to, is that of the slowest of the three, or that of `draw`.

    sharers: how many draw on this thread in turns, each of whom has that much less time for a frame.
    refused: why the look that was asked for last cannot be drawn, "" if it can; the one before stays.
    """

    def __init__(
        self,
        styles: Sequence[str | Path],
        options: LiveOptions = DEFAULTS,
        *,
        sharers: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.wanted = Look(tuple(styles), options)
        self.refused = ""
        self._sharers, self._clock = sharers, clock
        self._look: Look | None = None
        self._plan: PlanName = "light"
        self._full_is_slow = False
        self._brush: Brush | None = None
        self._code: Code | None = None
        self._pace = Pace()
        self._eye, self._hand = Eye(), Hand()
        self._looked_away = False
        self._unfinished: deque[Drawing] = deque()
        self._one_finishes = threading.Lock()
        self._finishing = 0.0  # seconds that the last drawing took to finish
        self._last: Drawing | None = None
        self._noise = mx.zeros((0, 0))
        self._memory = 0.0

    @property
    def plan(self) -> str:
        """The network that draws, "full" or "light"."""
        return self._plan

    def change(self, styles: Sequence[str | Path] | None = None, **options: Any) -> None:
        """Ask for another look from the next frame on. WrongCall: a value that cannot be."""
        look = self.wanted
        values = {**look.options.model_dump(), **options}
        self.wanted = Look(look.styles if styles is None else tuple(styles), LiveOptions.checked(values))

    def ready(self) -> Restyler:
        """Read the networks that are wanted, before the first frame. Errors: see `draw`."""
        self._prepared()
        return self

    def size(self, most: int) -> int:
        """The longest edge at which a frame of up to `most` pixels would be drawn now."""
        return self._pace.size(most)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> the same restyled. Errors: see `draw`."""
        drawn = self.draw(frame)
        if drawn.shape == frame.shape:
            return drawn
        return cv2.resize(drawn, frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)

    def draw(self, frame: np.ndarray, most: int = 0) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> the same restyled, at the size that keeps the frame rate.

        most: the longest edge that frames could have, for those who ask for its `size` and send no larger ones.
        UnknownStyle, WeightsError, WrongCall: the first look cannot be drawn.
        """
        self._prepared()
        begun = self._clock()
        sight = self._sight(frame, most)
        picture = self._finished(self._painted(sight))
        self._keep_up(self._clock() - begun, sight.most)
        return picture

    def see(self, frame: np.ndarray, most: int = 0) -> Sight:
        """What can be done with a frame before it is drawn; `most` as for `draw`. Every sight is to be painted."""
        begun, options = self._clock(), self.wanted.options
        sight = self._sight(frame, most)
        glance = self._glance(sight.small, options)
        return replace(sight, glance=glance, seconds=self._clock() - begun)

    def paint(self, sight: Sight) -> Drawing:
        """What is drawn of a sight, seen while another was painted. Every drawing is to be finished. Errors: `draw`."""
        begun = self._clock()
        drawing = self._painted(sight)
        if max(sight.small.shape[:2]) == min(max(sight.frame.shape[:2]), self._pace.size(sight.most)):
            self._keep_up(max(sight.seconds, self._clock() - begun, self._finishing), sight.most)
        return drawing  # one seen before the size changed says nothing about the new size

    def finish(self, drawing: Drawing) -> np.ndarray:
        """The picture of a drawing, (h, w, 3) uint8, finished while another is painted."""
        begun = self._clock()
        picture = self._finished(drawing)
        self._finishing = self._clock() - begun
        return picture

    def _finished(self, drawing: Drawing) -> np.ndarray:
        """The picture of a drawing, after those before it: one thread at a time, each drawing once, in order."""
        with self._one_finishes:
            while drawing.picture is None:
                first = self._unfinished.popleft()
                if first.glance is None:
                    self._hand.reset()
                    first.picture = first.drawn
                else:
                    first.picture = self._hand.blend(first.drawn, first.glance)
            return drawing.picture

    def _glance(self, small: np.ndarray, options: LiveOptions) -> Glance:
        """What to blend a frame by; nothing while `draw` would not look, nor then, compared with one of long before."""
        if options.feedback or options.strength == 0:
            self._looked_away = True
            return Glance()
        glance = self._eye.look(small, options.smoothing)
        away, self._looked_away = self._looked_away, False
        return Glance() if away else glance

    def _sight(self, frame: np.ndarray, most: int) -> Sight:
        options, brush = self.wanted.options, self._brush
        frame = np.ascontiguousarray(frame[:, ::-1]) if options.mirror else frame
        own = max(frame.shape[:2])
        most = max(most, own)
        height, width = fit(frame.shape[0], frame.shape[1], min(own, self._pace.size(most)))
        small = frame if own <= max(height, width) else cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        texture = 0.0 if brush is None or brush.still or options.feedback else brush.texture
        return Sight(frame, small, texture, _even(small, texture), most)

    def _painted(self, sight: Sight) -> Drawing:
        look, brush = self._prepared()
        if _changes_nothing(look, brush):
            drawing = Drawing(sight.frame)
        else:
            drawing = self._last = self._drawn(sight, brush, look.options)
        self._unfinished.append(drawing)
        return drawing

    def _drawn(self, sight: Sight, brush: Brush, options: LiveOptions) -> Drawing:
        if options.feedback:  # the picture is to move, and what is mixed in is smooth enough
            fed = self._fed_back(sight.small, options)
            return Drawing(np.array(self._restyled(fed, _even(fed, brush.texture), brush)))
        even = sight.even if sight.texture == brush.texture else _even(sight.small, brush.texture)
        drawn = self._restyled(sight.small, even, brush)
        mx.async_eval(drawn)  # a GPU draws while the CPU looks at what moved, if it has not yet
        glance = self._eye.look(sight.small, options.smoothing) if sight.glance is None else sight.glance
        return Drawing(np.array(drawn), glance)

    def _restyled(self, seen: np.ndarray, even: np.ndarray | None, brush: Brush) -> mx.array:
        """One pass of the network, (H, W, 3) uint8, perhaps not done yet."""
        x, noise = mx.array(seen), None
        if brush.still:
            return x
        assert self._code is not None
        x = x.astype(mx.float32)[None] / 255
        if even is not None:
            if self._noise.shape != seen.shape[:2]:
                self._noise = mx.array(smooth_noise(*seen.shape[:2]))
            noise = (self._noise * mx.array(even))[None, ..., None]
        drawn = draw(brush.network.network, x, self._code, self._memory, noise)
        return (mx.clip(drawn[0], 0, 1) * 255 + 0.5).astype(mx.uint8)

    def _fed_back(self, seen: np.ndarray, options: LiveOptions) -> np.ndarray:
        """The frame with the last picture mixed in, larger and turned a little."""
        height, width = seen.shape[:2]
        if self._last is None:
            return seen
        last = self._finished(self._last)
        if last.shape != seen.shape:
            last = cv2.resize(last, (width, height), interpolation=cv2.INTER_LINEAR)
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), options.rotate, options.zoom)
        last = cv2.warpAffine(last, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return cv2.addWeighted(seen, 1 - options.feedback, last, options.feedback, 0)

    def _prepared(self) -> tuple[Look, Brush]:
        """The look that is wanted, or the one before where that cannot be; its brush, made when it changes."""
        wanted = self.wanted
        if wanted is not self._look or self._brush is None:
            try:
                self._take(wanted)
                self.refused = ""
            except ArtkitError as error:
                if self._brush is None or self._look is None:
                    raise
                self.refused = str(error)
                # What is wanted is not tried again; the rest of it may go with the styles of before.
                self.wanted = replace(self._look)
                self._look = self.wanted
        assert self._look is not None
        assert self._brush is not None
        return self._look, self._brush

    def _take(self, look: Look) -> None:
        old = self._look
        same = old is not None and (old.styles, old.options.plan) == (look.styles, look.options.plan)
        plan = self._plan if same else self._planned(look)
        self._load(look, plan)
        if old is None or plan != self._plan or old.options.size != look.options.size:
            self._pace = _pace(plan, look.options)
        self._look, self._plan = look, plan

    def _load(self, look: Look, plan: PlanName) -> None:
        self._brush = brush_for(look, plan)
        self._code = Code(self._brush.codes, mx.array([self._brush.weights]))
        self._memory = self._memory or artkit.device.memory_budget()

    def _planned(self, look: Look) -> PlanName:
        """The network to begin with: the full one where there is a GPU that has kept up so far, or no other."""
        if look.options.plan != "auto":
            return look.options.plan
        quick = self._full_is_slow or not artkit.device.uses_gpu()
        return "light" if quick and has_light(look) else "full"

    def _keep_up(self, seconds: float, most: int) -> None:
        """Draw smaller, or with the light network, where frames take too long; seconds: what the last one took."""
        look, brush = self._look, self._brush
        if look is None or brush is None or _changes_nothing(look, brush):
            return
        self._pace.took(seconds * max(1, self._sharers()), look.options.fps, most)
        if self._plan == "light" or look.options.plan != "auto" or not has_light(look):
            return
        self._full_is_slow = self._pace.late if look.options.size else self._pace.size(most) < min(FULL_SIZE, most)
        if self._full_is_slow:
            self._plan, self._pace = "light", _pace("light", look.options)
            self._load(look, "light")


def _changes_nothing(look: Look, brush: Brush) -> bool:
    return brush.still and not look.options.feedback


def _even(seen: np.ndarray, texture: float) -> np.ndarray | None:
    """How strong texture is in each place of a frame, (H, W, 3) uint8 -> (H, W) float32; None: there is none."""
    return amplitude(seen, texture) if texture else None


def _pace(plan: PlanName, options: LiveOptions) -> Pace:
    return Pace(480 if plan == "full" else 320, fixed=options.size)
