"""The window of `artkit live`: the picture as large as it goes, text over it, keys."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

import cv2
import numpy as np

from artkit.contract import DeviceError
from artkit.interfaces.live.keys import KEYS, Keyboard
from artkit.interfaces.live.overlay import chip, split, table
from artkit.live.figures import Meter

TITLE = "artkit live"
SMALLEST, LARGEST = 960, 1920  # longest edge of what is shown, so that text is sharp and there is no useless work
SAID = 2.0  # seconds that what a key did is shown
ARROWS = {  # of GTK and Qt, and of macOS
    0xFF51: "p",
    0xFF53: "n",
    0xFF52: "+",
    0xFF54: "-",
    63234: "p",
    63235: "n",
    63232: "+",
    63233: "-",
}


def check_display(instead: str = "give --no-window -o FILE.mp4, or start it on a desktop") -> None:
    """DeviceError: there is nowhere to open a window (OpenCV would end the process). instead: what to do then."""
    if sys.platform != "linux":
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        if os.environ.get("WAYLAND_DISPLAY"):
            raise DeviceError(f"this Wayland desktop has no Xwayland, which the window needs; {instead}")
        raise DeviceError(f"no display here; {instead}")
    if not _answers(display):
        raise DeviceError(f'the display "{display}" does not answer; {instead}')


def _answers(display: str) -> bool:
    """Whether there is an X server at ":0", "host:10.0" or "unix:0"."""
    match = re.fullmatch(r"(?:unix)?(?P<host>[^/:]*|\[.*\]):(?P<number>\d+)(?:\.\d+)?", display)
    if match is None:
        return bool(display.startswith("/") and Path(display).exists())  # macOS' XQuartz
    number = int(match["number"])
    try:
        if match["host"]:
            socket.create_connection((match["host"].strip("[]"), 6000 + number), timeout=3).close()
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plug:
            plug.settimeout(3)
            plug.connect(f"/tmp/.X11-unix/X{number}")
            return True
    except OSError:
        return False


class LiveWindow:
    """To be used on the main thread."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard
        self._said, self._until = "", 0.0
        self._full_screen = False

    def __enter__(self) -> LiveWindow:
        with _environment():
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._sized = False
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(cv2.error):
            cv2.destroyWindow(TITLE)
            cv2.waitKey(1)

    def say(self, text: str) -> None:
        """Show a line for a moment."""
        self._said, self._until = text, time.monotonic() + SAID

    def show(self, frame: np.ndarray, picture: np.ndarray, size: tuple[int, int], meter: Meter) -> None:
        """Show what was drawn of a frame, both (H, W, 3) uint8 RGB. size: (width, height) at which it was drawn."""
        keys = self._keyboard
        shown = composed(frame, picture, keys.split)
        if keys.help:
            table(shown, KEYS, "Keys")
        elif keys.figures:
            fps, late = meter.recent
            chip(shown, f"{keys.title}   {fps:.0f} fps   {late:.0f} ms   {size[0]} x {size[1]}")
            chip(shown, "h: help", corner=(1, 1))
        if keys.recording:
            chip(shown, "recording", corner=(1, 0), dot=True)
        if time.monotonic() < self._until:
            chip(shown, self._said, corner=(0, 0))
        if not self._sized:
            cv2.resizeWindow(TITLE, shown.shape[1], shown.shape[0])
            self._sized = True
        cv2.imshow(TITLE, cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))

    def keys(self) -> None:
        """Do what the keys say that were pressed; a window that was closed quits."""
        keys = self._keyboard
        for key in _pressed():
            keys.press(key)
            if keys.said:
                self.say(keys.said)
        if keys.full_screen != self._full_screen:
            self._full_screen = keys.full_screen
            mode = cv2.WINDOW_FULLSCREEN if self._full_screen else cv2.WINDOW_NORMAL
            cv2.setWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN, mode)
        if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            keys.quit = True


def composed(frame: np.ndarray, picture: np.ndarray, halves: bool) -> np.ndarray:
    """The picture at the size that is shown, a new array; the frame's left half in it where halves are compared."""
    height, width = frame.shape[:2]
    scale = min(max(max(height, width), SMALLEST), LARGEST) / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shown = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) if picture.shape[1::-1] != size else picture.copy()
    if halves:
        split(shown, cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR))
    return shown


def _pressed() -> Iterator[str]:
    """Keys since the last call, at least one event of the window handled."""
    while (code := cv2.waitKeyEx(1)) != -1:
        if key := ARROWS.get(code & 0xFFFF):
            yield key
        elif 0 < code & 0xFFFF < 128:
            yield chr(code & 0xFF)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Qt, which is in OpenCV's Linux wheel, without its talk of fonts, and on X11 also where there is Wayland."""
    quiet = {"QT_QPA_PLATFORM": "xcb", "QT_LOGGING_RULES": "*.warning=false"} if sys.platform == "linux" else {}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    yield
