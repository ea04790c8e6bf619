"""Tensors in files: .safetensors and .npz, read and written here; PyTorch's .pth is read by torchfile.py.

Files are recognized by their content, not by their suffix, and nothing in them is ever executed. Tensors are read one
at a time, when asked for: the fully connected layers of a 575 MB VGG never enter memory.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from artkit.contract import WeightsError

if TYPE_CHECKING:
    import mlx.core as mx

MAX_HEADER = 100_000_000  # bytes; the limit of the safetensors format itself
DTYPES = {  # how each is stored; bfloat16 is the upper half of a float32
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint64": "<u8",
    "uint32": "<u4",
    "uint16": "<u2",
    "uint8": "|u1",
    "bool": "|b1",
}
_SAFETENSORS = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"},
    **{f"{kind[0].upper()}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}
_KNOWN_FILES = ".safetensors, .npz and PyTorch's .pth are read"
# What reading a damaged file may raise, here, in zipfile and in NumPy.
BROKEN = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, SyntaxError, EOFError),
    *(MemoryError, struct.error, zlib.error, zipfile.BadZipFile),
)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever a file that cannot be read, or breaks the rules of its format, leads to, as a WeightsError."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
    except BROKEN:
        damaged(path)


def damaged(origin: object) -> NoReturn:
    """Raise the WeightsError for a file that breaks the rules of its format."""
    raise WeightsError(f"{origin} is damaged or cut short; get it again") from None


@dataclass(frozen=True)
class Tensor:
    """A tensor that is still in its file."""

    shape: tuple[int, ...]
    dtype: str
    path: Path
    load: Callable[[], np.ndarray]

    def read(self) -> np.ndarray:
        """The array, bfloat16 as float32, every other dtype as it is stored; WeightsError when the file is damaged.

        It may be a read-only view with the file's own strides: look at the shape before copying it.
        """
        with reading(self.path):
            return self.load()


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds: tensors by name ("module." prefixes removed) and its text metadata."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)


class Span(NamedTuple):
    """A tensor in a safetensors file: bytes start to stop, counted from the end of the header; dtype as in DTYPES."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read(path: str | Path) -> Checkpoint:
    """The tensors in a .safetensors, .npz or .pth file.

    WeightsError when it is missing, damaged, of another kind, or asks for code to be run.
    """
    path = Path(path)
    with reading(path):
        with path.open("rb") as file:
            start, size = file.read(16), os.fstat(file.fileno()).st_size
        if not start:
            raise WeightsError(f"{path} is empty")
        if start.startswith(b"PK\x03\x04"):
            return _read_zip(path)
        if start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= MAX_HEADER:
            return _read_safetensors(path, size)
        if start[0] == 0x80:
            from artkit import torchfile

            return torchfile.read_legacy(path, size)
    raise WeightsError(f"{path} is not a file of weights; {_KNOWN_FILES}")


def load_arrays(path: str | Path) -> dict[str, mx.array]:
    """Every tensor in a file of weights, float32, evaluated (so that every thread can use them).

    WeightsError as in `read`.
    """
    import artkit.device  # noqa: F401, I001  (fast BLAS before MLX)
    import mlx.core as mx

    arrays = {name: mx.array(tensor.read().astype(np.float32)) for name, tensor in read(path).tensors.items()}
    mx.eval(arrays)
    return arrays


def write(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file, whole or not at all, and return the SHA-256 of its tensors, also put into "sha256"."""
    names = {DTYPES[dtype]: name for name, dtype in _SAFETENSORS.items() if dtype != "bfloat16"}
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    # Wide types first, so that every tensor is aligned.
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    digest = hashlib.sha256()
    header: dict[str, Any] = {}
    stop = 0
    for name in order:
        array = arrays[name]
        start, stop = stop, stop + array.nbytes
        header[name] = {"dtype": names[array.dtype.str], "shape": array.shape, "data_offsets": [start, stop]}
        digest.update(array.data)
    header["__metadata__"] = {**metadata, "sha256": digest.hexdigest()}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(arrays[name].data)
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` once all is written and on the disk; nothing is left otherwise."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(folder: Path, remedy: str = "set ARTKIT_CACHE_DIR to another folder") -> Iterator[None]:
    """Errors of writing into the folder, of weights unless told, as WeightsErrors that advise the remedy."""
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        raise WeightsError(f"cannot write to {folder}: {why}; {remedy}") from None


def data_sha256(path: Path) -> str:
    """SHA-256 of the tensors in a safetensors file (all that follows the header)."""
    with path.open("rb") as file:
        file.seek(8 + struct.unpack("<Q", file.read(8))[0])
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_header(header: bytes, size: int | None, origin: object) -> tuple[dict[str, Span], dict[str, str]]:
    """The tensors and the metadata that a safetensors header promises, checked against the bytes that follow it.

    size: how many those are (None: unknown). origin: the file or address, for the WeightsError.
    """
    try:
        entries = json.loads(header)
        metadata = {str(key): str(value) for key, value in (entries.pop("__metadata__", None) or {}).items()}
        spans = {
            name: Span(
                _SAFETENSORS.get(entry["dtype"], str(entry["dtype"])), tuple(entry["shape"]), *entry["data_offsets"]
            )
            for name, entry in entries.items()
        }
        for name, (dtype, shape, start, stop) in spans.items():
            if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
                damaged(origin)
            if dtype in DTYPES and stop - start != math.prod(shape) * itemsize(dtype):
                raise WeightsError(f"{origin} is damaged: {name} is not as long as its shape {shape} says")
    except BROKEN:
        damaged(origin)
    promised = max((span.stop for span in spans.values()), default=0)
    if size is not None and size != promised:
        raise WeightsError(
            f"{origin} is damaged: it holds {size:,} bytes of tensors where its header says {promised:,}"
        )
    return spans, metadata


def decode(raw: np.ndarray, dtype: str) -> np.ndarray:
    """Stored bytes (N,) uint8 -> the numbers; `dtype` is one of DTYPES."""
    numbers = raw.view(DTYPES[dtype])
    if dtype == "bfloat16":
        return (numbers.astype("<u4") << 16).view("<f4")
    return numbers


def itemsize(dtype: str) -> int:
    """Bytes that one number of this dtype takes in a file."""
    return np.dtype(DTYPES[dtype]).itemsize


def stored_bytes(path: Path, start: int, count: int) -> np.ndarray:
    """(count,) uint8 from `start`; WeightsError when the file ends before."""
    raw = np.fromfile(path, np.uint8, count, offset=start)
    if raw.size != count:
        damaged(path)
    return raw


def without_module(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without the "module." that PyTorch's DataParallel puts before all of them."""
    while tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def _read_safetensors(path: Path, size: int) -> Checkpoint:
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = file.read(length)
    if len(header) != length:
        damaged(path)
    spans, metadata = parse_header(header, size - 8 - length, path)

    def array(name: str, span: Span) -> np.ndarray:
        if span.dtype not in DTYPES:
            raise WeightsError(f"{path}: {name} is of type {span.dtype}, which is not read; save it as F32")
        raw = stored_bytes(path, 8 + length + span.start, span.stop - span.start)
        return decode(raw, span.dtype).reshape(span.shape)

    tensors = {
        name: Tensor(span.shape, span.dtype, path, functools.partial(array, name, span)) for name, span in spans.items()
    }
    return Checkpoint(without_module(tensors), metadata)


def _read_zip(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in archive.filelist):
            damaged(path)
        if pickles := [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]:
            from artkit import torchfile

            return torchfile.read_zip(path, archive, pickles[0].removesuffix("data.pkl"))
    if not names or not all(name.endswith(".npy") for name in names):
        raise WeightsError(f"{path} is a zip file without weights; {_KNOWN_FILES}")
    tensors = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                array = arrays[name]
                if array.dtype.kind in "fiub":
                    tensors[name] = Tensor(array.shape, array.dtype.name, path, lambda array=array: array)
    except ValueError as error:
        if "pickle" in str(error):
            raise WeightsError(f"{path} holds Python objects, which could run code; only numbers are read") from None
        raise
    return Checkpoint(without_module(tensors))
