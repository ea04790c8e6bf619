"""Styles in files: a network with its table of styles, or a single style of 17 kB (.artstyle).

Both are safetensors, float16 on the disk and float32 in memory, with "format" and "plan" in the metadata.

    a network       the tensors of `plan.shapes()`; "codes" and "strokes" (S, P), P = plan.code_size.
                    Row 0 is the photo itself; a style at stroke size t is codes[slot] + log2(t)·strokes[slot].
    a single style  "code" and "stroke" (P,); in the metadata "base", the SHA-256 of the file of the network that it
                    was fitted to, and "style", its manifest as JSON. A style that was trained deep brings the
                    tensors of `plan.shapes()` itself, and has no base.

What is not exactly so is refused, with one line that says why. SHA-256 is of all bytes of a file, as sha256sum has it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import artkit.device  # noqa: F401  (fast BLAS first)

import mlx.core as mx
import numpy as np

from artkit import checkpoint
from artkit.checkpoint import Checkpoint
from artkit.contract import WeightsError, WrongCall
from artkit.nets.stylenets import PLANS, Plan, StyleNetwork
from artkit.stylize.manifest import Manifest, newer

FORMAT = 1
MAX_BYTES = 1 << 26  # of a file: ten times the largest network
_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class StyleSet:
    """A network and the styles it can draw.

    codes, strokes: (S, P) float32, evaluated. sha256: of the network's file; styles with the same one can be mixed.
    """

    network: StyleNetwork
    codes: mx.array
    strokes: mx.array
    sha256: str

    def code(self, slot: int, stroke: float = 1.0) -> mx.array:
        """The code (P,) of a style at a stroke size of 0.5..2."""
        if not 0 <= slot < len(self.codes):
            raise WrongCall(f"slot {slot}: this network has 0 to {len(self.codes) - 1}")
        if not 0.5 <= stroke <= 2:
            raise WrongCall(f"stroke {stroke}: should be 0.5 to 2")
        return self.codes[slot] + math.log2(stroke) * self.strokes[slot]

    def weakened(self, codes: mx.array, strength: float) -> mx.array:
        """Codes (..., P) between the photo's, at strength 0, and themselves, at 1."""
        return strength * codes + (1 - strength) * self.codes[0]


@dataclass(frozen=True)
class SingleStyle:
    """What an .artstyle holds.

    code, stroke: (P,) float32, evaluated. base: the SHA-256 of the file of the network that it belongs to, "" when it
    brings one, `network`. sha256: of the file.
    """

    manifest: Manifest
    plan: Plan
    code: mx.array
    stroke: mx.array
    base: str
    network: StyleNetwork | None
    sha256: str

    def on(self, base: StyleSet | None) -> StyleSet:
        """A set with the photo in slot 0 and this style in slot 1; `base` is needed unless the style is deep."""
        if self.network is not None:
            network, photo, sha256 = self.network, photo_code(self.plan), self.sha256
            still = mx.zeros_like(photo)
        else:
            assert base is not None, "the caller looks for the network that base names"
            network, photo, still, sha256 = base.network, base.codes[0], base.strokes[0], base.sha256
        codes, strokes = mx.stack([photo, self.code]), mx.stack([still, self.stroke])
        mx.eval(codes, strokes)
        return StyleSet(network, codes, strokes, sha256)


def photo_code(plan: Plan) -> mx.array:
    """The code (P,) that any network of this plan gives the photo back for: all of its share, and norms of zero."""
    return mx.zeros(plan.code_size).at[-1].add(1.0)


def write_network(path: Path, network: StyleNetwork, codes: mx.array, strokes: mx.array) -> str:
    """Write a network and its styles, (S, P) each, whole or not at all; the SHA-256 of the file.

    WeightsError: wrong shapes, numbers that float16 does not hold, the disk.
    """
    tensors = {**network.weights, "codes": codes, "strokes": strokes}
    return _write(path, tensors, network_shapes(network.plan, len(codes)), {"plan": network.plan.name})


def write_style(
    path: Path,
    manifest: Manifest,
    plan: Plan,
    code: mx.array,
    stroke: mx.array,
    *,
    base: str = "",
    weights: Mapping[str, mx.array] | None = None,
) -> str:
    """Write a single style, whole or not at all; the SHA-256 of the file.

    base: the SHA-256 of the file of the network that it was fitted to, or weights: those of a network of its own.
    WeightsError as in `write_network`.
    """
    if (weights is None) == (not base):
        raise WrongCall("a single style has either a base or weights of its own")
    shapes = {**style_shapes(plan), **(plan.shapes() if weights else {})}
    tensors = {**(weights or {}), "code": code, "stroke": stroke}
    return _write(path, tensors, shapes, {"plan": plan.name, "base": base, "style": manifest.to_json()})


def read_network(path: Path, sha256: str = "") -> StyleSet:
    """The network in a file and its styles; a WeightsError of one line when it is not exactly that.

    sha256: what that of the file should be, where it is known.
    """
    held, plan, sha256 = _open(path, sha256)
    if "codes" not in held.tensors and "code" in held.tensors:
        _refuse(path, "this is a single style, not a network; artkit styles add takes it")
    rows = held.tensors["codes"].shape[:1] if "codes" in held.tensors else ()
    arrays = _arrays(path, held, network_shapes(plan, max((1, *rows))))
    codes, strokes = arrays.pop("codes"), arrays.pop("strokes")
    return StyleSet(StyleNetwork(plan, arrays), codes, strokes, sha256)


def read_style(path: Path, sha256: str = "") -> SingleStyle:
    """The single style in a file; errors and `sha256` as in `read_network`."""
    held, plan, sha256 = _open(path, sha256)
    if "code" not in held.tensors and "codes" in held.tensors:
        _refuse(path, "this is a network, not a single style; add the folder with its style.toml")
    base = held.metadata.get("base", "")
    deep = not base
    if base and not re.fullmatch("[0-9a-f]{64}", base):
        _refuse(path, "its base is not a SHA-256; get or make it again")
    manifest = Manifest.from_json(held.metadata.get("style", ""), path)
    arrays = _arrays(path, held, {**style_shapes(plan), **(plan.shapes() if deep else {})})
    code, stroke = arrays.pop("code"), arrays.pop("stroke")
    return SingleStyle(manifest, plan, code, stroke, base, StyleNetwork(plan, arrays) if deep else None, sha256)


def network_shapes(plan: Plan, styles: int) -> dict[str, tuple[int, ...]]:
    """The tensors of a network file."""
    table = (styles, plan.code_size)
    return {**plan.shapes(), "codes": table, "strokes": table}


def style_shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    """The tensors of a single style that is not deep."""
    return {"code": (plan.code_size,), "stroke": (plan.code_size,)}


def file_sha256(path: Path) -> str:
    """SHA-256 of all bytes of a file."""
    with checkpoint.reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open(path: Path, sha256: str) -> tuple[Checkpoint, Plan, str]:
    """What the file's header says, once its format, plan and bytes are known to be right; and its SHA-256.

    The file records the SHA-256 of its tensors itself, for those that come by without the one of all bytes.
    """
    with checkpoint.reading(path):
        if path.stat().st_size > MAX_BYTES:
            _refuse(path, f"larger than {MAX_BYTES >> 20} MB, which no style is; check that it is the right file")
    found = file_sha256(path)
    if sha256 and found != sha256:
        other = f"its SHA-256 is {found[:12]}…, not {sha256[:12]}…"
        _refuse(path, f"damaged or another file: {other}; get or make it again")
    held = checkpoint.read(path)
    metadata = held.metadata
    version = metadata.get("format", "")
    if not re.fullmatch("[1-9][0-9]{0,8}", version) or "plan" not in metadata:
        _refuse(path, "not a file of styles: its metadata has no format and plan")
    if int(version) > FORMAT:
        raise WeightsError(newer(path, version))
    if metadata["plan"] not in PLANS:
        _refuse(path, f"its plan {metadata['plan']!a:.40} is unknown to this artkit; update artkit")
    if not sha256 and checkpoint.data_sha256(path) != metadata.get("sha256"):
        _refuse(path, "damaged, its SHA-256 is not the recorded one; get or make it again")
    return held, PLANS[metadata["plan"]], found


def _arrays(path: Path, held: Checkpoint, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, mx.array]:
    """The tensors, float32 and evaluated, once they are exactly those of `shapes` and finite."""
    _check_shapes(path, {name: tensor.shape for name, tensor in held.tensors.items()}, shapes)
    arrays = {}
    for name, tensor in held.tensors.items():
        if tensor.dtype not in _FLOATS:
            _refuse(path, f"{name} is of type {tensor.dtype}, not float16; get or make it again")
        array = tensor.read().astype(np.float32)
        if not np.isfinite(array).all():
            _refuse(path, f"{name} has NaN or infinity; get or make it again")
        arrays[name] = mx.array(array)
    mx.eval(arrays)
    return arrays


def _check_shapes(path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in expected.items():
        if name not in found:
            _refuse(path, f"{name} is missing; get or make it again")
        if found[name] != shape:
            _refuse(path, f"{name} is {found[name]}, it should be {shape}; get or make it again")
    if more := sorted(found.keys() - expected.keys()):
        _refuse(path, f"{more[0]!a:.60} does not belong in it; get or make it again")


def _write(
    path: Path, tensors: Mapping[str, mx.array], shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]
) -> str:
    _check_shapes(path, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, shapes)
    arrays = {}
    for name, tensor in tensors.items():
        with np.errstate(over="ignore"):
            arrays[name] = np.array(tensor.astype(mx.float32)).astype(np.float16)
        if not np.isfinite(arrays[name]).all():
            _refuse(path, f"{name} has NaN, or numbers too large for float16; train with a lower learning rate")
    with checkpoint.disk_errors(path.parent, "choose another folder"):
        checkpoint.write(path, arrays, {"format": str(FORMAT), **metadata})
    return file_sha256(path)


def _refuse(path: Path, why: str) -> NoReturn:
    raise WeightsError(f"{path}: {why}")
