"""Small random style networks, the files they are in, and galleries of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import mlx.core as mx
import numpy as np

from artkit import checkpoint
from artkit.nets.stylenets import LIGHT, Plan, StyleNetwork
from artkit.stylize.manifest import Manifest, NetworkFile
from artkit.stylize.stylefile import photo_code, write_network

MANIFEST = Manifest(
    title="The Starry Night",
    artist="Vincent van Gogh",
    year="1889",
    licence="Public domain",
    source="https://example.org/starry",
    description="Swirls, blue and yellow.",
    strength=0.9,
    stroke=0.8,
)


def random_network(styles: int = 3, plan: Plan = LIGHT, seed: int = 0) -> tuple[StyleNetwork, mx.array, mx.array]:
    """A network that nobody trained, with codes and strokes for `styles` slots; the photo is in slot 0."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> mx.array:
        return mx.array(rng.normal(0, 0.1, shape).astype(np.float16).astype(np.float32))

    weights = {name: numbers(*shape) for name, shape in plan.shapes().items()}
    codes = mx.concatenate([photo_code(plan)[None], numbers(styles - 1, plan.code_size)])
    strokes = mx.concatenate([mx.zeros((1, plan.code_size)), numbers(styles - 1, plan.code_size)])
    return StyleNetwork(plan, weights), codes, strokes


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rewrite(path: Path, tensors: Mapping[str, np.ndarray | None] = {}, **metadata: str | None) -> None:
    """Change tensors and metadata of a file, to None removes them; the SHA-256 that the file records stays right."""
    held = checkpoint.read(path)
    arrays = {name: tensor.read() for name, tensor in held.tensors.items()} | dict(tensors)
    about = {**held.metadata, **metadata}
    checkpoint.write(
        path,
        {name: array for name, array in arrays.items() if array is not None},
        {key: value for key, value in about.items() if value is not None},
    )


def make_gallery(root: Path, *names: str, seed: int = 0) -> str:
    """A gallery whose styles share networks/light.safetensors, in slots 1, 2, …; the SHA-256 of that file."""
    (root / "networks").mkdir(parents=True)
    digest = write_network(root / "networks" / "light.safetensors", *random_network(len(names) + 1, seed=seed))
    for slot, name in enumerate(names, 1):
        make_style(root / name, "../networks/light.safetensors", slot, digest)
    return digest


def make_style(folder: Path, file: str, slot: int, digest: str) -> Manifest:
    """A style's folder with its style.toml."""
    networks = {"light": NetworkFile(file=file, slot=slot, sha256=digest)}
    manifest = MANIFEST.model_copy(update={"title": folder.name.title(), "networks": networks})
    folder.mkdir(parents=True)
    (folder / "style.toml").write_text(manifest.to_toml(), encoding="utf-8")
    return manifest
