"""Options -> command-line flags: names, defaults, ranges, choices and help texts are those of the model's fields.

Flags hand the words of the person to the model unchanged, so that `artkit` and Python judge values by the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from artkit.contract import Options, WrongCall
from artkit.fields import limits, parses_text, plain_type

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Model = TypeVar("Model", bound=Options)


def flags(model: type[Options], *, besides: type[Options] | None = None) -> Callable[[Decorated], Decorated]:
    """A decorator that adds one click flag for every field of `model`, in the model's order.

    besides: another model with flags on the same command; fields that it has too are left out.

    A flag that is not given is None (an empty tuple where it may be repeated): see `given`.
    """

    def decorate(command: Decorated) -> Decorated:
        for name, field in reversed(model.model_fields.items()):
            if besides and name in besides.model_fields:
                continue
            command = click.option(_flag(name, field), name, **_settings(field))(command)
        return command

    return decorate


def given(model: type[Options], params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of click's `params` that are fields of `model` and that the person gave."""
    values = {name: params[name] for name in model.model_fields if params.get(name) not in (None, ())}
    return {name: _split(value) if isinstance(value, tuple) else value for name, value in values.items()}


def checked(model: type[Model], values: Mapping[str, Any]) -> Model:
    """`model` with `values`; a WrongCall that names the flag otherwise."""
    try:
        return model.checked(values)
    except WrongCall as error:
        word, _, rest = str(error).partition(" ")
        name = word.partition(".")[0]  # "style_weight.1" is the second value of --style-weight
        if name not in model.model_fields:
            raise
        raise WrongCall(f"{flag_name(name)} {rest}") from None


def flag_name(field: str) -> str:
    """keep_color -> --keep-color."""
    return "--" + field.replace("_", "-")


def _flag(name: str, field: FieldInfo) -> str:
    return f"{flag_name(name)}/--no-{name.replace('_', '-')}" if field.annotation is bool else flag_name(name)


def _settings(field: FieldInfo) -> dict[str, Any]:
    """How click is told about the flag of `field`."""
    kind = field.annotation
    settings: dict[str, Any] = {"default": None, "help": _help(field)}
    if get_origin(kind) is tuple:
        settings |= {"multiple": True, "metavar": _metavar(get_args(kind)[0])}
    elif get_origin(kind) is Literal:
        settings["type"] = click.Choice(get_args(kind))
    elif kind is not bool:
        settings["metavar"] = "TEXT" if parses_text(field) else _metavar(kind)
    return settings


def _metavar(kind: Any) -> str:
    return {int: "INTEGER", float: "NUMBER"}.get(plain_type(kind), "TEXT")


def _help(field: FieldInfo) -> str:
    """The description, with the default and the range in click's manner: [default: 0.15; 0<=x<=1000]."""
    facts = [] if field.default in ((), {}, None, "") else [f"default: {_default(field)}"]
    facts += [text for text in [_range(field)] if text]
    return f"{field.description}" + (f"  [{'; '.join(facts)}]" if facts else "")


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def _range(field: FieldInfo) -> str:
    low, high, open_low, open_high = limits(field)
    if low is None and high is None:
        return ""
    above = "" if low is None else f"{low}<" if open_low else f"{low}<="
    below = "" if high is None else f"<{high}" if open_high else f"<={high}"
    return f"{above}x{below}"


def _split(words: Iterable[str]) -> list[str]:
    """("0.7,0.3", "1") -> ["0.7", "0.3", "1"]."""
    return [part for word in words for part in re.split(r"[,\s]+", word) if part]
