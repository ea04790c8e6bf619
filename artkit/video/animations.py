"""Animated GIF, WebP and PNG through Pillow: pictures shown for a duration each, and no sound."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from artkit.contract import PictureError
from artkit.formats import paths
from artkit.formats.writing import metadata

MAX_BYTES = 4 * 1024**3  # of frames: Pillow wants them all at once
_FRAMES_FOR_PALETTE, _EDGE_FOR_PALETTE = 64, 128
_NO_DURATION = 0.1  # seconds: what browsers make of 0


@dataclass(frozen=True)
class Kind:
    """A format: its name in Pillow, durations in 1/units of a second, the highest rate that players keep to."""

    name: str
    units: int
    most: int


KINDS = {
    ".gif": Kind("GIF", units=100, most=50),  # browsers show 1/100 s as 1/10 s
    ".webp": Kind("WEBP", units=1000, most=1000),
    ".png": Kind("PNG", units=1000, most=1000),
    ".apng": Kind("PNG", units=1000, most=1000),
}


class Animation:
    """An open animation. rate: frames a second; count: frames to come; height, width.

    PictureError: no such file, not an animation, damaged.
    """

    def __init__(self, path: Path) -> None:
        self._name = paths.shown(path)
        data = paths.read(path)
        try:
            self._image = Image.open(io.BytesIO(data), formats=["GIF", "WEBP", "PNG"])
            self.width, self.height = self._image.size
            seconds = [self._duration(frame) for frame in ImageSequence.Iterator(self._image)]
        except UnidentifiedImageError:
            raise PictureError(f"{self._name} is not a GIF, WebP or PNG; check what kind of file it is") from None
        except Exception as error:  # decoders raise OSError, SyntaxError, EOFError, struct.error … on damaged files
            raise self._damaged(error) from error
        even = max(seconds) < 2 * min(seconds)  # but for rounding; others are shown at the rate of the shortest
        mean = sum(seconds, Fraction(0)) / len(seconds)
        self.rate = (1 / (mean if even else min(seconds))).limit_denominator(1001)
        ends = [round(end * self.rate) for end in itertools.accumulate(seconds)]
        self._repeats = [1] * len(seconds) if even else [b - a for a, b in zip([0, *ends], ends, strict=False)]
        self.count = sum(self._repeats)

    @staticmethod
    def _duration(frame: Image.Image) -> Fraction:
        frame.load()  # some formats know it only when the frame is decoded
        milliseconds = Fraction(frame.info.get("duration") or 1000 * _NO_DURATION)
        return milliseconds / 1000

    def frames(self) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 RGB, on white where they are transparent."""
        for number, repeat in enumerate(self._repeats):
            try:
                self._image.seek(number)
                layers = self._image.convert("RGBA")
            except Exception as error:
                raise self._damaged(error) from error
            picture = np.asarray(Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB"))
            for _ in range(repeat):
                yield picture

    def _damaged(self, error: Exception) -> PictureError:
        reason = str(error).split("\n")[0] or type(error).__name__
        return PictureError(f"{self._name} is damaged or cut off ({reason}); copy or download it again")

    def close(self) -> None:
        """Let go of the file."""
        self._image.close()


class Album:
    """Frames gathered for the animation that will be at `path`, written to `part` at the end. recipe: JSON, or ""."""

    def __init__(self, path: Path, part: Path, kind: Kind, fps: float, recipe: str) -> None:
        self._path, self._part, self._kind, self._fps, self._recipe = path, part, kind, fps, recipe
        self._frames: list[np.ndarray] = []

    def write(self, frame: np.ndarray) -> None:
        """One frame, (H, W, 3) uint8 RGB. PictureError when they become too many for memory."""
        if (len(self._frames) + 1) * frame.nbytes > MAX_BYTES:
            many = f"{len(self._frames) + 1} frames of this size are too many for {self._path.suffix}"
            raise PictureError(f"{many}; write .mp4, or smaller or fewer frames")
        self._frames.append(frame.copy())

    def finish(self) -> None:
        """Write them, repeating for ever."""
        units, fps = self._kind.units, self._fps
        ends = [round(n * units / fps) for n in range(len(self._frames) + 1)]
        durations = [(end - begin) * 1000 // units for begin, end in itertools.pairwise(ends)]
        pictures = [Image.fromarray(frame) for frame in self._frames]
        options: dict[str, Any] = {"loop": 0, "duration": durations, "save_all": True}
        options |= metadata(self._kind.name, self._recipe)
        if self._kind.name == "GIF":
            palette = _palette(pictures)
            pictures = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
        elif self._kind.name == "WEBP":
            options |= {"quality": 90, "method": 3}
        with self._part.open("xb") as file:
            pictures[0].save(file, self._kind.name, append_images=pictures[1:], **options)

    def drop(self) -> None:
        """Forget them."""
        self._frames.clear()


def _palette(pictures: Sequence[Image.Image]) -> Image.Image:
    """256 colors for all frames together: with colors of its own in each frame an animation would flicker."""
    small = [picture.copy() for picture in pictures[:: -(-len(pictures) // _FRAMES_FOR_PALETTE)]]
    for picture in small:
        picture.thumbnail((_EDGE_FOR_PALETTE, _EDGE_FOR_PALETTE), Image.Resampling.NEAREST)
    colors = np.concatenate([np.asarray(picture).reshape(-1, 3) for picture in small])
    return Image.fromarray(colors[None]).quantize(256, Image.Quantize.MEDIANCUT)
