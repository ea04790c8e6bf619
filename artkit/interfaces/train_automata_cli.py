"""`artkit train automata PICTURE --name NAME`: a texture that grows, learned from a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artkit.contract import WrongCall
from artkit.interfaces.forms import checked, flags, given
from artkit.interfaces.train_styles_cli import FEATURES, QUIET, RESUME
from artkit.interfaces.training import first_rank, learn, open_features
from artkit.train.options import GrowOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from artkit.train.loop import Progress, Weights


@click.command()
@click.argument("picture", type=click.Path())
@click.option("--name", required=True, help="Name of the new texture.")
@click.option("--base", metavar="TEXTURE", help="Begin with a texture that is known: the two graft well then.")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="Keep state, log and preview here.")
@FEATURES
@flags(GrowOptions)
@RESUME
@click.option("--overwrite", is_flag=True, help="Replace a texture of this name.")
@QUIET
def automata(
    picture: str,
    name: str,
    base: str | None,
    out: Path | None,
    features: str,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    **params: Any,
) -> None:
    """Teach cells to grow the texture of PICTURE, ready to use by its name.

    \b
    artkit train automata moss.jpg --name moss
    artkit generate automata --texture moss --size 1024
    """
    options = checked(GrowOptions, given(GrowOptions, params))
    if resume and out is None:
        raise WrongCall("--resume needs the folder of the training: -o FOLDER")

    import tempfile

    from artkit.generate import shelf
    from artkit.image import load
    from artkit.train.automata import automata_steps, preview
    from artkit.train.record import Record

    shelf.check_new(name, overwrite)
    texture, seen = load(picture), open_features(features)
    weights = dict(shelf.get(base).weights) if base else None

    def save(folder: Path, weights: Weights) -> None:
        shelf.write(folder / f"{name}.safetensors", weights, Path(picture).name, options)

    def begin(options: GrowOptions, state: Path | None) -> Iterator[Progress]:
        return automata_steps(texture, seen, options, weights=weights, resume=state)

    with tempfile.TemporaryDirectory(prefix="artkit-") as passing:
        record = Record(out or Path(passing), save, lambda weights: preview(weights, options), resume=resume)
        finished = learn(begin, options, record, quiet)
        made = record.folder / f"{name}.safetensors"
        kept = made.exists()
        if kept and first_rank():
            shelf.keep(made, name)
    if not finished:
        if first_rank():
            said = f'"{name}" is what was learned so far' if kept else "nothing was learned yet"
            click.echo(f"artkit: stopped; {said}", err=True)
        raise click.exceptions.Exit(130)
    if first_rank():
        click.echo(f"{name}  artkit generate automata --texture {name}")
