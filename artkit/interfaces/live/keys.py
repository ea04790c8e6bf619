"""What the keys of the live window do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from artkit.live.restyler import Restyler
from artkit.stylize import gallery

KEYS = (  # what to press, and what it does, as the help shows it
    ("n  p", "next, previous style"),
    ("m", "mix in another style; again for the next one"),
    ("M", "no mixing"),
    (",  .", "less, more of the style mixed in"),
    ("-  +", "strength"),
    ("[  ]", "size of the strokes"),
    ("b", "feedback: the last picture, zoomed and turned, mixed back in"),
    ("x", "mirror"),
    ("v", "split view: camera left, painting right"),
    ("s", "snapshot"),
    ("r", "record, and stop"),
    ("f", "full screen"),
    ("i", "frame rate"),
    ("h", "this help"),
    ("q", "quit"),
)
FEEDBACK = 0.6  # share of the last picture when the key turns it on


@dataclass
class Keyboard:
    """The state that keys change: the look, through the restyler, and what the window shows.

    names: the styles to go through. said: what the last key did, in words, for the window to show.
    """

    restyler: Restyler
    names: Sequence[str]
    split: bool = False
    full_screen: bool = False
    help: bool = False
    figures: bool = True
    recording: bool = False
    snapshot: bool = False
    quit: bool = False
    said: str = ""
    _share: float = field(default=0.5, repr=False)

    def press(self, key: str) -> None:
        """One of KEYS, or another, which does nothing."""
        self.said = ""
        match key:
            case "n" | "p":
                self._style(1 if key == "n" else -1)
            case "m":
                self._mix()
            case "M":
                self._look(self._styles[:1])
                self.said = "not mixed"
            case "," | ".":
                self._share = min(0.9, max(0.1, round(self._share + (0.1 if key == "." else -0.1), 1)))
                self._look(self._styles)
            case "-" | "+" | "=":
                self._strength(-0.1 if key == "-" else 0.1)
            case "[" | "]":
                self._stroke(2 ** (-0.25 if key == "[" else 0.25))
            case "b":
                on = not self.restyler.wanted.options.feedback
                self._change(feedback=FEEDBACK if on else 0.0)
                self.said = f"feedback {'on' if on else 'off'}"
            case "x":
                self._change(mirror=not self.restyler.wanted.options.mirror)
            case "v":
                self.split = not self.split
            case "s":
                self.snapshot = True
            case "r":
                self.recording = not self.recording
            case "f":
                self.full_screen = not self.full_screen
            case "i":
                self.figures = not self.figures
            case "h" | "?":
                self.help = not self.help
            case "q" | "\x1b":
                if key == "\x1b" and (self.help or self.full_screen):
                    self.help = self.full_screen = False
                else:
                    self.quit = True

    @property
    def title(self) -> str:
        """The styles that are drawn: "starry", "starry 50 %, wave 50 %"."""
        weights = self.restyler.wanted.options.style_weight
        styles = [style if isinstance(style, str) else style.stem for style in self._styles]
        if len(styles) == 1:
            return styles[0]
        shares = weights or (1.0,) * len(styles)
        return ", ".join(f"{s} {100 * w / sum(shares):.0f} %" for s, w in zip(styles, shares, strict=True))

    @property
    def _styles(self) -> tuple[str | Path, ...]:
        return self.restyler.wanted.styles

    def _change(self, **options: float) -> None:
        self.restyler.change(None, **options)

    def _after(self, name: str | Path, step: int) -> str | Path:
        if not self.names:
            return name
        at = self.names.index(name) if isinstance(name, str) and name in self.names else -step
        return self.names[(at + step) % len(self.names)]

    def _style(self, step: int) -> None:
        first, *others = self._styles
        self._look((self._after(first, step), *others[:1]))

    def _mix(self) -> None:
        first, *others = self._styles
        name = self._after(others[0] if others else first, 1)
        self._look((first, self._after(name, 1) if name == first else name))

    def _look(self, styles: Sequence[str | Path]) -> None:
        styles = styles[:2]
        weights = (1 - self._share, self._share) if len(styles) == 2 else ()
        self.restyler.change(styles, style_weight=weights)
        self.said = self.title

    def _strength(self, step: float) -> None:
        now = self.restyler.wanted.options.strength
        value = round(min(1.0, max(0.0, (self._usual("strength") if now is None else now) + step)), 2)
        self._change(strength=value)
        self.said = f"strength {100 * value:.0f} %"

    def _stroke(self, factor: float) -> None:
        now = self.restyler.wanted.options.stroke
        value = min(2.0, max(0.5, (self._usual("stroke") if now is None else now) * factor))
        self._change(stroke=value)
        self.said = f"strokes {value:.2g} times as large"

    def _usual(self, name: str) -> float:
        """What the first style is used with unless told."""
        first = self._styles[0]
        return float(getattr(gallery.get(first).manifest, name)) if isinstance(first, str) else 1.0
