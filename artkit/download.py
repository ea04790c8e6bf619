"""Some tensors of a safetensors file on a web server, without the rest of the file.

The header says where each tensor lies, so the header comes first and then the byte ranges that are wanted, end to end
in one partial file. Beside it a journal says of which file on the server they are: after an interruption the download
goes on where it stopped, or starts anew when the file there has changed. A server that ignores ranges works too: what
it sends is read through once and only the wanted part is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import struct
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from artkit.checkpoint import MAX_HEADER, Span, decode, disk_errors, parse_header
from artkit.contract import WeightsError
from artkit.remote import ChangedError, Remote


@dataclass(frozen=True)
class Progress:
    """How far a download is, in bytes."""

    done: int
    total: int


def fetch_tensors(
    url: str,
    select: Callable[[Mapping[str, Span]], Iterable[str]],
    partial: Path,
    *,
    token: str | None = None,
    retries: int = 5,
    backoff: float = 0.5,
) -> Generator[Progress, None, dict[str, np.ndarray]]:
    """Bring the tensors that `select` picks from the header; yields Progress, returns the arrays by name.

    partial: the file that grows; it stays, with its journal, for the caller to remove once the arrays are safe.
    WeightsError: the server, the file there, the disk; another process that fetches the same.
    """
    with _locked(partial) as file, contextlib.closing(Remote(url, token, retries, backoff)) as remote:
        for _ in range(3):
            try:
                spans, offset, identity = _header(remote)
                wanted = {name: spans[name] for name in select(spans)}
                runs = [(offset + start, offset + stop) for start, stop in _coalesced(wanted.values())]
                _take_up(file, partial, {**identity, "runs": runs})
                yield from _fill(file, remote, runs)
                return _arrays(file, wanted)
            except ChangedError:
                remote.close()
                remote.identity = None
    raise WeightsError(f"{url} changes while it is being fetched; try again later")


def remove_partial(partial: Path) -> None:
    """Forget what has arrived."""
    for path in (partial, _journal(partial)):
        path.unlink(missing_ok=True)


def _journal(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _header(remote: Remote) -> tuple[dict[str, Span], int, dict[str, Any]]:
    """The tensors, where the bytes they count from begin, and what identifies this version of the file."""
    (length,) = struct.unpack("<Q", remote.bytes(0, 8))
    if not 2 <= length <= MAX_HEADER:
        raise WeightsError(f"{remote.url} is not a safetensors file")
    header = remote.bytes(8, 8 + length)
    assert remote.identity is not None, "set by the first response"
    size = remote.identity.size
    spans, _ = parse_header(header, None if size is None else size - 8 - length, remote.url)
    return spans, 8 + length, {**asdict(remote.identity), "header": hashlib.sha256(header).hexdigest()}


def _coalesced(spans: Iterable[Span]) -> list[tuple[int, int]]:
    """The byte ranges that the spans cover, those that touch or overlap made one."""
    runs: list[tuple[int, int]] = []
    for _, _, start, stop in sorted(spans, key=lambda span: span.start):
        if runs and start <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(stop, runs[-1][1]))
        else:
            runs.append((start, stop))
    return runs


def _take_up(file: BinaryIO, partial: Path, identity: dict[str, Any]) -> None:
    """Keep what the partial file has if it is of this very file; the next write goes to its end."""
    text = json.dumps(identity)
    journal = _journal(partial)
    with disk_errors(partial.parent):
        if not journal.exists() or journal.read_text() != text:
            file.truncate(0)
            journal.write_text(text)
    file.seek(0, 2)


def _fill(file: BinaryIO, remote: Remote, runs: list[tuple[int, int]]) -> Iterator[Progress]:
    done, total = file.tell(), sum(stop - start for start, stop in runs)
    yield Progress(done, total)
    before = 0
    for start, stop in runs:
        skip = min(max(done - before, 0), stop - start)
        before += stop - start
        for chunk in remote.chunks(start + skip, stop):
            with disk_errors(Path(file.name).parent):
                rest = memoryview(chunk)
                while rest:  # an unbuffered write may stop short, and fails only when tried again
                    rest = rest[file.write(rest) :]
            done += len(chunk)
            yield Progress(done, total)


def _arrays(file: BinaryIO, wanted: Mapping[str, Span]) -> dict[str, np.ndarray]:
    file.seek(0)
    raw = np.frombuffer(file.read(), np.uint8)
    runs = _coalesced(wanted.values())
    arrays = {}
    for name, (dtype, shape, start, stop) in wanted.items():
        packed = sum(min(run[1], start) - run[0] for run in runs if run[0] < start)
        arrays[name] = decode(raw[packed : packed + stop - start], dtype).reshape(shape)
    return arrays


@contextlib.contextmanager
def _locked(partial: Path) -> Iterator[BinaryIO]:
    """The partial file, open for this process alone; not left behind empty."""
    with disk_errors(partial.parent):
        partial.parent.mkdir(parents=True, exist_ok=True)
        file = partial.open("a+b", buffering=0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WeightsError("another artkit is fetching the same weights right now; wait for it") from None
        except OSError:
            pass  # a file system without locks
        try:
            yield file
        finally:
            if not file.seek(0, 2):
                remove_partial(partial)
