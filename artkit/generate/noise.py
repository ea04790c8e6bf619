"""Noise as a picture: fBm that is warped by itself, cells, ridges.

Domain warping: I. Quilez 2002, "Domain warping": f(p + k·g(p + k·h(p))), each of them fBm. What the inner layers did to
a place also tints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import artkit.device  # noqa: F401

import mlx.core as mx
from pydantic import Field

from artkit.contract import Step
from artkit.generate.canvas import CanvasOptions, shaded
from artkit.generate.noises import fbm, ridged, unit, worley
from artkit.generate.palettes import Palette


class NoiseOptions(CanvasOptions):
    """Marbled, cellular or ridged noise."""

    kind: Literal["marble", "cells", "ridges"] = Field(default="marble", description="What the noise is like")
    scale: float = Field(default=0.55, gt=0, le=20, description="How much of it is seen: larger is finer")
    octaves: int = Field(default=5, ge=1, le=9, description="Layers of detail")
    gain: float = Field(default=0.45, ge=0.1, le=0.9, description="Weight of each layer of detail against the last")
    warp: float = Field(default=0.75, ge=0, le=3, description="How far it is warped by itself")
    contrast: float = Field(default=0.8, ge=0.2, le=3, description="Width of the palette that is used")
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in its loop it stands")


def noise_steps(options: NoiseOptions) -> Iterator[Step]:
    """The picture, band by band."""
    palette = Palette.of(options.palette)
    kinds = {"marble": _marble, "cells": _cells, "ridges": _ridges}

    def shade(x: mx.array, y: mx.array) -> mx.array:
        return kinds[options.kind](options.scale * x, options.scale * y, options, palette)

    yield from shaded(options, shade)


def _warped(x: mx.array, y: mx.array, o: NoiseOptions) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """The place that each place is taken from after two warps, and the length of the first and second."""
    coarse = max(1, o.octaves - 2)
    qx, qy = (fbm(x, y, o.seed * 31 + i, coarse, o.gain, phase=o.phase) for i in (1, 2))
    ax, ay = x + o.warp * qx, y + o.warp * qy
    rx, ry = (fbm(ax, ay, o.seed * 31 + i, coarse, o.gain, phase=o.phase) for i in (3, 4))
    return x + o.warp * rx, y + o.warp * ry, mx.sqrt(qx * qx + qy * qy), rx


def _marble(x: mx.array, y: mx.array, o: NoiseOptions, palette: Palette) -> mx.array:
    wx, wy, _, r = _warped(x, y, o)
    n = fbm(wx, wy, o.seed * 31 + 5, o.octaves, o.gain, phase=o.phase)
    return palette(0.5 + o.contrast * (0.9 * n + 0.35 * r))


def _cells(x: mx.array, y: mx.array, o: NoiseOptions, palette: Palette) -> mx.array:
    wx, wy, _, _ = _warped(x, y, o)
    f1, f2, owner = worley(3 * wx, 3 * wy, o.seed, o.phase)
    edge = mx.clip((f2 - f1) * 4, 0, 1)
    return palette(mx.clip(edge * (0.25 + 0.75 * unit(owner)) + 0.25 * (1 - f1) * edge, 0, 1))


def _ridges(x: mx.array, y: mx.array, o: NoiseOptions, palette: Palette) -> mx.array:
    wx, wy, _, r = _warped(x, y, o)
    return palette(
        o.contrast * (1.25 * ridged(wx, wy, o.seed * 31 + 5, o.octaves, o.gain, phase=o.phase) - 0.2 + 0.2 * r)
    )
