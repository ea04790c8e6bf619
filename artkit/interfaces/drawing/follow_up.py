"""What is done to a generated picture next: `--then stylize:starry`, `--then stylize:wave.jpg,size=768`, `--then flow`.

The text is KIND or KIND:STYLE, then options as name=value. Pieces that follow a picture go as well as styles do: the
picture becomes their source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from artkit import catalog
from artkit.contract import Options, Source, Step, UnknownStyle, WrongCall
from artkit.image import Picture
from artkit.interfaces.jobs import Job, choose, open_job

Made = TypeVar("Made")


@dataclass(frozen=True)
class FollowUp:
    """One thing done to the finished picture. sources: the styles it works with."""

    text: str
    sources: tuple[Source, ...]
    _work: Any

    def of(self, picture: Picture) -> Picture:
        """The picture after it."""
        steps = self._work.steps(picture) if isinstance(self._work, Job) else self._drawn(picture)
        last: Step = deque(steps, maxlen=1).pop()
        return Picture.of(last.image)

    def _drawn(self, picture: Picture) -> Any:
        piece, values = self._work
        size = {} if "size" in values else {"size": picture.size}
        return piece.run(piece.options.checked({**size, **values}), picture)


def parsed(text: str, size: tuple[int, int], seed: int) -> FollowUp:
    """What `--then text` asks for, after a picture of `size`; WrongCall when it cannot be."""
    kind, values = _split(text)
    if kind == "stylize" or kind.startswith("stylize:"):
        style = kind.partition(":")[2]
        if not style:
            raise WrongCall(f"--then {text}: which style? --then stylize:starry, or stylize:painting.jpg")
        choice = _in(text, lambda: choose([style], {"size": str(max(size)), **values}))
        _only_known(values, type(choice.options), text)
        job = open_job(choice, [])
        return FollowUp(text, job.sources, job)
    piece = catalog.get(kind)
    if not piece.source:
        raise WrongCall(f"--then {text}: {kind} does not follow a picture; artkit generate --list shows what does")
    given = {"seed": seed, **values}
    _in(text, lambda: piece.options.checked(given))
    return FollowUp(text, (), (piece, given))


def _split(text: str) -> tuple[str, dict[str, Any]]:
    kind, *pairs = (part.strip() for part in text.split(","))
    if any("=" not in pair for pair in pairs):
        raise WrongCall(f"--then {text}: options follow as name=value, such as stylize:starry,strength=0.7")
    return kind, {name.strip().replace("-", "_"): value.strip() for name, _, value in (p.partition("=") for p in pairs)}


def _in(text: str, made: Callable[[], Made]) -> Made:
    """What is made of `--then text`; a WrongCall names it."""
    try:
        return made()
    except UnknownStyle:
        raise
    except WrongCall as error:
        raise WrongCall(f"--then {text}: {str(error).removeprefix('--')}") from None


def _only_known(values: dict[str, Any], model: type[Options], text: str) -> None:
    for name in values:
        if name not in model.model_fields:
            raise WrongCall(f'--then {text}: stylize has no option "{name}"')
