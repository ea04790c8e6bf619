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
from gradio import themes

from artkit.interfaces.engine import Engine
from artkit.interfaces.studio.create import create_tab
from artkit.interfaces.studio.desk import QUIET, Desk
from artkit.interfaces.studio.files import files_checked
from artkit.interfaces.studio.gallery import cards as gallery_cards
from artkit.interfaces.studio.gallery import gallery_tab, own_names
from artkit.interfaces.studio.styles import tiles
from artkit.interfaces.studio.stylize import stylize_tab
from artkit.interfaces.studio.train import train_tab
from artkit.interfaces.studio.video import video_tab

PAGE = Path(__file__).with_name("assets")
HOUR = 3600
LIVE = '<iframe src="live" title="Live" allow="camera; microphone; fullscreen; clipboard-write"></iframe>'
SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "monospace"]
VERMILION = themes.Color(
    name="vermilion", c50="#fdf3f0", c100="#fbe3dc", c200="#f6c6b9", c300="#ee9f8b", c400="#e5765b", c500="#d6533a",
    c600="#c2402a", c700="#a13221", c800="#832b1f", c900="#6d271e", c950="#3b100b",
)  # fmt: skip


def page(engine: Engine, folder: Path, largest: int = 16_384) -> gr.Blocks:
    """The page. folder: where its files are kept for an hour. largest: longest edge of a picture, pixels."""
    desk = Desk(engine, folder, largest)
    with gr.Blocks(title="artkit", analytics_enabled=False, fill_width=True, delete_cache=(600, HOUR)) as blocks:
        gr.HTML('<h1 class="brand">artkit</h1>', elem_id="brand")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Stylize", id="stylize"):
                pickers = [stylize_tab(desk)]
            with gr.Tab("Live", id="live"):
                gr.HTML(LIVE, elem_id="live", apply_default_css=False)
            with gr.Tab("Video", id="video"):
                pickers.append(video_tab(desk))
            with gr.Tab("Create", id="create"):
                create_tab(desk)
            with gr.Tab("Train", id="train"):
                learned = train_tab(desk)
            with gr.Tab("Gallery", id="gallery"):
                cards, own, changed = gallery_tab()
        files_checked()
        _keep_up(blocks, pickers, cards, own, [learned.change, changed.change])
        blocks.unload(desk.leave)
    return blocks


def _keep_up(blocks: gr.Blocks, pickers: list[gr.HTML], cards: gr.HTML, own: gr.Dropdown, events: list[Any]) -> None:
    """Show styles that come or go: to the person who changes them, and to whoever opens the page from then on."""

    def fresh() -> Any:
        now, listed, mine = tiles(), gallery_cards(""), own_names()
        for picker in pickers:
            picker.props["styles"] = now
        cards.value, own.choices = listed, mine
        blocks.config = blocks.get_config_file()
        return (*(gr.HTML(styles=now) for _ in pickers), listed, gr.Dropdown(mine, value=None))

    for event in events:
        event(fresh, None, [*pickers, cards, own], **QUIET)


def look() -> dict[str, Any]:
    """Theme and style sheet, as `launch` and `mount_gradio_app` take them."""
    theme = themes.Base(
        primary_hue=VERMILION, neutral_hue=themes.colors.stone, font=SANS, font_mono=MONO,
        radius_size=themes.sizes.radius_md, text_size=themes.sizes.text_md,
    ).set(
        body_background_fill="#faf9f7", body_background_fill_dark="#151412",
        block_background_fill="#ffffff", block_background_fill_dark="#1d1b19",
        background_fill_primary="#ffffff", background_fill_primary_dark="#1d1b19",
        background_fill_secondary="#f5f3ef", background_fill_secondary_dark="#252220",
        border_color_primary="#e7e3dd", border_color_primary_dark="#36322e",
        block_border_color="#e7e3dd", block_border_color_dark="#36322e",
        body_text_color="#1c1917", body_text_color_dark="#f0ede8",
        body_text_color_subdued="#6f6862", body_text_color_subdued_dark="#a8a29e",
        block_info_text_color="#6f6862", block_info_text_color_dark="#a8a29e",
        input_background_fill="#f5f3ef", input_background_fill_dark="#252220",
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600", button_primary_text_color="white",
        slider_color="*primary_600", slider_color_dark="*primary_400", block_label_text_size="*text_sm",
        button_large_text_weight="550", button_large_text_size="*text_md", block_shadow="none", layout_gap="14px",
    )  # fmt: skip
    return {"theme": theme, "css": (PAGE / "studio.css").read_text(encoding="utf-8"), "footer_links": []}
