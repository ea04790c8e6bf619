"""Neural style transfer. The package itself can be called: `artkit.stylize(photo, style, size=512)`.

A function and a package cannot have one name in Python: importing `artkit.stylize.optimize` would put the package in
the function's place. So the package is callable, and both work, in any order.
"""

from __future__ import annotations

import inspect
import sys
from collections import deque
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from artkit.image import Readable


def stylize(
    photo: Readable,
    style: Readable | Sequence[Readable],
    *,
    mask: Readable | Sequence[Readable] | None = None,
    **options: Any,
) -> Image.Image:
    """Paint `photo` in the style of one or more pictures, or in named styles of the gallery.

    photo, style, mask: file names, Pillow pictures, arrays (H, W, 3) or bytes. Lists of styles and masks go together.
    options: the fields of `artkit.OptimizeOptions`, such as size=1024, content_weight=0.05, keep_color="luma"; for
    named styles, and for pictures with fast=True (one pass of a network), those of `artkit.RestyleOptions`; with
    fast=False a named style is painted step by step, like a picture.
    Gives 8-bit RGB, or RGBA where the photo has alpha, `size` pixels along its longest edge.
    WrongCall for an impossible option, PictureError for a picture that cannot be read, WeightsError when the network
    is not installed. Method: Gatys, Ecker and Bethge 2016, "Image style transfer using convolutional neural networks".
    """
    from artkit.image import Picture, load
    from artkit.stylize.gallery import is_named
    from artkit.stylize.options import OptimizeOptions, RestyleOptions
    from artkit.stylize.prepare import gather, gather_named, restyle_with, steps_of

    picture, styles, masks = load(photo), _several(style), _several(mask)
    named, fast = all(isinstance(each, str) and is_named(each) for each in styles), options.pop("fast", None)
    if fast or (named and fast is None):
        options |= {} if named else {"fast": True}
        passing = RestyleOptions.checked(options)
        steps = restyle_with(picture, gather_named(styles, masks, passing), passing)
    else:
        checked = OptimizeOptions.checked(options)
        steps = steps_of(picture, gather(styles, masks, checked), checked)
    last = deque(steps, maxlen=1).pop()  # every step holds a picture: one at a time
    return Picture.of(last.image, like=picture).to_pil()


def _several(one_or_more: Any) -> list[Any]:
    if one_or_more is None:
        return []
    return list(one_or_more) if isinstance(one_or_more, list | tuple) else [one_or_more]


class _CallablePackage(ModuleType):
    __call__ = staticmethod(stylize)
    __signature__ = inspect.signature(stylize)


sys.modules[__name__].__class__ = _CallablePackage
