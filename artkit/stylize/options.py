"""The settings of stylizing, by optimization and by a network: every default, range and help text, in one place."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, field_validator

from artkit.contract import Options, WrongCall

NEARLY = 1.3  # a scale is left out when the picture is less than this many times as large

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_bytes(text: object) -> object:
    """Bytes: "4GB" -> 4_000_000_000, "512 MiB" -> 536_870_912; numbers pass through."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"\s*([\d.]+)\s*([kmgt]i?)?b?\s*", text.lower())
    if not match:
        raise ValueError("should be a size such as 4GB or 800MB")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def parse_weights(text: object) -> object:
    """Weights by layer: "relu1_1=1,relu4_1=0.5" -> {"relu1_1": 1.0, "relu4_1": 0.5}; mappings pass through."""
    if not isinstance(text, str):
        return text
    pairs = [part.split("=") for part in text.replace(" ", "").split(",") if part]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("should be layer=weight pairs such as relu1_1=1,relu4_1=0.5")
    return {layer: float(weight) for layer, weight in pairs}


Bytes = Annotated[int, BeforeValidator(parse_bytes)]
LayerWeights = Annotated[dict[str, float], BeforeValidator(parse_weights)]


def style_weights(given: tuple[float, ...], styles: int) -> tuple[float, ...]:
    """One weight a style; equal ones when none are given. WrongCall: another number of them."""
    if given and len(given) != styles:
        raise WrongCall(f"{len(given)} style weights for {styles} styles; give one for each")
    return given or (1.0,) * styles


class OptimizeOptions(Options):
    """Neural style by optimization (Gatys, Ecker and Bethge 2016), coarse to fine."""

    size: int = Field(default=512, ge=64, le=16384, description="Longest edge of the result, pixels")
    style_weight: tuple[PositiveFloat, ...] = Field(
        default=(), description="Weight of each style, in order (equal if not given)"
    )
    style_scale: float = Field(
        default=1.0, ge=0.1, le=8, description="Size of the strokes: the style's edge against the result's"
    )
    content_weight: float = Field(
        default=0.035, ge=0, le=1000, description="How closely to keep to the photo, against the style"
    )
    strength: float = Field(default=1.0, ge=0, le=1, description="0 gives the photo back, 1 the whole style")
    keep_color: Literal["off", "luma", "match"] = Field(
        default="off", description="Colors of the photo: luma paints in them, match recolors the style first"
    )
    style_loss: Literal["gram", "mean-std", "covariance", "wasserstein", "sliced", "histogram"] = Field(
        default="gram", description="What makes two styles alike"
    )
    content_loss: Literal["features", "self-similarity"] = Field(
        default="features", description="What is kept of the photo"
    )
    style_layers: LayerWeights = Field(default={}, description="Style layers and weights, relu1_1=1,relu4_1=0.5")
    content_layers: LayerWeights = Field(default={}, description="Content layers and weights, relu4_1=1")
    tv_weight: float = Field(default=0.2, ge=0, le=1000, description="Smoothness: weight of the total variation")
    init: str = Field(
        default="content", description="Start from: content (the photo, in the style's colors), noise, style or a file"
    )
    iterations: int = Field(default=40, ge=1, le=100_000, description="Iterations at each size, coarse to fine")
    min_size: int = Field(
        default=0,
        ge=0,
        le=16384,
        description="Longest edge of the coarsest scale, pixels (0: about 256, from noise 64); left out where the size "
        f"is less than {NEARLY} times as large",
    )
    optimizer: Literal["lbfgs", "adam"] = Field(
        default="lbfgs", description="L-BFGS settles in fewer iterations; Adam takes less memory"
    )
    history: int = Field(default=10, ge=1, le=200, description="L-BFGS: correction pairs kept")
    line_search: Literal["wolfe", "armijo", "none"] = Field(
        default="armijo", description="L-BFGS: how the step length is found"
    )
    learning_rate: float = Field(default=0.02, gt=0, le=1, description="Adam: step, in units of the 0..1 color range")
    averaging: float = Field(default=0.99, ge=0, lt=1, description="Adam: decay of the average over iterates")
    tolerance: float = Field(
        default=1e-4, ge=0, lt=1, description="Stop a scale when the loss falls less than this per iteration, relative"
    )
    network: str = Field(
        default="compact", description="Feature network: compact (bundled), vgg19, vgg16 or a name you added"
    )
    pooling: Literal["max", "average", "l2"] = Field(default="max", description="Pooling in a VGG network")
    padding: Literal["reflect", "replicate", "zero"] = Field(default="reflect", description="Padding in a VGG network")
    max_memory: Bytes = Field(
        default=0, ge=0, description="Memory to stay under, such as 4GB (0: 5GB, or half of what is free)"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of every random draw")

    @property
    def left_out(self) -> bool:
        """Whether the coarsest scale that was asked for is, as the result is hardly larger."""
        return self.min_size < self.size < NEARLY * self.min_size

    @property
    def recipe_method(self) -> int:
        """Goes up, too, when the optimizer keeps another state: checkpoints are of one method."""
        return 5

    @field_validator("min_size")
    @classmethod
    def _large_enough(cls, size: int) -> int:
        if 0 < size < 32:
            raise ValueError("should be 32 or more, or 0")
        return size

    @field_validator("style_layers", "content_layers")
    @classmethod
    def _nonnegative(cls, weights: dict[str, float]) -> dict[str, float]:
        if any(not 0 <= weight < 1e9 for weight in weights.values()):
            raise ValueError("layer weights should be zero or more")
        return weights


class RestyleOptions(Options):
    """A style of the gallery, drawn by its network in one pass."""

    size: int = Field(default=1024, ge=16, le=16384, description="Longest edge of the result, pixels")
    style_weight: tuple[PositiveFloat, ...] = Field(
        default=(), description="Weight of each style, in order (equal if not given)"
    )
    strength: float | None = Field(
        default=None, ge=0, le=1, description="0 gives the photo back, 1 the whole style (the style's own if not given)"
    )
    stroke: float | None = Field(
        default=None, ge=0.5, le=2, description="In one pass: size of the strokes (larger in large pictures)"
    )
    texture: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="In one pass: strokes in even areas such as skies (the style's own if not given)",
    )
    fast: bool = Field(
        default=False, description="Picture files too in one pass of a network; --no-fast: named styles step by step"
    )
    keep_color: Literal["off", "luma", "match"] = Field(
        default="off", description="Colors of the photo: luma paints in them, match comes near them"
    )
    plan: Literal["auto", "full", "light"] = Field(
        default="auto", description="In one pass: the full network, the quick light one, or the best there is"
    )
    max_memory: Bytes = Field(
        default=0, ge=0, description="Memory to stay under, such as 4GB (0: 5GB, or half of what is free)"
    )

    @property
    def recipe_method(self) -> int:
        """4 for pictures at once: what predicts their codes, or at which size, has changed three times."""
        return 4 if self.fast else 1
