"""The Train tab: a style of one's own from one picture."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from artkit.contract import WrongCall
from artkit.interfaces.studio.desk import QUIET, Clock, Desk, bar, hero, line, picture_file, recover, sentences, waiting
from artkit.interfaces.studio.pictures import SAMPLES, loss_plot, opened
from artkit.interfaces.studio.styles import check_name
from artkit.interfaces.studio.widgets import read, widgets
from artkit.train.options import MineOptions

MINUTES = 10.0
PLAIN = ("content_weight",)
MORE = ("batch", "crop", "learning_rate", "style_size", "stability_weight", "seed")


def train_tab(desk: Desk) -> gr.State:
    """Everything in the tab; gives a state back that changes when the gallery has a new style."""
    learned, enough = gr.State(""), gr.State(None)
    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=4, min_width=320, elem_classes="choose"):
            painting = picture_file(
                "The picture to learn from", sources=["upload", "clipboard"], height=230, elem_id="teacher",
                placeholder="Drop a painting, a fabric, a page",
            )  # fmt: skip
            name = gr.Textbox(
                label="Name", placeholder="my-style", info="Small letters, digits and dashes", elem_id="new-name"
            )
            minutes = gr.Slider(
                1, 120, MINUTES, step=1, label="Minutes", info="Longer is better; half an hour is a lot"
            )
            with gr.Accordion("How it learns", open=False):
                options = widgets(MineOptions, *PLAIN) | widgets(MineOptions, *MORE)
            with gr.Row(elem_classes="actions"):
                start = gr.Button("Learn", variant="primary", elem_id="learn")
                stop = gr.Button("Stop and keep", variant="stop", visible=False, elem_id="learn-stop")
        with gr.Column(scale=7, min_width=320, elem_classes="see"):
            empty = gr.HTML(
                hero("A style of your own", "learned from one picture in some minutes;<br>then it is in the gallery")
            )
            shown = gr.Image(
                show_label=False, format="jpeg", buttons=[], visible=False, interactive=False, elem_id="sheet"
            )
            news = gr.HTML(line(""), elem_id="train-news")
            plot = gr.HTML(visible=False)

    def suggest(file: str | None, given: str) -> str:
        from artkit.interfaces.studio.learning import default_name

        return default_name(file) if file and not given else given

    def prepare(file: str | None, wanted: str) -> threading.Event:
        with sentences():
            if not file:
                raise WrongCall("drop a picture to learn from first")
            check_name(wanted)
            return threading.Event()

    def run(data: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        from artkit.interfaces.studio.learning import learn_steps

        with sentences():
            wanted, picture, signal = data[name], opened(data[painting]), data[enough]
            values = {field: data[part] for field, part in options.items()}
            settings = read(MineOptions, values, minutes=data[minutes])
            photos = sorted(SAMPLES.glob("*.jpg"))[:3]
            clock, losses, last = Clock(), [], None
            begun = desk.begin(request, "train", lambda: learn_steps(picture, wanted, settings, photos, signal))
            yield {start: gr.Button(visible=False), stop: gr.Button(visible=True), news: bar("Getting ready", None)}
            for update in begun:
                if update.pixels is None:
                    yield {news: waiting(update)}
                    continue
                last, share = update, update.done / update.total
                losses.append(update.figures.get("style", math.nan))
                said = f"Learning, step {update.figures['step']:.0f}{clock.left(update)}"
                yield {
                    news: bar(said, share), empty: gr.HTML(visible=False), shown: gr.Image(update.pixels, visible=True),
                    plot: gr.HTML(loss_plot(losses), visible=True),
                }  # fmt: skip
            idle = {start: gr.Button(visible=True), stop: gr.Button(visible=False)}
            if last is None or last.done < last.total:
                yield {**idle, news: line("Stopped")}
            else:
                yield {**idle, learned: wanted, name: "", news: line(f'"{wanted}" is in the gallery now', "done")}

    told = [start, stop, news, empty, shown, plot, learned, name]
    inputs = {painting, name, minutes, enough, *options.values()}
    painting.upload(suggest, [painting, name], name, **QUIET)
    recover(
        start.click(prepare, [painting, name], enough, **QUIET).success(run, inputs, told, **QUIET), news, start, stop
    )
    stop.click(lambda signal: signal and signal.set(), enough, None, queue=False, api_visibility="private")
    return learned
