"""What a call works on: photos as files, folders, patterns or stdin, and the hashes of all files for the recipe."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from artkit.contract import ArtkitError, PictureError, Source
from artkit.image import Picture, find_pictures, load


@dataclass(frozen=True)
class Input:
    """A photo to paint: a file, or the bytes that came on stdin."""

    source: Source
    data: bytes | None = None

    @property
    def stem(self) -> str:
        return "stdin" if self.data is not None else Path(self.source.path).stem

    def read(self) -> Picture:
        return load(self.source.path if self.data is None else self.data)


def find_inputs(patterns: Sequence[str]) -> tuple[list[Input], list[ArtkitError]]:
    """The photos that the patterns name, in order, each once, and what is wrong with the other patterns."""
    found: dict[str, Input] = {}
    errors: list[ArtkitError] = []
    for pattern in patterns:
        try:
            if pattern == "-":
                if "-" in found:  # read already, and there is no second time
                    continue
                data = sys.stdin.buffer.read()
                found["-"] = Input(Source("photo", "-", hashlib.sha256(data).hexdigest()), data)
                continue
            for path in find_pictures([pattern]):
                found.setdefault(str(path.resolve()), Input(_source("photo", path)))
        except ArtkitError as error:
            errors.append(error)
    return list(found.values()), errors


def sources_of(role: str, paths: Sequence[str | Path]) -> tuple[Source, ...]:
    """The files of one part of a picture, hashed; PictureError when one cannot be read."""
    return tuple(_source(role, path) for path in paths)


def _source(role: str, path: str | Path) -> Source:
    try:
        return Source.of(role, path)
    except OSError as error:
        raise PictureError(f'cannot read "{path}": {(error.strerror or str(error)).lower()}; check the path') from None
