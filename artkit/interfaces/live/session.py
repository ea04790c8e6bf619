"""One run of `artkit live`: pictures from the pipeline to the window and to files, keys obeyed, figures at the end."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import artkit.device

import cv2
import numpy as np

from artkit.contract import ArtkitError
from artkit.image import fit, load, save
from artkit.interfaces.live.keys import Keyboard
from artkit.interfaces.live.sinks import Recorder, VirtualCamera
from artkit.interfaces.live.window import LiveWindow
from artkit.live.pipeline import Drawn, Pipeline
from artkit.live.restyler import Restyler
from artkit.live.sources import Source
from artkit.stylize import gallery

Sink: TypeAlias = Recorder | VirtualCamera

TICK = 0.03  # seconds after which keys are looked at although no picture came
RECORD_FPS = 30.0  # of a film begun by a key


class Session:
    """From the first frame to the last. stopped: by Ctrl-C."""

    def __init__(
        self, source: Source, restyler: Restyler, sinks: Sequence[Sink] = (), *, every: bool = False, count: int | None
    ) -> None:
        self.stopped = False
        self._restyler, self._sinks, self._count = restyler, sinks, count
        ahead = artkit.device.uses_gpu()  # on a CPU the network takes nearly all of the time, and pictures come later
        self._pipeline = Pipeline(
            source,
            lambda: restyler.ready().paint if ahead else restyler.ready().draw,
            see=restyler.see if ahead else None,
            finish=restyler.finish if ahead else None,
            every=every,
            paced=not every,
        )
        self._size, self._edge = (0, 0), restyler.wanted.options.size
        self._refused = ""

    def run(self, *, window: bool) -> None:
        """Until the source ends, enough frames are drawn, the window is closed or Ctrl-C."""
        with self._pipeline:
            try:
                if window:
                    self._in_window()
                else:
                    self._without_window()
            except KeyboardInterrupt:
                self.stopped = True

    def figures(self) -> dict[str, float | int | str]:
        """What --json prints."""
        meter, (width, height) = self._pipeline.meter, self._size
        return {
            "frames": meter.frames,
            "fps": round(meter.fps, 2),
            "latency_ms": round(meter.latency_ms, 1),
            "dropped": self._pipeline.dropped,
            "width": width,
            "height": height,
            "network": self._restyler.plan,
        }

    def told(self) -> str:
        """The same for people."""
        meter, (width, height) = self._pipeline.meter, self._size
        left_out = f", {self._pipeline.dropped} dropped" if self._pipeline.dropped else ""
        return (
            f"{meter.frames} frames{left_out}, {meter.fps:.1f} a second at {width}×{height}, "
            f"{meter.latency_ms:.0f} ms behind"
        )

    def _without_window(self) -> None:
        for drawn in self._pipeline.pictures():
            assert drawn is not None
            self._hand_on(drawn)
            if self._pipeline.meter.frames == self._count:
                return

    def _in_window(self) -> None:
        keyboard = Keyboard(self._restyler, gallery.names())
        with LiveWindow(keyboard) as window, ExitStack() as recording:
            by_key: Recorder | None = None
            for drawn in self._pipeline.pictures(TICK):
                if drawn is not None:
                    picture = self._hand_on(drawn)
                    if by_key:
                        by_key.add(picture, drawn.captured)
                    window.show(self._as_shown(drawn.frame), picture, self._size, self._pipeline.meter)
                    if keyboard.snapshot:
                        keyboard.snapshot = False
                        window.say(_snapshot(picture, keyboard.title))
                if refusal := self._refusal():
                    window.say(refusal)
                window.keys()
                if keyboard.recording and by_key is None:
                    by_key = recording.enter_context(Recorder(_new_file(keyboard.title, ".mp4"), RECORD_FPS))
                elif by_key and not keyboard.recording:
                    window.say(f"recorded {by_key.path}")
                    recording.close()
                    by_key = None
                if keyboard.quit or self._pipeline.meter.frames == self._count:
                    return

    def _hand_on(self, drawn: Drawn) -> np.ndarray:
        """The picture at the size of all pictures, to everybody who wants it."""
        height, width = drawn.picture.shape[:2]
        self._size = (width, height)
        most = max(drawn.frame.shape[:2])
        height, width = fit(drawn.frame.shape[0], drawn.frame.shape[1], min(most, self._edge or most))
        picture = drawn.picture
        if picture.shape[:2] != (height, width):
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        for sink in self._sinks:
            sink.add(picture, drawn.captured)
        return picture

    def _refusal(self) -> str:
        """Why the last wish cannot be drawn, said once."""
        new, self._refused = self._restyler.refused != self._refused, self._restyler.refused
        return self._refused if new else ""

    def _as_shown(self, frame: np.ndarray) -> np.ndarray:
        return frame[:, ::-1] if self._restyler.wanted.options.mirror else frame


def _snapshot(picture: np.ndarray, title: str) -> str:
    """Save a picture in the current folder; what to say about it."""
    path = _new_file(title, ".png")
    try:
        save(load(picture), path)
    except ArtkitError as error:
        return str(error)
    return f"saved {path}"


def _new_file(title: str, suffix: str) -> Path:
    """artkit-starry-20261121-193601.png, in the current folder."""
    words = "-".join(re.findall(r"[\w-]+", Path(title).name)) or "live"
    return Path(f"artkit-{words[:60]}-{time.strftime('%Y%m%d-%H%M%S')}{suffix}")
