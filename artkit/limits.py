"""What the machine and the containers around this process leave it: main memory and CPU cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_NO_MEMORY = ("unable to allocate", "attempting to allocate", "out of memory", "outofmemory", "insufficient memory")


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _field(path: Path, name: str) -> int:
    """The number after `name` in a file of "name number" lines, 0 when there is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)


def _cgroups(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """The control groups that limit this process, innermost first, of version 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    base = root / "sys/fs/cgroup"
    for line in lines:
        number, controllers, inside = line.split(":", 2)
        if number == "0":
            top = base / "unified" if (base / "unified").is_dir() else base
        elif controller in controllers.split(","):
            top = base / controllers
        else:
            continue
        group = Path(inside.lstrip("/"))
        for part in (group, *group.parents):
            yield top / part


def out_of_memory(error: BaseException) -> bool:
    """Whether this is what Python, or MLX on a CPU, a Mac or an NVIDIA GPU, says when memory does not suffice."""
    if isinstance(error, MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _NO_MEMORY)


def available_memory(root: Path = Path("/")) -> int:
    """Bytes of main memory this process may still take: the machine's and every control group's, the least."""
    free = _field(root / "proc/meminfo", "MemAvailable:") * 1024
    if not free:  # not Linux: all of the machine's memory
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for group in _cgroups("memory", root):
        for limit_file, used_file, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, used = _number(group / limit_file), _number(group / used_file)
            if limit is not None and used is not None:
                # Cached files count as used although the kernel gives them up on demand.
                free = min(free, max(limit - used + _field(group / "memory.stat", cache), 0))
    return free


def cores(root: Path = Path("/")) -> int:
    """CPU cores this process may use: its affinity and its control group's quota, at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _cgroups("cpu", root):
        quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        try:
            first, second = (group / "cpu.max").read_text().split()
            quota, period = (int(first), int(second)) if first.isdigit() else (None, None)
        except (OSError, ValueError):
            pass
        if quota and period:
            count = min(count, max(1, round(quota / period)))
    return count
