"""The live page in a real browser, with Chromium's fake camera fed from a file with a barcode in each frame."""

import contextlib
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from artkit.interfaces.engine import Engine
from artkit.interfaces.live import socket as live_socket
from tests.live_frames import barcode, jpeg, number_of, unjpeg

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
uvicorn = pytest.importorskip("uvicorn")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with the live socket and its page, on a port of its own."""
    engine, app = Engine(), FastAPI()
    app.include_router(live_socket.router(engine))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
    engine.close()


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 frames, each with its number."""
    path = tmp_path_factory.mktemp("camera") / "numbers.mjpeg"
    path.write_bytes(b"".join(jpeg(barcode(number, 640, 360)) for number in range(200)))
    return path


@contextlib.contextmanager
def browser(*flags: str) -> Iterator[Any]:
    with playwright.sync_playwright() as tools:
        chromium = tools.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield chromium
        chromium.close()


@contextlib.contextmanager
def visit(chromium: Any, url: str, **context: Any) -> Iterator[Any]:
    """A page in a fresh profile; what it says on its console, or asks of other servers, is an error."""
    wrong: list[str] = []
    profile = chromium.new_context(**context)
    page = profile.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda request: None if url in request.url or "blob:" in request.url else wrong.append(request.url)
    )
    page.goto(f"{url}/live")
    page.wait_for_selector("#styles button")
    yield page
    profile.close()
    assert not [text for text in wrong if not text.startswith("data:")]


def test_the_frames_painted_are_those_of_the_camera(address: str, camera: Path, tmp_path: Path) -> None:
    """With strength 0 each picture that comes back shows the number of the frame that it answers."""
    traffic: list[tuple[str, bytes]] = []

    def listen(stream: Any) -> None:
        stream.on("framesent", lambda data: traffic.append(("sent", data)) if isinstance(data, bytes) else None)
        stream.on("framereceived", hear)

    def hear(data: str | bytes) -> None:
        if isinstance(data, bytes):
            traffic.append(("back", data))
        elif json.loads(data)["type"] == "dropped":  # an answer too, which a busy machine gives
            traffic.append(("dropped", b""))

    fake = ("--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={camera}")
    with browser(*fake) as chromium, visit(chromium, address, permissions=["camera"]) as page:
        page.on("websocket", listen)
        page.reload()
        page.wait_for_selector("#styles button")
        page.locator("#strength").fill("0")
        page.click("#start")
        page.wait_for_function("+document.getElementById('view').dataset.shown > 25", timeout=25_000)
        page.wait_for_function("!document.getElementById('figures').hidden")
        figures = page.inner_text("#figures")
        with page.expect_download() as snapshot:
            page.click("#shot")
        snapshot.value.save_as(tmp_path / "shot.png")
        page.click("#rec")
        page.wait_for_selector("#recording:visible")
        time.sleep(0.7)
        with page.expect_download() as film:
            page.keyboard.press("r")
        film.value.save_as(tmp_path / "film")
        page.click("#stop")
        assert page.is_visible("#card")
    rate, late = (float(text) for text in re.findall(r"(\d+) fps · (\d+) ms", figures)[0])
    assert rate >= 2
    assert 0 < late < 5000
    numbers: dict[bytes, int] = {}
    answered: list[bytes] = []
    dropped = 0
    for way, data in traffic:
        if way == "dropped":
            dropped += 1
            continue
        code = number_of(unjpeg(data[4:]))
        if way == "sent":
            numbers[data[:4]] = code
            assert len(numbers) - len(answered) - dropped <= 2
        else:
            assert code == numbers[data[:4]]
            answered.append(data[:4])
    assert len(answered) > 20
    assert answered == sorted(answered)
    assert len(set(numbers.values())) > 10  # the camera moved on
    assert (tmp_path / "shot.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "film").stat().st_size > 1000


def test_it_paints_on_a_phone_by_keyboard(address: str, camera: Path) -> None:
    fake = ("--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={camera}")
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}
    with browser(*fake) as chromium, visit(chromium, address, permissions=["camera"], **phone) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.focus("#start")
        page.keyboard.press("Enter")
        page.wait_for_function("+document.getElementById('view').dataset.shown > 2", timeout=25_000)
        before = page.get_attribute('#styles [aria-pressed="true"]', "data-name")
        page.keyboard.press("n")
        after = page.get_attribute('#styles [aria-pressed="true"]', "data-name")
        assert before == "starry"
        assert after not in (before, None)
        page.keyboard.press("v")
        assert page.get_attribute("#split", "aria-pressed") == "true"
        shown = int(page.get_attribute("#view", "data-shown"))
        page.wait_for_function(f"+document.getElementById('view').dataset.shown > {shown + 3}", timeout=25_000)
        for button in page.query_selector_all("button:visible"):
            box = button.bounding_box()
            assert min(box["width"], box["height"]) >= 40  # large enough for a finger


def test_a_camera_that_is_denied_is_said_plainly(address: str) -> None:
    with browser("--deny-permission-prompts") as chromium, visit(chromium, address) as page:
        page.click("#start")
        page.wait_for_function("document.getElementById('start').textContent === 'Try again'", timeout=15_000)
        said = page.inner_text("#why")
        assert said.startswith("The camera is not allowed here.")
        assert page.is_visible("#start")
