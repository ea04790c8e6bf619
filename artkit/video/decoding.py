"""Videos to frames through PyAV: upright, in their shown proportions, at a constant rate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artkit.contract import PictureError
from artkit.formats import paths

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_TIMEOUT = 20.0  # seconds for a server to answer
_WHOLE = 0.9  # of the frames that a file promises; with fewer it is cut off


def is_address(source: str | Path) -> bool:
    """Whether it is the address of a video (https, rtsp) rather than a file."""
    return isinstance(source, str) and "://" in source


def open_container(source: str | Path) -> InputContainer:
    """PictureError: no such file, no answer, not a video, damaged."""
    import av
    from av.error import FFmpegError

    if not is_address(source):
        _check(Path(source))
    try:
        return av.open(str(source), timeout=_TIMEOUT if is_address(source) else None)
    except FFmpegError as error:
        name = paths.shown(source)
        reason = (error.strerror or type(error).__name__).lower()
        if is_address(source):
            raise PictureError(f"cannot open {name} ({reason}); check the address and the connection") from error
        raise PictureError(f"{name} is not a video, or damaged or cut off ({reason}); copy it again") from error


def comment_of(path: Path) -> str:
    """The comment in a video's metadata, "" if there is none. PictureError as in `open_container`."""
    with open_container(path) as container:
        said = {name.lower(): text for name, text in container.metadata.items()}  # Matroska's is in capitals
    return said.get("comment", "")


def _check(path: Path) -> None:
    """What FFmpeg would put less plainly."""
    if path.is_dir():
        raise PictureError(f"{paths.shown(path)} is a folder; give a video in it")
    if not path.exists():
        raise PictureError(f"no file {paths.shown(path)}; check the name")
    try:
        with path.open("rb") as file:
            if not file.read(1) and path.is_file():
                raise PictureError(f"{paths.shown(path)} is empty (0 bytes); copy or download it again")
    except OSError as error:
        raise PictureError(f"cannot read {paths.shown(path)}: {(error.strerror or str(error)).lower()}") from None


class Movie:
    """An open video. rate: frames a second; count: frames to come, None where unknown; height, width as shown."""

    def __init__(self, source: str | Path) -> None:
        self._name = paths.shown(source)
        self._container = open_container(source)
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._container.close)
            if not self._container.streams.video:
                if self._container.streams.audio:
                    raise PictureError(f"{self._name} has sound but no pictures; give a video")
                raise PictureError(f"{self._name} is damaged or cut off (nothing to show in it); copy it again")
            self._stream: VideoStream = self._container.streams.video[0]
            self._stream.thread_type = "AUTO"
            self.rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
            self.count = self._promised()
            self._decoded = self._decode()
            first = next(self._decoded, None)
            if first is None:
                raise PictureError(f"{self._name} is damaged or cut off (no frame can be read); copy it again")
            self._first = first
            self.height, self.width = upright(first).shape[:2]
            on_error.pop_all()

    def _promised(self) -> int | None:
        stream, seconds = self._stream, None
        if stream.frames:
            return stream.frames
        if stream.duration and stream.time_base:
            seconds = stream.duration * stream.time_base
        elif self._container.duration:
            seconds = Fraction(self._container.duration, 1_000_000)
        return max(1, round(seconds * self.rate)) if seconds else None

    def frames(self) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 RGB, the n-th at n/rate seconds. PictureError after the last one of a cut-off file."""
        held, place, read = upright(self._first), 0, 1
        begin = self._first.time
        for frame in self._decoded:
            read += 1
            shown = place + 1
            if frame.pts is not None and begin is not None:
                shown = round((frame.time - begin) * self.rate)
            if self.count:  # damaged times could ask for a frame to be shown for years
                shown = min(shown, max(self.count, place + 1))
            for _ in range(place, shown):
                yield held
            held, place = upright(frame), max(place, shown)
        yield held
        if read < _WHOLE * self._stream.frames:
            raise PictureError(f"{self._name} is cut off after {read} of {self._stream.frames} frames; copy it again")

    def _decode(self) -> Iterator[VideoFrame]:
        """The frames in the order in which they are shown; damaged ones are left out, as players do."""
        from av.error import FFmpegError, InvalidDataError

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)  # the last one is empty and brings out the frames held back
                if packet is None:
                    return
                yield from packet.decode()  # type: ignore[misc]
            except InvalidDataError:
                continue
            except FFmpegError as error:
                reason = (error.strerror or type(error).__name__).lower()
                raise PictureError(
                    f"{self._name} cannot be read further ({reason}); check the file or address"
                ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


def upright(frame: VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the file says, wide pixels (DV, some cameras) made square."""
    aspect = getattr(frame, "sample_aspect_ratio", None)
    width = round(frame.width * aspect) if aspect else frame.width
    pixels = frame.to_ndarray(format="rgb24", width=width)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
