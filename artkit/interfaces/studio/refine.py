"""Refine: the optimizer paints on from the fast result, and can be watched and stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from artkit.contract import Source, WrongCall
from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.desk import QUIET, Clock, Desk, bar, line, picture_file, recover, sentences, waiting
from artkit.interfaces.studio.easel import Easel
from artkit.interfaces.studio.pictures import loss_plot, opened, pair
from artkit.interfaces.studio.settings import Settings
from artkit.interfaces.studio.widgets import read, widgets
from artkit.interfaces.studio.work import Look, Trail
from artkit.stylize import gallery
from artkit.stylize.options import OptimizeOptions

PLAIN = ("iterations", "content_weight", "style_scale")
MORE = ("style_loss", "content_loss", "tv_weight", "optimizer", "tolerance", "seed")


@dataclass
class Refining:
    """The widgets of the panel."""

    painting: gr.Image
    options: dict[str, Component]

    def wire(self, desk: Desk, settings: Settings, easel: Easel) -> None:
        """What the buttons below the result do."""

        def run(data: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
            yield from self._run(desk, settings, easel, data, request)

        inputs = settings.all | {easel.finished, self.painting, *self.options.values()}
        told = [easel.result, easel.news, easel.finished, easel.refine, easel.stop, easel.plot, easel.download]
        recover(easel.refine.click(run, inputs, told, **QUIET), easel.news, easel.refine, easel.stop)
        easel.stop.click(desk.stopper("refine"), None, None, queue=False, api_visibility="private")

    def _run(
        self, desk: Desk, settings: Settings, easel: Easel, data: dict[Any, Any], request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """Paint on from the picture that is there, to the end or until somebody stops it."""
        idle = {easel.stop: gr.Button(visible=False), easel.refine: gr.Button(visible=True)}
        file, kept = data[settings.photo], data[easel.finished]
        with sentences():
            if not file or kept is None:
                raise WrongCall("paint a photo first; refining goes on from there")
            yield {
                easel.stop: gr.Button(visible=True), easel.refine: gr.Button(visible=False),
                easel.news: bar("Getting ready", None), easel.plot: gr.HTML("", visible=True),
            }  # fmt: skip
            photo, look, start = opened(file), settings.look(data), kept.write("PNG", desk.folder)
            options, paintings = self._options(data, look, start), _paintings(look, data[self.painting])
            desk.allow(options.size)
            trail, clock, losses, last = Trail(), Clock(), [], None
            begun = desk.begin(
                request, "refine", lambda: studio.refine_steps(photo, paintings, options, look.masks, trail)
            )
            for update in begun:
                if update.image is None:
                    yield {easel.news: waiting(update)}
                    continue
                last = update
                losses.append(update.figures.get("loss", math.nan))
                share = update.done / update.total
                said = f"Refining, {share:.0%}{clock.left(update)} · {update.figures['size']:.0f} px"
                shown = gr.ImageSlider(pair(photo, update.image, options.size))
                yield {easel.news: bar(said, share), easel.plot: loss_plot(losses), easel.result: shown}
            if begun.replaced:
                yield {**idle, easel.plot: gr.HTML("", visible=False)}
            elif last is None or last.image is None:
                yield {**idle, easel.news: line("Stopped")}
            else:
                whole = last.done >= last.total
                values = options.model_dump(mode="json") | {"init": start.name}
                recipe = studio.recipe_of(
                    "stylize", values, Source.of("photo", file), trail.sources, options.recipe_method
                )
                name = f"{Path(file).stem}_{look.label}_refined"
                said = "Refined" if whole else f"Stopped at {last.done / last.total:.0%}: the picture so far"
                made = studio.keep(desk.folder, last.image, photo, name, recipe if whole else None)
                if begun.replaced:
                    yield idle
                    return
                desk.show(request, "easel", made)
                waits = gr.DownloadButton(interactive=False)  # until the new file is written
                told = line(said + _instead(paintings), "done")
                yield {**idle, easel.finished: made, easel.download: waits, easel.news: told}

    def _options(self, data: dict[Any, Any], look: Look, start: Path) -> OptimizeOptions:
        shared = {name: getattr(look.options, name) for name in ("size", "style_weight", "keep_color", "max_memory")}
        strength = 1.0 if look.options.strength is None else look.options.strength
        values = {name: data[part] for name, part in self.options.items()}
        return read(OptimizeOptions, values, **shared, strength=strength, init=str(start))


def refine_panel() -> Refining:
    """The folded settings."""
    with gr.Accordion("How Refine paints", open=False, elem_id="refining"):
        painting = picture_file(
            "Another picture to paint after", sources=["upload", "clipboard"], height=160,
            placeholder="Drop a picture (optional)",
        )  # fmt: skip
        with gr.Row():
            options = widgets(OptimizeOptions, *PLAIN)
        with gr.Accordion("More", open=False), gr.Row():
            options |= widgets(OptimizeOptions, *MORE)
    return Refining(painting, options)


def _paintings(look: Look, given: str | None) -> tuple[str, ...]:
    """What is painted after: the picture that was dropped, or what each style knows of its painting.

    A style that knows nothing has its preview, which is a photo in that style.
    """
    if look.options.fast:
        return look.styles
    if given and len(look.styles) == 1:
        return (given,)
    return tuple(map(_painting, look.styles))


def _painting(name: str) -> str:
    style = gallery.get(name)
    if style.moments:
        return name
    if style.preview is None:
        why = f": {gallery.OUTDATED}" if style.outdated else " has no picture to refine after"
        raise WrongCall(f'the style "{name}"{why}; drop its painting under "How Refine paints"')
    return str(style.preview)


def _instead(paintings: tuple[str, ...]) -> str:
    """What to add of styles whose previews were painted after because they are outdated."""
    styles = [style for style in gallery.installed()[0] if str(style.preview) in paintings]
    names = " and ".join(f'"{style.name}"' for style in styles if style.outdated)
    return f", after the preview of {names}: {gallery.OUTDATED}" if names else ""
