"""The window of `artkit dish`: cells that grow on while a mouse tears holes in them and plants another texture."""

from __future__ import annotations

import itertools
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

import cv2
import numpy as np

from artkit.generate import shelf
from artkit.generate.automata import Dish, DishOptions
from artkit.image import Picture, save

TITLE = "artkit dish"
SHOWN = 768  # pixels of the window's edge, about
TOUCH = 1 / 14  # of the edge: radius of what a touch reaches
TURN = 15.0  # degrees a key turns what cells see


class DishWindow:
    """To be used on the main thread. WrongCall: a texture nobody has learned."""

    def __init__(self, options: DishOptions) -> None:
        self._options = options
        self._texture = options.texture or next(iter(shelf.learned()), "")
        self._others = itertools.cycle([name for name in shelf.learned() if name != self._texture] or [self._texture])
        self._planted = shelf.get(options.graft or next(self._others))
        self._scale = max(1, round(SHOWN / options.edge))
        self._degrees, self._running, self._held = options.turn, True, 0
        self._begin()

    def _begin(self) -> None:
        options = self._options
        self.dish = Dish(shelf.get(self._texture), options.edge, options.edge, options.seed, options.rate)
        self.dish.turn_to(self._degrees)

    def run(self) -> None:
        """Until q, Escape or the window is closed."""
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        edge = self._options.edge * self._scale
        cv2.resizeWindow(TITLE, edge, edge)
        cv2.setMouseCallback(TITLE, self.touch)
        try:
            while self.key(cv2.waitKey(1 if self._running else 30)):
                if self._running:
                    self.dish.update()
                shown = cv2.resize(self.pixels(), None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_CUBIC)
                cv2.imshow(TITLE, cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
                if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                    break
        finally:
            cv2.destroyAllWindows()

    def touch(self, event: int, x: int, y: int, flags: int, _: object = None) -> None:
        """OpenCV's mouse events, in pixels of what is shown."""
        if event in (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_RBUTTONDOWN):
            self._held = event
        elif event in (cv2.EVENT_LBUTTONUP, cv2.EVENT_RBUTTONUP):
            self._held = 0
        place = (x / self._scale, y / self._scale, TOUCH * self._options.edge)
        if self._held == cv2.EVENT_LBUTTONDOWN:
            self.dish.erase(*place)
        elif self._held == cv2.EVENT_RBUTTONDOWN:
            self.dish.plant(self._planted, *place)

    def key(self, code: int) -> bool:
        """What a key does; whether to go on."""
        key = chr(code & 0xFF) if code != -1 else ""
        if key in ("q", "\x1b"):
            return False
        if key in (",", "."):
            self._degrees += TURN if key == "." else -TURN
            self.dish.turn_to(self._degrees)
        elif key == "t":
            self._planted = shelf.get(next(self._others))
            if self.dish.graft is not None:
                self.dish.graft = self._planted, self.dish.graft[1]
        elif key == "c":
            self._begin()
        elif key == " ":
            self._running = not self._running
        elif key == "s":
            self.snapshot()
        return True

    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        return (np.array(self.dish.picture()[0]) * 255 + 0.5).astype(np.uint8)

    def snapshot(self) -> Path:
        """The picture in a new file, NAME_1.png, NAME_2.png, …, and a line that says which."""
        names = (Path(f"{self._texture}_{number}.png") for number in itertools.count(1))
        path = next(name for name in names if not name.exists())
        save(Picture.of(self.dish.picture()), path)
        print(path, flush=True)
        return path
