"""What a camera is asked to look like: the styles and their options, checked, and the brush that paints so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

from artkit.contract import WrongCall
from artkit.image import load
from artkit.live.options import LiveOptions
from artkit.stylize import gallery
from artkit.stylize.feedforward import PLAIN_SIZE, Brush
from artkit.stylize.manifest import PlanName
from artkit.stylize.options import RestyleOptions, style_weights

DEFAULTS = LiveOptions()


@dataclass(frozen=True)
class Look:
    """What is wanted of the pictures. styles: names of the gallery, or paths of pictures to paint after."""

    styles: tuple[str | Path, ...]
    options: LiveOptions = DEFAULTS


def check(look: Look) -> None:
    """What can be wrong with the styles, known without reading a network: UnknownStyle, WrongCall."""
    if not look.styles:
        raise WrongCall("no style given; artkit styles lists them")
    names = [style for style in look.styles if isinstance(style, str)]
    files = [style for style in look.styles if isinstance(style, Path)]
    for name in names:
        gallery.get(name)
    if files and names:
        raise WrongCall(f'"{names[0]}" is a named style and "{files[0]}" a picture; they cannot be mixed')
    if files and look.options.plan == "light":
        raise WrongCall("the light network draws named styles only; leave --light out to paint after a picture")
    style_weights(look.options.style_weight, len(look.styles))


def brush_for(look: Look, plan: PlanName) -> Brush:
    """The brush for styles of the gallery, or after picture files (which takes a moment, and the full network).

    UnknownStyle, PictureError, WeightsError, WrongCall: as for `artkit stylize`.
    """
    check(look)
    told = look.options.model_dump(include={"style_weight", "strength", "stroke", "texture"})
    if isinstance(look.styles[0], Path):
        pictures = [load(style) for style in look.styles]
        return Brush.after(pictures, RestyleOptions(size=PLAIN_SIZE, **told))
    return Brush.of([str(style) for style in look.styles], RestyleOptions(plan=plan, size=PLAIN_SIZE, **told))


def has_light(look: Look) -> bool:
    """Whether the light network draws all of its styles."""
    return all(isinstance(style, str) and "light" in gallery.get(style).manifest.networks for style in look.styles)
