"""The HTTP API: what it answers, what it refuses, and that nobody can harm it or look into the machine."""

import asyncio
import base64
import contextlib
import io
import json
import os
import re
import resource
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import artkit
from artkit import catalog
from artkit.image import load_recipe
from artkit.interfaces import cli
from artkit.interfaces.engine import Engine
from artkit.interfaces.server import folder as server_folder
from artkit.interfaces.server import guard as server_guard
from artkit.interfaces.server import page as server_page
from artkit.interfaces.server import strangers
from artkit.interfaces.server.app import api
from artkit.interfaces.server.options import ServeOptions
from artkit.stylize import gallery, predicting
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from tests.picture_files import png_header
from tests.server_parts import PIECES, SECONDS, Waiting, connected, head, photo, running

README = Path(__file__).parents[1] / "README.md"
LIGHT = {"plan": "light", "size": 64}
PHOTO = photo()


@pytest.fixture(scope="module", autouse=True)
def pieces() -> Iterator[None]:
    """Pieces that wait or fail, beside the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "PIECES", catalog.PIECES | PIECES)
        yield


@pytest.fixture(autouse=True)
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    Waiting.fresh()
    monkeypatch.setattr(predicting, "SIZE", 32)  # read style pictures small: here it only matters that they are read


@contextlib.contextmanager
def client(folder: Path, **settings: Any) -> Iterator[TestClient]:
    """A client of a new server, in this process."""
    options = ServeOptions(**settings)
    with TestClient(api(options, Engine(options.queue), folder), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server as it is without any flags."""
    with client(tmp_path_factory.mktemp("server")) as made:
        yield made


def stylize(client: TestClient, style: str | bytes = "starry", photo: Any = PHOTO, headers: Any = None, **options: Any):
    files = [("photo", ("holiday.png", photo))]
    if isinstance(style, bytes):
        files.append(("style", ("painting.png", style)))
    fields = {"options": json.dumps(options)} | ({"style": style} if isinstance(style, str) else {})
    return client.post("/api/stylize", files=files, data=fields, headers=headers)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\ndata: ") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data)) for name, data in blocks]


# --- what it answers ----------------------------------------------------------------------------------------------


def test_a_named_style_gives_the_picture_that_python_gives(studio: TestClient) -> None:
    answer = stylize(studio, **LIGHT)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == 'inline; filename="holiday_starry.png"'
    wanted = artkit.stylize(PHOTO, "starry", **LIGHT)
    np.testing.assert_array_equal(np.asarray(opened(answer.content)), np.asarray(wanted))


def test_the_recipe_is_in_the_picture(studio: TestClient) -> None:
    recipe = load_recipe(stylize(studio, **LIGHT).content)
    assert recipe is not None
    assert recipe.technique == "restyle"
    assert recipe.options["size"] == 64
    assert [(source.role, source.path) for source in recipe.sources] == [("photo", "holiday.png"), ("style", "starry")]


@pytest.mark.parametrize(
    ("accept", "options", "media"),
    [
        ("image/jpeg", {}, "image/jpeg"),
        ("image/webp;q=0.5, image/jpeg;q=0.9", {}, "image/jpeg"),
        ("text/html, */*;q=0.1", {}, "image/png"),
        ("image/jpeg", {"format": "webp"}, "image/webp"),
        ("nonsense;q=x", {}, "image/png"),
    ],
)
def test_format_by_accept_or_option(studio: TestClient, accept: str, options: Any, media: str) -> None:
    answer = stylize(studio, headers={"Accept": accept}, **LIGHT, **options)
    assert answer.headers["content-type"] == media
    assert Image.MIME[str(opened(answer.content).format)] == media


def test_sixteen_bits_and_transparency(studio: TestClient) -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(stream, "PNG")
    data = stylize(studio, photo=stream.getvalue(), bits=16, **LIGHT).content
    assert data[24:26] == bytes([16, 6])  # of the header: bits, RGBA


def test_a_picture_as_the_style_in_one_pass_and_step_by_step(studio: TestClient) -> None:
    slow = {"iterations": 1}
    for options, technique in (({"fast": True}, "restyle"), (slow, "stylize"), (slow | {"fast": False}, "stylize")):
        answer = stylize(studio, photo(40, 40, "JPEG"), size=64, **options)
        assert answer.status_code == 200, answer.text
        assert max(opened(answer.content).size) == 64
        recipe = load_recipe(answer.content)
        assert recipe is not None
        assert recipe.technique == technique
        made = RestyleOptions(fast=True) if technique == "restyle" else OptimizeOptions()
        assert recipe.method == made.recipe_method > 1
        assert recipe.sources[1].path == "painting.png"


def halves(left: Any, right: Any) -> bytes:
    """A picture of the photo's proportions in two colors."""
    stream, image = io.BytesIO(), Image.new("RGB", (96, 64), left)
    image.paste(right, (48, 0, 96, 64))
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    "masks", [[halves("white", "black"), halves("black", "white")], [halves("red", "blue")]], ids=["gray", "colors"]
)
def test_masks_say_where_each_style_goes(studio: TestClient, masks: list[bytes]) -> None:
    files = [("photo", ("a.png", PHOTO)), *(("mask", (f"{n}.png", mask)) for n, mask in enumerate(masks))]
    fields = {"style": ["starry", "wave"], "options": json.dumps(LIGHT)}
    answer = studio.post("/api/stylize", files=files, data=fields)
    assert answer.status_code == 200, answer.text
    wanted = artkit.stylize(PHOTO, ["starry", "wave"], mask=masks, **LIGHT)
    np.testing.assert_array_equal(np.asarray(opened(answer.content)), np.asarray(wanted))
    recipe = load_recipe(answer.content)
    assert recipe is not None
    assert [source.path for source in recipe.sources if source.role == "mask"] == [
        f"{n}.png" for n in range(len(masks))
    ]


def test_named_styles_are_painted_step_by_step_when_asked(studio: TestClient) -> None:
    options: dict[str, Any] = {"size": 64, "iterations": 1}
    answer = studio.post(
        "/api/stylize",
        files=[("photo", PHOTO)],
        data={"style": "starry", "options": json.dumps({**options, "fast": False, "format": "png"})},
    )
    assert answer.status_code == 200, answer.text
    recipe = load_recipe(answer.content)
    assert recipe is not None
    assert (recipe.technique, recipe.sources[1].path) == ("stylize", "starry")
    wanted = artkit.stylize(PHOTO, "starry", fast=False, **options)
    np.testing.assert_array_equal(np.asarray(opened(answer.content)), np.asarray(wanted))


def test_masks_are_for_pictures_as_styles_too_and_keep_the_photo_elsewhere(studio: TestClient) -> None:
    for options in ({"fast": True}, {"iterations": 1}):
        files = [("photo", PHOTO), ("style", photo(40, 40)), ("mask", halves("white", "black"))]
        answer = studio.post("/api/stylize", files=files, data={"options": json.dumps({"size": 64, **options})})
        assert answer.status_code == 200, answer.text
        drawn, before = np.asarray(opened(answer.content), float), np.asarray(opened(PHOTO).resize((64, 43)), float)
        change = np.abs(drawn[..., :3] - before[..., :3]).mean(axis=(0, 2))
        assert change[:28].mean() > 3 * change[36:].mean()


@pytest.mark.parametrize(
    ("masks", "status", "word"),
    [
        ([halves("white", "black")] * 3, 422, "3 masks for 2 styles"),
        ([photo(30, 64)] * 2, 422, "proportions"),
        ([halves("black", "black")] * 2, 422, "black"),
        ([b"no picture at all"] * 2, 422, "mask: "),
        (["where.png"], 400, "mask should be a file"),
    ],
)
def test_masks_that_do_not_fit(studio: TestClient, masks: list[Any], status: int, word: str) -> None:
    files = [("photo", PHOTO), *(("mask", mask) for mask in masks if isinstance(mask, bytes))]
    fields = {"style": ["starry", "wave"], "mask": [mask for mask in masks if isinstance(mask, str)]}
    answer = studio.post("/api/stylize", files=files, data=fields)
    assert answer.status_code == status, answer.text
    assert word in answer.json()["error"]


def test_several_styles_are_mixed(studio: TestClient) -> None:
    files = [("photo", ("a.png", PHOTO))]
    fields = {"style": ["starry", "wave"], "options": json.dumps({**LIGHT, "style_weight": [3, 1]})}
    answer = studio.post("/api/stylize", files=files, data=fields)
    wanted = artkit.stylize(PHOTO, ["starry", "wave"], **LIGHT, style_weight=[3, 1])
    np.testing.assert_array_equal(np.asarray(opened(answer.content)), np.asarray(wanted))


def test_steps_as_events_with_previews(studio: TestClient) -> None:
    headers = {"Accept": "text/event-stream"}
    answer = stylize(studio, photo(40, 40), headers=headers, size=64, iterations=3, format="jpeg")
    assert answer.headers["content-type"].startswith("text/event-stream")
    came = events(answer.text)
    names = [name for name, _ in came]
    assert names[0] in ("position", "step")
    assert names.count("result") == 1
    assert names[-1] == "result"
    step = next(data for name, data in came if name == "step")
    assert 0 < step["done"] <= step["total"]
    assert step["figures"]["loss"] > 0
    assert opened(base64.b64decode(step["preview"].partition(",")[2])).format == "JPEG"
    result = came[-1][1]
    assert result["file"] == "holiday_painting.jpeg"
    assert opened(base64.b64decode(result["picture"].partition(",")[2])).size == (result["width"], result["height"])


def test_styles_and_their_previews(studio: TestClient) -> None:
    styles = studio.get("/api/styles").json()
    assert [style["name"] for style in styles] == gallery.names()
    starry = next(style for style in styles if style["name"] == "starry")
    assert starry["artist"] == "Vincent van Gogh"
    preview = studio.get(starry["preview"])
    assert preview.headers["content-type"] == "image/jpeg"
    assert opened(preview.content).format == "JPEG"


def test_pieces_are_listed_described_and_drawn(studio: TestClient) -> None:
    assert "noise" in [piece["name"] for piece in studio.get("/api/generate").json()]
    assert studio.get("/api/generate/noise").json()["properties"]["seed"]["default"] == 0
    options = {"size": "32x24", "seed": 7}
    first = studio.post("/api/generate/noise", json=options)
    assert opened(first.content).size == (32, 24)
    assert studio.post("/api/generate/noise", data={"options": json.dumps(options)}).content == first.content
    assert studio.post("/api/generate/noise", json={**options, "seed": 8}).content != first.content


def test_health_and_description(studio: TestClient) -> None:
    assert studio.get("/api/health").json() == {
        "status": "ok", "artkit": artkit.__version__, "waiting": 0, "queue": 64,
    }  # fmt: skip
    described = studio.get("/openapi.json").json()["paths"]
    assert {*described} == {
        "/api/stylize", "/api/styles", "/api/styles/{name}/preview", "/api/generate", "/api/generate/{name}",
        "/api/health",
    }  # fmt: skip
    page = studio.get("/docs").text
    assert all(path in page for path in described)
    assert "content_weight" in page
    loaded = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", page)
    assert {*loaded} == {"data:,", "openapi.json", "./"}  # nothing comes from elsewhere


# --- what it refuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "options", "status", "words"),
    [
        ("stary", {}, 404, 'did you mean "starry"?'),
        ("starry", {"sise": 64}, 422, 'did you mean "size"?'),
        ("starry", {"size": 8}, 422, "size 8: "),
        ("starry", {"size": 5000}, 422, "up to 4096 pixels"),
        ("starry", {"fast": True}, 422, "fast already"),
        ("starry", {"max_memory": "1TB"}, 422, "whoever runs the server"),
        ("starry", {"size": None}, 422, "size None"),
        ("starry", {"format": "exe"}, 422, "format"),
        ("starry", {"bits": 16, "format": "jpeg"}, 422, "no 16 bits"),
        (PHOTO, {"iterations": 0}, 422, "iterations 0"),
        (PHOTO, {"network": "../../weights"}, 422, "../../weights"),
        (b"no picture at all", {}, 422, "style: not a picture"),
        (b"", {}, 422, "style: "),
    ],
)
def test_errors_are_one_sentence(studio: TestClient, style: Any, options: Any, status: int, words: str) -> None:
    answer = stylize(studio, style, **options)
    assert answer.status_code == status
    assert [*answer.json()] == ["error"]
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("send", "status", "words"),
    [
        ({"data": {"style": "starry"}}, 400, "one photo"),
        ({"files": {"photo": PHOTO}}, 400, "give a style"),
        ({"data": {"photo": "text", "style": "starry"}}, 400, "one photo"),
        ({"files": {"foto": PHOTO}, "data": {"style": "starry"}}, 400, 'no field "foto"'),
        ({"files": [("photo", PHOTO), ("style", PHOTO)], "data": {"style": "starry"}}, 422, "cannot be mixed"),
        ({"files": {"photo": PHOTO}, "data": {"style": ["starry"] * 9}}, 422, "9 styles"),
        ({"files": {"photo": PHOTO}, "data": {"style": "starry", "options": "{"}}, 400, "should be JSON"),
        ({"files": {"photo": PHOTO}, "data": {"style": "starry", "options": "[1]"}}, 400, "JSON object"),
        ({"files": {"photo": PHOTO}, "data": {"style": "starry", "options": "[" * 60_000}}, 400, "should be JSON"),
        ({"files": {"photo": PHOTO}, "data": {"style": "starry", "options": '{"size": 1' + "0" * 9999 + "}"}}, 400, ""),
        ({"files": {"photo": PHOTO}, "data": {"style": "starry", "options": "{" + " " * 70_000 + "}"}}, 400, "maximum"),
        ({"files": {"photo": PHOTO}, "data": {"style": "starry", "options": '{"\\ud800": 1}'}}, 422, "unicode"),
        ({"files": [("photo", PHOTO)] * 19, "data": {"style": "starry"}}, 400, "Too many files"),
        ({"content": b"{}", "headers": {"content-type": "application/json"}}, 400, "multipart/form-data"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "form cannot be read"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, ""),
    ],
)
def test_requests_of_the_wrong_shape(studio: TestClient, send: Any, status: int, words: str) -> None:
    answer = studio.post("/api/stylize", **send)
    assert answer.status_code == status
    assert words in answer.json()["error"]


@pytest.mark.parametrize("claimed", [(60_000, 60_000), (2_000_000_000, 1)])
def test_decompression_bombs_are_seen_before_they_are_decoded(studio: TestClient, claimed: tuple[int, int]) -> None:
    answer = stylize(studio, photo=png_header(*claimed), **LIGHT)
    assert answer.status_code == 422
    assert f"{claimed[0]}×{claimed[1]} pixels" in answer.json()["error"]
    assert stylize(studio, **LIGHT).status_code == 200


@pytest.mark.parametrize("secret", ["{folder}/secret.png", "../secret.png", "secret.png", "secret", "~/secret.png"])
def test_no_file_of_the_machine_can_be_named(
    studio: TestClient, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that exist are refused as those that do not: nobody learns what is there."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = secret.format(folder=tmp_path)

    def refusals() -> list[tuple[int, str]]:
        answers = [
            stylize(studio, asked, **LIGHT),
            stylize(studio, PHOTO, size=64, iterations=1, init=asked),
            stylize(studio, PHOTO, size=64, iterations=1, network=asked),
            studio.post("/api/generate/noise", json={"size": "16", "palette": asked}),
            studio.post("/api/generate/dream", json={"size": "16", "guide": asked}),
            studio.get(f"/api/styles/{asked}/preview"),
            studio.get(f"/api/styles/{asked.replace('/', '%2F')}/preview"),
        ]
        return [(answer.status_code, answer.json()["error"]) for answer in answers]

    missing = refusals()
    for place in ("secret.png", "secret", "here/secret.png", "here/secret"):
        (tmp_path / place).write_bytes(PHOTO)
    assert refusals() == missing
    assert {status for status, _ in missing} <= {404, 422}


def test_every_option_that_may_be_a_file_is_guarded() -> None:
    """Descriptions say where a file goes; strangers.py has to know of each such option."""
    models = [OptimizeOptions, RestyleOptions, *(piece.options for piece in catalog.PIECES.values())]
    fields = [(name, field) for model in models for name, field in model.model_fields.items()]
    files = {name for name, field in fields if field.annotation is str and "file" in str(field.description)}
    assert {"init", "palette"} <= files <= strangers.FILES.keys()


def test_a_piece_can_be_made_again_from_its_recipe(studio: TestClient, tmp_path: Path) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    first.write_bytes(studio.post("/api/generate/noise", json={"size": "32x24", "seed": 5}).content)
    with pytest.raises(SystemExit) as ended:
        cli.main(["again", str(first), "-o", str(second), "--quiet"])
    assert not ended.value.code
    np.testing.assert_array_equal(np.asarray(Image.open(second)), np.asarray(Image.open(first)))


def test_what_is_not_there_and_what_does_not_go(studio: TestClient) -> None:
    for path, method, status in (("/api/nothing", "GET", 404), ("/api/stylize", "PUT", 405), ("/api/", "POST", 404)):
        answer = studio.request(method, path)
        assert (answer.status_code, [*answer.json()]) == (status, ["error"])
    assert studio.delete("/api/stylize").headers["allow"] == "POST"
    assert studio.post("/api/generate/nois", json={}).json()["error"].startswith('no piece "nois"; did you mean')
    assert studio.post("/api/generate/noise", files={"source": PHOTO}).status_code == 422


def test_smaller_servers_make_smaller_pictures(tmp_path: Path) -> None:
    with client(tmp_path, max_size=64) as small:
        assert max(opened(stylize(small, plan="light").content).size) == 64
        assert opened(small.post("/api/generate/noise", json={}).content).size == (64, 64)
        assert stylize(small, size=65).status_code == 422


def test_mistakes_of_ours_are_answered_and_logged(studio: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = studio.post("/api/generate/broken", json={"size": "16"})
    assert answer.status_code == 500
    assert "nobody thought of this" not in answer.text
    streamed = studio.post("/api/generate/broken", json={"size": "16"}, headers={"Accept": "text/event-stream"})
    assert events(streamed.text)[-1][0] == "error"
    assert "nobody thought of this" in caplog.text


# --- passwords and foreign pages ----------------------------------------------------------------------------------


def test_the_password_covers_everything_and_a_cookie_stands_for_it(tmp_path: Path) -> None:
    with client(tmp_path, auth="me:pa:ss") as locked:
        for path in ("/", "/docs", "/openapi.json", "/api/health", "/api/styles", "/api/nothing"):
            answer = locked.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic")
        for wrong in ("Basic !", "Bearer x", "Basic " + base64.b64encode(b"me:pa").decode()):
            assert locked.get("/api/health", headers={"Authorization": wrong}).status_code == 401
        answer = locked.get("/api/health", auth=("me", "pa:ss"))
        assert answer.status_code == 200
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert locked.get("/api/health").status_code == 200  # the client keeps the cookie
        locked.cookies.clear()
        for forged in ("artkit=x", "artkit=", 'artkit="\\200"', "=;;="):
            assert locked.get("/api/health", headers={"Cookie": forged}).status_code == 401


def test_the_live_socket_is_behind_the_password_too(tmp_path: Path) -> None:
    with client(tmp_path, auth="me:secret") as locked:
        with pytest.raises(WebSocketDisconnect), locked.websocket_connect("/api/live"):
            pass
        coded = base64.b64encode(b"me:secret").decode()
        with locked.websocket_connect("/api/live", headers={"Authorization": f"Basic {coded}"}) as live:
            assert live.receive_json()["type"] == "hello"
        locked.get("/api/health", auth=("me", "secret"))
        with locked.websocket_connect("/api/live") as live:  # with the cookie, as browsers do
            assert live.receive_json()["type"] == "hello"
        for origin in ("https://evil.example", "null"):
            with pytest.raises(WebSocketDisconnect), locked.websocket_connect("/api/live", headers={"Origin": origin}):
                pass


def test_passwords_beyond_ascii(tmp_path: Path) -> None:
    with client(tmp_path, auth="zoë:schlüssel") as locked:
        coded = base64.b64encode("zoë:schlüssel".encode()).decode()
        assert locked.get("/api/health", headers={"Authorization": f"Basic {coded}"}).status_code == 200


def test_pages_of_other_sites_cannot_use_the_server(studio: TestClient) -> None:
    for origin in ("https://evil.example", "null", "http://testserver.evil.example"):
        assert stylize(studio, headers={"Origin": origin}, **LIGHT).status_code == 403
    assert stylize(studio, headers={"Origin": "http://testserver"}, **LIGHT).status_code == 200
    assert stylize(studio, headers={"Origin": "https://a.org", "X-Forwarded-Host": "a.org"}, **LIGHT).status_code == 200


# --- too much, too slow, too many ---------------------------------------------------------------------------------


def test_a_full_line_answers_when_to_ask_again(tmp_path: Path) -> None:
    with client(tmp_path, queue=1) as narrow:
        answers = []
        askers = [
            threading.Thread(target=lambda: answers.append(narrow.post("/api/generate/waiting", json={"size": "16"})))
            for _ in range(2)
        ]
        askers[0].start()
        assert Waiting.begun.wait(SECONDS)
        askers[1].start()
        until(lambda: narrow.get("/api/health").json()["waiting"] == 1)
        refused = stylize(narrow, **LIGHT)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "1 pictures are waiting" in refused.json()["error"] or "waiting already" in refused.json()["error"]
        Waiting.let.release(100)
        for asker in askers:
            asker.join(SECONDS)
        assert [answer.status_code for answer in answers] == [200, 200]


def until(true: Any) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def raw(place: tuple[str, int], data: bytes) -> bytes:
    """The whole answer to some bytes."""
    with connected(place) as line:
        line.sendall(data)
        return b"".join(iter(lambda: line.recv(65536), b""))


def sentence(line: socket.socket) -> bytes:
    """The answer on an open connection, to the end of its JSON."""
    data = b""
    while not data.endswith(b"}"):
        piece = line.recv(65536)
        assert piece
        data += piece
    return data


HEALTH = head("GET", "/api/health", "Connection: close")


def test_a_huge_upload_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with running(ServeOptions(max_upload=100_000), tmp_path) as place, connected(place) as line:
        line.sendall(head("POST", "/api/stylize", "Content-Length: 5000000000", "Content-Type: multipart/form-data"))
        answer = sentence(line)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"larger than 0.1 MB" in answer


def test_an_upload_without_a_length_is_refused_while_it_is_read(tmp_path: Path) -> None:
    with running(ServeOptions(max_upload=100_000), tmp_path) as place, connected(place) as line:
        kind = "Content-Type: multipart/form-data; boundary=b"
        line.sendall(head("POST", "/api/stylize", "Transfer-Encoding: chunked", kind))
        start = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
        line.sendall(b"%x\r\n%s\r\n" % (len(start), start))
        for _ in range(11):  # never ends, but is over 100 kB now
            line.sendall(b"%x\r\n%s\r\n" % (10_000, bytes(10_000)))
        assert sentence(line).startswith(b"HTTP/1.1 413 ")


def test_an_upload_that_stops_half_way_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_guard, "PATIENCE", 0.3)
    with running(ServeOptions(), tmp_path) as place:
        start = head("POST", "/api/stylize", "Content-Length: 1000", "Content-Type: multipart/form-data; boundary=b")
        with connected(place) as stalled, connected(place) as gone:
            stalled.sendall(start + b"--b\r\n")
            gone.sendall(start + b"--b\r\n")
            gone.close()
            assert b" 200 " in raw(place, HEALTH)
            answer = sentence(stalled)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"the upload stopped" in answer


@pytest.mark.parametrize("accept", ["image/png", "text/event-stream"])
def test_a_client_that_never_reads_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accept: str) -> None:
    monkeypatch.setattr(server_guard, "PATIENCE", 0.5)
    lines = "Content-Length: 15", "Content-Type: application/json", "Connection: close", f"Accept: {accept}"
    asked = head("POST", "/api/generate/loud", *lines) + b'{"size": "400"}'
    with running(ServeOptions(), tmp_path) as place, connected(place) as deaf:
        deaf.sendall(asked)
        time.sleep(2)
        whole = raw(place, asked)  # meanwhile others are served
        assert len(whole) > 400_000
        cut = b"".join(iter(lambda: deaf.recv(65536), b""))
        assert len(cut) < len(whole) - 100_000


@pytest.mark.parametrize("accept", ["image/png", "text/event-stream"])
def test_the_job_of_a_client_that_goes_away_is_cancelled(
    tmp_path: Path, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    with running(ServeOptions(), tmp_path) as place:
        line = connected(place)
        lines = "Content-Length: 14", "Content-Type: application/json", f"Accept: {accept}"
        line.sendall(head("POST", "/api/generate/waiting", *lines) + b'{"size": "16"}')
        assert Waiting.begun.wait(SECONDS)
        line.close()
        until(lambda: Waiting.let.release() or Waiting.closed.is_set())
        assert b'"waiting":0' in raw(place, HEALTH)
    assert caplog.records == []


@pytest.fixture
def many_files() -> Iterator[int]:
    """Room for 1,000 connections, both ends of which are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2600:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2600), hard))
    yield 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_idle_connections(tmp_path: Path, many_files: int) -> None:
    with running(ServeOptions(), tmp_path) as place, contextlib.ExitStack() as held:
        for number in range(many_files):
            line = held.enter_context(connected(place))
            if number % 2:
                line.sendall(b"GET /api/hea")
        assert b" 200 " in raw(place, HEALTH)


# --- the folder ---------------------------------------------------------------------------------------------------


def test_the_folder_is_private_cleaned_and_removed(tmp_path: Path) -> None:
    folder = server_folder.private_folder()
    assert folder.stat().st_mode & 0o077 == 0
    (folder / "old").mkdir()
    old, new = folder / "old" / "a.png", folder / "b.png"
    outside = tmp_path / "outside.png"
    for path in (old, new, outside):
        path.write_bytes(PHOTO)
        os.utime(path, (0, 0) if path is not new else None)
    (folder / "link").symlink_to(tmp_path)
    now = time.time()
    assert server_folder.clean(folder, now) == 1
    assert (old.exists(), new.exists(), outside.exists()) == (False, True, True)
    server_folder.clean(folder, now + 2 * server_folder.KEPT)
    assert sorted(folder.iterdir()) == []
    with client(folder):
        assert folder.exists()
    assert not folder.exists()


def test_a_browser_that_leaves_in_the_middle_of_an_upload_is_no_error() -> None:
    def app(cause: Exception) -> server_guard.Limits:
        async def answers(*_: Any) -> None:
            raise RuntimeError("Caught handled exception, but response already started.") from cause

        return server_guard.Limits(answers, 1000)

    async def nothing(*_: Any) -> Any: ...

    scope = {"type": "http", "headers": []}
    asyncio.run(app(ClientDisconnect())(scope, nothing, nothing))
    with pytest.raises(RuntimeError):
        asyncio.run(app(ValueError())(scope, nothing, nothing))


# --- examples -----------------------------------------------------------------------------------------------------


def test_the_examples_of_the_docs_and_the_readme_work(tmp_path: Path) -> None:
    """Every curl line, of a smaller picture."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    for name in ("photo.jpg", "painting.jpg"):
        (tmp_path / name).write_bytes(photo(40, 30, "JPEG"))
    for name in ("cat.png", "background.png"):
        Image.new("L", (40, 30), 200).save(tmp_path / name)
    text = "\n".join([*server_page.EXAMPLES.values(), README.read_text(encoding="utf-8")])
    lines = {line.replace("http://127.0.0.1:7860", "ADDRESS") for line in text.splitlines() if line[:5] == "curl "}
    assert len(lines) >= 5
    with running(ServeOptions(max_size=64), tmp_path / "folder") as (host, port):
        for line in sorted(lines):
            small = line.replace("640x480", "64x48").replace("512", "64")
            command = shlex.split(small.replace("ADDRESS", f"http://{host}:{port}"))
            done = subprocess.run([*command, "-sS"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
            if "-o" in command:
                written = tmp_path / command[command.index("-o") + 1]
                assert opened(written.read_bytes()).format == {".png": "PNG", ".jpg": "JPEG"}[written.suffix]
            else:
                assert b"event: result" in done.stdout or json.loads(done.stdout)[0]["name"]
