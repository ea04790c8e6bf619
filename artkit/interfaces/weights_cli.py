"""`artkit weights`: list, get, path, remove and add network weights."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from artkit.download import Progress


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from artkit.weights import names

    return [name for name in names() if name.startswith(incomplete)]


_name = click.argument("name", shell_complete=_complete)


@click.group()
def weights() -> None:
    """List, fetch, add and remove network weights.

    "compact" comes with artkit and is what pictures are made with by default; "vgg16" and "vgg19" can be fetched,
    and VGG weights of your own can be added under any name. `artkit stylize --network NAME` uses them.
    """


@weights.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, for scripts.")
def list_weights(as_json: bool) -> None:
    """List the weights that are installed, and those that can be fetched."""
    from artkit.weights import names

    rows = [_row(name) for name in names()]
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        if row["installed"]:
            text = f"{row['network']}, {row['preprocessing']} input, {row['bytes'] / 1e6:.1f} MB, {row['path']}"
        else:
            text = row["problem"]
        click.echo(f"{row['name']:{width}}  {text}")


def _row(name: str) -> dict[str, Any]:
    from dataclasses import asdict

    from artkit.contract import WeightsError
    from artkit.weights import info

    try:
        about = info(name)
    except WeightsError as error:
        return {"name": name, "installed": False, "problem": str(error)}
    return {**asdict(about), "path": str(about.path), "installed": True}


@weights.command()
@_name
def get(name: str) -> None:
    """Fetch the weights NAME (vgg16 or vgg19) from Hugging Face.

    Only the convolutions are fetched: 80 MB of 575 for vgg19, 59 of 553 for vgg16. An interrupted download goes on
    where it stopped. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are obeyed.
    """
    from artkit import weights as store

    try:
        _show(name, store.fetch(name))
    except KeyboardInterrupt:
        click.echo(f"stopped; artkit weights get {name} goes on from here", err=True)
        raise
    click.echo(store.KNOWN[name].attribution, err=True)
    click.echo(store.path(name))


def _show(name: str, steps: Iterable[Progress]) -> None:
    """A bar on a terminal, a line every tenth in a pipe."""
    if sys.stderr.isatty():
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn(name),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=None)
            for step in steps:
                bar.update(task, completed=step.done, total=step.total)
        return
    said = -1
    for step in steps:
        if (tenth := 10 * step.done // step.total) != said:
            said = tenth
            click.echo(f"{name}: {step.done / 1e6:.0f} of {step.total / 1e6:.0f} MB", err=True)


@weights.command("path")
@_name
def show_path(name: str) -> None:
    """Print where the weights NAME are."""
    from artkit.weights import path

    click.echo(path(name))


@weights.command()
@_name
def remove(name: str) -> None:
    """Delete the weights NAME, and what has arrived of an unfinished download."""
    from artkit import weights as store

    store.remove(name)
    click.echo(f"{name} removed", err=True)


@weights.command()
@click.argument("name")
@click.argument("file", type=click.Path())
@click.option(
    "--preprocessing",
    type=click.Choice(["torch", "caffe"]),
    help="What the first layer takes: torch, normalized RGB 0..1, or caffe, BGR 0..255 minus mean; artkit finds out",
)
def add(name: str, file: str, preprocessing: str | None) -> None:
    """Keep the VGG-16 or VGG-19 in FILE (.safetensors, .npz, PyTorch's .pth) as NAME.

    Names of tensors as in torchvision (features.0.weight) or as the authors' (conv1_1.weight); the network may end
    early. Nothing in the file is executed.
    """
    from artkit import weights as store

    about = store.add(name, file, preprocessing)  # pyright: ignore[reportArgumentType]  (click has checked the choice)
    click.echo(f"{name}: {about.network}, {about.preprocessing} input (--preprocessing says otherwise)", err=True)
    click.echo(about.path)
