"""The installed command with the real optimizer, in processes of its own: paint, stop, go on, paint again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artkit.image import load

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "artkit.interfaces.cli"]
# A shell that starts tests in the background has them ignore Ctrl-C, and all that they start.
LISTEN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
LISTENING = [sys.executable, "-c", f"{LISTEN}; from artkit.interfaces.cli import main; main()"]
TINY = ["--size", "64", "--min-size", "64"]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small photo and a small style in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with Image.open(ROOT / "samples" / "chelsea.jpg") as photo:
        photo.resize((72, 48)).save("cat.png")
    with Image.open(ROOT / "samples" / "night.jpg") as style:
        style.resize((80, 80)).save("night.png")


def artkit(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=240)
    assert ended.returncode == code, ended.stderr
    return ended


def test_paint_and_paint_again() -> None:
    ended = artkit(
        "stylize", "cat.png", "--style", "night.png", *TINY, "--iterations", "4", "--seed", "3", "--json", "-q"
    )
    painted = json.loads(ended.stdout)
    assert (painted["output"], painted["width"], painted["height"]) == ("cat_night.png", 64, 43)
    assert set(painted["figures"]) >= {"size", "iteration", "loss", "style", "content", "tv"}
    assert ended.stderr == ""
    photo = load("cat.png").resized(64)
    assert np.abs(load("cat_night.png").pixels - photo.pixels).mean() > 0.01
    artkit("again", "cat_night.png", "-q")
    assert np.array_equal(load("cat_night_again.png").pixels, load("cat_night.png").pixels)


def test_a_run_that_is_stopped_goes_on_to_the_same_picture() -> None:
    call = ["stylize", "cat.png", "--style", "night.png", *TINY, "--iterations", "40", "--tolerance", "0"]
    artkit(*call, "-o", "whole.png")
    running = subprocess.Popen(
        [*LISTENING, *call, "-o", "out.png", "--preview", "now.png"], stderr=subprocess.PIPE, text=True
    )
    give_up = time.monotonic() + 120
    while not Path("now.png").exists():
        assert running.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < give_up
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "--resume" in said
    assert Path("out.png.resume").exists()
    assert load("out.png").size == (64, 43)
    artkit(*call, "-o", "out.png", "--resume")
    assert np.array_equal(load("out.png").pixels, load("whole.png").pixels)
    assert not Path("out.png.resume").exists()


def test_options_that_do_not_fit_together() -> None:
    ended = artkit("stylize", "cat.png", "--style", "night.png", *TINY, "--style-weight", "1,2", code=2)
    assert ended.stderr.startswith("artkit: 2 style weights for 1 style")
    ended = artkit("stylize", "cat.png", "--style", "night.png", *TINY, "--network", "vgg91", code=2)
    assert "vgg19" in ended.stderr
    ended = artkit("stylize", "cat.png", "--style", "night.png", *TINY, "--network", "vgg19", code=1)
    assert "artkit weights get vgg19" in ended.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["cat.png", "night.png"]


def test_a_picture_of_one_pixel() -> None:
    Image.new("RGB", (1, 1), (200, 0, 0)).save("dot.png")
    artkit("stylize", "dot.png", "--style", "night.png", *TINY, "--iterations", "2")
    assert load("dot_night.png").size == (64, 64)
    artkit("stylize", "cat.png", "--style", "dot.png", *TINY, "--iterations", "2")
    assert load("cat_dot.png").size == (64, 43)
