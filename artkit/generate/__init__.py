"""Generative art. The package itself can be called: `artkit.generate("flow", seed=7, size="1024x768")`.

As with `artkit.stylize`, a function and a package cannot have one name in Python, so the package is callable.
"""

from __future__ import annotations

import inspect
import sys
from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from artkit.image import Readable


def generate(name: str, *, source: Readable | None = None, **options: Any) -> Image.Image:
    """Draw the piece `name` of the catalog, such as "flow" or "reaction"; `artkit generate --list` shows them all.

    source: a photo or a painting that the piece follows, where it can: a file name, Pillow picture, array or bytes.
    options: the fields of the piece's options, such as size=(1024, 768), seed=7, palette="ember".
    Gives 8-bit RGB. WrongCall for an unknown piece or an impossible option, PictureError for a source that cannot be
    read, DeviceError for a canvas that does not fit the memory.
    """
    from artkit import catalog
    from artkit.image import Picture, load

    piece = catalog.get(name)
    checked = piece.options.checked(options)
    picture = None if source is None else load(source)
    last = deque(piece.run(checked, picture), maxlen=1).pop()
    return Picture.of(last.image).to_pil()


class _CallablePackage(ModuleType):
    __call__ = staticmethod(generate)
    __signature__ = inspect.signature(generate)


sys.modules[__name__].__class__ = _CallablePackage
