"""`artkit stylize`: photos in, painted pictures out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artkit.contract import ArtkitError, WrongCall
from artkit.interfaces.forms import checked, flags, given
from artkit.interfaces.jobs import choose, open_job
from artkit.interfaces.outputs import DEFAULT, STDOUT, SaveOptions, targets
from artkit.stylize.options import NEARLY, OptimizeOptions, RestyleOptions

if TYPE_CHECKING:
    from artkit.interfaces.inputs import Input
    from artkit.interfaces.painting import Painted, Plan
    from artkit.interfaces.progress import Progress


FILE = click.Path()  # a plain string; its type is what shells complete


@click.command()
@click.argument("photos", nargs=-1, required=True, type=FILE, metavar="PHOTO...")
@click.option(
    "-s",
    "--style",
    "styles",
    type=FILE,
    multiple=True,
    required=True,
    metavar="NAME|FILE",
    help="Picture to paint like, or name of a style; several are mixed, see --style-weight",
)
@click.option(
    "-o", "--output", type=FILE, metavar="WHERE", help=f"File, folder, template or - for stdout  [default: {DEFAULT}]"
)
@click.option(
    "--mask",
    "masks",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Where each style goes, white on black, one per style; or one in as many colors as styles",
)
@flags(OptimizeOptions)
@flags(RestyleOptions, besides=OptimizeOptions)
@flags(SaveOptions)
@click.option(
    "--save-every", type=click.IntRange(min=1), metavar="N", help="Keep the picture so far every N iterations, numbered"
)
@click.option("--preview", type=click.Path(path_type=Path), metavar="FILE", help="Picture so far, rewritten as it goes")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped; finished pictures are left alone")
@click.option("--overwrite", is_flag=True, help="Replace files that exist")
@click.option("--no-metadata", is_flag=True, help="Leave the recipe out of the file")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finished picture on stdout")
def stylize(
    photos: tuple[str, ...],
    styles: tuple[str, ...],
    output: str | None,
    masks: tuple[str, ...],
    save_every: int | None,
    preview: Path | None,
    resume: bool,
    overwrite: bool,
    no_metadata: bool,
    quiet: bool,
    as_json: bool,
    **params: Any,
) -> None:
    """Paint each PHOTO in the style of a picture, or in a style of the gallery by its name: see artkit styles.

    PHOTO is a file, a folder, a pattern such as "holiday/*.jpg", or - for stdin. A template for -o takes {stem}
    {style} {size} {seed} {n}. A result that exists is never replaced unless you say so.

    \b
    artkit stylize cat.jpg --style wave.jpg
    artkit stylize cat.jpg -s wave.jpg -s scream.jpg --style-weight 0.7,0.3 --size 1024
    artkit stylize holiday/ --style wave.jpg -o "out/{stem}_{style}.jpg"
    """
    choice = choose(styles, params)
    saving = checked(SaveOptions, given(SaveOptions, params))
    if save_every and not choice.optimizes:
        raise WrongCall("--save-every is for painting step by step: a picture file, or --no-fast")

    for photo in photos if params.get("style_weight") else ():
        if re.fullmatch(r"\d*\.?\d+", photo) and not Path(photo).exists():
            weights = ",".join([*params["style_weight"], photo])
            raise WrongCall(f"{photo} is taken for a photo; several weights are one word: --style-weight {weights}")

    from artkit.interfaces.inputs import find_inputs  # the imports grow heavier as more is known to be right

    inputs, errors = find_inputs(photos)
    places = targets(
        "-" if output is None and photos == ("-",) else output,
        [photo.stem for photo in inputs],
        style=choice.label,
        size=choice.options.size,
        seed=getattr(choice.options, "seed", 0),
    )
    if as_json and STDOUT in places:
        raise WrongCall("--json and the picture cannot both go to stdout; give -o FILE")

    from artkit.interfaces.painting import Plan
    from artkit.interfaces.progress import progress

    plan = Plan(open_job(choice, masks), saving, save_every, preview, resume, overwrite, not no_metadata)
    with progress(quiet) as shown:
        if isinstance(options := choice.options, OptimizeOptions) and options.left_out:
            near = f"--size {options.size} is less than {NEARLY} times as large"
            shown.say(f"--min-size {options.min_size} is left out: {near}")
        failures = Failures(len(inputs) + len(errors), shown)
        for error in errors:
            failures.add(error)
        for painted in _paint_all(list(zip(inputs, places, strict=True)), plan, failures, shown):
            shown.say(painted.line())
            if as_json:
                click.echo(json.dumps(painted.as_json()))
    if failures.count:
        raise click.exceptions.Exit(1)


class Failures:
    """One photo of several may fail and the others go on; the failure of a single one is the command's."""

    def __init__(self, photos: int, shown: Progress) -> None:
        self.count, self._alone, self._shown = 0, photos == 1, shown

    def add(self, error: ArtkitError) -> None:
        if self._alone:
            raise error
        self.count += 1
        self._shown.warn(f"artkit: {error}")


def _paint_all(
    todo: Sequence[tuple[Input, Path]], plan: Plan, failures: Failures, shown: Progress
) -> Iterator[Painted]:
    """Every photo that is not finished; what can be wrong with the outputs is found before the first one starts."""
    from artkit.interfaces.painting import check, paint

    ready: list[tuple[Input, Path]] = []
    for photo, target in todo:
        try:
            if check(target, plan, photo.source):
                ready.append((photo, target))
            else:
                shown.say(f"{target}  is finished already")
        except ArtkitError as error:
            failures.add(error)
    for photo, target in ready:
        try:
            yield paint(photo.read(), photo.source, target, plan, shown)
        except ArtkitError as error:
            failures.add(error)
