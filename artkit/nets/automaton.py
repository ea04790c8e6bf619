"""Texture neural cellular automata: cells that see their neighbors, and one small network that all of them run.

Niklasson, Mordvintsev, Randazzo and Levin 2021, "Self-Organising Textures". A cell has 12 numbers, of which the first
three are its color. It sees them, how they change across and down (Sobel), and how they differ from those around it
(Laplacian); two layers make of these what is added to it. At every step a random half of the cells does so, and nothing
else holds the picture together: it grows at any size, and heals where it is hurt. The grid is a torus.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from artkit.device import uses_gpu

import mlx.core as mx
import numpy as np

from artkit.contract import WeightsError

CHANNELS, HIDDEN, FILTERS = 12, 96, 4
SOFTER = 0.25  # of the paper's filters: as they are there, cells run away early in a training
RATE = 0.5  # share of the cells that change in a step
SHAPES: dict[str, tuple[int, ...]] = {
    "hidden.weight": (FILTERS * CHANNELS, HIDDEN),
    "hidden.bias": (HIDDEN,),
    "change.weight": (HIDDEN, CHANNELS),
}  # 5,856 numbers


def fresh(key: mx.array) -> dict[str, mx.array]:
    """Weights to begin a training with; the last layer is zero, so that nothing changes yet."""
    spread = 1 / math.sqrt(FILTERS * CHANNELS)
    first, second = mx.random.split(key)
    return {
        "hidden.weight": mx.random.uniform(-spread, spread, SHAPES["hidden.weight"], key=first),
        "hidden.bias": mx.random.uniform(-spread, spread, SHAPES["hidden.bias"], key=second),  # cells begin at zero
        "change.weight": mx.zeros(SHAPES["change.weight"]),
    }


def seed(batch: int, height: int, width: int) -> mx.array:
    """What everything grows from: cells that are all zero, (B, H, W, 12). Which of them change first is chance."""
    return mx.zeros((batch, height, width, CHANNELS))


def picture(cells: mx.array) -> mx.array:
    """(B, H, W, 12) -> (B, H, W, 3), sRGB 0..1 where the automaton is well trained."""
    return cells[..., :3] + 0.5


def perceive(padded: mx.array, turn: mx.array | None = None) -> mx.array:
    """(B, H + 2, W + 2, 12) -> (B, H, W, 48): the inner cells, a quarter of Sobel x, Sobel y and Laplacian.

    turn: angle by which a cell's neighborhood is seen turned, radians, (H, W) or a scalar; the Laplacian has none.
    """
    return _rows(_perceived(padded, turn), padded)


def _perceived(padded: mx.array, turn: mx.array | None) -> mx.array:
    """The same, one row after the other: (B, H·(W + 2) - 2, 48), two that count for nothing after each row.

    A neighbor is the same memory shifted, so that every step is one loop over it: far quicker on a CPU than windows.
    """
    B, _, across, C = padded.shape
    row, flat = across * C, padded.reshape(B, -1)
    upper, middle, lower = flat[:, : -2 * row], flat[:, row:-row], flat[:, 2 * row :]
    smooth, fall = upper + 2 * middle + lower, lower - upper
    left, here, right = (slice(k * C, (k - 2) * C or None) for k in range(3))
    cells = middle[:, here]
    x = smooth[:, right] - smooth[:, left]
    y = fall[:, left] + 2 * fall[:, here] + fall[:, right]
    around = smooth[:, left] + 2 * smooth[:, here] + smooth[:, right] - 16 * cells
    cells, x, y, around = (each.reshape(B, -1, C) for each in (cells, x, y, around))
    if turn is not None:
        x, y = _turned(x, y, mx.pad(turn, [(0, 0), (0, 2)]).reshape(-1)[:-2, None] if turn.ndim else turn)
    return mx.concatenate([cells, x * SOFTER, y * SOFTER, around * SOFTER], axis=-1)


def _turned(x: mx.array, y: mx.array, angle: mx.array) -> tuple[mx.array, mx.array]:
    c, s = mx.cos(angle), mx.sin(angle)
    return c * x + s * y, c * y - s * x


@functools.cache
def _filters() -> mx.array:
    """The four filters as one convolution, (48, 3, 3, 12)."""
    smooth, fall = np.array([1, 2, 1]), np.array([-1, 0, 1])
    around = np.outer(smooth, smooth)
    around[1, 1] -= 16
    filters = [
        np.outer([0, 1, 0], [0, 1, 0]),
        *(SOFTER * f for f in (np.outer(smooth, fall), np.outer(fall, smooth), around)),
    ]
    kernel = mx.array(
        np.einsum("fij,oc->foijc", filters, np.eye(CHANNELS)).reshape(-1, 3, 3, CHANNELS).astype(np.float32)
    )
    mx.eval(kernel)
    return kernel


def convolved(padded: mx.array, turn: mx.array | None = None) -> mx.array:
    """`perceive` in one operation, for a GPU, whose time goes into how many there are: a training makes thousands."""
    seen = mx.conv2d(padded, _filters())
    if turn is None:
        return seen
    cells, x, y, around = mx.split(seen, FILTERS, axis=-1)
    x, y = _turned(x, y, turn[..., None] if turn.ndim else turn)
    return mx.concatenate([cells, x, y, around], axis=-1)


def _rows(flat: mx.array, padded: mx.array) -> mx.array:
    """(B, H·(W + 2) - 2, K) -> (B, H, W, K)."""
    B, down, across, _ = padded.shape
    return mx.pad(flat, [(0, 0), (0, 2), (0, 0)]).reshape(B, down - 2, across, -1)[:, :, :-2]


@dataclass(frozen=True)
class Automaton:
    """The rule that all cells follow. weights: as in `SHAPES`, float32."""

    weights: Mapping[str, mx.array]

    @classmethod
    def of(cls, weights: Mapping[str, mx.array], origin: object = "these weights") -> Automaton:
        """WeightsError when they are of something else."""
        if {name: tensor.shape for name, tensor in weights.items()} != SHAPES:
            raise WeightsError(f"{origin}: not an automaton; artkit train automata PICTURE --name NAME makes one")
        return cls({name: weights[name].astype(mx.float32) for name in SHAPES})

    def change(self, padded: mx.array, turn: mx.array | None = None) -> mx.array:
        """What would be added to every inner cell: (B, H + 2, W + 2, 12) -> (B, H, W, 12)."""
        seen = convolved(padded, turn) if uses_gpu() else _perceived(padded, turn)
        hidden = mx.maximum(seen @ self.weights["hidden.weight"] + self.weights["hidden.bias"], 0)
        change = hidden @ self.weights["change.weight"]
        return change if uses_gpu() else _rows(change, padded)

    def step(self, cells: mx.array, key: mx.array, turn: mx.array | None = None, rate: float = RATE) -> mx.array:
        """One step of all cells, (B, H, W, 12) -> (B, H, W, 12), of which a share `rate` changes."""
        live = mx.random.bernoulli(rate, (*cells.shape[:3], 1), key=key)
        return cells + self.change(wrapped(cells), turn) * live

    def run(self, cells: mx.array, key: mx.array, steps: int) -> mx.array:
        """So many steps, lazily: what a training goes back through."""
        for step_key in mx.random.split(key, steps):
            cells = self.step(cells, step_key)
        return cells


def wrapped(cells: mx.array) -> mx.array:
    """(B, H, W, C) -> (B, H + 2, W + 2, C), a torus cut open."""
    cells = mx.concatenate([cells[:, -1:], cells, cells[:, :1]], axis=1)
    return mx.concatenate([cells[:, :, -1:], cells, cells[:, :, :1]], axis=2)
