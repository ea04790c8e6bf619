"""The Stylize tab: a photo, a style, the result at once; everything else is folded away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from artkit.contract import Source, WrongCall
from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.desk import QUIET, Desk, bar, hero, line, picture_file, sentences, waiting
from artkit.interfaces.studio.pictures import SAMPLES, opened, pair
from artkit.interfaces.studio.refine import refine_panel
from artkit.interfaces.studio.regions import Regions, masks_of, regions_panel
from artkit.interfaces.studio.sheet import sheet_panel
from artkit.interfaces.studio.styles import first, picker, read_picks
from artkit.interfaces.studio.widgets import read, widget
from artkit.interfaces.studio.work import FORMATS, Finished, Look, Trail
from artkit.stylize import gallery
from artkit.stylize.feedforward import as_used
from artkit.stylize.manifest import Manifest
from artkit.stylize.options import RestyleOptions
from artkit.stylize.predicting import TEXTURE

QUICK = 1280  # longest edge up to which painting takes its turn between the steps of others' jobs, pixels
DIALS = ("strength", "stroke", "texture")  # what every style has a value of its own for
PRINTS = {"Screen": 1024, "Large": 2048, "A4 print": 3508, "A3 print": 4961}  # prints: 300 dots an inch


@dataclass
class Settings:
    """The widgets that say what the photo is to look like. own: what the style itself has the dials at."""

    photo: gr.Image
    styles: gr.HTML
    painting: gr.Image
    dials: dict[str, Any]
    others: dict[str, Any]
    regions: Regions
    own: gr.State

    @property
    def all(self) -> set[Any]:
        """Every one of them, as inputs of an event."""
        parts = (self.photo, self.styles, self.painting, self.regions.masks, self.own)
        return {*parts, *self.dials.values(), *self.others.values()}

    def look(self, data: dict[Any, Any]) -> Look:
        """What they ask for; a dial that stands where the style itself has it is left to the style."""
        values = {name: data[part] for name, part in self.others.items()}
        values |= {name: data[dial] for name, dial in self.dials.items() if data[dial] != data[self.own].get(name)}
        if data[self.painting]:
            return Look((data[self.painting],), read(RestyleOptions, values | {"plan": "auto"}, fast=True))
        picks = read_picks(data[self.styles])
        weights = tuple(picks.values()) if len(picks) > 1 else ()
        masks = data[self.regions.masks]
        return Look(
            tuple(picks),
            read(RestyleOptions, values, style_weight=weights),
            masks if len(masks) == len(picks) else (),  # a style more or less: the regions are of others
        )

    def follow(self, data: dict[Any, Any], look: Look) -> dict[Any, Any]:
        """Dials that nobody has touched move to where the style itself has them."""
        usual, before = own_values("" if look.options.fast else look.styles[0], look.options.size), data[self.own]
        untouched = [name for name in DIALS if data[self.dials[name]] == before.get(name)]
        return {self.own: usual, **{self.dials[name]: usual[name] for name in untouched}}


@dataclass
class Easel:
    """Where the result is shown and taken away."""

    empty: gr.HTML
    result: gr.ImageSlider
    news: gr.HTML
    plot: gr.HTML
    refine: gr.Button
    stop: gr.Button
    kind: gr.Dropdown
    download: gr.DownloadButton
    finished: gr.State


def stylize_tab(desk: Desk) -> gr.HTML:
    """Everything in the tab, and what happens when it is touched; gives its tiles back."""
    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=4, min_width=320, elem_classes="choose"):
            photo, styles, painting = _choose()
        with gr.Column(scale=7, min_width=320, elem_classes="see"):
            easel = _easel()
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
                    label="A picture saved by artkit knows how it was made", height=110, elem_id="recipe",
                    file_types=["image"],
                )  # fmt: skip
    others = {"keep_color": color, "size": size, "plan": plan}
    settings = Settings(photo, styles, painting, dials, others, regions, gr.State(start))

    def paint(data: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from _paint(desk, settings, easel, data, request)

    def bring_back(file: str | None) -> dict[Any, Any]:
        return _bring_back(file, settings, easel.news)

    told = {*settings.dials.values(), settings.own, *vars(easel).values()} - {easel.kind, easel.stop}
    touched: list[Any] = [
        photo.change,
        color.input,
        size.submit,
        plan.input,
        *(dial.release for dial in dials.values()),
    ]
    gr.on(touched, paint, settings.all, told, trigger_mode="multiple", **QUIET)
    # A style of the gallery or a painting: each takes the other's place, in the browser, before anything is painted.
    for event, other, value in (
        (styles.input, painting, None), (painting.upload, styles, []), (painting.clear, styles, first()),
    ):  # fmt: skip
        chosen = event(None, None, other, js=f"() => [{json.dumps(value)}]", trigger_mode="multiple", **QUIET)
        chosen.then(paint, settings.all, told, trigger_mode="multiple", **QUIET)
    presets.input(PRINTS.get, presets, size, **QUIET).then(paint, settings.all, told, **QUIET)

    def take_regions(drawn: Any, file: str | None, picks: Any) -> tuple[str, ...]:
        with sentences():
            if not file:
                raise WrongCall("drop a photo first")
            return masks_of(drawn, len(read_picks(picks)), opened(file), desk.folder)

    taken = regions.apply.click(take_regions, [regions.canvas, photo, styles], regions.masks, **QUIET)
    taken.success(paint, settings.all, told, **QUIET)
    regions.clear.click(lambda: (), None, regions.masks, **QUIET).then(paint, settings.all, told, **QUIET)
    back = [styles, painting, settings.own, easel.news, *others.values(), *dials.values()]
    recall.upload(bring_back, recall, back, **QUIET).success(paint, settings.all, told, **QUIET)

    def file_of(kept: Finished | None, wanted: str) -> Any:
        if kept is None:
            return gr.DownloadButton(interactive=False)
        with sentences():
            return gr.DownloadButton(value=str(kept.write(wanted, desk.folder)), interactive=True)

    for event in (easel.finished.change, easel.kind.change):
        event(file_of, [easel.finished, easel.kind], easel.download, **QUIET)
    refining.wire(desk, settings, easel)
    stylize_endpoint(desk)
    return styles


def stylize_endpoint(desk: Desk) -> None:
    """`/stylize` for gradio_client: photo, style (a name, or "" with a painting), painting, options -> a PNG."""
    photo, painting, made = gr.File(visible=False), gr.File(visible=False), gr.File(visible=False)
    style, options, button = gr.Textbox(visible=False), gr.JSON(visible=False), gr.Button(visible=False)

    def stylize(
        photo: str, style: str, painting: str | None, options: dict[str, Any] | None, request: gr.Request
    ) -> str:
        with sentences():
            given = dict(options or {})
            look = Look((painting,) if painting else (style,), read(RestyleOptions, given, fast=bool(painting)))
            desk.allow(look.options.size)
            if not painting:
                gallery.get(style)
            picture, source, trail = opened(photo), Source.of("photo", photo), Trail()
            run = desk.begin(
                request, "endpoint", lambda: studio.look_steps(picture, look, trail, preview=look.options.size)
            )
            *_, last = (update.image for update in run)
            assert last is not None, "a job ends with a picture"
            recipe = studio.recipe_of("restyle", look.options.model_dump(mode="json"), source, trail.sources)
            kept = studio.keep(desk.folder, last, picture, f"{Path(photo).stem}_{look.label}", recipe)
            return str(kept.write("PNG", desk.folder))

    button.click(stylize, [photo, style, painting, options], made, api_name="stylize", concurrency_limit=None)


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


def _easel() -> Easel:
    """The result and the buttons below it."""
    empty = gr.HTML(hero("Drop a photo", "and see it as a painting,<br>on your own machine"), elem_id="empty")
    result = gr.ImageSlider(
        label="Before and after", show_label=False, format="jpeg", type="filepath", buttons=["fullscreen"],
        max_height=640, interactive=False, visible=False, elem_id="result",
    )  # fmt: skip
    news = gr.HTML(line(""), elem_id="news")
    plot = gr.HTML(visible=False, elem_id="losses")
    with gr.Row(elem_classes="actions"):
        refine = gr.Button("Refine", elem_id="refine", interactive=False, min_width=110)
        stop = gr.Button("Stop", elem_id="stop", variant="stop", visible=False, min_width=110)
        kind = gr.Dropdown(
            list(FORMATS), value="PNG", label="File format", show_label=False, container=False, min_width=120,
            elem_id="format",
        )  # fmt: skip
        download = gr.DownloadButton(
            "Download", variant="primary", elem_id="download", interactive=False, min_width=140
        )
    finished = gr.State(None, time_to_live=3600, delete_callback=lambda kept: kept and kept.forget())
    return Easel(empty, result, news, plot, refine, stop, kind, download, finished)


def _paint(
    desk: Desk, settings: Settings, easel: Easel, data: dict[Any, Any], request: gr.Request
) -> Iterator[dict[Any, Any]]:
    """The photo in its look: a first sight of it, then all of it."""
    file = data[settings.photo]
    desk.replace(request, "refine")
    if not file:
        desk.replace(request, "paint")
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
        yield {
            easel.news: bar(f"Painting {look.title}", None),
            easel.plot: gr.HTML("", visible=False),
            easel.download: gr.DownloadButton(interactive=False),  # what it had is another picture
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
            recipe = studio.recipe_of("restyle", look.options.model_dump(mode="json"), source, trail.sources)
            height, width = update.image.shape[:2]
            said = f"{look.title} · {width} × {height} · {time.monotonic() - begun:.1f} s"
            yield {
                easel.result: shown, easel.empty: gr.HTML(visible=False), easel.news: line(said, "done"),
                easel.refine: gr.Button(interactive=True),
                easel.finished: studio.keep(
                    desk.folder, update.image, photo, f"{Path(file).stem}_{look.label}", recipe
                ),
            }  # fmt: skip


def _bring_back(file: str | None, settings: Settings, news: gr.HTML) -> dict[Any, Any]:
    """The settings of a finished picture, on the widgets."""
    if not file:
        return {news: line("")}
    with sentences():
        names, options = studio.settings_of(file)
        weights = options.style_weight or (1.0,) * len(names)
        usual = own_values(names[0], options.size)
        given = {name: getattr(options, name) for name in DIALS if getattr(options, name) is not None}
        return {
            settings.styles: [[name, weight / max(weights)] for name, weight in zip(names, weights, strict=True)],
            settings.painting: None,
            settings.own: usual,
            **{settings.dials[name]: value for name, value in (usual | given).items()},
            **{part: getattr(options, name) for name, part in settings.others.items()},
            news: line(f"The settings of {Path(file).name} are back; drop its photo to see it again", "done"),
        }


def own_values(name: str, size: int) -> dict[str, float]:
    """What a style of the gallery (no name: any picture) has the dials at, in a picture of this size."""
    manifest = gallery.get(name).manifest if name else Manifest(title="any picture", texture=TEXTURE)
    used = as_used(manifest, RestyleOptions(size=size))
    return {"strength": used.strength, "stroke": round(used.stroke, 2), "texture": used.texture}
