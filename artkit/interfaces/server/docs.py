"""What OpenAPI says of each address of the server."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from artkit.contract import Options
from artkit.interfaces.server.answers import MEDIA, STREAM
from artkit.interfaces.server.options import AnswerOptions
from artkit.interfaces.server.orders import OWN
from artkit.stylize.options import OptimizeOptions, RestyleOptions
from artkit.stylize.prepare import STARTS

ABOUT = """\
Neural style transfer and generative art on this machine. A request is answered with the picture itself, in the format
that `Accept` or the option `format` asks for (PNG otherwise), with its recipe in the file's metadata. Whoever asks for
`text/event-stream` gets the steps as they come, with previews. Pictures are made one after the other, in turns between
clients; who goes away is forgotten. Every error is `{"error": "one sentence"}`."""


def about(live: str) -> str:
    """The description of the whole. live: what the live socket says of itself."""
    return f"{ABOUT}\n\n## The live socket\n\n{live.strip()}"


_BINARY = {"type": "string", "format": "binary"}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "What is wrong and what to do, in one sentence"}},
    "required": ["error"],
}
_WRONG = {
    400: "The request cannot be read: no form, no JSON, an unknown field",
    401: "The server has a password and it was not given",
    404: "Nothing has this name",
    408: "The upload stopped half-way",
    413: "Larger than the server takes",
    422: "An option, a style or a picture that cannot be",
    503: "Too much is waiting; `Retry-After` says when to ask again",
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {s: {"description": _WRONG[s], "content": {"application/json": {"schema": _ERROR}}} for s in statuses}


def _pictures(description: str) -> dict[int | str, dict[str, Any]]:
    stream = {
        "schema": {"type": "string"},
        "example": 'event: position\ndata: {"position": 1}\n\n'
        'event: step\ndata: {"done": 3, "total": 24, "figures": {}, "preview": "data:image/jpeg;base64,…"}\n\n'
        'event: result\ndata: {"width": 512, "height": 384, "seconds": 2.1, "file": "photo_starry.png", '
        '"picture": "data:image/png;base64,…"}\n\n',
    }
    kinds = {media: {"schema": _BINARY} for media in MEDIA.values()}
    return {200: {"description": description, "content": {**kinds, STREAM: stream}}}


def _json(description: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


def _options(model: type[Options], title: str) -> dict[str, Any]:
    """JSON Schema of the options of a technique and of its answer."""
    schema = model.model_json_schema()
    properties = {**schema["properties"], **AnswerOptions.model_json_schema()["properties"]}
    if "init" in properties:
        properties["init"] = {**properties["init"], "enum": list(STARTS)}
    return {
        "title": title,
        "type": "object",
        "properties": {name: about for name, about in properties.items() if name not in OWN},
        "additionalProperties": False,
    }


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    encoding = {"options": {"contentType": "application/json"}}
    return {"multipart/form-data": {"schema": schema, "encoding": encoding}}


STYLIZE: dict[str, Any] = {
    "response_class": Response,
    "responses": _pictures("The finished picture, or its steps") | _errors(400, 401, 404, 408, 413, 422, 503),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": _form(
                {
                    "photo": {**_BINARY, "description": "The photo: JPEG, PNG, WebP, AVIF, TIFF, GIF"},
                    "style": {
                        "anyOf": [{"type": "string", "maxLength": 64}, _BINARY],
                        "description": "The name of a style, or a picture to paint after; several are mixed",
                    },
                    "mask": {
                        **_BINARY,
                        "description": "Where a style goes, white on black: as many as styles, in their order, or one "
                        "picture in flat colors for several styles, which take its colors as they come line by line "
                        "from the top left; where it is black, the photo stays",
                    },
                    "options": {
                        "anyOf": [
                            _options(RestyleOptions, "for named styles, and for pictures with fast"),
                            _options(OptimizeOptions, "for pictures"),
                        ],
                        "description": "The settings, as JSON",
                    },
                },
                ["photo", "style"],
            ),
        },
    },
}

STYLES: dict[str, Any] = {
    "responses": _json(
        "The styles, in order of their names",
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "title": {"type": "string"},
                    "artist": {"type": "string"},
                    "year": {"type": "string"},
                    "licence": {"type": "string"},
                    "source": {"type": "string"},
                    "description": {"type": "string"},
                    "networks": {"type": "array", "items": {"enum": ["full", "light"]}},
                    "own": {"type": "boolean", "description": "Added by this server's owner"},
                    "preview": {"type": ["string", "null"], "description": "Address of a photo in this style"},
                },
                "required": ["name", "title", "networks", "own", "preview"],
            },
        },
    )
    | _errors(401),
}

PREVIEW: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"description": "A JPEG", "content": {"image/jpeg": {"schema": _BINARY}}}}
    | _errors(401, 404, 422),
}

PIECES: dict[str, Any] = {
    "responses": _json(
        "The pieces",
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "line": {"type": "string", "description": "What it is, in one line"},
                    "source": {"type": "boolean", "description": "Whether it follows a picture"},
                },
                "required": ["name", "line", "source"],
            },
        },
    )
    | _errors(401),
}

PIECE: dict[str, Any] = {
    "responses": _json("JSON Schema of the piece's options", {"type": "object"}) | _errors(401, 404, 422),
}

GENERATE: dict[str, Any] = {
    "response_class": Response,
    "responses": _pictures("The finished piece, or its steps") | _errors(400, 401, 404, 408, 413, 422, 503),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object", "description": "The piece's options"}},
                **_form(
                    {
                        "options": {"type": "object", "description": "The piece's options, as JSON"},
                        "source": {**_BINARY, "description": "A picture that the piece follows, if it does"},
                    },
                    [],
                ),
            },
        },
    },
}

HEALTH: dict[str, Any] = {
    "responses": _json(
        "It is well",
        {
            "type": "object",
            "properties": {
                "status": {"const": "ok"},
                "artkit": {"type": "string", "description": "Version"},
                "waiting": {"type": "integer", "description": "Pictures that wait"},
                "queue": {"type": "integer", "description": "Pictures that may wait"},
            },
            "required": ["status", "artkit", "waiting", "queue"],
        },
    )
    | _errors(401),
}
