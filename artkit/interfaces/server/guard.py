"""In front of everything that the server does: passwords, foreign pages, uploads that are too large or never end."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "artkit"
PATIENCE = 60.0  # seconds that a client may take to send, or to take, the next piece
PIECE = 1 << 18  # bytes that are sent at once
SAFE = ("GET", "HEAD", "OPTIONS")


class Gate:
    """Lets in who knows the password, and no page of another site.

    The page, the API and the live socket are behind it alike. Whoever has given the password gets a cookie, because
    not every browser sends a password with a WebSocket. auth: "user:password", or "" for everybody.
    """

    def __init__(self, app: ASGIApp, auth: str = "") -> None:
        self.app, self._auth = app, auth.encode()
        self._token = hmac.new(secrets.token_bytes(32), self._auth, hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        if foreign(scope, headers):
            return await refuse(scope, receive, send, 403, "a page of another site cannot use this server")
        if not self._auth or self._has_cookie(headers):
            return await self.app(scope, receive, send)
        if not self._has_password(headers):
            challenge = {"WWW-Authenticate": 'Basic realm="artkit", charset="UTF-8"'}
            return await refuse(scope, receive, send, 401, "give the user and the password of this server", challenge)
        secure = "; Secure" if scope["scheme"] in ("https", "wss") else ""
        cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Lax{secure}".encode()

        async def send_cookie(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", ()), (b"set-cookie", cookie)]}
            await send(message)

        return await self.app(scope, receive, send_cookie)

    def _has_cookie(self, headers: Headers) -> bool:
        with contextlib.suppress(CookieError):
            given = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
            return given is not None and secrets.compare_digest(given.value.encode(), self._token.encode())
        return False

    def _has_password(self, headers: Headers) -> bool:
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        with contextlib.suppress(binascii.Error, ValueError):
            return secrets.compare_digest(base64.b64decode(text, validate=True), self._auth)
        return False


def foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another site asks for more than to look: the browser says so in Origin."""
    origin = headers.get("origin")
    if origin is None or (scope["type"] == "http" and scope["method"] in SAFE):
        return False
    hosts = (headers.get("host"), headers.get("x-forwarded-host"))  # the second: behind a proxy
    return urlsplit(origin).netloc not in hosts


class _Stalled(Exception):
    """A client takes nothing of its answer."""


class Limits:
    """Refuses uploads that are too large, while they come in, and gives up on clients that stop half-way.

    largest: bytes of a request's body. A client that takes longer than PATIENCE over the next piece is let go, whether
    it sends or reads, so that it holds neither a picture nor a place in line.
    """

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self.app, self._largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told) > self._largest:
            return await refuse(scope, receive, send, 413, self._too_large)
        read, over = 0, False

        async def counted() -> Message:
            nonlocal read, over
            if over:
                return await receive()  # nothing more can come but the end of the connection
            try:
                async with asyncio.timeout(PATIENCE):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the upload stopped for {PATIENCE:g} seconds; send it again") from None
            read += len(message.get("body", b""))
            over = not message.get("more_body", False)
            if read > self._largest:
                raise HTTPException(413, self._too_large)
            return message

        async def in_pieces(message: Message) -> None:
            body = message.get("body", b"")
            for start in range(0, max(len(body), 1), PIECE):
                more = start + PIECE < len(body) or message.get("more_body", False)
                part = {**message, "body": body[start : start + PIECE], "more_body": more}
                try:
                    async with asyncio.timeout(PATIENCE):
                        await send(part if message["type"] == "http.response.body" else message)
                except TimeoutError:
                    raise _Stalled from None

        try:
            await self.app(scope, counted, in_pieces)
        except _Stalled:
            pass  # the connection is closed, as the answer is not complete
        except RuntimeError as error:
            if not isinstance(error.__cause__, ClientDisconnect):  # told again after Gradio has answered nobody
                raise

    @property
    def _too_large(self) -> str:
        return f"the upload is larger than {self._largest / 1e6:g} MB, the most that this server takes"


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, sentence: str, headers: dict[str, str] | None = None
) -> None:
    """Answer {"error": sentence}; a WebSocket is closed before it opens.

    What the client still sends is taken for two seconds and thrown away: a connection that is closed while data come
    in is reset, and the client would not read the answer.
    """
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence})
        return
    answer = JSONResponse({"error": sentence}, status, {"Connection": "close", **(headers or {})})
    await send({"type": "http.response.start", "status": status, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b""})
