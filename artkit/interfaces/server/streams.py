"""Between the page and Gradio: the stream of news to a page closes without losing what is asked for meanwhile.

Gradio's page keeps one stream open (/queue/data) while anything that it asked for (/queue/join) is under way. With the
last piece of news the server says that it closes the stream, and the page opens another one when it next asks. If the
answer to a question overtakes that last word, the page takes the stream for open, waits on it, and the person's click
goes unheard. So the answer waits here until the page has let go of the old stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LAST_WORD = b'"msg":"close_stream"'
PATIENCE = 5.0  # seconds that a page may take to let go; Gradio's own do at once


class Streams:
    """Lets no page wait on a stream that is closed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._closing: dict[str, asyncio.Event] = {}  # by the session of a page: set when it has let go

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path.endswith("/queue/data"):
            return await self._stream(scope, receive, send)
        if path.endswith("/queue/join"):
            return await self._question(scope, receive, send)
        return await self.app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stay until the page has let go, after the last word."""
        session = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
        let_go, said = asyncio.Event(), False

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                let_go.set()
            return message

        async def news(message: Message) -> None:
            nonlocal said
            if LAST_WORD in message.get("body", b""):
                said, self._closing[session] = True, let_go
            if said and not message.get("more_body", False):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await let_go.wait()
            await send(message)

        try:
            await self.app(scope, heard, news)
        finally:
            let_go.set()
            if self._closing.get(session) is let_go:
                del self._closing[session]

    async def _question(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer when no stream of this page is about to close."""
        body = bytearray()

        async def heard() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            asked = self._closing and message["type"] == "http.response.start"
            if asked and (closing := self._closing.get(_session(body))):
                await closing.wait()
            await send(message)

        await self.app(scope, heard, answer)


def _session(body: bytes | bytearray) -> str:
    """The session that a question names, "" if it names none."""
    try:
        return str(json.loads(body).get("session_hash", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""
