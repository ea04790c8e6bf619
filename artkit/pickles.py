"""Pickles of plain data and PyTorch's tensors, read without executing anything.

A pickle is a program for a small stack machine that may call any function it names. `unpickle` is such a machine with
the dangerous half left out. It knows the few constructors that a state dict needs, by name, and refuses every other
global before anything is made of it; Python's own unpickler is never involved.

The machine: https://github.com/python/cpython/blob/main/Lib/pickletools.py.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any, NamedTuple

from artkit.checkpoint import DTYPES, damaged
from artkit.contract import WeightsError

_STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
_ALLOWED = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    *_STORAGES,
    *(f"torch.{dtype}" for dtype in DTYPES),
}
_CONSTANTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}


class _Global(NamedTuple):
    """Something the pickle names; never looked up, only compared."""

    name: str


class Storage(NamedTuple):
    """A flat run of numbers that tensors are views of; legacy files may begin it `offset` elements late."""

    dtype: str
    key: str
    offset: int


class View(NamedTuple):
    """A tensor: element (i, j, …) is number offset + i·stride[0] + j·stride[1] + … of the storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def unpickle(stream: Any, path: Path, storages: dict[str, Storage]) -> object:
    """The next object of a pickle of plain data and tensors; WeightsError at anything more.

    storages: collects those it mentions, by key.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for op, argument, _ in pickletools.genops(stream):
        arg: Any = argument
        match op.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(op.name == "NEWTRUE")
            case name if name in _CONSTANTS:
                stack.append(arg)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                marks.append(len(stack))
            case "POP":
                stack.pop()
            case "POP_MARK":
                since_mark()
            case "DUP":
                stack.append(stack[-1])
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(op.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "LIST" | "FROZENSET":
                stack.append(since_mark())
            case "DICT":
                stack.append(_extended({}, since_mark(), path))
            case "APPEND":
                item = stack.pop()
                _extended(stack[-1], [item], path)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _extended(stack[-1], [key, value], path)
            case "APPENDS" | "SETITEMS" | "ADDITEMS":
                items = since_mark()
                _extended(stack[-1], items, path)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[int(arg)] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[int(arg)])
            case "GLOBAL":
                stack.append(_allowed(arg.replace(" ", "."), path))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_allowed(f"{module}.{name}", path))
            case "INST":
                _allowed(arg.replace(" ", "."), path)
                damaged(path)
            case "BINPERSID":
                storage = _storage(stack.pop(), path)
                storages[storage.key] = storage
                stack.append(storage)
            case "REDUCE" | "NEWOBJ":
                args, function = stack.pop(), stack.pop()
                stack.append(_construct(function, args, path))
            case "BUILD":  # a state dict's _metadata, the versions of its layers: not needed
                stack.pop()
                if not isinstance(stack[-1], dict):
                    damaged(path)
            case other:
                raise WeightsError(f"{path} asks for {other}, which no file of plain tensors needs; it was not read")
    damaged(path)


def _extended(target: Any, items: list[Any], path: Path) -> Any:
    """`target`, a list with the items added, or a dict with them as keys and values in turn."""
    if isinstance(target, list):
        target += items
    # Flat keys only: hashing a tuple that is nested deeply enough overflows the C stack.
    elif isinstance(target, dict) and all(isinstance(key, str | int | float | bytes | None) for key in items[::2]):
        target.update(zip(items[::2], items[1::2], strict=True))
    else:
        damaged(path)
    return target


def _allowed(name: str, path: Path) -> _Global:
    if name not in _ALLOWED:
        raise WeightsError(
            f'{path} asks for "{name}", which could run code; it was not read '
            "(only plain tensors are: torch.save(model.state_dict(), …))"
        )
    return _Global(name)


def _storage(pid: Any, path: Path) -> Storage:
    """("storage", type, key, device, number of elements[, (key of the view, offset, number)])."""
    match pid:
        case ("storage", _Global(kind), str(key), _, int(), *rest) if kind in _STORAGES:
            offset = rest[0][1] if rest and rest[0] else 0
            if type(offset) is int and offset >= 0:
                return Storage(_STORAGES[kind], key, offset)
    damaged(path)


def _construct(function: Any, args: Any, path: Path) -> object:
    match function, args:
        case _Global("collections.OrderedDict"), (*pairs,) if len(pairs) < 2:
            return _extended({}, [item for key, value in (pairs[0] if pairs else ()) for item in (key, value)], path)
        case _Global("torch.Size"), ([*lengths],):
            return tuple(lengths)
        case _Global("torch._utils._rebuild_parameter"), (View() as view, *_):
            return view
        case (
            _Global("torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2"),
            (Storage() as storage, int(offset), tuple(shape), tuple(stride), *_),
        ):
            numbers = (offset, *shape, *stride)
            if len(shape) == len(stride) and all(type(number) is int and number >= 0 for number in numbers):
                return View(storage, offset, shape, stride)
    damaged(path)
