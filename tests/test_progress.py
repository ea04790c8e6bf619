"""Progress: plain lines in a pipe, a bar on a terminal, nothing when quiet."""

import io
import sys

import mlx.core as mx
import pytest

from artkit.contract import Step
from artkit.interfaces import progress
from artkit.interfaces.progress import Bar, Lines, Pace, Progress, clock


def step(done: int, total: int = 100) -> Step:
    return Step(mx.zeros((1, 1, 1, 3)), done, total, {"size": 256.0, "loss": 0.12345})


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that is set by hand."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_pace_and_time_left(tick: list[float]) -> None:
    pace = Pace()
    pace.update(step(40))  # a resumed run: the work before does not count
    assert pace.left is None
    for done in (45, 50):
        tick[0] += 2
        pace.update(step(done))
    assert pace.rate == pytest.approx(0.5)  # two iterations in four seconds
    assert pace.left == pytest.approx(20)  # 50 units at 10 units in four seconds


def test_a_pipe_gets_a_line_every_ten_seconds(tick: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as shown:
        shown.start("cat.jpg")
        for done in range(1, 31):
            tick[0] += 1
            shown.step(step(done))
        shown.say("cat.png")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "cat.jpg: 10 %, 256 px, loss 0.1235, 1.0 it/s, 1:30 left"
    assert lines[-1] == "cat.png"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Bar() as shown:
        for name in ("[red]cat.jpg", "dog.jpg"):
            shown.start(name)
            for done in (50, 100):
                shown.step(step(done))
            shown.say(f"{name} done")
    captured = capsys.readouterr()
    assert captured.out == ""
    for text in ("[red]cat.jpg done", "dog.jpg", "100%", "256 px", "loss 0.1235"):
        assert text in captured.err


def test_which_progress_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert type(progress.progress(quiet=False)) is Lines
    with progress.progress(quiet=True) as shown:
        assert type(shown) is Progress
        shown.start("cat.jpg")
        shown.step(step(1))
        shown.say("news")
        shown.warn("an error")
    assert capsys.readouterr().err == "an error\n"
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(progress.progress(quiet=False)) is Bar


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 9.4, 75, 3700)] == ["0:00", "0:09", "1:15", "1:01:40"]
