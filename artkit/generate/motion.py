"""Time: options that run through ranges, and where in them each frame of a movie is.

`--feed 0.03..0.06` goes from one end to the other, evenly; `0.03..0.06..0.03` and back again, and so comes around. A
piece that loops goes once through its phase besides. An option may say of itself that it comes around, such as an angle
of degrees: `json_schema_extra={"period": 360}`; from 0 to 360 is a loop then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from artkit.contract import Options, WrongCall
from artkit.fields import plain_type

Model = TypeVar("Model", bound=Options)

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*{_NUMBER}(?:\s*\.\.\s*{_NUMBER})+\s*")


@dataclass(frozen=True)
class Motion:
    """stops: option -> the numbers it passes through; cyclic: the last frame leads on to the first."""

    stops: Mapping[str, tuple[float, ...]]
    cyclic: bool = False

    def at(self, frame: int, frames: int) -> dict[str, float]:
        """The values of the moving options in frame 0..frames-1."""
        steps = frames if self.cyclic else frames - 1
        return {name: _between(stops, frame / max(steps, 1)) for name, stops in self.stops.items()}

    def options(self, model: type[Model], fixed: Mapping[str, Any], frames: int) -> Iterator[Model]:
        """The options of each frame. WrongCall for an option that cannot move, or moves out of its limits."""
        for frame in range(frames):
            moved = {name: as_field(model, name, value) for name, value in self.at(frame, frames).items()}
            yield model.checked({**fixed, **moved})


def split_ranges(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[float, ...]]]:
    """Values as a person gives them -> those that stay as they are, and the stops of those that move."""
    moving = {name: value for name, value in values.items() if isinstance(value, str) and _RANGE.fullmatch(value)}
    fixed = {name: value for name, value in values.items() if name not in moving}
    return fixed, {name: tuple(float(stop) for stop in value.split("..")) for name, value in moving.items()}


def plan(model: type[Options], fixed: Mapping[str, Any], stops: Mapping[str, tuple[float, ...]], loops: bool) -> Motion:
    """How the options move: through their ranges and, for a piece that loops, once through its phase.

    It comes around when every one ends where it began, or whole periods further on; the end is no frame then.
    """
    for name in stops:
        as_field(model, name, 0.0)
    turning = loops and not {"phase"} & {*stops, *fixed}
    ways = {**stops, **({"phase": (0.0, 1.0)} if turning else {})}
    return Motion(ways, cyclic=bool(ways) and all(_closed(way, period_of(model, name)) for name, way in ways.items()))


def period_of(model: type[Options], name: str) -> float | None:
    """After how much an option is where it was: as it says of itself; a phase goes from 0 to 1 (see the catalog)."""
    extra = model.model_fields[name].json_schema_extra
    period = extra.get("period") if isinstance(extra, dict) else None
    return float(period) if isinstance(period, int | float) else 1.0 if name == "phase" else None


def _between(stops: tuple[float, ...], part: float) -> float:
    at = part * (len(stops) - 1)
    first = min(int(at), len(stops) - 2)
    rest = at - first
    return stops[first] * (1 - rest) + stops[first + 1] * rest


def _closed(way: tuple[float, ...], period: float | None) -> bool:
    """Whether the end is the beginning again."""
    return way[0] == way[-1] or (period is not None and ((way[-1] - way[0]) / period).is_integer())


def as_field(model: type[Options], name: str, value: float) -> float | int:
    """The value as the field has it: whole where the field is whole. WrongCall for a field that is no number."""
    kind = plain_type(model.model_fields[name].annotation)
    if kind is int:
        return round(value)
    if kind is float:
        return value
    raise WrongCall(f"{name} is no number that could move; a range such as 1..2 is for numbers")
