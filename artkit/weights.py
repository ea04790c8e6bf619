"""Weights by name: "compact" comes with artkit, "vgg16" and "vgg19" are fetched, others are added from files.

All are kept alike, a safetensors file NAME.safetensors in the cache folder: tensors "conv1_1.weight" (out, 3, 3, in)
and "conv1_1.bias" (out,) in float32, and in the metadata

    network        the architecture, "vgg19"
    preprocessing  what the first layer takes: "torch", RGB 0..1 minus mean over deviation, or "caffe", BGR 0..255
                   minus mean
    source         where they are from
    sha256         of the tensors, compared whenever they are loaded
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artkit import checkpoint
from artkit.checkpoint import disk_errors
from artkit.contract import WeightsError, WrongCall
from artkit.vgg import VGG16, VGG19, Architecture, Preprocessing, Recognized, convert, recognize, settle_preprocessing

if TYPE_CHECKING:
    import mlx.core as mx

    from artkit.checkpoint import Checkpoint, Span
    from artkit.download import Progress

COMPACT = Path(__file__).parent / "data" / "compact.safetensors"


@dataclass(frozen=True)
class Known:
    """Weights that artkit knows how to get: model.safetensors of a Hugging Face repository, torchvision's naming."""

    architecture: Architecture
    repository: str
    attribution: str

    @property
    def megabytes(self) -> int:
        """What is fetched: the convolutions in float32."""
        return round(sum(4 * int(np.prod(shape)) for shape in self.architecture.shapes().values()) / 1e6)


def _torchvision(architecture: Architecture, title: str) -> Known:
    # Not the Oxford release: torchvision trained its VGGs from scratch, see the torchvision documentation.
    repository = f"timm/{architecture.name}.tv_in1k"
    return Known(
        architecture,
        repository,
        f"{title} by K. Simonyan and A. Zisserman, Visual Geometry Group, Oxford (arXiv:1409.1556); weights trained by "
        f"torchvision, converted by timm, license BSD-3-Clause: https://huggingface.co/{repository}",
    )


KNOWN: Mapping[str, Known] = {
    "vgg16": _torchvision(VGG16, "VGG-16"),
    "vgg19": _torchvision(VGG19, "VGG-19"),
}


@dataclass(frozen=True)
class Info:
    """Weights that are installed; bytes is the size of the file, sha256 that of its tensors."""

    name: str
    network: str
    preprocessing: str
    path: Path
    sha256: str
    bytes: int
    source: str


def folder() -> Path:
    """Where weights are kept: $ARTKIT_CACHE_DIR/weights, or the user's cache folder; may not exist yet."""
    if chosen := os.environ.get("ARTKIT_CACHE_DIR"):
        return Path(chosen).expanduser() / "weights"
    import platformdirs

    return platformdirs.user_cache_path("artkit", appauthor=False) / "weights"


def names(known: Mapping[str, Known] = KNOWN) -> list[str]:
    """Every name: the bundled weights, those that can be fetched, those that were added."""
    stored = {path.stem for path in folder().glob("[a-z0-9]*.safetensors") if _is_name(path.stem)}
    return ["compact", *sorted({*known, *stored} - {"compact"})]


def path(name: str, known: Mapping[str, Known] = KNOWN) -> Path:
    """The file of installed weights.

    WeightsError when they are not here yet, with the command that brings them; WrongCall for an unknown name.
    """
    file = _file(name)
    if file.is_file():
        return file
    if name == "compact":
        raise WeightsError('the weights "compact", a part of artkit, are missing; install artkit again')
    if name in known:
        raise WeightsError(f'weights "{name}" are not here yet; artkit weights get {name} ({known[name].megabytes} MB)')
    raise _unknown(name, known)


def info(name: str, known: Mapping[str, Known] = KNOWN) -> Info:
    """What is installed under a name, from the file's header alone; errors as in `path`, or damaged."""
    file = path(name, known)
    try:
        metadata = checkpoint.read(file).metadata
    except WeightsError as error:
        raise WeightsError(f'the weights "{name}" cannot be read ({error}); {_again(name, known)}') from None
    return Info(
        name,
        metadata.get("network", name),
        metadata.get("preprocessing", ""),
        file,
        metadata.get("sha256") or (checkpoint.data_sha256(file) if name == "compact" else ""),
        file.stat().st_size,
        metadata.get("source", "artkit" if name == "compact" else ""),
    )


def installed(known: Mapping[str, Known] = KNOWN) -> list[Info]:
    """What is installed and readable."""
    found = []
    for name in names(known):
        try:
            found.append(info(name, known))
        except WeightsError:
            continue
    return found


def load(name: str, known: Mapping[str, Known] = KNOWN) -> dict[str, mx.array]:
    """Weights by name, checked and evaluated (so that every thread can use them).

    Convolutions are (out, height, width, in). VGG networks may be cut short, unless they go by their own name.
    WeightsError: not here yet, damaged, not the shape of their network. WrongCall: an unknown name.
    """
    about = info(name, known)
    again = _again(name, known)
    if checkpoint.data_sha256(about.path) != about.sha256:
        raise WeightsError(f'the weights "{name}" are damaged, their SHA-256 is not the recorded one; {again}')
    tensors = checkpoint.read(about.path).tensors
    if name in known or about.network in known:
        architecture = known[name if name in known else about.network].architecture
        full = architecture.shapes()
        if name in known and len(tensors) < len(full):
            raise WeightsError(f'the weights "{name}" are not complete; {again}')
        for key, tensor in tensors.items():
            if tensor.shape != full.get(key):
                expected = full.get(key, "no such tensor")
                raise WeightsError(
                    f'weights "{name}": {key} is {tensor.shape}, {architecture.name} has {expected}; {again}'
                )

    import artkit.device  # noqa: F401, I001  (fast BLAS before MLX)
    import mlx.core as mx

    arrays = {key: mx.array(tensor.read()) for key, tensor in tensors.items()}
    mx.eval(arrays)
    return arrays


def fetch(
    name: str, known: Mapping[str, Known] = KNOWN, *, retries: int = 5, backoff: float = 0.5
) -> Iterator[Progress]:
    """Get known weights from Hugging Face: only the convolutions, and only what has not arrived before.

    Yields Progress; nothing when they are here already. The environment is obeyed: HF_ENDPOINT, HF_HUB_OFFLINE,
    HF_TOKEN, ARTKIT_CACHE_DIR. WeightsError: no network, wrong bytes, a full disk. WrongCall: nothing to get by
    this name.
    """
    from artkit.download import fetch_tensors, remove_partial

    file = _file(name)
    if name == "compact" or (name not in known and file.is_file()):
        raise WrongCall(f'"{name}" is here already; artkit weights get takes {" or ".join(known)}')
    if name not in known:
        raise _unknown(name, known)
    if file.is_file():
        return
    url, architecture = _url(name, known[name]), known[name].architecture
    vgg: Recognized | None = None

    def select(tensors: Mapping[str, Span]) -> Iterable[str]:
        nonlocal vgg
        vgg = recognize(tensors, url, [architecture])
        if not vgg.whole:
            raise WeightsError(f"{url} ends at {vgg.last}, {name} goes on")
        return vgg.sources.values()

    partial = _partial(name)
    token = os.environ.get("HF_TOKEN")
    arrays = yield from fetch_tensors(url, select, partial, token=token, retries=retries, backoff=backoff)
    assert vgg is not None, "select is called before anything is fetched"
    try:
        tensors = convert(vgg, arrays, url)
    except WeightsError:
        remove_partial(partial)
        raise
    _store(file, tensors, architecture.name, "torch", url)
    remove_partial(partial)


def add(
    name: str, source: str | Path, preprocessing: Preprocessing | None = None, known: Mapping[str, Known] = KNOWN
) -> Info:
    """Keep the VGG in a .safetensors, .npz or .pth file under a name of its own.

    preprocessing: what its first layer takes; None finds out (`settle_preprocessing`). A compact network of your own
    training is recognized too. WeightsError: the file, or its shapes. WrongCall: a name that cannot be.
    """
    if not _is_name(name):
        raise WrongCall(f'"{name}" cannot be a name of weights; use a-z, 0-9, "-", "_" and ".", up to 64 of them')
    file = _file(name)
    if name == "compact":
        raise WrongCall('"compact" comes with artkit and is not replaced; choose another name')
    if file.exists():
        raise WrongCall(f'weights "{name}" are here already; artkit weights remove {name} makes room for others')
    held = checkpoint.read(source)
    told = held.metadata.get("network", "")
    if told == "compact" and COMPACT.is_file():
        tensors = _as_compact(held, source)
        settled = held.metadata.get("preprocessing", "")
    else:
        vgg = recognize(held.tensors, source, [k.architecture for k in known.values()], name if name in known else told)
        told = vgg.architecture.name
        if name in known and (told != name or not vgg.whole):
            what = told if vgg.whole else f"{told} up to {vgg.last}"
            raise WeightsError(f"{source} is {what}, not the whole of {name}; add it under another name")
        tensors = convert(vgg, {key: held.tensors[key].read() for key in vgg.sources.values()}, source)
        settled = preprocessing
        if settled is None:
            settled, tensors = settle_preprocessing(tensors, vgg, held.metadata)
    _store(file, tensors, told, settled, str(Path(source).absolute()))
    return info(name, known)


def remove(name: str, known: Mapping[str, Known] = KNOWN) -> None:
    """Delete installed weights, and what has arrived of a download; errors as in `path`."""
    from artkit.download import remove_partial

    if name == "compact":
        raise WrongCall('"compact" comes with artkit and is not removed')
    file = _file(name) if _partial(name).exists() else path(name, known)
    try:
        file.unlink(missing_ok=True)
        remove_partial(_partial(name))
    except OSError as error:
        raise WeightsError(f"cannot delete {file}: {error.strerror or error}") from None


def _is_name(name: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name) is not None


def _file(name: str) -> Path:
    if not _is_name(name):
        raise _unknown(name, KNOWN)
    return COMPACT if name == "compact" else folder() / f"{name}.safetensors"


def _partial(name: str) -> Path:
    return folder() / f".{name}.partial"


def _unknown(name: str, known: Mapping[str, Known]) -> WrongCall:
    near = difflib.get_close_matches(name, names(known), n=1)
    hint = f'did you mean "{near[0]}"?' if near else "artkit weights add NAME FILE adds your own"
    return WrongCall(f'no weights "{name}"; {hint} (artkit weights list shows all)')


def _again(name: str, known: Mapping[str, Known]) -> str:
    if name == "compact":
        return "install artkit again"
    return f"artkit weights remove {name}, then " + (
        f"artkit weights get {name}" if name in known else "add them again"
    )


def _url(name: str, known: Known) -> str:
    from artkit.remote import hub_url

    return hub_url(known.repository, "model.safetensors", f'weights "{name}"', f"artkit weights add {name} FILE")


def _as_compact(held: Checkpoint, source: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a network like the bundled one, as they are; WeightsError at another shape."""
    bundled = checkpoint.read(COMPACT).tensors
    for key in bundled.keys() | held.tensors.keys():
        shape, expected = (t[key].shape if key in t else "missing" for t in (held.tensors, bundled))
        if shape != expected:
            raise WeightsError(f"{source}: {key} is {shape}, in the compact network it is {expected}")
    return {key: tensor.read() for key, tensor in held.tensors.items()}


def _store(file: Path, tensors: Mapping[str, np.ndarray], network: str, preprocessing: str, source: str) -> None:
    with disk_errors(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write(file, tensors, {"network": network, "preprocessing": preprocessing, "source": source})
