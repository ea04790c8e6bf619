"""The Gallery tab: all styles with whose work they are; the person's own come and go."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from artkit.contract import WrongCall
from artkit.interfaces.studio.desk import QUIET, line, sentences
from artkit.interfaces.studio.styles import check_name, thumbnail
from artkit.stylize import collection, gallery
from artkit.stylize.gallery import Style


def gallery_tab() -> tuple[gr.HTML, gr.Dropdown, gr.State]:
    """Everything in the tab; gives the cards, the list of own styles, and a state that changes with the gallery."""
    changed = gr.State(0)
    with gr.Row():
        search = gr.Textbox(
            show_label=False, container=False, placeholder="Search: a painter, a year, a word", elem_id="search",
            label="Search", scale=3,
        )  # fmt: skip
    with gr.Row(elem_id="changes"):
        with gr.Accordion("Add a style", open=False, elem_id="add-style"):
            file = gr.File(
                label="An .artstyle file, or a zip with a style.toml", height=150, file_types=[".artstyle", ".zip"]
            )
            name = gr.Textbox(label="Name", placeholder="as the file says")
            add = gr.Button("Add", variant="primary")
        with gr.Accordion("Remove a style of your own", open=False, elem_id="remove-style"):
            own = gr.Dropdown(own_names(), label="Style")
            remove = gr.Button("Remove", variant="stop")
    news = gr.HTML(line(""), elem_id="gallery-news")
    shown = gr.HTML(cards(""), elem_id="cards", apply_default_css=False)

    def take_in(path: str | None, wanted: str, count: int) -> Any:
        with sentences():
            if not path:
                raise WrongCall("choose a file first")
            if name := wanted.strip():
                check_name(name)
            style = collection.add(path, name or None)
            but = f"; {gallery.OUTDATED}: refine it after the picture itself" if style.outdated else ""
            return count + 1, line(f'"{style.name}" is in the gallery{but}', "done"), None, ""

    def throw_out(wanted: str | None, count: int) -> Any:
        with sentences():
            if not wanted:
                raise WrongCall("choose one of your own styles first")
            collection.remove(wanted)
            return count + 1, line(f'"{wanted}" is removed', "done")

    search.change(cards, search, shown, **QUIET)
    add.click(take_in, [file, name, changed], [changed, news, file, name], **QUIET)
    remove.click(throw_out, [own, changed], [changed, news], **QUIET)
    return shown, own, changed


def own_names() -> list[tuple[str, str]]:
    """The person's own styles, for a list."""
    return [(style.manifest.title, style.name) for style in gallery.installed()[0] if style.own]


def cards(search: str = "") -> str:
    """Every style that has all words of the search somewhere, as HTML."""
    words = search.lower().split()
    styles = sorted(gallery.installed()[0], key=lambda style: (not style.own, style.manifest.title))
    found = [style for style in styles if all(word in _text(style) for word in words)]
    if not found:
        return '<p class="none">Nothing of that in the gallery.</p>'
    return f'<div class="cards">{"".join(map(_card, found))}</div>'


def _text(style: Style) -> str:
    about = style.manifest
    return " ".join((style.name, about.title, about.artist, about.year, about.licence, about.description)).lower()


def _card(style: Style) -> str:
    about, said = style.manifest, html.escape
    picture = thumbnail(style)
    shown = f'<img src="{picture}" alt="" loading="lazy">' if picture else f"<span>{said(about.title[:1])}</span>"
    by = ", ".join(filter(None, (about.artist, about.year)))
    facts = " · ".join(filter(None, (style.name, about.licence, "yours" if style.own else "")))
    return (
        f'<article class="card"><div class="shown">{shown}</div><h3>{said(about.title)}</h3>'
        f'<p>{said(by)}</p><p class="about">{said(about.description)}</p><p class="facts">{said(facts)}</p></article>'
    )
