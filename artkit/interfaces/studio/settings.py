"""The widgets that say what a photo is to look like, and the look that they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from artkit.interfaces.studio import work as studio
from artkit.interfaces.studio.regions import Regions
from artkit.interfaces.studio.styles import read_picks
from artkit.interfaces.studio.widgets import read
from artkit.interfaces.studio.work import Look
from artkit.stylize import gallery
from artkit.stylize.feedforward import as_used
from artkit.stylize.manifest import Manifest
from artkit.stylize.options import RestyleOptions
from artkit.stylize.predicting import TEXTURE

DIALS = ("strength", "stroke", "texture")  # what every style has a value of its own for


@dataclass
class Settings:
    """The widgets. own: what the style itself has the dials at."""

    photo: gr.Image
    styles: gr.HTML
    painting: gr.Image
    dials: dict[str, Any]
    others: dict[str, Any]
    regions: Regions
    own: gr.State

    @property
    def all(self) -> set[Any]:
        """Every one of them, as inputs of an event."""
        parts = (self.photo, self.styles, self.painting, self.regions.masks, self.own)
        return {*parts, *self.dials.values(), *self.others.values()}

    def look(self, data: dict[Any, Any]) -> Look:
        """What they ask for; a dial that stands where the style itself has it is left to the style."""
        values = {name: data[part] for name, part in self.others.items()}
        values |= {name: data[dial] for name, dial in self.dials.items() if data[dial] != data[self.own].get(name)}
        if data[self.painting]:
            return Look((data[self.painting],), read(RestyleOptions, values | {"plan": "auto"}, fast=True))
        picks = read_picks(data[self.styles])
        weights = tuple(picks.values()) if len(picks) > 1 else ()
        masks = data[self.regions.masks]
        return Look(
            tuple(picks),
            read(RestyleOptions, values, style_weight=weights),
            masks if len(masks) == len(picks) else (),  # a style more or less: the regions are of others
        )

    def follow(self, data: dict[Any, Any], look: Look) -> dict[Any, Any]:
        """Dials that nobody has touched move to where the style itself has them."""
        usual, before = own_values("" if look.options.fast else look.styles[0], look.options.size), data[self.own]
        untouched = [name for name in DIALS if data[self.dials[name]] == before.get(name)]
        return {self.own: usual, **{self.dials[name]: usual[name] for name in untouched}}

    def restore(self, file: str) -> dict[Any, Any]:
        """The settings of a finished picture, on the widgets. Errors: see `settings_of`."""
        names, options = studio.settings_of(file)
        weights = options.style_weight or (1.0,) * len(names)
        usual = own_values(names[0], options.size)
        given = {name: getattr(options, name) for name in DIALS if getattr(options, name) is not None}
        return {
            self.styles: [[name, weight / max(weights)] for name, weight in zip(names, weights, strict=True)],
            self.painting: None,
            self.own: usual,
            **{self.dials[name]: value for name, value in (usual | given).items()},
            **{part: getattr(options, name) for name, part in self.others.items()},
        }


def own_values(name: str, size: int) -> dict[str, float]:
    """What a style of the gallery (no name: any picture) has the dials at, in a picture of this size."""
    manifest = gallery.get(name).manifest if name else Manifest(title="any picture", texture=TEXTURE)
    used = as_used(manifest, RestyleOptions(size=size))
    return {"strength": used.strength, "stroke": round(used.stroke, 2), "texture": used.texture}
