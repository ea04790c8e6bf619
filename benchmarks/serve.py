"""The server under load: many clients at once, requests of mixed size; what is lost, how long it takes, memory, order.

Each client has an address of its own (127.0.0.2, 127.0.0.3, …: Linux has them all), because the server is fair between
addresses. One of them is greedy: it keeps GREED requests open, the others one each.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from machine import describe
from PIL import Image
from processes import environment

GREED = 4
PHOTOS = (320, 640, 1024, 1600)  # longest edges, pixels
SIZES = (128, 192, 256, 384, 512)  # of results
STREAMED = 0.1  # share of requests that ask for events
EARLY = 100  # requests after which memory should not grow any more


@dataclass
class Log:
    """What came of the requests so far."""

    wanted: int
    begun: int = 0
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)  # of the server after each request, bytes
    served: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> int | None:
        """The number of a request to make, None when all are made."""
        with self.lock:
            if self.begun == self.wanted:
                return None
            self.begun += 1
            return self.begun


def photo(longest: int) -> bytes:
    """A JPEG with a gradient, some texture, and three fourths as high as wide."""
    rng = np.random.default_rng(longest)
    down, across = np.mgrid[0 : longest * 3 // 4, 0:longest] / longest
    grain = rng.normal(0, 12, (*down.shape, 1))
    pixels = np.dstack([255 * across, 160 + 60 * np.sin(20 * down), 255 * (1 - across)]) + grain
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def form(photo: bytes, style: str, options: str) -> tuple[bytes, str]:
    """The body of a request, and its content type."""
    fields = {"style": style, "options": options}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    start = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n\r\n'
    return b"".join([*parts, start, photo, b"\r\n--b--\r\n"]), "multipart/form-data; boundary=b"


def ask(place: tuple[str, int], client: int, number: int, photos: list[bytes], styles: list[str], plan: str) -> None:
    """One request; raises when the answer is not the picture that was asked for."""
    chance = random.Random(number)
    size = chance.choice(SIZES)
    body, kind = form(chance.choice(photos), chance.choice(styles), json.dumps({"size": size, "plan": plan}))
    streamed = chance.random() < STREAMED
    source = (f"127.0.0.{client + 2}", 0) if sys.platform == "linux" else None
    line = http.client.HTTPConnection(*place, timeout=600, source_address=source)
    try:
        accept = "text/event-stream" if streamed else "image/png"
        line.request("POST", "/api/stylize", body, {"Content-Type": kind, "Accept": accept})
        answer = line.getresponse()
        data = answer.read()
    finally:
        line.close()
    if answer.status != 200:
        raise ValueError(f"{answer.status} {data[:200]!r}")
    if streamed:
        event = re.search(rb"event: result\ndata: (.*)\n", data)
        shown = json.loads(event[1]) if event else {}
        found = max(shown.get("width", 0), shown.get("height", 0))
    else:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            found = max(picture.size)
    if found != size:
        raise ValueError(f"{found} pixels where {size} were asked for")


def memory_of(process: int) -> int:
    """Bytes of main memory that a process holds."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(told.stdout) * 1024


def work(log: Log, place: tuple[str, int], process: int, client: int, *what: object) -> None:
    """One after the other until all requests are made."""
    while (number := log.next()) is not None:
        begun = time.monotonic()
        try:
            ask(place, client, number, *what)  # type: ignore[arg-type]
        except (OSError, ValueError, http.client.HTTPException) as error:
            with log.lock:
                log.lost.append(f"request {number}: {error}")
            continue
        with log.lock:
            log.seconds.append(time.monotonic() - begun)
            log.memory.append(memory_of(process))
            log.served[client] += 1


def report(log: Log, clients: int, seconds: float) -> str:
    """The table."""
    times = sorted(log.seconds)
    early, late = (statistics.median(log.memory[max(0, at - 10) : at]) for at in (min(EARLY, len(times)), len(times)))
    others = [log.served[client] for client in range(1, clients)]
    rows = [
        ("requests, lost", f"{log.wanted}, {len(log.lost)}"),
        ("clients, connections", f"{clients}, {clients - 1 + GREED}"),
        ("pictures a second", f"{len(times) / seconds:.2f}"),
        ("time to the answer: median, p95, longest", ", ".join(f"{t:.1f} s" for t in _quantiles(times))),
        (f"memory after {EARLY} requests and at the end", f"{early / 1e6:.0f} MB, {late / 1e6:.0f} MB"),
        ("change", f"{100 * (late / early - 1):+.1f} %"),
        ("pictures a client, fewest to most", f"{min(others)} to {max(others)}"),
        (f"pictures of the client with {GREED} requests at once", str(log.served[0])),
    ]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def _quantiles(times: list[float]) -> tuple[float, float, float]:
    return statistics.median(times), times[min(len(times) - 1, int(0.95 * len(times)))], times[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description="artkit serve under load.")
    parser.add_argument("--requests", type=int, default=500, help="(%(default)s)")
    parser.add_argument("--clients", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--plan", choices=["auto", "full", "light"], default="auto", help="network (%(default)s)")
    args = parser.parse_args()
    command = [sys.executable, "-m", "artkit.interfaces.cli", "serve", "--port", "0"]
    environ = environment() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://([\d.]+):(\d+)", server.stdout.readline())
            assert address is not None, "the server says where it is"
            place = address[1], int(address[2])
            photos = [photo(longest) for longest in PHOTOS]
            line = http.client.HTTPConnection(*place, timeout=60)
            line.request("GET", "/api/styles")
            styles = [style["name"] for style in json.loads(line.getresponse().read())]
            line.close()
            log = Log(args.requests)
            clients = [0] * (GREED - 1) + [*range(args.clients)]
            what = photos, styles, args.plan
            threads = [threading.Thread(target=work, args=(log, place, server.pid, c, *what)) for c in clients]
            begun = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds = time.monotonic() - begun
        finally:
            server.terminate()
    print(f"## {describe()}\n\n{report(log, args.clients, seconds)}")
    for lost in log.lost:
        print(lost, file=sys.stderr)
    sys.exit(1 if log.lost else 0)


if __name__ == "__main__":
    main()
