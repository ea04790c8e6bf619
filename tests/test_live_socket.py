"""The live socket: the frames that come back are those sent, in order; bad messages; several clients."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from artkit.interfaces.engine import Engine
from artkit.interfaces.live import client as live_client
from artkit.interfaces.live import socket as live_socket
from tests.live_frames import barcode, jpeg, number_of, unjpeg
from tests.style_files import make_gallery

IDENTITY = {"type": "settings", "styles": ["one"], "strength": 0}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
def client(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A server with nothing but the socket, and the styles "one" and "two"."""
    make_gallery(tmp_path / "data" / "styles", "one", "two")
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    app = FastAPI()
    app.include_router(live_socket.router(engine))
    with TestClient(app) as client:
        yield client


class Camera:
    """A client that keeps to the protocol."""

    def __init__(self, socket: WebSocketTestSession, settings: dict[str, Any] = IDENTITY) -> None:
        self.socket = socket
        self.hello = self.hear()
        self.figures: list[dict[str, Any]] = []
        self.under_way: list[int] = []
        socket.send_text(json.dumps(settings))

    def hear(self) -> dict[str, Any]:
        return json.loads(self.socket.receive_text())

    def send(self, number: int, frame: np.ndarray) -> None:
        self.socket.send_bytes(number.to_bytes(4) + jpeg(frame))
        self.under_way.append(number)

    def answer(self) -> tuple[int, np.ndarray | dict[str, Any]]:
        """The next answer to a frame: its number, and the picture or what was said instead."""
        while True:
            message = self.socket.receive()
            if message["type"] == "websocket.close":
                raise WebSocketDisconnect(message["code"])
            if data := message.get("bytes"):
                number, got = int.from_bytes(data[:4]), unjpeg(data[4:])
            else:
                got = json.loads(message["text"])
                if got["type"] == "figures":
                    self.figures.append(got)
                    continue
                number = got.get("number", -1)
            if number in self.under_way:
                self.under_way.remove(number)
            return number, got


def test_the_frames_that_come_back_are_the_ones_sent(client: TestClient) -> None:
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket)
        titles = {style["name"]: style["title"] for style in camera.hello["styles"]}
        assert titles["one"] == "One"
        assert titles["starry"] == "The Starry Night"
        assert camera.hello["in_flight"] == 2
        got = []
        for number in range(40):
            camera.send(number, barcode(number))
            if len(camera.under_way) == 2:
                got.append(camera.answer())
        got.append(camera.answer())
    assert [number for number, _ in got] == list(range(40))
    for number, picture in got:
        assert isinstance(picture, np.ndarray)
        assert picture.shape == (180, 320, 3)
        assert number_of(picture) == number
        assert picture[-20:].mean() == pytest.approx(60 + number % 130, abs=1.5)


def test_figures_are_told(client: TestClient) -> None:
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket, {"type": "settings", "styles": ["one"], "fps": 30, "most": 640})
        until = time.monotonic() + 1.2
        number = 0
        while time.monotonic() < until:
            camera.send(number := number + 1, barcode(number, 64, 36))
            camera.answer()
    last = camera.figures[-1]
    assert last["fps"] > 0
    assert last["latency_ms"] > 0
    assert (last["clients"], last["network"], last["dropped"]) == (1, "light", 0)
    assert last["size"] <= 640


class Slow:
    """Stands in for the restyler's drawing: waits to be let go, and knows how many frames were there at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Semaphore(0)
        self.drawn: list[int] = []
        monkeypatch.setattr(live_client.Restyler, "draw", lambda _, frame, most: self.draw(frame))

    def draw(self, frame: np.ndarray) -> np.ndarray:
        assert self.go.acquire(timeout=10)
        self.drawn.append(number_of(frame))
        return frame


def test_late_frames_are_dropped(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten frames at once: two are under way, the others are dropped, and each is answered."""
    slow = Slow(monkeypatch)
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket)
        for number in range(10):
            camera.send(number, barcode(number))
        answers = [camera.answer() for _ in range(8)]
        assert all(isinstance(got, dict) and got["type"] == "dropped" for _, got in answers)
        assert not slow.drawn
        for _ in range(2):
            slow.go.release()
        answers += [camera.answer() for _ in range(2)]
        assert camera.under_way == []
        assert {number for number, _ in answers} == set(range(10))
        assert [number for number, got in answers if isinstance(got, np.ndarray)] == slow.drawn == sorted(slow.drawn)
        assert len(slow.drawn) == 2


def test_a_frame_that_is_long_to_decode_is_drawn_before_the_one_after_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, decoded, second = Slow(monkeypatch), live_client.decoded, threading.Event()

    def reluctant(jpeg: bytes) -> np.ndarray:
        pixels = decoded(jpeg)
        if number_of(pixels) == 0:
            second.wait(0.3)  # which the second one would need no longer than a moment for
        second.set()
        return pixels

    monkeypatch.setattr(live_client, "decoded", reluctant)
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket)
        for number in range(2):
            camera.send(number, barcode(number))
            slow.go.release()
        assert [camera.answer()[0] for _ in range(2)] == [0, 1]
    assert slow.drawn == [0, 1]


def test_the_look_changes_while_it_runs(client: TestClient) -> None:
    frame = barcode(5, 96, 54)
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket)

        def drawn(**settings: Any) -> np.ndarray:
            socket.send_text(json.dumps({"type": "settings", **settings}))
            camera.send(1, frame)
            return np.asarray(camera.answer()[1], float)

        plain = drawn(strength=0)
        painted = drawn(strength=1, smoothing=0)
        assert np.abs(painted - plain).mean() > 5
        mixed = drawn(styles=["one", "two"], style_weight=[0.3, 0.7])
        assert np.abs(mixed - painted).mean() > 1
        np.testing.assert_array_equal(drawn(styles=["one"]), painted)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "should be JSON"),
        ("[1]", "should be JSON"),
        ('{"type": "else"}', "should be JSON"),
        ("[" * 10_000, "should be JSON"),
        (json.dumps({"type": "settings", "x": "y" * 30_000}), "should be JSON"),
        ('{"type": "settings", "strength": 7}', "strength 7"),
        ('{"type": "settings", "strength": NaN}', "strength"),
        ('{"type": "settings", "colour": 1}', "no setting 'colour'"),
        ('{"type": "settings", "styles": ["onne"]}', 'did you mean "one"'),
        ('{"type": "settings", "styles": ["../../../etc/passwd"]}', "no style"),
        ('{"type": "settings", "styles": ["/etc/passwd"]}', "no style"),
        ('{"type": "settings", "styles": []}', "one to eight names"),
        ('{"type": "settings", "styles": [{"a": 1}]}', "no style"),
        ('{"type": "settings", "styles": "one"}', "one to eight names"),
        ('{"type": "settings", "most": "wide"}', "most: should be"),
        ('{"type": "settings", "style_weight": [-1]}', "style_weight"),
    ],
)
def test_bad_messages_are_answered_with_a_sentence(client: TestClient, text: str, said: str) -> None:
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket)
        socket.send_text(text)
        told = camera.hear()
        assert told["type"] == "error"
        assert said in told["message"]
        assert "\n" not in told["message"]
        camera.send(3, barcode(3))  # and it goes on, with the look of before
        number, picture = camera.answer()
        assert number == number_of(np.asarray(picture)) == 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a frame of 0 bytes"),
        (b"\0\0\0\1", "a frame of 4 bytes"),
        (b"\0\0\0\1no JPEG", "no JPEG, or damaged"),
        (b"\0\0\0\1" + jpeg(barcode(1))[:400], "no JPEG, or damaged"),
        (b"\0\0\0\1" + jpeg(np.zeros((8, 1928, 3), np.uint8)), "1928×8 pixels; 1920 is the most"),
        (bytes(live_client.MAX_FRAME + 1), "at most 4 MB"),
    ],
)
def test_bad_frames_are_answered_with_a_sentence(client: TestClient, data: bytes, said: str) -> None:
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket)
        socket.send_bytes(data)
        told = camera.answer()[1]
        assert isinstance(told, dict)
        assert told["type"] == "error"
        assert said in told["message"]
        camera.send(3, barcode(3))
        assert camera.answer()[0] == 3


def test_a_failure_while_drawing_is_a_sentence_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("cannot allocate 3 GB")

    monkeypatch.setattr(live_client.Restyler, "draw", fails)
    with client.websocket_connect("/api/live") as socket:
        camera = Camera(socket)
        camera.send(8, barcode(8))
        number, told = camera.answer()
        assert number == 8
        assert isinstance(told, dict)
        assert told["message"] == "a frame could not be drawn (RuntimeError: cannot allocate 3 GB)"


def test_several_clients_each_get_their_own(client: TestClient) -> None:
    """Four at once, each with numbers of its own; nothing of one reaches another."""
    wrong: list[str] = []

    def stream(who: int) -> None:
        with client.websocket_connect("/api/live") as socket:
            camera = Camera(socket)
            for number in range(1000 * who, 1000 * who + 12):
                camera.send(number, barcode(number, 160, 90))
                if len(camera.under_way) == 2:
                    back, picture = camera.answer()
                    if back != number - 1 or number_of(np.asarray(picture)) != back:
                        wrong.append(f"{who}: {back} for {number - 1}")

    threads = [threading.Thread(target=stream, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong


def test_there_is_an_end_to_how_many_may_stream(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_client, "MOST_STREAMS", 1)
    with client.websocket_connect("/api/live") as first:
        camera = Camera(first)
        camera.send(1, barcode(1))
        camera.answer()
        with client.websocket_connect("/api/live") as second:  # one that only listens does not count
            other = Camera(second)
            other.send(1, barcode(1))
            told = other.answer()[1]
            assert isinstance(told, dict)
            assert "cameras are on already" in told["message"]
            with pytest.raises(WebSocketDisconnect):
                other.answer()
        camera.send(2, barcode(2))
        assert camera.answer()[0] == 2
    with client.websocket_connect("/api/live") as third:
        camera = Camera(third)
        camera.send(1, barcode(1))
        assert camera.answer()[0] == 1


def test_a_client_that_says_nothing_is_let_go(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_client, "IDLE", 0.1)
    with client.websocket_connect("/api/live") as socket:
        Camera(socket)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


def test_the_page_and_its_parts_are_served_and_ask_for_nothing_elsewhere(client: TestClient) -> None:
    page = client.get("/live")
    assert page.headers["content-type"].startswith("text/html")
    for part in ("live/live.js", "live/live.css"):
        assert part in page.text
        assert client.get(part).status_code == 200
        assert "http" not in client.get(part).text.replace("https (artkit", "").replace("over https", "").replace(
            '"https:"', ""
        )
    assert "//" not in page.text.replace("</", "")
    assert client.get("/live/other.js").status_code == 404
    assert client.get("/live/styles/nobody.jpg").status_code == 404
    shipped = client.get("/live/styles/starry.jpg")
    assert shipped.headers["content-type"] == "image/jpeg"
    assert max(unjpeg(shipped.content).shape) == live_socket.THUMBNAIL
