"""`artkit dish`: a texture that grows in a window, to be touched."""

from __future__ import annotations

from typing import Any

import click

from artkit.generate.automata import DishOptions
from artkit.interfaces.forms import checked, flags, given


@click.command()
@flags(DishOptions)
def dish(**params: Any) -> None:
    """A dish of cells that grow a texture, in a window, to be touched.

    Drag with the left button to tear holes, which heal; with the right one to plant a second texture. Keys: , and .
    turn what the cells see, t takes another texture to plant, c begins anew, space stops and goes on, s saves the
    picture, q ends.

    \b
    artkit dish --texture brush --graft starry
    """
    options = checked(DishOptions, given(DishOptions, params))
    from artkit.interfaces.drawing.dish import DishWindow
    from artkit.interfaces.live.window import check_display

    check_display("artkit generate automata -o FILE.png grows a texture without a window")
    DishWindow(options).run()
