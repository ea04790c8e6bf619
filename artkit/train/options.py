"""Settings of the trainings of style networks and automata."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from artkit.contract import Options


class LoopOptions(Options):
    """How long to train, and how fast."""

    steps: int = Field(default=20000, ge=1, description="Training steps")
    minutes: float = Field(default=0, ge=0, description="End the schedule after so many minutes instead (0: by steps)")
    batch: int = Field(default=16, ge=1, description="Pictures a step, over all ranks")
    crop: int = Field(default=256, ge=64, multiple_of=32, description="Edge of a crop, pixels")
    learning_rate: float = Field(default=1.5e-3, gt=0, description="Adam's step at its highest")
    warm_up: int = Field(default=200, ge=0, description="Steps in which the rate rises")
    averaging: float = Field(default=0.999, ge=0, lt=1, description="Decay of the average over the weights")
    seed: int = Field(default=0, ge=0, description="Seed of weights, crops and choices")


class CriterionOptions(Options):
    """What weighs how much in the training of a style network."""

    style_loss: Literal["gram", "wasserstein"] = Field(default="gram", description="Distance between styles")
    content_weight: float = Field(default=0.1, ge=0, description="Content against style: more keeps more of the photo")
    tv_weight: float = Field(default=0.1, ge=0, description="Weight of smoothness")
    stability_weight: float = Field(default=12.0, ge=0, description="Weight of steadiness under shifts and noise")


class FrameOptions(LoopOptions, CriterionOptions):
    """What every training of a style network has to be told."""

    style_size: int = Field(default=512, ge=64, description="Longest edge of a style picture at stroke size 1, pixels")
    noise: float = Field(default=0.06, ge=0, le=1, description="Noise of the frames that have to stay steady, 0..1")


class ManyOptions(FrameOptions):
    """How to train a network of many styles."""

    plan: Literal["full", "light"] = Field(default="full", description="The network: full, or light for cameras")


class MineOptions(FrameOptions):
    """How to fit one style."""

    steps: int = Field(default=600, ge=1, description="Training steps")
    batch: int = Field(default=8, ge=4, description="Pictures a step")
    learning_rate: float = Field(default=1e-2, gt=0, description="Adam's step at its highest")
    warm_up: int = Field(default=20, ge=0, description="Steps in which the rate rises")
    averaging: float = Field(default=0.98, ge=0, lt=1, description="Decay of the average over the weights")
    deep: bool = Field(default=False, description="Train the whole network, not only its scales and shifts")


class GrowOptions(LoopOptions):
    """How to teach an automaton a texture."""

    steps: int = Field(default=2000, ge=1, description="Training steps")
    batch: int = Field(default=4, ge=1, description="Grids that run at each step")
    crop: int = Field(default=128, ge=32, multiple_of=16, description="Edge of a grid, cells (and pixels)")
    learning_rate: float = Field(default=2e-3, gt=0, description="Adam's step at its highest")
    warm_up: int = Field(default=30, ge=0, description="Steps in which the rate rises")
    averaging: float = Field(default=0.98, ge=0, lt=1, description="Decay of the average over the weights")
    pool: int = Field(default=256, ge=1, le=4096, description="Grids that are kept growing")
    shortest: int = Field(default=32, ge=1, le=512, description="Updates that a grid runs at a step, at least")
    longest: int = Field(default=64, ge=1, le=512, description="Updates that a grid runs at a step, at most")
    loss: Literal["sliced", "gram", "wasserstein"] = Field(default="sliced", description="Distance between textures")
    pattern: int = Field(
        default=192, ge=32, le=1024, description="Shorter edge that the picture is seen at: smaller shrinks its pattern"
    )
