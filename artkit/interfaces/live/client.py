"""A client of the live socket: the frames that it waits for, its look, its share of the engine (rules: socket.py)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import artkit.device  # noqa: F401  (fast BLAS before OpenCV)

from fastapi import WebSocket
from PIL import Image
from starlette.websockets import WebSocketDisconnect

from artkit.contract import ArtkitError, PictureError, WrongCall
from artkit.interfaces.engine import Engine
from artkit.interfaces.live.messages import LARGEST, decoded, encoded, sentence, settings
from artkit.live.figures import Meter
from artkit.live.restyler import Restyler
from artkit.stylize import gallery

IN_FLIGHT = 2
MOST_STREAMS = 16  # clients that send frames at one time
MAX_FRAME = 4_000_000  # bytes
IDLE = 600.0  # seconds without a message after which a socket is closed
PATIENCE = 20.0  # seconds that a client may take to read a message
RECENT = 2.0  # seconds after its last frame for which a client counts as one of those who share the engine
TELL = 0.5  # seconds between figures
GONE = (WebSocketDisconnect, TimeoutError, RuntimeError, OSError)  # how it shows that a client is, or as good as


class Streams:
    """Who sends frames, and since when not."""

    def __init__(self) -> None:
        self._last: dict[Client, float] = {}

    def enter(self, client: Client) -> bool:
        """A frame came; whether there is room for the client."""
        if client not in self._last and len(self._last) >= MOST_STREAMS:
            return False
        self._last[client] = time.monotonic()
        return True

    def leave(self, client: Client) -> None:
        """It closed."""
        self._last.pop(client, None)

    @property
    def active(self) -> int:
        """How many sent a frame just now."""
        since = time.monotonic() - RECENT
        return sum(last > since for last in list(self._last.values()))


class Frame:
    """A frame on its way. number: as the client has it, four bytes. picture: what was drawn, once it is."""

    def __init__(self, number: bytes, jpeg: bytes) -> None:
        self.number, self.jpeg, self.came = number, jpeg, time.perf_counter()

    @property
    def told(self) -> int:
        """The number in JSON."""
        return int.from_bytes(self.number)


class Client:
    """One socket: its look, and the frames that it waits for."""

    def __init__(self, socket: WebSocket, engine: Engine, streams: Streams) -> None:
        self._socket, self._engine, self._streams = socket, engine, streams
        self._meter = Meter()
        self._restyler = Restyler(gallery.names()[:1], sharers=lambda: streams.active)
        if "starry" in gallery.names():
            self._restyler.change(["starry"])
        self._most = 0
        self._refused = ""
        self._next: Frame | None = None  # not begun
        self._begun = 0  # frames at work
        self._dropped = 0
        self._told = 0.0
        self._size = 0
        self._came = asyncio.Event()
        self._drawing: asyncio.Queue[tuple[Frame, asyncio.Task[bytes]]] = asyncio.Queue(1)
        self._at_work: set[asyncio.Task[bytes]] = set()
        self._writing = asyncio.Lock()
        self._in_turn = asyncio.Lock()  # a small frame is decoded sooner than a large one before it

    async def serve(self) -> None:
        """Until the client leaves, or does not read, or says nothing for long."""
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._say(type="hello", styles=await asyncio.to_thread(_styles), in_flight=IN_FLIGHT, largest=LARGEST)
            tasks = [asyncio.create_task(work()) for work in (self._read, self._draw, self._answer)]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except GONE:
            pass
        finally:
            self._streams.leave(self)
            for task in (*tasks, *self._at_work):
                task.cancel()
        with contextlib.suppress(*GONE):
            async with asyncio.timeout(PATIENCE):
                await self._socket.close(1001)

    # --- from the client ----------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            async with asyncio.timeout(IDLE):
                message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                if (data := message.get("bytes")) is not None:
                    await self._take(data)
                else:
                    self._set(message.get("text") or "")
            except ArtkitError as error:
                await self._say(type="error", message=str(error))

    async def _take(self, data: bytes) -> None:
        if len(data) <= 4 or len(data) > MAX_FRAME:
            raise PictureError(
                f"a frame of {len(data)} bytes; it should be four bytes with its number and a JPEG of at most "
                f"{MAX_FRAME // 10**6} MB"
            )
        if not self._streams.enter(self):
            await self._say(type="error", message=f"{MOST_STREAMS} cameras are on already; try again later")
            raise WebSocketDisconnect(1013)
        frame = Frame(data[:4], data[4:])
        old, self._next = self._next, frame
        if old is None and self._begun == IN_FLIGHT:
            old, self._next = frame, None
        if old is not None:
            self._dropped += 1
            await self._say(type="dropped", number=old.told)
        self._came.set()

    def _set(self, text: str) -> None:
        """WrongCall: a message that is no settings, or values that cannot be."""
        values = settings(text)
        styles, most = values.pop("styles", None), values.pop("most", None)
        if styles is not None:
            known = gallery.names()
            if not isinstance(styles, list) or not 0 < len(styles) <= 8:
                raise WrongCall("styles: should be a list of one to eight names of styles")
            for name in styles:
                if name not in known:
                    gallery.get(str(name)[:64])  # says which is near
            values.setdefault("style_weight", ())
        if most is not None and (type(most) is not int or not 16 <= most <= 16384):
            raise WrongCall("most: should be the longest edge of the camera's frames, 16 to 16384 pixels")
        self._restyler.change(styles, **values)
        self._most = min(most or self._most, LARGEST)

    # --- to the client ------------------------------------------------------------------------------------------

    async def _draw(self) -> None:
        """Frames begin in the order in which they came; the next is decoded while one is drawn."""
        while True:
            await self._came.wait()
            self._came.clear()
            if (frame := self._next) is None:
                continue
            self._next, self._begun = None, self._begun + 1
            task = asyncio.create_task(self._drawn(frame))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
            await self._drawing.put((frame, task))

    async def _drawn(self, frame: Frame) -> bytes:
        async with self._in_turn:
            pixels = await asyncio.to_thread(decoded, frame.jpeg)
            drawing = self._engine.call(self._restyler.draw, pixels, self._most, urgent=True)
        drawn = await asyncio.wrap_future(drawing)
        return await asyncio.to_thread(lambda: encoded(Image.fromarray(drawn)))

    async def _answer(self) -> None:
        """In the order in which frames began."""
        while True:
            frame, task = await self._drawing.get()
            try:
                data = await task
            except Exception as error:
                await self._say(type="error", message=sentence(error), number=frame.told)
            else:
                self._meter.shown(frame.came, time.perf_counter())
                await self._send(frame.number + data)
            self._begun -= 1
            if self._restyler.refused != self._refused:
                self._refused = self._restyler.refused
                if self._refused:
                    await self._say(type="error", message=self._refused)
            await self._tell()

    async def _tell(self) -> None:
        """Figures, when it is time or the size changes."""
        now, size = time.monotonic(), self._restyler.size(self._most or LARGEST)
        if now - self._told < TELL and size == self._size:
            return
        self._told, self._size = now, size
        fps, late = self._meter.recent
        await self._say(
            type="figures",
            fps=round(fps, 1),
            latency_ms=round(late, 1),
            dropped=self._dropped,
            size=size,
            network=self._restyler.plan,
            clients=self._streams.active,
        )

    async def _say(self, **message: Any) -> None:
        await self._send(json.dumps(message))

    async def _send(self, message: str | bytes) -> None:
        """TimeoutError: the client does not read."""
        async with self._writing, asyncio.timeout(PATIENCE):
            if isinstance(message, str):
                await self._socket.send_text(message)
            else:
                await self._socket.send_bytes(message)


def _styles() -> list[dict[str, Any]]:
    return [
        {
            "name": style.name,
            "title": style.manifest.title,
            "artist": style.manifest.artist,
            "strength": style.manifest.strength,
            "light": "light" in style.manifest.networks,
        }
        for style in gallery.installed()[0]
    ]
