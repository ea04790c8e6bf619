"""What goes over the live socket: settings in, frames in and out as JPEG, errors as sentences."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image

from artkit.contract import ArtkitError, PictureError, WrongCall
from artkit.live.options import LiveOptions

LARGEST = 1920  # longest edge of a frame, pixels
MAX_TEXT = 20_000  # characters of a message
QUALITY = 85  # of the JPEGs


def settings(text: str) -> dict[str, Any]:
    """The fields of a message of type "settings". WrongCall: it is another one, or has a field that nobody knows."""
    try:
        message = json.loads(text) if len(text) <= MAX_TEXT else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or message.get("type") != "settings":
        raise WrongCall('a text message should be JSON such as {"type": "settings", "styles": ["starry"]}')
    known = {"type", "styles", "most", *LiveOptions.model_fields}
    if strange := sorted(message.keys() - known):
        raise WrongCall(f"no setting {strange[0]!a:.40}; there are {', '.join(sorted(known - {'type'}))}")
    return {key: value for key, value in message.items() if key != "type"}


def decoded(jpeg: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB. PictureError: it is no JPEG, damaged, or larger than LARGEST, which is seen before."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            if max(image.size) > LARGEST:
                raise PictureError(f"a frame of {image.width}×{image.height} pixels; {LARGEST} is the most")
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        raise PictureError(
            "a frame is no JPEG, or damaged; it should be four bytes with its number and a JPEG"
        ) from None


def sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(error).split())
    return (
        text if isinstance(error, ArtkitError) else f"a frame could not be drawn ({type(error).__name__}: {text:.200})"
    )


def encoded(image: Image.Image) -> bytes:
    """As a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
