"""A whole file from a server: its length, its limits, connections that break. Parts of one are in test_download.py."""

from collections.abc import Iterator

import pytest

from artkit.contract import WeightsError
from artkit.remote import fetch_bytes
from tests.range_server import FileServer, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(b"") as server:
        yield server


def test_whole_files_are_fetched_up_to_a_limit(server: FileServer) -> None:
    server.body = bytes(range(256)) * 3000
    assert fetch_bytes(server.url, len(server.body)) == server.body
    assert fetch_bytes(server.url, 10**6, backoff=0.01) == server.body
    server.cut = [None, 100_000]
    assert fetch_bytes(server.url, 10**6, backoff=0.01) == server.body
    server.sent()
    for ranges in (True, False):
        server.ranges = ranges
        with pytest.raises(WeightsError, match=r"is 768,000 bytes long; 767,999 are taken at most"):
            fetch_bytes(server.url, len(server.body) - 1)
    server.status = [503] * 9
    with pytest.raises(WeightsError, match=r"the server answered 503 .* \(2 tries\); try again later"):
        fetch_bytes(server.url, 10**6, retries=1, backoff=0.01)
