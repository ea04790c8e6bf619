"""What the studio's tabs do, without a web page: a photo in a look at once, refined, kept and written with its recipe.

Functions that end in `_steps` are for the engine's thread; the others may be called on any.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.contract import PictureError, Recipe, Source, Step, WrongCall
from artkit.image import Picture, load, load_recipe, save
from artkit.interfaces.jobs import Choice, open_job
from artkit.interfaces.outputs import SaveOptions
from artkit.interfaces.server.orders import MAX_PIXELS
from artkit.live.options import LiveOptions
from artkit.stylize import gallery
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from artkit.stylize.sheet import contact_sheet

if TYPE_CHECKING:
    from artkit.catalog import Piece
    from artkit.generate.canvas import CanvasOptions

PREVIEW = 512  # longest edge of what is shown first, pixels
FORMATS = {"PNG": "png", "JPEG": "jpg", "TIFF, 16 bits": "tif"}


@dataclass(frozen=True)
class Look:
    """What a photo is to look like.

    styles: names of the gallery, or picture files (then `options.fast`). masks: gray picture files, one a style.
    """

    styles: tuple[str, ...]
    options: RestyleOptions
    masks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The styles, for file names: starry+wave."""
        return Choice(self.styles, self.options).label

    @property
    def title(self) -> str:
        """The styles, for people: The Starry Night + The Great Wave."""
        if self.options.fast:
            return " + ".join(Path(style).stem for style in self.styles)
        return " + ".join(gallery.get(name).manifest.title for name in self.styles)


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished picture, kept in a file until it is asked for in one format or another.

    path: (H, W, 3 or 4) uint16 levels, as NumPy writes them. name: for files, without an ending. recipe: None for a
    picture that was stopped on its way.
    """

    path: Path
    name: str
    recipe: Recipe | None

    def picture(self) -> Picture:
        """The picture itself, 16 bits deep."""
        try:
            levels = np.load(self.path, mmap_mode="r")
        except OSError:
            raise PictureError(
                "this picture is not kept any more (pictures are kept for an hour); paint it again"
            ) from None
        return load(np.asarray(levels))

    def write(self, kind: str, folder: Path) -> Path:
        """A file in one of FORMATS, with the recipe in it, in a new folder within `folder`."""
        ending = FORMATS[kind]
        place = folder / secrets.token_hex(8)
        place.mkdir(parents=True)
        bits = 16 if ending == "tif" else 8
        recipe, saving = self.recipe, SaveOptions.checked({"bits": bits}).model_dump(mode="json")
        if recipe is not None:
            recipe = dataclasses.replace(recipe, options=dict(recipe.options) | saving)
        path = place / f"{self.name}.{ending}"
        save(self.picture(), path, bits=bits, recipe=recipe)
        return path

    def forget(self) -> None:
        """Delete the file; what was written from it stays."""
        self.path.unlink(missing_ok=True)


def keep(folder: Path, image: np.ndarray, photo: Picture | None, name: str, recipe: Recipe | None) -> Finished:
    """image: (H, W, 3), 0..1; the photo, if there is one, lends its alpha."""
    picture = Picture.of(image, like=photo)
    channels = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(16)}.npy"
    np.save(path, (channels * np.float32(65535) + np.float32(0.5)).astype(np.uint16))
    return Finished(path, name, recipe)


@dataclass
class Trail:
    """What a run learns on the engine's thread that its recipe has to tell: the files and styles it works with."""

    sources: tuple[Source, ...] = field(default=())


def look_steps(photo: Picture, look: Look, trail: Trail, preview: int = PREVIEW) -> Iterator[Step]:
    """The photo in a look: first no larger than `preview`, then at full size. One step each."""
    sizes = [size for size in (preview,) if size < look.options.size] + [look.options.size]
    for number, size in enumerate(sizes, start=1):
        options = look.options.model_copy(update={"size": size})
        job = open_job(Choice(look.styles, options), look.masks, MAX_PIXELS)
        trail.sources = job.sources
        for step in job.steps(photo):
            yield Step(step.image, number, len(sizes), step.figures)


def refine_steps(
    photo: Picture, paintings: Sequence[str], options: OptimizeOptions, masks: Sequence[str], trail: Trail
) -> Iterator[Step]:
    """The photo painted step by step, from the picture that `options.init` names.

    paintings: picture files, or names of styles that know their painting.
    """
    job = open_job(Choice(tuple(paintings), options), masks, MAX_PIXELS)
    trail.sources = job.sources
    yield from job.steps(photo)


def grid_steps(photo: Picture, names: Sequence[str], strengths: Sequence[float], edge: int) -> Iterator[Step]:
    """One photo in several styles, a row each, as strong as the columns say; a step for every picture on the sheet."""
    wanted = [(name, strength) for name in names for strength in strengths]
    small = photo.resized(edge)
    cells = [("", Picture(np.ones_like(small.pixels)))] * len(wanted)
    for number, (name, strength) in enumerate(wanted):
        options = RestyleOptions(size=edge, strength=strength)
        *_, last = open_job(Choice((name,), options), ()).steps(photo)
        cells[number] = (f"{gallery.get(name).manifest.title}, {strength:.0%}", Picture.of(last.image))
        yield Step(contact_sheet(cells, edge, len(strengths)).array(), number + 1, len(wanted))


def film_steps(source: Path, styles: Sequence[str], options: LiveOptions, target: Path) -> Iterator[Step]:
    """A clip, frame by frame, into `target`, with its sound; the target appears when the last step has been taken."""
    from artkit.live.restyler import Restyler
    from artkit.video.media import Writer, read_frames

    restyle, done, image = Restyler(styles, options), 0, None
    with read_frames(source) as clip, Writer(target, clip.fps, sound_from=source) as writer:
        for done, frame in enumerate(clip, start=1):
            drawn = restyle.draw(frame)
            writer.write(drawn)
            image = mx.array(drawn.astype(np.float32)[None] / 255)
            mx.eval(image)
            yield Step(image, done, max(clip.count or 0, done) + 1)
    if image is not None:
        yield Step(image, done, done)


def loop_steps(
    piece: Piece, options: CanvasOptions, source: Picture | None, origin: Sequence[Source], target: Path
) -> Iterator[Step]:
    """A piece that loops, once through its phase, into `target`; it appears when the last step has been taken."""
    from artkit.generate.motion import plan
    from artkit.interfaces.drawing.making import Plan
    from artkit.interfaces.drawing.movies import Film, frame_of
    from artkit.interfaces.drawing.orders import FPS, FRAMES
    from artkit.video.media import Writer

    fixed = {name: value for name, value in dict(options).items() if name != "phase"}
    film = Film(plan(type(options), fixed, {}, piece.loops), FRAMES, FPS)
    whole = Plan(piece, SaveOptions.checked({}), origin=tuple(map(bare, origin)))
    step, scenes = None, list(film.motion.options(type(options), fixed, film.frames))
    with Writer(target, film.fps, recipe=whole.recipe(options, scenes, movie=film.told())) as writer:
        for number, scene in enumerate(scenes):
            for step in piece.run(scene, source):
                yield Step(step.image, number, film.frames)
            if step is not None:
                writer.write(frame_of(step, scene, whole))
    if step is not None:
        yield Step(step.image, film.frames, film.frames)


def recipe_of(
    technique: str, options: Mapping[str, Any], photo: Source, sources: Sequence[Source], method: int
) -> Recipe:
    """How a picture was made; files by their names alone, as `artkit again` looks for them beside the picture."""
    return Recipe(technique, dict(options), tuple(bare(source) for source in (photo, *sources)), method=method)


def bare(source: Source) -> Source:
    """A source by its name alone: where it lies on this machine is nobody's business."""
    return dataclasses.replace(source, path=Path(source.path).name)


def settings_of(file: str) -> tuple[tuple[str, ...], RestyleOptions]:
    """Named styles and options from the recipe in a finished picture.

    PictureError: it has none, or was not made in named styles.
    """
    recipe = load_recipe(file)
    if recipe is None:
        raise PictureError("this file does not say how it was made; only pictures saved by artkit do")
    names = tuple(source.path for source in recipe.sources if source.role == "style")
    known = {name: value for name, value in recipe.options.items() if name in RestyleOptions.model_fields}
    if recipe.technique == "stylize":  # refined: what it began from is what the sliders show
        known = {name: known[name] for name in ("size", "strength", "style_weight", "keep_color") if name in known}
    elif recipe.technique != "restyle":
        raise PictureError(f"this picture was made by {recipe.technique}; its settings are not for this page")
    missing = [name for name in names if gallery.folder_of(name) is None]
    if missing:
        raise WrongCall(f'this picture was painted after "{missing[0]}"; drop that picture as the style')
    return names, RestyleOptions.checked(known | {"fast": False})
