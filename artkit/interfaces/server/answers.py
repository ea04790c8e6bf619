"""What the server answers: the picture, or its steps as server-sent events."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import math
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import anyio
import numpy as np
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from artkit.image import Picture, save
from artkit.interfaces.engine import Closed, Engine, Job, Update, follow
from artkit.interfaces.server.errors import explained
from artkit.interfaces.server.orders import Order
from artkit.limits import cores

STREAM = "text/event-stream"
MEDIA = {name: f"image/{name}" for name in ("png", "jpeg", "webp", "avif", "tiff")}
PREVIEW = 512  # longest edge of a preview, pixels
PREVIEWS_APART = 0.25  # seconds
SILENCE = 15.0  # seconds after which a stream tells the position again: what is silent for long is cut off
GONE = 499  # nobody will read it: nginx's status for a client that went away

_log = logging.getLogger("artkit")
_encoders = anyio.CapacityLimiter(cores())


async def answered(request: Request, engine: Engine, order: Order) -> Response:
    """Make the picture; the job is cancelled when the client goes away. Errors are raised, Busy among them."""
    owner = request.client.host if request.client else ""
    job = engine.submit(order.steps, owner, quick=order.quick)
    kind = _format(order, request.headers.get("accept", ""))
    if wants_stream(request):
        return StreamingResponse(_events(request, job, order, kind), media_type=STREAM, headers=_UNBUFFERED)
    last = None
    async with _while_there(request, job), contextlib.aclosing(follow(job)) as updates:
        async for update in updates:
            last = update
    if job.cancelled or last is None or last.image is None:
        if not await request.is_disconnected():
            raise Closed("artkit is closing down; ask again in a minute")
        return Response(status_code=GONE)
    data = await run_sync(_encoded, last.image, order, kind, limiter=_encoders)
    return Response(
        data, media_type=MEDIA[kind], headers={"Content-Disposition": f'inline; filename="{_file(order, kind)}"'}
    )


def wants_stream(request: Request) -> bool:
    """Whether the client asks for the steps rather than for the picture."""
    return STREAM in request.headers.get("accept", "")


async def _events(request: Request, job: Job, order: Order, kind: str) -> AsyncGenerator[str]:
    """position, step, step, …, then result or error."""
    begun, shown, last = time.monotonic(), 0.0, None
    try:
        async with _while_there(request, job), contextlib.aclosing(follow(job, SILENCE)) as updates:
            async for update in updates:
                if update.step is None:
                    yield _event("position", {"position": update.position})
                else:
                    last, now = update, time.monotonic()
                    if now - shown >= PREVIEWS_APART:
                        shown = now
                        yield _event("step", await run_sync(_step, update, limiter=_encoders))
        if job.cancelled or last is None or last.image is None:
            raise Closed("artkit is closing down; ask again in a minute")
        data = await run_sync(_encoded, last.image, order, kind, limiter=_encoders)
        height, width = last.image.shape[:2]
        about = {"width": width, "height": height, "seconds": round(time.monotonic() - begun, 2)}
        yield _event("result", about | {"file": _file(order, kind), "picture": _as_url(MEDIA[kind], data)})
    except Exception as error:
        status, sentence = explained(error)
        if status == 500:
            _log.error("a picture could not be made", exc_info=error)
        yield _event("error", {"error": sentence})


@contextlib.asynccontextmanager
async def _while_there(request: Request, job: Job) -> AsyncIterator[None]:
    """Cancel the job when the client of a request that has been read goes away."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        job.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        job.cancel()


def _format(order: Order, accept: str) -> str:
    """The format asked for in the options, else the one that Accept likes best, else PNG."""
    if order.answer.format:
        return order.answer.format
    if order.answer.bits == 16:
        return "png"
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.lower().split(",")):
        kind, *parameters = (word.strip() for word in part.split(";"))
        weights = [word[2:] for word in parameters if word.startswith("q=")]
        name = next(
            (name for name, media in MEDIA.items() if media == kind), "png" if kind in ("*/*", "image/*") else ""
        )
        with contextlib.suppress(ValueError):
            if name:
                liked.append((-float(weights[0]) if weights else -1.0, place, name))
    return min(liked)[2] if liked else "png"


def _encoded(image: np.ndarray, order: Order, kind: str) -> bytes:
    stream = io.BytesIO()
    answer, picture = order.answer, Picture.of(image, like=order.like)
    save(picture, stream, format=kind, bits=answer.bits, quality=answer.quality, recipe=order.recipe)
    return stream.getvalue()


def _step(update: Update) -> dict[str, Any]:
    assert update.image is not None, "an update with a step has its picture"
    picture = Picture.of(np.nan_to_num(update.image))
    if max(picture.size) > PREVIEW:
        picture = picture.resized(PREVIEW)
    stream = io.BytesIO()
    save(picture, stream, format="jpeg", quality=80)
    preview = _as_url("image/jpeg", stream.getvalue())
    figures = {name: value for name, value in update.figures.items() if math.isfinite(value)}
    return {"done": update.done, "total": update.total, "figures": figures, "preview": preview}


def _as_url(media: str, data: bytes) -> str:
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _file(order: Order, kind: str) -> str:
    """A file name for the picture, of letters that every system and every header takes."""
    return f"{re.sub(r'[^A-Za-z0-9_+-]+', '-', order.stem)[:100] or 'picture'}.{kind}"


_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second: nginx hands steps on at once
