"""Noise over the plane, as functions of arrays x, y, MLX's or NumPy's (any one shape), and an integer seed.

Lattice points are hashed, nothing is stored: the same everywhere, without a period one could see. `phase` turns the
gradients of every lattice point around, each at a whole number of turns (after Perlin and Neyret 2001, "Flow noise"):
phase 0 and 1 give the same picture, and those between move in a loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from artkit.generate.arrays import Array, library

_SKEW, _UNSKEW = (math.sqrt(3) - 1) / 2, (3 - math.sqrt(3)) / 6
_SCALE = 99.2043 / 1.0607  # brings simplex noise with gradients as `direction` has them to -1..1
# Octaves are turned by this angle (with tangent 3/4) one after the other, so that no direction of the lattice shows.
_COS, _SIN = 0.8, 0.6


_X, _Y = 0x8DA6B343, 0xD8163841


def hashed(ix: Array, iy: Array, seed: int) -> Array:
    """Whole numbers -> 32 random bits each: int32, int32 -> uint32 (mixing of C. Wellons 2018, lowbias32)."""
    xp = library(ix)
    h = _stirred(ix.astype(xp.uint32) * _X + iy.astype(xp.uint32) * _Y + _mixed(seed))
    return h ^ (h >> 16)


def _stirred(h: Array) -> Array:
    """All of the mixing but its last step, which only concerns the lower bits."""
    h = (h ^ (h >> 16)) * 0x7FEB352D
    return (h ^ (h >> 15)) * 0x846CA68B


def simplex(x: Array, y: Array, seed: int, phase: float = 0.0) -> Array:
    """Simplex noise, -1..1, features about 1 apart (Perlin 2001; Gustavson 2005, "Simplex noise demystified")."""
    return _simplex(x, y, seed, phase)[0]


def simplex_slope(x: Array, y: Array, seed: int, phase: float = 0.0) -> tuple[Array, Array, Array]:
    """Simplex noise and its exact derivatives: n, ∂n/∂x, ∂n/∂y."""
    n, dx, dy = _simplex(x, y, seed, phase, slope=True)
    assert dx is not None
    assert dy is not None
    return n, dx, dy


def fbm(
    x: Array,
    y: Array,
    seed: int,
    octaves: int = 5,
    gain: float = 0.5,
    lacunarity: float = 2.0,
    phase: float = 0.0,
) -> Array:
    """Fractional Brownian motion: simplex octaves, each finer by `lacunarity` and weaker by `gain`; within -1..1."""
    total, norm = None, 0.0
    for octave in _octaves(x, y, seed, octaves, gain, lacunarity):
        n = octave.weight * simplex(octave.x, octave.y, octave.seed, phase)
        total, norm = n if total is None else total + n, norm + octave.weight
    assert total is not None
    return total / norm


def fbm_slope(
    x: Array,
    y: Array,
    seed: int,
    octaves: int = 3,
    gain: float = 0.5,
    lacunarity: float = 2.0,
    phase: float = 0.0,
) -> tuple[Array, Array, Array]:
    """The same with its exact derivatives."""
    xp = library(x)
    total, dx, dy, norm = xp.zeros_like(x), xp.zeros_like(x), xp.zeros_like(x), 0.0
    for octave in _octaves(x, y, seed, octaves, gain, lacunarity):
        n, nx, ny = simplex_slope(octave.x, octave.y, octave.seed, phase)
        c, s, steep = octave.cos, octave.sin, octave.weight * octave.scale
        total = total + octave.weight * n
        dx = dx + steep * (c * nx + s * ny)  # back into the directions of the first octave
        dy = dy + steep * (c * ny - s * nx)
        norm += octave.weight
    return total / norm, dx / norm, dy / norm


def curl(x: Array, y: Array, seed: int, octaves: int = 3, gain: float = 0.5, phase: float = 0.0) -> tuple[Array, Array]:
    """A flow without sources or sinks: (∂n/∂y, -∂n/∂x) of fBm n (Bridson, Hourihan and Nordenstam 2007)."""
    _, dx, dy = fbm_slope(x, y, seed, octaves, gain, phase=phase)
    return dy, -dx


def ridged(
    x: Array,
    y: Array,
    seed: int,
    octaves: int = 5,
    gain: float = 0.5,
    lacunarity: float = 2.0,
    phase: float = 0.0,
) -> Array:
    """Ridged multifractal, 0..1: crests where simplex noise crosses 0, finer ones upon them (Musgrave 1994)."""
    xp = library(x)
    total, norm, before = xp.zeros_like(x), 0.0, None
    for octave in _octaves(x, y, seed, octaves, gain, lacunarity):
        crest = (1 - xp.abs(simplex(octave.x, octave.y, octave.seed, phase))) ** 2
        crest = crest if before is None else crest * before
        total, norm = total + octave.weight * crest, norm + octave.weight
        before = xp.clip(crest * 1.6, 0, 1)
    return total / norm


def worley(x: Array, y: Array, seed: int, phase: float = 0.0) -> tuple[Array, Array, Array]:
    """Cellular noise (Worley 1996): distance to the nearest and to the second nearest point, and the nearest's bits.

    One point a unit square, anywhere in it; with `phase` each goes around a small circle of its own. The points of
    3×3 squares are looked at. Gives F1, F2 float32 and uint32.
    """
    xp = library(x)
    cx, cy = xp.floor(x), xp.floor(y)
    fx, fy, ix, iy = x - cx, y - cy, cx.astype(xp.int32), cy.astype(xp.int32)
    first = xp.full(x.shape, 9.0, xp.float32)
    second, owner = first, xp.zeros(x.shape, xp.uint32)
    for j in (-1, 0, 1):
        for i in (-1, 0, 1):
            h = hashed(ix + i, iy + j, seed)
            px = (h & 0xFFFF).astype(xp.float32) / 65536 + (i - fx)
            py = (h >> 16).astype(xp.float32) / 65536 + (j - fy)
            if phase:
                angle = (h & 0xFFF).astype(xp.float32) * (2 * math.pi / 4096)
                px = px + 0.25 * (xp.cos(angle + 2 * math.pi * phase) - xp.cos(angle))
                py = py + 0.25 * (xp.sin(angle + 2 * math.pi * phase) - xp.sin(angle))
            d = px * px + py * py
            second = xp.minimum(second, xp.maximum(first, d))
            owner = xp.where(d < first, h, owner)
            first = xp.minimum(first, d)
    return xp.sqrt(first), xp.sqrt(second), owner


def unit(bits: Array) -> Array:
    """Random bits -> numbers 0..1: uint32 -> float32."""
    xp = library(bits)
    return (bits >> 8).astype(xp.float32) / 2**24


def direction(bits: Array) -> tuple[Array, Array]:
    """Random bits -> a direction: uint32, a whole turn in 2³² -> about its cosine and sine, float32.

    Parabolas through the zeros and crests of the sine, in a tenth of the time of the real one: at most 6 % too long,
    and 3° off.
    """
    xp = library(bits)
    c, s = (turned.view(xp.int32).astype(xp.float32) for turned in (bits + 0x40000000, bits))
    return c * (_STEEP - _BENT * xp.abs(c)), s * (_STEEP - _BENT * xp.abs(s))


_STEEP, _BENT = 4 * 2.0**-31, 4 * 2.0**-62  # 4a(1 - |a|), a half turns


def _mixed(seed: int) -> int:
    """Seeds that follow each other -> numbers far apart, so that no seed's noise is another's, shifted."""
    h = (seed * 0x9E3779B9 + 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) * 0x846CA68B) & 0xFFFFFFFF


class _Octave(NamedTuple):
    """Where a layer of noise is taken, its weight, and how its plane is enlarged and turned against the first one's."""

    x: Array
    y: Array
    seed: int
    weight: float
    scale: float
    cos: float
    sin: float


def _octaves(x: Array, y: Array, seed: int, octaves: int, gain: float, lacunarity: float) -> Iterator[_Octave]:
    weight, scale, c, s = 1.0, 1.0, 1.0, 0.0
    for number in range(octaves):
        yield _Octave(x, y, seed + 1013 * number, weight, scale, c, s)
        x, y = lacunarity * (_COS * x - _SIN * y) + 17.3, lacunarity * (_SIN * x + _COS * y) - 9.1
        weight, scale = weight * gain, scale * lacunarity
        c, s = c * _COS - s * _SIN, s * _COS + c * _SIN


def _simplex(x: Array, y: Array, seed: int, phase: float, slope: bool = False) -> tuple[Array, Array, Array]:
    xp = library(x)
    skew = (x + y) * _SKEW
    cx, cy = xp.floor(x + skew), xp.floor(y + skew)
    lattice = cx.astype(xp.int32).view(xp.uint32) * _X + cy.astype(xp.int32).view(xp.uint32) * _Y + _mixed(seed)
    unskew = (cx + cy) * _UNSKEW
    x0, y0 = x - cx + unskew, y - cy + unskew
    right = x0 > y0  # which of the two triangles of the square
    bits, i1 = right.astype(xp.uint32), right.astype(xp.float32)
    total, dx, dy = None, None, None
    for corner in range(3):
        i, j = [(0, 0), (i1, 1 - i1), (1, 1)][corner]
        h = _stirred([lattice, bits * ((_X - _Y) % 2**32) + (lattice + _Y), lattice + (_X + _Y) % 2**32][corner])
        gx, gy = direction(h + ((h & 3) * 2 + 1) * round(phase * 2**32 % 2**32)) if phase else direction(h)
        px, py = x0 - i + corner * _UNSKEW, y0 - j + corner * _UNSKEW
        t = xp.maximum(0.5 - px * px - py * py, 0)
        t2 = t * t
        dot = gx * px + gy * py
        n = t2 * t2 * dot
        total = n if total is None else total + n
        if slope:
            pull = (-8 * t2 * t) * dot
            nx, ny = t2 * t2 * gx + pull * px, t2 * t2 * gy + pull * py
            dx, dy = (nx, ny) if dx is None or dy is None else (dx + nx, dy + ny)
    assert total is not None
    if dx is None or dy is None:
        return _SCALE * total, None, None
    return _SCALE * total, _SCALE * dx, _SCALE * dy
