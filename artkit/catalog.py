"""Every generative piece, one line each: its name, its options, its steps, and what can be done with it.

Nothing is imported before it is asked for, so that the catalog can be listed at once. What a piece keeps to:

- `<name>_steps(options)` gives a Step now and then while it grows; the last one holds the finished picture. A piece
  with `source` takes a photo or a painting as its second argument, `source: Picture | None = None`.
- A piece with `lines` also has `<name>_drawing`, with the same arguments: the strokes, for SVG.
- A piece with `loops` has the option `phase`, 0..1, where 0 and 1 are the same picture and all between leads around.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artkit.contract import Step, WrongCall

if TYPE_CHECKING:
    from artkit.generate.canvas import CanvasOptions
    from artkit.generate.strokes import Drawing
    from artkit.image import Picture


@dataclass(frozen=True)
class Piece:
    """One art form. source: follows a picture if given one; lines: writes SVG; loops: has a phase that comes around.

    needs: draws nothing without a picture.
    """

    name: str
    options_at: str
    steps_at: str
    line: str
    source: bool = False
    lines: bool = False
    loops: bool = False
    needs: bool = False

    @property
    def options(self) -> type[CanvasOptions]:
        """The class of its settings."""
        return _imported(self.options_at)

    @property
    def steps(self) -> Callable[..., Iterator[Step]]:
        """The function that draws it."""
        return _imported(self.steps_at)

    def run(self, options: CanvasOptions, source: Picture | None = None) -> Iterator[Step]:
        """Its steps; WrongCall for a source it has no use for."""
        return self.steps(options, source) if self._takes(source) else self.steps(options)

    def draw(self, options: CanvasOptions, source: Picture | None = None) -> Drawing:
        """Its strokes; WrongCall when it is no piece of lines."""
        if not self.lines:
            raise WrongCall(f"{self.name} has no strokes to write as SVG; artkit generate --list shows which have")
        drawing = _imported(self.steps_at.removesuffix("_steps") + "_drawing")
        return drawing(options, source) if self._takes(source) else drawing(options)

    def _takes(self, source: Picture | None) -> bool:
        if source is not None and not self.source:
            raise WrongCall(f"{self.name} does not follow a picture; artkit generate --list shows what does")
        return source is not None


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _piece(
    name: str,
    options: str,
    line: str,
    *,
    source: bool = False,
    lines: bool = False,
    loops: bool = False,
    needs: bool = False,
) -> Piece:
    """A piece whose module has its name: artkit/generate/flow.py with `FlowOptions` and `flow_steps`."""
    module = f"artkit.generate.{name}"
    return Piece(name, f"{module}:{options}", f"{module}:{name}_steps", line, source or needs, lines, loops, needs)


# fmt: off
PIECES: dict[str, Piece] = {piece.name: piece for piece in (
    _piece("flow", "FlowOptions", "Strokes that drift with a field or a picture", source=True, lines=True, loops=True),
    _piece("noise", "NoiseOptions", "Marbled, cellular or ridged noise, warped by itself", loops=True),
    _piece("reaction", "ReactionOptions", "Corals, mazes and cells that grow by reaction and diffusion", source=True),
    _piece("harmonograph", "HarmonographOptions", "Swinging pendulums draw", lines=True, loops=True),
    _piece("phyllotaxis", "PhyllotaxisOptions", "Florets of a sunflower, or a photo in florets",
           source=True, lines=True, loops=True),
    _piece("lsystem", "LsystemOptions", "Plants, dragons, Hilbert curves: rewritten words, drawn", lines=True),
    _piece("tiles", "TilesOptions", "Truchet and Wang tiles whose lines go on and on", source=True, lines=True),
    _piece("lines", "LinesOptions", "A photo hatched, engraved or as contours", needs=True, lines=True),
    _piece("pack", "PackOptions", "Circles that fill the sheet; or a photo", source=True, lines=True),
    _piece("dream", "DreamOptions", "What a network sees in a photo or in noise, strengthened: DeepDream", source=True),
    _piece("texture", "TextureOptions", "A texture from a picture, at any size, with or without a seam", needs=True),
    _piece("visualize", "VisualizeOptions", "What a channel of a network likes best: feature visualization"),
    _piece("automata", "AutomataOptions", "Textures that grow and heal, cell by cell", source=True),
    _piece("fractal", "FractalOptions", "Mandelbrot, Julia, Burning Ship, Newton; as deep as 10^60", loops=True),
    _piece("attractor", "AttractorOptions", "Millions of points on a strange attractor", loops=True),
    _piece("life", "LifeOptions", "Lenia, and cellular automata of many states"),
    _piece("cppn", "CppnOptions", "A small random network of smooth functions paints", loops=True),
)}
# fmt: on


def get(name: str) -> Piece:
    """The piece called `name`; a WrongCall with the nearest name otherwise."""
    if name in PIECES:
        return PIECES[name]
    near = difflib.get_close_matches(name, PIECES, n=1)
    todo = f'did you mean "{near[0]}"?' if near else "choose another"
    raise WrongCall(f'no piece "{name}"; {todo} (artkit generate --list shows all {len(PIECES)})')
