"""Oil paint: strokes with bristles and thickness, laid one over the other, all at once.

Every stroke is sampled densely along and across, and each sample leaves its key in its pixel: the stroke's number, and
where in the stroke it is. The largest key stays, so that later strokes cover earlier ones whatever the order in which
samples arrive: one scatter, no loop over strokes. What a key says is turned into color, thickness and light afterwards.
"""

from __future__ import annotations

import itertools

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np

from artkit.generate.canvas import average_down, band_streams
from artkit.generate.noises import hashed, unit

MOST_STROKES = 2**18 - 1
_ACROSS, _ALONG = 6, 8  # bits of a key for the place in the stroke
_SPACING = 0.75  # pixels between samples: no pixel of a stroke is missed
_SAMPLES = 2**21  # laid down at a time
_BAND = 2**18  # pixels that are shaded at a time
BYTES = 4.0  # a pixel of the canvas before it is averaged down: its key


class Brush:
    """A canvas that strokes are laid on, supersampled by `factor`. seed: of the bristles."""

    def __init__(self, width: int, height: int, factor: int, seed: int, dry: float) -> None:
        self.width, self.height, self.factor = width * factor, height * factor, factor
        self._seed, self._dry = (seed + 2**31) % 2**32 - 2**31, dry  # within int32
        self._keys = mx.zeros((self.width * self.height + 1,), mx.uint32)
        self._colors: list[np.ndarray] = []
        self._count = 0

    def lay(self, paths: np.ndarray, lengths: np.ndarray, widths: np.ndarray, colors: np.ndarray) -> None:
        """Lay strokes over all before them.

        paths: (N, L, 2) pixels of the canvas, evenly spaced; lengths: (N,) how many of the L points each uses, at least
        2. widths: (N,) pixels. colors: (N, 3) sRGB.
        """
        room = MOST_STROKES - self._count
        paths, lengths, widths, colors = (a[:room] for a in (paths, lengths, widths, colors))
        self._colors.append(colors.astype(np.float32))
        if not len(paths):
            return
        spaced = float(np.hypot(*(paths[:, 1] - paths[:, 0]).T).max()) * self.factor
        between = max(1, int(np.ceil(spaced / _SPACING)))
        across = max(2, int(np.ceil(widths.max() * self.factor / _SPACING)))
        each = paths.shape[1] * between * across
        batch = max(1, _SAMPLES // each)
        for first in range(0, len(paths), batch):
            part = slice(first, first + batch)
            numbers = mx.arange(self._count + first + 1, self._count + min(first + batch, len(paths)) + 1)
            self._keys = self._laid(
                mx.array(paths[part].astype(np.float32)) * self.factor,
                mx.array(lengths[part].astype(np.float32)),
                mx.array(widths[part].astype(np.float32)) * self.factor,
                numbers.astype(mx.uint32),
                between,
                across,
            )
            mx.eval(self._keys)
        self._count += len(paths)

    def _laid(
        self, paths: mx.array, lengths: mx.array, widths: mx.array, numbers: mx.array, between: int, across: int
    ) -> mx.array:
        """The keys with these strokes; axes: stroke, point of the path, place between points, place across."""
        along = paths[:, 1:] - paths[:, :-1]
        normal = mx.stack([-along[..., 1], along[..., 0]], axis=-1)
        normal = normal * mx.rsqrt(mx.maximum((normal * normal).sum(-1, keepdims=True), 1e-12))
        normal = mx.concatenate([normal, normal[:, -1:]], axis=1)
        part = (mx.arange(between) / between)[None, None, :]
        x, y, nx, ny = (
            a[:, :-1, None] * (1 - part) + a[:, 1:, None] * part
            for a in (paths[..., 0], paths[..., 1], normal[..., 0], normal[..., 1])
        )
        at = (mx.arange(paths.shape[1] - 1)[None, :, None] + part) / (lengths[:, None, None] - 1)  # 0..1 in the stroke
        shape = mx.sqrt(mx.clip(mx.minimum(at * 9, (1 - at) * 3.5), 0, 1))  # put down quickly, lifted slowly
        side = ((mx.arange(across) + 0.5) / across * 2 - 1)[None, None, None, :]
        reach = 0.5 * (widths[:, None, None] * shape)[..., None] * side
        px = mx.floor(x[..., None] + nx[..., None] * reach).astype(mx.int32)
        py = mx.floor(y[..., None] + ny[..., None] * reach).astype(mx.int32)
        bristle = mx.floor((side + 1) * 12).astype(mx.int32)
        hold = unit(hashed(numbers.astype(mx.int32)[:, None, None, None] + self._seed, bristle, 7))
        empty = mx.maximum(at * 1.6 - 0.6, 0)[..., None] * self._dry  # the brush runs dry, bristle by bristle
        kept = (px >= 0) & (px < self.width) & (py >= 0) & (py < self.height) & (at <= 1)[..., None] & (hold >= empty)
        where = mx.where(kept, py * self.width + px, self.width * self.height)
        place = (mx.arange(across) * (2**_ACROSS - 1) // max(across - 1, 1)).astype(mx.uint32)[None, None, None, :]
        keys = (numbers[:, None, None] << (_ACROSS + _ALONG)) + (mx.clip(at, 0, 1) * (2**_ALONG - 1)).astype(mx.uint32)
        keys = keys[..., None] + (place << _ALONG)
        return self._keys.at[where.reshape(-1)].maximum(keys.reshape(-1))

    def picture(self, background: np.ndarray, relief: float, *, draft: bool = False) -> mx.array:
        """The painting, (1, H, W, 3). relief: how much light from the upper left shows the thickness of the paint.

        draft: one sample a pixel, for a look at it meanwhile.
        """
        table = mx.array(np.concatenate([background[None].astype(np.float32), *self._colors]))
        keys = self._keys[:-1].reshape(self.height, self.width)
        factor = 1 if draft else self.factor
        if draft:
            keys = keys[:: self.factor, :: self.factor]
        height, width = keys.shape
        rows = max(factor, _BAND // width // factor * factor)
        bands = []
        for top, stream in zip(range(0, height, rows), itertools.cycle(band_streams()), strict=False):
            with mx.stream(stream):
                shown = self._shown(keys[max(top - 1, 0) : top + rows], table, relief, top > 0)
                bands.append(mx.clip(average_down(shown, factor), 0, 1))
        for first in range(0, len(bands), 4):
            mx.eval(bands[first : first + 4])
        picture = mx.concatenate(bands)[None]
        mx.eval(picture)
        return picture

    def _shown(self, keys: mx.array, table: mx.array, relief: float, above: bool) -> mx.array:
        """Colors of a band; its first row is only there for the slope where `above`."""
        numbers = keys >> (_ACROSS + _ALONG)
        side = ((keys >> _ALONG) & (2**_ACROSS - 1)).astype(mx.float32) / (2**_ACROSS - 1) * 2 - 1
        at = (keys & (2**_ALONG - 1)).astype(mx.float32) / (2**_ALONG - 1)
        ids = numbers.astype(mx.int32) + self._seed
        fine, coarse = (self._bristles(ids, side, count) for count in (20, 7))
        hair = (0.6 * fine + 0.4 * coarse) - 0.5
        paint = mx.minimum(numbers, 1).astype(mx.float32)
        thick = paint * ((1 - side * side) * 0.45 + 1.1 * hair * (0.45 + 0.55 * at) + 0.25 * (1 - at))
        slope = (thick[:, 1:] - thick[:, :-1])[1:] + (thick[1:] - thick[:-1])[:, 1:]
        slope = mx.pad(slope, [(0 if above else 1, 0), (1, 0)], mode="edge")
        keep = slice(1, None) if above else slice(None)
        light = mx.clip(1 + relief * (0.16 * slope + (0.34 * hair * paint)[keep]), 0.4, 1.6)
        return table[numbers[keep]] * light[..., None]

    def _bristles(self, ids: mx.array, side: mx.array, count: int) -> mx.array:
        """How much paint each hair of the brush holds, 0..1, smooth from one to the next."""
        place = (side + 1) * (count / 2)
        first = mx.floor(place)
        rest = place - first
        rest = rest * rest * (3 - 2 * rest)
        low, high = (unit(hashed(ids, first.astype(mx.int32) + i, count)) for i in (0, 1))
        return low + (high - low) * rest
