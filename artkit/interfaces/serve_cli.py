"""`artkit serve`: the page in the browser and the HTTP API, on this machine or for the network."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import ssl
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artkit.contract import WrongCall
from artkit.interfaces.forms import checked, flags, given
from artkit.interfaces.server.options import ServeOptions

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

BACKLOG = 2048
MESSAGE = 4_100_000  # bytes of a WebSocket's message: a frame and its number
PATIENCE = 3  # seconds that requests at work get when the server ends
FILES = 65_536  # open connections and files that are asked of the system


@click.command()
@flags(ServeOptions)
def serve(**params: Any) -> None:
    """Serve the studio, a page for the browser, and an HTTP API; /docs describes it.

    \b
    artkit serve --open
    artkit serve --host 0.0.0.0 --auth me:secret --tls-cert cert.pem --tls-key key.pem
    """
    start(checked(ServeOptions, {"auth": os.environ.get("ARTKIT_AUTH", ""), **given(ServeOptions, params)}))


def start(settings: ServeOptions) -> None:
    """Serve until Ctrl-C or SIGTERM. WrongCall: an address or a certificate that cannot be used."""
    _check_certificate(settings)
    listener = bind(settings.host, settings.port)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    if not settings.auth and not _is_local(settings.host):
        click.echo("artkit: everybody on the network can use this server; --auth user:password asks who", err=True)
    _allow_many_files()

    from artkit.interfaces.engine import Engine
    from artkit.interfaces.server.app import build

    app = build(settings, Engine(settings.queue))
    click.echo(f"artkit: {address(settings)}  (Ctrl-C ends it)")  # the socket listens: nobody comes too early
    if settings.open:
        webbrowser.open(address(settings))
    with contextlib.suppress(KeyboardInterrupt):
        server(app, settings).run([listener])


def server(app: FastAPI, settings: ServeOptions) -> uvicorn.Server:
    """A server for `app`, to be run with a socket that listens."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        backlog=BACKLOG,
        timeout_graceful_shutdown=PATIENCE,
        ws_max_size=MESSAGE,
        ws_max_queue=4,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
    )
    return uvicorn.Server(config)


def address(settings: ServeOptions) -> str:
    """Where a browser on this machine finds the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.host, settings.host)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{shown}:{settings.port}"


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; WrongCall says why it cannot be."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise WrongCall(f"--host {host}: there is no such address; 127.0.0.1 is this machine") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise WrongCall(f"port {port} is in use; artkit serve --port 0 takes a free one") from None
        if error.errno == errno.EACCES:
            raise WrongCall(f"port {port} is not for everybody; choose one above 1023, such as --port 7860") from None
        raise WrongCall(f"--host {host}: {(error.strerror or str(error)).lower()}; 127.0.0.1 is this machine") from None
    return listener


def _check_certificate(settings: ServeOptions) -> None:
    for flag, name in (("--tls-cert", settings.tls_cert), ("--tls-key", settings.tls_key)):
        if bool(settings.tls_cert) != bool(settings.tls_key):
            raise WrongCall("--tls-cert and --tls-key go together; give both")
        if name and not Path(name).is_file():
            raise WrongCall(f'{flag} "{name}": there is no such file')
    if settings.tls_cert:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError):
            raise WrongCall("--tls-cert and --tls-key are not a certificate and its key in PEM files") from None


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _allow_many_files() -> None:
    """Every connection is an open file, and systems allow as few as 256 unless they are asked."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # macOS has a second, lower limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 10_240), hard))
