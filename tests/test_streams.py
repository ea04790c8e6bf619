"""A page never waits on a stream that the server has closed."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Message, Receive, Scope, Send

from artkit.interfaces.server import streams
from artkit.interfaces.server.streams import Streams

LAST = b'data: {"msg":"close_stream"}\n\n'


async def gradio(scope: Scope, receive: Receive, send: Send) -> None:
    """Closes every stream at once, and answers every question."""
    if scope["path"].endswith("/data"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": LAST, "more_body": True})
        ear = asyncio.ensure_future(receive())  # Starlette listens for the end of the connection meanwhile
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})
        ear.cancel()
    else:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


class Line:
    """A connection of a page: what it has been told, and a way to end it."""

    def __init__(self, server: Streams, path: str, query: str = "", body: bytes = b"") -> None:
        self.told: list[Message] = []
        self._body, self._gone = body, asyncio.Event()
        scope = {"type": "http", "path": path, "query_string": query.encode()}
        self.task = asyncio.create_task(server(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if self._body:
            body, self._body = self._body, b""
            return {"type": "http.request", "body": body}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.told.append(message)

    def let_go(self) -> None:
        self._gone.set()


def stream(server: Streams, session: str) -> Line:
    return Line(server, "/gradio_api/queue/data", f"session_hash={session}")


def question(server: Streams, session: object) -> Line:
    return Line(server, "/gradio_api/queue/join", body=json.dumps({"session_hash": session}).encode())


async def all_wait() -> None:
    """Give every task its turn, until each waits for something else."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_an_answer_waits_until_the_page_has_let_go_of_the_old_stream():
    async def check() -> None:
        server = Streams(gradio)
        news = stream(server, "me")
        await all_wait()
        assert news.told[-1]["body"] == LAST
        mine, others, nobodys = question(server, "me"), question(server, "you"), question(server, None)
        await all_wait()
        assert (mine.told, len(others.told), len(nobodys.told)) == ([], 2, 2)
        news.let_go()
        await asyncio.gather(mine.task, news.task)
        assert len(mine.told) == 2
        await question(server, "me").task

    asyncio.run(check())


def test_a_page_that_never_lets_go_has_its_answers_all_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "PATIENCE", 0.01)

    async def check() -> None:
        server = Streams(gradio)
        news = stream(server, "me")
        await all_wait()
        mine = question(server, "me")
        await asyncio.gather(mine.task, news.task)
        assert len(mine.told) == 2
        assert not news.told[-1]["body"]

    asyncio.run(check())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"[" * 200_000])
def test_what_names_no_session_is_left_to_gradio(body: bytes):
    async def check() -> None:
        server = Streams(gradio)
        news = stream(server, "me")
        await all_wait()
        line = Line(server, "/gradio_api/queue/join", body=body or b" ")
        await line.task
        assert len(line.told) == 2
        news.let_go()
        await news.task

    asyncio.run(check())
