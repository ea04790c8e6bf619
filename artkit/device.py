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
from artkit.limits import available_memory, cores

# MLX runs the operations of a stream on one thread: work dealt out to this many streams keeps the cores busy, with a
# BLAS that takes one thread a call. (Its own threads would leave all copies and sums between products to one core.)
CPU_STREAMS = min(cores(), 8)

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


def _core_type(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """OpenBLAS's name for this CPU, from its flags: left alone, old versions take new CPUs for a Prescott."""
    try:
        lines = cpuinfo.read_text().splitlines()
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
            right = _multiplies(library)  # MKL reads its environment only at the first call
    except OSError as error:
        raise _UnusableError(f"{path.name} does not load: {error}") from None
    if not right:
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
    for part in ("mkl_rt", "mkl_core", "mkl_intel_lp64", "mkl_sequential"):
        if not list(folder.glob(f"lib{part}.so*")):
            raise _UnusableError(f"MKL is not installed (no lib{part}.so in {folder})")
    blas = _load("MKL", max(folder.glob("libmkl_rt.so*")), MKL_INTERFACE_LAYER="LP64", MKL_THREADING_LAYER="SEQUENTIAL")
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
    """Speed of float32 matrix products on the CPU, one on each stream, in 10⁹ operations a second, best of five."""
    check_backends()
    import mlx.core as mx

    matrix = mx.random.normal((size, size), key=mx.random.key(0), stream=mx.cpu)
    mx.eval(matrix)
    streams = [mx.new_stream(mx.cpu) for _ in range(CPU_STREAMS)]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        mx.eval([mx.matmul(matrix, matrix, stream=stream) for stream in streams])
        seconds.append(time.perf_counter() - start)
    return len(streams) * 2 * size**3 / min(seconds) / 1e9


# --- memory -------------------------------------------------------------------------------------------------------


ENOUGH_MEMORY = 5_000_000_000  # larger tiles are hardly faster
BASE_MEMORY = 350e6  # Python, MLX, OpenCV and a network's weights


def memory_budget() -> int:
    """Bytes a picture may take by default: 5 GB, or half of what the GPU, or the machine and its container, can spare.

    `--max-memory` allows more, or less.
    """
    if uses_gpu():
        import mlx.core as mx

        info = mx.device_info()
        for key in ("free_memory", "max_recommended_working_set_size", "memory_size", "total_memory"):
            if isinstance(size := info.get(key), int) and size:
                return min(size // 2, ENOUGH_MEMORY)
    return min(available_memory() // 2, ENOUGH_MEMORY)


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
        "memory_available": available_memory(),
        "memory_budget": memory_budget(),
        "compiles": compiles(),
    }


def _set_up_cuda() -> None:
    """Have MLX keep its compiled CUDA kernels between runs, for building them anew takes tens of seconds; and have it
    launch them one by one: of convolutions it makes CUDA graphs that it cannot use twice, and building and destroying
    them took over a quarter of a pass through VGG-19 on an H200, and of a training's step.
    """
    if all(package == "mlx-cpu" for package in installed_backends()):
        return
    os.environ.setdefault("MLX_USE_CUDA_GRAPHS", "0")
    if "MLX_PTX_CACHE_DIR" not in os.environ:
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
_set_up_cuda()
