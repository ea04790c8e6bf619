"""From the fields of a request to a picture that can be made: everything that may be wrong is found here, at once.

Requests come from strangers. Styles are names of the gallery or uploads, never files of this machine, and neither are
the values of options; sizes have the server's limit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, BinaryIO, TypeVar

from artkit.catalog import Piece
from artkit.contract import Options, PictureError, Recipe, Source, Step, WrongCall
from artkit.formats.writing import check_limits
from artkit.image import Picture, load
from artkit.interfaces.drawing.making import Plan
from artkit.interfaces.jobs import job_of
from artkit.interfaces.outputs import SaveOptions
from artkit.interfaces.server.options import AnswerOptions, ServeOptions
from artkit.interfaces.server.strangers import refuse_files
from artkit.stylize import gallery
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from artkit.stylize.regions import load_masks

MAX_PIXELS = 100_000_000  # of an upload
MAX_STYLES = 8
OWN = ("max_memory",)  # options that are the server's business
Model = TypeVar("Model", bound=Options)


@dataclass(frozen=True, eq=False)
class Upload:
    """A picture that came with a request. source: its part in the result, its name and its SHA-256."""

    picture: Picture
    source: Source


@dataclass
class Order:
    """A picture that somebody waits for.

    begin: what makes it and how it is made, on the engine's thread. quick: one pass of a network. stem: for the file's
    name. like: whose transparency it gets. recipe: known once it has begun.
    """

    begin: Callable[[], tuple[Iterator[Step], Recipe]]
    answer: AnswerOptions
    quick: bool
    stem: str
    like: Picture | None = None
    recipe: Recipe | None = None

    def steps(self) -> Iterator[Step]:
        """For the engine."""
        steps, self.recipe = self.begin()
        if hasattr(steps, "close"):
            with closing(steps):  # type: ignore[type-var]
                yield from steps
        else:
            yield from steps


def read_upload(role: str, file: BinaryIO, name: str | None, longest: int) -> Upload:
    """An upload decoded, and made smaller where it is larger than what will come of it.

    PictureError: it is no picture, or it has more than MAX_PIXELS.
    """
    data = file.read()
    try:
        picture = load(data, max_pixels=MAX_PIXELS)
    except PictureError as error:
        raise PictureError(f"{role}: {str(error).removeprefix('the picture').lstrip(': ')}") from None
    if max(picture.size) > longest:
        picture = picture.resized(longest)
    plain = PurePath((name or role).replace("\\", "/")).name[:200] or role
    return Upload(picture, Source(role, plain, hashlib.sha256(data).hexdigest()))


def parse_options(text: bytes) -> dict[str, Any]:
    """The options of a request, a JSON object; ValueError otherwise."""
    try:
        values = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        raise ValueError('options should be JSON, such as {"size": 512}') from None
    if not isinstance(values, dict):
        raise ValueError('options should be a JSON object, such as {"size": 512}')
    return values


def stylized(
    photo: Upload,
    styles: Sequence[str | Upload],
    values: Mapping[str, Any],
    settings: ServeOptions,
    masks: Sequence[Upload] = (),
) -> Order:
    """Restyle in named styles or, with `fast`, after pictures; else, or with `fast` false, optimize.

    masks: where each style goes, one a style, or one in flat colors; none: everywhere.
    UnknownStyle; WrongCall: names and pictures together, another number of masks, or an option that cannot be;
    PictureError: a mask of other proportions.
    """
    answer, rest = _answer(values)
    names = [style for style in styles if isinstance(style, str)]
    pictures = [style for style in styles if not isinstance(style, str)]
    if not 1 <= len(styles) <= MAX_STYLES:
        raise WrongCall(f"{len(styles)} styles; give 1 to {MAX_STYLES} fields called style, each a name or a picture")
    if names and pictures:
        raise WrongCall("some styles are names and some are pictures; they cannot be mixed")
    if masks:
        load_masks([mask.picture for mask in masks], len(styles), photo.picture.height, photo.picture.width)
    options: RestyleOptions | OptimizeOptions
    fast = rest.pop("fast", None)
    if names:
        if fast:
            raise WrongCall("fast is for painting after a picture; a named style is fast already")
        options = _checked(OptimizeOptions if fast is False else RestyleOptions, rest, settings)
        known = gallery.with_painting if fast is False else gallery.get
        for name in names:
            known(name)
        label = "+".join(names)
    else:
        kind, rest = (RestyleOptions, rest | {"fast": fast}) if fast else (OptimizeOptions, rest)
        options = _checked(kind, rest, settings)
        label = "+".join(PurePath(style.source.path).stem for style in pictures)

    def begin() -> tuple[Iterator[Step], Recipe]:
        paintings, where = names or [style.picture for style in pictures], [mask.picture for mask in masks]
        job = job_of(paintings, where, options, lambda: [each.source for each in (*pictures, *masks)])
        made = job.options.model_dump(mode="json") | _saving(answer)
        recipe = Recipe(job.technique, made, (photo.source, *job.sources), method=job.options.recipe_method)
        return job.steps(photo.picture), recipe

    stem = f"{PurePath(photo.source.path).stem}_{label}"
    return Order(begin, answer, isinstance(options, RestyleOptions), stem, photo.picture)


def generated(piece: Piece, source: Upload | None, values: Mapping[str, Any], settings: ServeOptions) -> Order:
    """A piece of the catalog, after a picture if it follows one. WrongCall: an option or a source that cannot be."""
    answer, rest = _answer(values)
    if source is not None and not piece.source:
        raise WrongCall(f"{piece.name} does not follow a picture; leave the field source out")
    options = _checked(piece.options, rest, settings)
    origin = (replace(source.source, role="photo"),) if source else ()
    made = Plan(piece, SaveOptions(bits=answer.bits, quality=answer.quality), origin=origin).recipe(options)
    return Order(
        lambda: (piece.run(options, source.picture if source else None), made),
        answer,
        quick=False,
        stem=piece.name,
    )


def _answer(values: Mapping[str, Any]) -> tuple[AnswerOptions, dict[str, Any]]:
    """The options of the answer, which its format can meet, and the others."""
    fields = AnswerOptions.model_fields
    answer = AnswerOptions.checked({name: value for name, value in values.items() if name in fields})
    check_limits(answer.format or "png", 0, answer.bits)
    return answer, {name: value for name, value in values.items() if name not in fields}


def _saving(answer: AnswerOptions) -> dict[str, Any]:
    """What a recipe says of how the picture was written."""
    return answer.model_dump(mode="json", exclude={"format"})


def _checked(model: type[Model], values: Mapping[str, Any], settings: ServeOptions) -> Model:
    """The options, within what strangers may ask for and within the server's size."""
    values = dict(values)
    for name in OWN:
        if name in values and name in model.model_fields:
            raise WrongCall(f"{name} is for whoever runs the server; leave it out")
    refuse_files(model, values)
    usual = model.model_fields["size"].default
    if "size" not in values and _longest(usual) > settings.max_size:
        values["size"] = settings.max_size
    options = model.checked(values)
    if (longest := _longest(getattr(options, "size"))) > settings.max_size:  # noqa: B009
        raise WrongCall(f"size {longest}: this server makes pictures of up to {settings.max_size} pixels")
    return options


def _longest(size: int | tuple[int, int]) -> int:
    return size if isinstance(size, int) else max(size)
