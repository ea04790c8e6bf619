"""Where the result is shown, before and after, and taken away."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from artkit.interfaces.studio.desk import hero, line
from artkit.interfaces.studio.work import FORMATS


@dataclass
class Easel:
    """The widgets."""

    empty: gr.HTML
    result: gr.ImageSlider
    news: gr.HTML
    plot: gr.HTML
    refine: gr.Button
    stop: gr.Button
    kind: gr.Dropdown
    download: gr.DownloadButton
    finished: gr.State


def easel_panel() -> Easel:
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
