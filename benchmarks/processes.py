"""Processes for measuring: a command timed from start to end with its peak memory, and workers that take turns.

The parent stays small on purpose: Linux counts a parent's memory at the fork as the child's, so whoever imports this
for measuring memory should import neither MLX nor PyTorch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent


class ProcessError(Exception):
    """A measured process failed; the message is the last line it wrote to stderr."""


class Used(NamedTuple):
    """Wall time of a process, and the most memory it held at any time."""

    seconds: float
    peak: int


@dataclass(frozen=True)
class Contestant:
    """What a worker runs.

    run: one run, finished when it returns. peak: bytes of GPU memory at most in use since the start (0 on CPUs).
    about: the library and what it computes with.
    """

    run: Callable[[], object]
    peak: Callable[[], int]
    about: str


def environment() -> dict[str, str]:
    """The environment of a measured process: ours, and artkit is imported from this checkout."""
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def artkit_command(photo: Path, painting: Path, out: Path, **options: float) -> list[str | Path]:
    """`artkit stylize` of this checkout, at its defaults but for `options`."""
    flags = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    start: list[str | Path] = [sys.executable, "-m", "artkit.interfaces.cli", "stylize", photo, "--style", painting]
    return [*start, "-o", out, "--overwrite", "--quiet", *flags]


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it wrote nothing to stderr")


def timed(command: Sequence[str | Path]) -> Used:
    """Run `command` to its end; ProcessError when it fails."""
    with tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=errors, stderr=errors, env=environment())
        _, status, usage = os.wait4(process.pid, 0)  # this one child's peak; RUSAGE_CHILDREN is the largest of all
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise ProcessError(_last_line(errors.read()))
    return Used(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


class Worker:
    """A `worker.py`, warmed up; `run` takes one turn."""

    def __init__(self, **spec: Any) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        command = [sys.executable, str(HERE / "worker.py"), json.dumps(spec, default=str)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment()
        )
        hello = self._reply()
        self.warm_up: float = hello["warm_up"]
        self.about: str = hello["about"]

    def run(self, count: int) -> tuple[list[float], int]:
        """The seconds of each of `count` runs, and the peak of GPU memory so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        reply = self._reply()
        return reply["seconds"], reply["peak"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        raise ProcessError(_last_line(self._errors.read()))
