"""What a training leaves for the gallery: networks with their style.toml folders, a predictor, a single style; and
how another training takes them up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit.contract import WrongCall
from artkit.nets.stylenets import Code, Plan, StyleNetwork
from artkit.stylize.gallery import NETWORKS
from artkit.stylize.manifest import FORMAT, NAME, Manifest, NetworkFile
from artkit.stylize.predicting import FILE, network_beside, read_predictor, write_predictor
from artkit.stylize.stylefile import read_network, write_network, write_style
from artkit.train.loop import Weights


def network_of(plan: Plan, weights: Weights) -> StyleNetwork:
    """The network among the weights of a training."""
    return StyleNetwork(plan, {name: weights[name] for name in plan.shapes()})


def shelve_many(folder: Path, plan: Plan, weights: Weights, names: Sequence[str]) -> None:
    """A gallery in `folder`: networks/PLAN.safetensors and a folder a style, which `artkit styles add` takes."""
    codes = weights["codes"].at[0, -1].add(1 - weights["codes"][0, -1])  # the photo is all photo
    strokes = weights["strokes"].at[0].multiply(0)
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    path = folder / "networks" / f"{plan.name}.safetensors"
    digest = write_network(path, network_of(plan, weights), codes, strokes)
    for slot, (name, known_as) in enumerate(zip(names, style_names(names), strict=True), 1):
        entry = NetworkFile(file=f"../networks/{path.name}", slot=slot, sha256=digest)
        manifest = Manifest.of({"format": FORMAT, "title": title_of(name), "networks": {plan.name: entry}}, name)
        place = folder / known_as
        place.mkdir(exist_ok=True)
        (place / NAME).write_text(manifest.to_toml(), encoding="utf-8")


def shelve_any(folder: Path, plan: Plan, weights: Weights) -> None:
    """networks/PLAN.safetensors, whose one style is the mean of all, and what predicts codes for it."""
    base = weights["predict.base"]
    photo = mx.concatenate([weights["identity"][:-1], mx.ones(1)])
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    path = folder / "networks" / f"{plan.name}.safetensors"
    codes = mx.stack([photo, base])
    digest = write_network(path, network_of(plan, weights), codes, mx.zeros_like(codes))
    write_predictor(folder / "networks" / FILE, weights, plan, digest)


def unshelve_many(file: Path, plan: Plan, styles: int) -> Weights:
    """The weights to go on from, of a network that `shelve_many` wrote; WrongCall: it is of other pictures or plan."""
    held = read_network(file)
    if held.network.plan is not plan or len(held.codes) != styles + 1:
        raise WrongCall(
            f"{file} is a {held.network.plan.name} network of {len(held.codes) - 1} styles, not a {plan.name} one of "
            f"{styles}; --start takes one of the same --plan and pictures"
        )
    return {**held.network.weights, "codes": held.codes, "strokes": held.strokes}


def unshelve_any(file: Path, plan: Plan) -> Weights:
    """The weights to go on from, of a predictor that `shelve_any` wrote and the network beside it; WrongCall: another
    plan.
    """
    predict = read_predictor(file)
    if predict.plan is not plan:
        raise WrongCall(f"{file} is for the {predict.plan.name} network; --start takes one of the same --plan")
    held = read_network(network_beside(file, predict), predict.base)
    return {**held.network.weights, **predict.predictor.weights, "identity": held.codes[0]}


def shelve_mine(path: Path, title: str, plan: Plan, weights: Weights, base: str) -> None:
    """An .artstyle; deep weights bring their own network, others belong to the one whose SHA-256 is `base`."""
    deep = set(plan.shapes()) <= set(weights)
    own = {name: weights[name] for name in plan.shapes()} if deep else None
    manifest = Manifest.of({"format": FORMAT, "title": title}, path)
    write_style(path, manifest, plan, weights["code"], weights["stroke"], base="" if deep else base, weights=own)


def sheet(network: StyleNetwork, codes: mx.array, photos: np.ndarray) -> np.ndarray:
    """Photos (N, S, S, 3) side by side, and below them one row for each code of (S, P)."""
    x = mx.array(photos)
    rows = [x, *(network(x, Code.of(mx.broadcast_to(code, (len(x), len(code))))) for code in codes)]
    return np.concatenate([np.concatenate(list(np.array(row)), axis=1) for row in rows])


def style_names(stems: Sequence[str]) -> list[str]:
    """The stems of files as names of styles, no two alike: "The Wave (2)" -> "the-wave-2"."""
    found: list[str] = []
    for stem in stems:
        plain = re.sub("[^a-z0-9_]+", "-", stem.lower()).strip("-_")[:60] or "style"
        names = (plain, *(f"{plain}-{n}" for n in range(2, len(stems) + 3)))
        found.append(next(name for name in names if name not in found and name != NETWORKS))
    return found


def title_of(stem: str) -> str:
    """A file's stem as a title: "starry_night" -> "Starry night"; what cannot be printed is left out."""
    printable = "".join(character if character.isprintable() else " " for character in stem)
    words = " ".join(re.split(r"[\s_-]+", printable)).strip() or "Style"
    return words[:1].upper() + words[1:]
