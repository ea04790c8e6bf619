"""Where live pictures go besides the window: a film, a virtual camera, a snapshot."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Self

import numpy as np

from artkit.contract import DeviceError, WrongCall
from artkit.video.media import Writer, check_film

LONGEST_GAP = 10.0  # seconds without a picture that a film shows; the rest of a longer one is left out


class Recorder:
    """A film at a constant rate of pictures that come as they can.

    fps: of the film. steady: a picture is a frame; otherwise each is shown until the next one came. sound: the file
    that the pictures are from, frame by frame.
    """

    def __init__(
        self, path: Path, fps: float, *, steady: bool = False, sound: Path | None = None, overwrite: bool = False
    ) -> None:
        check_film(path, fps, overwrite)
        self.path = path
        self._fps, self._steady = fps, steady
        self._writer = Writer(path, fps, sound_from=sound, overwrite=overwrite)
        self._begun: float | None = None
        self._written = 0
        self._last: np.ndarray | None = None

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._writer.__exit__(*exception)

    def add(self, picture: np.ndarray, seconds: float) -> None:
        """A picture (H, W, 3) uint8 RGB, all of one size, that is seen from then on."""
        if self._begun is None or self._steady:
            self._begun = seconds if self._begun is None else self._begun
            self._writer.write(picture)
            self._written += 1
        else:
            due = round((seconds - self._begun) * self._fps) + 1
            if due - self._written > LONGEST_GAP * self._fps:
                self._begun += (due - self._written) / self._fps - LONGEST_GAP
                due = self._written + round(LONGEST_GAP * self._fps)
            for number in range(self._written, due):
                self._writer.write(picture if number == due - 1 or self._last is None else self._last)
            self._written = max(self._written, due)
        self._last = picture


class VirtualCamera:
    """A camera that other programs, such as video calls, see; its first picture gives its size."""

    def __init__(self, fps: float) -> None:
        """WrongCall: pyvirtualcam is not installed."""
        try:
            import pyvirtualcam  # type: ignore[import-not-found]
        except ImportError:
            raise WrongCall("--virtual-camera takes another package: pip install pyvirtualcam") from None
        self._open = pyvirtualcam.Camera
        self._fps = fps
        self._held = contextlib.ExitStack()
        self._camera: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()

    def add(self, picture: np.ndarray, seconds: float) -> None:
        """DeviceError: there is no driver for it."""
        if self._camera is None:
            height, width = picture.shape[:2]
            try:
                self._camera = self._held.enter_context(self._open(width, height, self._fps))
            except RuntimeError as error:
                raise DeviceError(
                    f"no virtual camera ({' '.join(str(error).split())}); on Linux: sudo modprobe v4l2loopback; "
                    "on a Mac: install OBS and start its virtual camera once"
                ) from None
        self._camera.send(np.ascontiguousarray(picture))
