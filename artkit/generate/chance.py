"""Options drawn at random, so that a person may be surprised: `artkit generate flow --random`.

A number is drawn between half its default and twice it, within its limits, where halves and doubles are equally likely;
a choice and a palette from all there are. A field may say better, in `json_schema_extra`: {"surprise": [0.1, 0.4]} for
a range of its own, {"surprise": False} to be left alone. What is no matter of looks stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any, Literal, get_args, get_origin

import numpy as np
from pydantic.fields import FieldInfo

from artkit.contract import Options
from artkit.fields import limits
from artkit.generate.palettes import NAMED

LEFT_ALONE = {"size", "seed", "supersample", "max_memory", "phase", "moments"}


def drawn(model: type[Options], seed: int, given: Container[str] = ()) -> dict[str, Any]:
    """Values for the options of `model` but those `given`; the same for the same seed."""
    rng = np.random.default_rng((seed, 0x5EED))
    values = {name: _one(name, field, rng) for name, field in model.model_fields.items() if name not in LEFT_ALONE}
    return {name: value for name, value in values.items() if value is not None and name not in given}


def _one(name: str, field: FieldInfo, rng: np.random.Generator) -> Any:
    """A value, None for the default; one number is used up in any case, so that others do not depend on it."""
    chance = float(rng.random())
    extra = field.json_schema_extra
    wish = extra.get("surprise") if isinstance(extra, dict) else None
    whole = int in (field.annotation, *get_args(field.annotation))
    if wish is False:
        return None
    if isinstance(wish, list | tuple):
        if all(isinstance(end, int | float) for end in wish) and len(wish) == 2:
            value = float(wish[0]) + chance * (float(wish[1]) - float(wish[0]))  # type: ignore[arg-type]
            return round(value) if whole else value
        return wish[int(chance * len(wish))]
    if name == "palette":
        return sorted(NAMED)[int(chance * len(NAMED))] if field.default in NAMED else None
    if get_origin(field.annotation) is Literal:
        choices = get_args(field.annotation)
        return choices[int(chance * len(choices))]
    if field.annotation is bool:
        return chance < 0.5
    if field.annotation in (int, float) and field.default:
        low, high = _limits(field)
        value = min(max(field.default * 2 ** (2 * chance - 1), low), high)
        return round(value) if whole else float(value)
    return None


def _limits(field: FieldInfo) -> tuple[float, float]:
    """Lowest and highest value, a little inside of limits that are not allowed themselves."""
    low, high, open_low, open_high = limits(field)
    low = -math.inf if low is None else math.nextafter(low, math.inf) if open_low else float(low)
    high = math.inf if high is None else math.nextafter(high, -math.inf) if open_high else float(high)
    return low, high
