"""Colors: named palettes, hex lists, and the colors of a picture, interpolated in Oklab.

Oklab: Björn Ottosson 2020, "A perceptual color space for image processing". Equal steps look equal, and a path between
two colors neither grays nor changes its hue on the way.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np

from artkit.contract import WrongCall

# name: (background, ink, colors from the low end to the high one)
NAMED: dict[str, tuple[str, str, str]] = {
    # fire and earth
    "ember": ("#0d0a12", "#ffe8c4", "#120b1c #3a0f3d #871c4b #d5402f #f28a2e #fdd26e #fff4db"),
    "lava": ("#0a0607", "#ffd9a0", "#0a0607 #2b0a0e #6e0f14 #c42b16 #f26b1d #ffb648 #fff0c2"),
    "desert": ("#f3e4cf", "#3b2a2a", "#3b2a2a #7c4a3a #b96f4a #dc9d63 #ecc793 #f3e4cf #9fb8b5"),
    "terracotta": ("#f5ebdf", "#40201b", "#40201b #7d3325 #b8502f #d98452 #e9b88d #f5ebdf"),
    "autumn": ("#f6eddc", "#2c1c17", "#2c1c17 #5b2a1d #97401f #cf7124 #e5a93b #c8b560 #6f7a44 #33473a"),
    "gold": ("#14100b", "#f4dd9e", "#14100b #3a2a14 #6e4d1d #a67a2c #d6ab4d #f1d58b #fdf3cf"),
    # water and sky
    "tide": ("#071521", "#f2efe2", "#071521 #0d3148 #155a78 #2f8ba0 #79bcb7 #c9e0cf #f6f1e0"),
    "hokusai": ("#efe6d0", "#15294b", "#15294b #27508a #4f83b4 #97b9c9 #d6d6c0 #efe6d0 #d9a86c"),
    "ultramarine": ("#f4f1ea", "#101a4d", "#0b1033 #162a80 #2b4fc4 #6f92e6 #b9cbf2 #f4f1ea"),
    "lagoon": ("#04211f", "#f7f3df", "#04211f #06473f #0d7a66 #38ab86 #8fd3a0 #dcefb8 #fbf6dc"),
    "glacier": ("#eef4f5", "#16324a", "#12263a #24506e #4b86a5 #8cb9cc #c6dfe5 #f4f9f8"),
    "porcelain": ("#f8f6f0", "#1d3b78", "#1d3b78 #3f67ab #83a3d1 #c3d3e6 #f8f6f0"),
    "storm": ("#11151c", "#e9e6dd", "#11151c #27313f #475669 #76869a #a9b5c0 #d8dcdb #f3efe4"),
    "aurora": ("#050a1a", "#eafbe9", "#050a1a #0f2147 #1d4b74 #1f8a83 #4cc98c #b2ee9a #f5fbd0"),
    # evening
    "dusk": ("#14122b", "#ffe3cf", "#14122b #322561 #6d3b87 #b3558a #e6827f #f9bb8b #fdebc8"),
    "nebula": ("#070510", "#ffe9f2", "#070510 #1c1044 #48207f #8a2f9b #cf4d8f #f58f86 #fde0b8"),
    "orchid": ("#1c0f26", "#fbe9f5", "#1c0f26 #45225c #823a8d #c05fae #e39bc3 #f7d5dc #fdf3e7"),
    "midnight": ("#060a14", "#f6d98b", "#060a14 #0f1c3b #1f3a6b #3c68a0 #7ea3c4 #d9d6b0 #f6d98b"),
    # garden
    "moss": ("#10160f", "#eef0d5", "#10160f #24341f #43592c #70803e #a5a95b #d5cf92 #f3eed2"),
    "meadow": ("#f5f4e3", "#23402f", "#23402f #3d6b45 #74995a #b0bf6c #e5d77e #eda55d #d9694f"),
    "sakura": ("#fbf1ee", "#4a2335", "#4a2335 #8d3f59 #cd6c82 #eda1a7 #f8cfcb #fbf1ee #a9b79c"),
    "coral": ("#fff4ea", "#173a4a", "#173a4a #1f6f78 #64b0a5 #f6d6b3 #ff9f7c #f0624f #b8324b"),
    "citrus": ("#fffbe8", "#1f3d2b", "#1f3d2b #3f7d3f #9cc23c #f4dc45 #fba82e #f26a2a"),
    # paper and studio
    "ink": ("#f7f4ec", "#16161a", "#16161a #4a4a50 #8e8d8c #cfccc4 #f7f4ec"),
    "charcoal": ("#141414", "#efece4", "#141414 #3a3938 #6f6d6a #aba7a0 #efece4"),
    "sepia": ("#f4e9d5", "#2e1d12", "#2e1d12 #5f4229 #977049 #c8a77c #e7d3b1 #f8efdf"),
    "bauhaus": ("#f2ead8", "#1b1b1e", "#1b1b1e #1f4e8c #d8352a #f0b323 #f2ead8"),
    "mondrian": ("#f4f1e8", "#151517", "#151517 #20499b #d02a24 #f4c921 #f4f1e8"),
    "riso": ("#f6f1e4", "#2a3d8f", "#2a3d8f #0078bf #00a95c #ffe800 #ff7a45 #ff48b0"),
    "klimt": ("#17120e", "#f0d27a", "#17120e #4b2d1f #8a4b2a #c88a2d #f0d27a #7a9a76 #2f5d62"),
    "matisse": ("#f3e7d3", "#14233c", "#14233c #1f5fa8 #2a9d74 #f2b632 #ee6f4b #d8325f #f3e7d3"),
    "nordic": ("#f1efe9", "#2b3440", "#2b3440 #4f6475 #8ba3ab #c7cfc9 #f1efe9 #d9a38a #b25f4f"),
    "candy": ("#fff6f4", "#41295a", "#41295a #7b52ab #c36bc8 #ff8fab #ffc2a1 #ffe8a3 #a8e6cf"),
    "neon": ("#07060f", "#f4f7ff", "#07060f #241663 #5b1fd6 #d61fb8 #ff4f6d #ffb02e #f9f871"),
}  # fmt: skip

_STEPS = 2048  # of the table that a palette is looked up in
_HEX = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_PICTURE_COLORS = 6


@dataclass(frozen=True, eq=False)
class Palette:
    """Colors in order. colors: (N, 3), background and ink: (3,), float32 sRGB 0..1."""

    name: str
    colors: np.ndarray
    background: np.ndarray
    ink: np.ndarray

    @classmethod
    def of(cls, name: str) -> Palette:
        """A named palette, a list of hex colors ("#102030,#fed", the first is the background), or a picture's colors.

        WrongCall when it is none of them, PictureError for a picture that cannot be read.
        """
        name = name.strip()
        if name in NAMED:
            background, ink, colors = NAMED[name]
            return cls(name, _parsed(colors.split()), _parsed([background])[0], _parsed([ink])[0])
        if hexes := _hex_list(name):
            colors = _parsed(hexes)
            lightness = to_oklab(colors)[:, 0]
            return cls(name, colors, colors[0], colors[np.abs(lightness - lightness[0]).argmax()])
        try:
            check_name(name)
        except ValueError as error:
            raise WrongCall(f'palette "{name}": {error}') from None
        return cls.from_picture(name)

    @classmethod
    def from_picture(cls, path: str, count: int = _PICTURE_COLORS) -> Palette:
        """The `count` colors that a picture is best told with, dark to light; the darkest is the background."""
        from artkit.image import load

        colors = main_colors(load(path).resized(128).pixels, count)
        colors = np.round(colors * 255).astype(np.float32) / 255  # as `hexes` has them
        return cls(str(path), colors, colors[0], colors[-1])

    def __call__(self, t: mx.array) -> mx.array:
        """Colors along the palette: (...) 0..1, clipped, NaN as 0 -> (..., 3) sRGB."""
        return _looked_up(self._ramp, t)

    def around(self, t: mx.array) -> mx.array:
        """Colors along the palette and back to its beginning without a seam: any t, period 1 -> (..., 3) sRGB."""
        return _looked_up(self._ring, t - mx.floor(t))

    def at(self, t: float) -> np.ndarray:
        """One color along the palette, (3,) float64."""
        place = min(max(t, 0.0), 1.0) * (len(self._ramp) - 1)
        return self._ramp[round(place)].astype(np.float64)

    @property
    def hexes(self) -> str:
        """The colors as a hex list, background first: it gives this palette again, wherever the picture has gone."""
        colors = self.colors if (self.colors[0] == self.background).all() else [self.background, *self.colors]
        return ",".join("#" + "".join(f"{round(float(c) * 255):02x}" for c in color) for color in colors)

    @cached_property
    def _ramp(self) -> np.ndarray:
        return _table(self.colors)

    @cached_property
    def _ring(self) -> np.ndarray:
        return _table(np.concatenate([self.colors, self.colors[:1]]))


def check_name(name: str) -> str:
    """The palette's name as it is, if there is such a palette, file or list; ValueError otherwise."""
    if name.strip() in NAMED or _hex_list(name) or Path(name).expanduser().is_file():
        return name
    near = difflib.get_close_matches(name, NAMED, n=1)
    todo = f'did you mean "{near[0]}"?' if near else "give a name, a picture file or #hex,#hex,…"
    raise ValueError(f"no such palette; {todo} (artkit generate --palettes shows all {len(NAMED)})")


def _hex_list(text: str) -> list[str]:
    words = [word for word in re.split(r"[,\s]+", text.strip()) if word]
    return words if words and all(_HEX.fullmatch(word) for word in words) else []


def _parsed(words: list[str]) -> np.ndarray:
    """["#102030", "fed"] -> (2, 3)."""
    digits = [word.lstrip("#") for word in words]
    full = [word if len(word) == 6 else "".join(2 * digit for digit in word) for word in digits]
    return np.array([[int(word[i : i + 2], 16) for i in (0, 2, 4)] for word in full], np.float32) / 255


def _looked_up(table: np.ndarray, t: mx.array) -> mx.array:
    within = mx.where(mx.isnan(t), 0, mx.clip(t, 0, 1))  # NaN as an index would read beyond the table
    position = within * (len(table) - 1)
    low = mx.minimum(mx.floor(position), len(table) - 2)
    rest = (position - low)[..., None]
    colors, index = mx.array(table), low.astype(mx.uint32)
    return colors[index] * (1 - rest) + colors[index + 1] * rest


def _table(colors: np.ndarray) -> np.ndarray:
    """(N, 3) sRGB -> (_STEPS, 3) sRGB: from the first to the last on a line through them in Oklab."""
    if len(colors) == 1:
        return np.repeat(colors, _STEPS, axis=0)
    lab = to_oklab(colors)
    at = np.linspace(0, len(colors) - 1, _STEPS)
    line = np.stack([np.interp(at, np.arange(len(colors)), lab[:, c]) for c in range(3)], axis=1)
    return np.clip(from_oklab(line), 0, 1).astype(np.float32)


# --- Oklab --------------------------------------------------------------------------------------------------------

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_oklab(srgb: np.ndarray) -> np.ndarray:
    """(..., 3) sRGB 0..1 -> lightness 0..1, green-red, blue-yellow, float64."""
    srgb = np.asarray(srgb, np.float64)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """The other way, float64; colors outside sRGB come out below 0 or above 1."""
    linear = (lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def main_colors(pixels: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) -> the (count, 3) means of k-means in Oklab, dark to light; fewer where there are fewer colors.

    Lloyd's iteration from k-means++ seeds (Arthur and Vassilvitskii 2007).
    """
    points = to_oklab(pixels.reshape(-1, 3))
    rng = np.random.default_rng(seed)
    centers = points[rng.integers(len(points))][None]
    while len(centers) < count:
        nearest = ((points[:, None] - centers) ** 2).sum(axis=2).min(axis=1)
        if nearest.max() < 1e-8:  # no more colors than that
            break
        centers = np.concatenate([centers, points[rng.choice(len(points), p=nearest / nearest.sum())][None]])
    for _ in range(30):
        members = ((points[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        moved = np.stack(
            [points[members == k].mean(axis=0) if (members == k).any() else c for k, c in enumerate(centers)]
        )
        if np.abs(moved - centers).max() < 1e-5:
            break
        centers = moved
    colors = np.clip(from_oklab(centers[centers[:, 0].argsort()]), 0, 1)
    return colors.astype(np.float32)
