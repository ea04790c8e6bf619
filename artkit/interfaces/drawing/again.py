"""A generated picture, movie or sheet made again from its recipe: `artkit again` for what `artkit generate` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from artkit import catalog
from artkit.contract import PictureError, Recipe, Source, WrongCall
from artkit.generate.plotter import PaperOptions
from artkit.generate.sketch import load_sketch
from artkit.image import load
from artkit.interfaces.drawing.follow_up import parsed
from artkit.interfaces.drawing.making import Plan, check, make_picture, method_of
from artkit.interfaces.drawing.movies import Film, make_movie
from artkit.interfaces.drawing.sheets import make_sheet, variants_of
from artkit.interfaces.outputs import STDOUT, SaveOptions
from artkit.interfaces.progress import progress


def generate_again(
    recipe: Recipe, sources: Sequence[Source], target: Path, *, overwrite: bool, quiet: bool, as_json: bool
) -> None:
    """Draw it again, to `target`. sources: where they are now. WrongCall: a piece or option that is not known here."""
    values = dict(recipe.options)
    name = str(values.pop("piece", ""))
    sketches = [source for source in sources if source.role == "sketch"]
    piece = load_sketch(Path(sketches[0].path)).piece if sketches else catalog.get(name)
    then, movie, sheet = values.pop("then", []), values.pop("movie", None), values.pop("sheet", None)
    saving = {name: values.pop(name) for name in SaveOptions.model_fields if name in values}
    model = piece.options
    paper = {name: values.pop(name) for name in PaperOptions.model_fields if name in values.keys() - model.model_fields}
    options = model.checked(values)
    if as_json and target == STDOUT:
        raise WrongCall("--json and the picture cannot both go to stdout; give -o FILE")
    after = tuple(parsed(text, options.size, options.seed) for text in then)
    _same_styles(sources, [style for each in after for style in each.sources])
    photos = tuple(source for source in sources if source.role == "photo")
    origin = tuple(source for source in sources if source.role in ("sketch", "photo"))
    plan = Plan(
        piece,
        SaveOptions.checked(saving),
        load(photos[0].path) if photos else None,
        origin,
        after,
        PaperOptions.checked(paper) if piece.lines else None,
        overwrite,
    )
    check(target, plan, options, movie["fps"] if movie else None)
    fixed = {name: value for name, value in values.items() if not movie or name not in movie["ranges"]}
    film = Film.of(movie, model, fixed) if movie else None
    variants = variants_of(sheet, model, values) if sheet else [options]
    drawn = film.motion.options(model, fixed, film.frames) if film else variants
    with progress(quiet) as shown:
        if different := recipe.differs(method_of(drawn)):
            shown.say(different)
        if film:
            made = make_movie(film, fixed, target, plan, shown)
        elif sheet:
            made = make_sheet(variants, target, plan, shown)
        else:
            made = make_picture(options, target, plan, shown)
        shown.say(made.line())
    if as_json:
        click.echo(json.dumps(made.as_json()))


def _same_styles(before: Sequence[Source], now: Sequence[Source]) -> None:
    """PictureError when a style of --then has changed since."""
    known = {(source.role, source.sha256) for source in before}
    for source in now:
        if (source.role, source.sha256) not in known:
            raise PictureError(f'the {source.role} "{source.path}" is not the one that this was made with')
