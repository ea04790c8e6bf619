"""What a field of an Options model says of itself: its plain type, its limits, whether it is typed in as text."""

from __future__ import annotations

import types
from typing import Any, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo


class Limits(NamedTuple):
    """Lowest and highest value, None where there is none; open_low, open_high: the limit itself is not allowed."""

    low: Any = None
    high: Any = None
    open_low: bool = False
    open_high: bool = False


def plain_type(kind: Any) -> Any:
    """A type without `| None` and without Annotated: float | None -> float, Annotated[int, Gt(0)] -> int."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next((part for part in get_args(kind) if part is not type(None)), kind)
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def limits(field: FieldInfo) -> Limits:
    """Between which values a number has to be."""
    found = Limits()
    for rule in field.metadata:
        if isinstance(rule, Ge):
            found = found._replace(low=rule.ge, open_low=False)
        elif isinstance(rule, Gt):
            found = found._replace(low=rule.gt, open_low=True)
        elif isinstance(rule, Le):
            found = found._replace(high=rule.le, open_high=False)
        elif isinstance(rule, Lt):
            found = found._replace(high=rule.lt, open_high=True)
    return found


def parses_text(field: FieldInfo) -> bool:
    """Whether it makes something of what a person types, such as 4GB or 1024x768."""
    return any(isinstance(rule, BeforeValidator) for rule in field.metadata)
