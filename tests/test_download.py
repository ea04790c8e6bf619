"""Fetching parts of a file from a server that behaves, breaks off, ignores ranges, lies, or changes its mind."""

import json
import resource
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from artkit import download
from artkit.checkpoint import Span
from artkit.contract import WeightsError
from artkit.download import Progress, fetch_tensors
from tests.range_server import FileServer, serving
from tests.test_checkpoint import safetensors

RNG = np.random.default_rng(1)
# In the order of the file; what is wanted lies in two places.
TENSORS = {
    "features.0.bias": RNG.standard_normal(50).astype(np.float32),
    "features.0.weight": RNG.standard_normal((50, 300)).astype(np.float32),
    "head": RNG.standard_normal((300, 500)).astype(np.float32),
    "features.2.weight": RNG.standard_normal((20, 500)).astype(np.float16),
    "tail": RNG.standard_normal(1000).astype(np.float32),
}
FILE = safetensors(TENSORS)
HEADER = 8 + struct.unpack("<Q", FILE[:8])[0]
WANTED = [name for name in TENSORS if name.startswith("features")]
FIRST = sum(TENSORS[name].nbytes for name in WANTED[:2])
TOTAL = sum(TENSORS[name].nbytes for name in WANTED)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FILE) as server:
        yield server


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "cache" / ".tiny.partial"


def features(spans: Mapping[str, Span]) -> Iterable[str]:
    return [name for name in spans if name.startswith("features")]


def run(
    server: FileServer, partial: Path, *, retries: int = 0, token: str | None = None
) -> tuple[list[Progress], dict[str, np.ndarray]]:
    steps = []
    fetching = fetch_tensors(f"{server.url}/model", features, partial, token=token, retries=retries, backoff=0.001)
    while True:
        try:
            steps.append(next(fetching))
        except StopIteration as stop:
            return steps, stop.value


def check(arrays: dict[str, np.ndarray]) -> None:
    assert arrays.keys() == set(WANTED)
    for name, array in arrays.items():
        assert array.dtype == TENSORS[name].dtype
        np.testing.assert_array_equal(array, TENSORS[name])


def test_only_the_header_and_the_wanted_tensors_are_sent(server: FileServer, partial: Path) -> None:
    steps, arrays = run(server, partial)
    check(arrays)
    assert len(server.requests) == 4  # the header's length, the header, and two runs of tensors
    assert server.sent() == HEADER + TOTAL < len(FILE) / 5
    assert steps[0] == Progress(0, TOTAL)
    assert steps[-1] == Progress(TOTAL, TOTAL)
    assert [step.done for step in steps] == sorted(step.done for step in steps)


@pytest.mark.parametrize("cut", [5, 20_000, FIRST, FIRST + 100])
def test_what_has_arrived_is_not_fetched_again(server: FileServer, partial: Path, cut: int) -> None:
    """The connection breaks after `cut` bytes of tensors and the run ends; the next one brings the rest."""
    server.cut = [None, None, cut] if cut < FIRST else [None, None, None, cut - FIRST]
    with pytest.raises(WeightsError, match=r"the connection was cut .* goes on from where it stopped"):
        run(server, partial)
    assert server.sent() == HEADER + cut
    steps, arrays = run(server, partial)
    check(arrays)
    assert steps[0].done == cut
    assert server.sent() == HEADER + TOTAL - cut


def test_a_closed_iterator_keeps_what_it_has(server: FileServer, partial: Path) -> None:
    with closing(fetch_tensors(f"{server.url}/model", features, partial)) as fetching:
        while (step := next(fetching)).done == 0:
            pass
    assert partial.stat().st_size == step.done
    steps, arrays = run(server, partial)
    assert steps[0].done == step.done
    check(arrays)


def test_broken_connections_are_taken_up_within_a_run(server: FileServer, partial: Path) -> None:
    server.cut = [3, None, 10, None, 1000, 1000, 20_000, None, 1]
    steps, arrays = run(server, partial, retries=1)
    check(arrays)
    assert server.sent() == HEADER + TOTAL
    assert steps[-1].done == TOTAL


def test_a_server_that_gives_nothing_is_given_up(server: FileServer, partial: Path) -> None:
    server.cut = [None, None, *[0] * 10]
    with pytest.raises(WeightsError, match=r"the connection was cut \(4 tries\)"):
        run(server, partial, retries=3)
    assert len(server.requests) == 2 + 4


def test_busy_servers_are_asked_again(server: FileServer, partial: Path) -> None:
    server.status = [503, 429, 500]
    check(run(server, partial, retries=3)[1])
    server.status = [503] * 9
    with pytest.raises(WeightsError, match=r"the server answered 503 .* \(4 tries\)"):
        run(server, partial, retries=3)


def test_servers_that_ignore_ranges(server: FileServer, partial: Path) -> None:
    """The whole file comes once, is read through, and only the wanted part reaches the disk."""
    server.ranges = False
    check(run(server, partial)[1])
    assert partial.stat().st_size == TOTAL
    assert len(server.requests) == 1


def test_servers_that_ignore_ranges_and_break_off(server: FileServer, partial: Path) -> None:
    server.ranges = False
    server.cut = [HEADER + 30_000]
    with pytest.raises(WeightsError, match="cut"):
        run(server, partial)
    assert partial.stat().st_size == 30_000
    steps, arrays = run(server, partial)
    assert steps[0].done == 30_000
    check(arrays)


def test_a_file_that_changed_between_runs_is_fetched_anew(server: FileServer, partial: Path) -> None:
    server.cut = [None, None, 20_000]
    with pytest.raises(WeightsError):
        run(server, partial)
    server.etag = '"two"'
    server.sent()
    steps, arrays = run(server, partial)
    assert steps[0].done == 0
    assert server.sent() == HEADER + TOTAL
    check(arrays)


def test_a_file_that_changes_during_a_run_is_fetched_anew(server: FileServer, partial: Path) -> None:
    fetching = fetch_tensors(f"{server.url}/model", features, partial, backoff=0.001)
    server.cut = [None, None, 20_000]
    while next(fetching).done < 20_000:
        pass
    newer = {name: array + 1 for name, array in TENSORS.items()}
    server.body, server.etag = safetensors(newer), '"two"'
    try:
        while True:
            next(fetching)
    except StopIteration as stop:
        for name, array in stop.value.items():
            np.testing.assert_array_equal(array, newer[name])


def test_without_etags_size_and_header_tell_files_apart(server: FileServer, partial: Path) -> None:
    server.etag = None
    server.cut = [None, None, 20_000]
    with pytest.raises(WeightsError):
        run(server, partial)
    assert run(server, partial)[0][0].done == 20_000
    server.body = safetensors({**TENSORS, "more": np.zeros(1)})
    assert run(server, partial)[0][0].done == 0


def test_redirects_are_followed_and_the_token_stays(server: FileServer, partial: Path) -> None:
    """The storage server, another host, must not see the token; the ETag that counts is the first server's."""
    with serving(FILE, etag='"by node"') as storage:
        server.redirect, server.linked_etag = f"{storage.url}/storage", '"sha"'
        check(run(server, partial, token="secret")[1])
        assert {request.authorization for request in server.requests} == {"Bearer secret"}
        assert {request.authorization for request in storage.requests} == {None}
        assert storage.sent() == HEADER + TOTAL
    assert json.loads(partial.with_name(f"{partial.name}.json").read_text())["etag"] == '"sha"'
    server.redirect = "/storage"  # the same host: the token is meant for it
    run(server, partial, token="secret")
    assert {request.authorization for request in server.requests} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "is not there"), (403, "HF_TOKEN"), (401, "HF_TOKEN"), (418, "was answered with 418"), (416, "is shorter")],
)
def test_refusals_are_said_at_once(server: FileServer, partial: Path, status: int, message: str) -> None:
    server.status = [status]
    with pytest.raises(WeightsError, match=message) as caught:
        run(server, partial, retries=5)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1
    assert not any(partial.parent.iterdir())


def test_no_server_at_all(server: FileServer, partial: Path) -> None:
    server.url = "http://127.0.0.1:9"
    with pytest.raises(WeightsError, match=r"Connection refused \(3 tries\)"):
        run(server, partial, retries=5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<!DOCTYPE html><html>Please log in</html>", "is not a safetensors file"),
        (b"", "is shorter than its header says"),
        (FILE[:4], "is shorter than its header says"),
        (FILE[:-1], "bytes of tensors where its header says"),
        (FILE + b"x", "bytes of tensors where its header says"),
        (FILE[:9] + b"}" + FILE[10:], "damaged"),
        (FILE[:100], "is shorter than its header says"),
    ],
)
@pytest.mark.parametrize("ranges", [True, False])
def test_wrong_files_are_refused(server: FileServer, partial: Path, body: bytes, message: str, ranges: bool) -> None:
    server.body, server.ranges = body, ranges
    with pytest.raises(WeightsError, match=message):
        run(server, partial, retries=1)
    assert not any(partial.parent.iterdir())


def test_other_bytes_than_asked_for_are_refused(server: FileServer, partial: Path) -> None:
    server.lie = 1
    with pytest.raises(WeightsError, match="sent other bytes than it was asked for"):
        run(server, partial)


def test_a_full_disk_is_said_and_what_fits_is_kept(server: FileServer, partial: Path) -> None:
    """A limit on the size of files stands in for the disk: writes stop short there, and fail after."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_000, hard))
    try:
        with pytest.raises(WeightsError, match=r"cannot write to .*cache.*ARTKIT_CACHE_DIR"):
            run(server, partial)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert partial.stat().st_size == 65_000
    check(run(server, partial)[1])


def test_a_folder_that_cannot_be_is_said(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"cannot write to .*ARTKIT_CACHE_DIR"):
        run(server, tmp_path / "file" / ".tiny.partial")


def test_two_at_once_do_not_mix(server: FileServer, partial: Path) -> None:
    with closing(fetch_tensors(f"{server.url}/model", features, partial)) as fetching:
        next(fetching)
        with pytest.raises(WeightsError, match="another artkit is fetching"):
            run(server, partial)


def test_remove_partial(server: FileServer, partial: Path) -> None:
    run(server, partial)
    assert len(list(partial.parent.iterdir())) == 2
    download.remove_partial(partial)
    assert not any(partial.parent.iterdir())
