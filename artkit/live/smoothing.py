"""Blending of drawn frames in time, so that a still camera gives a still picture and nothing that moves leaves a trail.

A style network answers a camera's noise with flicker. Each frame is blended with the one before it, which is first
moved to where things are now (optical flow, DIS: Kroeger et al. 2016), and only where both show the same: where the
camera's picture still differs after that, by more than its noise, the new frame stands alone (as in Ruder et al. 2016,
"Artistic style transfer for videos", whose occlusions are such places).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

import cv2
import numpy as np

LOOK_EDGE = 240  # longest edge at which frames are compared and motion is looked for, pixels
LOOK_LEAST = 32  # shortest edge for it: with less, OpenCV's DIS reads beyond its memory, and the process ends
STILL = 0.35  # motion below which nothing is moved, pixels: moving by parts of pixels would blur, frame after frame
WINDOW = 2.0  # pixels around each that a change is averaged over
NEAR = 0.02  # of the longest edge: how far around a change the network may draw differently
CUT = 40.0  # median change of brightness, of 255, that no motion explains: another scene
SAME = 3.0  # change of brightness, of 255, that is never taken for one, besides noise
NOISIEST = 8.0  # most of a change that is taken for noise, of 255


class Glance(NamedTuple):
    """What two frames of a camera say about their drawings, looked at small, (h, w).

    keep: share of the last drawing in each place, 0..1; None: none of it, for this is another scene.
    moved: how far off, x and y in these small pixels, stood what is here now; None: nothing moved.
    """

    keep: np.ndarray | None = None
    moved: tuple[np.ndarray, np.ndarray] | None = None


class Eye:
    """Looks at one frame of a camera after the other, before they are drawn.

    What is seen is compared small, which is quick, and nearly as exact, since a change counts for what is around it.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._shape: tuple[int, ...] = ()
        self._small = self._smooth = np.zeros(0)  # the last frame, and the frames so far blended as their drawings

    def look(self, seen: np.ndarray, amount: float) -> Glance:
        """What is next, (H, W, 3) uint8. amount: the share of the frames before in places that do not change."""
        small = _small(seen)
        glance, smooth = Glance(), small.astype(np.float32)
        if self._shape == seen.shape:
            glance, smooth = self._compared(small, smooth, amount)
        self._shape, self._small, self._smooth = seen.shape, small, smooth
        return glance

    def _compared(self, small: np.ndarray, now: np.ndarray, amount: float) -> tuple[Glance, np.ndarray]:
        moved, last = self._movement(small), self._smooth
        if moved:
            last = _displaced(last, *moved)
        edge = 2 * max(1, round(WINDOW * small.shape[1] / self._shape[1])) + 1
        change = cv2.absdiff(cv2.blur(now, (edge, edge)), cv2.blur(last, (edge, edge)))
        level = float(np.median(change))
        if level > CUT:
            return Glance(), now
        keep = amount * (1 - self._changed(change, min(level, NOISIEST)))
        return Glance(keep, moved), cv2.blendLinear(now, last, 1 - keep, keep)

    def _movement(self, small: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        x, y = cv2.split(self._flow.calc(small, self._small, None))  # type: ignore[call-overload]
        across, down = self._shape[1] / small.shape[1], self._shape[0] / small.shape[0]
        still = cv2.magnitude(x * across, y * down) < STILL
        x[still] = y[still] = 0
        return None if still.all() else (x, y)

    @staticmethod
    def _changed(change: np.ndarray, noise: float) -> np.ndarray:
        """Where the picture changed, 0..1, and around it: (H, W) of 255 -> (H, W) float32."""
        low = SAME + 3 * noise
        changed = np.clip((change - low) / low, 0, 1)
        reach = 2 * max(2, round(NEAR * max(change.shape))) + 1
        wide = cv2.dilate(changed, cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach)))
        return cv2.blur(wide, (reach // 2, reach // 2))


class Hand:
    """Holds the last drawing, and blends the next one with it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last drawing."""
        self._last = np.zeros(0, np.float32)

    def blend(self, drawn: np.ndarray, glance: Glance) -> np.ndarray:
        """What was drawn of the frame, (H, W, 3) uint8, with what is kept of the last drawing."""
        if glance.keep is None or self._last.shape != drawn.shape:
            self._last = drawn.astype(np.float32)
            return drawn
        (height, width), last = drawn.shape[:2], self._last
        if glance.moved:
            h, w = glance.keep.shape
            x, y = (
                cv2.resize(part * scale, (width, height), interpolation=cv2.INTER_LINEAR)
                for part, scale in zip(glance.moved, (width / w, height / h), strict=True)
            )
            last = _displaced(last, x, y)
        keep = cv2.resize(glance.keep, (width, height), interpolation=cv2.INTER_LINEAR)
        self._last = cv2.blendLinear(drawn.astype(np.float32), last, 1 - keep, keep)
        return cv2.convertScaleAbs(self._last)


def _small(seen: np.ndarray) -> np.ndarray:
    """A frame in gray, as it is compared: (H, W, 3) -> (h, w), uint8."""
    gray = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    scale = min(1.0, LOOK_EDGE / max(height, width))
    size = (max(LOOK_LEAST, round(width * scale)), max(LOOK_LEAST, round(height * scale)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def _displaced(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What stands, at each place, x and y pixels away from it, (H, W) each."""
    here_x, here_y = _places(*picture.shape[:2])
    x, y = cv2.add(x, here_x), cv2.add(y, here_y)
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@functools.lru_cache(4)
def _places(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The column and the row of each place, (H, W) float32 each."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y
