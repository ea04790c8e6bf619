"""`artkit info` shows how a picture or movie was made; `artkit again` makes it again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from artkit._version import __version__
from artkit.contract import ArtkitError, Options, PictureError, Recipe, Source, WrongCall
from artkit.interfaces.jobs import job_again
from artkit.interfaces.outputs import SaveOptions, make_folder
from artkit.stylize.options import OptimizeOptions, RestyleOptions


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As one JSON object")
def info(file: Path, as_json: bool) -> None:
    """Show the size of the picture or movie FILE and the recipe in it: options, seed, and what it was made from."""
    from artkit.formats.drawings import is_drawing
    from artkit.video.media import moves, read_recipe

    recipe = read_recipe(file)
    size, facts = (_drawing if is_drawing(file) else _movie if moves(file) else _picture)(file)
    if as_json:
        head = {"file": str(file), "format": file.suffix.lower().lstrip("."), **facts, "bytes": file.stat().st_size}
        click.echo(json.dumps({**head, "recipe": json.loads(recipe.to_json()) if recipe else None}))
        return
    click.echo(f"{file}  {size}  {file.stat().st_size / 1000:.0f} kB")
    click.echo("\n".join(_told(recipe)) if recipe else "no recipe: this file does not say how it was made")


def _picture(file: Path) -> tuple[str, dict[str, Any]]:
    from artkit.image import load

    picture = load(file)
    facts = {"width": picture.width, "height": picture.height, "transparent": picture.alpha is not None}
    return f"{picture.width}×{picture.height}", facts


def _movie(file: Path) -> tuple[str, dict[str, Any]]:
    from artkit.video.media import read_frames

    with read_frames(file) as clip:
        facts = {"width": clip.width, "height": clip.height, "frames": clip.count, "fps": round(clip.fps, 3)}
        many = f"{clip.count} frames, " if clip.count else ""
        return f"{clip.width}×{clip.height}, {many}{clip.fps:g} a second", facts


def _drawing(file: Path) -> tuple[str, dict[str, Any]]:
    """The size of an SVG is that of its paper."""
    from artkit.formats.drawings import read_head

    head = read_head(file)
    return f"{head.width} × {head.height}", {"width": head.width, "height": head.height}


def _told(recipe: Recipe) -> Iterable[str]:
    """A recipe as lines: the files, then the options that are not the default, then the others."""
    numbered = recipe.method != 1 or _method(recipe) != 1
    yield f"artkit {recipe.technique}, version {recipe.artkit}" + (f", method {recipe.method}" if numbered else "")
    for source in recipe.sources:
        yield f"  {source.role + ':':16} {source.path}  (SHA-256 {source.sha256[:12]}…)"
    usual = _defaults(recipe) | SaveOptions.checked({}).model_dump(mode="json")
    chosen = {name: value for name, value in recipe.options.items() if usual.get(name, ...) != value}
    for name, value in chosen.items():
        yield f"  {name + ':':16} {_TOLD.get(name, _short)(value)}"
    yield from _used(recipe)
    rest = [f"{name} {_short(value)}" for name, value in recipe.options.items() if name not in chosen and value]
    yield f"  {'as usual:':16} {', '.join(rest)}"


def _used(recipe: Recipe) -> Iterable[str]:
    """For each style that was drawn in one pass, how strong and with what strokes, where nobody chose it."""
    if recipe.technique != "restyle":
        return

    from artkit.stylize import gallery
    from artkit.stylize.feedforward import as_used
    from artkit.stylize.manifest import Manifest
    from artkit.stylize.predicting import TEXTURE

    options = RestyleOptions.checked({n: v for n, v in recipe.options.items() if n in RestyleOptions.model_fields})
    for source in recipe.sources:
        if source.role == "style":
            try:
                usual = Manifest(title="any", texture=TEXTURE) if options.fast else gallery.get(source.path).manifest
            except ArtkitError:
                continue  # it is not here any more
            used = as_used(usual, options)
            said = f"strength {used.strength:g}, stroke {used.stroke:.3g}, texture {used.texture:g}"
            yield f"  {Path(source.path).stem + ' with:':16} {said}"


def _defaults(recipe: Recipe) -> dict[str, Any]:
    """The options that the technique has when nobody says otherwise."""
    values = _model(recipe).checked({}).model_dump(mode="json")
    return {"then": [], **values} if recipe.technique == "generate" else values


def _method(recipe: Recipe) -> int:
    """The one that this artkit would make it by; 1 where it does not take its options."""
    model = _model(recipe)
    with contextlib.suppress(ArtkitError):
        return model.checked({n: v for n, v in recipe.options.items() if n in model.model_fields}).recipe_method
    return 1


def _model(recipe: Recipe) -> type[Options]:
    """The options that the technique has here; those without any field for a piece that is not known."""
    if recipe.technique == "generate":
        from artkit import catalog

        piece = catalog.PIECES.get(str(recipe.options.get("piece")))
        return piece.options if piece else Options
    return RestyleOptions if recipe.technique == "restyle" else OptimizeOptions


def _short(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else json.dumps(value)


def _of_movie(movie: Mapping[str, Any]) -> str:
    """12 frames, 10 a second, phase 0..1."""
    ways = [f"{name} {'..'.join(f'{stop:.12g}' for stop in way)}" for name, way in movie["ranges"].items()]
    return ", ".join([f"{movie['frames']} frames", f"{movie['fps']:g} a second", *ways])


def _of_sheet(pictures: Sequence[Mapping[str, Any]]) -> str:
    """100 pictures, seeds 0 to 99."""
    seeds = [each["seed"] for each in pictures if "seed" in each]
    return f"{len(pictures)} pictures" + (f", seeds {min(seeds)} to {max(seeds)}" if seeds else "")


_TOLD = {"movie": _of_movie, "sheet": _of_sheet}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="WHERE",
    help="File, folder or - for stdout  [default: FILE's name with _again]",
)
@click.option("--photo", type=click.Path(), multiple=True, metavar="FILE", help="Where the photo is now")
@click.option(
    "--style", type=click.Path(), multiple=True, metavar="FILE", help="Where the style is now; all of them in order"
)
@click.option(
    "--mask", type=click.Path(), multiple=True, metavar="FILE", help="Where the masks are now; all of them in order"
)
@click.option("--init", type=click.Path(), multiple=True, metavar="FILE", help="Where the picture to start from is now")
@click.option("--sketch", type=click.Path(), multiple=True, metavar="FILE", help="The sketch, whose code is run")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors")
@click.option("--json", "as_json", is_flag=True, help="One JSON object about the picture on stdout")
def again(
    file: Path, output: str | None, overwrite: bool, resume: bool, quiet: bool, as_json: bool, **moved: tuple[str, ...]
) -> None:
    """Make the picture or movie FILE again from the recipe in it: the same pixels on the same machine.

    The photo and the styles are looked for where they were, from the current folder and from FILE's, and must be the
    very same files.
    """
    from artkit.video.media import read_recipe

    recipe = read_recipe(file)
    if recipe is None:
        raise PictureError(f'"{file}" has no recipe; only pictures that artkit wrote, with metadata, can be made again')
    if recipe.technique not in ("stylize", "restyle", "generate"):
        raise PictureError(f'"{file}" was made by {recipe.technique}, which this artkit ({__version__}) does not know')
    sources = find_sources(recipe, moved, file.parent)
    target = again_target(file, output)
    if recipe.technique == "generate":
        from artkit.interfaces.drawing.again import generate_again

        generate_again(recipe, sources, target, overwrite=overwrite, quiet=quiet, as_json=as_json)
        return
    saving = {name: recipe.options[name] for name in SaveOptions.model_fields if name in recipe.options}
    options = {name: value for name, value in recipe.options.items() if name not in saving}

    from artkit.interfaces.inputs import Input
    from artkit.interfaces.outputs import STDOUT
    from artkit.interfaces.painting import Plan, check, paint
    from artkit.interfaces.progress import progress

    if as_json and target == STDOUT:
        raise WrongCall("--json and the picture cannot both go to stdout; give -o FILE")
    photo = next(source for source in sources if source.role == "photo")
    plan = Plan(job_again(recipe, options, sources), SaveOptions.checked(saving), resume=resume, overwrite=overwrite)
    with progress(quiet) as shown:
        if different := recipe.differs(plan.job.options.recipe_method):
            shown.say(different)
        if not check(target, plan, photo):
            shown.say(f"{target}  is finished already")
            return
        painted = paint(Input(photo).read(), photo, target, plan, shown)
        shown.say(painted.line())
    if as_json:
        click.echo(json.dumps(painted.as_json()))


def again_target(file: Path, output: str | None) -> Path:
    """Where the repeated picture goes: cat.jpg -> cat_again.jpg beside it, unless `-o` says otherwise."""
    name = f"{file.stem}_again{file.suffix}"
    if output is None:
        return file.with_name(name)
    if output.endswith("/"):
        make_folder(output)
    return Path(output) / name if Path(output).is_dir() else Path(output)


def find_sources(recipe: Recipe, moved: Mapping[str, Sequence[str]], folder: Path) -> tuple[Source, ...]:
    """The sources where they are now, their contents compared with the recipe's hashes; named styles as they are.

    moved: role -> the files the person gave, none or one per source of that role, in order.
    folder: that of the picture; a relative path is tried from the current folder and from there.
    """
    from artkit.stylize.gallery import is_named

    sources, named = recipe.sources, recipe.technique == "restyle" and not recipe.options.get("fast")
    generated = recipe.technique == "generate"  # from nothing, or after a picture; its styles know themselves
    if not generated and not any(source.role == "photo" for source in sources):
        raise PictureError("the recipe names no photo; it cannot be repeated")
    if any(source.role == "sketch" for source in sources) and not moved.get("sketch"):  # no code runs unasked
        raise WrongCall("this was drawn by a sketch, whose code would be run; name it: --sketch FILE")
    queues = {role: list(files) for role, files in moved.items()}
    for role, files in moved.items():
        wanted = sum(source.role == role for source in sources)
        if files and len(files) != wanted:
            raise WrongCall(f"--{role} was given {len(files)} times, the recipe has {wanted} of it")
        if files and role == "style" and (named or generated):
            raise WrongCall("--style is for pictures that moved; this was made in a named style")
    return tuple(
        source
        if source.role == "style" and (named or generated or (not moved.get("style") and is_named(source.path)))
        else _found(source, queues.get(source.role, []), folder)
        for source in sources
    )


def _found(source: Source, queue: list[str], folder: Path) -> Source:
    from artkit.interfaces.inputs import sources_of

    given = queue.pop(0) if queue else None
    places = [Path(given)] if given else [Path(source.path), folder / source.path, folder / Path(source.path).name]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        where = given or source.path
        raise PictureError(f'the {source.role} "{where}" is not there any more; --{source.role} FILE says where it is')
    (now,) = sources_of(source.role, [path])
    if now.sha256 != source.sha256:
        raise PictureError(
            f'the {source.role} "{path}" is not the file this was made from (its SHA-256 differs); '
            f"--{source.role} FILE says where that one is"
        )
    return replace(source, path=str(path))
