"""Regions painted on the photo: a color for each style, and the photo as it is where nothing is painted."""

from __future__ import annotations

import html
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from artkit.contract import WrongCall
from artkit.image import Picture, fit
from artkit.interfaces.studio.desk import QUIET, sentences
from artkit.interfaces.studio.pictures import levels, opened
from artkit.interfaces.studio.styles import read_picks
from artkit.stylize import gallery

EDGE = 800  # longest edge of the photo on the canvas, pixels
COLORS = ("#e5484d", "#3b82f6", "#30a46c", "#f5b50a", "#a855f7", "#06b6d4")
NAMES = ("Red", "Blue", "Green", "Yellow", "Violet", "Cyan")


class Regions(NamedTuple):
    """The widgets. masks: files, one a style, of the regions that are used; none while the whole picture is painted."""

    canvas: gr.ImageEditor
    masks: gr.State
    apply: gr.Button
    clear: gr.Button


def regions_panel(photo: gr.Image, styles: gr.HTML) -> Regions:
    """The folded canvas; it takes up the photo when it is opened."""
    masks = gr.State(())
    with gr.Accordion("Regions", open=False, elem_id="regions") as fold:
        legend = gr.HTML(_legend([]), elem_id="legend")
        canvas = gr.ImageEditor(
            label="Paint where each style goes", show_label=False, type="numpy", sources=(), transforms=(),
            layers=False,
            brush=gr.Brush(default_size=60, colors=list(COLORS), default_color=COLORS[0], color_mode="fixed"),
            eraser=gr.Eraser(default_size=60), canvas_size=(EDGE, EDGE // 2), buttons=[], elem_id="canvas",
        )  # fmt: skip
        with gr.Row():
            apply = gr.Button("Use these regions", elem_id="apply-regions")
            clear = gr.Button("Whole picture again", elem_id="clear-regions")

    unfolded = gr.State(False)

    def fresh(file: str | None, looked_at: bool) -> Any:
        if not (file and looked_at):
            return None, ()
        with sentences():
            pixels = levels(opened(file).resized(EDGE).pixels)
            return {"background": pixels, "layers": [], "composite": pixels}, ()

    def legend_of(picks: Any) -> str:
        return _legend(list(read_picks(picks)))

    fold.expand(lambda: True, None, unfolded, **QUIET)
    fold.collapse(lambda: False, None, unfolded, **QUIET)
    fold.expand(lambda file: fresh(file, True), photo, [canvas, masks], **QUIET)
    photo.change(fresh, [photo, unfolded], [canvas, masks], **QUIET)
    gr.on([fold.expand, styles.change], legend_of, styles, legend, **QUIET)
    return Regions(canvas, masks, apply, clear)


def masks_of(drawn: Any, styles: int, photo: Picture, folder: Path) -> tuple[str, ...]:
    """Gray mask files, one a style, from what was painted; WrongCall: nothing was, or too many styles are picked."""
    if styles > len(COLORS):
        raise WrongCall(f"regions take {len(COLORS)} styles at most; leave some out")
    layers = (drawn or {}).get("layers") or []
    height, width = fit(photo.height, photo.width, EDGE)
    painted = np.zeros((height, width, 4), np.uint8)
    for layer in layers:
        resized = np.asarray(Image.fromarray(layer).convert("RGBA").resize((width, height)))
        painted = np.where(resized[..., 3:] > painted[..., 3:], resized, painted)
    if not painted[..., 3].any():
        raise WrongCall("nothing is painted yet; open Regions and paint where the style goes")
    palette = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in COLORS[:styles]], np.float32)
    nearest = np.square(painted[..., None, :3].astype(np.float32) - palette).sum(axis=-1).argmin(axis=-1)
    masks = [np.where(nearest == number, painted[..., 3], 0) for number in range(styles)]
    for number, mask in enumerate(masks):
        if not mask.any():
            raise WrongCall(f"nothing is painted in {NAMES[number].lower()}, the color of style {number + 1}")
    return tuple(_write(mask.astype(np.uint8), number, folder) for number, mask in enumerate(masks, start=1))


def _write(mask: np.ndarray, number: int, folder: Path) -> str:
    place = folder / secrets.token_hex(8)
    place.mkdir(parents=True)
    Image.fromarray(mask).save(place / f"mask-{number}.png")
    return str(place / f"mask-{number}.png")


def _legend(names: Sequence[str]) -> str:
    """Which color is which style's."""
    shown = list(zip(NAMES, COLORS, names, strict=False))
    parts = [
        f'<span><i style="background:{color}"></i>{said}: {html.escape(gallery.get(name).manifest.title)}</span>'
        for said, color, name in shown
    ]
    more = "" if len(names) > 1 else " Mix in another style to give it the next color."
    return f'<div class="legend">{"".join(parts)}<p>Where nothing is painted, the photo stays.{more}</p></div>'
