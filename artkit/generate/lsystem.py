"""L-systems: words that are rewritten over and over, drawn by a turtle (turtle.py), as plants or as curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from pydantic import Field, field_validator

from artkit.contract import Step, WrongCall
from artkit.generate.lineart import LineOptions, drawing_of, fitted, grown, pens_of
from artkit.generate.palettes import Palette
from artkit.generate.strokes import Drawing, Stroke
from artkit.generate.turtle import Way, check_brackets, parse_rules, rewritten, walked

CORNER = 6  # points of a rounded corner
WILDNESS = 0.2  # the usual one, at which no plant of a preset hangs below the frame

PresetName = Literal[
    "plant", "weed", "bush", "seaweed", "tree", "dragon", "twindragon", "terdragon", "levy", "hilbert", "moore",
    "peano", "gosper", "sierpinski", "carpet", "koch", "island", "rings", "penrose",
]  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """A system.

    axiom: where it begins. rules: how letters are rewritten. angle: degrees of a turn. iterations: how often.
    last: what is rewritten once, at the end. facing: where the turtle looks at first, degrees from the right.
    """

    axiom: str
    rules: Mapping[str, str]
    angle: float
    iterations: int
    last: Mapping[str, str] = field(default_factory=dict)
    facing: float = 0.0


PRESETS: dict[str, Preset] = {
    "plant": Preset("X", {"X": "F+[[X]-X]-F[-FX]+X", "F": "FF"}, 23, 5, {"X": "o"}, 90),
    "weed": Preset("X", {"X": "F[+X][-X]FX", "F": "FF"}, 25.7, 6, {"X": "o"}, 90),
    "bush": Preset("Y", {"Y": "YFX[+Y][-Y]", "X": "X[-FFF][+FFF]FX"}, 25.7, 5, {"Y": "o"}, 90),
    "seaweed": Preset("F", {"F": "FF-[-F+F+F]+[+F-F-F]"}, 22.5, 3, facing=90),
    "tree": Preset("X", {"X": "F[+X]F[-X]+X", "F": "FF"}, 20, 6, {"X": "o"}, 90),
    "dragon": Preset("FX", {"X": "X+YF+", "Y": "-FX-Y"}, 90, 12),
    "twindragon": Preset("FX+FX+", {"X": "X+YF", "Y": "FX-Y"}, 90, 11),
    "terdragon": Preset("F", {"F": "F+F-F"}, 120, 8),
    "levy": Preset("F", {"F": "+F--F+"}, 45, 12),
    "hilbert": Preset("X", {"X": "+YF-XFX-FY+", "Y": "-XF+YFY+FX-"}, 90, 6),
    "moore": Preset("XFX+F+XFX", {"X": "-YF+XFX+FY-", "Y": "+XF-YFY-FX+"}, 90, 5),
    "peano": Preset("X", {"X": "XFYFX+F+YFXFY-F-XFYFX", "Y": "YFXFY-F-XFYFX+F+YFXFY"}, 90, 4),
    "gosper": Preset("F", {"F": "F-G--G+F++FF+G-", "G": "+F-GG--G-F++F+G"}, 60, 4),
    "sierpinski": Preset("F", {"F": "G-F-G", "G": "F+G+F"}, 60, 7, facing=60),
    "carpet": Preset("F", {"F": "F+F-F-F-f+F+F+F-F", "f": "fff"}, 90, 4, facing=45),
    "koch": Preset("F--F--F", {"F": "F+F--F+F"}, 60, 5),
    "island": Preset("F+F+F+F", {"F": "F+F-F-FF+F+F-F"}, 90, 3),
    "rings": Preset("F+F+F+F", {"F": "FF+F+F+F+F+F-F"}, 90, 3),
    "penrose": Preset(
        "[X]++[X]++[X]++[X]++[X]",
        {
            "W": "YF++ZF----XF[-YF----WF]++",
            "X": "+YF--ZF[---WF--XF]+",
            "Y": "-WF++XF[+++YF++ZF]-",
            "Z": "--YF++++WF[+ZF++++XF]--XF",
            "F": "",
        },
        36,
        5,
    ),
}
assert set(PRESETS) == set(get_args(PresetName))


class LsystemOptions(LineOptions):
    """Plants and curves that grow by rewriting."""

    palette: str = Field(default="meadow", description="Name, a picture file to take colors from, or #hex,#hex,…")
    line: float = Field(default=2.4, ge=0.2, le=60, description="Width of lines, thousandths of the shorter edge")
    pens: int = Field(default=8, ge=0, le=64, description="Number of colors, a layer each in SVG (0: the palette's)")
    preset: PresetName = Field(default="plant", description="Which system")
    axiom: str = Field(default="", max_length=2000, description="A word of your own to begin with, such as F--F--F")
    rules: str = Field(default="", max_length=5000, description='Rules of your own, such as "X=F[+X]-X;F=FF"')
    angle: float | None = Field(
        default=None,
        ge=-360,
        le=360,
        description="Degrees of a turn (default: the preset's)",
        json_schema_extra={"period": 360},
    )
    iterations: int | None = Field(default=None, ge=0, le=20, description="How often it is rewritten (likewise)")
    rounding: float = Field(default=0.4, ge=0, le=0.5, description="Corners of curves: 0 sharp, 0.5 all round")
    wildness: float = Field(default=WILDNESS, ge=0, le=1, description="How far branches differ from the rule")
    buds: float = Field(default=0.4, ge=0, le=1, description="Part of the twigs with a bud")
    plants: int = Field(default=5, ge=1, le=40, description="How many stand side by side, where it has branches")

    @property
    def recipe_method(self) -> int:
        """2 for plants that may hang below the frame, and are lifted then: all but those of a preset as it is."""
        system, preset = self.system, PRESETS[self.preset]
        plant = system.facing == 90 and "[" in system.axiom + "".join(system.rules.values())
        as_it_is = replace(system, iterations=preset.iterations) == preset and system.iterations <= preset.iterations
        return 2 if plant and not (as_it_is and self.wildness <= WILDNESS) else 1

    @field_validator("axiom")
    @classmethod
    def _axiom_reads(cls, axiom: str) -> str:
        check_brackets(axiom, "it")
        return axiom

    @field_validator("rules")
    @classmethod
    def _rules_read(cls, rules: str) -> str:
        parse_rules(rules)
        return rules

    @property
    def system(self) -> Preset:
        """The preset with what is asked for in place of its own; own rules stand alone."""
        preset = PRESETS[self.preset]
        rules = parse_rules(self.rules)
        axiom = self.axiom or (next(iter(rules)) if rules else preset.axiom)
        return Preset(
            axiom,
            rules or preset.rules,
            preset.angle if self.angle is None else self.angle,
            (4 if rules else preset.iterations) if self.iterations is None else self.iterations,
            {} if rules else preset.last,
            90.0 if rules else preset.facing,
        )


def lsystem_drawing(options: LsystemOptions) -> Drawing:
    """Curves from their beginning to their end in the palette's colors; plants from the stem to the buds."""
    system = options.system
    word = rewritten(system.axiom, system.rules, system.iterations).translate(str.maketrans(dict(system.last)))
    if not set(word) & set("FG"):
        raise WrongCall("the rules draw nothing; F and G draw a line, and buds need one to be on")
    colors = pens_of(Palette.of(options.palette), options.pens)
    if "[" in word and system.facing == 90:
        return drawing_of(options, _garden(word, system, options, colors))
    ways = walked(word, system.angle, system.facing)
    return drawing_of(options, _curve(_each_once(ways) if "[" in word else ways, options, colors))


def _curve(ways: list[Way], options: LsystemOptions, colors: np.ndarray) -> list[Stroke]:
    """The lines, cut where the next color begins."""
    lines = fitted([way.points for way in ways], options)
    lengths = np.array([len(line) - 1 for line in lines])
    begins = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    strokes = []
    for line, begin in zip(lines, begins, strict=True):
        line = rounded(line, options.rounding)
        share = (len(line) - 1) / max(int(lengths[0]), 1) if len(lines) == 1 else 1.0
        if len(lines) > 1:
            strokes.append(Stroke(line, colors[begin * len(colors) // total], options.line_width))
            continue
        cuts = np.linspace(0, total * share, len(colors) + 1).astype(int)
        for a, b, color in zip(cuts[:-1], cuts[1:], colors, strict=True):
            if b > a:
                strokes.append(Stroke(line[a : b + 1], color, options.line_width))
    return strokes


def rounded(line: np.ndarray, radius: float) -> np.ndarray:
    """(N, 2) with its corners replaced by quadratic arcs that begin and end `radius` of a side away."""
    if radius <= 0 or len(line) < 3:
        return line
    closed = bool((line[0] == line[-1]).all())
    corners = line[:-1] if closed else line[1:-1]
    before = np.concatenate([line[-2:-1], line[:-2]]) if closed else line[:-2]
    after = line[1:] if closed else line[2:]
    t = np.linspace(0, 1, CORNER)[None, :, None]
    begin, end = corners + radius * (before - corners), corners + radius * (after - corners)
    arcs = (1 - t) ** 2 * begin[:, None] + 2 * t * (1 - t) * corners[:, None] + t**2 * end[:, None]
    points = arcs.reshape(-1, 2)
    return np.concatenate([points, points[:1]] if closed else [line[:1], points, line[-1:]])


def _each_once(ways: list[Way]) -> list[Way]:
    """Single steps, those drawn already left out."""
    steps = np.concatenate([np.stack([way.points[:-1], way.points[1:]], axis=1) for way in ways if len(way.points) > 1])
    keys = np.sort(np.round(steps * 1024) @ np.array([1, 1j]), axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    return [Way(step, 0) for step in steps[np.sort(first)]]


def _garden(word: str, system: Preset, options: LsystemOptions, colors: np.ndarray) -> list[Stroke]:
    """Plants side by side, no two alike: thinner and lighter from branch to branch, with buds of the last colors."""
    rng = np.random.default_rng(options.seed)
    left, top, right, bottom = options.frame
    count = options.plants
    places = (np.arange(count) + 0.5 + rng.uniform(-0.3, 0.3, count) * (count > 1)) / count
    heights = rng.uniform(0.4, 0.9, count)
    heights[rng.integers(count)] = 1.0
    green = colors[: max(1, len(colors) - 2)]
    strokes = []
    for k, i in enumerate(np.argsort(heights)):
        ways = walked(word, system.angle, system.facing, options.wildness, int(rng.integers(2**32)))
        if rng.random() < 0.5:
            ways = [Way(way.points * (-1, 1), way.depth, way.bud) for way in ways]
        everything = np.concatenate([way.points for way in ways])
        low, high = everything.min(axis=0), everything.max(axis=0)
        scale = heights[i] * min(
            (bottom - top) / max(high[1] - min(low[1], 0), 1e-9), (right - left) / (high[0] - low[0] + 1e-9)
        )
        base = np.array([left + places[i] * (right - left), bottom])
        base[0] += min(0.0, right - (base[0] + scale * high[0])) + max(0.0, left - (base[0] + scale * low[0]))
        flower = colors[-1 - k % min(2, len(colors))]
        deepest = max(way.depth for way in ways if not way.bud)
        far = float(np.hypot(*everything.T).max())
        for way in ways:
            points = base + scale * way.points * (1, -1)
            if way.bud:
                if rng.random() < options.buds:
                    size = rng.uniform(0.8, 2.2) * options.line_width
                    strokes.append(Stroke(points, flower, size, "buds"))
                continue
            place = max(way.depth / max(deepest, 1), math.hypot(*way.points[0]) / far)
            pen = min(int(place * len(green)), len(green) - 1)
            width = options.line_width * round(0.45 + 1.6 * (1 - place) ** 1.5, 1)
            strokes.append(Stroke(points, green[pen], width))
    return _lifted(strokes, options)


def _lifted(strokes: list[Stroke], options: LsystemOptions) -> list[Stroke]:
    """With the lowest point of all in the frame, smaller if it takes that; as they are, if nothing hangs below it."""
    left, top, right, bottom = options.frame
    heights = np.concatenate([stroke.points[:, 1] for stroke in strokes])
    lowest, tall = heights.max(), heights.max() - heights.min()
    if lowest <= bottom + 1e-6:
        return strokes
    scale = min(1.0, (bottom - top) / max(tall, 1e-9))
    held, there = np.array([(left + right) / 2, lowest]), np.array([(left + right) / 2, bottom])
    return [replace(stroke, points=there + scale * (stroke.points - held)) for stroke in strokes]


def lsystem_steps(options: LsystemOptions) -> Iterator[Step]:
    """The picture as the pens draw it."""
    yield from grown(lsystem_drawing(options), options)
