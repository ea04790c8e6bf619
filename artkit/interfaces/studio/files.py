"""Files that a place on the page does not take: refused before they are uploaded, in artkit's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from artkit.contract import PictureError, WeightsError
from artkit.interfaces.studio.desk import QUIET, sentences

SCRIPT = Path(__file__).with_name("assets") / "files.js"
LONGEST = 100  # characters of a name


def files_checked() -> None:
    """Look at every file that is dropped or chosen, wherever on the page."""
    seen = gr.HTML(
        None, html_template="", js_on_load=SCRIPT.read_text(encoding="utf-8"), elem_id="files", apply_default_css=False
    )
    seen.input(_refuse, seen, None, trigger_mode="multiple", **QUIET)


def _refuse(told: Any) -> None:
    with sentences():
        refuse(str(told[0])[:LONGEST], str(told[1]))


def refuse(name: str, accepted: str) -> None:
    """Say what is wrong with a file. accepted: what its place takes, as HTML has it: image/*, video/*, .zip."""
    if accepted.startswith("image/"):
        raise PictureError(f'"{name}" is not a picture that artkit knows; JPEG, PNG, WebP, AVIF, TIFF, GIF work')
    if accepted.startswith("video/"):
        raise PictureError(f'"{name}" is not a video; MP4, MOV, MKV and WebM work')
    raise WeightsError(f'"{name}" is not a style; .artstyle files are, and zips with a style.toml')
