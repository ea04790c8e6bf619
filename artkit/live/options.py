"""The settings of live pictures, from the command line, the keys of the window and the page in the browser."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, field_validator

from artkit.contract import Options

SMALLEST = 32  # pixels of the longest edge that show anything of a style


class Network(Options):
    """Which network draws."""

    plan: Literal["auto", "full", "light"] = Field(
        default="auto", description="The full network, the quick light one, or the better one that keeps up"
    )


class LiveOptions(Network):
    """How frames are drawn; all of it may change from one frame to the next."""

    style_weight: tuple[PositiveFloat, ...] = Field(
        default=(), max_length=16, description="Weight of each style, in order (equal if not given)"
    )
    strength: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="0 gives the frame back, 1 the whole style (the style's own if not given)",
    )
    stroke: float | None = Field(
        default=None, ge=0.5, le=2, description="Size of the strokes (the style's own if not given)"
    )
    texture: float | None = Field(
        default=None, ge=0, le=1, description="Strokes in even areas such as walls (the style's own if not given)"
    )
    smoothing: float = Field(
        default=0.75, ge=0, le=0.95, description="Share of the frames before where nothing changes, against flicker"
    )
    size: int = Field(
        default=0, ge=0, le=4096, description="Longest edge of what is drawn, pixels (0: what keeps the frame rate)"
    )
    fps: float = Field(default=20.0, gt=0, le=240, description="Frames a second to keep")
    mirror: bool = Field(default=False, description="Left and right exchanged, as in a mirror")
    feedback: float = Field(
        default=0.0, ge=0, le=0.95, description="Share of the last picture that is mixed back in and drawn again"
    )
    zoom: float = Field(default=1.02, ge=0.8, le=1.25, description="Feedback: how much larger it is each time")
    rotate: float = Field(default=0.3, ge=-10, le=10, description="Feedback: how far it turns each time, degrees")

    @field_validator("size")
    @classmethod
    def _shows_something(cls, size: int) -> int:
        if 0 < size < SMALLEST:
            raise ValueError(f"should be 0 or at least {SMALLEST} pixels")
        return size
