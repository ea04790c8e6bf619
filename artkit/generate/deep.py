"""Deep zooms into the Mandelbrot set: an orbit in full precision, polynomials for patches of pixels, pixels at the end.

With Z_n the orbit of a reference and z_n = Z_n + d_n that of a point nearby, d' = (2Z + d)d + dc (K. I. Martin 2013,
"SuperFractalThing maths"); where |Z + d| <= |d| the point goes on from the start of the reference with d = z (rebasing:
Zhuoran 2021, fractalforums.org), which leaves no glitches. d is float64, whose exponents reach to 10^-300.

Around the middle of a square patch z_n is a polynomial of the place u in it, z + Σ a_k u^k. Six terms are kept:
a_k' = 2z·a_k + Σ a_i·a_(k-i), and dc/du more for k = 1. All pixels of a patch are followed by these few numbers. When
the last ones are no longer small, the patch is cut into 16, whose polynomials are that one, seen from other middles;
small patches become pixels. Pixels whose z are apart enough for float64 go on by z² + c; others (near minibrots deep
down) by perturbation, as patches of one pixel and one term in the end, until they are.

MLX has no float64 on GPUs; all of this is NumPy's, on the CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from artkit.generate.bigplane import Reference
from artkit.generate.escape import Orbits, TrapName, approach
from artkit.generate.patches import CHECK, LEAVING, TERMS, Patches, alone
from artkit.generate.points import Ends, Points, follow_freely

SMALLEST = 16  # pixels along the edge of patches that become pixels, if those are apart
FEW = 4  # terms of the patches below that
CUT = 4  # a patch is cut into CUT × CUT
ERROR = 0.2  # pixels that the last terms may come to
APART = 1e-8  # distance of neighboring pixels' z from which float64 holds their difference well
SHALLOW = 1e-12  # or that of their c
WIDE = 1e-3  # from which float32 does
FLAT = 1e-4  # half of what a patch may span with a trap, which is measured from its middle


@dataclass(frozen=True)
class DeepView:
    """A canvas of width × height pixels, the reference's place in its middle.

    scale: of the plane, a pixel to the right. limit: iterations at most. trap: what the nearest approach is taken to.
    """

    reference: Reference
    width: int
    height: int
    scale: complex
    limit: int
    trap: TrapName | None = None

    @np.errstate(over="ignore", invalid="ignore")
    def orbits(self, top: int, bottom: int) -> Orbits:
        """What becomes of the pixels of the rows top..bottom.

        last: z (x, y), zeros, the slope dz/du (x, y) by u in halves of the shorter edge, and the approach to the trap.
        """
        ends, own = Ends.none(self.width * (bottom - top)), self.scale / 2
        if (found := self.pixels(top, bottom)) is not None:
            where, c = (found.row - top) * self.width + found.column, complex(self.reference.place) + found.dc
            points = Points(where, found.n, found.z, found.terms[0], c, found.near)
            wide = np.abs(points.a) > WIDE / 2
            for which, kind in ((wide, np.complex64), (~wide, np.complex128)):
                follow_freely(points.only(np.flatnonzero(which)).of(kind), ends, own, self.limit, self.trap)
        a = ends.a * (abs(self.scale) / self.scale * min(self.width, self.height))
        a *= np.minimum(1, 1e36 / np.maximum(np.abs(a), 1e-300))  # within what float32 holds
        last = np.real(ends.z), np.imag(ends.z), 0 * ends.count, 0 * ends.count, np.real(a), np.imag(a), ends.near
        count = np.where(ends.count <= self.limit, ends.count, 0)
        return Orbits(count.astype(np.float32), tuple(part.astype(np.float32) for part in last))

    @property
    def begin(self) -> int:
        """Iterations for which one polynomial stands for all pixels; the limit, if all of them are inside."""
        return int(self._root.n[0])

    def pixels(self, top: int, bottom: int) -> Patches | None:
        """The pixels of the rows top..bottom that are not found inside, as patches of edge 1, in no order.

        Their z are apart enough for float64, or about to leave. None if there are none.
        """
        edge, failed = self._edge, [self._root] if self.begin < self.limit else []
        leaving: list[Patches] = []
        found: list[Patches] = []
        while edge > 1:
            finer = edge // CUT
            if edge <= SMALLEST:
                fit = [self._apart(patches, edge) for patches in failed]
                leaving += [patches.only(which) for patches, which in zip(failed, fit, strict=True)]
                failed = [patches.only(~which) for patches, which in zip(failed, fit, strict=True)]
                found += [self._cut(patches, edge, 1, top, bottom) for patches in leaving]
                leaving = []
            leaving = [self._cut(patches, edge, finer, top, bottom) for patches in leaving]
            parts = [self._cut(Patches.joined(failed), edge, finer, top, bottom)] if failed else []
            edge, failed = finer, []
            for part in parts:
                for ended, leaves in self._followed(part, edge):
                    (leaving if leaves else failed).append(ended)
        found += leaving + failed
        return Patches.joined(found) if found else None

    @functools.cached_property
    def _edge(self) -> int:
        """Of the patch that the whole canvas is."""
        edge = SMALLEST
        while edge < max(self.width, self.height):
            edge *= CUT
        return edge

    @functools.cached_property
    def _root(self) -> Patches:
        """The patch that the whole canvas is, as far as its polynomial goes."""
        edge, one = self._edge, np.ones(1)
        column, row = (np.array([length // 2 - edge // 2]) for length in (self.width, self.height))
        dc, flattest = self._at(column, row, edge), FLAT if self.trap else np.inf
        own, bound = self.scale * edge / 2, ERROR * 2 / edge
        n, z, d, terms = alone(self.reference, complex(dc[0]), own, self.limit, bound, flattest)
        number, a = np.array([n]), np.array(terms)[:, None]
        return Patches(column, row, number, number, d * one, z * one, dc, a, 1e9 * one, number, d * one, a, number)

    def _at(self, column: np.ndarray, row: np.ndarray, edge: int) -> np.ndarray:
        """The distance of patches' middles from the middle of the canvas, in the plane."""
        return self.scale * ((column + (edge - self.width) / 2) - 1j * (row + (edge - self.height) / 2))

    def _cut(self, patches: Patches, edge: int, finer: int, top: int, bottom: int) -> Patches:
        """The smaller patches in patches, those on the canvas and with something in the rows top..bottom."""
        cut = patches.cut(edge // finer, finer, TERMS if finer >= SMALLEST else FEW if finer > 1 else 1)
        column, row = cut.column, cut.row
        shown = (column + finer > 0) & (column < self.width) & (row + finer > top) & (row < bottom)
        cut = cut.only(np.flatnonzero(shown))
        return replace(cut, dc=self._at(cut.column, cut.row, finer))

    def _apart(self, patches: Patches, edge: int) -> np.ndarray:
        """Those whose pixels are apart enough for float64."""
        return np.abs(patches.terms[0]) * 2 / edge > (APART if abs(self.scale) < SHALLOW else -1)

    def _followed(self, patches: Patches, edge: int) -> Iterator[tuple[Patches, bool]]:
        """Patches when they cannot go on as they are, and whether that is because they are about to leave.

        Those that are inside are dropped; with a trap they go on.
        """
        while len(patches):
            before, patches = patches, self._onward(patches, edge)
            with np.errstate(over="ignore", invalid="ignore"):
                near, span = np.abs(patches.z) < LEAVING, np.abs(patches.terms[0])
                good = patches.ends() <= 2 * ERROR / edge * span if edge > 1 else ~self._apart(patches, 1)
                if self.trap and edge > 1:
                    good &= span <= FLAT
                stays = near & good & ~patches.returned() & (patches.n < self.limit)
            if not stays.all():
                leaves = ~(stays | (near & ~good)) if self.trap else ~near
                yield before.only(np.flatnonzero(leaves)), True
                yield before.only(np.flatnonzero(near & ~good)), False
                patches = patches.only(np.flatnonzero(stays))
            patches = patches.marked()

    def _onward(self, patches: Patches, edge: int) -> Patches:
        """`CHECK` iterations."""
        m, d, z = patches.m.copy(), patches.d.copy(), patches.z.copy()
        terms, near = patches.terms, patches.near
        points = self.reference.points(int(m.max()) + CHECK + 1)
        own, last = self.scale * edge / 2, len(points) - 1
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(CHECK):
                z += z
                after = z * terms
                for i in range(1, len(terms)):
                    after[i:] += terms[i - 1] * terms[: len(terms) - i]
                after[0] += own
                terms = after
                z -= d  # 2Z + d
                d *= z
                d += patches.dc
                m += 1
                np.add(points[m], d, out=z)
                again = np.flatnonzero(~(np.abs(z) > np.abs(d)) | (m >= last))
                if len(again):
                    d[again], m[again] = z[again], 0
                if self.trap:
                    near = np.minimum(near, approach(self.trap, np.real(z), np.imag(z)))
        return replace(patches, n=patches.n + CHECK, m=m, d=d, z=z, terms=terms, near=near)
