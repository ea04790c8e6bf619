"""`artkit serve` and app.py: where they listen, what they warn of, how they end."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from artkit.contract import WrongCall
from artkit.interfaces import cli, serve_cli
from artkit.interfaces.server.options import ServeOptions

APP = Path(__file__).parents[1] / "app.py"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServeOptions]:
    """What would have been served, in place of serving it."""
    settings: list[ServeOptions] = []

    class Server:
        def run(self, sockets: list[socket.socket]) -> None:
            for listener in sockets:
                assert listener.getsockname()[1] == settings[-1].port
                listener.close()

    def server(app: object, chosen: ServeOptions) -> Server:
        settings.append(chosen)
        return Server()

    monkeypatch.setattr(serve_cli, "server", server)
    monkeypatch.setattr("artkit.interfaces.server.app.build", lambda settings, engine: None)
    return settings


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", *words])
    return int(ended.value.code or 0)


def test_a_port_in_use_is_one_line(taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--port", str(taken)) == 2
    assert capsys.readouterr().err == f"artkit: port {taken} is in use; artkit serve --port 0 takes a free one\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "no.such.host.invalid"], "there is no such address"),
        (["--host", "203.0.113.7"], "127.0.0.1 is this machine"),
        (["--auth", "me"], "should be user:password"),
        (["--tls-cert", "cert.pem"], "go together"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "no such file"),
        (["--tls-cert", __file__, "--tls-key", __file__], "not a certificate"),
        (["--port", "70000"], "--port"),
    ],
)
def test_wrong_calls_are_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--port", "0", *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_it_listens_on_this_machine_unless_told(served: list[ServeOptions], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--port", "0") == 0
    out, err = capsys.readouterr()
    assert out == f"artkit: http://127.0.0.1:{served[0].port}  (Ctrl-C ends it)\n"
    assert err == ""


def test_open_to_others_without_a_password_is_warned_of(
    served: list[ServeOptions], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("--port", "0", "--host", "0.0.0.0")
    assert "everybody on the network" in capsys.readouterr().err
    run("--port", "0", "--host", "0.0.0.0", "--auth", "me:secret")
    monkeypatch.setenv("ARTKIT_AUTH", "me:hidden")
    run("--port", "0", "--host", "0.0.0.0")
    assert "everybody" not in capsys.readouterr().err
    assert [settings.auth for settings in served] == ["", "me:secret", "me:hidden"]


def test_open_shows_the_page(served: list[ServeOptions], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(serve_cli.webbrowser, "open", shown.append)
    run("--port", "0", "--open", "--host", "localhost")
    assert shown == [f"http://localhost:{served[0].port}"]


def test_addresses_for_the_browser() -> None:
    def at(host: str, tls_cert: str = "") -> str:
        return serve_cli.address(ServeOptions(host=host, port=80, tls_cert=tls_cert))

    assert at("0.0.0.0") == "http://127.0.0.1:80"
    assert at("::") == "http://[::1]:80"
    assert at("192.0.2.1", "cert.pem") == "https://192.0.2.1:80"


def test_a_socket_that_is_refused_names_no_bug(taken: int) -> None:
    with pytest.raises(WrongCall, match="in use"):
        serve_cli.bind("127.0.0.1", taken)


def test_the_app_answers_its_page_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """From start to Ctrl-C in a process of its own, as a person would run it."""
    command = [sys.executable, str(APP), "--port", "0"]
    coded = base64.b64encode(b"me:secret").decode()
    environment = {**os.environ, "ARTKIT_AUTH": "me:secret", "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        address = re.search("http://[^ ]+", process.stdout.readline())
        assert address is not None
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address[0], timeout=60)
        for path, words in (("/", "artkit"), ("/api/health", '"ok"'), ("/live", "<html"), ("/docs", "/api/live")):
            request = urllib.request.Request(address[0] + path, headers={"Authorization": f"Basic {coded}"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert words in answer.read().decode()
        assert len([*tmp_path.glob("artkit-*")]) == 1
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        code = process.wait(30)
    assert code == 0
    assert time.monotonic() - begun < 20
    assert [*tmp_path.glob("artkit-*")] == []
