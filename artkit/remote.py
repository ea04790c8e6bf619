"""One file on a web server: where Hugging Face has it, and its bytes, in ranges, over connections that may break."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from artkit._version import __version__
from artkit.contract import WeightsError

CHUNK = 1 << 18  # bytes
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Identity:
    """What tells one version of a file on a server from another; fields the server leaves out are None."""

    etag: str | None
    size: int | None


class ChangedError(Exception):
    """The file on the server is no longer the one that the download began with."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; the token goes only to the server it was meant for.

    Hugging Face answers with a redirect to a storage server and names the file's own ETag on the way.
    """

    linked_etag: str | None = None

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self.linked_etag = headers.get("X-Linked-Etag") or self.linked_etag
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        old = urlsplit(req.full_url)
        if new is not None and old.scheme == "https" and urlsplit(new.full_url).scheme != "https":
            raise WeightsError(f"{req.full_url} leads to an address that is not encrypted; check HF_ENDPOINT")
        if new is not None and urlsplit(new.full_url)[:2] == old[:2] and req.has_header("Authorization"):
            new.add_unredirected_header("Authorization", req.get_header("Authorization") or "")
        return new


class Remote:
    """The bytes of one file at a URL, read in ranges; broken connections are taken up again.

    retries: how often in a row a connection may break without a byte coming through.
    backoff: seconds before the first new try; doubled every time.
    """

    advice = "the same command goes on from where it stopped"  # for whoever gives up on a broken connection

    def __init__(self, url: str, token: str | None, retries: int, backoff: float, timeout: float = 30) -> None:
        self.url, self.token, self.retries, self.backoff, self.timeout = url, token, retries, backoff, timeout
        self.identity: Identity | None = None
        self._redirects = _Redirects()
        context = ssl.create_default_context()
        if not context.cert_store_stats()["x509_ca"]:  # python.org's Python on macOS comes without certificates
            with contextlib.suppress(ImportError):
                import certifi

                context.load_verify_locations(certifi.where())
        self._opener = urllib.request.build_opener(self._redirects, urllib.request.HTTPSHandler(context=context))
        self._response: http.client.HTTPResponse | None = None
        self._position = 0  # of the response, in the file
        self._end: int | None = None  # where the response was asked to end; None: it is the whole file

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Bytes start to stop of the file, in pieces of at most CHUNK.

        WeightsError when the server will not give them, ChangedError when they are no longer of the same file.
        """
        failures = 0
        while start < stop:
            try:
                self._seek(start, stop)
                chunk = self._read(min(CHUNK, stop - start))
            except (OSError, http.client.HTTPException) as error:
                self.close()
                self._give_up_unless_transient(error)
                failures += 1
                # Nothing at all yet, and no server either: there is probably no network.
                hopeless = self.identity is None and not isinstance(error, urllib.error.HTTPError)
                if failures > (min(2, self.retries) if hopeless else self.retries):
                    raise WeightsError(
                        f"cannot get {self.url}: {_reason(error)} ({failures} tries); {self.advice}"
                    ) from None
                time.sleep(self.backoff * 2 ** (failures - 1))
                continue
            failures = 0
            start += len(chunk)
            yield chunk

    def bytes(self, start: int, stop: int) -> bytes:
        """The same at once, for a few bytes."""
        return b"".join(self.chunks(start, stop))

    def close(self) -> None:
        """Hang up."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _seek(self, start: int, stop: int) -> None:
        """Have a response whose next byte is `start`."""
        if self._response is not None and (self._position > start or (self._end is not None and self._end != stop)):
            self.close()
        if self._response is None:
            self._open(start, stop)
        while self._position < start:  # a server that ignores ranges: read over what is not wanted
            self._read(min(CHUNK, start - self._position))

    def _read(self, count: int) -> bytes:
        assert self._response is not None, "_seek opens it"
        chunk = self._response.read1(count)
        if not chunk and self.identity and self._position == self.identity.size:
            raise WeightsError(f"{self.url} is shorter than its header says")
        if not chunk:
            raise ConnectionError("the connection was cut")
        self._position += len(chunk)
        return chunk

    def _open(self, start: int, stop: int) -> None:
        headers = {
            "User-Agent": f"artkit/{__version__}",
            "Range": f"bytes={start}-{stop - 1}",
            "Accept-Encoding": "identity",
        }
        request = urllib.request.Request(self.url, headers=headers)
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        self._redirects.linked_etag = None
        response = self._opener.open(request, timeout=self.timeout)
        self._response = response
        if response.status == 206:
            unit, _, total = (response.headers["Content-Range"] or "").partition("/")
            if unit.replace("=", " ").split("-")[0] != f"bytes {start}":
                raise WeightsError(f"{self.url} sent other bytes than it was asked for; try again later")
            self._position, self._end = start, stop
        else:
            total = response.headers["Content-Length"] or ""
            self._position, self._end = 0, None
        etag = self._redirects.linked_etag or response.headers["ETag"]
        identity = Identity(etag, int(total) if total.isdigit() else None)
        if self.identity is not None and identity != self.identity:
            raise ChangedError
        self.identity = identity

    def _give_up_unless_transient(self, error: Exception) -> None:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise WeightsError(f"the certificate of {urlsplit(self.url).netloc} cannot be verified: {reason}") from None
        if not isinstance(error, urllib.error.HTTPError):
            return
        error.close()
        if error.code in _TRANSIENT:
            return
        match error.code:
            case 401 | 403:
                why = "is not given to everybody (set HF_TOKEN to a token that may read it)"
            case 404 | 410:
                why = "is not there"
            case 416:
                why = "is shorter than its header says"
            case code:
                why = f"was answered with {code} {error.msg}"
        raise WeightsError(f"{self.url} {why}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.msg}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def hub_url(repository: str, file: str, what: str, instead: str) -> str:
    """Where a file of a Hugging Face repository is, as HF_ENDPOINT says.

    WeightsError when HF_HUB_OFFLINE is set: `what` cannot be fetched, the command `instead` takes a file.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise WeightsError(f"{what} cannot be fetched: HF_HUB_OFFLINE is set; unset it, or bring a file: {instead}")
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", endpoint):
        raise WeightsError(f'HF_ENDPOINT is "{endpoint}", which is no address such as https://huggingface.co')
    return f"{endpoint.rstrip('/')}/{repository}/resolve/main/{file}"


def fetch_bytes(url: str, limit: int, *, token: str | None = None, retries: int = 5, backoff: float = 0.5) -> bytes:
    """The whole of a small file; WeightsError when it is longer than `limit` bytes, or the server will not give it."""
    with contextlib.closing(Remote(url, token, retries, backoff)) as remote:
        remote.advice = "try again later"
        for _ in range(3):
            try:
                remote.bytes(0, 1)
                assert remote.identity is not None, "set by the first response"
                size = remote.identity.size
                if size is None:
                    raise WeightsError(f"{url} does not say how long it is; download it and give the file's name")
                if size > limit:
                    raise WeightsError(f"{url} is {size:,} bytes long; {limit:,} are taken at most")
                return remote.bytes(0, size)
            except ChangedError:
                remote.close()
                remote.identity = None
    raise WeightsError(f"{url} changes while it is being fetched; try again later")
