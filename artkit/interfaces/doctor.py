"""`artkit doctor`: what this machine can do, what is installed, and what to mend."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from artkit._version import __version__
from artkit.contract import ArtkitError

# what it is for -> (its package, the line to type)
OPTIONAL = {
    "HEIC photos": ("pillow-heif", "pip install pillow-heif"),
    "ONNX": ("onnx", "pip install onnx"),
    "ONNX runtime": ("onnxruntime", "pip install onnxruntime"),
    "Core ML": ("coremltools", "pip install coremltools"),
    "PyTorch, to compare with": ("torch", "pip install torch"),
}
SLOW_GFLOPS = 10.0
LITTLE_MEMORY = 1_000_000_000


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object")
@click.option("--cameras", is_flag=True, help="Open the cameras to see which ones answer")
def doctor(as_json: bool, cameras: bool) -> None:
    """Show what this machine can do and what to mend; exit code 1 when something stops artkit from working."""
    report = examine(cameras)
    if as_json:
        click.echo(json.dumps(report))
    else:
        for line in told(report):
            click.echo(line)
    if report["problems"]:
        raise click.exceptions.Exit(1)


def examine(cameras: bool = False) -> dict[str, Any]:
    """All that doctor knows; "problems" stop artkit from working, "advice" would make it better."""
    report: dict[str, Any] = {
        "artkit": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "machine": {},
        "problems": [],
        "advice": [],
    }
    try:
        report["machine"] = _machine(report["advice"])
    except ArtkitError as error:
        report["problems"].append(str(error))
    report["weights"] = _weights(report["problems"])
    report["cameras"] = _opened_cameras() if cameras else _listed_cameras()
    report["optional"] = {what: _version(package) for what, (package, _) in OPTIONAL.items()}
    report["ffmpeg"] = shutil.which("ffmpeg")
    return report


def told(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines for people."""
    yield f"artkit {report['artkit']}, Python {report['python']}, {report['system']}"
    if machine := report["machine"]:
        yield f"MLX {machine['mlx']} on {machine['device'].upper()}: {machine['name']} ({machine['backend']})"
        yield f"BLAS: {machine['blas']}, {machine['gflops']:.0f} GFLOP/s on {machine['cores']} cores"
        free, budget = machine["memory_available"] / 1e9, machine["memory_budget"] / 1e9
        yield f"memory: {free:.1f} GB free, artkit takes up to {budget:.1f} GB of it (--max-memory says otherwise)"
    weights = report["weights"]
    yield f"weights: {', '.join(weights['installed']) or 'none'} (in {weights['folder']})"
    yield f"cameras: {', '.join(map(str, report['cameras'])) or 'none found'}"
    yield f"ffmpeg: {report['ffmpeg'] or 'not found; artkit brings its own (PyAV)'}"
    for what, version in report["optional"].items():
        yield f"{what}: {version or 'not installed; ' + OPTIONAL[what][1]}"
    for problem in report["problems"]:
        yield f"PROBLEM: {problem}"
    for advice in report["advice"]:
        yield f"advice: {advice}"
    if not report["problems"]:
        yield "all is well" if not report["advice"] else "artkit works"


def _machine(advice: list[str]) -> dict[str, Any]:
    from artkit import device

    facts = device.describe() | {"gflops": round(device.blas_gflops(), 1)}
    if facts["device"] == "cpu" and facts["gflops"] < SLOW_GFLOPS:
        advice.append(f"matrix products are slow here ({facts['blas']}); pip install --force-reinstall opencv-python")
    if facts["device"] == "cpu" and sys.platform == "linux" and shutil.which("nvidia-smi"):
        advice.append("for the NVIDIA GPU: pip uninstall -y mlx-cpu && pip install 'mlx[cuda13]'")
    if facts["memory_budget"] < LITTLE_MEMORY:
        advice.append("little memory is free; close other programs, or work at --size 384")
    return facts


def _weights(problems: list[str]) -> dict[str, Any]:
    from artkit import weights

    try:
        weights.path("compact")
    except ArtkitError as error:
        problems.append(str(error))
    return {"folder": str(weights.folder()), "installed": [info.name for info in weights.installed()]}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _listed_cameras() -> list[int]:
    """Camera numbers from the names of devices, without opening one; Linux only."""
    return sorted(int(path.name[5:]) for path in Path("/dev").glob("video*") if path.name[5:].isdigit())


def _opened_cameras(most: int = 5) -> list[int]:
    """Camera numbers that open."""
    from artkit import device  # noqa: F401  (its BLAS before OpenCV's)

    with _silence():
        import cv2

        found = []
        for index in range(most):
            camera = cv2.VideoCapture(index)
            if camera.isOpened():
                found.append(index)
            camera.release()
    return found


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what libraries in C write to stderr from the terminal: OpenCV warns for each camera that is not there."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
