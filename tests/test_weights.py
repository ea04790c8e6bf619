"""Weights by name: the cache, fetching a VGG, adding files of every kind, and everything that can be wrong."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from artkit import checkpoint, vgg, weights
from artkit.contract import WeightsError, WrongCall
from artkit.download import Progress
from artkit.vgg import VGG16, VGG19, Architecture
from artkit.weights import Known
from tests.range_server import FileServer, serving
from tests.test_checkpoint import legacy, npz, safetensors, zipped
from tests.test_checkpoint import mapping as torch_mapping
from tests.test_checkpoint import tensor as torch_tensor

TINY = Architecture("tiny", ((2, 8), (1, 16)))
KNOWN = {"tiny": Known(TINY, "timm/tiny", "TINY by nobody")}


def numbers(architecture: Architecture = TINY, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights as artkit keeps them."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in architecture.shapes().items()}


def torchvision(tensors: dict[str, np.ndarray], architecture: Architecture = TINY) -> dict[str, np.ndarray]:
    """The same as torchvision names and turns them, and layers that are not wanted."""
    places = {name: place for place, name in architecture.places().items()}
    turned = {}
    for name, array in tensors.items():
        layer, part = name.split(".")
        oihw = array.transpose(0, 3, 1, 2) if array.ndim == 4 else array
        turned[f"features.{places[layer]}.{part}"] = np.ascontiguousarray(oihw)
    return {**turned, "head.fc.weight": np.ones((100, 300), np.float32)}


def pth(tensors: dict[str, np.ndarray], pack: Callable[..., bytes] = zipped) -> bytes:
    """A PyTorch file, made without PyTorch."""
    items, storages = {}, {}
    for key, (name, array) in enumerate(tensors.items()):
        stride = tuple(step // array.itemsize for step in array.strides)
        items[name.replace(".", "__")] = torch_tensor(array.shape, stride, key=str(key))
        storages[str(key)] = array
    return pack(torch_mapping(**items), storages)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no settings of the person who runs the tests."""
    monkeypatch.setenv("ARTKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Hugging Face with one model."""
    with serving(safetensors(torchvision(numbers()))) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def file(content: bytes) -> Path:
        path = tmp_path / "given"
        path.write_bytes(content)
        return path

    return file


def fetch(name: str = "tiny", retries: int = 0) -> list[Progress]:
    return list(weights.fetch(name, KNOWN, retries=retries, backoff=0.001))


def loaded(name: str = "tiny") -> dict[str, np.ndarray]:
    return {key: np.array(array) for key, array in weights.load(name, KNOWN).items()}


def same(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert got[name].dtype == np.float32
        np.testing.assert_array_equal(got[name], array, err_msg=name)


# The architectures


def test_vgg_is_what_simonyan_and_zisserman_describe() -> None:
    assert [int(p) for p in VGG19.places()] == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    assert [int(p) for p in VGG16.places()] == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert VGG19.places()["34"] == "conv5_4"
    assert VGG16.shapes()["conv4_1.weight"] == (512, 3, 3, 256)
    # Convolution parameters, as torchvision counts them.
    for architecture, count in ((VGG16, 14_714_688), (VGG19, 20_024_384)):
        assert sum(int(np.prod(shape)) for shape in architecture.shapes().values()) == count
    assert weights.KNOWN["vgg19"].megabytes == 80
    assert weights.KNOWN["vgg16"].megabytes == 59


# Names and places


def test_missing_and_unknown_names() -> None:
    with pytest.raises(WeightsError) as caught:
        weights.load("vgg19")
    assert str(caught.value) == 'weights "vgg19" are not here yet; artkit weights get vgg19 (80 MB)'
    with pytest.raises(WrongCall, match=r'no weights "vgg91"; did you mean "vgg19"\?'):
        weights.load("vgg91")
    with pytest.raises(WrongCall, match='no weights "zebra"; artkit weights add'):
        weights.info("zebra")


@pytest.mark.parametrize(
    "name", ["", "../vgg19", "a/b", "/etc/passwd", ".hidden", "Upper", "a b", "x" * 65, "vgg19\n", "ü"]
)
def test_names_cannot_leave_the_folder(name: str, file: Callable[[bytes], Path], cache: Path) -> None:
    given = file(safetensors(torchvision(numbers())))
    for call in (
        weights.path,
        weights.load,
        weights.remove,
        lambda name: list(weights.fetch(name)),
        lambda name: weights.add(name, given, known=KNOWN),
    ):
        with pytest.raises(WrongCall):
            call(name)
    assert not cache.exists()
    assert given.exists()


def test_compact_is_neither_replaced_nor_removed_nor_fetched(file: Callable[[bytes], Path]) -> None:
    with pytest.raises(WrongCall, match="not replaced"):
        weights.add("compact", file(b"anything"))
    with pytest.raises(WrongCall, match="not removed"):
        weights.remove("compact")
    with pytest.raises(WrongCall, match="here already"):
        list(weights.fetch("compact"))
    assert weights.names()[0] == "compact"


def test_bundled_compact_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundled = tmp_path / "compact.safetensors"
    monkeypatch.setattr(weights, "COMPACT", bundled)
    with pytest.raises(WeightsError, match="install artkit again"):
        weights.load("compact")
    tensors = {"conv1_1.weight": np.ones((4, 3, 3, 3), np.float16), "axes": np.ones(3, np.float16)}
    mx.save_safetensors(
        str(bundled), {k: mx.array(v) for k, v in tensors.items()}, {"network": "compact", "preprocessing": "centered"}
    )
    about = weights.info("compact")
    assert (about.network, about.preprocessing, about.source, about.path) == ("compact", "centered", "artkit", bundled)
    assert len(about.sha256) == 64
    assert weights.load("compact")["axes"].dtype == mx.float16
    assert "compact" in [info.name for info in weights.installed()]


def test_the_shipped_compact_weights_load() -> None:
    assert weights.load("compact")["conv1_1.weight"].shape[3] == 3


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ARTKIT_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert weights.folder().is_relative_to(tmp_path)
    assert weights.folder().name == "weights"


# Fetching


def test_fetched_weights_are_whole_turned_and_described(server: FileServer, cache: Path) -> None:
    steps = fetch()
    assert steps[-1].done == steps[-1].total == sum(array.nbytes for array in numbers().values())
    assert {request.path for request in server.requests} == {"/timm/tiny/resolve/main/model.safetensors"}
    same(loaded(), numbers())
    about = weights.info("tiny", KNOWN)
    assert (about.network, about.preprocessing) == ("tiny", "torch")
    assert about.source == f"{server.url}/timm/tiny/resolve/main/model.safetensors"
    assert about.bytes == about.path.stat().st_size
    assert [path.name for path in cache.iterdir()] == ["tiny.safetensors"]
    assert [info.name for info in weights.installed(KNOWN)][-1] == "tiny"
    server.requests.clear()
    assert fetch() == []  # here already
    assert not server.requests


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_fetch_installs_nothing_and_goes_on(server: FileServer, cache: Path, ranges: bool) -> None:
    server.ranges = ranges
    server.cut = [None, None, 2000] if ranges else [len(server.body) - 124_000]
    with pytest.raises(WeightsError, match="goes on from where it stopped"):
        fetch()
    assert weights.names(KNOWN) == ["compact", "tiny"]
    with pytest.raises(WeightsError, match="not here yet"):
        weights.path("tiny", KNOWN)
    arrived = (cache / ".tiny.partial").stat().st_size
    assert arrived > 0
    server.sent()
    assert fetch()[0].done == arrived
    if ranges:
        header = len(server.body) - sum(a.nbytes for a in torchvision(numbers()).values())
        assert server.sent() == header + sum(a.nbytes for a in numbers().values()) - arrived
    same(loaded(), numbers())


def damaged_by(change: str) -> bytes:
    tensors = torchvision(numbers())
    if change == "nan":
        tensors["features.2.weight"][3, 2, 1, 0] = np.nan
    elif change == "shape":
        tensors["features.2.weight"] = tensors["features.2.weight"][:, :7]
    elif change == "integers":
        tensors["features.2.bias"] = tensors["features.2.bias"].astype(np.int32)
    elif change == "bias":
        del tensors["features.2.bias"]
    elif change == "short":
        del tensors["features.5.weight"], tensors["features.5.bias"]
    elif change == "other":
        tensors = {"conv.weight": np.zeros(3)}
    elif change == "float64":
        tensors["features.0.weight"] = np.full((8, 3, 3, 3), 1e300)
    return safetensors(tensors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nan", "features.2.weight holds numbers that are not finite"),
        ("float64", "features.0.weight holds numbers that are not finite"),
        ("shape", r"features.2.weight is \(8, 7, 3, 3\), tiny has \(8, 8, 3, 3\)"),
        ("integers", "features.2.bias is int32"),
        ("bias", "has no conv1_2.bias"),
        ("short", "ends at conv1_2, tiny goes on"),
        ("other", "holds no VGG"),
    ],
)
def test_wrong_weights_are_not_installed(server: FileServer, cache: Path, change: str, message: str) -> None:
    server.body = damaged_by(change)
    with pytest.raises(WeightsError, match=message) as caught:
        fetch()
    assert "\n" not in str(caught.value)
    assert not any(cache.iterdir())


def test_a_disk_that_fills_up_at_the_end_keeps_the_download(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", full)
        with pytest.raises(WeightsError, match=r"cannot write to .*: the disk is full; set ARTKIT_CACHE_DIR"):
            fetch()
    server.sent()
    steps = fetch()
    assert steps[0].done == steps[0].total
    same(loaded(), numbers())


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_says_so_and_offers_a_way(server: FileServer, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    with pytest.raises(WeightsError, match=r"HF_HUB_OFFLINE is set; .*artkit weights add tiny FILE"):
        fetch()
    assert not server.requests
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    fetch()


@pytest.mark.parametrize("endpoint", ["huggingface.co", "file:///etc", "https://a b"])
def test_an_endpoint_that_is_no_address(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(WeightsError, match="HF_ENDPOINT is"):
        fetch()


def test_the_token_is_sent(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    fetch()
    assert {request.authorization for request in server.requests} == {"Bearer secret"}


def vgg16_file() -> bytes:
    """VGG-16's own shapes as timm has them, all ones, in float16 to keep tests quick."""
    places = {name: place for place, name in VGG16.places().items()}
    header, start = {}, 0
    for name, shape in VGG16.shapes().items():
        layer, part = name.split(".")
        length = 2 * int(np.prod(shape))
        oihw = shape if len(shape) == 1 else (shape[0], shape[3], 3, 3)
        header[f"features.{places[layer]}.{part}"] = {
            "dtype": "F16",
            "shape": oihw,
            "data_offsets": [start, start + length],
        }
        start += length
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + b"\x00\x3c" * (start // 2)


def test_a_real_vgg16(server: FileServer) -> None:
    server.body = vgg16_file()
    list(weights.fetch("vgg16"))
    assert weights.info("vgg16").network == "vgg16"
    held = weights.load("vgg16")
    assert {name: tuple(array.shape) for name, array in held.items()} == VGG16.shapes()
    assert held["conv5_3.weight"].dtype == mx.float32
    assert held["conv5_3.weight"].min().item() == held["conv5_3.weight"].max().item() == 1


# Loading


def test_loaded_weights_can_be_used_in_another_thread(server: FileServer) -> None:
    fetch()
    held = weights.load("tiny", KNOWN)
    sums: list[float] = []
    thread = threading.Thread(target=lambda: sums.append(mx.sum(held["conv1_1.weight"]).item()))  # pyright: ignore
    thread.start()
    thread.join()
    assert sums == [pytest.approx(numbers()["conv1_1.weight"].sum(), rel=1e-4, abs=1e-4)]


def test_damaged_files_say_how_to_mend_them(server: FileServer, cache: Path) -> None:
    fetch()
    path = weights.path("tiny", KNOWN)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    mend = "artkit weights remove tiny, then artkit weights get tiny"
    with pytest.raises(WeightsError, match=f"SHA-256 is not the recorded one; {mend}"):
        weights.load("tiny", KNOWN)
    path.write_bytes(content[:500])
    with pytest.raises(WeightsError, match=f"cut short.*{mend}"):
        weights.load("tiny", KNOWN)
    assert "tiny" not in [info.name for info in weights.installed(KNOWN)]
    weights.remove("tiny", KNOWN)
    fetch()
    same(loaded(), numbers())


def test_files_of_another_shape_under_a_known_name_are_refused(cache: Path) -> None:
    cache.mkdir(parents=True)
    wrong = {**numbers(), "conv2_1.weight": np.zeros((16, 3, 3, 9), np.float32)}
    about = {"network": "tiny", "preprocessing": "torch"}
    checkpoint.write(cache / "tiny.safetensors", wrong, about)
    with pytest.raises(WeightsError, match=r"conv2_1.weight is \(16, 3, 3, 9\), tiny has \(16, 3, 3, 8\)"):
        weights.load("tiny", KNOWN)
    checkpoint.write(cache / "tiny.safetensors", {**numbers(), "extra": np.zeros(3, np.float32)}, about)
    with pytest.raises(WeightsError, match=r"extra is \(3,\), tiny has no such tensor"):
        weights.load("tiny", KNOWN)
    short = {name: array for name, array in numbers().items() if name.startswith("conv1")}
    checkpoint.write(cache / "tiny.safetensors", short, about)
    with pytest.raises(WeightsError, match="not complete"):
        weights.load("tiny", KNOWN)


# Adding

BOTH = {"vgg19": Known(Architecture("vgg19", ((2, 8), (2, 16))), "", ""), "tiny": KNOWN["tiny"]}


@pytest.mark.parametrize(
    "pack", [safetensors, npz, pth, lambda tensors: pth(tensors, legacy)], ids=["safetensors", "npz", "zip", "legacy"]
)
@pytest.mark.parametrize("naming", ["torchvision", "oihw", "ohwi", "prefix"])
def test_every_format_and_naming_gives_the_same_weights(
    file: Callable[[bytes], Path], pack: Callable[[dict[str, np.ndarray]], bytes], naming: str
) -> None:
    tensors = numbers()
    if naming in ("torchvision", "prefix"):
        tensors = torchvision(tensors)
    elif naming == "oihw":
        tensors = {n: np.ascontiguousarray(np.moveaxis(a, 3, 1)) if a.ndim == 4 else a for n, a in tensors.items()}
    if naming == "prefix":
        tensors = {f"module.vgg.{name}": array for name, array in tensors.items()}
    about = weights.add("mine", file(pack(tensors)), known=KNOWN)
    assert about.network == "tiny"
    assert about.preprocessing == ("caffe" if naming in ("oihw", "ohwi") else "torch")
    assert about.name in weights.names(KNOWN)
    same(loaded("mine"), numbers())


def test_a_chain_cut_short_is_fine_under_a_name_of_its_own(file: Callable[[bytes], Path]) -> None:
    short = {name: array for name, array in numbers().items() if name.startswith("conv1")}
    given = file(safetensors(torchvision(short)))
    with pytest.raises(WeightsError, match="is tiny up to conv1_2, not the whole of tiny; add it under another name"):
        weights.add("tiny", given, known=KNOWN)
    weights.add("mine", given, known=KNOWN)
    same(loaded("mine"), short)


def test_another_network_under_a_known_name_is_refused(file: Callable[[bytes], Path]) -> None:
    given = file(safetensors(torchvision(numbers(BOTH["vgg19"].architecture), BOTH["vgg19"].architecture)))
    with pytest.raises(WeightsError, match="is vgg19, not the whole of tiny"):
        weights.add("tiny", given, known=BOTH)
    assert weights.add("vgg19", given, known=BOTH).network == "vgg19"


def test_a_prefix_of_two_networks_goes_by_metadata_or_is_the_last(file: Callable[[bytes], Path]) -> None:
    short = {name: array for name, array in numbers().items() if name.startswith("conv1")}
    assert weights.add("a", file(safetensors(short)), known=BOTH).network == "tiny"
    assert weights.add("b", file(safetensors(short, {"network": "vgg19"})), known=BOTH).network == "vgg19"


@pytest.mark.parametrize(
    ("said", "is_now"),
    [
        ("torch", "torch"),
        ("caffe", "caffe"),
        ('Keras "caffe" mode: BGR', "caffe"),
        ("torchvision", "torch"),
        ("", "caffe"),
    ],
)
def test_preprocessing_in_the_metadata_is_respected(file: Callable[[bytes], Path], said: str, is_now: str) -> None:
    given = file(safetensors(numbers(), {"preprocessing": said} if said else None))
    assert weights.add("mine", given, known=KNOWN).preprocessing == is_now
    other = "torch" if is_now == "caffe" else "caffe"
    assert weights.add("other", given, other, known=KNOWN).preprocessing == other  # the person knows better


@pytest.mark.parametrize("known", vgg._OXFORD)
def test_the_oxford_release_is_known_by_its_first_filters(file: Callable[[bytes], Path], known: np.ndarray) -> None:
    """Under torchvision's names, as jcjohnson's files are; every filter at another scale, as in Gatys' network."""
    tensors = numbers()
    tensors["conv1_1.weight"][:3, 0, 0] = known * [[0.7], [0.15], [0.1]]
    assert weights.add("bgr", file(pth(torchvision(tensors))), known=KNOWN).preprocessing == "caffe"
    same(loaded("bgr"), tensors)
    turned = {**tensors, "conv1_1.weight": tensors["conv1_1.weight"][..., ::-1]}
    assert weights.add("rgb", file(pth(torchvision(turned))), known=KNOWN).preprocessing == "caffe"
    same(loaded("rgb"), tensors)  # in BGR again
    tensors["conv1_1.weight"][1, 0, 0, 0] *= 1.1
    assert weights.add("other", file(pth(torchvision(tensors))), known=KNOWN).preprocessing == "torch"


@pytest.mark.parametrize("change", ["nan", "shape", "integers", "bias", "other"])
def test_wrong_files_are_not_added(file: Callable[[bytes], Path], cache: Path, change: str) -> None:
    with pytest.raises(WeightsError, match="given"):
        weights.add("mine", file(damaged_by(change)), known=KNOWN)
    assert not cache.exists()


def test_other_networks_are_named(file: Callable[[bytes], Path]) -> None:
    norm = {**torchvision(numbers()), "features.1.weight": np.ones(8), "features.1.running_mean": np.ones(8)}
    with pytest.raises(
        WeightsError, match=r"is not tiny, nor the beginning of it: it has batch normalization, features\.1"
    ):
        weights.add("mine", file(safetensors(norm)), known=KNOWN)
    twice = {f"{side}.{name}": array for side in ("a", "b") for name, array in torchvision(numbers()).items()}
    with pytest.raises(WeightsError, match="more than one network"):
        weights.add("mine", file(safetensors(twice)), known=KNOWN)
    with pytest.raises(WeightsError, match="fewer than two"):
        weights.add("mine", file(safetensors({"conv1_1.weight": np.ones((8, 3, 3, 3))})), known=KNOWN)


def test_names_that_are_taken(file: Callable[[bytes], Path]) -> None:
    given = file(safetensors(numbers()))
    weights.add("mine", given, known=KNOWN)
    with pytest.raises(WrongCall, match="artkit weights remove mine"):
        weights.add("mine", given, known=KNOWN)
    with pytest.raises(WrongCall, match="here already; artkit weights get takes tiny"):
        fetch("mine")
    weights.remove("mine")
    with pytest.raises(WrongCall, match="no weights"):
        weights.remove("mine")


def test_a_compact_network_of_ones_own(
    file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundled = {"conv1_1.weight": np.ones((4, 3, 3, 3), np.float16), "axes": np.ones(3, np.float16)}
    monkeypatch.setattr(weights, "COMPACT", tmp_path / "compact.safetensors")
    weights.COMPACT.write_bytes(safetensors(bundled))
    about = {"network": "compact", "preprocessing": "centered"}
    info = weights.add("mine", file(safetensors({k: v * 2 for k, v in bundled.items()}, about)))
    assert (info.network, info.preprocessing) == ("compact", "centered")
    assert weights.load("mine")["axes"].tolist() == [2, 2, 2]
    with pytest.raises(WeightsError, match=r"axes is missing, in the compact network it is \(3,\)"):
        weights.add("other", file(safetensors({"conv1_1.weight": bundled["conv1_1.weight"]}, about)))


def test_remove_forgets_an_unfinished_download(server: FileServer, cache: Path) -> None:
    server.cut = [None, None, 2000]
    with pytest.raises(WeightsError):
        fetch()
    weights.remove("tiny", KNOWN)
    assert not any(cache.iterdir())
    with pytest.raises(WeightsError, match="not here yet"):
        weights.remove("tiny", KNOWN)


# The true weights


def test_the_true_vgg19_blocks(shared: Path, file: Callable[[bytes], Path]) -> None:
    """Recognized as Oxford's whether the file says so, or only the numbers do; exact either way."""
    path = shared / "weights" / "vgg19_conv1-3.safetensors"
    true = {name: tensor.read() for name, tensor in checkpoint.read(path).tensors.items()}
    assert weights.add("true", path).preprocessing == "caffe"
    assert weights.info("true").network == "vgg19"
    jcjohnson = pth(torchvision(true, VGG19))
    assert weights.add("jcjohnson", file(jcjohnson)).preprocessing == "caffe"
    for name in ("true", "jcjohnson"):
        same({key: np.array(array) for key, array in weights.load(name).items()}, true)
    half = io.BytesIO()
    np.savez(half, **{name: array.astype(np.float16) for name, array in torchvision(true, VGG19).items()})  # pyright: ignore
    assert weights.add("half", file(half.getvalue())).preprocessing == "caffe"
