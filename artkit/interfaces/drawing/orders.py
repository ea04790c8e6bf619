"""What `artkit generate` and `artkit sketch` do with their flags: seeds, chance, ranges, places, file after file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from artkit.catalog import Piece
from artkit.contract import Source, Step, WrongCall
from artkit.generate.canvas import SMALLEST, CanvasOptions, Size
from artkit.generate.chance import drawn
from artkit.generate.motion import as_field, split_ranges
from artkit.generate.motion import plan as motion_of
from artkit.generate.plotter import PaperOptions
from artkit.image import load
from artkit.interfaces.drawing.follow_up import parsed
from artkit.interfaces.drawing.making import Made, Plan, check, is_movie, make_picture
from artkit.interfaces.drawing.movies import Film, make_movie
from artkit.interfaces.drawing.sheets import CELL, make_sheet
from artkit.interfaces.forms import checked, given
from artkit.interfaces.generate_cli import DEFAULT
from artkit.interfaces.inputs import sources_of
from artkit.interfaces.outputs import STDOUT, SaveOptions, filled, make_folder
from artkit.interfaces.progress import progress

FRAMES, FPS = 120, 30.0


def generate_piece(piece: Piece, params: Mapping[str, Any], origin: Sequence[Source] = ()) -> None:
    """What the command of a piece does with the flags that were given. origin: files that it is made from besides."""
    model = piece.options
    values, stops = split_ranges(given(model, params))
    output, frames, fps = params["output"], params["frames"], params["fps"] or FPS
    seeds = seeds_of(params["seeds"]) if params["seeds"] else []
    if seeds and ("seed" in values or "seed" in stops):
        raise WrongCall("--seed and --seeds do not go together; give one of them")
    filming = bool(frames or stops) or (output is not None and is_movie(output))
    if filming and params["sheet"]:
        raise WrongCall("--sheet is a still picture; leave out --frames and ranges, or --sheet")
    if params["fps"] and not filming:
        raise WrongCall("--fps is for movies; give --frames too, or an output such as out.mp4")
    film = Film(motion_of(model, values, stops, piece.loops), frames or FRAMES, fps) if filming else None
    chosen = [_chosen(piece, values, stops, seed, params["chance"]) for seed in seeds or [None]]
    begin = {name: as_field(model, name, way[0]) for name, way in stops.items()}
    variants = [_checked(piece, {**each, **begin}) for each in chosen]
    for name, way in stops.items():
        for stop in way:
            _checked(piece, {**chosen[0], **begin, name: as_field(model, name, stop)})
    if params["sheet"] and "size" not in values:
        variants = [each.model_copy(update={"size": _small(each)}) for each in variants]
    targets = places(output, piece.name, variants, sheet=params["sheet"], movie=filming)
    if params["as_json"] and STDOUT in targets:
        raise WrongCall("--json and the picture cannot both go to stdout; give -o FILE")

    plan = _plan(piece, params, variants[0], origin)
    for target, options in zip(targets, variants, strict=False):
        check(target, plan, options, fps if filming else None)
    with _watching(params["window"], piece.name) as watch, progress(params["quiet"]) as shown:
        plan = replace(plan, shown=watch)

        def tell(made: Made) -> None:
            shown.say(made.line())
            if params["as_json"]:
                click.echo(json.dumps(made.as_json()))

        if params["sheet"]:
            tell(make_sheet(variants, targets[0], plan, shown))
            return
        for target, options, fixed in zip(targets, variants, chosen, strict=True):
            if film:
                tell(make_movie(film, fixed, target, plan, shown))
            else:
                tell(make_picture(options, target, plan, shown))


def _plan(piece: Piece, params: Mapping[str, Any], options: CanvasOptions, origin: Sequence[Source]) -> Plan:
    """The source opened, the styles of --then as well; PictureError, WeightsError, UnknownStyle."""
    source = params.get("source")
    paper = None
    if piece.lines:
        paper = checked(
            PaperOptions, {k: v for k, v in given(PaperOptions, params).items() if k not in piece.options.model_fields}
        )
    return Plan(
        piece,
        checked(SaveOptions, given(SaveOptions, params)),
        load(source) if source else None,
        (*origin, *(sources_of("photo", [source]) if source else ())),
        tuple(parsed(text, options.size, options.seed) for text in params["then"]),
        paper,
        params["overwrite"],
        not params["no_metadata"],
    )


def _watching(window: bool, title: str) -> AbstractContextManager[Callable[[Step], None]]:
    if window:
        from artkit.interfaces.drawing.window import GrowthWindow

        return GrowthWindow(title)
    return nullcontext(lambda step: None)


def _chosen(
    piece: Piece, values: Mapping[str, Any], stops: Mapping[str, Any], seed: int | None, chance: bool
) -> dict[str, Any]:
    """The options of one picture, as they were given or drawn."""
    fixed = dict(values) if seed is None else {**values, "seed": seed}
    if not chance:
        return fixed
    known = _checked(piece, {name: value for name, value in fixed.items() if name == "seed"})
    return {**drawn(piece.options, known.seed, {*fixed, *stops}), **fixed}


def _checked(piece: Piece, values: Mapping[str, Any]) -> CanvasOptions:
    return checked(piece.options, values)


def _small(options: CanvasOptions) -> Size:
    """The same proportions, twice a cell of a contact sheet along the longest edge."""
    scale = 2 * CELL / max(options.size)
    return Size(max(SMALLEST, round(options.width * scale)), max(SMALLEST, round(options.height * scale)))


def seeds_of(text: str) -> list[int]:
    """The numbers that a text means: "0..3" -> 0, 1, 2, 3; "1,5,9" as it is; both may be mixed, each counts once."""
    seeds: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", part)
        if not match:
            raise WrongCall(f"--seeds {text!r}: should be 0..99 or 1,5,9")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= 10_000 or last >= 2**32:
            raise WrongCall(f"--seeds {text!r}: should count upwards, at most 10,000 of them, below 2³²")
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def places(output: str | None, name: str, variants: Sequence[CanvasOptions], *, sheet: bool, movie: bool) -> list[Path]:
    """Where each picture goes; one place for a sheet. WrongCall when two would share a file."""
    usual = f"{name}_sheet.png" if sheet else DEFAULT.replace(".png", ".mp4") if movie else DEFAULT
    if output is not None and not output:
        raise WrongCall("-o is empty; give a file, a folder or - for stdout")
    if output == "-":
        if movie or (len(variants) > 1 and not sheet):
            raise WrongCall("-o - takes one still picture; give a file or a folder")
        return [STDOUT]
    if output is not None and output.endswith("/"):
        make_folder(output)
    template = usual if output is None else str(Path(output) / usual) if Path(output).is_dir() else output
    found: dict[str, int] = {}
    for n, options in enumerate(variants[:1] if sheet else variants, start=1):
        palette = re.sub(r"[^\w-]+", "-", Path(options.palette).stem).strip("-")
        values: dict[str, str | int] = {
            "name": name,
            "seed": options.seed,
            "palette": palette,
            "size": str(options.size),
        }
        place = filled(template, {**values, "n": n})
        if place in found:
            raise WrongCall(f"several pictures would all be written to {place}; use {{seed}} in -o, such as {usual!r}")
        found[place] = n
    if output is not None and "{" in output:
        for folder in sorted({Path(place).parent for place in found}):
            make_folder(folder)
    return [Path(place) for place in found]
