"""Where results go: `-o` as a file, a folder, a template such as {stem}_{style}.png, or - for stdout."""

from __future__ import annotations

import os
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from artkit.contract import Options, PictureError, WrongCall

STDOUT = Path("-")
DEFAULT = "{stem}_{style}.png"


class SaveOptions(Options):
    """How a result is written."""

    bits: Literal[8, 16] = Field(8, description="Bits per channel; 16 for PNG and TIFF")
    quality: int = Field(95, ge=1, le=100, description="Quality of JPEG, WebP and AVIF")


def targets(output: str | None, stems: Sequence[str], *, style: str, size: int, seed: int) -> list[Path]:
    """One file a photo, in order; WrongCall when the template is wrong or two photos would share a file.

    output: what `-o` says; None is `{stem}_{style}.png` in the current folder. Folders that a template names are made.
    stems: the photos' file names without their endings.
    """
    template = _template(output)
    if template == "-":
        if len(stems) > 1:
            raise WrongCall(f"-o - takes one photo, not {len(stems)}; give a folder or a template: -o {DEFAULT!r}")
        return [STDOUT]
    names = [
        filled(template, {"stem": stem, "style": style, "size": size, "seed": seed, "n": n})
        for n, stem in enumerate(stems, start=1)
    ]
    for name in names:
        if (uses := names.count(name)) > 1:
            raise WrongCall(
                f"{uses} photos would all be written to {name}; use {{stem}} or {{n}} in -o, such as {DEFAULT!r}"
            )
    if output is not None and "{" in output:
        for folder in sorted({Path(name).parent for name in names}):
            make_folder(folder)
    return [Path(name) for name in names]


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it, where there is none; PictureError when that cannot be done."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PictureError(f'cannot make the folder "{path}": {reason}; choose another one') from None


def numbered(path: Path, n: int) -> Path:
    """out/cat.png, 50 -> out/cat_0050.png."""
    return path.with_name(f"{path.stem}_{n:04}{path.suffix}")


def checkpoint_of(path: Path) -> Path:
    """Where an unfinished run of `path` is kept: out/cat.png -> out/cat.png.resume."""
    return path.with_name(path.name + ".resume")


def _template(output: str | None) -> str:
    """The template that `-o` means; a folder (made when it ends in /) takes the default names."""
    if output is None:
        return DEFAULT
    if not output:
        raise WrongCall("-o is empty; give a file, a folder or - for stdout")
    if output.endswith(("/", os.sep)):
        make_folder(output)
    return str(Path(output) / DEFAULT) if Path(output).is_dir() else output


def filled(template: str, values: dict[str, str | int]) -> str:
    """The template with `values` in it; WrongCall for a field that is none of them, or braces that do not match."""
    try:
        fields = [(name, spec or "") for _, name, spec, _ in string.Formatter().parse(template) if name is not None]
        wrong = [f"{name}:{spec}" if spec else name for name, spec in fields if name not in values or "{" in spec]
        if not wrong:
            return template.format(**values)
        reason = f"{{{wrong[0]}}} is not known"
    except ValueError as error:
        reason = str(error).lower()
    known = " ".join(f"{{{name}}}" for name in values)
    raise WrongCall(f"-o {template!r}: {reason}; a template takes {known} (and {{{{ for a brace)")
