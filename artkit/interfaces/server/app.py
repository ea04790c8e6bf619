"""The server: the HTTP API, the live socket, and the page in the browser, in front of one engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi import Path as PathPart
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.routing import Match

from artkit import catalog
from artkit._version import __version__
from artkit.contract import WrongCall
from artkit.interfaces.engine import Busy, Engine
from artkit.interfaces.live import socket as live_socket
from artkit.interfaces.server import docs as server_docs
from artkit.interfaces.server import errors as server_errors
from artkit.interfaces.server import page as server_page
from artkit.interfaces.server.answers import answered
from artkit.interfaces.server.errors import Malformed, NotHere
from artkit.interfaces.server.folder import kept_clean, private_folder
from artkit.interfaces.server.guard import Gate, Limits
from artkit.interfaces.server.options import ServeOptions
from artkit.interfaces.server.orders import MAX_STYLES, Upload, generated, parse_options, read_upload, stylized
from artkit.interfaces.server.streams import Streams
from artkit.stylize import gallery

MAX_FIELD = 1 << 16  # bytes of a field that is no file
MAX_PARTS = 2 * MAX_STYLES + 2  # of a form, and as many files: the photo, styles and masks, the options
Name = Annotated[str, PathPart(max_length=64)]


def build(settings: ServeOptions, engine: Engine) -> FastAPI:
    """The whole server: the page at /, the rest as in `api`."""
    folder = private_folder()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # before Gradio is imported
    import gradio

    from artkit.interfaces.studio.page import look, page

    app = api(settings, engine, folder)
    engine.call(_read_networks)
    studio, limit = page(engine, folder, settings.max_size), settings.max_upload
    return gradio.mount_gradio_app(app, studio, "/", max_file_size=limit, show_error=True, **look())


def _read_networks() -> None:
    """Read what most styles share, while nobody waits for it."""
    from artkit.stylize.feedforward import Brush

    Brush.of(gallery.names()[:1])


def api(settings: ServeOptions, engine: Engine, folder: Path) -> FastAPI:
    """The HTTP API, the live socket and /docs. When it ends it closes the engine and removes the folder."""

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with kept_clean(folder):
            yield
            await asyncio.to_thread(engine.close)

    about = server_docs.about(live_socket.__doc__ or "")
    app = FastAPI(title="artkit", version=__version__, description=about, docs_url=None, redoc_url=None, lifespan=life)
    app.add_middleware(Streams)
    app.add_middleware(Limits, largest=settings.max_upload)
    app.add_middleware(Gate, auth=settings.auth)
    server_errors.install(app)
    decoder = anyio.CapacityLimiter(1)  # a large photo takes a gigabyte while it is read: one at a time

    async def upload(role: str, file: UploadFile) -> Upload:
        return await run_sync(read_upload, role, file.file, file.filename, settings.max_size, limiter=decoder)

    def check_room() -> None:
        if engine.waiting >= engine.queue:  # before a large upload is read; the engine itself has the last word
            raise Busy(f"{engine.queue} pictures are waiting already; try again in a minute")

    @app.post("/api/stylize", **server_docs.STYLIZE)
    async def stylize(request: Request) -> Response:
        """Paint a photo in a style."""
        check_room()
        async with _form(request, "photo", "style", "mask", "options") as form:
            values = await _options(form.get("options"))
            photos, styles = form.getlist("photo"), form.getlist("style")
            if len(photos) != 1 or isinstance(photos[0], str):
                raise Malformed("give one photo as a file: curl -F photo=@photo.jpg -F style=starry")
            if not styles:
                raise Malformed("give a style, a name or a picture: curl -F photo=@photo.jpg -F style=starry")
            names = [style for style in styles if isinstance(style, str)]
            for name in names:
                gallery.get(name)
            masks = form.getlist("mask")
            if any(isinstance(mask, str) for mask in masks):
                raise Malformed("mask should be a file, one a style, or one in flat colors: curl -F mask=@mask.png")
            photo = await upload("photo", photos[0])
            pictures = [await upload("style", style) for style in styles if not isinstance(style, str)]
            where = [await upload("mask", mask) for mask in masks if not isinstance(mask, str)]
        order = await run_sync(stylized, photo, [*names, *pictures], values, settings, where, limiter=decoder)
        return await answered(request, engine, order)

    @app.get("/api/styles", **server_docs.STYLES)
    def styles() -> list[dict[str, Any]]:
        """All styles that have a name."""
        return [_about(style) for style in gallery.installed()[0]]

    @app.get("/api/styles/{name}/preview", **server_docs.PREVIEW)
    def preview(name: Name) -> FileResponse:
        """A photo in this style."""
        path = gallery.get(name).preview
        if path is None:
            raise NotHere(f'style "{name}" has no preview')
        return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    @app.get("/api/generate", **server_docs.PIECES)
    def pieces() -> list[dict[str, Any]]:
        """All pieces of generative art."""
        return [{"name": p.name, "line": p.line, "source": p.source, "needs": p.needs} for p in catalog.PIECES.values()]

    async def piece_of(name: str) -> catalog.Piece:
        try:
            piece = catalog.get(name)
        except WrongCall as error:
            raise NotHere(str(error)) from None
        if piece.options_at.partition(":")[0] not in sys.modules:  # to import it may be work for MLX
            await asyncio.wrap_future(engine.call(lambda: piece.options, urgent=True))
        return piece

    @app.get("/api/generate/{name}", **server_docs.PIECE)
    async def piece(name: Name) -> dict[str, Any]:
        """The options of a piece, as JSON Schema."""
        return (await piece_of(name)).options.model_json_schema()

    @app.post("/api/generate/{name}", **server_docs.GENERATE)
    async def generate(request: Request, name: Name) -> Response:
        """Draw a piece of generative art."""
        check_room()
        found, source = await piece_of(name), None
        if request.headers.get("content-type", "").startswith("application/json"):
            values = _parsed(await _body(request))
        else:
            async with _form(request, "source", "options") as form:
                values = await _options(form.get("options"))
                file = form.get("source")
                if isinstance(file, str):
                    raise Malformed("source should be a file: curl -F source=@photo.jpg")
                source = await upload("source", file) if file else None
        return await answered(request, engine, generated(found, source, values, settings))

    @app.get("/api/health", **server_docs.HEALTH)
    def health() -> dict[str, Any]:
        """Whether the server is well, and how much waits."""
        return {"status": "ok", "artkit": __version__, "waiting": engine.waiting, "queue": engine.queue}

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(server_page.page(app.openapi(), str(request.base_url).rstrip("/")))

    app.include_router(live_socket.router(engine))

    @app.api_route("/api/{rest:path}", methods=_ANY, include_in_schema=False)
    def nothing(request: Request) -> Response:
        routes = [route for route in app.routes if getattr(route, "include_in_schema", False)]
        allowed = [m for r in routes if r.matches(request.scope)[0] is Match.PARTIAL for m in getattr(r, "methods", ())]
        if allowed:
            raise HTTPException(405, f"{request.method} does not go here", {"Allow": ", ".join(sorted(allowed))})
        raise NotHere("there is nothing here; /docs describes the API")

    return app


_ANY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def _about(style: gallery.Style) -> dict[str, Any]:
    said = style.manifest.model_dump(include={"title", "artist", "year", "licence", "source", "description"})
    address = f"/api/styles/{style.name}/preview" if style.preview else None
    return {"name": style.name, **said, "networks": list(style.manifest.networks), "own": style.own, "preview": address}


@contextlib.asynccontextmanager
async def _form(request: Request, *fields: str) -> AsyncIterator[FormData]:
    """The fields of a form; Malformed when it is none, or has others."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise Malformed("send multipart/form-data, as curl -F does; /docs has examples")
    try:
        form = await request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=MAX_FIELD)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise Malformed(f"the form cannot be read: {error.detail}") from None
    try:
        for name in form:
            if name not in fields:
                raise Malformed(f'there is no field "{name}"; fields are {", ".join(fields)}')
        yield form
    finally:
        await form.close()


async def _options(field: UploadFile | str | None) -> dict[str, Any]:
    """The options, which may come as a file: -F options=@settings.json."""
    return _parsed(await field.read(MAX_FIELD + 1) if isinstance(field, UploadFile) else (field or "").encode())


def _parsed(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_FIELD:
        raise HTTPException(413, f"the options are longer than {MAX_FIELD >> 10} KB")
    try:
        return parse_options(data)
    except ValueError as error:
        raise Malformed(str(error)) from None


async def _body(request: Request) -> bytes:
    """The body, of which no more than a byte too much is read."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_FIELD:
            break
    return data
