"""What the tests of the server share: a server on a free port, raw connections to it, and pieces that wait."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import numpy as np
from PIL import Image

from artkit.catalog import Piece
from artkit.contract import Step
from artkit.generate.canvas import CanvasOptions
from artkit.interfaces import serve_cli
from artkit.interfaces.engine import Engine
from artkit.interfaces.server.app import api
from artkit.interfaces.server.options import ServeOptions

SECONDS = 20  # no wait in a test may be longer


def photo(width: int = 48, height: int = 32, kind: str = "PNG") -> bytes:
    """A colorful picture file."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    stream = io.BytesIO()
    Image.fromarray(np.dstack([across, down, 255 - across]).astype(np.uint8)).save(stream, kind)
    return stream.getvalue()


class Waiting:
    """The doors of `waiting_steps`: it begins, waits to be let go on before each step, and is closed."""

    begun, let, closed = threading.Event(), threading.Semaphore(0), threading.Event()

    @classmethod
    def fresh(cls) -> None:
        """New doors, all shut."""
        cls.begun, cls.let, cls.closed = threading.Event(), threading.Semaphore(0), threading.Event()


def waiting_steps(options: CanvasOptions) -> Iterator[Step]:
    """A piece of 20 steps, each of which waits until it is let."""
    waiting = Waiting.begun, Waiting.let, Waiting.closed
    try:
        waiting[0].set()
        for number in range(1, 21):
            waiting[1].acquire(timeout=SECONDS)
            yield Step(mx.full((1, options.height, options.width, 3), number / 20), number, 20)
    finally:
        waiting[2].set()


def loud_steps(options: CanvasOptions) -> Iterator[Step]:
    """Noise that no format makes small."""
    yield Step(mx.random.uniform(shape=(1, options.height, options.width, 3), key=mx.random.key(0)), 1, 1)


def broken_steps(options: CanvasOptions) -> Iterator[Step]:
    """A piece with a mistake in it."""
    yield Step(mx.zeros((1, options.height, options.width, 3)), 1, 2)
    raise KeyError("nobody thought of this")


PIECES = {
    name: Piece(name, "artkit.generate.canvas:CanvasOptions", f"tests.server_parts:{name}_steps", "For tests")
    for name in ("waiting", "loud", "broken")
}


@contextlib.contextmanager
def running(settings: ServeOptions, folder: Path) -> Iterator[tuple[str, int]]:
    """The API on a free port; gives host and port. The system keeps little for clients that do not read."""
    listener = serve_cli.bind(settings.host, 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    engine = Engine(settings.queue)
    server = serve_cli.server(api(settings, engine, folder), settings)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        Waiting.let.release(100)
        thread.join(SECONDS)
        engine.close()
    assert not thread.is_alive()


def connected(place: tuple[str, int]) -> socket.socket:
    """A connection to the server that takes little before it is read."""
    line = socket.socket()
    line.settimeout(SECONDS)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(place)
    return line


def head(method: str, path: str, *lines: str) -> bytes:
    """The first lines of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()
