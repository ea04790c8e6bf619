"""Harmonograph: two pendulums for each axis, nearly in tune, dying away.

x(t) = Σᵢ aᵢ sin(fᵢt + pᵢ) e^(-dt), y likewise (Blackburn 1844; Goold, Benham and Kerr 1909, "Harmonic vibrations").
With neither damping nor detuning it is a Lissajous figure, which closes after one turn of t, 2π.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from pydantic import Field, field_validator

from artkit.contract import Step
from artkit.generate.lineart import LineOptions, drawing_of, fitted, grown, pens_of
from artkit.generate.palettes import Palette
from artkit.generate.strokes import Drawing, Stroke

RATIOS = ("2:3", "3:4", "1:2", "3:5", "4:5", "2:5", "1:3", "5:6", "3:7", "4:7", "5:8")
TRIES = 8  # phases among which the roundest figure is taken
POINTS = 72  # of each swing of the quickest pendulum


class HarmonographOptions(LineOptions):
    """Curves of swinging pendulums."""

    palette: str = Field(default="midnight", description="Name, a picture file to take colors from, or #hex,#hex,…")
    line: float = Field(default=0.9, ge=0.2, le=60, description="Width of lines, thousandths of the shorter edge")
    pens: int = Field(default=7, ge=0, le=64, description="Number of colors, a layer each in SVG (0: the palette's)")
    ratio: str = Field(default="", description="Frequencies of the axes, such as 2:3 (default: by the seed)")
    turns: int = Field(default=70, ge=1, le=1000, description="How long it swings")
    damping: float = Field(default=0.022, ge=0, le=1, description="How quickly it dies away, in e-folds a turn")
    detune: float = Field(default=0.006, ge=0, le=0.2, description="How far the pendulums are out of tune")
    second: float = Field(default=0.55, ge=0, le=1, description="Swing of each axis's second pendulum")
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in its loop it stands")

    @field_validator("ratio")
    @classmethod
    def _two_numbers(cls, ratio: str) -> str:
        ratio = ratio.replace(" ", "")
        if ratio and not re.fullmatch(r"[1-9]\d?:[1-9]\d?", ratio):
            raise ValueError("should be two whole numbers up to 99 such as 2:3")
        return ratio


def curve(options: HarmonographOptions) -> np.ndarray:
    """The line in plane coordinates, (N, 2)."""
    rng = np.random.default_rng(options.seed)
    ratio = rng.choice(RATIOS)
    fx, fy = map(int, (options.ratio or str(ratio)).split(":"))
    # the second pendulum of an axis swings with the other axis, which makes figures turn as they die away
    frequencies = np.array([fx, fy, fy, fx]) + options.detune * rng.uniform(-1, 1, 4)
    amplitudes = np.array([1, options.second, 1, options.second]) * rng.uniform([1, 0.4, 1, 0.4], 1)
    tried = rng.uniform(0, 2 * np.pi, (TRIES, 4))
    t = np.linspace(0, 2 * np.pi, max(fx, fy) * POINTS + 1)
    phases = max(tried, key=lambda phases: _roundness(_swung(t, frequencies, phases, amplitudes)))
    phases[0] += 2 * np.pi * options.phase
    t = np.linspace(0, 2 * np.pi * options.turns, options.turns * max(fx, fy) * POINTS + 1)
    fading = np.exp(-options.damping * t / (2 * np.pi))
    return _swung(t, frequencies, phases, amplitudes) * fading[:, None]


def _swung(t: np.ndarray, frequencies: np.ndarray, phases: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """(N,) and (4,) each -> (N, 2): the first two pendulums move x, the others y."""
    swings = amplitudes * np.sin(np.outer(t, frequencies) + phases)
    return swings.reshape(len(t), 2, 2).sum(axis=2)


def _roundness(line: np.ndarray) -> float:
    """1 for a figure that reaches equally far in all directions, 0 for one on a line."""
    least, most = np.linalg.eigvalsh(np.cov(line.T))
    return float(least / most)


def harmonograph_drawing(options: HarmonographOptions) -> Drawing:
    """One line, in a few colors from its beginning to its end."""
    (line,) = fitted([curve(options)], options)
    colors = pens_of(Palette.of(options.palette), options.pens)
    cuts = np.linspace(0, len(line) - 1, len(colors) + 1).astype(int)
    strokes = [
        Stroke(line[begin : end + 1], color, options.line_width)
        for begin, end, color in zip(cuts[:-1], cuts[1:], colors, strict=True)
        if end > begin
    ]
    return drawing_of(options, strokes)


def harmonograph_steps(options: HarmonographOptions) -> Iterator[Step]:
    """The picture as the pen draws it."""
    yield from grown(harmonograph_drawing(options), options)
