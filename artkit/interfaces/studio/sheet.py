"""One photo in several styles and strengths, as a table to choose from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import gradio as gr

from artkit.contract import WrongCall
from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.desk import QUIET, Clock, Desk, bar, line, recover, sentences, waiting
from artkit.interfaces.studio.pictures import opened
from artkit.interfaces.studio.styles import read_picks
from artkit.stylize import gallery

MOST = 48  # pictures on a sheet
EDGE = 384  # longest edge of each, pixels


def sheet_panel(desk: Desk, photo: gr.Image, styles: gr.HTML) -> None:
    """The folded panel: which styles, how strong, and the sheet."""
    with gr.Accordion("Compare styles and strengths", open=False, elem_id="compare") as fold:
        with gr.Row():
            chosen = gr.Dropdown(_titles(), value=[], multiselect=True, label="Styles", scale=3)
            strengths = gr.Textbox("0.4, 0.7, 1", label="Strengths", scale=1, min_width=120)
        with gr.Row():
            make = gr.Button("Make the sheet", elem_id="make-sheet")
            stop = gr.Button("Stop", variant="stop", visible=False)
        news = gr.HTML(line(""))
        sheet = gr.Image(
            show_label=False, format="jpeg", buttons=["download", "fullscreen"], visible=False, elem_id="sheet",
            interactive=False,
        )  # fmt: skip

    def run(file: str | None, names: list[str], text: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        with sentences():
            if not file:
                raise WrongCall("drop a photo first")
            wanted = _strengths(text)
            if not names or len(names) * len(wanted) > MOST:
                raise WrongCall(f"choose some styles, with {MOST} pictures on the sheet at most")
            picture, clock = opened(file), Clock()
            begun = desk.begin(request, "sheet", lambda: studio.grid_steps(picture, names, wanted, EDGE))
            yield {stop: gr.Button(visible=True), make: gr.Button(visible=False)}
            for update in begun:
                if update.pixels is None:
                    yield {news: waiting(update)}
                    continue
                said = f"{update.done} of {update.total} pictures{clock.left(update)}"
                yield {news: bar(said, update.done / update.total), sheet: gr.Image(update.pixels, visible=True)}
            yield {news: line("Stopped" if begun.stopped else ""), **_idle(stop, make)}

    recover(make.click(run, [photo, chosen, strengths], [news, sheet, stop, make], **QUIET), news, make, stop)
    stop.click(desk.stopper("sheet"), None, None, queue=False, api_visibility="private")
    fold.expand(lambda value: gr.Dropdown(_titles(), value=_some(value)), styles, chosen, **QUIET)


def _idle(stop: gr.Button, make: gr.Button) -> dict[Any, Any]:
    return {stop: gr.Button(visible=False), make: gr.Button(visible=True)}


def _titles() -> list[tuple[str, str]]:
    return [(style.manifest.title, style.name) for style in gallery.installed()[0]]


def _some(value: Any) -> list[str]:
    """What is picked, and some others beside it."""
    picks, names = list(read_picks(value)), gallery.names()
    others = [name for name in names[:: max(1, len(names) // 4)] if name not in picks]
    return (picks + others)[:4]


def _strengths(text: str) -> list[float]:
    try:
        found = [float(word) for word in re.split(r"[,\s]+", text) if word]
    except ValueError:
        raise WrongCall(f'strengths "{text}": should be numbers from 0 to 1, such as 0.4, 0.7, 1') from None
    if not found or not all(0 <= strength <= 1 for strength in found):
        raise WrongCall(f'strengths "{text}": should be numbers from 0 to 1, such as 0.4, 0.7, 1')
    return found
