"""Options as widgets of a page, and back."""

from __future__ import annotations

from typing import Annotated, Literal

import gradio as gr
import pytest
from pydantic import BeforeValidator, Field, PositiveFloat

from artkit import catalog
from artkit.contract import Options, WrongCall
from artkit.generate.canvas import CanvasOptions
from artkit.interfaces.studio.widgets import as_text, label, read, widget, widgets
from artkit.live.options import LiveOptions
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from artkit.train.options import MineOptions


class Every(Options):
    """One field of each kind."""

    share: float = Field(default=0.5, ge=0, le=2, description="A share")
    maybe: float | None = Field(default=None, ge=0.5, le=2, description="A share, or not")
    count: int = Field(default=3, gt=0, lt=9, description="From 1 to 8")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Too wide for a slider")
    rate: float = Field(default=0.02, gt=0, le=1, description="Not 0")
    free: float = Field(default=1.5, ge=0, description="No upper limit")
    kind: Literal["off", "luma"] = Field(default="off", description="One of two")
    fast: bool = Field(default=False, description="Yes or no")
    name: str = Field(default="compact", description="Text")
    shares: tuple[PositiveFloat, ...] = Field(default=(), description="Several numbers")
    edge: Annotated[int, BeforeValidator(lambda text: 7 if text == "seven" else text)] = Field(
        default=5, ge=0, le=9, description="Reads text of its own"
    )


@pytest.fixture
def made() -> dict[str, gr.Slider]:
    return widgets(Every)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("share", gr.Slider),
        ("maybe", gr.Slider),
        ("count", gr.Slider),
        ("seed", gr.Number),
        ("rate", gr.Slider),
        ("free", gr.Number),
        ("kind", gr.Dropdown),
        ("fast", gr.Checkbox),
        ("name", gr.Textbox),
        ("shares", gr.Textbox),
        ("edge", gr.Textbox),
    ],
)
def test_each_kind_of_field_has_its_widget(made, name, kind):
    assert type(made[name]) is kind
    assert made[name].info == Every.model_fields[name].description
    assert made[name].label == label(name)


def test_limits_are_those_of_the_field(made):
    assert (made["share"].minimum, made["share"].maximum, made["share"].step) == (0, 2, 0.02)
    assert (made["count"].minimum, made["count"].maximum, made["count"].step) == (1, 8, 1)
    assert (made["rate"].minimum, made["rate"].maximum) == (0.01, 1)  # 0 itself is not allowed
    assert (made["free"].minimum, made["free"].maximum) == (0, None)
    assert (made["seed"].minimum, made["seed"].maximum) == (0, 2**32 - 1)


def test_what_is_shown_first_is_the_default_unless_told(made):
    assert made["share"].value == 0.5
    assert [value for _, value in made["kind"].choices] == ["off", "luma"]
    assert widget(Every, "share", 1.25).value == 1.25


def test_read_gives_back_what_the_widgets_show(made):
    shown = {name: part.value for name, part in made.items() if name != "maybe"}
    assert read(Every, shown) == Every()


def test_read_takes_what_a_person_types():
    options = read(Every, {"shares": "1, 0.5 2", "count": 4.0, "name": "", "maybe": None, "edge": "seven"}, fast=True)
    assert options == Every(shares=(1, 0.5, 2), count=4, edge=7, fast=True)


def test_read_says_what_cannot_be():
    with pytest.raises(WrongCall, match=r"--share 3: .* less than or equal to 2"):
        read(Every, {"share": 3})


@pytest.mark.parametrize(
    ("value", "text"),
    [((1.0, 0.5), "1, 0.5"), ({"relu1_1": 1.0}, "relu1_1=1"), (None, ""), (CanvasOptions().size, "1024x1024")],
)
def test_values_as_a_person_would_type_them(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize("model", [RestyleOptions, OptimizeOptions, LiveOptions, MineOptions, *catalog.PIECES])
def test_every_technique_comes_back_from_its_widgets_as_it_went_in(model):
    model = catalog.get(model).options if isinstance(model, str) else model
    made = widgets(model)
    shown = {name: part.value for name, part in made.items() if model.model_fields[name].default is not None}
    assert read(model, shown) == model()
