"""style.toml, a style's manifest: what it is called, whose work it is, and where its networks are.

    format = 1
    title = "The Starry Night"
    artist = "Vincent van Gogh"
    year = "1889"
    licence = "Public domain"
    source = "https://…"
    description = "Swirls of short strokes, blue and yellow."
    strength = 0.9
    stroke = 1.0
    texture = 0.35

    [networks.full]
    file = "../networks/full.safetensors"
    slot = 3
    sha256 = "…"

Manifests come from strangers too: what is not known is refused, text cannot hold what a terminal would obey, and
files are relative and within the gallery that the style's folder lies in.
"""

from __future__ import annotations

import difflib
import json
import posixpath
import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from artkit.contract import WeightsError

NAME = "style.toml"
PREVIEW = "preview.jpg"  # beside it, if there is one: a photo in this style
MOMENTS = "moments.safetensors"  # beside it, if there is one: what the optimizer asks of its painting
FORMAT = 1
MAX_BYTES = 1 << 16
SUFFIXES = (".safetensors", ".artstyle")

PlanName = Literal["full", "light"]


def _one_line(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError("should be one line without control characters")
    return text


Text = Annotated[str, Field(max_length=1000), AfterValidator(_one_line)]
_SETTINGS = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class NetworkFile(BaseModel):
    """Where a style is: row `slot` of a file of style networks, or a file with a single style, whose slot is 1.

    file: relative to the style's folder. sha256: of the file's bytes.
    """

    model_config = _SETTINGS

    file: Text
    slot: int = Field(ge=1, le=100_000)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @field_validator("file")
    @classmethod
    def _stays_in_the_gallery(cls, file: str) -> str:
        if not file.endswith(SUFFIXES):
            raise ValueError(f"should end in {' or '.join(SUFFIXES)}")
        if "\\" in file or ":" in file or PurePosixPath(file).is_absolute():
            raise ValueError("should be relative to the style's folder, with / between folders")
        if posixpath.normpath(f"style/{file}").startswith(".."):
            raise ValueError("leads out of the gallery's folder")
        return file


class Manifest(BaseModel):
    """What style.toml says; strength, stroke size and texture are what the style is used with unless told."""

    model_config = _SETTINGS

    format: Literal[1] = FORMAT
    title: Text = Field(min_length=1)
    artist: Text = ""
    year: Text = ""
    licence: Text = ""
    source: Text = ""
    description: Text = ""
    strength: float = Field(default=1.0, ge=0, le=1)
    stroke: float = Field(default=1.0, ge=0.5, le=2)
    texture: float = Field(default=0.35, ge=0, le=1)
    networks: dict[PlanName, NetworkFile] = Field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any], origin: object) -> Self:
        """The manifest with these values; a WeightsError that names `origin` and the first wrong key otherwise."""
        version = values.get("format")
        if version is None:
            raise WeightsError(f'{origin}: "format" is missing; it should be {FORMAT}')
        if type(version) is not int or version < FORMAT:
            raise WeightsError(f'{origin}: "format" is {_short(version)}: it should be {FORMAT}')
        if version > FORMAT:
            raise WeightsError(newer(origin, version))
        try:
            return cls(**values)
        except ValidationError as error:
            raise WeightsError(f"{origin}: {_first(error, cls)}") from None

    @classmethod
    def from_json(cls, text: str, origin: object) -> Self:
        """The manifest in a file with a single style, without networks; errors as in `of`."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise WeightsError(f"{origin}: its manifest is damaged; get or make it again")
        manifest = cls.of(values, origin)
        if manifest.networks:
            raise WeightsError(f'{origin}: "networks" has no place in the manifest of a single style')
        return manifest

    def to_json(self) -> str:
        """The manifest for a file with a single style, which is its own network."""
        return self.model_dump_json(exclude={"networks"})

    def to_toml(self) -> str:
        """The text of a style.toml."""
        values = self.model_dump()
        networks = values.pop("networks")
        tables = [f"\n[networks.{plan}]\n{_pairs(entry)}" for plan, entry in networks.items()]
        return _pairs(values) + "".join(tables)


def parse(content: bytes, origin: object) -> Manifest:
    """The manifest in the bytes of a style.toml; a WeightsError of one line that names `origin` otherwise."""
    if len(content) > MAX_BYTES:
        raise WeightsError(f"{origin} is {len(content):,} bytes long; a manifest has {MAX_BYTES:,} at most")
    try:
        values = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise WeightsError(f"{origin} is not UTF-8 text; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{origin} is not TOML: {error}") from None
    manifest = Manifest.of(values, origin)
    if not manifest.networks:
        raise WeightsError(f'{origin}: "networks" is missing; a table such as [networks.full] names the file')
    return manifest


def read(path: Path) -> Manifest:
    """The manifest in a file; a WeightsError of one line that names it otherwise."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
    return parse(content, path)


def locate(folder: Path, file: str) -> Path:
    """A file that the manifest in `folder` names, links followed.

    WeightsError when it is not in the gallery that the folder lies in.
    """
    root, path = folder.parent.resolve(), (folder / file).resolve()
    if not path.is_relative_to(root):
        raise WeightsError(f"{folder / file} leads out of {root}; put the file itself there")
    return path


def newer(origin: object, version: object) -> str:
    """The message for a file of a format that this artkit does not know yet."""
    return f"{origin}: made by a newer artkit (format {version}); update artkit"


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    """The first of pydantic's complaints, in one line with its key: `stroke 9: should be …`."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    match first["type"]:
        case "extra_forbidden":
            known = list(NetworkFile.model_fields if len(first["loc"]) > 1 else model.model_fields)
            near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
            return f'unknown key "{key}"' + (f'; did you mean "{near[0]}"?' if near else "")
        case "missing":
            return f'"{key}" is missing'
        case "string_type":
            return f'"{key}" should be text, in quotes'
    reason = first["msg"].removeprefix("Value error, ")
    return f'"{key}" is {_short(first["input"])}: {reason[:1].lower()}{reason[1:]}'


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _pairs(values: Mapping[str, str | int | float]) -> str:
    """Lines `key = value`; strings as JSON has them are strings as TOML has them, once control characters are out."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
