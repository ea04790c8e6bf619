"""Errors as a client reads them: a status and {"error": one sentence}."""

from __future__ import annotations

import errno

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from artkit.contract import ArtkitError, UnknownStyle
from artkit.interfaces.engine import Busy, Closed
from artkit.limits import out_of_memory

RETRY_AFTER = 30  # seconds
LONGEST = 400  # characters of a sentence: what a client sent may be quoted in it
GONE = 499  # nobody will read it: nginx's status for a client that went away


class NotHere(ArtkitError):
    """There is nothing of that name."""


class Malformed(ArtkitError):
    """The request is not made as requests are."""


def explained(error: Exception) -> tuple[int, str]:
    """Status and sentence. What nobody foresaw is not told: it is for the log."""
    match error:
        case Busy() | Closed():
            return 503, _sentence(str(error))
        case NotHere() | UnknownStyle():
            return 404, _sentence(str(error))
        case Malformed():
            return 400, _sentence(str(error))
        case ArtkitError():
            return 422, _sentence(str(error))
        case HTTPException():
            return error.status_code, _sentence(error.detail)
        case RequestValidationError():
            first = error.errors()[0]
            return 422, _sentence(f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")
        case _ if out_of_memory(error):
            return 413, "not enough memory for that; ask for a smaller size"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return 503, "the disk of the server is full; try again later"
        case _:
            return 500, "something went wrong in artkit; the server's log has more"


def answer(error: Exception) -> Response:
    """The error as an answer."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=GONE)
    status, sentence = explained(error)
    headers = dict(getattr(error, "headers", None) or {})
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER)
    return JSONResponse({"error": sentence}, status, headers)


def install(app: FastAPI) -> None:
    """Have `app` answer every error so."""

    async def handle(request: Request, error: Exception) -> Response:
        return answer(error)

    for kind in (
        ArtkitError,
        HTTPException,
        RequestValidationError,
        ClientDisconnect,
        MemoryError,
        RuntimeError,
        OSError,
    ):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(Exception, handle)


def _sentence(text: str) -> str:
    """One line, of a bearable length, that can be sent: halves of surrogate pairs, which JSON can hold, cannot be."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
