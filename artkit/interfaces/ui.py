"""The studio: a page with a tab for each thing to do. Whoever serves it adds `look()`:

    gr.mount_gradio_app(app, page(engine, folder), path="/", **look())
    page(engine, folder).launch(**look())
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read while Gradio is imported: no request leaves the machine

import gradio as gr

from artkit.interfaces.engine import Engine
from artkit.interfaces.ui_desk import Desk
from artkit.interfaces.ui_stylize import stylize_tab

PAGE = Path(__file__).with_name("studio_page")
HOUR = 3600
SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "monospace"]
VERMILION = gr.themes.Color(
    name="vermilion", c50="#fdf3f0", c100="#fbe3dc", c200="#f6c6b9", c300="#ee9f8b", c400="#e5765b", c500="#d6533a",
    c600="#c2402a", c700="#a13221", c800="#832b1f", c900="#6d271e", c950="#3b100b",
)  # fmt: skip


def page(engine: Engine, folder: Path) -> gr.Blocks:
    """The page. folder: where its files are kept for an hour."""
    desk = Desk(engine, folder)
    with gr.Blocks(title="artkit", analytics_enabled=False, fill_width=True, delete_cache=(600, HOUR)) as blocks:
        gr.HTML('<h1 class="brand">artkit</h1>', elem_id="brand")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Stylize", id="stylize"):
                stylize_tab(desk)
        blocks.unload(desk.leave)
    return blocks


def look() -> dict[str, Any]:
    """Theme and style sheet, as `launch` and `mount_gradio_app` take them."""
    theme = gr.themes.Base(
        primary_hue=VERMILION, neutral_hue=gr.themes.colors.stone, font=SANS, font_mono=MONO,
        radius_size=gr.themes.sizes.radius_md, text_size=gr.themes.sizes.text_md,
    )  # fmt: skip
    return {"theme": theme, "css": (PAGE / "studio.css").read_text(encoding="utf-8"), "footer_links": []}
