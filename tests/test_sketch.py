"""Sketches of one's own: options from the signature, lines and pixels, mistakes with their line, watching."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import artkit.device

import mlx.core as mx
import numpy as np
import pytest

import artkit
from artkit.contract import WrongCall
from artkit.generate.canvas import Size
from artkit.generate.sketch import SketchError, load_sketch
from artkit.image import load
from artkit.interfaces.cli import main

RINGS = """
import artkit

@artkit.sketch
def rings(canvas, t, rng, count: int = 3, wobble: float = 0.5, mood: str = "calm"):
    '''Rings in rings.'''
    for i in range(count):
        canvas.color = i / count
        canvas.circle(0, 0, (i + 1 + 0.5 * t) / (count + 1))
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_the_signature_becomes_options(tmp_path: Path) -> None:
    sketch = load_sketch(write(tmp_path / "rings.py", RINGS))
    fields = sketch.options.model_fields
    assert list(fields)[-4:] == ["phase", "count", "wobble", "mood"]
    assert (fields["count"].annotation, fields["count"].default) == (int, 3)
    assert "canvas" not in fields
    assert sketch.piece.line == "Rings in rings"
    assert (sketch.piece.lines, sketch.piece.loops) == (True, True)
    with pytest.raises(WrongCall, match="count 'many'"):
        sketch.options.checked({"count": "many"})


def test_circles_are_circles(tmp_path: Path) -> None:
    sketch = load_sketch(write(tmp_path / "rings.py", RINGS))
    drawing = sketch.drawing(sketch.options.checked({"size": "300x200", "count": 1}))
    (stroke,) = drawing.strokes
    assert stroke.closed
    np.testing.assert_allclose(np.hypot(*(stroke.points - [150, 100]).T), 50, atol=1e-9)
    assert drawing.length == pytest.approx(2 * np.pi * 50, rel=0.01)


def test_a_function_of_all_pixels() -> None:
    @artkit.sketch
    def tilted(x: mx.array, y: mx.array, t: float, slope: float = 1.0) -> mx.array:
        return 0.5 + 0.5 * (slope * x + t)

    *_, last = tilted.piece.run(tilted.options.checked({"size": "40x20", "palette": "#000,#fff", "phase": 0.0}))
    got = np.array(last.image[0]).mean(axis=2)
    assert got.shape == (20, 40)
    assert (np.diff(got.mean(axis=0)) > -0.01).all()
    assert got[:, 0].max() < 0.02 < 0.98 < got[:, -1].min()
    assert tilted(np.float32(0.2), 0, 0) == pytest.approx(0.6)  # it can still be called


def test_seeds_reach_the_sketch() -> None:
    @artkit.sketch
    def dots(canvas: object, rng: np.random.Generator) -> None:
        for x, y in rng.uniform(-1, 1, (5, 2)):
            canvas.dot(x, y, 0.1)  # type: ignore[attr-defined]

    first, again, other = (
        dots.drawing(dots.options(size=Size(64, 64), seed=seed)).strokes[0].points for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import artkit\nx = (", r"s\.py, line 2: '\(' was never closed"),
        ("import artkit\nx = 1 / 0", r"s\.py, line 2: ZeroDivisionError: division by zero: x = 1 / 0"),
        ("import artkit", "no sketch in"),
        ("import artkit\n@artkit.sketch\ndef f(a=1): pass", "should take canvas"),
        ("import artkit\n@artkit.sketch\ndef f(canvas, a): pass", '"a" of the sketch f needs a default'),
        ("import artkit\n@artkit.sketch\ndef f(canvas, n: int = 'x'): pass", r"^s\.py: n 'x': input should be a"),
        ("import artkit\n@artkit.sketch\ndef f(canvas, _n=1): pass", '"_n" of the sketch f cannot be an option'),
        ("import artkit\n@artkit.sketch\ndef f(canvas, *more): pass", '"more" of the sketch f cannot be an option'),
        ("import artkit\n@artkit.sketch\ndef f(canvas, seed=1): pass", '"seed", which every piece has'),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises((SketchError, WrongCall), match=said) as caught:
        load_sketch(write(tmp_path / "s.py", text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def f(canvas):\n    canvas.circle(0, 0, radios)", "line 4: NameError: .* canvas.circle"),
        ("def f(canvas):\n    canvas.dot(0, float('nan'), 1)", "line 4: ValueError: .* finite numbers"),
        ("def f(x, y):\n    return 3", "should return an array like x"),
        ("def f(x, y):\n    return x[:2]", "should return an array like x"),
    ],
)
def test_mistakes_while_it_draws(tmp_path: Path, body: str, said: str) -> None:
    sketch = load_sketch(write(tmp_path / "s.py", f"import artkit\n@artkit.sketch\n{body}"))
    with pytest.raises(SketchError, match=said):
        list(sketch.piece.run(sketch.options.checked({"size": 32})))


@pytest.mark.parametrize("value", ["mx.sqrt(x)", "mx.stack([mx.log(x)] * 3, axis=-1)"])
def test_numbers_that_are_none(tmp_path: Path, value: str) -> None:
    text = f"import artkit\nimport mlx.core as mx\n@artkit.sketch\ndef f(x, y):\n    return {value}"
    sketch = load_sketch(write(tmp_path / "s.py", text))
    *_, last = sketch.piece.run(sketch.options.checked({"size": 32}))
    picture = np.array(last.image)
    assert np.isfinite(picture).all()
    assert np.ptp(picture[0, :, :16], axis=(0, 1)).max() < 0.02  # where x < 0; a gradient is dithered


def test_lines_from_far_away(tmp_path: Path) -> None:
    body = "def f(canvas):\n    canvas.segment(-1e30, 0, 1e30, 0)\n    canvas.circle(0, 0, 1e30)"
    sketch = load_sketch(write(tmp_path / "s.py", f"import artkit\n@artkit.sketch\n{body}"))
    *_, last = sketch.piece.run(sketch.options.checked({"size": 32}))
    rows = np.array(last.image)[0, :, :, 0]
    assert np.abs(rows[15:17] - rows[0]).min() > 0.001
    np.testing.assert_array_equal(np.ptp(rows, axis=1), 0)


@pytest.mark.parametrize("name", ["frames", "output", "bits", "watch"])
def test_an_argument_named_like_a_flag(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "s.py", f"import artkit\n@artkit.sketch\ndef f(canvas, {name}: int = 1): pass")
    assert run("sketch", path) == 1
    assert f'the argument "{name}" has the name of another flag' in capsys.readouterr().err


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rings.py", RINGS)
    assert run("sketch", "rings.py", "--size", 64, "--count", 5, "--seeds", "1,2", "--json", "-q") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["output"] for line in lines] == ["rings_1.png", "rings_2.png"]
    assert lines[0]["options"]["count"] == 5
    assert run("sketch", "rings.py", "--size", 64, "--frames", 3, "-o", "r.gif", "-q") == 0
    assert run("sketch", "rings.py", "-o", "r.svg", "-q") == 0
    assert run("sketch", "rings.py", "--help") == 0
    assert "--wobble" in capsys.readouterr().out
    assert run("sketch", "rings.py", "--wobbel", 3) == 2
    assert "--wobble" in capsys.readouterr().err


def test_no_code_runs_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rings.py", RINGS + "\nfrom pathlib import Path\nPath('ran').write_text('!')\n")
    assert run("sketch", "rings.py", "--size", 64, "-q") == 0
    Path("ran").unlink()
    assert run("again", "rings_0.png", "-q") == 2
    assert "--sketch FILE" in capsys.readouterr().err
    assert not Path("ran").exists()
    assert run("again", "rings_0.png", "--sketch", "rings.py", "-q") == 0
    np.testing.assert_array_equal(load("rings_0_again.png").pixels, load("rings_0.png").pixels)


def test_it_watches(tmp_path: Path) -> None:
    path = write(tmp_path / "s.py", RINGS.replace("canvas.circle", "canvas.cirkle"))
    command = [sys.executable, "-m", "artkit.interfaces.cli", "sketch", "s.py", "--watch", "--size", "32"]
    environment = os.environ | {"PYTHONPATH": str(Path(artkit.__file__).parents[1])}
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            assert "line 9: AttributeError" in process.stderr.readline()
            assert process.stderr.readline().startswith("watching s.py")
            time.sleep(0.1)
            write(path, RINGS)
            assert process.stderr.readline().startswith("rings_0.png")
            assert process.stderr.readline().startswith("watching")
            assert load(tmp_path / "rings_0.png").size == (32, 32)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
