"""`artkit generate`: art from a seed. Every piece of the catalog is a command of its own, with its own options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from artkit import catalog
from artkit.interfaces.forms import flags
from artkit.interfaces.outputs import SaveOptions

if TYPE_CHECKING:
    from artkit.catalog import Piece
    from artkit.contract import Source

DEFAULT = "{name}_{seed}.png"
FILE = click.Path()


class Catalog(click.Group):
    """The pieces, as commands that are built when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(catalog.PIECES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return command_of(catalog.get(cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0].startswith("-"):
            ctx.fail(f"no such option: {args[0]}; the piece comes first: artkit generate flow {args[0]} …")
        catalog.get(args[0])  # says what was meant
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Pieces"):
            formatter.write_dl([(piece.name, piece.line) for piece in catalog.PIECES.values()])


@click.group(
    cls=Catalog,
    invoke_without_command=True,
    subcommand_metavar="NAME [OPTIONS]...",
    context_settings={"ignore_unknown_options": True},  # they reach resolve_command, which says where they go
)
@click.option("--list", "listed", is_flag=True, help="The pieces, a line each, and what can be done with them")
@click.option("--palettes", is_flag=True, help="The named palettes")
@click.option("--json", "as_json", is_flag=True, help="With --list or --palettes: as one JSON object")
@click.pass_context
def generate(ctx: click.Context, listed: bool, palettes: bool, as_json: bool) -> None:
    """Draw art from a seed. artkit generate NAME --help shows the options of a piece.

    \b
    artkit generate flow --size 1600x1200 --seed 7 -o out.png
    artkit generate reaction --palette tide --from photo.jpg --then stylize:starry
    artkit generate noise --frames 120 --fps 30 -o loop.mp4
    artkit generate fractal --seeds 0..99 --random --sheet -o sheet.png
    """
    if palettes:
        _tell_palettes(as_json)
    elif listed or ctx.invoked_subcommand is None:
        _tell_pieces(as_json)


def _tell_pieces(as_json: bool) -> None:
    if as_json:
        facts = [{k: getattr(p, k) for k in ("name", "line", "source", "needs", "lines", "loops")} for p in _pieces()]
        click.echo(json.dumps({"pieces": facts}))
        return
    for piece in _pieces():
        follows = "needs --from" if piece.needs else "--from"
        can = [word for word, yes in ((follows, piece.source), ("SVG", piece.lines), ("loops", piece.loops)) if yes]
        click.echo(f"{piece.name:14} {piece.line}" + (f"  ({', '.join(can)})" if can else ""))
    click.echo("\nartkit generate NAME --help shows the options of one; --palettes the palettes")


def _pieces() -> list[Piece]:
    return list(catalog.PIECES.values())


def _tell_palettes(as_json: bool) -> None:
    from artkit.generate.palettes import NAMED

    if as_json:
        click.echo(json.dumps({name: colors.split() for name, (_, _, colors) in NAMED.items()}))
        return
    for name, (_, _, colors) in NAMED.items():
        swatches = [click.style("   ", bg=_rgb(color)) for color in colors.split()]
        click.echo(f"{name:14} {''.join(swatches)} {colors}")


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def command_of(piece: Piece, *, origin: Sequence[Source] = (), replace: bool = False) -> click.Command:
    """The command that draws this piece: its options as flags, and what every piece has.

    origin: files that it is made from besides; replace: as if --overwrite were given.
    """

    def command(**params: Any) -> None:
        from artkit.interfaces.drawing.orders import generate_piece

        generate_piece(piece, {**params, "overwrite": params["overwrite"] or replace}, origin)

    for option in reversed(_common(piece)):
        command = option(command)
    if piece.lines:
        from artkit.generate.plotter import PaperOptions

        command = flags(PaperOptions, besides=piece.options)(command)
    command = flags(SaveOptions)(command)
    command = flags(piece.options)(command)
    command = click.option(
        "-o", "--output", type=FILE, metavar="WHERE", help=f"File, folder, template or -  [default: {DEFAULT}]"
    )(command)
    about = [piece.line + "."]
    if piece.loops:
        about.append("It loops: --frames 120 -o loop.mp4 comes around without a seam.")
    if piece.lines:
        about.append("It writes strokes for plotters: -o out.svg --paper a4.")
    about.append(
        "For a movie numbers may be ranges: 0.2..0.8, or 0.2..0.8..0.2 to come around. An output that exists is never "
        "replaced unless you say so."
    )
    return click.command(piece.name, help="\n\n".join(about))(command)


def _common(piece: Piece) -> list[Any]:
    source = click.option(
        "--from", "source", type=FILE, metavar="FILE", help="Photo or painting that the piece follows"
    )
    return [
        *([source] if piece.source else []),
        click.option(
            "--then",
            "then",
            multiple=True,
            metavar="STEP",
            help="What is done to it next: stylize:starry, stylize:painting.jpg,size=768, or a piece that follows it",
        ),
        click.option("--seeds", metavar="SEEDS", help="Several, a picture each: 0..99 or 1,5,9"),
        click.option("--sheet", is_flag=True, help="All of them on one contact sheet"),
        click.option(
            "--random", "chance", is_flag=True, help="Options that are not given are drawn at random, by seed"
        ),
        click.option("--frames", type=click.IntRange(2, 100_000), metavar="N", help="A movie of N frames"),
        click.option(
            "--fps", type=click.FloatRange(0, 1000, min_open=True), metavar="F", help="Frames a second  [default: 30]"
        ),
        click.option("--window", is_flag=True, help="Watch it grow in a window"),
        click.option("--overwrite", is_flag=True, help="Replace files that exist"),
        click.option("--no-metadata", is_flag=True, help="Leave the recipe out of the file"),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors"),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a finished file on stdout"),
    ]
