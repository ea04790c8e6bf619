"""Textures that have been learned: the automata that come with artkit, and the person's own.

A small file each, NAME.safetensors, in artkit/data/automata and in $ARTKIT_DATA_DIR/automata.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit import checkpoint
from artkit.contract import Options, WrongCall
from artkit.nets.automaton import Automaton
from artkit.stylize import gallery

SHIPPED = Path(__file__).parents[1] / "data" / "automata"
TEACH = "artkit train automata PICTURE --name NAME teaches one"


def own_folder() -> Path:
    """The person's textures; may not exist yet."""
    return gallery.own_folder().parent / "automata"


def learned() -> dict[str, Path]:
    """Every texture there is, by name; the person's own stand before those of artkit."""
    return {path.stem: path for folder in (SHIPPED, own_folder()) for path in sorted(folder.glob("*.safetensors"))}


def get(name: str) -> Automaton:
    """The automaton of a texture, "" for the first; WrongCall with the nearest name, WeightsError: a damaged file."""
    known = learned()
    if not known:
        raise WrongCall(f"no texture has been learned yet; {TEACH}")
    name = name or next(iter(known))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        todo = f'did you mean "{near[0]}"?' if near else TEACH
        raise WrongCall(f'no texture "{name}"; {todo} (there are {", ".join(sorted(known))})')
    return Automaton.of(checkpoint.load_arrays(known[name]), known[name])


def check_new(name: str, overwrite: bool) -> None:
    """WrongCall for a name that a new texture cannot have."""
    if not gallery.is_name(name):
        raise WrongCall(f'"{name}" cannot be a name of a texture; --name takes a-z, 0-9, "-" and "_", up to 64 of them')
    if not overwrite and name in learned():
        raise WrongCall(f'there is a texture "{name}" already; --name gives another name, --overwrite replaces it')


def write(path: Path, weights: Mapping[str, mx.array], picture: str, options: Options) -> None:
    """An automaton in a file, float16: 12 kB. picture, options: what it learned, and how."""
    tensors = {name: np.array(tensor.astype(mx.float16)) for name, tensor in weights.items()}
    checkpoint.write(path, tensors, {"kind": "automaton", "picture": picture, "training": options.model_dump_json()})


def keep(path: Path, name: str) -> None:
    """A file among the person's own textures, under a name; WeightsError when the disk will not have it."""
    Automaton.of(checkpoint.load_arrays(path), path)
    with checkpoint.disk_errors(own_folder(), "set ARTKIT_DATA_DIR to another folder"):
        own_folder().mkdir(parents=True, exist_ok=True)
        with checkpoint.replacing(own_folder() / f"{name}.safetensors") as file:
            file.write(path.read_bytes())
