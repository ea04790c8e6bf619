"""Frames to H.264 videos through PyAV, with the sound of another file copied packet for packet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artkit.contract import DeviceError, PictureError
from artkit.formats import paths
from artkit.video.decoding import open_container

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_SOUND_AFTER = 0.5  # seconds that sound may go on after the last frame
_BT709 = 1  # FFmpeg's number of this matrix, these primaries and this transfer alike
_LIMITED = 1  # FFmpeg's number for 16..235


def exact_rate(fps: float) -> Fraction:
    """Frames a second as a fraction; 23.976, 29.97 and 59.94 stand for 1000/1001 of 24, 30 and 60."""
    whole = round(fps * 1.001)
    if whole in (24, 30, 48, 60, 120, 240) and abs(fps - whole) > 1e-6 and abs(fps * 1.001 - whole) < 0.005:
        return Fraction(whole * 1000, 1001)
    return Fraction(fps).limit_denominator(1001)


class MovieSink:
    """Writes `part`, which will be `path`. PictureError: the sound does not go into it. OSError: a full disk.

    recipe: JSON for the comment that the file has, or "".
    """

    def __init__(self, path: Path, part: Path, fps: float, sound_from: Path | None, recipe: str) -> None:
        import av

        self._rate, self._count = exact_rate(fps), 0
        self._stream: VideoStream | None = None
        self._sound: _Sound | None = None
        kind = CONTAINERS[path.suffix.lower()]
        options = {} if kind == "matroska" else {"movflags": "+faststart"}
        with _plain_errors():
            self._container = av.open(str(part), "w", format=kind, options=options)
        if recipe:
            self._container.metadata["comment"] = recipe
        if sound_from is not None:
            try:
                self._sound = _Sound(sound_from, self._container, path)
            except BaseException:
                self.drop()
                raise

    def write(self, frame: np.ndarray) -> None:
        """One frame, (H, W, 3) uint8 RGB; the last row or column of odd sizes is repeated (H.264 has even ones)."""
        import av

        odd_height, odd_width = (edge % 2 for edge in frame.shape[:2])
        if odd_height or odd_width:
            frame = np.pad(frame, ((0, odd_height), (0, odd_width), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._open(frame.shape[1], frame.shape[0])
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED
        )
        picture.pts, picture.time_base = self._count, 1 / self._rate
        self._count += 1
        with _plain_errors():
            self._container.mux(self._stream.encode(picture))
            self._mux_sound(self._count / self._rate)

    def _open(self, width: int, height: int) -> VideoStream:
        from av.codec.codec import UnknownCodecError

        try:
            # Next to x264's own preset, 2.3 times as quick and half a decibel worse at no larger a file. Without
            # cpu-independent, which costs next to nothing, one run in 30 makes other frames of the same ones.
            options = {"crf": "18", "preset": "veryfast", "x264-params": "cpu-independent=1"}
            stream = self._container.add_stream("libx264", rate=self._rate, options=options)
        except UnknownCodecError:
            raise DeviceError("PyAV is built without H.264 here; pip install --force-reinstall av brings it") from None
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.color_range = _LIMITED
        stream.codec_context.colorspace = stream.codec_context.color_primaries = _BT709
        stream.codec_context.color_trc = _BT709
        return stream

    def _mux_sound(self, until: Fraction | float) -> None:
        for packet in self._sound.packets(float(until)) if self._sound else ():
            self._container.mux(packet)

    def finish(self) -> None:
        """What the encoder holds back, the rest of the sound, and the end of the file."""
        assert self._stream is not None
        with _plain_errors():
            self._container.mux(self._stream.encode(None))
            self._mux_sound(self._count / self._rate + _SOUND_AFTER)
            self._let_go()

    def drop(self) -> None:
        """Close without finishing."""
        with contextlib.suppress(Exception):  # an unfinished container may complain; the file goes away anyway
            self._let_go()

    def _let_go(self) -> None:
        if self._sound:
            self._sound.close()
        self._container.close()


class _Sound:
    """The packets of a file's sound (its best one, if there are several; none, if there is none)."""

    def __init__(self, source: Path, target: OutputContainer, path: Path) -> None:
        self._container = open_container(source)
        self._waiting: Packet | None = None
        self._packets: Iterator[Packet] = iter(())
        self._begin = Fraction(0)  # seconds: the first frame's time in the source, which is 0 in the target
        if not self._container.streams.audio:
            return
        stream = self._container.streams.best("audio") or self._container.streams.audio[0]
        codec = stream.codec_context.name
        try:
            if codec not in target.supported_codecs:
                raise ValueError(codec)
            self._stream = target.add_stream_from_template(stream)
        except ValueError as error:
            self.close()
            place = f"the sound of {paths.shown(source)} ({codec}) does not go into {path.suffix}"
            raise PictureError(f"{place}; write .mkv, which takes any") from error
        for pictures in self._container.streams.video[:1]:
            if pictures.start_time is not None and pictures.time_base is not None:
                self._begin = pictures.start_time * pictures.time_base
        self._packets = (packet for packet in self._container.demux(stream) if packet.dts is not None)

    def packets(self, until: float) -> Iterator[Packet]:
        """Those that begin before `until`, seconds from the first frame, and have not been given yet."""
        while (packet := self._waiting or next(self._packets, None)) is not None:
            assert packet.dts is not None
            assert packet.time_base is not None
            if packet.dts * packet.time_base - self._begin >= until:
                self._waiting = packet
                return
            self._waiting = None
            offset = round(self._begin / packet.time_base)
            packet.pts = (packet.dts if packet.pts is None else packet.pts) - offset
            packet.dts -= offset
            packet.stream = self._stream
            yield packet

    def close(self) -> None:
        self._container.close()


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """FFmpeg's errors as Python's: OSError with their number."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror or str(error)) from error
