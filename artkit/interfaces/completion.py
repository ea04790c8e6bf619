"""`artkit completion SHELL`: the script that makes a shell complete artkit's commands and flags."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  artkit completion bash >> ~/.bashrc
    zsh:   artkit completion zsh >> ~/.zshrc
    fish:  artkit completion fish > ~/.config/fish/completions/artkit.fish
    """
    script = get_completion_class(shell)
    assert script is not None, "click completes all shells of the choice above"
    click.echo(script(ctx.find_root().command, {}, "artkit", "_ARTKIT_COMPLETE").source())
