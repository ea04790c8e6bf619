"""The page's endpoint for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from artkit.contract import Source
from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.desk import Desk, sentences
from artkit.interfaces.studio.pictures import opened
from artkit.interfaces.studio.widgets import read
from artkit.interfaces.studio.work import Look, Trail
from artkit.stylize import gallery
from artkit.stylize.options import RestyleOptions


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
            recipe = studio.recipe_of(
                "restyle", look.options.model_dump(mode="json"), source, trail.sources, look.options.recipe_method
            )
            kept = studio.keep(desk.folder, last, picture, f"{Path(photo).stem}_{look.label}", recipe)
            return str(kept.write("PNG", desk.folder))

    button.click(stylize, [photo, style, painting, options], made, api_name="stylize", concurrency_limit=None)
