"""Style networks and single styles in files: exact round trips, and everything that a wrong file may be."""

import errno
import os
import threading
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WeightsError, WrongCall
from artkit.nets.stylenets import FULL, LIGHT, PLANS, Code
from artkit.stylize import stylefile
from artkit.stylize.stylefile import (
    StyleSet,
    photo_code,
    read_network,
    read_style,
    write_network,
    write_style,
)
from tests.style_files import MANIFEST, random_network, rewrite, sha256

P = LIGHT.code_size


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    path = tmp_path / "light.safetensors"
    write_network(path, *random_network(3))
    return path


@pytest.fixture
def style_file(tmp_path: Path) -> Path:
    path = tmp_path / "starry.artstyle"
    write_style(path, MANIFEST, LIGHT, mx.ones(P), mx.ones(P) / 8, base="ab" * 32)
    return path


# --- what is written is what is read --------------------------------------------------------------------------------


def test_a_network_comes_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    network, codes, strokes = random_network(3)
    digest = write_network(path, network, codes, strokes)
    assert digest == sha256(path)
    held = read_network(path, digest)
    assert held.sha256 == digest
    assert held.network.plan is LIGHT
    assert held.network.weights.keys() == LIGHT.shapes().keys()
    for name, weight in held.network.weights.items():
        assert weight.dtype == mx.float32
        assert mx.array_equal(weight, network.weights[name])
    assert mx.array_equal(held.codes, codes)
    assert mx.array_equal(held.strokes, strokes)
    parameters = sum(np.prod(shape) for shape in LIGHT.shapes().values()) + 2 * 3 * P
    assert 0 < path.stat().st_size - 2 * parameters < 4000  # float16


def test_the_same_network_is_the_same_file(tmp_path: Path) -> None:
    one, other, changed = (tmp_path / f"{name}.safetensors" for name in "abc")
    assert write_network(one, *random_network(2)) == write_network(other, *random_network(2))
    assert write_network(changed, *random_network(2, seed=1)) != sha256(one)


def test_numbers_are_rounded_to_float16(tmp_path: Path) -> None:
    network, codes, strokes = random_network(2)
    write_network(tmp_path / "n.safetensors", network, codes + 1 / 3, strokes)
    held = read_network(tmp_path / "n.safetensors")
    wanted = np.array(codes + 1 / 3).astype(np.float16).astype(np.float32)
    assert np.array_equal(np.array(held.codes), wanted)


def test_what_is_read_works_on_another_thread(network_file: Path) -> None:
    held = read_network(network_file)
    pictures: list[np.ndarray] = []

    def draw() -> None:
        x = mx.full((1, 8, 8, 3), 0.25)
        pictures.append(np.array(held.network(x, Code.of(held.code(1)))))

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert pictures
    assert np.isfinite(pictures[0]).all()


def test_stroke_sizes_are_powers_of_two(network_file: Path) -> None:
    held = read_network(network_file)
    code, stroke = held.codes[2], held.strokes[2]
    for size, times in ((1.0, 0), (2.0, 1), (0.5, -1)):
        assert mx.array_equal(held.code(2, size), code + times * stroke)
    for slot in (-1, 3):
        with pytest.raises(WrongCall, match=r"0 to 2"):
            held.code(slot)
    for size in (0.0, 0.4, 2.1, float("nan")):
        with pytest.raises(WrongCall, match=r"0\.5 to 2"):
            held.code(1, size)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_photo_code_gives_the_photo(plan, rng: np.random.Generator) -> None:
    network, _, _ = random_network(2, plan)
    x = mx.array(rng.random((1, 9, 10, 3), np.float32))
    assert np.abs(np.array(network(x, Code.of(photo_code(plan))) - x)).max() < 1e-6


def test_a_single_style_is_a_few_kb_and_comes_back_exactly(style_file: Path) -> None:
    held = read_style(style_file, sha256(style_file))
    assert (held.manifest, held.plan, held.base, held.network) == (MANIFEST, LIGHT, "ab" * 32, None)
    assert held.sha256 == sha256(style_file)
    assert mx.array_equal(held.code, mx.ones(P))
    assert mx.array_equal(held.stroke, mx.ones(P) / 8)
    assert style_file.stat().st_size < 5000


def test_a_single_style_joins_the_photo_on_its_base(style_file: Path, network_file: Path) -> None:
    base = read_network(network_file)
    held = read_style(style_file).on(base)
    assert held.network is base.network
    assert held.sha256 == base.sha256
    assert mx.array_equal(held.codes, mx.stack([base.codes[0], mx.ones(P)]))
    assert mx.array_equal(held.strokes, mx.stack([base.strokes[0], mx.ones(P) / 8]))


def test_a_deep_style_brings_its_network(tmp_path: Path) -> None:
    path = tmp_path / "deep.artstyle"
    network, codes, strokes = random_network(2)
    digest = write_style(path, MANIFEST, LIGHT, codes[1], strokes[1], weights=network.weights)
    style = read_style(path)
    assert style.base == ""
    held = style.on(None)
    assert isinstance(held, StyleSet)
    assert held.sha256 == digest
    assert mx.array_equal(held.codes, codes)
    assert mx.array_equal(held.strokes, strokes)
    assert all(mx.array_equal(held.network.weights[name], weight) for name, weight in network.weights.items())


def test_a_single_style_has_one_network(tmp_path: Path) -> None:
    network, codes, strokes = random_network(2)
    for more in ({}, {"base": "ab" * 32, "weights": network.weights}):
        with pytest.raises(WrongCall, match="either a base or weights"):
            write_style(tmp_path / "x.artstyle", MANIFEST, LIGHT, codes[1], strokes[1], **more)


# --- what is wrong is refused ---------------------------------------------------------------------------------------


def refused(path: Path, read=read_network) -> str:
    with pytest.raises(WeightsError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"in.weight": None}, {}, ": in.weight is missing"),
        ({"codes": None}, {}, ": codes is missing"),
        ({"strokes": None}, {}, ": strokes is missing"),
        ({"more": np.zeros(1, np.float16)}, {}, ": 'more' does not belong in it"),
        ({"in.weight": np.zeros((48, 3, 3, 47), np.float16)}, {}, ": in.weight is (48, 3, 3, 47), it should be "),
        ({"codes": np.zeros((3, P + 1), np.float16)}, {}, f": codes is (3, {P + 1}), it should be (3, {P})"),
        ({"strokes": np.zeros((2, P), np.float16)}, {}, f": strokes is (2, {P}), it should be (3, {P})"),
        ({"codes": np.zeros((0, P), np.float16)}, {}, f": codes is (0, {P}), it should be (1, {P})"),
        ({"codes": np.float16(1)}, {}, f": codes is (), it should be (1, {P})"),
        ({"codes": np.full((3, P), np.nan, np.float16)}, {}, ": codes has NaN or infinity"),
        ({"out.weight": np.full((3, 3, 3, 16), np.inf, np.float16)}, {}, ": out.weight has NaN or infinity"),
        ({"codes": np.zeros((3, P), np.int16)}, {}, ": codes is of type int16, not float16"),
        ({}, {"format": "2"}, ": made by a newer artkit (format 2); update artkit"),
        ({}, {"format": "one"}, ": not a file of styles"),
        ({}, {"format": None}, ": not a file of styles"),
        ({}, {"plan": None}, ": not a file of styles"),
        ({}, {"plan": "huge"}, ": its plan 'huge' is unknown to this artkit; update artkit"),
        ({}, {"plan": "full"}, ": in.weight is (48, 3, 3, 48), it should be (48, 3, 3, 12)"),
    ],
)  # fmt: skip
def test_a_wrong_network_is_refused(
    network_file: Path, tensors: dict[str, np.ndarray | None], metadata: dict[str, str | None], message: str
) -> None:
    rewrite(network_file, tensors, **metadata)
    assert refused(network_file).startswith(message)


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"stroke": None}, {}, ": stroke is missing"),
        ({"code": np.zeros(P - 1, np.float16)}, {}, f": code is ({P - 1},), it should be ({P},)"),
        ({"stroke": np.full(P, np.inf, np.float16)}, {}, ": stroke has NaN or infinity"),
        ({"in.weight": np.zeros(1, np.float16)}, {}, ": 'in.weight' does not belong in it"),
        ({}, {"format": "17"}, ": made by a newer artkit (format 17)"),
        ({}, {"base": ""}, ": in.weight is missing"),  # neither a base nor a network
        ({}, {"base": "../x"}, ": its base is not a SHA-256"),
        ({}, {"style": None}, ": its manifest is damaged"),
        ({}, {"style": "{"}, ": its manifest is damaged"),
        ({}, {"style": "[" * 100_000}, ": its manifest is damaged"),
        ({}, {"style": '{"format": 1, "title": "x", "artits": ""}'}, ': unknown key "artits"; did you mean "artist"?'),
        ({}, {"style": '{"format": 1, "title": "x", "stroke": 9}'}, ': "stroke" is 9: '),
        ({}, {"style": MANIFEST.to_toml()}, ": its manifest is damaged"),
    ],
)
def test_a_wrong_single_style_is_refused(
    style_file: Path, tensors: dict[str, np.ndarray | None], metadata: dict[str, str | None], message: str
) -> None:
    rewrite(style_file, tensors, **metadata)
    assert refused(style_file, read_style).startswith(message)


def test_each_is_told_from_the_other(network_file: Path, style_file: Path) -> None:
    assert "this is a single style, not a network" in refused(style_file)
    assert "this is a network, not a single style" in refused(network_file, read_style)


def test_another_file_than_expected_is_refused(network_file: Path) -> None:
    message = refused(network_file, lambda path: read_network(path, "0" * 64))
    assert f"its SHA-256 is {sha256(network_file)[:12]}…, not 000000000000…; get or make it again" in message


def test_one_flipped_bit_is_seen(style_file: Path) -> None:
    content = bytearray(style_file.read_bytes())
    content[-1] ^= 1
    style_file.write_bytes(content)
    assert "damaged, its SHA-256 is not the recorded one" in refused(style_file, read_style)


def test_files_of_another_kind_are_refused(tmp_path: Path, network_file: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(WeightsError, match=r"cannot read .*x\.safetensors: No such file"):
        read_network(path)
    path.write_bytes(b"")
    assert refused(path) == " is empty"
    path.write_bytes(b"\xff\xd8\xff\xe0 a photo, perhaps")
    assert "is not a file of weights" in refused(path)
    path.write_bytes(network_file.read_bytes()[:-100])
    assert "is damaged" in refused(path)
    with path.open("wb") as file:
        np.savez(file, codes=np.zeros((2, P)))
    assert "not a file of styles" in refused(path)
    with path.open("wb") as file:
        file.truncate(stylefile.MAX_BYTES + 1)
    assert "larger than 64 MB" in refused(path)


@pytest.mark.parametrize("value", [1e5, float("nan"), -float("inf")])
def test_what_float16_does_not_hold_is_not_written(tmp_path: Path, value: float) -> None:
    network, codes, strokes = random_network(2)
    with pytest.raises(WeightsError, match=r"strokes has NaN, or numbers too large for float16"):
        write_network(tmp_path / "n.safetensors", network, codes, strokes + value)
    assert not any(tmp_path.iterdir())


def test_wrong_shapes_are_not_written(tmp_path: Path) -> None:
    network, codes, strokes = random_network(2)
    with pytest.raises(WeightsError, match=rf"strokes is \(1, {P}\), it should be \(2, {P}\)"):
        write_network(tmp_path / "n.safetensors", network, codes, strokes[:1])
    with pytest.raises(WeightsError, match=rf"code is \({P},\), it should be \({FULL.code_size},\)"):
        write_style(tmp_path / "x.artstyle", MANIFEST, FULL, codes[0], strokes[0], base="ab" * 32)
    assert not any(tmp_path.iterdir())


def test_a_full_disk_leaves_the_last_good_file(network_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = network_file.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeightsError, match=r"cannot write to .*: the disk is full; choose another folder"):
        write_network(network_file, *random_network(4, seed=9))
    assert network_file.read_bytes() == before
    assert list(network_file.parent.iterdir()) == [network_file]
