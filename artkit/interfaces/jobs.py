"""What `artkit stylize` and `artkit again` do to each photo: optimize it after pictures, or restyle it by a network."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artkit.contract import Recipe, Source, Step, WrongCall
from artkit.interfaces.forms import checked, flag_name, given
from artkit.stylize import gallery
from artkit.stylize.options import OptimizeOptions, RestyleOptions

if TYPE_CHECKING:
    from artkit.image import Picture, Readable


@dataclass(frozen=True)
class Choice:
    """What the flags ask for, before anything is opened: picture files to paint after, or names of styles."""

    styles: tuple[str, ...]
    options: OptimizeOptions | RestyleOptions

    @property
    def label(self) -> str:
        """The styles, for file names."""
        return "+".join(style if self.named else Path(style).stem for style in self.styles)

    @property
    def named(self) -> bool:
        """Whether the styles are names; picture files otherwise."""
        return isinstance(self.options, RestyleOptions) and not self.options.fast

    @property
    def optimizes(self) -> bool:
        return isinstance(self.options, OptimizeOptions)


def choose(styles: Sequence[str], params: Mapping[str, Any]) -> Choice:
    """WrongCall: names and files together, or a flag that does not go with what the styles are."""
    fast, named = params.get("fast"), [gallery.is_named(style) for style in styles]
    if not fast:  # --no-fast is what picture files have anyway
        params = {name: value for name, value in params.items() if name != "fast"}
    if not all(named):
        files = tuple(str(gallery.find(style)) for style in styles if not gallery.is_named(style))
        if any(named):
            name = styles[named.index(True)]
            makes = f"artkit train mine {files[0]} --base {name} --name NEW makes a style that can be mixed with it"
            raise WrongCall(f'"{name}" is a named style and "{files[0]}" a picture; they cannot be mixed; {makes}')
        if fast:
            _refuse(params, OptimizeOptions, RestyleOptions, "is for painting step by step, not for --fast")
            return Choice(files, checked(RestyleOptions, given(RestyleOptions, params)))
        _refuse(params, RestyleOptions, OptimizeOptions, "is for named styles and --fast; see artkit styles")
        return Choice(files, checked(OptimizeOptions, given(OptimizeOptions, params)))
    if fast:
        raise WrongCall("--fast is for painting after a picture file; a named style is fast already")
    if fast is False:
        _refuse(params, RestyleOptions, OptimizeOptions, "is for one pass of a network, not for --no-fast")
        names = tuple(gallery.with_painting(style).name for style in styles)
        return Choice(names, checked(OptimizeOptions, given(OptimizeOptions, params)))
    _refuse(params, OptimizeOptions, RestyleOptions, "is for painting step by step: a picture file, or --no-fast")
    names = tuple(gallery.get(style).name for style in styles)
    return Choice(names, checked(RestyleOptions, given(RestyleOptions, params)))


def _refuse(params: Mapping[str, Any], model: type, other: type, why: str) -> None:
    for name in given(model, params):
        if name not in other.model_fields:
            raise WrongCall(f"{flag_name(name)} {why}")


@dataclass(frozen=True)
class Job:
    """Everything opened, ready for any number of photos. sources: the files and styles it works with."""

    technique: str
    options: OptimizeOptions | RestyleOptions
    sources: tuple[Source, ...]
    _material: Any

    @property
    def lasts(self) -> bool:
        """Whether it takes long enough to be stopped and taken up again; a style network needs one pass."""
        return isinstance(self.options, OptimizeOptions)

    @property
    def seed(self) -> int | None:
        """Of every random draw; a style network makes none."""
        return self.options.seed if isinstance(self.options, OptimizeOptions) else None

    def steps(self, photo: Picture, checkpoint: Path | None = None, resume: bool = False) -> Generator[Step]:
        """The steps for one photo."""
        from artkit.stylize.prepare import restyle_with, steps_of

        if isinstance(self.options, OptimizeOptions):
            yield from steps_of(photo, self._material, self.options, checkpoint=checkpoint, resume=resume)
        else:
            yield from restyle_with(photo, self._material, self.options)


def open_job(choice: Choice, masks: Sequence[str], max_pixels: int | None = None) -> Job:
    """max_pixels: of each, fewer than usual. UnknownStyle, PictureError, WeightsError: what cannot be opened."""
    from artkit.interfaces.inputs import sources_of

    files = [style for style in choice.styles if not gallery.is_named(style)]

    def sources() -> tuple[Source, ...]:
        return (*sources_of("style", files), *sources_of("mask", masks))

    return job_of(choice.styles, masks, choice.options, sources, max_pixels)


def job_of(
    styles: Sequence[Readable],
    masks: Sequence[Readable],
    options: OptimizeOptions | RestyleOptions,
    sources: Callable[[], Sequence[Source]],
    max_pixels: int | None = None,
) -> Job:
    """The job of names of the gallery or pictures, and masks.

    sources: of the pictures and the masks, in order, once all of them have been read.
    """
    from artkit.image import MAX_PIXELS
    from artkit.interfaces.inputs import sources_of
    from artkit.stylize.moments import Moments
    from artkit.stylize.prepare import gather, gather_named

    most = max_pixels or MAX_PIXELS
    if isinstance(options, RestyleOptions):
        named = gather_named(styles, masks, options, most)
        marks = [Source("style", name, sha256) for name, sha256 in named.brush.marks]
        return Job("restyle", options, (*marks, *sources()), named)
    material, files = gather(styles, masks, options, most), iter(sources())
    known = [Source("style", s.name, s.sha256) if isinstance(s, Moments) else next(files) for s in material.styles]
    init = sources_of("init", [options.init] if material.init is not None else [])
    return Job("stylize", options, (*known, *files, *init), material)


def job_again(recipe: Recipe, options: Mapping[str, Any], sources: Sequence[Source]) -> Job:
    """The job of a recipe whose files have been found. WrongCall: an option or a technique that is not known here."""
    paths = {role: [source.path for source in sources if source.role == role] for role in ("style", "mask", "init")}
    if recipe.technique == "restyle":
        job = open_job(Choice(tuple(paths["style"]), RestyleOptions.checked(options)), paths["mask"])
    else:
        moved = {"init": paths["init"][0]} if paths["init"] else {}
        job = open_job(Choice(tuple(paths["style"]), OptimizeOptions.checked({**options, **moved})), paths["mask"])
    for style in job.sources:
        if style.role == "style" and style not in sources:
            raise WrongCall(f'the style "{style.path}" is not the one that this was made in; it has changed since')
    return job
