"""From what a person names to what the optimizer takes: pictures opened once, masks fitted to each photo."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artkit.contract import Step, WrongCall
from artkit.image import MAX_PIXELS, Picture, Readable, load
from artkit.stylize.gallery import find, is_named, with_painting
from artkit.stylize.moments import Moments
from artkit.stylize.optimize import optimize_steps
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from artkit.stylize.regions import load_masks

if TYPE_CHECKING:
    from artkit.stylize.feedforward import Brush

STARTS = ("content", "noise", "style")  # the values of --init that are not a file


@dataclass(frozen=True)
class Material:
    """What photos are painted with, besides the options: the same for every photo of a call."""

    styles: tuple[Picture | Moments, ...]
    masks: tuple[Picture, ...] = ()
    init: Picture | None = None


def gather(
    styles: Sequence[Readable], masks: Sequence[Readable], options: OptimizeOptions, max_pixels: int = MAX_PIXELS
) -> Material:
    """Open everything; UnknownStyle, a PictureError that names what cannot be read, a WrongCall for init.

    styles: pictures, or names of the gallery that know their painting. max_pixels: of each picture.
    """
    init = None if options.init in STARTS else load(_start(options.init), max_pixels=max_pixels)
    known = tuple(_style(style, max_pixels) for style in styles)
    return Material(known, tuple(load(mask, max_pixels=max_pixels) for mask in masks), init)


def _style(style: Readable, max_pixels: int) -> Picture | Moments:
    if isinstance(style, str) and is_named(style) and (path := with_painting(style).moments):
        return Moments.read(path, style)
    return load(find(style) if isinstance(style, str) else style, max_pixels=max_pixels)


def _start(init: str) -> str:
    """The name of the picture file to start from; WrongCall when it is a word that means nothing."""
    if not (Path(init).suffix or Path(init).expanduser().is_file()):
        raise WrongCall(f'cannot start from "{init}"; it is {", ".join(STARTS)} or a picture file')
    return init


@dataclass(frozen=True)
class Named:
    """Styles that photos are restyled in in one pass, and masks: the same for every photo of a call."""

    brush: Brush
    masks: tuple[Picture, ...]


def gather_named(
    styles: Sequence[Readable], masks: Sequence[Readable], options: RestyleOptions, max_pixels: int = MAX_PIXELS
) -> Named:
    """Open everything; UnknownStyle, or a WeightsError or PictureError that names what cannot be read.

    styles: names of the gallery, or with `options.fast` pictures. max_pixels: of each picture.
    """
    from artkit.stylize.feedforward import Brush

    where = tuple(load(mask, max_pixels=max_pixels) for mask in masks)
    if not options.fast:
        return Named(Brush.of([str(style) for style in styles], options), where)
    files = [find(style) if isinstance(style, str) else style for style in styles]
    return Named(Brush.after([load(file, max_pixels=max_pixels) for file in files], options), where)


def restyle_with(photo: Picture, named: Named, options: RestyleOptions) -> Iterator[Step]:
    """The steps of restyling `photo`; see `artkit.stylize.feedforward.restyle_steps`."""
    from artkit.stylize.feedforward import restyle_steps

    masks = load_masks(named.masks, len(named.brush.codes), photo.height, photo.width) if named.masks else ()
    return restyle_steps(photo, named.brush, options, masks=masks)


def steps_of(
    photo: Picture,
    material: Material,
    options: OptimizeOptions,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> Generator[Step]:
    """The steps of painting `photo`; see `artkit.stylize.optimize.optimize_steps`."""
    masks = load_masks(material.masks, len(material.styles), photo.height, photo.width) if material.masks else None
    yield from optimize_steps(
        photo, material.styles, options, masks=masks, init=material.init, checkpoint=checkpoint, resume=resume
    )
