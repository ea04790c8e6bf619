"""Frames and sound in and out of files: H.264 videos through PyAV, animated GIF, WebP and PNG through Pillow.

    with read_frames("in.mp4") as clip, Writer(Path("out.mp4"), clip.fps, sound_from=Path("in.mp4")) as writer:
        for frame in clip:
            writer.write(paint(frame))

Frames are (H, W, 3) uint8 RGB, upright, at a constant rate. A file appears whole at the end or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from artkit.contract import PictureError, Recipe, WrongCall
from artkit.formats import paths
from artkit.formats.reading import as_recipe, count_frames
from artkit.formats.writing import in_ascii
from artkit.image import load_recipe
from artkit.video.animations import KINDS, Album, Animation
from artkit.video.decoding import Movie, comment_of, is_address
from artkit.video.encoding import CONTAINERS, MovieSink

SUFFIXES = (*CONTAINERS, *KINDS)


class Frames:
    """Frames, (H, W, 3) uint8 RGB, to iterate once on any one thread, and where they come from, to be closed.

    What is one has these two as fields: with Frames() as frames: for frame in frames: …
    """

    _frames: Iterator[np.ndarray]
    _close: Callable[[], Any]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or the camera."""
        self._close()


@dataclass(frozen=True)
class Clip(Frames):
    """An open video or animation.

    fps: frames a second. width, height: pixels, as shown. count: frames to come, None where the file does not say
    (and near the truth where it does).
    """

    fps: float
    width: int
    height: int
    count: int | None
    _frames: Iterator[np.ndarray] = field(repr=False)
    _close: Callable[[], Any] = field(repr=False)


def read_frames(source: str | Path) -> Clip:
    """Open a video (anything FFmpeg reads, or the address of one) or an animated GIF, WebP or PNG.

    Rotation in the metadata is applied. Where frames come unevenly (phones, screen recordings) some are repeated or
    left out, so that sound stays with the picture. PictureError: no such file, not a video, damaged; and, while
    iterating, when a file is cut off, after the frames that are there.
    """
    if not is_address(source) and Path(source).suffix.lower() in KINDS:
        opened: Animation | Movie = Animation(Path(source).expanduser())
    else:
        opened = Movie(source if is_address(source) else Path(source).expanduser())
    return Clip(float(opened.rate), opened.width, opened.height, opened.count, opened.frames(), opened.close)


def moves(path: Path) -> bool:
    """Whether a file is a video, or an animation of several pictures. PictureError: no such file, or damaged."""
    suffix = path.suffix.lower()
    return suffix in CONTAINERS or (suffix in KINDS and count_frames(paths.read(path)) > 1)


def read_recipe(path: str | Path) -> Recipe | None:
    """How a video, an animation or a picture was made, None if it does not say; PictureError as in `load_recipe`."""
    if Path(path).suffix.lower() not in CONTAINERS:
        return load_recipe(path)
    text = as_recipe(comment_of(Path(path).expanduser()))
    return Recipe.from_json(text) if text else None


class Writer:
    """Frames to a video or an animation, by the suffix: .mp4 .m4v .mov .mkv (H.264), .gif .webp .png .apng.

    fps: frames a second. sound_from: a file whose sound is copied as it is, as long as there are frames for it;
    animations hold no sound and go without. recipe: how it is made, for the file's metadata. The file is there when
    the `with` block has ended; after an error in the block there is none. PictureError: no frames, the file exists
    (unless `overwrite`), no permission, no space, an unknown suffix, sound that the file cannot hold. WrongCall: frames
    of different sizes, a rate that cannot be.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float,
        *,
        sound_from: str | Path | None = None,
        recipe: Recipe | None = None,
        overwrite: bool = False,
    ) -> None:
        self._path, self._fps, self._overwrite = Path(path), fps, overwrite
        self._sound_from = None if sound_from is None else Path(sound_from)
        self._recipe = in_ascii(recipe.to_json()) if recipe else ""
        self._size: tuple[int, int] | None = None
        self._sink: Album | MovieSink | None = None
        check_film(self._path, fps, overwrite)

    def __enter__(self) -> Self:
        self._part = paths.part_of(self._path)
        try:
            if kind := KINDS.get(self._path.suffix.lower()):
                self._sink = Album(self._path, self._part, kind, self._fps, self._recipe)
            else:
                self._sink = MovieSink(self._path, self._part, self._fps, self._sound_from, self._recipe)
        except BaseException as error:
            self._part.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise paths.cannot_write(self._path, error) from error
            raise
        return self

    def write(self, frame: np.ndarray) -> None:
        """One frame, (H, W, 3) uint8 RGB, all of one size; a video repeats the last row or column of odd sizes."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise WrongCall(f"a frame of shape {frame.shape}, {frame.dtype}; should be (height, width, 3), uint8")
        size = (frame.shape[1], frame.shape[0])
        if self._size not in (None, size):
            raise WrongCall(f"a frame of {size[0]}×{size[1]} pixels after frames of {self._size}; all must be alike")
        self._size = size
        assert self._sink is not None, "a Writer is used in a with block"
        try:
            self._sink.write(frame)
        except OSError as error:
            raise paths.cannot_write(self._path, error) from error

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        assert self._sink is not None
        try:
            if kind is not None or self._size is None:
                self._sink.drop()
                if kind is None:
                    raise PictureError(f"no frames for {paths.shown(self._path)}; nothing is written")
                return
            try:
                self._sink.finish()
            except OSError as error:
                raise paths.cannot_write(self._path, error) from error
            paths.settle(self._part, self._path, self._overwrite)
        finally:
            self._part.unlink(missing_ok=True)


def check_film(path: Path, fps: float, overwrite: bool) -> None:
    """What `Writer` would refuse, found before hours of work."""
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise WrongCall(f"{fps:g} frames a second: should be more than 0 and at most 1000")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise PictureError(f"{paths.shown(path)}: moving pictures are written as {' '.join(SUFFIXES)}; choose one")
    if (kind := KINDS.get(suffix)) and fps > kind.most:
        raise WrongCall(f"{suffix} shows at most {kind.most} frames a second, not {fps:g}; use .mp4 or fewer")
    paths.check_place(path, overwrite)
