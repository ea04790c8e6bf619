"""What all tests share: exact float32, a cache of their own, one tolerance table, the data beside the checkout."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

os.environ["MLX_ENABLE_TF32"] = "0"  # read once, when MLX starts: float32 products are float32 products on every device

import artkit.device  # noqa: F401  (fast BLAS first, before anything imports mlx.core or cv2)

import numpy as np
import pytest
from hypothesis import settings

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # what a shell starts in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run: a test fails where it was changed, not by chance. `--hypothesis-profile default` looks
# for new ones.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

SHARED = Path(__file__).parents[2] / "shared"

# Relative and absolute tolerance of one network pass or one reduction, per dtype; a test that needs more says why.
TOLERANCE: dict[str, dict[str, float]] = {
    "float64": {"rtol": 1e-9, "atol": 1e-11},
    "float32": {"rtol": 1e-4, "atol": 1e-5},
    "float16": {"rtol": 1e-2, "atol": 1e-3},
    "uint8": {"rtol": 0.0, "atol": 1.0},
}


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Empty cache and data folders in place of the person's own; subprocesses inherit them."""
    folder = tmp_path_factory.mktemp("artkit-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTKIT_CACHE_DIR", str(folder))
        patch.setenv("ARTKIT_DATA_DIR", str(tmp_path_factory.mktemp("artkit-data")))
        yield folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with weights, photos and paintings beside the checkout; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the pictures and weights of ../shared, which is not beside this checkout")
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20260101)
