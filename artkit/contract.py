"""What every technique and every interface share: options, steps, recipes and errors.

The errors, each below what it is a kind of:

    ArtkitError                 one line that says what is wrong and what to do; exit code 1
      WrongCall                 the person asked for something that cannot be; exit code 2
        UnknownStyle            a style name nobody knows
      PictureError              a picture that cannot be read or written
      WeightsError              weights or styles that are missing, damaged or of the wrong shape
      DeviceError               the machine: memory, backends
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from artkit._version import __version__

if TYPE_CHECKING:
    import mlx.core as mx


class ArtkitError(Exception):
    """Something went wrong that the person can mend; the message is one line that says how."""

    exit_code = 1


class WrongCall(ArtkitError):
    """The call itself is wrong: an impossible option, a missing file name."""

    exit_code = 2


class PictureError(ArtkitError):
    """A picture that cannot be read or written."""


class WeightsError(ArtkitError):
    """Weights or styles that are missing, damaged or of the wrong shape."""


class DeviceError(ArtkitError):
    """The machine cannot do it: too little memory, a broken MLX installation."""


class UnknownStyle(WrongCall):
    """A style name nobody knows; the message offers the nearest known one."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        known = sorted(known)
        if near := difflib.get_close_matches(name.lower(), known, n=1):
            todo = f'did you mean "{near[0]}"? (artkit styles lists all {len(known)})'
        elif known:
            todo = f"artkit styles lists all {len(known)}; a picture file works too"
        else:
            todo = "no named styles are installed yet; give a picture file: --style painting.jpg"
        super().__init__(f'no style "{name}"; {todo}')


class Options(BaseModel):
    """A technique's settings: default, range, unit and help text in one place, immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    if not TYPE_CHECKING:  # editors keep the fields as arguments

        def __init__(self, **values: Any) -> None:
            """WrongCall names the first value that cannot be."""
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise WrongCall(_said(error, type(self))) from None

    @property
    def recipe_method(self) -> int:
        """The number of the way that these options make a picture: goes up when they come to make another one."""
        return 1

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """The options for values whose names are not known to be right."""
        return cls(**values)


def _said(error: ValidationError, model: type[Options]) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, model.model_fields, n=1)
        return f'no option "{name}"' + (f'; did you mean "{near[0]}"?' if near else "")
    reason = first["msg"].removeprefix("Value error, ")
    reason = f"{reason[:1].lower()}{reason[1:]}"
    return f"{name} {first['input']!r}: {reason}" if name else reason  # without a name: options that do not go together


@dataclass(frozen=True)
class Step:
    """Where a technique stands.

    image: the picture so far, (1, H, W, 3), sRGB 0..1 (an array that is already evaluated).
    done, total: progress in equal units of work; total may shrink when a run stops early.
    figures: named numbers worth showing (losses, size, iteration).
    """

    image: mx.array
    done: int
    total: int
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A file that a picture was made from: its part in it, where it was, and its SHA-256."""

    role: str
    path: str
    sha256: str

    @classmethod
    def of(cls, role: str, path: str | Path) -> Source:
        return cls(role, str(path), hashlib.sha256(Path(path).read_bytes()).hexdigest())


@dataclass(frozen=True)
class Recipe:
    """How a picture was made; written into the file's metadata, read by `artkit again`.

    method: that of the technique's options; 1 is not written, and what a recipe without it means.
    """

    technique: str
    options: Mapping[str, Any]
    sources: tuple[Source, ...] = ()
    artkit: str = __version__
    method: int = 1

    def differs(self, method: int) -> str:
        """What to say before it is repeated, by this method: why the picture may be another one, "" if it is not."""
        if self.method != method:
            return f"this artkit makes it in another way (method {method}, not {self.method}): the result will differ"
        if self.artkit != __version__:
            return f"made by artkit {self.artkit}, this is {__version__}: the pixels may differ"
        return ""

    def to_json(self) -> str:
        return json.dumps(
            {
                "artkit": self.artkit,
                "technique": self.technique,
                **({"method": self.method} if self.method != 1 else {}),
                "options": dict(self.options),
                "sources": [vars(source) for source in self.sources],
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe in `text`; PictureError when it is not one."""
        try:
            data = json.loads(text)
            sources = tuple(Source(**source) for source in data["sources"])
            return cls(data["technique"], dict(data["options"]), sources, data["artkit"], data.get("method", 1))
        except (ValueError, KeyError, TypeError):
            raise PictureError("the recipe in this file is damaged; it cannot be repeated") from None
