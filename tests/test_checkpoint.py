"""Reading weight files: every format, views of storages, damage, and pickles that mean harm."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artkit import checkpoint
from artkit.contract import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C

# A pickle assembler: the few words that torch.save writes, so that these tests need no PyTorch.


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key: str, kind: str, count: int, view: bytes | None = None) -> bytes:
    return (
        b"(("
        + text("storage")
        + f"ctorch\n{kind}\n".encode()
        + text(key)
        + text("cpu")
        + number(count)
        + (view or b"")
        + b"tQ"
    )


def tensor(
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    *,
    key: str = "0",
    kind: str = "FloatStorage",
    offset: int = 0,
    view: bytes | None = None,
) -> bytes:
    count = 0  # the reader goes by the data, not by this
    where = storage(key, kind, count, view) + number(offset) + numbers(shape) + numbers(stride)
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + where + b"\x89ccollections\nOrderedDict\n)RtR"


def mapping(**items: bytes) -> bytes:
    pairs = b"".join(text(name.replace("__", ".")) + item for name, item in items.items())
    return b"ccollections\nOrderedDict\n)R(" + pairs + b"u"


def program(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def zipped(root: bytes, storages: dict[str, np.ndarray], **extra: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("archive/data.pkl", program(root))
        for name, content in extra.items():
            archive.writestr(f"archive/{name}", content)
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return memory.getvalue()


def legacy(root: bytes, storages: dict[str, np.ndarray], little_endian: bool = True) -> bytes:
    machine = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, machine))
    data = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())
    return head + program(root) + pickle.dumps(list(storages), 2) + data


def safetensors(tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata or {}}
    data = b""
    names = {"f": "F", "i": "I", "u": "U"}
    for name, array in tensors.items():
        dtype = "BOOL" if array.dtype == bool else f"{names[array.dtype.kind]}{array.itemsize * 8}"
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def npz(tensors: dict[str, np.ndarray]) -> bytes:
    memory = io.BytesIO()
    np.savez(memory, **tensors)  # pyright: ignore[reportArgumentType]
    return memory.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], dict[str, np.ndarray]]:
    def read(content: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights.bin"  # the suffix does not matter
        path.write_bytes(content)
        return {name: tensor.read() for name, tensor in checkpoint.read(path).tensors.items()}

    return read


Read = Callable[[bytes], dict[str, np.ndarray]]
both = pytest.mark.parametrize("pack", [zipped, legacy])
FLAT = np.arange(24, dtype=np.float32)


@pytest.mark.parametrize("pack", [safetensors, npz])
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"])
def test_arrays_come_back_as_they_are(read: Read, pack: Callable[..., bytes], dtype: str) -> None:
    array = np.array([[0, 1, 2], [3, 4, 100]]).astype(dtype)
    held = read(pack({"a.weight": array, "one": np.array(3, dtype), "none": np.zeros((0, 3), dtype)}))
    assert held["a.weight"].dtype == array.dtype
    np.testing.assert_array_equal(held["a.weight"], array)
    assert held["one"].shape == ()
    assert held["none"].shape == (0, 3)


def test_bfloat16_is_the_upper_half_of_float32(read: Read) -> None:
    exact = np.array([1.0, -2.5, 3e38, 0.0], "<f4")
    halves = (exact.view("<u4") >> 16).astype("<u2")
    raw = json.dumps({"x": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}).encode()
    want = (halves.astype("<u4") << 16).view("<f4")
    assert want[1] == -2.5
    np.testing.assert_array_equal(read(struct.pack("<Q", len(raw)) + raw + halves.tobytes())["x"], want)
    pth = zipped(mapping(x=tensor((4,), (1,), kind="BFloat16Storage")), {"0": halves})
    np.testing.assert_array_equal(read(pth)["x"], want)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *(("Double", "f8"), ("Float", "f4"), ("Half", "f2")),
        *(("Long", "i8"), ("Int", "i4"), ("Short", "i2"), ("Char", "i1"), ("Byte", "u1"), ("Bool", "?")),
    ],
)
@both
def test_every_torch_dtype(read: Read, pack: Callable[..., bytes], kind: str, dtype: str) -> None:
    array = np.array([0, 1, 2, 100]).astype(dtype)
    held = read(pack(mapping(x=tensor((2, 2), (2, 1), kind=f"{kind}Storage")), {"0": array}))["x"]
    assert held.dtype == array.dtype
    np.testing.assert_array_equal(held, array.reshape(2, 2))


@both
def test_views_share_a_storage(read: Read, pack: Callable[..., bytes]) -> None:
    root = mapping(
        whole=tensor((4, 6), (6, 1)),
        turned=tensor((6, 4), (1, 6)),
        middle=tensor((2, 2), (6, 2), offset=7),
        spread=tensor((3, 4), (0, 1), offset=20),
        scalar=tensor((), (), offset=5),
        empty=tensor((0, 5), (5, 1), offset=24),
        other=tensor((3,), (1,), key="7"),
    )
    held = read(pack(root, {"0": FLAT, "7": FLAT[:3] + 100}))
    whole = FLAT.reshape(4, 6)
    np.testing.assert_array_equal(held["whole"], whole)
    np.testing.assert_array_equal(held["turned"], whole.T)
    np.testing.assert_array_equal(held["middle"], whole[1:3, 1:5:2])
    np.testing.assert_array_equal(held["spread"], np.broadcast_to(whole[3, 2:], (3, 4)))
    assert held["scalar"] == 5
    assert held["empty"].shape == (0, 5)
    np.testing.assert_array_equal(held["other"], [100, 101, 102])


def test_legacy_views_of_storages(read: Read) -> None:
    view = b"(" + text("9") + number(4) + number(8) + b"t"
    held = read(legacy(mapping(x=tensor((2, 3), (3, 1), offset=1, view=view)), {"0": FLAT}))
    np.testing.assert_array_equal(held["x"], FLAT[5:11].reshape(2, 3))


@both
def test_wrappers_and_prefixes_are_taken_off(read: Read, pack: Callable[..., bytes]) -> None:
    inner = mapping(module__a=tensor((2,), (1,)), module__b=tensor((3,), (1,)))
    root = b"}(" + text("epoch") + number(3) + text("optimizer") + mapping(m=tensor((1,), (1,)))
    held = read(pack(root + text("state_dict") + inner + b"u", {"0": FLAT}))
    assert {name: array.shape for name, array in held.items()} == {"a": (2,), "b": (3,)}


@both
def test_nested_dicts_give_dotted_names_and_parameters_are_tensors(read: Read, pack: Callable[..., bytes]) -> None:
    parameter = b"ctorch._utils\n_rebuild_parameter\n(" + tensor((2,), (1,)) + b"\x88ccollections\nOrderedDict\n)RtR"
    held = read(pack(b"}(" + text("net") + mapping(conv__weight=parameter) + b"u", {"0": FLAT}))
    np.testing.assert_array_equal(held["net.conv.weight"], [0, 1])


@both
def test_metadata_of_a_state_dict_is_ignored(read: Read, pack: Callable[..., bytes]) -> None:
    state = b"}" + text("_metadata") + mapping(version=number(1)) + b"s"
    assert list(read(pack(mapping(x=tensor((2,), (1,))) + state + b"b", {"0": FLAT}))) == ["x"]


@both
def test_a_dict_that_holds_itself_ends(read: Read, pack: Callable[..., bytes]) -> None:
    loop = b"}q\x00(" + text("state_dict") + b"h\x00" + text("x") + tensor((2,), (1,)) + b"u"
    assert list(read(pack(loop, {"0": FLAT}))) == ["x"]


@both
@pytest.mark.parametrize(
    "bad",
    [
        tensor((25,), (1,)),
        tensor((2, 2), (24, 1)),
        tensor((2,), (1,), offset=23),
        tensor((2,), (-1,), offset=5),
        tensor((2,), (1,), offset=-1),
        tensor((-2,), (1,)),
        tensor((2, 2), (1,)),
        tensor((2,), (1,), key="5"),
        tensor((2,) * 80, (0,) * 80),
    ],
)
def test_views_outside_their_storage_are_damage(read: Read, pack: Callable[..., bytes], bad: bytes) -> None:
    with pytest.raises(WeightsError, match="damaged"):
        read(pack(mapping(x=bad), {"0": FLAT}))


def test_a_view_larger_than_memory_takes_none(read: Read) -> None:
    held = read(zipped(mapping(x=tensor((2**31 - 1, 2**20), (0, 0))), {"0": FLAT}))
    assert held["x"].shape == (2**31 - 1, 2**20)


def test_flipped_bits_in_a_zip_are_found(read: Read) -> None:
    content = bytearray(zipped(mapping(x=tensor((24,), (1,))), {"0": FLAT}))
    content[content.index(FLAT[10:12].tobytes())] ^= 1
    with pytest.raises(WeightsError, match="damaged"):
        read(bytes(content))


@pytest.mark.parametrize(
    "content", [zipped(mapping(), {}), legacy(mapping(x=number(3)), {}), zipped(tensor((2,), (1,)), {"0": FLAT})]
)
def test_a_pth_without_named_tensors_says_so(read: Read, content: bytes) -> None:
    with pytest.raises(WeightsError, match=r"no named tensors; save model.state_dict\(\)"):
        read(content)


def test_big_endian_files_are_refused(read: Read) -> None:
    root = mapping(x=tensor((2,), (1,)))
    for content in (zipped(root, {"0": FLAT}, byteorder=b"big"), legacy(root, {"0": FLAT}, little_endian=False)):
        with pytest.raises(WeightsError, match="big-endian"):
            read(content)


# Files that are something else


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "not a file of weights"),
        (b"version https://git-lfs.github.com/spec/v1", "not a file of weights"),
        (b"PK\x03\x04 and no more", "damaged or cut short"),
        (pickle.dumps({"a": 1}, 4), "pickle, but not one of PyTorch's"),
        (npz({"a": np.array([{}, None])}), "holds Python objects"),
    ],
)
def test_other_files_are_told_apart(read: Read, content: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        read(content)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match="cannot read"):
            checkpoint.read(path)


def test_an_ordinary_zip_is_not_weights(read: Read) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("photo.jpg", b"")
    with pytest.raises(WeightsError, match="zip file without weights"):
        read(memory.getvalue())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}, "x is not as long as its shape"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}, "8 bytes of tensors where its header says 12"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "damaged"),
        ({"dtype": "F32", "shape": [2]}, "damaged"),
        ({"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}, "x is of type F8_E4M3"),
    ],
)
def test_safetensors_headers_are_checked(read: Read, entry: dict[str, Any], message: str) -> None:
    raw = json.dumps({"x": entry}).encode()
    with pytest.raises(WeightsError, match=message):
        read(struct.pack("<Q", len(raw)) + raw + bytes(8))


def test_damage_anywhere_is_a_weights_error_or_harmless(read: Read, rng: np.random.Generator) -> None:
    """Flips and cuts at random places never raise anything else, and never hang."""
    arrays = {"a": FLAT.reshape(4, 6), "b": FLAT[:3]}
    root = b"}(" + text("state_dict") + mapping(a=tensor((4, 6), (6, 1)), b=tensor((3,), (1,))) + b"u"
    for content in (safetensors(arrays), npz(arrays), zipped(root, {"0": FLAT}), legacy(root, {"0": FLAT})):
        refused = 0
        for _ in range(150):
            broken = bytearray(content)
            for place in rng.integers(0, len(broken), 3):
                broken[place] = rng.integers(256)
            try:
                read(bytes(broken[: rng.integers(1, len(broken) + 1)]) if rng.random() < 0.3 else bytes(broken))
            except WeightsError:
                refused += 1
        assert refused > 30


# Pickles that mean harm


class Harm:
    """Pickles into a call that would leave a file behind."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_calls_are_refused_by_name_and_not_made(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "harm"
    for function, args, name in (
        (os.system, (f"touch {marker}",), f"{os.name}.system"),
        (eval, (f"open({str(marker)!r}, 'w')",), "builtins.eval"),
    ):
        # Buried in a dict, in a list: nothing depends on where it is.
        code = pickle.dumps({"state_dict": {"x": [Harm(function, *args)]}}, protocol)
        path = tmp_path / "evil.pth"
        if protocol >= 2:
            name = name if protocol > 2 else name.replace("builtins", "__builtin__")
            path.write_bytes(
                pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2) + code
            )
            with pytest.raises(WeightsError, match=f'asks for "{name}", which could run code') as caught:
                checkpoint.read(path)
            assert "\n" not in str(caught.value)
            path.write_bytes(code)
            with pytest.raises(WeightsError, match=f'asks for "{name}"'):
                checkpoint.read(path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("evil/data.pkl", code)
        with pytest.raises(WeightsError, match=r'asks for "\S+\.(system|eval)"'):
            checkpoint.read(path)
    assert not marker.exists()


HOSTILE = {
    "BUILD on a constructor": b"ctorch._utils\n_rebuild_tensor_v2\n}" + text("__defaults__") + b")sb",
    "BUILD on a tensor": tensor((2,), (1,)) + b"}b",
    "old-style instance": b"(ios\nsystem\n",
    "instance of an allowed class": b"(icollections\nOrderedDict\n",
    "object": b"(ccollections\nOrderedDict\no",
    "copyreg extension": b"\x82\x01",
    "attribute of an allowed module": b"ctorch._utils\nsys.modules\n",
    "attribute of an allowed class": b"\x8c\x0bcollections\x8c\x15OrderedDict.__class__\x93",
    "name from a list": b"]]\x93",
    "constructor as argument": b"ccollections\nOrderedDict\nccollections\nOrderedDict\n\x85R",
    "call of a string": text("os.system") + text("true") + b"\x85R",
    "call of a storage": b"ctorch\nFloatStorage\n)R",
    "unknown persistent id": b"(" + text("module") + text("x") + text("y") + text("z") + b"tQ",
    "persistent id in text": b"Pstorage\n",
    "tuple as key": b"})" + b"\x85" * 200_000 + number(1) + b"s",
    "memo never set": b"h\x05",
    "empty stack": b"0",
    "a long text that is not there": b"\x8d" + struct.pack("<Q", 2**62),
    "setitem without a dict": number(1) + number(1) + number(1) + b"s",
    "newobj of os.system": b"cos\nsystem\n)\x81",
    "newobj_ex": b"ccollections\nOrderedDict\n)}\x92",
}


@both
@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_every_other_trick_is_refused(read: Read, pack: Callable[..., bytes], code: bytes) -> None:
    with pytest.raises(WeightsError, match=r"asks for|damaged"):
        read(pack(code, {"0": FLAT}))


def test_deep_nesting_is_refused_or_read_without_a_crash(read: Read) -> None:
    deep = (b"}" + text("a")) * 20_000 + tensor((2,), (1,)) + b"s" * 20_000
    with pytest.raises(WeightsError, match="damaged"):
        read(zipped(deep, {"0": FLAT}))


# Against PyTorch itself


@pytest.mark.parametrize("zip_format", [True, False])
def test_agrees_with_torch(tmp_path: Path, zip_format: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    layer = torch.nn.Conv2d(3, 4, 3)
    saved = {
        "base": base,
        "transposed": base.T,
        "slice": base[1:5, ::3],
        "expanded": base[0].expand(5, 8),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base[2]),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        **{
            str(d): base.abs().to(d)
            for d in (torch.float16, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool)
        },
    }
    path = tmp_path / "torch.pth"
    state = layer.state_dict()  # has _metadata
    checkpoint_dict = {
        "state_dict": {**saved, "bf": base.bfloat16(), "conv": state},
        "epoch": 3,
        "dtype": torch.float32,
    }
    torch.save(checkpoint_dict, path, _use_new_zipfile_serialization=zip_format)
    held = checkpoint.read(path).tensors
    assert held.keys() == {*saved, "bf", "conv.weight", "conv.bias"}
    for name, wanted in {**saved, "conv.weight": layer.weight, "conv.bias": layer.bias}.items():
        got = held[name].read()
        assert got.dtype == wanted.detach().numpy().dtype, name
        assert held[name].shape == got.shape == tuple(wanted.shape)
        np.testing.assert_array_equal(got, wanted.detach().numpy(), err_msg=name)
    assert held["bf"].dtype == "bfloat16"
    np.testing.assert_array_equal(held["bf"].read(), base.bfloat16().float().numpy())


def test_a_whole_torch_module_is_refused_by_name(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "module.pth"
    torch.save(torch.nn.Conv2d(3, 4, 3), path)
    with pytest.raises(WeightsError, match=r'"torch\.nn\.modules\.conv\.Conv2d"'):
        checkpoint.read(path)


# Writing


def test_written_files_come_back_and_are_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = {"a": FLAT.reshape(2, 12).T, "h": FLAT[:5].astype(np.float16), "n": np.array([1, 2], np.int8)}
    digest = checkpoint.write(path, tensors, {"network": "vgg19"})
    held = checkpoint.read(path)
    assert held.metadata == {"network": "vgg19", "sha256": digest}
    for name, array in tensors.items():
        np.testing.assert_array_equal(held.tensors[name].read(), array)
    assert checkpoint.data_sha256(path) == digest
    import mlx.core as mx

    loaded: Any = mx.load(str(path))
    np.testing.assert_array_equal(np.array(loaded["a"]), tensors["a"])


def test_arrays_are_float32_whatever_the_file_holds(tmp_path: Path) -> None:
    import mlx.core as mx

    path = tmp_path / "w.safetensors"
    checkpoint.write(path, {"a": FLAT.reshape(2, 12).T, "h": FLAT[:5].astype(np.float16)}, {})
    arrays = checkpoint.load_arrays(path)
    assert {array.dtype for array in arrays.values()} == {mx.float32}
    np.testing.assert_array_equal(np.array(arrays["a"]), FLAT.reshape(2, 12).T)
    np.testing.assert_array_equal(np.array(arrays["h"]), FLAT[:5].astype(np.float16))
    with pytest.raises(WeightsError, match="cannot read"):
        checkpoint.load_arrays(tmp_path / "none.safetensors")


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")

    def half() -> None:
        with checkpoint.replacing(path) as file:
            file.write(b"new, but")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
