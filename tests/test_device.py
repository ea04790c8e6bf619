"""The machine: backends, fast BLAS, memory and cores, on machines that are made up and on this one."""

import ctypes
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from artkit import device, limits
from artkit.contract import DeviceError

linux = pytest.mark.skipif(sys.platform != "linux", reason="BLAS is only loaded on Linux; macOS has a fast one")


@pytest.fixture
def installed(monkeypatch):
    """Pretend that just these packages are installed."""

    def pretend(*packages: str) -> None:
        def version(name: str) -> str:
            if name not in packages:
                raise importlib.metadata.PackageNotFoundError(name)
            return "0.32.4"

        monkeypatch.setattr(importlib.metadata, "version", version)
        device.check_backends.cache_clear()

    yield pretend
    monkeypatch.undo()
    device.check_backends.cache_clear()


def fresh(code: str, **environment: str) -> dict:
    """What `code`, which sets `result`, finds in a new Python."""
    script = f"import json\n{code}\nprint(json.dumps(result))"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ARTKIT_BLAS", "OPENBLAS"))}
    done = subprocess.run([sys.executable, "-c", script], env=env | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def machine(root: Path, files: dict[str, str]) -> Path:
    """A file system with these files in /proc and /sys."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_one_backend_is_fine(installed):
    installed("mlx", "mlx-cpu")
    device.check_backends()
    assert device.installed_backends() == ["mlx-cpu"]


@pytest.mark.parametrize(("cuda", "extra"), [("mlx-cuda-12", "mlx[cuda12]"), ("mlx-cuda-13", "mlx[cuda13]")])
def test_two_backends_over_each_other_are_named_and_mended(installed, cuda, extra):
    installed("mlx", "mlx-cpu", cuda)
    with pytest.raises(DeviceError) as error:
        device.check_backends()
    message = str(error.value)
    assert f"pip uninstall -y mlx-cpu {cuda} && pip install '{extra}'" in message
    assert f"pip uninstall -y mlx-cpu {cuda} && pip install 'mlx[cpu]'" in message
    assert "\n" not in message


def test_mlx_that_does_not_load_is_one_line(installed, monkeypatch):
    installed("mlx")
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    with pytest.raises(DeviceError, match=r"MLX cannot be loaded \(.*\); pip install"):
        device.check_backends()


@linux
def test_a_fast_blas_is_in_use():
    pytest.importorskip("cv2", reason="OpenBLAS comes from OpenCV's wheel")
    code = "from artkit import device; result = [device.BLAS.name, device.BLAS.path, device.blas_in_use()]"
    name, path, text = fresh(code)
    assert name in ("OpenBLAS", "MKL")
    assert Path(path).is_file()
    assert text.startswith(f"{name} (from ")


@linux
def test_opencv_is_not_imported_for_its_blas():
    assert fresh("import sys, artkit.device; result = 'cv2' in sys.modules") is False


@linux
@pytest.mark.parametrize(
    ("before", "environment", "reason"),
    [
        ("", {"ARTKIT_BLAS": "none"}, "ARTKIT_BLAS=none"),
        ("import mlx.core", {}, "mlx.core was imported before artkit"),
    ],
)
def test_mlxs_own_blas_has_a_reason(before, environment, reason):
    code = f"{before}\nfrom artkit import device\nresult = [device.BLAS.name, device.BLAS.path, device.blas_in_use()]"
    name, path, text = fresh(code, **environment)
    assert (name, path) == ("MLX's own", "")
    assert reason in text


@linux
def test_the_environment_is_left_as_it_was():
    code = "import os; before = dict(os.environ); import artkit.device; result = before == dict(os.environ)"
    assert fresh(code) is True


@linux
@pytest.mark.parametrize(
    ("flags", "core"),
    [
        ("fpu avx2 fma avx512f avx512vl avx512bw avx512dq", "SkylakeX"),
        ("fpu avx2 fma avx512f", "Haswell"),
        ("fpu sse2", None),
    ],
)
def test_core_type_follows_the_flags(tmp_path, flags, core):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: Made Up\nflags\t\t: {flags}\n")
    assert device._core_type(cpuinfo) == core


def test_core_type_of_an_unknown_machine_is_left_alone(tmp_path):
    assert device._core_type(tmp_path / "absent") is None


@linux
def test_a_library_without_matrix_products_is_refused():
    assert not device._multiplies(ctypes.CDLL("libc.so.6"))


def test_memory_is_what_the_machine_has_left(tmp_path):
    root = machine(tmp_path, {"proc/meminfo": "MemTotal: 8000 kB\nMemAvailable:    4000 kB\n"})
    assert limits.available_memory(root) == 4000 * 1024


def test_memory_of_a_container_version_2(tmp_path):
    # The group itself has no limit; the one above it has, and files cached there count as free.
    root = machine(
        tmp_path,
        {
            "proc/meminfo": "MemAvailable: 4000 kB\n",
            "proc/self/cgroup": "0::/box/inner\n",
            "sys/fs/cgroup/box/inner/memory.max": "max\n",
            "sys/fs/cgroup/box/inner/memory.current": "100\n",
            "sys/fs/cgroup/box/memory.max": "1000000\n",
            "sys/fs/cgroup/box/memory.current": "400000\n",
            "sys/fs/cgroup/box/memory.stat": "anon 1\ninactive_file 50000\n",
        },
    )
    assert limits.available_memory(root) == 650_000


def test_memory_of_a_container_version_1(tmp_path):
    root = machine(
        tmp_path,
        {
            "proc/meminfo": "MemAvailable: 4000 kB\n",
            "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/box\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "2000000\n",
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "2500000\n",
            "sys/fs/cgroup/memory/box/memory.stat": "total_inactive_file 600000\n",
        },
    )
    assert limits.available_memory(root) == 100_000


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/cpu.max": "100000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "2:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "30000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
    ],
)
def test_cores_obey_the_containers_quota(tmp_path, files, count):
    assert limits.cores(machine(tmp_path, files)) == count


def test_cores_without_a_quota_are_the_machines(tmp_path):
    root = machine(tmp_path, {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/cpu.max": "max 100000\n"})
    assert limits.cores(root) == limits.cores(tmp_path / "no containers") >= 1


def test_the_budget_is_half_of_what_is_there_or_enough(monkeypatch):
    monkeypatch.setattr(device, "uses_gpu", lambda: False)
    for available, budget in ((3e9, 1.5e9), (10e9, 5e9), (64e9, 5e9)):
        monkeypatch.setattr(device, "available_memory", lambda available=available: int(available))
        assert device.memory_budget() == budget


def test_the_budget_on_this_machine():
    assert 0 < device.memory_budget() <= 5e9


def test_describe_can_be_written_as_json():
    facts = json.loads(json.dumps(device.describe()))
    assert facts["device"] == ("gpu" if device.uses_gpu() else "cpu")
    assert facts["compiles"] == device.uses_gpu() == device.compiles()
    assert facts["blas"] == device.blas_in_use()
    assert facts["cores"] >= 1
    assert 0 < facts["memory_budget"] < facts["memory_available"] * 100


def test_blas_speed_is_measured():
    assert 0.01 < device.blas_gflops(64) < 1e6


def test_cuda_kernels_are_kept_in_the_cache_and_launched_without_graphs(installed, monkeypatch):
    monkeypatch.setenv("MLX_USE_CUDA_GRAPHS", "1")
    installed("mlx", "mlx-cuda-13")
    monkeypatch.setenv("ARTKIT_CACHE_DIR", "/somewhere")
    monkeypatch.setenv("MLX_PTX_CACHE_DIR", "mine")
    device._set_up_cuda()
    assert os.environ["MLX_PTX_CACHE_DIR"] == "mine"
    monkeypatch.delenv("MLX_PTX_CACHE_DIR")
    device._set_up_cuda()
    assert os.environ["MLX_PTX_CACHE_DIR"] == str(Path("/somewhere/cuda-kernels"))
    assert os.environ["MLX_USE_CUDA_GRAPHS"] == "1"
    monkeypatch.delenv("MLX_USE_CUDA_GRAPHS")
    device._set_up_cuda()
    assert os.environ.pop("MLX_USE_CUDA_GRAPHS") == "0"
