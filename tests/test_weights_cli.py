"""`artkit weights …` as a person or a script calls it."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from artkit import weights
from artkit.download import Progress
from artkit.interfaces.cli import main
from artkit.vgg import Architecture
from tests.range_server import FileServer, serving
from tests.test_checkpoint import safetensors
from tests.test_weights import numbers, torchvision, vgg16_file

BLOCK1 = Architecture("vgg16", ((2, 64),))
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "weights"


@pytest.fixture(scope="module")
def whole_file() -> bytes:
    return vgg16_file()


@pytest.fixture
def server(whole_file: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serving(whole_file) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """`artkit weights ARGUMENTS` -> exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["weights", *arguments])
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The first block of a VGG."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(safetensors(torchvision(numbers(BLOCK1), BLOCK1)))
    return path


def test_list_says_what_is_here_and_how_to_get_the_rest(call: Call, mine: Path) -> None:
    assert call("add", "mine", str(mine))[0] == 0
    code, out, err = call("list")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines.keys() == {"compact", "mine", "vgg16", "vgg19"}
    assert "artkit weights get vgg19 (80 MB)" in lines["vgg19"]
    assert "torch input" in lines["mine"]
    assert str(weights.path("mine")) in lines["mine"]


def test_list_json_is_for_scripts(call: Call, mine: Path, cache: Path) -> None:
    call("add", "mine", str(mine), "--preprocessing", "caffe")
    (cache / "broken.safetensors").write_bytes(b"oh")
    code, out, _ = call("list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    about = rows["mine"]
    assert about["installed"] is True
    assert (about["network"], about["preprocessing"]) == ("vgg19", "caffe")
    assert about["source"] == str(mine)
    assert about["bytes"] == Path(about["path"]).stat().st_size
    assert len(about["sha256"]) == 64
    assert rows["vgg16"]["installed"] is False
    assert "artkit weights remove broken" in rows["broken"]["problem"]


def test_get_in_a_pipe_says_how_far_it_is_and_whose_the_weights_are(call: Call, server: FileServer) -> None:
    code, out, err = call("get", "vgg16")
    assert code == 0
    assert out.strip() == str(weights.path("vgg16"))
    lines = err.splitlines()
    assert lines[0] == "vgg16: 0 of 29 MB"
    assert lines[-2] == "vgg16: 29 of 29 MB"
    assert 5 < len(lines) < 15
    assert "Visual Geometry Group, Oxford" in lines[-1]
    assert "BSD-3-Clause" in lines[-1]
    assert "\x1b" not in err
    server.requests.clear()
    assert call("get", "vgg16")[1] == out  # here already
    assert not server.requests
    assert call("path", "vgg16")[1] == out
    assert call("remove", "vgg16") == (0, "", "vgg16 removed\n")
    assert call("path", "vgg16")[0] == 1


def test_get_on_a_terminal_draws_a_bar(server: FileServer) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "artkit.interfaces.cli", "weights", "get", "vgg16"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # how Linux says that the other side hung up
            pass
        out = process.communicate()[0].decode()
    os.close(ours)
    assert process.returncode == 0
    assert out.strip() == str(weights.path("vgg16"))
    assert "━" in shown.decode()
    assert "29.4/29.4 MB" in shown.decode()
    assert " of 29 MB" not in shown.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["get", "vgg91"], 2, 'no weights "vgg91"; did you mean "vgg19"?'),
        (["get", "compact"], 2, "here already"),
        (["path", "vgg19"], 1, "artkit weights get vgg19 (80 MB)"),
        (["remove", "compact"], 2, "not removed"),
        (["remove", "../mine"], 2, "no weights"),
        (["add", "compact", "mine.safetensors"], 2, "choose another name"),
        (["add", "../mine", "mine.safetensors"], 2, "cannot be a name"),
        (["add", "mine", "nothing.pth"], 1, "No such file or directory"),
        (["add", "mine", "mine.safetensors", "--preprocessing", "keras"], 2, "keras"),
    ],
)
def test_errors_are_one_line(
    call: Call, mine: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(mine.parent)
    got, out, err = call(*arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert err.startswith("artkit: ")
    assert err.count("\n") == 1


def test_offline(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, err = call("get", "vgg19")
    assert code == 1
    assert err.count("\n") == 1
    assert "artkit weights add vgg19 FILE" in err


def test_ctrl_c_says_that_nothing_is_lost(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> Iterator[Progress]:
        yield Progress(0, 100)
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "fetch", interrupted)
    code, _, err = call("get", "vgg16")
    assert code == 130
    assert "artkit weights get vgg16 goes on from here" in err


def test_the_module_is_quick_to_import() -> None:
    """Heavy modules come with the command that needs them; `artkit --help` needs none."""
    heavy = ("numpy", "mlx", "pydantic", "rich", "urllib.request", "huggingface_hub")
    code = f"import sys, artkit.interfaces.weights_cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_names_are_completed(mine: Path, call: Call) -> None:
    from click.shell_completion import ShellComplete

    from artkit.interfaces.weights_cli import weights as group

    call("add", "mine", str(mine))
    complete = ShellComplete(group, {}, "weights", "_WEIGHTS_COMPLETE")
    assert [item.value for item in complete.get_completions(["path"], "")] == ["compact", "mine", "vgg16", "vgg19"]
    assert [item.value for item in complete.get_completions(["get"], "vgg1")] == ["vgg16", "vgg19"]
