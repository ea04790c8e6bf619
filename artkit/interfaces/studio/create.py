"""The Create tab: every piece of the catalog, its widgets made from its options."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from artkit import catalog
from artkit.contract import Options, Source
from artkit.interfaces.outputs import SaveOptions
from artkit.interfaces.server.strangers import refuse_files
from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.desk import QUIET, Clock, Desk, bar, hero, line, picture_file, recover, sentences, waiting
from artkit.interfaces.studio.pictures import SHOWN, opened, small
from artkit.interfaces.studio.widgets import label, read, widget
from artkit.interfaces.studio.work import FORMATS, Finished

FIRST = ("size", "seed", "palette")  # what every piece has, on top
LAST = ("supersample", "max_memory")  # and what few will touch
SVG, MOVIE = "SVG", "Movie, MP4"
LOOK_UP = "(...given) => { if (innerWidth < 800) scrollTo({top: 0}); return given; }"  # on a phone: to the picture


def create_tab(desk: Desk) -> None:
    """Everything in the tab."""
    with gr.Row(elem_classes="studio drawing"):
        with gr.Column(scale=4, min_width=320, elem_classes="choose"):
            pieces = [*catalog.PIECES.values()]
            first = pieces[0]
            names = [(f"{label(piece.name)}: {piece.line}", piece.name) for piece in pieces]
            choice = gr.Dropdown(names, value=first.name, label="Piece", elem_id="piece")
            source = picture_file(
                _to_follow(first), sources=["upload", "clipboard"], height=150,
                visible=first.source, placeholder="Drop a picture",
            )  # fmt: skip
            settings = gr.Column()
        with gr.Column(scale=7, min_width=320, elem_classes="see"):
            empty = gr.HTML(hero("Draw something", "every seed is another picture"))
            canvas = gr.Image(
                show_label=False, format="jpeg", buttons=["fullscreen"], visible=False, interactive=False,
                elem_id="created",
            )  # fmt: skip
            news = gr.HTML(line(""), elem_id="create-news")
            with gr.Row(elem_classes="actions"):
                again = gr.Button("Another seed", elem_id="another", min_width=110)
                go = gr.Button("Draw", variant="primary", elem_id="draw", min_width=110)
                stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop-drawing", min_width=110)
                kind = gr.Dropdown([*FORMATS], value="PNG", show_label=False, container=False, label="File format")
                download = gr.DownloadButton(
                    "Download", variant="primary", interactive=False, elem_id="create-download"
                )
    finished = gr.State(None, time_to_live=3600, delete_callback=lambda kept: kept and kept.forget())
    drawn = gr.State(None)  # (piece, options, source) of what is finished, for SVG

    def buttons(*, drawing: bool) -> dict[Any, Any]:
        return {go: gr.Button(visible=not drawing), stop: gr.Button(visible=drawing)}

    def draw(name: str, values: dict[str, Any], file: str | None, request: gr.Request) -> Iterator[dict[Any, Any]]:
        from artkit.interfaces.drawing.making import Plan

        with sentences():
            piece = catalog.get(name)
            options = read(_model(desk, name), values)
            refuse_files(type(options), dict(options))
            desk.allow(max(options.size))
            origin = (Source.of("source", file),) if piece.source and file else ()
            picture, clock, last = opened(origin[0].path) if origin else None, Clock(), None
            yield {**buttons(drawing=True), news: bar("Getting ready", None)}
            begun = desk.begin(request, "create", lambda: piece.run(options, picture))
            for update in begun:
                if update.pixels is None:
                    yield {news: waiting(update)}
                    continue
                last = update
                desk.show(request, "create", None)
                said = f"Drawing, {update.done / update.total:.0%}{clock.left(update)}"
                yield {
                    news: bar(said, update.done / update.total), empty: gr.HTML(visible=False),
                    canvas: gr.Image(small(update.pixels, SHOWN), visible=True),
                    download: gr.DownloadButton(interactive=False),  # what it had is another picture
                }  # fmt: skip
            if begun.replaced:
                return
            if last is None or last.image is None or last.pixels is None:
                yield {news: line("Stopped"), **buttons(drawing=False)}
                return
            whole = last.done >= last.total
            plan = Plan(piece, SaveOptions.checked({}), origin=tuple(map(studio.bare, origin)))
            recipe = plan.recipe(options) if whole else None
            kept = studio.keep(desk.folder, last.image, None, f"{name}_{options.seed}", recipe)
            if begun.replaced:
                return
            height, width = last.image.shape[:2]
            desk.show(request, "create", kept)
            kinds = [*FORMATS, *([SVG] if piece.lines and whole else []), *([MOVIE] if piece.loops and whole else [])]
            yield {
                finished: kept, drawn: (name, options, file if origin else None), **buttons(drawing=False),
                kind: gr.Dropdown(kinds, value="PNG"), empty: gr.HTML(visible=False),
                canvas: gr.Image(small(last.pixels, SHOWN), visible=True),
                news: line(f"{label(name)}, seed {options.seed} · {width} × {height}", "done"),
                download: gr.DownloadButton(interactive=False),  # until the file is written
            }  # fmt: skip

    def file_of(kept: Finished | None, what: Any, wanted: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        if kept is None:
            yield {download: gr.DownloadButton(interactive=False)}
            return
        with sentences():
            if wanted == MOVIE:
                name, options, file = what
                yield from film(kept, name, options, file, request)
                return
            path = _svg(desk, kept, *what) if wanted == SVG else kept.write(wanted, desk.folder)
            current = desk.shows(request, "create", kept)  # or by now the page shows another, whose file is to come
            yield {download: gr.DownloadButton(value=str(path), interactive=True) if current else gr.skip()}

    def film(
        kept: Finished, name: str, options: Any, file: str | None, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """The piece once through its loop, in a file."""
        piece, target, clock = catalog.get(name), _place(desk) / f"{kept.name}.mp4", Clock()
        origin, picture = (Source.of("source", file),) if file else (), opened(file) if file else None
        yield {
            **buttons(drawing=True), news: bar("Getting ready", None), download: gr.DownloadButton(interactive=False),
        }  # fmt: skip
        begun = desk.begin(request, "create", lambda: studio.loop_steps(piece, options, picture, origin, target))
        for update in begun:
            if update.pixels is None:
                yield {news: waiting(update)}
                continue
            said = f"Frame {update.done} of {update.total}{clock.left(update)}"
            yield {
                news: bar(said, update.done / update.total),
                canvas: gr.Image(small(update.pixels, SHOWN), visible=True),
            }
        if begun.replaced:
            return
        made = target.exists()
        yield {
            **buttons(drawing=False), kind: MOVIE if made else "PNG",
            news: line(f"{target.name} is ready" if made else "Stopped; no movie is kept", "done"),
            download: gr.DownloadButton(
                value=str(target if made else kept.write("PNG", desk.folder)), interactive=True
            ),
        }  # fmt: skip

    told = [canvas, empty, news, go, stop, finished, drawn, kind, download]

    with settings:

        @gr.render(inputs=choice)
        def show(name: str) -> None:
            model = _model(desk, name)
            names = [field for field in model.model_fields if field not in FIRST + LAST]
            made = {field: _widget(model, field) for field in FIRST}
            with gr.Accordion("How it is drawn", open=True):
                made |= {field: _widget(model, field) for field in names}
            with gr.Accordion("Quality and memory", open=False):
                made |= {field: _widget(model, field) for field in LAST}

            def start(data: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
                yield from draw(name, {field: data[part] for field, part in made.items()}, data[source], request)

            inputs = {source, *made.values()}
            seeded = again.click(lambda: random.randrange(10_000), None, made["seed"], **QUIET)
            for event in (go.click, seeded.then):
                recover(event(start, inputs, told, js=LOOK_UP, trigger_mode="multiple", **QUIET), news, go, stop)

    def follow(name: str) -> gr.Image:
        piece = catalog.get(name)
        return gr.Image(None, visible=piece.source, label=_to_follow(piece))

    choice.input(follow, choice, source, **QUIET)
    stop.click(desk.stopper("create"), None, None, queue=False, api_visibility="private")
    for event in (finished.change, kind.input):
        recover(event(file_of, [finished, drawn, kind], told, **QUIET), news, go, stop)


def _to_follow(piece: catalog.Piece) -> str:
    return "A picture to follow" if piece.needs else "A picture to follow (optional)"


def _model(desk: Desk, name: str) -> Any:
    """The options of a piece; its module may bring MLX with it, which belongs to the engine's thread."""
    return desk.engine.call(lambda: catalog.get(name).options, urgent=True).result()


def _widget(model: type[Options], name: str) -> Any:
    default = model.model_fields[name].default
    if name != "palette":
        return widget(model, name, default)
    from artkit.generate.palettes import NAMED

    return gr.Dropdown(
        sorted(NAMED), value=default, allow_custom_value=True, interactive=True, label=label(name),
        info="A name, or colors: #264653,#e9c46a,#e76f51",
    )  # fmt: skip


def _place(desk: Desk) -> Path:
    """A new folder for a file."""
    place = desk.folder / secrets.token_hex(8)
    place.mkdir(parents=True)
    return place


def _svg(desk: Desk, kept: Finished, name: str, options: Any, file: str | None) -> Path:
    """The strokes of a finished piece in a file."""
    from artkit.generate.plotter import PaperOptions, save_drawing

    path, picture = _place(desk) / f"{kept.name}.svg", opened(file) if file else None
    drawing = desk.engine.call(lambda: catalog.get(name).draw(options, picture)).result()
    save_drawing(drawing, path, PaperOptions(), recipe=kept.recipe)
    return path
