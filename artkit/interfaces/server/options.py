"""The settings of the server, and of the pictures that it answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from artkit.contract import Options
from artkit.interfaces.outputs import SaveOptions
from artkit.stylize.options import Bytes


class ServeOptions(Options):
    """`artkit serve`: the page in the browser and the HTTP API."""

    host: str = Field(default="127.0.0.1", description="Address to listen at; 0.0.0.0 opens it to the network")
    port: int = Field(default=7860, ge=0, le=65535, description="Port; 0 takes any free one")
    auth: str = Field(default="", description="user:password that everybody has to give; or set ARTKIT_AUTH")
    max_size: int = Field(default=4096, ge=64, le=16384, description="Longest edge of a result, pixels")
    max_upload: Bytes = Field(default=100_000_000, ge=1000, description="Largest upload, such as 100MB")
    queue: int = Field(default=64, ge=1, le=10_000, description="Pictures that may wait; more are refused")
    tls_cert: str = Field(default="", description="Certificate for https, a PEM file")
    tls_key: str = Field(default="", description="Key of the certificate, a PEM file")
    open: bool = Field(default=False, description="Open the page in the browser")

    @field_validator("auth")
    @classmethod
    def _two_parts(cls, auth: str) -> str:
        user, _, password = auth.partition(":")
        if auth and not (user and password):
            raise ValueError("should be user:password")
        return auth


class AnswerOptions(SaveOptions):
    """How a picture is answered; given among the options of the technique."""

    format: Literal["png", "jpeg", "webp", "avif", "tiff"] | None = Field(
        default=None, description="Format of the picture (what Accept asks for, else png)"
    )
