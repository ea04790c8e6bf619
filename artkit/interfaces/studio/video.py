"""The Video tab: a clip in, the clip in a style out, with its sound."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from artkit.contract import WrongCall
from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.desk import QUIET, Clock, Desk, bar, hero, line, recover, sentences, waiting
from artkit.interfaces.studio.pictures import SHOWN, small
from artkit.interfaces.studio.styles import picker, read_picks
from artkit.interfaces.studio.widgets import read, widget
from artkit.live.options import LiveOptions

EDGE = 640  # longest edge at first, pixels


def video_tab(desk: Desk) -> gr.HTML:
    """Everything in the tab; gives its tiles back."""
    with gr.Row(elem_classes="studio"):
        with gr.Column(scale=4, min_width=320, elem_classes="choose"):
            clip = gr.Video(
                label="Clip", sources=["upload", "webcam"], height=260, elem_id="clip", buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
            )  # fmt: skip
            styles = picker(elem_id="video-styles")
        with gr.Column(scale=7, min_width=320, elem_classes="see"):
            empty = gr.HTML(hero("Drop a clip", "and get it back painted, with its sound"))
            frame = gr.Image(show_label=False, format="jpeg", buttons=[], visible=False, interactive=False, height=480)
            film = gr.Video(show_label=False, buttons=[], visible=False, interactive=False, elem_id="film", height=480)
            news = gr.HTML(line(""), elem_id="video-news")
            with gr.Row(elem_classes="actions"):
                start = gr.Button("Paint the clip", variant="primary", elem_id="paint-clip")
                stop = gr.Button("Stop", variant="stop", visible=False)
                download = gr.DownloadButton("Download", variant="primary", visible=False, elem_id="video-download")
            with gr.Row(elem_classes="dials"):
                options = {
                    "strength": widget(LiveOptions, "strength", 1.0, help=False),
                    "smoothing": widget(LiveOptions, "smoothing", LiveOptions().smoothing, help=False),
                    "size": widget(LiveOptions, "size", EDGE, help=False),
                    "plan": widget(LiveOptions, "plan", "full", help=False),
                }

    def run(data: dict[Any, Any], request: gr.Request) -> Iterator[dict[Any, Any]]:
        idle = {start: gr.Button(visible=True), stop: gr.Button(visible=False)}
        with sentences():
            if not data[clip]:
                raise WrongCall("drop a clip first")
            picks = read_picks(data[styles])
            if not picks:
                raise WrongCall("pick a style first")
            weights = tuple(picks.values()) if len(picks) > 1 else ()
            values = {name: data[part] for name, part in options.items()}
            wanted, source = read(LiveOptions, values, style_weight=weights), Path(data[clip])
            desk.allow(wanted.size)
            place = desk.folder / secrets.token_hex(8)
            place.mkdir(parents=True)
            target, clock = place / f"{source.stem}_{'+'.join(picks)}.mp4", Clock()
            begun = desk.begin(request, "video", lambda: studio.film_steps(source, list(picks), wanted, target))
            yield {
                start: gr.Button(visible=False), stop: gr.Button(visible=True), news: bar("Getting ready", None),
                download: gr.DownloadButton(visible=False),
            }  # fmt: skip
            for update in begun:
                if update.pixels is None:
                    yield {news: waiting(update)}
                    continue
                said = f"Frame {update.done} of {max(update.total - 1, update.done)}{clock.left(update)}"
                yield {
                    news: bar(said, update.done / update.total), empty: gr.HTML(visible=False),
                    film: gr.Video(visible=False), frame: gr.Image(small(update.pixels, SHOWN), visible=True),
                }  # fmt: skip
            if begun.stopped or not target.exists():
                yield {**idle, news: line("Stopped; nothing is kept")}
                return
            yield {
                **idle, news: line(f"{target.name} is ready", "done"), frame: gr.Image(visible=False),
                film: gr.Video(str(target), visible=True), download: gr.DownloadButton(value=str(target), visible=True),
            }  # fmt: skip

    told = [empty, frame, film, news, start, stop, download]
    recover(start.click(run, {clip, styles, *options.values()}, told, **QUIET), news, start, stop)
    stop.click(desk.stopper("video"), None, None, queue=False, api_visibility="private")
    return styles
