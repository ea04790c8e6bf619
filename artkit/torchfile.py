"""PyTorch's .pth files, zip and legacy, read without PyTorch and without executing anything.

A .pth file is a pickle (pickles.py) and the numbers that its tensors are views of.

The formats: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py (save, _legacy_save, _save).
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from artkit.checkpoint import (
    MAX_HEADER,
    Checkpoint,
    Tensor,
    damaged,
    decode,
    itemsize,
    stored_bytes,
    without_module,
)
from artkit.contract import WeightsError
from artkit.pickles import Storage, View, unpickle

_WRAPPERS = ("state_dict", "model_state_dict", "model")  # where training scripts put the weights
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def read_zip(path: Path, archive: zipfile.ZipFile, prefix: str) -> Checkpoint:
    """PyTorch 1.6 and later: a zip file of PREFIX/data.pkl and a member PREFIX/data/KEY for each storage."""
    order = f"{prefix}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise WeightsError(f"{path} was saved on a big-endian machine; save it as .safetensors there")
    program = archive.getinfo(f"{prefix}data.pkl")
    if program.file_size > MAX_HEADER:
        damaged(path)
    root = unpickle(archive.read(program), path, {})

    def numbers(storage: Storage) -> np.ndarray:
        with zipfile.ZipFile(path) as archive:  # checks the CRC of what it reads
            raw = np.frombuffer(archive.read(f"{prefix}data/{storage.key}"), np.uint8)
        return decode(raw, storage.dtype)

    return _tensors_in(root, path, numbers)


def read_legacy(path: Path, size: int) -> Checkpoint:
    """Before: pickles (magic, version, machine, object, storage keys), then the length and data of each storage."""
    storages: dict[str, Storage] = {}
    where: dict[str, tuple[int, int]] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        if unpickle(stream, path, {}) != _LEGACY_MAGIC:
            raise WeightsError(f"{path} is a pickle, but not one of PyTorch's; only plain tensors are read")
        unpickle(stream, path, {})
        machine = unpickle(stream, path, {})
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise WeightsError(f"{path} was saved on a big-endian machine; save it as .safetensors there")
        root = unpickle(stream, path, storages)
        keys = unpickle(stream, path, {})
        for key in keys if isinstance(keys, list) else []:
            count = struct.unpack("<q", stream.read(8))[0]
            start, length = stream.tell(), count * itemsize(storages[key].dtype)
            if not 0 <= length <= size - start:
                damaged(path)
            where[key] = start, length
            stream.seek(start + length)

    def numbers(storage: Storage) -> np.ndarray:
        return decode(stored_bytes(path, *where[storage.key]), storage.dtype)

    return _tensors_in(root, path, numbers)


def _tensors_in(root: object, path: Path, numbers: Callable[[Storage], np.ndarray]) -> Checkpoint:
    """The named tensors of an unpickled object; nested dicts give dotted names."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()  # a pickle may hold a dict that holds itself
    while isinstance(root, dict) and id(root) not in seen:
        seen.add(id(root))
        root = next((root[key] for key in _WRAPPERS if isinstance(root.get(key), dict)), root)

    def collect(node: object, name: str) -> None:
        if isinstance(node, View):
            tensors[name] = Tensor(node.shape, node.storage.dtype, path, lambda: _strided(node, path, numbers))
        elif isinstance(node, dict) and id(node) not in seen:
            seen.add(id(node))
            for key, value in node.items():
                collect(value, f"{name}.{key}" if name else str(key))

    seen.clear()
    collect(root if isinstance(root, dict) else {}, "")
    if not tensors:
        raise WeightsError(f"{path} holds no named tensors; save model.state_dict()")
    return Checkpoint(without_module(tensors))


def _strided(view: View, path: Path, numbers: Callable[[Storage], np.ndarray]) -> np.ndarray:
    flat = numbers(view.storage)
    start = view.storage.offset + view.offset
    reach = sum((length - 1) * step for length, step in zip(view.shape, view.stride, strict=True))
    if 0 not in view.shape and start + reach >= flat.size:
        damaged(path)
    strides = [step * flat.itemsize for step in view.stride]
    return np.lib.stride_tricks.as_strided(flat[start:], view.shape, strides, writeable=False)
