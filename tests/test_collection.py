"""The person's own styles: added from files, folders, zips and servers, and removed."""

import errno
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import pytest

from artkit import checkpoint, remote
from artkit.contract import UnknownStyle, WeightsError, WrongCall
from artkit.nets.stylenets import FULL, LIGHT
from artkit.stylize import collection, gallery, parcels
from artkit.stylize.manifest import NetworkFile
from artkit.stylize.stylefile import write_network, write_style
from tests.range_server import FileServer, serving
from tests.style_files import MANIFEST, make_gallery, make_style, random_network, rewrite, sha256

P = LIGHT.code_size


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's styles; there are none yet."""
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data" / "styles"


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of two styles that share a network, in place of the shipped one."""
    root = tmp_path / "shipped"
    make_gallery(root, "wave", "starry")
    monkeypatch.setattr(gallery, "folder", lambda: root)
    return root


@pytest.fixture
def base(shipped: Path) -> str:
    return sha256(shipped / "networks" / "light.safetensors")


@pytest.fixture
def single(tmp_path: Path, base: str) -> Path:
    """A style of one file, for the shipped network."""
    path = tmp_path / "My Style.artstyle"
    write_style(path, MANIFEST, LIGHT, mx.ones(P), mx.zeros(P), base=base)
    return path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The folder of a style in somebody else's gallery, with a preview."""
    make_gallery(tmp_path / "theirs", "rain", seed=7)
    (tmp_path / "theirs" / "rain" / "preview.jpg").write_bytes(b"a picture")
    return tmp_path / "theirs" / "rain"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def style_zip(theirs: Path, top: str = "", **more: bytes) -> bytes:
    """The style and its network in a zip, as `theirs` has them, in the folder `top`."""
    return zipped(
        {
            f"{top}rain/style.toml": (theirs / "style.toml").read_bytes(),
            f"{top}rain/preview.jpg": b"a picture",
            f"{top}networks/light.safetensors": (theirs / "../networks/light.safetensors").read_bytes(),
            **more,
        }
    )


# --- adding and removing --------------------------------------------------------------------------------------------


def hidden(own: Path) -> list[Path]:
    return list(own.glob(".*"))


def test_a_single_style_is_added_and_removed(own: Path, single: Path, base: str) -> None:
    style = collection.add(str(single))
    assert (style.name, style.folder, style.own) == ("my-style", own / "my-style", True)
    entry = NetworkFile(file="style.artstyle", slot=1, sha256=sha256(single))
    assert style.manifest == MANIFEST.model_copy(update={"networks": {"light": entry}})
    assert gallery.names() == ["my-style", "starry", "wave"]
    held = gallery.network(style, "light")
    assert mx.array_equal(held.code(1), mx.ones(P))
    assert mx.array_equal(held.code(0), random_network(3)[1][0])
    assert held.sha256 == base
    assert hidden(own) == []
    collection.remove("my-style")
    assert gallery.names() == ["starry", "wave"]
    assert [path for path in own.rglob("*") if path.is_file()] == []


def test_a_name_keeps_its_underscores(single: Path) -> None:
    assert collection.add(str(single.rename(single.with_name("Great_Wave (2).artstyle")))).name == "great_wave-2"


def test_a_single_style_outlives_the_network_that_was_shipped(own: Path, shipped: Path, single: Path) -> None:
    collection.add(str(single), "mine")
    collection.add(str(single), "mine-too")
    write_network(shipped / "networks" / "light.safetensors", *random_network(3, seed=5))
    held = gallery.network(gallery.get("mine"), "light")
    assert mx.array_equal(held.network.weights["in.weight"], random_network(3)[0].weights["in.weight"])
    collection.remove("mine")
    gallery.network(gallery.get("mine-too"), "light")
    collection.remove("mine-too")
    assert not any((own / "networks").iterdir())


def test_a_single_style_for_a_network_that_nobody_has(own: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.artstyle"
    write_style(path, MANIFEST, LIGHT, mx.ones(P), mx.zeros(P), base="ab" * 32)
    with pytest.raises(WeightsError, match=r"x\.artstyle was made for a network that is not installed \(SHA-256 abab"):
        collection.add(str(path))
    assert not any(own.iterdir())


def test_a_single_style_for_a_network_of_another_plan(tmp_path: Path, base: str) -> None:
    path = tmp_path / "x.artstyle"
    write_style(path, MANIFEST, FULL, mx.ones(FULL.code_size), mx.zeros(FULL.code_size), base=base)
    with pytest.raises(WeightsError, match=r"x\.artstyle: its plan is full, its network's light"):
        collection.add(str(path))


def test_a_deep_style_needs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, codes, strokes = random_network(2, seed=3)
    digest = write_style(tmp_path / "deep.artstyle", MANIFEST, LIGHT, codes[1], strokes[1], weights=network.weights)
    monkeypatch.setattr(gallery, "folder", lambda: tmp_path / "nowhere")
    held = gallery.network(collection.add("deep.artstyle"), "light")
    assert held.sha256 == digest
    assert mx.array_equal(held.network.weights["in.weight"], network.weights["in.weight"])


@pytest.mark.parametrize("where", ["theirs/rain", "theirs/rain/."])
def test_a_folder_is_added_with_what_it_names(own: Path, theirs: Path, where: str) -> None:
    style = collection.add(where)
    assert style.name == "rain"
    files = {path.name for path in style.folder.iterdir()}
    assert files == {"style.toml", "preview.jpg", "light.safetensors"}
    entry = style.manifest.networks["light"]
    assert (entry.file, entry.slot) == ("light.safetensors", 1)
    assert mx.array_equal(gallery.network(style, "light").codes, random_network(2, seed=7)[1])
    assert style.preview is not None
    assert style.preview.read_bytes() == b"a picture"


def test_this_folder_is_added(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(theirs)
    assert collection.add(".").name == "rain"


@pytest.mark.parametrize("top", ["", "deeper/"])
def test_a_zip_is_added_with_what_it_names(own: Path, theirs: Path, tmp_path: Path, top: str) -> None:
    more = {"readme.txt": b"hello", "__MACOSX/rain/._style.toml": b"?", "../evil": b"x", "/evil": b"x"}
    (tmp_path / "x.zip").write_bytes(style_zip(theirs, top, **more))
    style = collection.add("x.zip")
    assert style.name == "rain"
    assert {path.name for path in style.folder.iterdir()} == {"style.toml", "preview.jpg", "light.safetensors"}
    assert not [path for path in tmp_path.rglob("*") if path.name in ("evil", "readme.txt")]
    assert gallery.network(style, "light").sha256 == sha256(theirs / "../networks/light.safetensors")


def test_a_zip_without_folders_has_the_name_of_its_file(theirs: Path, tmp_path: Path, base: str, shipped: Path) -> None:
    make_style(tmp_path / "flat", "light.safetensors", 1, base)
    network = (shipped / "networks" / "light.safetensors").read_bytes()
    files = {"style.toml": (tmp_path / "flat" / "style.toml").read_bytes(), "light.safetensors": network}
    (tmp_path / "Water Lilies.zip").write_bytes(zipped(files))
    style = collection.add("Water Lilies.zip")
    assert style.name == "water-lilies"
    assert style.preview is None


def broken(own: Path, source: str, message: str, kind: type[Exception] = WeightsError) -> None:
    with pytest.raises(kind) as error:
        collection.add(source, "new")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert ".adding" not in str(error.value)
    assert not own.exists() or not any(own.iterdir())


def test_zips_that_are_refused(own: Path, theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(content: bytes, message: str) -> None:
        (tmp_path / "x.zip").write_bytes(content)
        broken(own, "x.zip", message)

    whole = style_zip(theirs)
    toml = (theirs / "style.toml").read_bytes()
    refused(zipped({"readme.txt": b""}), "x.zip holds no style.toml")
    refused(zipped({"a/style.toml": toml, "b/style.toml": toml}), "x.zip holds 2 styles")
    refused(whole[:-50], "x.zip is damaged or cut short")
    refused(zipped({"rain/style.toml": toml}), "x.zip does not hold 'networks/light.safetensors'")
    refused(zipped({"style.toml": toml, "../networks/light.safetensors": b""}), "which leads out of the zip")
    refused(zipped({"rain/style.toml": toml}, zipfile.ZIP_LZMA), "x.zip is compressed in a way that is not read")
    encrypted = bytearray(whole)
    for at in (i for i in range(len(whole)) if whole[i : i + 4] == b"PK\x01\x02"):
        encrypted[at + 8] |= 1
    refused(bytes(encrypted), "x.zip is damaged")
    wrong = {"style.toml": toml.replace(b"../networks/", b""), "light.safetensors": zipped({"x": b"y" * 99})}
    refused(zipped(wrong), "x.zip/light.safetensors: damaged or another file: its SHA-256 is")


def test_zip_bombs_are_not_unpacked(own: Path, theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "MAX_BYTES", 1 << 20)
    asked: list[int] = []
    read = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        asked.append(-1 if n is None else n)
        return read(self, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    toml = (theirs / "style.toml").read_bytes()
    (tmp_path / "x.zip").write_bytes(zipped({"rain/style.toml": toml, "networks/light.safetensors": bytes(50 << 20)}))
    assert (tmp_path / "x.zip").stat().st_size < 1 << 17
    broken(own, "x.zip", "x.zip/networks/light.safetensors is longer than 1,048,576 bytes")
    (tmp_path / "x.zip").write_bytes(zipped({"style.toml": b"#" * (50 << 20)}))
    broken(own, "x.zip", "x.zip/style.toml is longer than 65,536 bytes")
    assert asked
    assert all(0 <= n <= (1 << 20) + 1 for n in asked)


def test_files_that_are_refused(own: Path, theirs: Path, tmp_path: Path, single: Path) -> None:
    broken(own, "nothing.artstyle", "cannot read nothing.artstyle: No such file or directory")
    broken(own, "painting.jpg", "is a picture, and needs no adding: artkit stylize photo.jpg --style", WrongCall)
    (tmp_path / "page.html").write_text("<!DOCTYPE html><title>A style</title>")
    broken(own, "page.html", "page.html is no style")
    (tmp_path / "empty").mkdir()
    broken(own, "empty", "style.toml: No such file or directory")
    broken(own, "theirs/networks/light.safetensors", "this is a network, not a single style")
    rewrite(single, format="2")
    broken(own, str(single), f"{single}: made by a newer artkit (format 2)")
    rewrite(single, {"code": checkpoint.read(single).tensors["code"].read() * float("nan")}, format="1")
    broken(own, str(single), f"{single}: code has NaN")
    with single.open("ab") as file:
        file.truncate(parcels.MAX_BYTES + 1)
    broken(own, str(single), "is longer than 67,108,864 bytes")


def test_folders_that_are_refused(own: Path, theirs: Path, tmp_path: Path) -> None:
    toml = (theirs / "style.toml").read_text()
    (theirs / "style.toml").write_text(toml.replace("artist", "artits"))
    broken(own, "theirs/rain", 'theirs/rain/style.toml: unknown key "artits"')
    (theirs / "style.toml").write_text(toml.replace("../networks", "../../shipped/networks"))
    broken(own, "theirs/rain", "leads out of the gallery")
    (theirs / "style.toml").write_text(toml.replace("../networks/", ""))
    (theirs / "light.safetensors").symlink_to(tmp_path / "shipped/networks/light.safetensors")
    broken(own, "theirs/rain", "leads out of")
    (theirs / "style.toml").unlink()
    (theirs / "style.toml").symlink_to(tmp_path / "shipped/wave/style.toml")
    broken(own, "theirs/rain", "leads out of")


def test_names_are_taken_once(own: Path, single: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = collection.add(str(single), "mine")
    unpacked: list[str] = []
    monkeypatch.setattr(parcels, "unpack", unpacked.append)
    for taken in ("mine", "wave"):
        with pytest.raises(WrongCall, match=f'there is a style "{taken}" already; .* --overwrite replaces it'):
            collection.add("theirs/rain", taken)
    for name in ("", "Mine", "../mine", "networks", ".mine", "a.b", "x" * 65):
        with pytest.raises(WrongCall, match="cannot be a name of a style"):
            collection.add("theirs/rain", name)
    assert unpacked == []  # nothing is fetched in vain
    monkeypatch.undo()
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(own.parent))
    assert gallery.get("mine") == first


def test_overwrite_replaces_a_style(own: Path, single: Path, theirs: Path) -> None:
    collection.add(str(single), "mine")
    assert collection.add("theirs/rain", "mine", overwrite=True).manifest.title == "Rain"
    assert gallery.get("mine").manifest.title == "Rain"
    assert not (own / "mine" / "style.artstyle").exists()
    assert hidden(own) == []


def test_a_shipped_style_comes_back(shipped: Path, theirs: Path) -> None:
    collection.add("theirs/rain", "wave", overwrite=True)
    assert gallery.get("wave").own
    assert gallery.names() == ["starry", "wave"]
    collection.remove("wave")
    assert gallery.get("wave").folder == shipped / "wave"
    with pytest.raises(WrongCall, match='"wave" comes with artkit and is not removed'):
        collection.remove("wave")
    with pytest.raises(UnknownStyle, match='did you mean "wave"'):
        collection.remove("wav")


def test_a_damaged_style_can_be_removed_and_replaced(own: Path, single: Path) -> None:
    collection.add(str(single), "mine")
    (own / "mine" / "style.toml").write_text("?")
    (own / "mine" / "style.artstyle").write_bytes(b"?")
    collection.add(str(single), "mine", overwrite=True)
    (own / "mine" / "style.toml").write_text("?")
    collection.remove("mine")
    assert gallery.names() == ["starry", "wave"]


def test_a_full_disk_leaves_everything_as_it_was(
    own: Path, single: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = collection.add(str(single), "mine")

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(WeightsError, match=r"cannot write to .*: the disk is full; set ARTKIT_DATA_DIR to another"):
            collection.add("theirs/rain", "mine", overwrite=True)
    assert gallery.get("mine") == before
    assert hidden(own) == []


def test_ctrl_c_between_the_renames_brings_the_old_style_back(
    own: Path, single: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = collection.add(str(single), "mine")
    rename = Path.rename

    def stopped(self: Path, target: Path) -> Path:
        if self.name.endswith(".adding"):
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stopped)
        with pytest.raises(KeyboardInterrupt):
            collection.add("theirs/rain", "mine", overwrite=True)
    assert gallery.get("mine") == before
    gallery.network(before, "light")
    assert hidden(own) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(own: Path, single: Path) -> None:
    own.mkdir(parents=True)
    own.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(WeightsError, match=r"cannot write to .*: Permission denied; set ARTKIT_DATA_DIR"):
        collection.add(str(single))


# --- from elsewhere -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A Hugging Face whose files are in `repository` below."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(b"") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def repository(server: FileServer, theirs: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Files of the repository somebody/rain; asking for others is answered with 404."""
    toml = (theirs / "style.toml").read_bytes().replace(b"../networks/", b"")
    files = {"style.toml": toml, "light.safetensors": (theirs / "../networks/light.safetensors").read_bytes()}
    fetch = remote.fetch_bytes

    def answering(url: str, limit: int, **more: str | None) -> bytes:
        content = files.get(url.removeprefix(f"{server.url}/somebody/rain/resolve/main/"))
        server.body, server.status = content or b"", [] if content is not None else [404]
        return fetch(url, limit, token=more["token"], backoff=0.01)

    monkeypatch.setattr(remote, "fetch_bytes", answering)
    return files


def test_a_style_from_hugging_face(
    server: FileServer, repository: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    style = collection.add("hf:somebody/rain")
    assert style.name == "rain"
    assert mx.array_equal(gallery.network(style, "light").codes, random_network(2, seed=7)[1])
    assert style.preview is None
    assert {request.authorization for request in server.requests} == {"Bearer secret"}


def test_repositories_that_are_refused(own: Path, server: FileServer, repository: dict[str, bytes]) -> None:
    repository["style.toml"] = repository["style.toml"].replace(b'"light', b'"../light')
    broken(own, "hf:somebody/rain", "its style.toml names '../light.safetensors', which leads out of the repository")
    del repository["style.toml"]
    broken(own, "hf:somebody/rain", "/somebody/rain/resolve/main/style.toml is not there")
    for source in ("hf:rain", "hf:a/b/c", "hf:../..", "hf:a/b?x", "hf:"):
        broken(own, source, "it should be hf:user/repo", WrongCall)


def test_offline(own: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    broken(
        own, "hf:somebody/rain", "cannot be fetched: HF_HUB_OFFLINE is set; unset it, or bring a file: artkit styles"
    )
    assert server.requests == []


def test_addresses(own: Path, theirs: Path, single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def fetch(url: str, limit: int) -> bytes:
        asked.append((url, limit))
        return single.read_bytes() if ".artstyle" in url else style_zip(theirs) if "zip" in url else b"<html>"

    monkeypatch.setattr(remote, "fetch_bytes", fetch)
    assert collection.add("https://example.org/a%20b.artstyle?download=true").name == "a-b"
    assert collection.add("https://example.org/x.zip").name == "rain"
    assert asked[0] == ("https://example.org/a%20b.artstyle?download=true", parcels.MAX_BYTES)
    with pytest.raises(WeightsError, match=r"https://example\.org/page is no style"):
        collection.add("https://example.org/page")
    for address in ("http://example.org/x.zip", "ftp://example.org/x.zip", "file:///x.zip"):
        with pytest.raises(WrongCall, match="is not an https address"):
            collection.add(address)
    assert len(asked) == 3
