"""`artkit train …`: the recipes behind the networks that artkit ships."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from artkit.contract import WrongCall
from artkit.interfaces.train_automata_cli import automata
from artkit.interfaces.train_styles_cli import COMMANDS

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def train() -> None:
    """Train networks on your own machine."""


@train.command()
@click.option("--photos", type=FOLDER, required=True, help="Folder of photographs.")
@click.option("--paintings", type=FOLDER, required=True, multiple=True, help="Folder of paintings (may be repeated).")
@click.option("--teacher", "teacher_weights", type=FOLDER, required=True, help="Folder of the teacher's weights.")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the result."
)
@click.option(
    "--start", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A compact network to go on from."
)
@click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A compact network to take the place of: its coordinates are kept.",
)
@click.option("--set", "settings", multiple=True, metavar="OPTION=VALUE", help="A training option, such as steps=4000.")
def distil(
    photos: Path,
    paintings: tuple[Path, ...],
    teacher_weights: Path,
    out: Path,
    start: Path | None,
    like: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Distil the compact feature network from VGG-19.

    Writes OUT/compact.safetensors and OUT/log.jsonl twice a minute.
    """
    from artkit.train.axes import save_compact
    from artkit.train.distil import DistilOptions, distil_steps

    options = DistilOptions.checked(dict(map(_pair, settings)))
    out.mkdir(parents=True, exist_ok=True)
    saved = time.monotonic()
    progress = axes = None
    with (out / "log.jsonl").open("a") as log:
        for progress, axes in distil_steps(photos, list(paintings), teacher_weights, options, start=start, like=like):
            if progress.figures and progress.step % 200 == 0:
                line = {"step": progress.step, "done": round(progress.done, 4)}
                line |= {name: round(value, 5) for name, value in progress.figures.items()}
                print(json.dumps(line), file=log, flush=True)
                click.echo(f"{progress.done:6.1%}  " + "  ".join(f"{name} {value:g}" for name, value in line.items()))
            if time.monotonic() - saved > 30:
                save_compact(out / "compact.safetensors", progress.weights, axes, options)
                saved = time.monotonic()
    if progress and axes:
        save_compact(out / "compact.safetensors", progress.weights, axes, options)


def _pair(setting: str) -> tuple[str, str]:
    """Like so: "steps=4000" -> ("steps", "4000")."""
    name, equals, value = setting.partition("=")
    if not equals:
        raise WrongCall(f"--set {setting!r}: should be OPTION=VALUE, such as steps=4000")
    return name.strip(), value.strip()


@train.command()
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--teacher", "teacher_weights", type=FOLDER, required=True, help="Folder of the teacher's weights.")
@click.option(
    "--pictures", type=FOLDER, required=True, multiple=True, help="Folder of held-out pictures (may be repeated)."
)
def agreement(weights: Path, teacher_weights: Path, pictures: tuple[Path, ...]) -> None:
    """Measure how well a compact network agrees with its teacher, tap by tap."""
    from artkit.checkpoint import load_arrays
    from artkit.train.agreement import agreement, center_crops
    from artkit.train.teacher import Teacher

    tensors = load_arrays(weights)
    for folder in pictures:
        scores = agreement(tensors, Teacher(teacher_weights), center_crops(folder))
        for tap, figures in scores.items():
            click.echo(
                f"{folder.name:12} {tap}  " + "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
            )


for command in (*COMMANDS, automata):
    train.add_command(command)


if __name__ == "__main__":
    train()
