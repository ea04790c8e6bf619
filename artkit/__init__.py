"""artkit: neural style transfer and generative art on your own machine, with MLX.

    import artkit
    artkit.stylize("photo.jpg", "painting.jpg", size=768).save("painted.png")

Everything is imported when it is first used, so that `import artkit` costs nothing.
"""

from __future__ import annotations

from artkit._version import __version__

TYPE_CHECKING = False  # as in typing, whose import would be nearly all of the time
if TYPE_CHECKING:
    from typing import Any

    from artkit.contract import ArtkitError, Step
    from artkit.generate import generate
    from artkit.generate.sketch import sketch
    from artkit.image import Picture, load, save
    from artkit.stylize import stylize
    from artkit.stylize.optimize import optimize_steps
    from artkit.stylize.options import OptimizeOptions, RestyleOptions

__all__ = [
    "ArtkitError",
    "OptimizeOptions",
    "Picture",
    "RestyleOptions",
    "Step",
    "__version__",
    "generate",
    "load",
    "optimize_steps",
    "save",
    "sketch",
    "stylize",
]

_HOMES = {
    "ArtkitError": "artkit.contract",
    "Step": "artkit.contract",
    "Picture": "artkit.image",
    "load": "artkit.image",
    "save": "artkit.image",
    "sketch": "artkit.generate.sketch",
    "OptimizeOptions": "artkit.stylize.options",
    "RestyleOptions": "artkit.stylize.options",
    "optimize_steps": "artkit.stylize.optimize",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("stylize", "generate"):
        return importlib.import_module(f"artkit.{name}")  # packages that can be called
    if name not in _HOMES:
        raise AttributeError(f"module 'artkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
