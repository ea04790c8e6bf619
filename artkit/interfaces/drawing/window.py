"""A window in which a generated picture grows: `artkit generate reaction --window`."""

from __future__ import annotations

from types import TracebackType

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

import cv2
import numpy as np

from artkit.contract import Step
from artkit.interfaces.live.window import check_display

LARGEST = 1000  # pixels of the longest edge of the window


class GrowthWindow:
    """To be used on the main thread, called with every step; closing it or pressing q or Escape ends the command.

    The finished picture stays until a key is pressed.
    """

    def __init__(self, title: str) -> None:
        self._title = f"artkit {title}"
        check_display("leave out --window, the picture goes to its file all the same")

    def __enter__(self) -> GrowthWindow:
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._sized = False
        return self

    def __call__(self, step: Step) -> None:
        pixels = (np.clip(np.array(step.image[0]), 0, 1) * 255 + 0.5).astype(np.uint8)
        if not self._sized:
            scale = min(1.0, LARGEST / max(pixels.shape[:2]))
            cv2.resizeWindow(self._title, round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
            self._sized = True
        cv2.imshow(self._title, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        if self._asked_to_stop(cv2.waitKey(1)):
            raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while kind is None and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1:
                if cv2.waitKey(50) != -1:
                    break
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)
        except cv2.error:
            pass  # closed already

    def _asked_to_stop(self, key: int) -> bool:
        closed = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        return closed or (key != -1 and key & 0xFF in (27, ord("q")))
