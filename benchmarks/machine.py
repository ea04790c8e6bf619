"""What machine a table was measured on, in one line; nothing heavy is imported for it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path


def _output(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def processor() -> str:
    """The CPU's name and how many of its cores this process may use."""
    name = _output("sysctl", "-n", "machdep.cpu.brand_string") if platform.system() == "Darwin" else ""
    table = Path("/proc/cpuinfo")
    if table.is_file():
        lines = [line.partition(":")[2].strip() for line in table.read_text().splitlines() if "model name" in line]
        name = next(iter(lines), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name or platform.machine()}, {cores} cores"


def gpu() -> str:
    """The NVIDIA GPU's name; empty without one."""
    return next(iter(_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()), "")


def version(package: str) -> str:
    """The installed version; empty when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def describe() -> str:
    """GPU, CPU, system, Python, MLX and PyTorch."""
    versions = [f"{name} {version(package) or 'missing'}" for name, package in (("MLX", "mlx"), ("PyTorch", "torch"))]
    parts = [gpu(), processor(), f"{platform.system()} {platform.machine()}", f"Python {platform.python_version()}"]
    return "; ".join(part for part in [*parts, *versions] if part)
