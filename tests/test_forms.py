"""Options become flags: names, types, ranges, defaults and help from the model, values judged by the model."""

from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner, Result
from pydantic import BeforeValidator, Field, PositiveFloat

from artkit.contract import Options, WrongCall
from artkit.interfaces.forms import checked, flag_name, flags, given
from artkit.stylize.options import OptimizeOptions


class Brush(Options):
    """One field of every kind."""

    width: int = Field(12, ge=1, le=99, description="Width, pixels")
    soft_edge: float = Field(0.5, gt=0, lt=1, description="Softness")
    kind: Literal["oil", "ink"] = Field("oil", description="Kind of paint")
    bits: Literal[8, 16] = Field(8, description="Depth")
    weights: tuple[PositiveFloat, ...] = Field((), description="Weights")
    wet: bool = Field(False, description="Wet on wet")
    limit: float | None = Field(None, description="Limit")
    thickness: Annotated[int, BeforeValidator(lambda text: int(str(text).removesuffix("mm")))] = Field(
        3, description="Thickness"
    )


def called(*words: str) -> tuple[Result, dict[str, Any]]:
    """The result of a command with Brush's flags, and what it was called with."""
    seen: dict[str, Any] = {}

    @click.command()
    @flags(Brush)
    def paint(**params: Any) -> None:
        seen.update(params)

    return CliRunner().invoke(paint, list(words)), seen


def options(*words: str) -> Brush:
    result, seen = called(*words)
    assert result.exit_code == 0, result.output
    return checked(Brush, given(Brush, seen))


def test_nothing_given_is_the_default() -> None:
    assert options() == Brush.checked({})
    assert given(Brush, called()[1]) == {}


def test_every_kind_of_value_arrives() -> None:
    words = "--width 7 --soft-edge 0.25 --kind ink --bits 16 --wet --limit 2.5 --thickness 4mm"
    expected = {"width": 7, "soft_edge": 0.25, "kind": "ink", "bits": 16, "wet": True, "limit": 2.5, "thickness": 4}
    assert options(*words.split()) == Brush.checked(expected)
    assert options("--no-wet").wet is False


@pytest.mark.parametrize("words", ["--weights 0.7 --weights 0.3", "--weights 0.7,0.3", "--weights 0.7, --weights ,0.3"])
def test_tuples_are_repeated_or_separated(words: str) -> None:
    assert options(*words.split()).weights == (0.7, 0.3)
    assert options("--weights", "0.7 0.3").weights == (0.7, 0.3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--width 0", "--width '0'"),
        ("--width 1.5", "--width '1.5'"),
        ("--soft-edge nan", "--soft-edge 'nan'"),
        ("--soft-edge 1", "--soft-edge '1'"),
        ("--weights 1,-1", "--weights '-1'"),
        ("--thickness thick", "--thickness 'thick'"),
    ],
)
def test_wrong_values_name_the_flag(words: str, says: str) -> None:
    _, seen = called(*words.split())
    with pytest.raises(WrongCall) as error:
        checked(Brush, given(Brush, seen))
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_help_has_what_the_model_says() -> None:
    text = " ".join(called("--help")[0].output.split())
    assert "--width INTEGER Width, pixels [default: 12; 1<=x<=99]" in text
    assert "--soft-edge NUMBER Softness [default: 0.5; 0<x<1]" in text
    assert "--kind [oil|ink] Kind of paint [default: oil]" in text
    assert "--bits [8|16] Depth [default: 8]" in text
    assert "--weights NUMBER Weights" in text
    assert "--wet / --no-wet Wet on wet [default: off]" in text
    assert "--limit NUMBER Limit" in text
    assert "--thickness TEXT Thickness [default: 3]" in text


def test_every_field_of_the_optimizer_is_a_flag() -> None:
    @click.command()
    @flags(OptimizeOptions)
    def stylize(**params: Any) -> None:
        """Nothing to do: only its flags count."""

    names = [option.opts[0] for option in stylize.params]
    assert names == [flag_name(name) for name in OptimizeOptions.model_fields]
    for option, field in zip(stylize.params, OptimizeOptions.model_fields.values(), strict=True):
        assert isinstance(option, click.Option)
        assert field.description
        assert (option.help or "").startswith(field.description)
