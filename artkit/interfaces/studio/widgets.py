"""Options -> widgets of a web page: labels, help, ranges, choices and defaults are those of the model's fields.

The web page's counterpart of forms.py, in a module of its own: Gradio takes seconds to import, and flags do without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import gradio as gr
from gradio.components import Component
from pydantic.fields import FieldInfo

from artkit.contract import Options
from artkit.fields import limits, parses_text, plain_type
from artkit.interfaces.forms import checked

Model = TypeVar("Model", bound=Options)

STEPS = 100  # of a slider over real numbers
WIDEST = 10_000  # widest range of a slider; what may be larger is typed in


def widgets(model: type[Options], *names: str, **initial: Any) -> dict[str, Component]:
    """One widget for each of these fields of `model` (all if none are named), in order, made where this is called.

    initial: what a widget shows at first, where that is not the field's default.
    """
    chosen = names or tuple(model.model_fields)
    return {name: widget(model, name, initial.get(name, model.model_fields[name].default)) for name in chosen}


def widget(model: type[Options], name: str, value: Any, *, help: bool = True) -> Any:
    """The widget of one field: a checkbox, a list of choices, a slider or number between its limits, or text.

    help: show the field's description, too.
    """
    field = model.model_fields[name]
    about: dict[str, Any] = {"label": label(name), "info": field.description if help else None, "interactive": True}
    kind = plain_type(field.annotation)
    if kind is bool:
        return gr.Checkbox(value=bool(value), **about)
    if get_origin(kind) is Literal:
        return gr.Dropdown([(str(choice), choice) for choice in get_args(kind)], value=value, **about)
    if kind in (int, float) and not parses_text(field):
        low, high, open_low, open_high = limits(field)
        if kind is int:  # past limits that are not allowed themselves
            low, high = low + 1 if open_low else low, high - 1 if open_high else high
        if low is not None and high is not None and high - low <= WIDEST and not _too_fine(value, (high - low) / STEPS):
            step = 1 if kind is int else _round((high - low) / STEPS)
            shown = low if value is None else value
            first = low + step if open_low and kind is float else low
            return gr.Slider(first, high, value=shown, step=step, **about)
        return gr.Number(value=value, minimum=low, maximum=high, precision=0 if kind is int else None, **about)
    return gr.Textbox(value=as_text(value), **about)


def label(name: str) -> str:
    """keep_color -> Keep color."""
    return name.replace("_", " ").capitalize()


def as_text(value: Any) -> str:
    """A value as a person would type it: (1.0, 0.5) -> "1, 0.5", {"relu1_1": 1.0} -> "relu1_1=1", (640, 480) alike."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={as_text(part)}" for key, part in value.items())
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):  # those with names have their own way
        return ", ".join(map(as_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(model: type[Model], values: Mapping[str, Any], **more: Any) -> Model:
    """The options that widgets show; empty text and None are what nobody gave. WrongCall names what cannot be."""
    given = {name: _typed(model.model_fields[name], value) for name, value in values.items() if value not in (None, "")}
    return checked(model, given | more)


def _typed(field: FieldInfo, value: Any) -> Any:
    """What a widget gives, as the field takes it: "1, 0.5" -> ["1", "0.5"] for a tuple, 3.0 -> 3 for an integer."""
    kind = plain_type(field.annotation)
    if isinstance(value, str) and get_origin(kind) is tuple and not parses_text(field):
        return [part for part in value.replace(",", " ").split() if part]
    return int(value) if kind is int and isinstance(value, float) and value.is_integer() else value


def _too_fine(value: Any, step: float) -> bool:
    """Whether a slider with such steps could not come near the value: 0.025 between 0 and 1000."""
    return isinstance(value, float) and 0 < abs(value) < step / 2


def _round(step: float) -> float:
    """A step of 1, 2 or 5 times a power of ten, not above `step`."""
    power = 10.0 ** (len(f"{int(step)}") - 1 if step >= 1 else _zeros(step))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= step * 1.0001)


def _zeros(step: float) -> int:
    """The power of ten of a number below 1: 0.02 -> -2."""
    return int(f"{step:e}".partition("e")[2])
