"""Gray–Scott reaction–diffusion on a periodic grid, many steps at a time.

    ∂u/∂t = Dᵤ∇²u - uv² + F(1 - u)          ∂v/∂t = Dᵥ∇²v + uv² - (F + k)v

Pearson 1993, "Complex patterns in a simple system". Explicit Euler, Dᵤ = 1, Dᵥ = ½, a step of 1, and the nine-point
Laplacian (1/20, 1/5, -1), which is the same in all directions to fourth order.

The grid is cut into bands of rows, one a CPU stream (one in all on a GPU). A band is laid out flat, with a halo of
`STRIDE` cells around it, so that a neighbor is the same array, shifted: the whole step is then a few fused loops over
contiguous memory, and `STRIDE` steps are done before bands need to hear of each other. In each the halo is spoilt one
cell further in, which is why it is as wide as there are steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import artkit.device as device

import mlx.core as mx

from artkit.generate.crews import evenly

DIFFUSION_U, DIFFUSION_V = 1.0, 0.5
STRIDE = 8  # steps at a time


class GrayScott:
    """The two fields, (H, W) float32 each, and their rates; `advance` lets time pass.

    feed, kill: numbers, or maps (H, W). Both edges have STRIDE cells or more.
    """

    def __init__(self, u: mx.array, v: mx.array, feed: float | mx.array, kill: float | mx.array) -> None:
        assert min(u.shape) >= STRIDE, "a halo of STRIDE cells is no wider than the grid"
        self.u, self.v = u, v
        self._height, self._width = u.shape
        count = 1 if device.uses_gpu() else min(device.CPU_STREAMS, max(1, self._height // (4 * STRIDE)))
        self._bands = evenly(self._height, count)
        gpu = device.uses_gpu()
        self._streams = [mx.default_stream(mx.gpu)] if gpu else [mx.new_stream(mx.cpu) for _ in self._bands]
        self._rates = [(self._rate(feed, band), self._rate(kill, band)) for band in self._bands]

    def advance(self, strides: int = 1) -> None:
        """Let strides × STRIDE steps pass; the fields are evaluated then."""
        for i in range(strides):
            halves = []
            for (top, bottom), (feed, kill), stream in zip(self._bands, self._rates, self._streams, strict=True):
                with mx.stream(stream):
                    u, v = self._flat(self.u, top, bottom), self._flat(self.v, top, bottom)
                    u, v = _stride(u, v, feed, kill, self._width + 2 * STRIDE)
                    halves.append((self._rows(u, bottom - top), self._rows(v, bottom - top)))
            mx.async_eval(halves)
            if len(halves) == 1:
                self.u, self.v = halves[0]
            else:
                self.u, self.v = (mx.concatenate([half[f] for half in halves]) for f in (0, 1))
            if not device.uses_gpu() or i % 16 == 15:
                mx.eval(self.u, self.v)
        mx.eval(self.u, self.v)

    def _flat(self, field: mx.array, top: int, bottom: int) -> mx.array:
        """Rows top..bottom with the halo around them, one row after the other."""
        n = STRIDE
        above = field[top - n : top] if top else field[-n:]
        below = field[bottom : bottom + n] if bottom < self._height else field[:n]
        tall = mx.concatenate([above, field[top:bottom], below])
        return mx.concatenate([tall[:, -n:], tall, tall[:, :n]], axis=1).reshape(-1)

    def _rows(self, flat: mx.array, height: int) -> mx.array:
        """What a stride leaves of `_flat`: the band itself, (h, W)."""
        return mx.as_strided(flat, (height, self._width), (self._width + 2 * STRIDE, 1), 0)

    def _rate(self, rate: float | mx.array, band: tuple[int, int]) -> mx.array:
        if not isinstance(rate, mx.array) or rate.ndim == 0:
            return mx.array(rate, mx.float32)
        flat = self._flat(rate.astype(mx.float32), *band)
        mx.eval(flat)
        return flat


def step(u: mx.array, v: mx.array, feed: mx.array, kill: mx.array, width: int) -> tuple[mx.array, mx.array]:
    """One step of flat fields of rows of `width`: (n,) -> (n - 2·width - 2,), without the first and last row and cell.

    The kernel (1/20, 1/5; 1/5, 4/5) around 0 is a row times a column, so the neighbors are summed along rows first.
    """
    margin, n = width + 1, u.shape[0]
    along, react_u, react_v = _kernels()
    sums_u, sums_v = (along(field[:-2], field[1:-1], field[2:]) for field in (u, v))
    here = slice(margin, n - margin)
    rows = [slice(here.start - 1 + o, here.stop - 1 + o) for o in (-width, 0, width)]
    rates = [rate[here] if rate.ndim else rate for rate in (feed, kill)]
    return (
        react_u(u[here], v[here], *(sums_u[row] for row in rows), rates[0]),
        react_v(u[here], v[here], *(sums_v[row] for row in rows), *rates),
    )


_SIDE = math.sqrt(
    1 / 20
)  # of the row: side, middle, side; squared they are the corner's 1/20, multiplied the edge's 1/5
_MIDDLE = 1 / 5 / _SIDE


def _along(left: mx.array, here: mx.array, right: mx.array) -> mx.array:
    return _SIDE * (left + right) + _MIDDLE * here


def _spread(field: mx.array, above: mx.array, beside: mx.array, below: mx.array) -> mx.array:
    """The Laplacian, from sums along rows; _MIDDLE² is 4/5, and the kernel has -1 there."""
    return _SIDE * (above + below) + _MIDDLE * beside - 1.8 * field


def _react_u(u: mx.array, v: mx.array, above: mx.array, beside: mx.array, below: mx.array, feed: mx.array) -> mx.array:
    return u + DIFFUSION_U * _spread(u, above, beside, below) - u * v * v + feed * (1 - u)


def _react_v(
    u: mx.array, v: mx.array, above: mx.array, beside: mx.array, below: mx.array, feed: mx.array, kill: mx.array
) -> mx.array:
    return v + DIFFUSION_V * _spread(v, above, beside, below) + u * v * v - (feed + kill) * v


@functools.cache
def _kernels() -> tuple[Callable[..., mx.array], ...]:
    """Each equation as one loop, on the CPU too where there is a compiler.

    Three with one result each: g++ makes vector instructions of a loop over few arrays, and none of one over twenty.
    """
    return mx.compile(_along), mx.compile(_react_u), mx.compile(_react_v)


def _stride(u: mx.array, v: mx.array, feed: mx.array, kill: mx.array, width: int) -> tuple[mx.array, mx.array]:
    """STRIDE steps of flat fields; each takes a row and a cell off both ends."""
    for _ in range(STRIDE):
        inside = slice(width + 1, u.shape[0] - width - 1)
        u, v = step(u, v, feed, kill, width)
        feed, kill = (rate[inside] if rate.ndim else rate for rate in (feed, kill))
    return u, v
