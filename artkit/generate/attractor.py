"""Strange attractors: where millions of points go under a simple map, or along a flow, as a density.

The maps and flows are in orbits.py; flows are seen from the side. Many orbits run at once; the density is shown on a
logarithmic scale with gamma, as in flames (Draves and Reckase 2003), the color is the speed at which orbits pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import artkit.device as device

import mlx.core as mx
import numpy as np
from pydantic import Field, model_validator

from artkit.contract import Step, WrongCall
from artkit.generate import canvas
from artkit.generate.arrays import library, native
from artkit.generate.canvas import CanvasOptions
from artkit.generate.crews import CREWS, at_once
from artkit.generate.orbits import KINDS, Kind, Point, begin, find
from artkit.generate.palettes import Palette

KindName = Literal["clifford", "dejong", "hopalong", "lorenz", "aizawa"]

ORBITS = {False: 2**16, True: 2**20}  # of a crew on the CPU, on a GPU
FLOW_ORBITS = {False: 2**13, True: 2**16}  # fewer, for they take long to come to their attractor
WANDERERS = 2**16  # orbits that never settle: their picture is how far they have come, the same on every device
SLICE = 2**16  # pixels at a time, for the caches
BATCH = 2**21  # points from one picture to the next, at least
DRAWN_BYTES = 60  # a pixel of the drawn size: densities, their copies, colors
LARGEST = 1e6  # parameter: float32 has no room for more, multiplied with each other
BREATH = 0.06  # how far parameters move in a loop, of their range


class AttractorOptions(CanvasOptions):
    """Which attractor, and how it is developed."""

    palette: str = Field(default="nebula", description=CanvasOptions.model_fields["palette"].description)
    kind: KindName = Field(default="clifford", description="The map or the flow")
    points: int = Field(default=20_000_000, ge=10_000, le=10**11, description="Points drawn")
    parameters: str = Field(default="", description="Numbers such as -1.4,1.6,1,0.7; else the seed finds them")
    phase: float = Field(default=0.0, ge=0, le=1, description="Where in its loop it stands: maps breathe, flows turn")
    gamma: float = Field(default=2.2, ge=0.5, le=6, description="How much thin places show")
    exposure: float = Field(default=1.0, ge=0.1, le=10, description="Brightness")
    margin: float = Field(default=0.06, ge=0, le=0.4, description="Left free at the edges, of the shorter one")

    @model_validator(mode="after")
    def _right_parameters(self) -> AttractorOptions:
        wanted = len(KINDS[self.kind].first)
        try:
            right = not self.numbers or (len(self.numbers) == wanted and all(abs(n) <= LARGEST for n in self.numbers))
        except ValueError:
            right = False
        if not right:
            raise ValueError(f"{self.kind} has {wanted} parameters: numbers up to a million with commas between")
        return self

    @property
    def numbers(self) -> tuple[float, ...]:
        """The parameters given, if any."""
        return tuple(float(word) for word in self.parameters.split(",") if word.strip())


@dataclass(frozen=True)
class Frame:
    """Where the plane of the attractor lies on the canvas: pixels = shift + scale·(x, -y)."""

    scale: float
    shift: tuple[float, float]

    @classmethod
    def of(cls, places: np.ndarray, width: int, height: int, margin: float, trim: float) -> Frame:
        """The frame that holds all `places` (N, 2), but for a share `trim` at each side; WrongCall: there are none."""
        places = places[np.isfinite(places).all(axis=1)]
        if not len(places):
            raise WrongCall("with these parameters every orbit runs away; choose others")
        low, high = np.quantile(places, (trim, 1 - trim), axis=0)
        size, free = np.maximum(high - low, 1e-6), margin * min(width, height)
        scale = float(min((width - 2 * free) / size[0], (height - 2 * free) / size[1]))
        middle = (low + high) / 2
        return cls(scale, (width / 2 - scale * float(middle[0]), height / 2 + scale * float(middle[1])))

    def __call__(self, x: Any, y: Any) -> tuple[Any, Any]:
        return self.shift[0] + self.scale * x, self.shift[1] - self.scale * y


@dataclass(frozen=True)
class Brush:
    """What lets points fall on the canvas: a map with its parameters, and where its plane lies."""

    kind: Kind
    parameters: tuple[float, ...]
    phase: float
    frame: Frame
    width: int
    height: int

    @np.errstate(over="ignore", invalid="ignore")
    def fall_here(self, point: Point, steps: int) -> tuple[Point, Packed]:
        """The points after so many steps, and how many have fallen where on the way, how fast."""
        shape, pixels = (steps, len(point[0])), self.width * self.height
        at, paces = np.empty(shape, np.intp), np.empty(shape)
        for k in range(steps):
            before, point = point, self.kind.onward(*point, *self.parameters)
            x, y = (np.floor(part).astype(np.int32) for part in self.frame(*seen(point, self.kind, self.phase)))
            inside = (x.view(np.uint32) < self.width) & (y.view(np.uint32) < self.height)
            at[k] = np.where(inside, y.astype(np.intp) * self.width + x, pixels)
            paces[k] = np.where(inside, _pace(before, point), 0)
        return point, Packed.of(at.reshape(-1), paces.reshape(-1), pixels)

    def fall_there(self, point: Point, steps: int) -> tuple[Point, mx.array, mx.array]:
        """The same on a GPU: the points, and their number and the sum of their speeds by pixel, (H·W,) each."""
        places, paces = [], []
        for _ in range(steps):
            before, point = point, self.kind.onward(*point, *self.parameters)
            x, y = self.frame(*seen(point, self.kind, self.phase))
            places.append(mx.stack([x, y], axis=-1))
            paces.append(_pace(before, point))
            mx.async_eval(point, places[-1], paces[-1])
        at, pace = mx.concatenate(places), mx.concatenate(paces)
        counts, sums = (canvas.splat(at, w, self.width, self.height).reshape(-1) for w in (mx.ones_like(pace), pace))
        mx.eval(point, counts, sums)
        return point, counts, sums


@dataclass(frozen=True)
class Packed:
    """Counts and sums by pixel in one float64 each, count·whole + sum: added up in one pass. whole: a power of 2."""

    both: np.ndarray
    whole: float

    @classmethod
    def of(cls, at: np.ndarray, values: np.ndarray, pixels: int) -> Packed:
        """at: the pixel of each value, `pixels` for one beside the canvas. values: float64, which are changed."""
        whole = 2.0 ** math.ceil(math.log2(values.sum() + 1))  # above any sum
        values += whole
        return cls(np.bincount(at, values, pixels + 1), whole)

    def add_to(self, counts: np.ndarray, sums: np.ndarray) -> None:
        """Add them to arrays (H·W,), once."""
        for start in range(0, len(counts), SLICE):
            here = slice(start, min(start + SLICE, len(counts)))
            number = np.floor(self.both[here] * (1 / self.whole))
            counts[here] += number
            sums[here] += self.both[here] - number * self.whole


def _pace(before: Point, after: Point) -> Any:
    """How far points have gone, (N,)."""
    return library(after[0]).sqrt(sum((b - a) * (b - a) for a, b in zip(before, after, strict=True)))


def attractor_steps(options: AttractorOptions) -> Iterator[Step]:
    """The picture, as more and more points fall on it."""
    kind, factor = KINDS[options.kind], options.supersample
    canvas.check_memory(options, canvas.FINISHED_BYTES + DRAWN_BYTES * factor**2)
    width, height = options.width * factor, options.height * factor
    parameters, palette = _parameters(options, kind), Palette.of(options.palette)
    gpu = device.uses_gpu()
    crews, most = _crews(kind, gpu)
    orbits = max(64, min(most, options.points // (32 * crews)))
    batch = max(BATCH, width * height)
    rounds = math.ceil(options.points / batch)
    point = begin(kind, orbits * crews, options.seed)
    points = [tuple(part[k::crews] for part in point) for k in range(crews)]
    points = at_once(lambda point: _warmed_up(kind, parameters, point), points)
    frame = Frame.of(_sample(points[0], kind, parameters, options.phase), width, height, options.margin, _trim(kind))
    brush = Brush(kind, parameters, options.phase, frame, width, height)
    points = [tuple(map(native, point)) for point in points]
    density, speed = np.zeros(width * height, np.float32), np.zeros(width * height, np.float32)
    for done in range(1, rounds + 1):
        share = min(batch, options.points - (done - 1) * batch)
        steps = max(1, round(share / (orbits * crews)))
        if gpu:
            points[0], counts, paces = brush.fall_there(points[0], steps)
            density += np.array(counts)
            speed += np.array(paces)
        else:
            fallen = at_once(brush.fall_here, points, [steps] * crews)
            points = [point for point, _ in fallen]
            for _, packed in fallen:
                packed.add_to(density, speed)
        if done == rounds or done % max(1, rounds // 24) == 0:
            points_here, paces_here = (mx.array(part.reshape(height, width)) for part in (density, speed))
            picture = canvas.average_down(developed(points_here, paces_here, palette, options), factor)
            image = canvas.dither(picture, options.seed)[None]
            mx.eval(image)
            yield Step(image, done, rounds, {"points": float(min(done * batch, options.points))})


def _crews(kind: Kind, gpu: bool) -> tuple[int, int]:
    """How many crews follow orbits, each on a core of its own, and how many each: crews of few wait for each other."""
    if not kind.bounded:
        crews = 1 if gpu else min(CREWS, 2)
        return crews, WANDERERS // crews
    if kind.dimensions == 3:
        return 1, FLOW_ORBITS[gpu]
    return 1 if gpu else CREWS, ORBITS[gpu]


@np.errstate(over="ignore", invalid="ignore")
def _warmed_up(kind: Kind, parameters: Sequence[float], point: Point) -> Point:
    """Where points are when they have come to the attractor; of parameters whose orbits run away, nowhere."""
    for _ in range(kind.warm_up):
        point = kind.onward(*point, *parameters)
    return point


def _parameters(options: AttractorOptions, kind: Kind) -> tuple[float, ...]:
    """Those given or found, moved to where the loop stands."""
    found = options.numbers or find(options.kind, options.seed)
    if kind.dimensions == 3:
        return found
    turns = [2 * math.pi * (options.phase + k / len(found)) for k in range(len(found))]
    rest = [2 * math.pi * k / len(found) for k in range(len(found))]
    return tuple(
        p + BREATH * (high - low) / 2 * (math.sin(turn) - math.sin(still))
        for p, (low, high), turn, still in zip(found, kind.ranges, turns, rest, strict=True)
    )


def seen(point: Point, kind: Kind, phase: float) -> tuple[Any, Any]:
    """What is drawn of a point: (x, y); of a flow, from the side, turned by `phase`."""
    if kind.dimensions == 2:
        return point[0], point[1]
    x, y, z = point
    turn = 2 * math.pi * (phase + 0.06)
    return x * math.cos(turn) + y * math.sin(turn), z


@np.errstate(over="ignore", invalid="ignore")
def _sample(point: Point, kind: Kind, parameters: Sequence[float], phase: float) -> np.ndarray:
    """Where orbits go, (N, 2), to find the frame."""
    point, places = tuple(part[:4096] for part in point), []
    for _ in range(64 if kind.bounded and kind.dimensions == 2 else 400):
        point = kind.onward(*point, *parameters)
        places.append(np.stack(seen(point, kind, phase), axis=-1))
    return np.concatenate(places)


def _trim(kind: Kind) -> float:
    return 0.0002 if kind.bounded else 0.01


def developed(density: mx.array, speed: mx.array, palette: Palette, options: AttractorOptions) -> mx.array:
    """(H, W) number of points and sum of their speeds -> (H, W, 3) sRGB: bright by log density, color by speed."""
    counts = np.array(density)
    visited = counts[counts > 0]
    if not len(visited):
        return mx.broadcast_to(mx.array(palette.background), (*counts.shape, 3))
    some = visited[:: max(1, len(visited) // 200_000)]
    top, typical = float(np.quantile(some, 0.999)), float(some.mean())
    strength = options.exposure * 6 / typical
    bright = mx.log1p(density * strength) / math.log1p(top * strength)
    bright = mx.clip(bright, 0, 1) ** (1.4 / options.gamma)
    pace = speed / mx.maximum(density, 1)
    paces = np.array(pace)[counts > 0]
    slow, fast = (float(v) for v in np.quantile(paces[:: max(1, len(paces) // 200_000)], (0.03, 0.97)))
    tint = mx.clip((pace - slow) / max(fast - slow, 1e-9), 0, 1)
    t = mx.clip(bright * (0.6 + 0.45 * tint) + 0.15 * bright * bright, 0, 1)
    if _is_light(palette):
        t = 1 - t
    cover = mx.clip(bright / 0.12, 0, 1)[..., None]
    return palette(t) * cover + mx.array(palette.background) * (1 - cover)


def _is_light(palette: Palette) -> bool:
    """Whether the background is nearer to the end of the palette than to its beginning."""
    first, last = (np.abs(palette.background - palette.colors[k]).sum() for k in (0, -1))
    return bool(last < first)
