"""The command `artkit`: which commands there are, and what the person sees when something goes wrong.

Commands live in modules of their own and are imported when they are called, so that `artkit --help` is there at once.
Every error ends here: one line on stderr and an exit code, 1 for a failure, 2 for a wrong call, 130 for Ctrl-C.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import traceback
from collections.abc import Sequence

import click

from artkit._version import __version__

# name -> the module that has it, and its line in `artkit --help`
COMMANDS = {
    "stylize": ("artkit.interfaces.stylize_cli", "Paint photos in the style of a picture."),
    "generate": ("artkit.interfaces.generate_cli", "Draw art from a seed: flow fields, corals, fractals and more."),
    "sketch": ("artkit.interfaces.sketch_cli", "Draw a sketch of your own, again whenever it is saved."),
    "dish": ("artkit.interfaces.dish_cli", "A texture that grows in a window, to be touched."),
    "again": ("artkit.interfaces.recipe_cli", "Make a picture again from the recipe in its file."),
    "info": ("artkit.interfaces.recipe_cli", "Show how a picture was made."),
    "live": ("artkit.interfaces.live_cli", "Paint what a camera sees, while it sees it."),
    "styles": ("artkit.interfaces.styles_cli", "List, show, add and remove styles, and see them all."),
    "weights": ("artkit.interfaces.weights_cli", "List, fetch, add and remove network weights."),
    "serve": ("artkit.interfaces.serve_cli", "Serve the studio in the browser, and an HTTP API."),
    "train": ("artkit.interfaces.train_cli", "Train the networks that artkit works with."),
    "doctor": ("artkit.interfaces.doctor", "Show what this machine can do, and what to mend."),
    "completion": ("artkit.interfaces.completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; their help lines are known before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f'no command "{args[0]}"' + (f'; did you mean "{near[0]}"?' if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, package_name="artkit", message="%(prog)s %(version)s")
@click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error; goes with every command."
)
def artkit() -> None:
    """Pictures in any style, and art that draws itself, on your own machine.

    \b
    artkit stylize photo.jpg --style starry
    artkit stylize photo.jpg --style painting.jpg
    artkit live --style wave
    artkit generate flow --seed 7 -o flow.png
    artkit serve --open
    """


def run(words: Sequence[str]) -> int:
    """Run a command line; its exit code."""
    try:
        given = [word for word in words if word != "--debug"]
        code = artkit.main(given, "artkit", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except Exception as error:
        if "--debug" in words:
            traceback.print_exc()
        line, code = explain(error)
        click.echo(f"artkit: {line}", err=True)
    return code if isinstance(code, int) else 0


def explain(error: Exception) -> tuple[str, int]:
    """What to tell the person about `error`, in one line, and the exit code."""
    from artkit.contract import ArtkitError
    from artkit.limits import out_of_memory

    if isinstance(error, ArtkitError):
        return " ".join(str(error).split()), error.exit_code
    if isinstance(error, click.ClickException):
        message = " ".join(error.format_message().split())
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "artkit"
        return f"{message[:1].lower()}{message[1:].rstrip('.')} ({command} --help shows what goes)", error.exit_code
    if out_of_memory(error):
        return "not enough memory; try a smaller --size, or --max-memory 2GB to work in smaller pieces", 1
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{_where(error)}; make room and try again", 1
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}{_where(error)}", 1
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"{what} (this is a bug in artkit; the same command with --debug shows where)", 1


def _where(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""
