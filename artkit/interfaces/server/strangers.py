"""Options that strangers give: on a server no value names a file of this machine, and none tells what is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from artkit.contract import Options, WrongCall
from artkit.stylize.prepare import STARTS

_COLOR = re.compile("#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


def refuse_files(model: type[Options], values: Mapping[str, Any]) -> None:
    """WrongCall for a value that would be taken for a file, whether there is one or not."""
    for name, value in values.items():
        if name in FILES and name in model.model_fields and value != model.model_fields[name].default:
            FILES[name](value)


def _start(value: Any) -> None:
    if value not in STARTS:
        raise WrongCall(f"init: should be {', '.join(STARTS)}")


def _palette(value: Any) -> None:
    from artkit.generate.palettes import NAMED

    text = value.strip() if isinstance(value, str) else ""
    colors = [word for word in re.split(r"[,\s]+", text) if word]
    if text not in NAMED and not (colors and all(map(_COLOR.fullmatch, colors))):
        raise WrongCall(f"palette: should be colors such as #264653,#e9c46a or one of {', '.join(sorted(NAMED))}")


def _never(value: Any) -> None:
    raise WrongCall("guide: a server takes no names of files; leave it out")


# Options whose values on the command line may be files.
FILES: dict[str, Callable[[Any], None]] = {"init": _start, "palette": _palette, "guide": _never}
