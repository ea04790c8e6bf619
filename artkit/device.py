"""The machine: a fast BLAS for CPU-only Linux, memory to spare, and which MLX backend runs.

Import this before `mlx.core`. On Linux without a GPU MLX comes with a reference BLAS (about 5 GFLOP/s on two cores).
The first import of this module loads a fast one into the process, so that MLX finds its symbols first:
MKL where `pip install mkl` put it, else the OpenBLAS inside OpenCV's wheel (150 GFLOP/s on the same cores).
Environment: ARTKIT_BLAS=none|openblas|mkl chooses; OPENBLAS_CORETYPE, if set, is left alone.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artkit.contract import DeviceError

BACKENDS = {"mlx-cpu": "mlx[cpu]", "mlx-cuda-12": "mlx[cuda12]", "mlx-cuda-13": "mlx[cuda13]"}


@dataclass(frozen=True)
class Blas:
    """The matrix library MLX's CPU backend uses: its name, the file loaded ("" if none), and why this one."""

    name: str
    path: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name


class _UnusableError(Exception):
    """A BLAS that cannot be used; the text says why."""


# --- which MLX is installed ---------------------------------------------------------------------------------------


def installed_backends() -> list[str]:
    """The MLX backend packages installed for Linux, of mlx-cpu, mlx-cuda-12 and mlx-cuda-13."""
    found = []
    for package in BACKENDS:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(package)
    return found


@functools.cache
def check_backends() -> None:
    """DeviceError when two MLX backends lie over each other, or when MLX cannot be loaded at all.

    All of them own the file mlx/lib/libmlx.so; whichever pip wrote last wins, without a word.
    """
    found = installed_backends()
    if len(found) > 1:
        wanted = next(package for package in reversed(found) if package != "mlx-cpu")
        raise DeviceError(
            f"two MLX backends are installed over each other ({', '.join(found)}); for the NVIDIA GPU: "
            f"pip uninstall -y {' '.join(found)} && pip install '{BACKENDS[wanted]}'; for the CPU alone: "
            f"pip uninstall -y {' '.join(found)} && pip install 'mlx[cpu]'"
        )
    try:
        import mlx.core  # noqa: F401
    except ImportError as error:
        reason = str(error).splitlines()[0] if str(error) else "unknown reason"
        package = "mlx" if sys.platform == "darwin" else "mlx[cpu]"
        raise DeviceError(f"MLX cannot be loaded ({reason}); pip install --force-reinstall '{package}'") from error


def uses_gpu() -> bool:
    """Whether MLX computes on a GPU (Metal or CUDA) by default."""
    check_backends()
    import mlx.core as mx

    return mx.default_device().type == mx.DeviceType.gpu


def compiles() -> bool:
    """Whether `mx.compile` pays: on Metal and CUDA; on the CPU it needs g++ at run time and gains nothing."""
    return uses_gpu()


# --- fast BLAS ----------------------------------------------------------------------------------------------------


def _core_type() -> str | None:
    """OpenBLAS's name for this CPU, from its flags: left alone, old versions take new CPUs for a Prescott."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    flags = set(next((line for line in lines if line.startswith("flags")), "").split())
    if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags:
        return "SkylakeX"
    return "Haswell" if {"avx2", "fma"} <= flags else None


@contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    """These variables, where not set already, for the time a library reads them."""
    missing = {name: value for name, value in values.items() if value is not None and name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


def _multiplies(library: ctypes.CDLL) -> bool:
    """Whether the library's cblas_sgemm multiplies a 2x2 matrix rightly (wrong with 64-bit integers, for one)."""
    matrix = ctypes.c_float * 4
    a, b, c = matrix(1, 2, 3, 4), matrix(5, 6, 7, 8), matrix()
    row_major, plain, one, zero = 101, 111, ctypes.c_float(1), ctypes.c_float(0)
    try:
        library.cblas_sgemm(row_major, plain, plain, 2, 2, 2, one, a, 2, b, 2, zero, c, 2)
    except AttributeError:
        return False
    return list(c) == [19, 22, 43, 50]


def _load(name: str, path: Path, **environment: str | None) -> Blas:
    try:
        with _environment(**environment):
            # RTLD_GLOBAL: MLX, loaded later, then takes these symbols instead of its own library's.
            library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise _UnusableError(f"{path.name} does not load: {error}") from None
    if not _multiplies(library):
        raise _UnusableError(f"{path.name} multiplies wrongly")
    return Blas(name, str(path))


def _openblas() -> Blas:
    """The OpenBLAS in OpenCV's wheel; NumPy's own cannot serve, its integers have 64 bits."""
    spec = importlib.util.find_spec("cv2")
    if spec is None or spec.origin is None:
        raise _UnusableError("OpenCV, whose wheel holds OpenBLAS, is not installed")
    found = sorted(Path(spec.origin).parent.parent.glob("opencv_*.libs/libopenblas*.so*"))
    if not found:
        raise _UnusableError("this OpenCV comes without OpenBLAS")
    blas = _load("OpenBLAS", found[0], OPENBLAS_CORETYPE=_core_type(), OPENBLAS_NUM_THREADS="1")
    late = "its core type was chosen when cv2 was imported; import artkit first" if "cv2" in sys.modules else ""
    return Blas(blas.name, blas.path, late or "from OpenCV")


def _mkl() -> Blas:
    """MKL from `pip install mkl`. Its parts are looked for first: it ends the process when one is missing."""
    folder = Path(sys.prefix) / "lib"
    for part in ("mkl_rt", "mkl_core", "mkl_intel_lp64", "mkl_intel_thread", "iomp5"):
        if not list(folder.glob(f"lib{part}.so*")):
            raise _UnusableError(f"MKL is not installed (no lib{part}.so in {folder})")
    blas = _load("MKL", max(folder.glob("libmkl_rt.so*")), MKL_INTERFACE_LAYER="LP64", MKL_THREADING_LAYER="INTEL")
    return Blas(blas.name, blas.path, "from pip")


def _preload() -> Blas:
    """Load the BLAS that ARTKIT_BLAS names, or the first that works; MLX's own, with the reason, when none does."""
    own = "MLX's own"
    if sys.platform != "linux":
        return Blas("Accelerate" if sys.platform == "darwin" else own)
    if any(package != "mlx-cpu" for package in installed_backends()):
        return Blas(own, reason="MLX runs on the GPU")
    wish = os.environ.get("ARTKIT_BLAS", "")
    if wish == "none":
        return Blas(own, reason="ARTKIT_BLAS=none")
    if "mlx.core" in sys.modules:
        return Blas(own, reason="slow: mlx.core was imported before artkit; import artkit first")
    loaders = {"mkl": _mkl, "openblas": _openblas}
    reasons = [] if wish in ("", *loaders) else [f'ARTKIT_BLAS="{wish}" is not one of none, openblas, mkl']
    for loader in [loaders[wish]] if wish in loaders else loaders.values():
        try:
            return loader()
        except _UnusableError as reason:
            reasons.append(str(reason))
    return Blas(own, reason="slow: " + "; ".join(reasons))


def blas_in_use() -> str:
    """The BLAS of MLX's CPU backend and why, for people: "OpenBLAS (from OpenCV)"."""
    return str(BLAS)


def blas_gflops(size: int = 1024) -> float:
    """Speed of a float32 matrix product on the CPU, 10⁹ operations a second, best of five."""
    check_backends()
    import mlx.core as mx

    with mx.stream(mx.cpu):
        a = mx.random.normal((size, size), key=mx.random.key(0))
        seconds = []
        for _ in range(5):
            mx.eval(a)
            start = time.perf_counter()
            mx.eval(a @ a)
            seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


# --- memory and cores ---------------------------------------------------------------------------------------------


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


def _available(root: Path = Path("/")) -> int:
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


def memory_budget() -> int:
    """Bytes a picture may take by default: half of what the GPU, or the machine and its container, can spare."""
    if uses_gpu():
        import mlx.core as mx

        info = mx.device_info()
        for key in ("free_memory", "max_recommended_working_set_size", "memory_size", "total_memory"):
            if isinstance(size := info.get(key), int) and size:
                return size // 2
    return _available() // 2


def describe() -> dict[str, Any]:
    """What `artkit doctor` shows: versions, device, BLAS, cores, and memory in bytes."""
    check_backends()
    import mlx.core as mx

    return {
        "mlx": importlib.metadata.version("mlx"),
        "device": "gpu" if uses_gpu() else "cpu",
        "name": mx.device_info().get("device_name", "unknown"),
        "backend": next(iter(installed_backends()), "metal" if sys.platform == "darwin" else "unknown"),
        "blas": blas_in_use(),
        "cores": cores(),
        "memory_available": _available(),
        "memory_budget": memory_budget(),
        "compiles": compiles(),
    }


def _keep_cuda_kernels() -> None:
    """Let MLX keep its compiled CUDA kernels between runs: building them anew takes tens of seconds."""
    if any(package != "mlx-cpu" for package in installed_backends()) and "MLX_PTX_CACHE_DIR" not in os.environ:
        from platformdirs import user_cache_dir

        folder = os.environ.get("ARTKIT_CACHE_DIR") or user_cache_dir("artkit", appauthor=False)
        os.environ["MLX_PTX_CACHE_DIR"] = str(Path(folder) / "cuda-kernels")


def _keep_freed_memory() -> None:
    """Have glibc reuse freed memory rather than hand it back: feature maps are large and come and go all the time.

    From 32 MB up, each new array would otherwise be mapped anew and every page of it zeroed by the kernel, which
    takes four times as long as, for one, the ReLU that fills it. Up to 2 GB stay with the process between uses.
    """
    if sys.platform != "linux" or any(package != "mlx-cpu" for package in installed_backends()):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc has it; other C libraries manage without
        trim_threshold, mmap_max, arena_max = -1, -4, -8
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(mmap_max, 0)
        mallopt(arena_max, 1)  # arenas of other threads cannot hold more than 64 MB


BLAS: Blas = _preload()
_keep_freed_memory()
_keep_cuda_kernels()
