"""The entry point of the command `artkit`. It imports next to nothing, so that Ctrl-C is quiet from the beginning."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in typing, which is not imported either
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the entry point of the installed `artkit`."""
    try:
        from artkit.interfaces.commands import run

        code = run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
