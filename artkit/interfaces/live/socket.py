"""The live socket of the server, /api/live, and the page that uses it, /live.

A client opens the WebSocket and says what it wants in JSON, at any time, with any of the fields:

    {"type": "settings", "styles": ["starry"], "most": 1280, "strength": 0.8, "fps": 24, …}

styles: names of the gallery, which are mixed. most: the longest edge of the camera's frames. The others are the
options of `artkit live`: style_weight, strength, stroke, texture, smoothing, size, fps, mirror, feedback, zoom,
rotate, plan; null stands for the style's own. Then it sends frames, each a binary message: four bytes with its number
(unsigned, the highest byte first), and a JPEG. At most two may be without an answer. The server sends, for every
frame, one of

    binary: the same four bytes, and a JPEG: the frame restyled
    {"type": "dropped", "number": 7}                    a newer one came, or two are at work already
    {"type": "error", "message": "…", "number": 7}      why it could not be drawn

and besides, {"type": "hello", …} at the beginning; {"type": "error", "message": "…"} where a message is wrong, after
which the socket goes on; and twice a second

    {"type": "figures", "fps": 23.8, "latency_ms": 31.0, "dropped": 3, "size": 384, "network": "light", "clients": 1}

latency_ms: from a frame's arrival to its answer. size: the longest edge that keeps the frame rate; larger frames are
made smaller, so that it saves time to send them like that.
"""

from __future__ import annotations

import functools
from pathlib import Path

from fastapi import APIRouter, HTTPException, WebSocket
from fastapi.responses import FileResponse, Response
from PIL import Image

from artkit.contract import ArtkitError
from artkit.interfaces.engine import Engine
from artkit.interfaces.live.client import Client, Streams
from artkit.interfaces.live.messages import encoded
from artkit.stylize import gallery

PAGE = Path(__file__).parent / "assets"
THUMBNAIL = 192  # longest edge, pixels


def router(engine: Engine) -> APIRouter:
    """The socket, its page, and the pictures on it."""
    routes, streams = APIRouter(), Streams()

    @routes.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await Client(socket, engine, streams).serve()

    @routes.get("/live", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "live.html", headers={"Cache-Control": "no-cache"})

    @routes.get("/live/{name}.{kind}", include_in_schema=False)
    def part(name: str, kind: str) -> FileResponse:
        if (name, kind) not in {("live", "js"), ("live", "css")}:
            raise HTTPException(404, "no such page")
        return FileResponse(PAGE / f"{name}.{kind}", headers={"Cache-Control": "no-cache"})

    @routes.get("/live/styles/{name}.jpg", include_in_schema=False)
    def picture(name: str) -> Response:
        try:
            data = _thumbnail(gallery.get(name).preview)
        except ArtkitError as error:
            raise HTTPException(404, str(error)) from None
        if data is None:
            raise HTTPException(404, f'style "{name}" has no preview')
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    return routes


@functools.lru_cache(maxsize=256)
def _thumbnail(path: Path | None) -> bytes | None:
    if path is None:
        return None
    with Image.open(path) as image:
        image.draft("RGB", (THUMBNAIL, THUMBNAIL))
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return encoded(small)
