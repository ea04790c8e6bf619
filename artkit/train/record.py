"""What a training leaves in its folder while it runs: its state, the network so far, a log, a plot, a preview.

state.safetensors is all that going on needs (the last good one stays when the disk is full), log.jsonl has a line every
few steps with the means of the figures, loss.png draws them, preview.jpg shows what the network does now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np
from PIL import Image, ImageDraw

from artkit import checkpoint
from artkit.contract import ArtkitError, WrongCall
from artkit.train.loop import Progress, Weights

STATE, LOG, PLOT, PREVIEW = "state.safetensors", "log.jsonl", "loss.png", "preview.jpg"
COLORS = ("#0b6", "#c40", "#06c", "#a0a", "#880", "#555")


class Record:
    """Keeps the record of one training in a folder; call it with every step's progress, and `finish` at the end."""

    def __init__(
        self,
        folder: Path,
        save: Callable[[Path, Weights], None],
        preview: Callable[[Weights], np.ndarray] | None = None,
        *,
        resume: bool = False,
        seconds: float = 60,
        steps: int = 20,
    ) -> None:
        """save(folder, weights): write the network. preview(weights): a picture (H, W, 3), 0..1.

        seconds: between two states. steps: between two lines of the log. WrongCall when the folder holds another
        training and this one is not its continuation.
        """
        self.resume = resume
        self.folder, self._save, self._preview, self._seconds, self._steps = folder, save, preview, seconds, steps
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtkitError(f"cannot write to {folder}: {error.strerror}; choose another folder with -o") from None
        if not resume and (folder / STATE).exists():
            raise WrongCall(f"{folder} holds a training; go on with it by --resume, or choose another folder with -o")
        self._lines: list[dict[str, float]] = self._read_log() if resume else []
        self._figures: list[Mapping[str, mx.array]] = []
        self._saved = time.monotonic()
        self._last: Progress | None = None

    @property
    def begun(self) -> bool:
        """Whether there is anything to keep."""
        return self._last is not None

    @property
    def weights(self) -> Weights:
        """What was learned last; it has `begun`."""
        assert self._last is not None, "a step comes first"
        return self._last.weights

    @property
    def state(self) -> Path | None:
        """The state to go on from, if there is one."""
        path = self.folder / STATE
        return path if path.exists() else None

    def __call__(self, progress: Progress) -> dict[str, float] | None:
        """The new line of the log, when it is time for one."""
        self._last = progress
        self._figures.append(progress.figures)  # numbers only when they are needed: reading one waits for its step
        line = self._sum_up(progress) if progress.step % self._steps == 0 else None
        if time.monotonic() - self._saved > self._seconds:
            self.keep()
        return line

    def finish(self) -> None:
        """The last state and network."""
        if self._last:
            self._sum_up(self._last)
            self.keep()

    def _sum_up(self, progress: Progress) -> dict[str, float] | None:
        """A line with the means of the figures since the last one, if there are any."""
        if not self._figures:
            return None
        means = {name: float(np.mean([float(f[name]) for f in self._figures])) for name in self._figures[0]}
        line = {"step": progress.step, "done": round(progress.done, 5), "seconds": round(progress.seconds, 1)}
        line |= {name: float(f"{value:.5g}") for name, value in means.items()}
        self._lines.append(line)
        self._figures = []
        return line

    def keep(self) -> None:
        """Write everything; ArtkitError when that fails, with the files of before as they were."""
        assert self._last is not None, "a step comes first"
        try:
            self._last.save(self.folder / STATE)
            self._save(self.folder, self._last.weights)
            with checkpoint.replacing(self.folder / LOG) as file:
                file.write("".join(json.dumps(line) + "\n" for line in self._lines).encode())
            names = [name for name in self._lines[-1] if name not in ("step", "done", "seconds")] if self._lines else []
            if names:
                plot(self._lines, names).save(self.folder / PLOT)
            if self._preview:
                pixels = np.clip(self._preview(self._last.weights), 0, 1)
                Image.fromarray((pixels * 255).round().astype(np.uint8)).save(self.folder / PREVIEW, quality=90)
        except OSError as error:
            raise ArtkitError(
                f"cannot write to {self.folder}: {error.strerror}; make room and go on with --resume"
            ) from None
        self._saved = time.monotonic()

    def _read_log(self) -> list[dict[str, float]]:
        path = self.folder / LOG
        try:
            return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        except ValueError:
            raise ArtkitError(f"{path} is damaged; remove it and go on with --resume") from None


def plot(lines: Sequence[Mapping[str, float]], names: Sequence[str], size: tuple[int, int] = (960, 540)) -> Image.Image:
    """Figures over steps, on a logarithmic scale, each in a color of its own."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = 70, 20, size[0] - 150, size[1] - 40
    values = np.array([[max(line.get(name, np.nan), 1e-12) for name in names] for line in lines])
    low, high = np.floor(np.log10(np.nanmin(values))), np.ceil(np.log10(np.nanmax(values)))
    high = max(high, low + 1)
    last = max(line["step"] for line in lines)

    def place(step: float, value: float) -> tuple[float, float]:
        return left + (right - left) * step / last, bottom - (bottom - top) * (np.log10(value) - low) / (high - low)

    for power in range(int(low), int(high) + 1):
        y = place(0, 10.0**power)[1]
        draw.line([(left, y), (right, y)], "#ddd")
        draw.text((left - 8, y), f"{10.0**power:g}", "black", anchor="rm")
    draw.text((right, bottom + 8), f"{last:g} steps", "black", anchor="ra")
    for number, name in enumerate(names):
        color = COLORS[number % len(COLORS)]
        points = [place(line["step"], value) for line, value in zip(lines, values[:, number], strict=True)]
        draw.line(points, color, 2)
        draw.text((right + 8, points[-1][1]), f"{name} {values[-1, number]:.3g}", color, anchor="lm")
    return image
