"""Draw the style pictures in samples/: a night in oil and a sun in stained glass, from nothing but numbers.

    python scripts/draw_samples.py [FOLDER]

Both are drawn at twice their size and shrunk at the end. A picture is two arrays, color (H, W, 3) in 0..1 and
height (H, W), the thickness of paint or glass; light from the upper left turns height into highlights and shadows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

SIZE = 768
SCALE = 2  # drawn at SCALE * SIZE
N = SIZE * SCALE

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


def rgb(*codes: str) -> np.ndarray:
    """("#ff0000", …) -> (len(codes), 3) in 0..1."""
    return np.array([[int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)] for code in codes], np.float32)


def gradient(t: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Colors at t in 0..1 along a list of colors: (...) -> (..., 3)."""
    stops = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(t, stops, colors[:, c]) for c in range(3)], axis=-1).astype(np.float32)


def smooth(t: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smoothly in between."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def noise(rng: np.random.Generator, cells: int, octaves: int = 3) -> np.ndarray:
    """Cloudy noise, mean 0 and deviation 1: (N, N)."""
    total = np.zeros((N, N), np.float32)
    for octave in range(octaves):
        grid = rng.normal(size=(cells * 2**octave + 3,) * 2).astype(np.float32)
        total += cv2.resize(grid, (N, N), interpolation=cv2.INTER_CUBIC) / 2**octave
    return (total - total.mean()) / total.std()


# --- oil: strokes along a field of directions ---------------------------------------------------------------------


class Canvas:
    """Paint on a primed canvas: bundles of bristles that follow a field, each with its own color and thickness."""

    def __init__(self, ground: np.ndarray, rng: np.random.Generator) -> None:
        self.color = np.ascontiguousarray(np.broadcast_to(ground, (N, N, 3)), np.float32)
        self.height = np.zeros((N, N), np.float32)
        self.rng = rng

    def stroke(
        self, path: np.ndarray, width: float, color: np.ndarray, *, jitter: float = 0.05, body: float = 1.0
    ) -> None:
        """One stroke along path (points, 2): its bristles run side by side and lift off one after the other."""
        rng = self.rng
        along = np.gradient(path, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6
        t = np.linspace(0, 1, len(path))
        spread = (smooth(t / 0.18 + 0.35) * smooth((1 - t) / 0.3 + 0.25))[:, None]
        bristles = max(4, int(width / 2.2))
        tint = color + rng.normal(0, jitter, 3) * [1.0, 0.9, 1.1]
        for offset in rng.permutation(np.linspace(-0.5, 0.5, bristles)):
            line = path + normal * spread * offset * width
            last = len(line) - int(rng.integers(0, max(len(line) // 4, 1)))
            points = np.round(line[:last] * 16).astype(np.int32)
            if len(points) < 2:
                continue
            shade = tint + rng.normal(0, jitter * 0.7) + rng.normal(0, jitter * 0.25, 3)
            thick = max(2, round(width / bristles * 1.7))
            cv2.polylines(self.color, [points], False, np.clip(shade, 0, 1).tolist(), thick, cv2.LINE_AA, 4)
            # Paint piles up at the rim of a stroke and where it ends.
            ridge = body * (0.55 + 0.9 * abs(offset) + rng.normal(0, 0.28))
            cv2.polylines(self.height, [points], False, float(ridge), thick, cv2.LINE_AA, 4)


def follow(angle: np.ndarray, x: float, y: float, length: float, step: float = 6.0) -> np.ndarray:
    """The path of `length` pixels through (x, y) along `angle` (N, N): (points, 2)."""
    halves = []
    for sign in (1, -1):
        px, py, points = x, y, []
        for _ in range(int(length / 2 / step)):
            a = angle[min(max(int(py), 0), N - 1), min(max(int(px), 0), N - 1)]
            px, py = px + sign * step * np.cos(a), py + sign * step * np.sin(a)
            points.append((px, py))
        halves.append(points)
    return np.array([*halves[1][::-1], (x, y), *halves[0]], np.float32)


def lit(color: np.ndarray, height: np.ndarray, strength: float, gloss: float) -> np.ndarray:
    """Color under light from the upper left: slopes towards it brighten, slopes away darken, ridges shine."""
    height = cv2.GaussianBlur(height, (0, 0), 1.1)
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3)
    facing = np.tanh(-(slope_x + slope_y) * strength)[..., None]
    shine = np.clip(facing - 0.45, 0, 1) ** 2 * gloss
    return np.clip(color * (1 + 0.34 * facing) + shine, 0, 1)


def night(seed: int = 7) -> np.ndarray:
    """A night sky that turns around its stars above a lake between hills, in thick strokes: (SIZE, SIZE, 3)."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[0:N, 0:N] / N).astype(np.float32)

    # Stars: x, y, radius of the core, radius of what they turn.
    moon = (0.765, 0.205, 0.062, 0.25)
    stars = [moon, (0.14, 0.13, 0.022, 0.12), (0.40, 0.10, 0.017, 0.09), (0.075, 0.40, 0.016, 0.085),
             (0.555, 0.315, 0.014, 0.07), (0.93, 0.47, 0.02, 0.10), (0.575, 0.07, 0.012, 0.06),
             (0.30, 0.52, 0.013, 0.065)]  # fmt: skip
    whirls = [(0.335, 0.315, 0.20, 1.0), (0.60, 0.475, 0.125, -1.0)]

    # Directions: a wind from the left that bends around whirls and stars.
    u = 1.0 + 0.25 * noise(rng, 3, 2) * 0.6
    v = 0.28 * np.sin(2 * np.pi * (1.1 * x + 0.6 * y)) + 0.12 * noise(rng, 3, 2)
    for cx, cy, radius, turn in whirls:
        dx, dy = x - cx, y - cy
        r = np.hypot(dx, dy) + 1e-4
        pull = 3.6 * np.exp(-((r / radius) ** 2) * 1.25)
        u += turn * pull * (-dy / r) - 0.35 * pull * dx / r
        v += turn * pull * (dx / r) - 0.35 * pull * dy / r
    for cx, cy, _, reach in stars:
        dx, dy = x - cx, y - cy
        r = np.hypot(dx, dy) + 1e-4
        pull = 5.0 * np.exp(-((r / reach) ** 2) * 1.6)
        u += pull * -dy / r
        v += pull * dx / r
    sky_angle = np.arctan2(v, u)

    # Color of the sky: light bands along the wind (noise smeared along the directions), light around the stars.
    bands = smear(noise(rng, 26, 2), sky_angle, 70)
    depth = 0.36 + 0.15 * bands + 0.20 * (y / 0.62) + 0.03 * noise(rng, 4, 2)
    for cx, cy, radius, turn in whirls:
        dx, dy = x - cx, y - cy
        r = np.hypot(dx, dy)
        arms = 0.5 + 0.5 * np.cos(2 * np.arctan2(dy, dx) * turn - 24 * (r / radius) ** 0.8 * 0.55)
        depth += 0.34 * arms * np.exp(-((r / radius) ** 2) * 1.4)
    sky = gradient(depth, rgb("#070d2c", "#0c1c56", "#143a8c", "#2165ae", "#4d98c6", "#9ccbd4", "#e3ecd2"))
    for cx, cy, core, reach in stars:
        r = np.hypot(x - cx, y - cy)
        rings = 0.5 + 0.5 * np.cos(2 * np.pi * r / (reach * 0.30) + 0.6)
        glow = np.exp(-((r / reach) ** 2) * 2.1) * (0.62 + 0.38 * rings)
        light = gradient(
            np.clip(r / reach, 0, 1), rgb("#fffbe0", "#ffe88a", "#fbcd4d", "#d6cb6c", "#8cc4a0", "#4f9cc0")
        )
        sky = sky + (light - sky) * np.clip(glow * 1.18, 0, 1)[..., None]
        disk = smooth((core - r) / (0.25 * core) + 0.5)[..., None]
        sky = sky + (gradient(r / core, rgb("#fffdf0", "#fff3b8", "#ffd75e")) - sky) * disk

    # Hills in four rows, each with its own ridge, strokes running down along it; a lake that mirrors the sky.
    color, angle = sky, sky_angle
    shore = 0.80
    ridges = [
        (0.640, 0.050, 2.3, 0.4, ("#1b3a78", "#2f62a0", "#6d9fc0")),
        (0.690, 0.055, 3.1, 2.1, ("#12295c", "#1f4f86", "#4f8a9e")),
        (0.745, 0.050, 2.0, 4.0, ("#0d1f45", "#1d4a66", "#4a8576", "#b9b25a")),
    ]
    for base, swing, waves, phase, palette in ridges:
        ridge = base + swing * np.sin(2 * np.pi * waves * x / 1.6 + phase) + 0.02 * np.sin(9.0 * x + 3 * phase)
        inside = smooth((y - ridge) * N / 3)
        below = np.clip((y - ridge) / 0.10, 0, 1)
        slope = np.gradient(ridge, axis=1) * N
        t = 0.25 + 0.5 * np.exp(-below * 3.2) + 0.11 * smear(noise(rng, 30, 1), np.arctan(slope), 40)
        color = color + (gradient(t, rgb(*palette)) - color) * inside[..., None]
        angle = np.where(inside > 0.5, np.arctan(slope * (1 - 0.4 * below)) + 0.35 * below, angle)

    water = smooth((y - shore - 0.006 * np.sin(11 * x)) * N / 3)
    mirror = np.clip(2 * shore - y - 0.02, 0, 1)
    ripple = 0.012 * np.sin(2 * np.pi * (y - shore) * 34 / (0.35 + 2.2 * (y - shore))) + 0.004 * noise(rng, 20, 1)
    reflected = cv2.remap(
        color, ((x + ripple) * N).astype(np.float32), ((mirror - 1.6 * (y - shore)).clip(0, 1) * N).astype(np.float32),
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    lake = reflected * np.array([0.62, 0.74, 0.86], np.float32) + rgb("#06142e")[0] * 0.25
    trail = np.exp(-(((x - moon[0] + 1.4 * ripple) / (0.035 + 0.16 * (y - shore))) ** 2))
    glints = smooth(0.55 + 0.6 * smear(noise(rng, 60, 1), np.zeros((N, N), np.float32), 26))
    lake += (rgb("#ffd566")[0] - lake) * np.clip(trail * glints * 1.1, 0, 1)[..., None] * 0.95
    color = color + (lake - color) * water[..., None]
    angle = np.where(water > 0.5, 0.10 * np.sin(2 * np.pi * (3 * x + 9 * y)), angle)

    canvas = Canvas(rgb("#14224c")[0], rng)
    for spacing, width, length, jitter, body in (
        (26, 44, 260, 0.03, 0.6), (15, 25, 170, 0.035, 0.9), (10, 15, 110, 0.04, 1.1),
    ):  # fmt: skip
        cover(canvas, cv2.GaussianBlur(color, (0, 0), width / 5), angle, spacing, width, length, jitter, body)
    accents(canvas, color, angle)
    cypress(canvas, rng)
    return finish(lit(canvas.color, canvas.height, 0.42, 0.35))


def smear(values: np.ndarray, angle: np.ndarray, length: int) -> np.ndarray:
    """Values averaged along the field (line integral convolution), deviation 1: (N, N)."""
    rows, columns = np.mgrid[0:N, 0:N].astype(np.float32)
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    total = values.astype(np.float32).copy()
    for sign in (1, -1):
        px, py = columns.copy(), rows.copy()
        for _ in range(length // 4):
            px += sign * 4 * cv2.remap(cos, px, py, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            py += sign * 4 * cv2.remap(sin, px, py, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            total += cv2.remap(values, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return (total - total.mean()) / total.std()


def cover(
    canvas: Canvas, color: np.ndarray, angle: np.ndarray, spacing: float, width: float, length: float,
    jitter: float, body: float,
) -> None:  # fmt: skip
    """Strokes all over, in random order, each in the color under its middle."""
    rng = canvas.rng
    grid = np.arange(-spacing, N + spacing, spacing)
    starts = (
        np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
        + rng.uniform(-0.7, 0.7, (len(grid) ** 2, 2)) * spacing
    )
    for x, y in rng.permutation(starts):
        inside = color[min(max(int(y), 0), N - 1), min(max(int(x), 0), N - 1)]
        path = follow(angle, x, y, length * rng.uniform(0.5, 1.15))
        canvas.stroke(path, width * rng.uniform(0.75, 1.25), inside, jitter=jitter, body=body)


def accents(canvas: Canvas, color: np.ndarray, angle: np.ndarray) -> None:
    """Last, the small thick touches where the picture changes most or is brightest."""
    rng = canvas.rng
    light = cv2.cvtColor(color.astype(np.float32), cv2.COLOR_RGB2GRAY)
    detail = cv2.GaussianBlur(np.abs(light - cv2.GaussianBlur(light, (0, 0), 14)), (0, 0), 3)
    chance = detail / np.percentile(detail, 99) + smooth((light - 0.55) / 0.35)
    for x, y in rng.uniform(0, N, (16000, 2)):
        if rng.random() < chance[int(y), int(x)]:
            path = follow(angle, x, y, rng.uniform(36, 80), 4)
            canvas.stroke(path, rng.uniform(7, 11), color[int(y), int(x)], jitter=0.045, body=1.5)


def cypress(canvas: Canvas, rng: np.random.Generator) -> None:
    """A dark tree on the left that flickers upwards like a flame."""
    for crown, foot, top, wide in ((0.175, 0.165, 0.36, 0.050), (0.235, 0.228, 0.55, 0.032)):
        for _ in range(900):
            t = rng.random() ** 0.8  # 0 at the foot, 1 at the tip
            half = wide * (1 - t) ** 0.75 * (0.55 + 0.45 * np.sin(3.0 * t + 0.6)) * (0.9 + 0.25 * np.sin(19 * t))
            side = rng.uniform(-1, 1)
            px = foot + (crown - foot) * t + side * half + 0.012 * np.sin(7 * t)
            py = 1.02 + (top - 1.02) * t
            lean = -np.pi / 2 + side * 0.42 + 0.35 * np.sin(11 * t + 2.5 * side)
            s = np.linspace(0, 1, 12)[:, None]
            bend = lean + s[:, 0] * rng.normal(-0.35 * side, 0.35)
            step = rng.uniform(50, 110) * (1 - 0.55 * t) / 12
            path = np.cumsum(np.stack([np.cos(bend), np.sin(bend)], axis=1) * step, axis=0) + np.array((px * N, py * N))
            shade = gradient(
                np.array(rng.beta(1.3, 3.0) + 0.2 * (side > 0.45)),
                rgb("#04100f", "#0c2a26", "#1d4a35", "#5d7a3a", "#b08a3a"),
            )
            canvas.stroke(path.astype(np.float32), rng.uniform(9, 17) * (1 - 0.4 * t), shade, jitter=0.025, body=1.5)


def finish(color: np.ndarray) -> np.ndarray:
    return cv2.resize(color.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


# --- glass: cells in lead -----------------------------------------------------------------------------------------


def glass(seed: int = 11) -> np.ndarray:
    """A sun above waves in stained glass: (SIZE, SIZE, 3)."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[0:N, 0:N] / N).astype(np.float32)
    dx, dy = x - 0.60, y - 0.36
    r, theta = np.hypot(dx, dy), np.arctan2(dy, dx)

    # The drawing: arms that wind out from the sun, and waves below. Thick lead runs along the drawing, thin lead
    # cuts it into panes: arms across in unequal lengths, waves along their crests and across.
    turn = (theta / (2 * np.pi) * 16 + 3.1 * np.log(r + 0.05) + 0.16 * np.sin(3 * theta)) % 16
    arm = np.floor(turn).astype(np.int32)
    cut = np.floor(3.0 * np.log(r + 0.02) + rng.uniform(0, 1, 16)[arm] + 0.10 * np.sin(2 * np.pi * turn)).astype(
        np.int32
    )
    cut = 2 * cut + ((turn % 1 > 0.5) & (r > 0.30))
    core = r < 0.115
    region = np.where(core, 99, arm)
    petal = np.floor((theta + np.pi) / (2 * np.pi) * 9 + 0.3).astype(np.int32) % 9
    pane = np.where(core, np.where(r < 0.05, 0, 1 + petal), cut)
    palette = rgb("#ffd23f", "#fcae2a", "#f67f25", "#ea4a2c", "#cf2740", "#a01a58", "#66206e", "#38206a", "#20184f")
    shade = gradient((r - 0.10) / 0.74 + 0.10 * (arm % 2) - 0.05 + 0.02 * np.sin(5 * theta), palette)
    shade = np.where(core[..., None], gradient(r / 0.115, rgb("#fffbe6", "#fff0b0", "#ffdf6e")), shade)

    waves = rgb("#0f7f95", "#0a5f80", "#f0b643", "#0b8a8c", "#d6502f", "#10507a", "#27a79c", "#0a3562")
    for i, tint in enumerate(waves):
        phase = 2 * np.pi * (0.95 + 0.10 * i) * x + 1.7 * i + 0.7 * np.sin(2 * np.pi * x + i)
        crest = 0.635 + 0.054 * i + (0.026 + 0.005 * i) * np.sin(phase)
        below = y > crest
        strip = np.floor((y - crest) / 0.040).astype(np.int32)
        across = np.floor(
            7.5 * x + 2.2 * (y - crest) * np.cos(phase) * 4 + 0.37 * strip + 0.5 * np.sin(9 * x + i)
        ).astype(np.int32)
        region = np.where(below, 200 + i, region)
        pane = np.where(below, 100 * strip + across, pane)
        shade = np.where(below[..., None], tint * (1 - 0.10 * (strip % 2))[..., None], shade)
    _, label = np.unique(region.astype(np.int64) * 100_000 + pane, return_inverse=True)
    label = label.reshape(N, N)
    fine, thick = distance_to_border(label), distance_to_border(region)

    # Each pane: its own tone, streaks in one direction, lighter in the middle, a few bubbles.
    panes = label.max() + 1
    tone = rng.normal(0, 1, (panes, 1)) * 0.105 + rng.normal(0, 1, (panes, 3)) * 0.04
    color = shade * (1 + tone[label])
    streak = smear(noise(rng, 36, 2), (rng.uniform(0, np.pi, panes)[label]).astype(np.float32), 64)
    color = color * (1 + 0.085 * streak[..., None]) + 0.020 * streak[..., None]
    middle = smooth(fine / 46)
    color = color * (0.70 + 0.46 * middle[..., None]) + 0.035 * middle[..., None]
    height = 2.2 * smooth(fine / 18) + 0.45 * streak + 0.55 * noise(rng, 40, 2)
    for px, py in rng.uniform(0, N, (420, 2)):
        cv2.circle(height, (int(px), int(py)), int(rng.integers(2, 6)), 3.2, -1, cv2.LINE_AA)
    color = lit(np.clip(color, 0, 1), height, 0.30, 0.30)

    # Light comes through: bright glass glows over the lead beside it.
    glow = cv2.GaussianBlur(color.astype(np.float32) ** 2, (0, 0), 26)

    # Lead: round bars, wide along the drawing and narrow within it, with solder where they meet.
    width = 5.5 + 0.6 * noise(rng, 30, 1)
    bar = np.maximum(1 - (fine / width) ** 2, 1 - (thick / (width * 1.8)) ** 2)
    round_ = np.sqrt(np.clip(bar, 0, 1)) * 9 + 0.5 * noise(rng, 120, 1)
    lead = lit(
        np.broadcast_to(rgb("#2a2a31")[0], (N, N, 3)) * (1 + 0.12 * noise(rng, 90, 2)[..., None]), round_, 0.30, 0.9
    )
    color = color + (lead - color) * smooth(bar / 0.16)[..., None]
    return finish(np.clip(color + 0.20 * glow, 0, 1))


def distance_to_border(label: np.ndarray) -> np.ndarray:
    """Pixels to the nearest change of label: (N, N)."""
    border = np.zeros((N, N), bool)
    border[:, 1:] |= label[:, 1:] != label[:, :-1]
    border[1:] |= label[1:] != label[:-1]
    return cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "samples"
    for draw in (night, glass):
        picture = np.round(draw() * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{draw.__name__}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93])


if __name__ == "__main__":
    main()
