"""Where live frames come from: a camera, the address of a stream, a video, a folder of pictures.

with open_source("0") as source:
    for frame in source: ...        # (H, W, 3) uint8 RGB, all of one size
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

import cv2
import numpy as np

from artkit.contract import ArtkitError, DeviceError, WrongCall
from artkit.image import find_pictures, load
from artkit.video.decoding import is_address
from artkit.video.media import Frames, read_frames

WARM_UP = 5.0  # seconds that a camera may take for its first frame
AHEAD = 3  # pictures of a folder that are read before they are needed: a GPU draws faster than one thread reads
PATIENCE = 2.0  # seconds without a frame after which a camera counts as gone


@dataclass(frozen=True)
class Source(Frames):
    """Frames of live pictures.

    fps: frames a second as they were taken, 0 where unknown. live: they come whether one is ready or not.
    sound: the file that has sound to them, if any.
    """

    fps: float
    live: bool
    _frames: Iterator[np.ndarray] = field(repr=False)
    _close: Callable[[], Any] = field(repr=False, default=lambda: None)
    sound: Path | None = None


def open_source(text: str, *, longest: int = 640, fps: float = 30.0, hold: float = 0.0, loop: bool = False) -> Source:
    """The source that `text` names: a camera's number, an address, a folder of pictures, or else a video.

    To be called on the main thread, where macOS asks whether the camera may be used. longest, fps: what a camera is
    asked for, pixels and frames a second; pictures come at that rate, each for `hold` seconds. loop: from the
    beginning again when a video or folder ends. DeviceError: no such camera, or it may not be used; PictureError: a
    file or address that cannot be read. Errors of a source that breaks off come while iterating.
    """
    if not text:
        raise WrongCall("--source is empty; give the number of a camera, a file, a folder or an address")
    if text.isdecimal():
        return _camera(int(text), longest, fps)
    path = Path(text).expanduser()
    if path.is_dir():
        return _folder(path, fps, hold, loop)
    if is_address(text):
        clip = read_frames(text)
        return Source(clip.fps, True, iter(clip), clip.close)
    return _video(path, loop)


def _video(path: Path, loop: bool) -> Source:
    clip = read_frames(path)
    held = contextlib.ExitStack()
    held.callback(clip.close)

    def frames() -> Iterator[np.ndarray]:
        yield from clip
        while loop:
            with read_frames(path) as again:
                yield from again

    return Source(clip.fps, False, frames(), held.close, sound=None if loop else path)


# --- pictures -----------------------------------------------------------------------------------------------------


def _folder(path: Path, fps: float, hold: float, loop: bool) -> Source:
    """All pictures have the size of the first; what is too wide or too high of the others is cut off."""
    files = find_pictures([path])
    first = _pixels(files[0])
    size = (first.shape[1], first.shape[0])
    times = max(1, round(hold * fps))

    def read(file: Path) -> np.ndarray:
        return covering(_pixels(file), *size)

    def frames() -> Generator[np.ndarray]:
        following = itertools.cycle(files) if loop else iter(files)
        with ThreadPoolExecutor(AHEAD) as readers:
            coming = deque(readers.submit(read, file) for file in itertools.islice(following, AHEAD))
            while coming:
                frame = coming.popleft().result()
                coming.extend(readers.submit(read, file) for file in itertools.islice(following, 1))
                yield from itertools.repeat(frame, times)

    shown = frames()
    return Source(fps, False, shown, shown.close)


def _pixels(file: Path) -> np.ndarray:
    """(H, W, 3), 8-bit."""
    return cv2.convertScaleAbs(load(file).pixels, alpha=255)


def covering(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """The middle of a frame, (height, width, 3), as much of it as fits those proportions."""
    if frame.shape[:2] == (height, width):
        return frame
    h, w = frame.shape[:2]
    scale = max(height / h, width / w)
    large = cv2.resize(
        frame, (max(width, round(w * scale)), max(height, round(h * scale))), interpolation=cv2.INTER_AREA
    )
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]


# --- cameras ------------------------------------------------------------------------------------------------------


def _camera(number: int, longest: int, fps: float) -> Source:
    _look_for(number)
    with _quiet_opencv():
        capture = cv2.VideoCapture(number)
        if not capture.isOpened():
            raise _refused(number)
        # Compressed in the camera: USB 2 cannot carry 720p at 30 frames a second otherwise.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, longest)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, round(longest * 9 / 16))
        capture.set(cv2.CAP_PROP_FPS, max(30.0, fps))
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return Source(rate if 0 < rate <= 1000 else 0.0, True, camera_frames(capture, number), capture.release)


def camera_frames(
    capture: cv2.VideoCapture, number: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[np.ndarray]:
    """What an open camera sees. DeviceError: it sends nothing, or nothing any more."""
    seen, since = False, clock()
    while True:
        there, frame = capture.read()
        if there and frame is not None and frame.size:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            seen, since = True, clock()
            continue
        if not seen and clock() - since > WARM_UP:
            raise _refused(number)
        if seen and clock() - since > PATIENCE:
            raise DeviceError(f"camera {number} sends no more pictures; plug it in again, and start again")
        time.sleep(0.02)


def _look_for(number: int) -> None:
    """DeviceError in words better than OpenCV's, where it can be known before."""
    if sys.platform != "linux":
        return
    device = Path(f"/dev/video{number}")
    if not device.exists():
        found = sorted(int(path.name[5:]) for path in Path("/dev").glob("video[0-9]*"))
        there = f"there is {', '.join(map(str, found))}" if found else "there is none at all"
        raise DeviceError(f"no camera {number} on this machine ({there}); plug one in, or give --source FILE")
    if not os.access(device, os.R_OK | os.W_OK):
        raise DeviceError(f"camera {number} may not be used; sudo usermod -aG video $USER, and log in again")


def _refused(number: int) -> ArtkitError:
    if sys.platform == "darwin":
        return DeviceError(
            f"camera {number} is not there or may not be used; allow it for your terminal in System Settings, "
            "Privacy & Security, Camera, and start the terminal again"
        )
    return DeviceError(
        f"camera {number} gives no pictures; close the program that uses it, plug it in again, or give --source FILE"
    )


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Without OpenCV's own warnings on stderr: what they are about is said in one line."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
