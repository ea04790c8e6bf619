"""The Stylize tab: a photo, a style, the result at once; everything else is folded away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from artkit.contract import Source, WrongCall
from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.desk import QUIET, Desk, bar, line, picture_file, recover, sentences, waiting
from artkit.interfaces.studio.easel import Easel, easel_panel
from artkit.interfaces.studio.endpoint import stylize_endpoint
from artkit.interfaces.studio.pictures import SAMPLES, opened, pair
from artkit.interfaces.studio.refine import refine_panel
from artkit.interfaces.studio.regions import masks_of, regions_panel
from artkit.interfaces.studio.settings import DIALS, Settings, own_values
from artkit.interfaces.studio.sheet import sheet_panel
from artkit.interfaces.studio.styles import first, picker, read_picks
from artkit.interfaces.studio.widgets import widget
from artkit.interfaces.studio.work import Finished, Trail
from artkit.stylize.options import RestyleOptions

QUICK = 1280  # longest edge up to which painting takes its turn between the steps of others' jobs, pixels
PRINTS = {"Screen": 1024, "Large": 2048, "A4 print": 3508, "A3 print": 4961}  # prints: 300 dots an inch


def stylize_tab(desk: Desk) -> gr.HTML:
    """Everything in the tab, and what happens when it is touched; gives its tiles back."""
    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=4, min_width=320, elem_classes="choose"):
            photo, styles, painting = _choose()
        with gr.Column(scale=7, min_width=320, elem_classes="see"):
            easel = easel_panel()
            start = own_values(first()[0][0] if first() else "", RestyleOptions().size)
            with gr.Row(elem_classes="dials"):
                dials = {name: widget(RestyleOptions, name, start[name], help=False) for name in DIALS}
                color = widget(RestyleOptions, "keep_color", "off", help=False)
            with gr.Accordion("Size", open=False, elem_id="sizes"), gr.Row():
                presets = gr.Radio(list(PRINTS), value="Screen", label="Made for", scale=2)
                size = widget(RestyleOptions, "size", RestyleOptions().size)
                plan = widget(RestyleOptions, "plan", "auto")
            regions = regions_panel(photo, styles)
            refining = refine_panel()
            sheet_panel(desk, photo, styles)
            with gr.Accordion("Settings from a finished picture", open=False, elem_id="recall"):
                recall = gr.File(
                    label="A picture saved by artkit knows how it was made", height=150, elem_id="recipe",
                    file_types=["image"],
                )  # fmt: skip
    others = {"keep_color": color, "size": size, "plan": plan}
    settings = Settings(photo, styles, painting, dials, others, regions, gr.State(start))

    def paint(data: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from _paint(desk, settings, easel, data, request)

    def paint_again(data: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from paint(data, request) if data[photo] else [gr.skip()]

    told = {*settings.dials.values(), settings.own, *vars(easel).values()} - {easel.kind, easel.stop}

    def paints(event: Callable[..., Any], work: Callable[..., Any] = paint) -> None:
        recover(event(work, settings.all, told, trigger_mode="multiple", **QUIET), easel.news)

    dialed = [dial.release for dial in dials.values()]
    paints(partial(gr.on, [photo.change, color.input, size.submit, plan.input, *dialed]))
    # A style of the gallery or a painting: each takes the other's place, in the browser, before anything is painted.
    for event, other, value in (
        (styles.input, painting, None), (painting.upload, styles, []), (painting.clear, styles, first()),
    ):  # fmt: skip
        paints(event(None, None, other, js=f"() => [{json.dumps(value)}]", trigger_mode="multiple", **QUIET).then)
    paints(presets.input(PRINTS.get, presets, size, **QUIET).then)
    size.change(lambda edge: next((name for name in PRINTS if PRINTS[name] == edge), None), size, presets, **QUIET)

    def take_regions(drawn: Any, file: str | None, picks: Any) -> tuple[str, ...]:
        with sentences():
            if not file:
                raise WrongCall("drop a photo first")
            return masks_of(drawn, len(read_picks(picks)), opened(file), desk.folder)

    paints(regions.apply.click(take_regions, [regions.canvas, photo, styles], regions.masks, **QUIET).success)
    paints(regions.clear.click(lambda: (), None, regions.masks, **QUIET).then)

    def bring_back(file: str) -> dict[Any, Any]:
        with sentences():
            said = f"The settings of {Path(file).name} are back; drop its photo to see it again"
            return {**settings.restore(file), recall: None, easel.news: line(said, "done")}

    back = [styles, painting, settings.own, recall, easel.news, *others.values(), *dials.values()]
    paints(recall.upload(bring_back, recall, back, **QUIET).success, paint_again)

    def file_of(kept: Finished | None, wanted: str, request: gr.Request) -> Any:
        if kept is None:
            return gr.DownloadButton(interactive=False)
        with sentences():
            path = kept.write(wanted, desk.folder)
        if not desk.shows(request, "easel", kept):
            return gr.skip()  # by now the page shows another picture, or soon will
        return gr.DownloadButton(value=str(path), interactive=True)

    for event in (easel.finished.change, easel.kind.change):
        event(file_of, [easel.finished, easel.kind], easel.download, **QUIET)
    refining.wire(desk, settings, easel)
    stylize_endpoint(desk)
    return styles


def _choose() -> tuple[gr.Image, gr.HTML, gr.Image]:
    """The left side: photo, styles, a picture as the style."""
    photo = picture_file(
        "Photo", sources=["upload", "clipboard", "webcam"], height=230, elem_id="photo",
        placeholder="Drop a photo here\nor click to choose one",
    )  # fmt: skip
    if samples := sorted(SAMPLES.glob("*.jpg")):
        gr.Examples([[str(path)] for path in samples], photo, label="or try one of these", elem_id="samples")
    styles = picker(elem_id="styles")
    with gr.Accordion("Any picture as the style", open=False, elem_id="any"):
        painting = picture_file(
            "A painting, a pattern, a fabric", sources=["upload", "clipboard"], height=160, elem_id="painting",
            placeholder="Drop a picture",
        )  # fmt: skip
    return photo, styles, painting


def _paint(
    desk: Desk, settings: Settings, easel: Easel, data: dict[Any, Any], request: gr.Request
) -> Iterator[dict[Any, Any]]:
    """The photo in its look: a first sight of it, then all of it."""
    file = data[settings.photo]
    desk.replace(request, "refine")
    if not file:
        desk.replace(request, "paint")
        desk.show(request, "easel", None)
        yield {
            easel.result: gr.ImageSlider(None, visible=False), easel.empty: gr.HTML(visible=True),
            easel.news: line(""), easel.finished: None, easel.refine: gr.Button(interactive=False),
        }  # fmt: skip
        return
    with sentences():
        photo, source, look = opened(file), Source.of("photo", file), settings.look(data)
        if not look.styles:
            yield {easel.news: line("Pick a style")}
            return
        desk.allow(look.options.size)
        begun, trail, size = time.monotonic(), Trail(), look.options.size
        desk.show(request, "easel", None)
        yield {
            easel.news: bar(f"Painting {look.title}", None),
            easel.plot: gr.HTML("", visible=False),
            easel.download: gr.DownloadButton(interactive=False),  # what it had is another picture
            easel.refine: gr.Button(interactive=False),
            **settings.follow(data, look),
        }
        run = desk.begin(request, "paint", lambda: studio.look_steps(photo, look, trail), quick=size <= QUICK)
        for update in run:
            if update.image is None:
                if update.position:
                    yield {easel.news: waiting(update)}
                continue
            shown = gr.ImageSlider(pair(photo, update.image, size), visible=True)
            if update.done < update.total:
                said = bar(f"A first look; now {size} pixels", None)
                yield {easel.result: shown, easel.empty: gr.HTML(visible=False), easel.news: said}
                continue
            recipe = studio.recipe_of(
                "restyle", look.options.model_dump(mode="json"), source, trail.sources, look.options.recipe_method
            )
            height, width = update.image.shape[:2]
            said = f"{look.title} · {width} × {height} · {time.monotonic() - begun:.1f} s"
            made = studio.keep(desk.folder, update.image, photo, f"{Path(file).stem}_{look.label}", recipe)
            if run.replaced:
                return
            desk.show(request, "easel", made)
            yield {
                easel.result: shown, easel.empty: gr.HTML(visible=False), easel.news: line(said, "done"),
                easel.refine: gr.Button(interactive=True), easel.finished: made,
                easel.download: gr.DownloadButton(interactive=False),  # until the file is written
            }  # fmt: skip
