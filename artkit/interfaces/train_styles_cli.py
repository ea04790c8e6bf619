"""`artkit train many | any | mine`: style networks, and a style of your own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artkit.contract import WrongCall
from artkit.interfaces.forms import checked, flags, given
from artkit.interfaces.styles_cli import say_what_it_hides
from artkit.interfaces.training import (
    first_rank,
    learn,
    left_out,
    open_crops,
    open_features,
    open_photos,
    report,
    run,
    samples,
)
from artkit.train.options import ManyOptions, MineOptions

if TYPE_CHECKING:
    import numpy as np

    from artkit.stylize.manifest import PlanName
    from artkit.stylize.stylefile import StyleSet
    from artkit.train.loop import Progress, Weights

FOLDER = click.Path(path_type=Path)  # whether there is one is said where it is read
RESULT = click.Path(file_okay=False, path_type=Path)
OUT = click.option("-o", "--out", type=RESULT, required=True, help="Folder for the result.")
PHOTOS = click.option("--photos", type=FOLDER, help="Folder of photographs (without one, artkit draws pictures).")
FEATURES = click.option(
    "--features", default="compact", show_default=True, help="Feature network by name, or folder of a teacher."
)
RESUME = click.option("--resume", is_flag=True, help="Go on with the training in the result folder.")
START = click.option(
    "--start", type=FOLDER, metavar="FILE", help="Network (any: predictor) of another training to begin with."
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")


@click.command()
@PHOTOS
@click.option("--styles", type=FOLDER, required=True, help="Folder of pictures, a style each.")
@OUT
@FEATURES
@flags(ManyOptions)
@START
@RESUME
@QUIET
def many(
    photos: Path | None,
    styles: Path,
    out: Path,
    features: str,
    start: Path | None,
    resume: bool,
    quiet: bool,
    **params: Any,
) -> None:
    """Train one network for all the pictures in a folder.

    OUT becomes a gallery: `artkit styles add OUT/NAME` makes a style of it usable by name.
    """
    options = checked(ManyOptions, given(ManyOptions, params))

    from artkit.nets.stylenets import PLANS
    from artkit.train.manystyle import Styles, manystyle_steps
    from artkit.train.record import Record
    from artkit.train.report import hold_out, learned_many
    from artkit.train.shelve import network_of, sheet, shelve_many, unshelve_many

    plan, seen, content = PLANS[options.plan], open_features(features), open_photos(photos, options.crop)
    held = hold_out(content, options.crop)
    learned = Styles.of(styles, seen, options.style_size)
    weights = unshelve_many(start, plan, len(learned.names)) if start else None
    left_out(len(learned.broken))
    shown = samples(content, options.crop)
    record = Record(
        out,
        lambda folder, weights: shelve_many(folder, plan, weights, learned.names),
        lambda weights: sheet(network_of(plan, weights), weights["codes"][1:7], shown),
        resume=resume,
    )

    def begin(options: ManyOptions, state: Path | None) -> Iterator[Progress]:
        return manystyle_steps(content, learned, seen, options, weights=weights, resume=state)

    run(begin, options, record, quiet)
    if first_rank():
        made = learned_many(plan, record.weights, learned.files) if record.begun else []
        report(record, made, held, seen, features, options, "many", quiet)
        click.echo(f"{out}  {len(learned.names)} styles; artkit styles add {out}/NAME makes one usable by name")


@click.command("any")
@PHOTOS
@click.option("--paintings", type=FOLDER, required=True, multiple=True, help="Folder of paintings (may be repeated).")
@OUT
@FEATURES
@flags(ManyOptions)
@START
@RESUME
@QUIET
def any_style(
    photos: Path | None,
    paintings: tuple[Path, ...],
    out: Path,
    features: str,
    start: Path | None,
    resume: bool,
    quiet: bool,
    **params: Any,
) -> None:
    """Train a network that takes its style from any picture.

    `artkit styles make PICTURE --predictor OUT/networks/predictor.safetensors` makes a style with it.
    """
    options = checked(ManyOptions, given(ManyOptions, params))

    import mlx.core as mx

    from artkit.nets.features import load_features
    from artkit.nets.stylenets import PLANS, Predictor
    from artkit.train.anystyle import anystyle_steps
    from artkit.train.record import Record
    from artkit.train.report import PHOTOS, SHARE, hold_out, learned_any
    from artkit.train.shelve import network_of, sheet, shelve_any, unshelve_any

    plan, seen, content = PLANS[options.plan], open_features(features), open_photos(photos, options.crop)
    shorter = 3 * options.style_size // 4  # of a picture in the usual proportions
    reader, examples = load_features("compact"), open_crops(*paintings, shorter=(shorter, shorter))
    held, paintings_held = hold_out(content, options.crop), examples.hold_out(PHOTOS, SHARE)
    shown, painted = samples(content, options.crop), mx.array(samples(examples, options.crop))

    def preview(weights: Weights) -> np.ndarray:
        return sheet(network_of(plan, weights), Predictor(weights)(Predictor.read(reader, painted)), shown)

    record = Record(out, lambda folder, weights: shelve_any(folder, plan, weights), preview, resume=resume)
    weights = unshelve_any(start, plan) if start else None

    def begin(options: ManyOptions, state: Path | None) -> Iterator[Progress]:
        return anystyle_steps(content, examples, seen, reader, options, weights=weights, resume=state)

    run(begin, options, record, quiet)
    if first_rank():
        made = learned_any(plan, record.weights, reader, paintings_held, options.style_size) if record.begun else []
        report(record, made, held, seen, features, options, "any", quiet)
        click.echo(f"{out}  artkit styles make PICTURE --predictor {out}/networks/predictor.safetensors makes a style")


@click.command()
@click.argument("painting", type=click.Path())
@click.option("--name", required=True, help="Name of the new style.")
@click.option("--base", metavar="STYLE", help="Style whose network learns it (the first one installed if not given).")
@click.option("--plan", type=click.Choice(["full", "light"]), help="Which network (the base's full one if it has one).")
@PHOTOS
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Keep state, log and preview here.")
@FEATURES
@flags(MineOptions)
@RESUME
@click.option("--overwrite", is_flag=True, help="Replace a style of this name.")
@QUIET
def mine(
    painting: str,
    name: str,
    base: str | None,
    plan: PlanName | None,
    photos: Path | None,
    out: Path | None,
    features: str,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    **params: Any,
) -> None:
    """Learn the style of PAINTING, ready to use by its name.

    \b
    artkit train mine painting.jpg --name mine
    artkit stylize photo.jpg --style mine
    """
    options = checked(MineOptions, given(MineOptions, params))
    if resume and out is None:
        raise WrongCall("--resume needs the folder of the training: -o FOLDER")

    import tempfile

    from artkit.device import uses_gpu

    from artkit.image import load
    from artkit.stylize import collection
    from artkit.train.personal import mine_steps
    from artkit.train.record import Record
    from artkit.train.report import hold_out, learned_mine
    from artkit.train.shelve import network_of, sheet, shelve_mine, title_of

    collection.check_new(name, overwrite)
    picture = load(painting)
    held = base_of(base, plan)
    seen, content = open_features(features), open_photos(photos, options.crop)
    if held.network.plan.name == "full" and not (quiet or uses_gpu()):
        click.echo("without a GPU this takes hours; --plan light takes about half of the time", err=True)
    judged_on, shown, drawn = hold_out(content, options.crop), samples(content, options.crop), held.network.plan

    def preview(weights: Weights) -> np.ndarray:
        network = network_of(drawn, weights) if options.deep else held.network
        return sheet(network, weights["code"][None], shown)

    def save(folder: Path, weights: Weights) -> None:
        shelve_mine(folder / f"{name}.artstyle", title_of(name), drawn, weights, held.sha256)

    def begin(options: MineOptions, state: Path | None) -> Iterator[Progress]:
        return mine_steps(picture, held.network, held.codes, held.strokes, content, seen, options, resume=state)

    with tempfile.TemporaryDirectory(prefix="artkit-") as passing:
        record = Record(out or Path(passing), save, preview, resume=resume)
        finished = learn(begin, options, record, quiet)
        made = record.folder / f"{name}.artstyle"
        learned = made.exists()
        if learned and first_rank():
            collection.add(str(made), name, overwrite=overwrite, painting=picture)
        said = ""
        if finished and record.begun and first_rank():
            network = network_of(drawn, record.weights) if options.deep else held.network
            judged = learned_mine(name, picture, network, record.weights)
            verdicts = report(record, [judged], judged_on, seen, features, options, "mine", quiet)
            said = f"  {verdicts[0].line()}"
    if not finished:
        if first_rank():
            said = f'"{name}" is what was learned so far' if learned else "nothing was learned yet"
            goes_on = "the same command with --resume --overwrite goes on"
            how = goes_on if out else "--overwrite begins again, and -o FOLDER would keep what --resume goes on from"
            click.echo(f"artkit: stopped; {said}; {how}", err=True)
        raise click.exceptions.Exit(130)
    if first_rank():
        click.echo(f"{name}{said}")
        click.echo(f"artkit stylize photo.jpg --style {name}")
        say_what_it_hides(name)


def base_of(base: str | None, plan: PlanName | None) -> StyleSet:
    """The network to learn with: of a style, or of the first one that has it, artkit's own before the person's; the
    full one if it is not said.
    """
    from artkit.stylize import gallery

    plans: list[PlanName] = [plan] if plan else ["full", "light"]
    styles = [gallery.get(base)] if base else sorted(gallery.installed()[0], key=lambda style: style.own)
    for wanted in plans:
        for style in styles:
            if wanted in style.manifest.networks:
                return gallery.network(style, wanted)
    if base:
        return gallery.network(styles[0], plans[0])  # which says what it has
    raise WrongCall(f"no {plan or 'style'} network is installed to learn with; artkit train many makes one")


COMMANDS = (many, any_style, mine)
