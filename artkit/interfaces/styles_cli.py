"""`artkit styles`: list, show, add and remove the styles of the gallery, and see them all on a photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from artkit.image import Picture
    from artkit.stylize.gallery import Style

NONE = "no named styles are installed yet; any picture file is a style: artkit stylize photo.jpg --style painting.jpg"
COLUMNS = ("name", "title", "artist", "year", "licence", "network")


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from artkit.stylize.gallery import names

    return [name for name in names() if name.startswith(incomplete)]


_name = click.argument("name", shell_complete=_complete)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, for scripts.")
@click.pass_context
def styles(ctx: click.Context, as_json: bool) -> None:
    """List the styles of the gallery; show, add and remove them.

    `artkit stylize photo.jpg --style NAME` paints with one in a moment.

    \b
    artkit styles
    artkit styles add starry.artstyle
    artkit styles add hf:user/repo --name rain
    artkit styles sheet -o sheet.jpg photo.jpg
    """
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"--json goes with artkit styles alone, not with {ctx.invoked_subcommand}", ctx)
        return
    rows = [_row(style) for style in _readable()]
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        for line in _table([COLUMNS, *([row[column] for column in COLUMNS] for row in rows)]):
            click.echo(line)
    else:
        click.echo(NONE)


def _readable() -> list[Style]:
    """Every style but the damaged ones, which are named on stderr."""
    from artkit.stylize.gallery import installed

    found, errors = installed()
    for error in errors:
        click.echo(f"artkit: {error}", err=True)
    return found


def _row(style: Style) -> dict[str, str]:
    """One line of the list; "network" names the sizes there are, "full, light"."""
    about = style.manifest
    return {
        "name": style.name,
        "title": about.title,
        "artist": about.artist,
        "year": about.year,
        "licence": about.licence,
        "network": ", ".join(sorted(about.networks)),
    }


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines with aligned columns."""
    from rich.cells import cell_len  # Japanese and Chinese letters are two columns wide

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


@styles.command()
@_name
def show(name: str) -> None:
    """Show all that is known of the style NAME."""
    from artkit.stylize.gallery import get

    style = get(name)
    about = style.manifest
    facts = {
        **_row(style),
        "source": about.source,
        "description": about.description,
        "strength": f"{about.strength:g}",
        "stroke": f"{about.stroke:g}",
        "texture": f"{about.texture:g}",
        "added by": "you" if style.own else "artkit",
    }
    facts |= {plan: f"{style.folder / entry.file}, slot {entry.slot}" for plan, entry in about.networks.items()}
    for line in _table([(key, text) for key, text in facts.items() if text]):
        click.echo(line)


@styles.command()
@click.argument("source", type=click.Path())
@click.option("--name", metavar="NAME", help="What to call it  [default: as the source does]")
@click.option("--overwrite", is_flag=True, help="Replace a style of this name")
def add(source: str, name: str | None, overwrite: bool) -> None:
    """Add the style in SOURCE to the gallery.

    SOURCE is an .artstyle file, a folder or zip with a style.toml, the https address of such a file, or hf:user/repo
    for a Hugging Face repository. It is checked first; nothing in it is executed.
    """
    from artkit.stylize import collection
    from artkit.stylize.gallery import OUTDATED

    style = collection.add(source, name, overwrite=overwrite)
    click.echo(f"{style.name}: {style.manifest.title}; artkit stylize photo.jpg --style {style.name}", err=True)
    if style.outdated:
        click.echo(f"{OUTDATED}: to paint step by step, give the picture itself: --style FILE", err=True)
    say_what_it_hides(style.name)
    click.echo(style.folder)


@styles.command()
@click.argument("picture", type=click.Path())
@click.option("--name", required=True, help="Its name.")
@click.option(
    "--predictor",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The predictor.safetensors that artkit train any made, beside its network  [default: artkit's own]",
)
@click.option("--overwrite", is_flag=True, help="Replace a style of this name.")
def make(picture: str, name: str, predictor: Path | None, overwrite: bool) -> None:
    """Make a style of PICTURE, without training: its code is predicted."""
    import tempfile

    from artkit.image import load
    from artkit.stylize import collection, manifest
    from artkit.stylize.predicting import TEXTURE, network_beside, read_predictor, shipped
    from artkit.stylize.stylefile import write_style

    collection.check_new(name, overwrite)
    predictor = predictor or shipped()
    painting, predict = load(picture), read_predictor(predictor)
    code, stroke = predict(painting)
    collection.keep_network(network_beside(predictor, predict))
    values = {"format": manifest.FORMAT, "title": Path(picture).stem, "texture": TEXTURE}
    about = manifest.Manifest.of(values, picture)
    with tempfile.TemporaryDirectory(prefix="artkit-") as passing:
        path = Path(passing) / f"{name}.artstyle"
        write_style(path, about, predict.plan, code, stroke, base=predict.base)
        collection.add(str(path), name, overwrite=overwrite, painting=painting)
    click.echo(f"{name}  artkit stylize photo.jpg --style {name}")
    say_what_it_hides(name)


def say_what_it_hides(name: str) -> None:
    """A style of the person's own stands before one that artkit ships under the same name."""
    from artkit.stylize import gallery, manifest

    if (gallery.folder() / name / manifest.NAME).is_file():
        click.echo(f'artkit\'s own "{name}" is hidden by it; artkit styles remove {name} brings that back', err=True)


@styles.command()
@_name
def remove(name: str) -> None:
    """Delete the style NAME that you added."""
    from artkit.stylize import collection

    collection.remove(name)
    click.echo(f"{name} removed", err=True)


@styles.command()
@click.argument("photo", required=False, type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The sheet")
@click.option(
    "--size", type=click.IntRange(64, 2048), default=384, show_default=True, help="Longest edge of each picture, pixels"
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists")
def sheet(photo: str | None, output: Path, size: int, overwrite: bool) -> None:
    """Draw a sheet with every style on PHOTO.

    Without PHOTO, the sheet shows the previews that styles come with.
    """
    from artkit.contract import WrongCall
    from artkit.image import check_target, load, save
    from artkit.stylize.sheet import contact_sheet

    found = _readable()
    if not found:
        raise WrongCall(NONE)
    check_target(output, overwrite)
    if photo is None:
        cells = _previews(found)
    else:
        picture = load(photo).resized(size)
        cells = [("photo", picture), *_restyled(picture, found)]
    save(contact_sheet(cells, size), output, overwrite=overwrite)
    click.echo(output)


def _previews(found: Sequence[Style]) -> list[tuple[str, Picture]]:
    from artkit.contract import PictureError, WrongCall
    from artkit.image import load

    cells = []
    for style in found:
        try:
            if style.preview is None:
                click.echo(f"{style.name} has no preview", err=True)
            else:
                cells.append((style.name, load(style.preview)))
        except PictureError as error:
            click.echo(f"artkit: {style.name}: {error}", err=True)
    if not cells:
        raise WrongCall("no style comes with a preview; give a photo: artkit styles sheet -o sheet.jpg photo.jpg")
    return cells


def _restyled(photo: Picture, found: Sequence[Style]) -> list[tuple[str, Picture]]:
    """The photo in every style that can be drawn; what is wrong with the others is said on stderr."""
    from artkit.contract import WeightsError
    from artkit.stylize.feedforward import restyle
    from artkit.stylize.options import RestyleOptions

    cells = []
    for n, style in enumerate(found, 1):
        click.echo(f"{n} of {len(found)}: {style.name}", err=True)
        try:
            cells.append((style.name, restyle(photo, [style.name], RestyleOptions(size=max(photo.size)))))
        except WeightsError as error:
            click.echo(f"artkit: {error}", err=True)
    if not cells:
        raise click.exceptions.Exit(1)
    return cells
