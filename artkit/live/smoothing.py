"""Blending of drawn frames in time, so that a still camera gives a still picture and nothing that moves leaves a trail.

A style network answers a camera's noise with flicker. Each frame is blended with the one before it, which is first
moved to where things are now (optical flow, DIS: Kroeger et al. 2016), and only where both show the same: where the
camera's picture still differs after that, by more than its noise, the new frame stands alone (as in Ruder et al. 2016,
"Artistic style transfer for videos", whose occlusions are such places).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

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


class Smoother:
    """Holds the last frame; looks at one after the other.

    What is seen is compared small, which is quick, and nearly as exact, since a change counts for what is around it.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._last: _Last | None = None

    def reset(self) -> None:
        """Forget the last frame."""
        self._last = None

    def look(self, seen: np.ndarray) -> Callable[[np.ndarray, float], np.ndarray]:
        """What the camera saw, before it is drawn; called with what was drawn of it, it gives the blended drawing.

        All are (H, W, 3) uint8. The call's second argument, 0..1: the share of the frames before in places that do not
        change.
        """
        small = _small(seen)
        last = self._last
        if last is None or last.drawn.shape != seen.shape:
            return functools.partial(self._begin, small)
        last = self._moved(last, small)
        edge = 2 * max(1, round(WINDOW * small.shape[1] / seen.shape[1])) + 1
        now = small.astype(np.float32)
        change = cv2.absdiff(cv2.blur(now, (edge, edge)), cv2.blur(last.smooth, (edge, edge)))
        level = float(np.median(change))
        if level > CUT:
            return functools.partial(self._begin, small)
        same = 1 - self._changed(change, min(level, NOISIEST))
        return functools.partial(self._blend, small, last, same)

    def _begin(self, small: np.ndarray, drawn: np.ndarray, amount: float) -> np.ndarray:
        """The first frame of a scene."""
        self._last = _Last(small, small.astype(np.float32), drawn.astype(np.float32))
        return drawn

    def _blend(self, small: np.ndarray, last: _Last, same: np.ndarray, drawn: np.ndarray, amount: float) -> np.ndarray:
        keep = amount * same
        smooth = cv2.blendLinear(small.astype(np.float32), last.smooth, 1 - keep, keep)
        keep = cv2.resize(keep, drawn.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        out = cv2.blendLinear(drawn.astype(np.float32), last.drawn, 1 - keep, keep)
        self._last = _Last(small, smooth, out)
        return cv2.convertScaleAbs(out)

    def _moved(self, last: _Last, small: np.ndarray) -> _Last:
        """The last frame with everything where it is now."""
        height, width = last.drawn.shape[:2]
        x, y = cv2.split(self._flow.calc(small, last.small, None))  # type: ignore[call-overload]
        across, down = width / small.shape[1], height / small.shape[0]
        still = cv2.magnitude(x * across, y * down) < STILL
        x[still] = y[still] = 0
        if still.all():
            return last
        smooth = _displaced(last.smooth, x, y)
        x, y = (cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in (x * across, y * down))
        return _Last(last.small, smooth, _displaced(last.drawn, x, y))

    @staticmethod
    def _changed(change: np.ndarray, noise: float) -> np.ndarray:
        """Where the picture changed, 0..1, and around it: (H, W) of 255 -> (H, W) float32."""
        low = SAME + 3 * noise
        changed = np.clip((change - low) / low, 0, 1)
        reach = 2 * max(2, round(NEAR * max(change.shape))) + 1
        wide = cv2.dilate(changed, cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach)))
        return cv2.blur(wide, (reach // 2, reach // 2))


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


class _Last:
    """The frame before: as it was compared, the same smoothed, (h, w), and what was shown, (H, W, 3) float32."""

    def __init__(self, small: np.ndarray, smooth: np.ndarray, drawn: np.ndarray) -> None:
        self.small, self.smooth, self.drawn = small, smooth, drawn
