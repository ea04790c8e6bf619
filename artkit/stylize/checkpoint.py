"""Saving a run as it goes, and going on with it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx

from artkit.contract import PictureError, WrongCall
from artkit.nets.optimizers import Optimizer

SECONDS = 10  # between two saves, and at least ten times what a save takes


@dataclass(frozen=True)
class Saved:
    """Where a run stands: the picture, the scale's number, the losses at that scale, the optimizer's state.

    before: iterations at the scales before this one. figures: those of the last Step.
    """

    x: mx.array
    scale: int
    before: int
    losses: list[float]
    figures: Mapping[str, float]
    optimizer: Mapping[str, mx.array]


class Checkpoint:
    """A safetensors file with the state of a run. As a context it saves the latest state when the run is broken off."""

    def __init__(self, path: Path | None, resume: bool, fingerprint: str) -> None:
        """fingerprint: stands for the pictures and options of the run; a file of another run is refused."""
        self.path, self.resume, self.fingerprint = path, resume, fingerprint
        self._latest: tuple[mx.array, Optimizer, dict[str, Any]] | None = None
        self._due = time.monotonic() + SECONDS

    def load(self) -> Saved | None:
        """The state to go on from; None when there is none or nobody asked for it. WrongCall if it is another run's."""
        if not (self.path and self.resume and self.path.exists()):
            return None
        try:
            loaded: Any = mx.load(str(self.path), format="safetensors", return_metadata=True)
            tensors, metadata = loaded
            about = json.loads(metadata["run"])
            x = tensors.pop("picture")
        except (RuntimeError, KeyError, ValueError):
            raise PictureError(f"{self.path} is no checkpoint, or a damaged one; run again without --resume") from None
        if about["fingerprint"] != self.fingerprint:
            raise WrongCall(
                f"{self.path} is from other pictures, other options or another artkit; run without --resume"
            )
        mx.eval(x, tensors)
        return Saved(x, about["scale"], about["before"], about["losses"], about["figures"], tensors)

    def offer(
        self,
        x: mx.array,
        optimizer: Optimizer,
        scale: int,
        before: int,
        losses: list[float],
        figures: Mapping[str, float],
    ) -> None:
        """Take note of the state after an iteration; it is saved now and then."""
        self._latest = x, optimizer, {"scale": scale, "before": before, "losses": [*losses], "figures": figures}
        if self.path and time.monotonic() >= self._due:
            started = time.monotonic()
            self._save(self.path)
            self._due = time.monotonic() + max(SECONDS, 10 * (time.monotonic() - started))

    def finish(self) -> None:
        """The picture is done: the file is not needed any more."""
        self._latest = None
        if self.path:
            self.path.unlink(missing_ok=True)

    def _save(self, path: Path) -> None:
        if self._latest is None:
            return
        x, optimizer, standing = self._latest
        about = {"fingerprint": self.fingerprint, **standing}
        part = path.with_name(path.name + ".part.safetensors")
        try:
            mx.save_safetensors(str(part), {**optimizer.state(), "picture": x}, {"run": json.dumps(about)})
            part.replace(path)
        except (RuntimeError, OSError) as error:
            part.unlink(missing_ok=True)
            raise PictureError(f"cannot save the checkpoint {path}: {error}; is there room on the disk?") from None

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path and kind is not None:
            with contextlib.suppress(PictureError):  # what broke the run off is what the person should hear of
                self._save(self.path)
