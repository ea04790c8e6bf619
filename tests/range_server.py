"""A web server on 127.0.0.1 that gives one file, and misbehaves as a test asks it to."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What was asked and how much of the file was given: bytes start to start + sent."""

    path: str
    authorization: str | None
    start: int = 0
    sent: int = 0


@dataclass
class FileServer:
    """The file and the manners of the server; change them between requests as you like.

    ranges: answer 206 to a range, or the whole file with 200. cut: bytes after which the connection of each next
    response breaks (None: not). status: codes to answer the next requests with. redirect: where to send all but
    requests for /storage. lie: bytes by which every range begins late.
    """

    body: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    cut: list[int | None] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    redirect: str | None = None
    linked_etag: str | None = None
    lie: int = 0
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def sent(self) -> int:
        """Bytes of the file that went out since the last call."""
        total = sum(request.sent for request in self.requests)
        self.requests.clear()
        return total


@contextlib.contextmanager
def serving(body: bytes, **manners: object) -> Iterator[FileServer]:
    """Serve `body` until the block ends."""
    files = FileServer(body, **manners)  # pyright: ignore[reportArgumentType]

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = Request(self.path, self.headers["Authorization"])
            files.requests.append(asked)
            if files.status:
                self.send_error(files.status.pop(0))
                return
            if files.redirect and not self.path.startswith("/storage"):
                self.send_response(302)
                self.send_header("Location", files.redirect)
                if files.linked_etag:
                    self.send_header("X-Linked-Etag", files.linked_etag)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = files.body
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
            if files.ranges and span:
                start, stop = int(span[1]) + files.lie, min(int(span[2]) + 1 + files.lie, len(body))
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
            else:
                start, stop = 0, len(body)
                self.send_response(200)
            if files.etag:
                self.send_header("ETag", files.etag)
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            cut = files.cut.pop(0) if files.cut else None
            given = body[start:stop] if cut is None else body[start : min(stop, start + cut)]
            asked.start, asked.sent = start, len(given)
            with contextlib.suppress(OSError):  # the client may hang up
                self.wfile.write(given)
                if len(given) < stop - start:
                    self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
