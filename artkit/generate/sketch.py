"""Sketches of one's own: a function in a Python file, with `@artkit.sketch` before it, is a piece like any other.

    import artkit

    @artkit.sketch
    def rings(canvas, t, count: int = 20, wobble: float = 0.1):
        for i in range(count):
            canvas.circle(wobble * i / count, 0, (i + t) / count)

`canvas` is drawn on with lines; a function of x and y instead gets all pixels at once and gives back their color, or
one number a pixel that is looked up in the palette:

    @artkit.sketch
    def waves(x, y, t, scale: float = 8):
        return 0.5 + 0.5 * mx.sin(scale * x + 6.28 * t)

All other arguments become options: their defaults, types and, by `Annotated[float, Field(ge=0, le=1)]`, their ranges.
An argument `t` goes from 0 to 1 in a movie; `rng` is a NumPy generator of the seed's, `palette` is the palette.
"""

from __future__ import annotations

import inspect
import sys
import traceback
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
from pydantic import Field, create_model

from artkit.catalog import Piece
from artkit.contract import ArtkitError, PictureError, Step, WrongCall
from artkit.generate.canvas import FINISHED_BYTES, CanvasOptions, check_memory, shaded
from artkit.generate.palettes import Palette
from artkit.generate.pen import Canvas
from artkit.generate.strokes import Drawing, growing

GIVEN = {"canvas", "x", "y", "t", "rng", "palette"}  # what a sketch may ask for that is no option


class SketchError(ArtkitError):
    """A sketch with a mistake in it; the message has the line."""


class Sketch:
    """A function that draws, and what `artkit sketch` makes of it. Calling it calls the function."""

    def __init__(self, function: FunctionType) -> None:
        self.function, self.name = function, function.__name__
        parameters = inspect.signature(function).parameters
        self.wants = GIVEN & parameters.keys()
        if not ("canvas" in self.wants or {"x", "y"} <= self.wants):
            raise WrongCall(f"the sketch {self.name} should take canvas, or x and y, as its first arguments")
        self.options = _options_of(function)
        self.line = (inspect.getdoc(function) or f"The sketch {self.name}").splitlines()[0].rstrip(".")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def piece(self) -> Piece:
        """As an entry of the catalog."""
        return SketchPiece(
            self.name, "", "", self.line, lines="canvas" in self.wants, loops="t" in self.wants, sketch=self
        )

    def drawing(self, options: CanvasOptions) -> Drawing:
        """The lines of a sketch that draws on a canvas."""
        palette = Palette.of(options.palette)
        canvas = Canvas(*options.size, palette)
        self._called(options, palette, {"canvas": canvas})
        return canvas.drawing()

    def steps(self, options: CanvasOptions) -> Iterator[Step]:
        """The picture, line by line or band by band."""
        check_memory(options, FINISHED_BYTES)
        if "canvas" in self.wants:
            yield from growing(self.drawing(options), options.supersample)
            return
        palette = Palette.of(options.palette)

        def shade(x: mx.array, y: mx.array) -> mx.array:
            result = self._called(options, palette, {"x": x, "y": y})
            color = mx.array(result) if isinstance(result, np.ndarray) else result
            if not isinstance(color, mx.array) or color.shape not in (x.shape, (*x.shape, 3)):
                told = f"shape {tuple(color.shape)}" if isinstance(color, mx.array) else type(result).__name__
                raise SketchError(f"the sketch {self.name} should return an array like x, or with 3 colors, not {told}")
            color = color.astype(mx.float32)
            return palette(color) if color.ndim == 2 else mx.nan_to_num(color)

        yield from shaded(options, shade)

    def _called(self, options: CanvasOptions, palette: Palette, things: dict[str, Any]) -> Any:
        """What the function gives for these options; a SketchError with its own line otherwise."""
        ready = {**things, "t": getattr(options, "phase", 0.0), "palette": palette}
        ready["rng"] = np.random.default_rng(options.seed)
        own = {
            name: getattr(options, name) for name in inspect.signature(self.function).parameters if name not in GIVEN
        }
        try:
            return self.function(**{name: ready[name] for name in self.wants}, **own)
        except ArtkitError:
            raise
        except Exception as error:
            raise explained(error, Path(self.function.__code__.co_filename)) from error


class SketchPiece(Piece):
    """A sketch as an entry of the catalog."""

    def __init__(self, *args: Any, sketch: Sketch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "_sketch", sketch)

    @property
    def options(self) -> type[CanvasOptions]:
        """The class of its settings, from the function's signature."""
        return self._sketch.options  # type: ignore[attr-defined]

    @property
    def steps(self) -> Callable[..., Iterator[Step]]:
        """The function that draws it."""
        return self._sketch.steps  # type: ignore[attr-defined]

    def draw(self, options: CanvasOptions, source: Any = None) -> Drawing:
        """Its strokes; WrongCall for a sketch of pixels."""
        if not self.lines:
            raise WrongCall(f"the sketch {self.name} has no strokes to write as SVG; choose a .png")
        return self._sketch.drawing(options)  # type: ignore[attr-defined]


def sketch(function: FunctionType) -> Sketch:
    """The decorator: `function` draws on `canvas`, or gives the colors of all pixels `x`, `y`; see the module."""
    return Sketch(function)


def load_sketch(path: Path) -> Sketch:
    """The sketch in a Python file, the last one where there are several; its code runs.

    PictureError: no such file; SketchError: a mistake in it, with its line, or no sketch in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or "" if isinstance(error, OSError) else "not text"
        raise PictureError(f'cannot read the sketch "{path}": {reason.lower()}; check the path') from None
    names: dict[str, Any] = {"__name__": "sketch", "__file__": str(path)}
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), names)
    except Exception as error:
        raise explained(error, path) from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    found = [each for each in names.values() if isinstance(each, Sketch)]
    if not found:
        raise SketchError(f'no sketch in "{path}"; put @artkit.sketch before the function that draws')
    return found[-1]


def explained(error: Exception, path: Path) -> SketchError:
    """The mistake in one line: where in the sketch, what, and the line itself; artkit's own errors need no more."""
    if isinstance(error, ArtkitError):
        return SketchError(f"{path.name}: {error}")
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return SketchError(f"{path.name}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}")
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == path.name]
    where, line = (f", line {own[-1].lineno}", f": {own[-1].line}") if own else ("", "")
    return SketchError(f"{path.name}{where}: {type(error).__name__}: {' '.join(str(error).split())}{line}")


def _options_of(function: FunctionType) -> type[CanvasOptions]:
    """CanvasOptions and the function's own arguments, by their defaults and annotations."""
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    parameters = inspect.signature(function).parameters
    if "t" in parameters:
        fields["phase"] = (float, Field(default=0.0, ge=0, le=1, description="Where in its loop it stands"))
    for name, parameter in parameters.items():
        if name in GIVEN:
            continue
        if name.startswith("_") or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise WrongCall(f'the argument "{name}" of the sketch {function.__name__} cannot be an option; rename it')
        if name in CanvasOptions.model_fields or name == "phase":
            raise WrongCall(f'the sketch {function.__name__} has an argument "{name}", which every piece has already')
        if parameter.default is inspect.Parameter.empty:
            raise WrongCall(f'the argument "{name}" of the sketch {function.__name__} needs a default value')
        kind = hints.get(name, type(parameter.default))
        fields[name] = (kind, Field(default=parameter.default, validate_default=True))
    model = create_model(f"{function.__name__.title()}Options", __base__=CanvasOptions, **fields)
    for name in fields:
        if model.model_fields[name].description is None:
            model.model_fields[name].description = name.replace("_", " ").capitalize()
    model.checked({})  # WrongCall for a default that is not of its kind
    return model
