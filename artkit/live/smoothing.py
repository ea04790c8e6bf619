"""Blending of drawn frames in time, so that a still camera gives a still picture and nothing that moves leaves a trail.

A style network answers a camera's noise with flicker. Each frame is blended with the one before it, which is first
moved to where things are now (optical flow, DIS: Kroeger et al. 2016), and only where both show the same: where the
camera's picture still differs after that, by more than its noise, the new frame stands alone (as in Ruder et al. 2016,
"Artistic style transfer for videos", whose occlusions are such places).
"""

from __future__ import annotations

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

import cv2
import numpy as np

FLOW_EDGE = 240  # longest edge at which motion is looked for, pixels
FLOW_LEAST = 32  # shortest edge for it: with less, OpenCV's DIS reads beyond its memory, and the process ends
STILL = 0.35  # motion below which nothing is moved, pixels: moving by parts of pixels would blur, frame after frame
NEAR = 0.02  # of the longest edge: how far around a change the network may draw differently
CUT = 40.0  # median change of brightness, of 255, that no motion explains: another scene
SAME = 3.0  # change of brightness, of 255, that is never taken for one, besides noise
NOISIEST = 8.0  # most of a change that is taken for noise, of 255


class Smoother:
    """Holds the last frame; called with one after the other."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._last: _Last | None = None

    def reset(self) -> None:
        """Forget the last frame."""
        self._last = None

    def __call__(self, seen: np.ndarray, drawn: np.ndarray, amount: float) -> np.ndarray:
        """What the camera saw and what was drawn of it, both (H, W, 3) uint8 -> the blended drawing, uint8.

        amount: 0..1, the share of the frames before in places that do not change.
        """
        gray = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)
        if self._last is None or self._last.gray.shape != gray.shape:
            self._last = _Last(gray, gray.astype(np.float32), drawn.astype(np.float32))
            return drawn
        now = gray.astype(np.float32)
        before = self._moved(self._last, gray)
        change = cv2.absdiff(cv2.blur(now, (5, 5)), cv2.blur(before.smooth, (5, 5)))
        level = float(np.median(change[::4, ::4]))
        if level > CUT:
            self._last = _Last(gray, now, drawn.astype(np.float32))
            return drawn
        keep = amount * (1 - self._changed(change, min(level, NOISIEST)))
        out = cv2.blendLinear(drawn.astype(np.float32), before.drawn, 1 - keep, keep)
        self._last = _Last(gray, cv2.blendLinear(now, before.smooth, 1 - keep, keep), out)
        return cv2.convertScaleAbs(out)

    def _moved(self, last: _Last, gray: np.ndarray) -> _Last:
        """The last frame with everything where it is now."""
        height, width = gray.shape
        scale = min(1.0, FLOW_EDGE / max(height, width))
        small = (max(FLOW_LEAST, round(width * scale)), max(FLOW_LEAST, round(height * scale)))
        pair = [cv2.resize(each, small, interpolation=cv2.INTER_AREA) for each in (gray, last.gray)]
        flow = self._flow.calc(pair[0], pair[1], None)  # type: ignore[call-overload]
        flow *= np.array([width / small[0], height / small[1]], np.float32)
        flow[(flow * flow).sum(axis=2) < STILL**2] = 0
        if not flow.any():
            return last
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
        x = flow[..., 0] + np.arange(width, dtype=np.float32)
        y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
        smooth = cv2.remap(last.smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        drawn = cv2.remap(last.drawn, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return _Last(last.gray, smooth, drawn)

    @staticmethod
    def _changed(change: np.ndarray, noise: float) -> np.ndarray:
        """Where the picture changed, 0..1, and around it: (H, W) of 255 -> (H, W) float32."""
        low = SAME + 3 * noise
        changed = np.clip((change - low) / low, 0, 1)
        reach = 2 * max(2, round(NEAR * max(change.shape))) + 1
        wide = cv2.dilate(changed, cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach)))
        return cv2.blur(wide, (reach // 2, reach // 2))


class _Last:
    """The frame before: as the camera saw it, the same smoothed, and what was shown, (H, W[, 3])."""

    def __init__(self, gray: np.ndarray, smooth: np.ndarray, drawn: np.ndarray) -> None:
        self.gray, self.smooth, self.drawn = gray, smooth, drawn
