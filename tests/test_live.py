"""Live pictures: smoothing, the size that keeps a frame rate, threads, sources, the command and its keys."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from artkit.contract import DeviceError, PictureError, UnknownStyle, WrongCall
from artkit.image import Picture, load, save
from artkit.interfaces.cli import main
from artkit.interfaces.live import window as live_window
from artkit.interfaces.live.keys import Keyboard
from artkit.interfaces.live.overlay import chip, table
from artkit.interfaces.live.session import Session
from artkit.interfaces.live.sinks import Recorder, VirtualCamera
from artkit.live import restyler as restyling
from artkit.live import sources
from artkit.live.figures import Meter
from artkit.live.options import LiveOptions
from artkit.live.pace import SIZES, Pace
from artkit.live.pipeline import Pipeline
from artkit.live.restyler import Restyler
from artkit.live.smoothing import Eye, Hand
from artkit.live.sources import Source, open_source
from artkit.stylize.feedforward import restyle
from artkit.stylize.options import RestyleOptions
from artkit.video.media import Writer, read_frames
from tests.style_files import make_gallery

LIVE = [sys.executable, "-m", "artkit.interfaces.cli", "live"]
SAMPLES = Path(__file__).parents[1] / "samples"


def photo(width: int, height: int) -> np.ndarray:
    pixels = np.array(load(SAMPLES / "astronaut.jpg").to_pil())
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def noisy(frame: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """As a camera sees it in a room."""
    return np.clip(frame + rng.normal(0, deviation, frame.shape) + 0.5, 0, 255).astype(np.uint8)


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Styles "one" and "two" of one untrained network, and "other" of another."""
    make_gallery(tmp_path / "data" / "styles", "one", "two")
    other = tmp_path / "other"
    make_gallery(other, "other", seed=1)
    styles = tmp_path / "data" / "styles"
    toml = (other / "other" / "style.toml").read_text().replace("../networks/light", "own")
    (styles / "other").mkdir()
    (styles / "other" / "style.toml").write_text(toml)
    (other / "networks" / "light.safetensors").rename(styles / "other" / "own.safetensors")
    monkeypatch.setenv("ARTKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clip(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A video of 12 frames, 96 × 54, 24 a second."""
    path, still = tmp_path / "clip.mp4", photo(120, 54)
    with Writer(path, 24) as writer:
        for step in range(12):
            writer.write(np.ascontiguousarray(still[:, 2 * step : 2 * step + 96]))
    return path


# --- smoothing ----------------------------------------------------------------------------------------------------


def flicker(pictures: list[np.ndarray]) -> float:
    """Mean change from one picture to the next, of 255."""
    return float(np.mean([np.abs(a.astype(float) - b).mean() for a, b in itertools.pairwise(pictures)]))


@pytest.mark.parametrize("deviation", [1.5, 5.0])
def test_a_still_camera_flickers_at_most_half_as_much(rng: np.random.Generator, deviation: float) -> None:
    """With the shipped light network, after the first moments."""
    still = photo(192, 108)
    frames = [noisy(still, deviation, rng) for _ in range(12)]
    drawn = {}
    for smoothing in (0.0, 0.75):
        restyler = Restyler(["starry"], LiveOptions(size=192, plan="light", smoothing=smoothing))
        drawn[smoothing] = [restyler(frame) for frame in frames][4:]
    assert flicker(drawn[0.0]) > 0.3
    assert flicker(drawn[0.75]) <= 0.5 * flicker(drawn[0.0])
    # and it is not bought with blur
    sharp = {key: np.mean([cv2.Laplacian(p, cv2.CV_64F).std() for p in kept]) for key, kept in drawn.items()}
    assert sharp[0.75] > 0.85 * sharp[0.0]


@pytest.mark.parametrize("contrast", [25, 160])
def test_what_moves_leaves_no_trail(rng: np.random.Generator, contrast: int) -> None:
    """A square crosses a still room: where it has been, the smoothed picture is the unsmoothed one at once."""
    room, eye, hand = photo(160, 90) // 2 + 20, Eye(), Hand()
    for step in range(16):
        frame = room.astype(int)
        frame[30:60, 5 + 7 * step : 35 + 7 * step] += contrast
        seen = noisy(np.clip(frame, 0, 255), 1.5, rng)
        drawn = 255 - seen  # a network that answers at once
        smooth = hand.blend(drawn, eye.look(seen, 0.75))
        if step > 2:
            passed = smooth[32:58, max(0, 7 * step - 25) : 7 * step + 3].astype(float)
            wanted = drawn[32:58, max(0, 7 * step - 25) : 7 * step + 3].astype(float)
            assert np.abs(passed.mean(axis=(0, 2)) - wanted.mean(axis=(0, 2))).max() < 0.05 * contrast + 1


def test_a_moving_camera_does_not_smear() -> None:
    """A pan: the smoothed picture is where the unsmoothed one is, and nearly as sharp."""
    wide, eye, hand = photo(400, 120), Eye(), Hand()
    seen = smooth = wide
    for step in range(12):
        seen = np.ascontiguousarray(wide[:, 4 * step : 4 * step + 200])
        smooth = hand.blend(seen, eye.look(seen, 0.75))
    inside = np.s_[8:-8, 8:-8]
    assert np.abs(smooth[inside].astype(float) - seen[inside]).mean() < 3
    assert cv2.Laplacian(smooth[inside], cv2.CV_64F).std() > 0.8 * cv2.Laplacian(seen[inside], cv2.CV_64F).std()


def test_another_scene_begins_anew() -> None:
    eye, hand = Eye(), Hand()
    dark, light = np.full((40, 60, 3), 20, np.uint8), np.full((40, 60, 3), 200, np.uint8)
    hand.blend(dark, eye.look(dark, 0.9))
    np.testing.assert_array_equal(hand.blend(light, eye.look(light, 0.9)), light)
    np.testing.assert_array_equal(hand.blend(light[:30], eye.look(light[:30], 0.9)), light[:30])  # another size


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (10, 192), (16, 240), (31, 160), (300, 7)])
def test_narrow_frames_are_smoothed_too(shape: tuple[int, int], rng: np.random.Generator) -> None:
    """OpenCV's optical flow ends the process for some of these sizes."""
    eye, hand = Eye(), Hand()
    for _ in range(4):
        frame = rng.integers(0, 255, (*shape, 3), np.uint8)
        assert hand.blend(frame, eye.look(frame, 0.75)).shape == frame.shape


# --- the size that keeps the frame rate ---------------------------------------------------------------------------


def settle(pace: Pace, cost: Callable[[int], float], frames: int, fps: float = 20, most: int = 1920) -> list[int]:
    used = []
    for _ in range(frames):
        size = pace.size(most)
        used.append(size)
        pace.took(cost(size), fps, most)
    return used


def test_the_size_is_the_largest_that_keeps_the_rate() -> None:
    pace = Pace()
    quick = settle(pace, lambda size: 0.004 + 1.2e-7 * size**2, 200)  # 0.05 s at 619
    assert quick[-1] == 544
    assert len(set(quick[100:])) == 1  # and stays there
    slow = settle(pace, lambda size: 0.004 + 1.2e-6 * size**2, 60)  # the machine is busy: 0.05 s at 195
    assert slow[-1] == 192
    again = settle(pace, lambda size: 0.004 + 1.2e-7 * size**2, 2000)
    assert again[-1] == 544


def test_the_size_stays_within_what_there_is() -> None:
    assert set(settle(Pace(), lambda size: 0.001, 200, most=300)) == {300}
    assert settle(Pace(), lambda size: 0.001, 200, most=640)[-1] == 640
    assert settle(Pace(), lambda size: 9.0, 50)[-1] == SIZES[0]
    fixed = Pace(fixed=500)
    assert set(settle(fixed, lambda size: 9.0, 50)) == {500}
    assert fixed.late


# --- the restyler -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("gallery")
class TestRestyler:
    def test_it_draws_what_stylize_draws(self) -> None:
        frame = photo(64, 48)
        live = Restyler(["one", "two"], LiveOptions(size=64, smoothing=0, strength=0.5, style_weight=(1, 2)))(frame)
        options = RestyleOptions(size=64, strength=0.5, style_weight=(1, 2))
        wanted = restyle(Picture(frame / np.float32(255)), ["one", "two"], options)
        np.testing.assert_allclose(live, np.array(wanted.to_pil()), atol=1)

    def test_strokes_above_1_take_one_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[Any] = []
        kept = restyling.draw
        monkeypatch.setattr(restyling, "draw", lambda *args: calls.append(args) or kept(*args))
        Restyler(["one"], LiveOptions(size=64, stroke=2.0))(photo(64, 48))
        assert len(calls) == 1

    def test_strength_0_is_the_frame(self) -> None:
        frame = photo(700, 60)
        np.testing.assert_array_equal(Restyler(["one"], LiveOptions(strength=0))(frame), frame)
        mirrored = Restyler(["one"], LiveOptions(strength=0, mirror=True))(frame)
        np.testing.assert_array_equal(mirrored, frame[:, ::-1])

    def test_the_same_frame_gives_the_same_picture(self) -> None:
        restyler = Restyler(["one"], LiveOptions(size=64, smoothing=0, texture=1))
        first, second = (restyler(photo(64, 48)) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_frames_may_be_seen_ahead_and_finished_later(self) -> None:
        """The same pictures as when each is seen, painted and finished before the next."""
        frames = [np.ascontiguousarray(photo(120, 60)[:, step : step + 96]) for step in range(6)]
        options = LiveOptions(size=64, texture=1, mirror=True)
        one, two = Restyler(["one"], options), Restyler(["one"], options).ready()
        drawings = [two.paint(sight) for sight in [two.see(frame) for frame in frames]]
        for frame, drawing in zip(frames, drawings, strict=True):
            np.testing.assert_array_equal(two.finish(drawing), one.draw(frame))

    def test_feedback_begins_with_the_picture_that_was_not_finished_yet(self, rng: np.random.Generator) -> None:
        """With strength 0, which shows what is mixed in."""
        one, two = Restyler(["one"], LiveOptions(size=96)), Restyler(["one"], LiveOptions(size=96)).ready()
        wanted, drawings = [], []
        for number, frame in enumerate(noisy(photo(96, 60), 5, rng) for _ in range(8)):
            if number in (3, 5):
                feedback, strength = (0.9, 0.0) if number == 3 else (0.0, 1.0)
                one.change(feedback=feedback, strength=strength)
                two.change(feedback=feedback, strength=strength)
            wanted.append(one.draw(frame))
            drawings.append(two.paint(two.see(frame)))
        for drawing, picture in zip(drawings, wanted, strict=True):
            np.testing.assert_array_equal(two.finish(drawing), picture)

    def test_after_a_rest_nothing_old_comes_back(self) -> None:
        """What was drawn before strength 0 is not mixed in after it, although the camera never stopped."""
        restyler, frame = Restyler(["one"], LiveOptions(size=64, texture=0)).ready(), photo(96, 54)

        def picture() -> np.ndarray:
            return restyler.finish(restyler.paint(restyler.see(frame)))

        first = picture()
        restyler.change(strength=0)
        np.testing.assert_array_equal(picture(), frame)
        restyler.change(["two"], strength=1)
        alone = Restyler(["two"], LiveOptions(size=64, texture=0, strength=1))(frame)
        again = picture()
        assert np.abs(first.astype(int) - again).max() > 2
        np.testing.assert_array_equal(cv2.resize(again, (96, 54), interpolation=cv2.INTER_CUBIC), alone)

    def test_frames_keep_their_size(self) -> None:
        restyler = Restyler(["one"], LiveOptions(size=48))
        assert restyler.draw(photo(96, 54)).shape == (27, 48, 3)
        assert restyler(photo(96, 54)).shape == (54, 96, 3)

    def test_what_cannot_be_drawn_leaves_the_look_as_it_was(self) -> None:
        restyler = Restyler(["one"], LiveOptions(size=48, smoothing=0))
        before = restyler(photo(48, 27))
        restyler.change(["one", "other"])
        np.testing.assert_array_equal(restyler(photo(48, 27)), before)
        assert "different networks" in restyler.refused
        assert restyler.wanted.styles == ("one",)
        restyler.change(["two"])
        assert np.abs(restyler(photo(48, 27)).astype(int) - before).max() > 2
        assert not restyler.refused
        with pytest.raises(WrongCall, match="strength"):
            restyler.change(strength=2)
        with pytest.raises(UnknownStyle, match='did you mean "one"'):
            Restyler(["onne"])(photo(48, 27))

    def test_feedback_mixes_the_last_picture_in_larger(self) -> None:
        """With strength 0 it is only the camera and the picture before: a bright dot moves outwards."""
        restyler = Restyler(["one"], LiveOptions(strength=0, feedback=0.9, zoom=1.25, rotate=0, size=101))
        frame = np.zeros((101, 101, 3), np.uint8)
        frame[46:55, 66:75] = 255  # 20 pixels to the right of the middle
        restyler(frame)
        column = restyler(np.zeros_like(frame))[50, :, 0].astype(float)
        assert np.average(np.arange(101), weights=column) == pytest.approx(75, abs=1)
        assert column.max() == pytest.approx(0.9 * 255, abs=3)

    def test_time_shared_counts_against_each(self) -> None:
        """A clock on which a frame takes 0.06 s at any size: two who share it draw smaller for 10 frames a second."""
        ticks = iter(np.arange(0, 1e4, 0.06))
        sizes = {}
        for sharers in (1, 2):
            restyler = Restyler(
                ["one"], LiveOptions(fps=10), sharers=lambda n=sharers: n, clock=lambda: float(next(ticks))
            )
            for _ in range(14):
                restyler.draw(photo(400, 20))
            sizes[sharers] = restyler.size(400)
        assert sizes[1] >= 320 > sizes[2]

    @pytest.mark.parametrize(("finishing", "kept"), [(0.08, True), (0.12, False)])
    def test_of_three_threads_the_slowest_counts(
        self, finishing: float, kept: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """10 frames a second, 0.08 s to paint one at any size: too long only together with what comes after it."""
        now = 0.0

        def takes(seconds: float, work: Callable[..., Any]) -> Callable[..., Any]:
            def timed(*args: Any) -> Any:
                nonlocal now
                now += seconds
                return work(*args)

            return timed

        monkeypatch.setattr(restyling, "draw", takes(0.08, restyling.draw))
        monkeypatch.setattr(Hand, "blend", takes(finishing, Hand.blend))
        alone, staged = (Restyler(["one"], LiveOptions(fps=10), clock=lambda: now).ready() for _ in range(2))
        for _ in range(14):
            alone.draw(photo(400, 20))
            staged.finish(staged.paint(staged.see(photo(400, 20))))
        assert alone.size(400) < 320
        assert (staged.size(400) == 320) == kept


# --- threads ------------------------------------------------------------------------------------------------------


def numbered(count: int, seconds: float = 0.0) -> Iterator[np.ndarray]:
    for n in range(count):
        time.sleep(seconds)
        yield np.full((2, 2, 3), n, np.uint8)


def test_late_frames_are_dropped_and_none_is_more_than_one_behind() -> None:
    """While a frame is drawn seven more come; the next one drawn is the newest that has come, or the one before it."""
    given, newest = -1, [0]
    drawn: list[int] = []

    def camera() -> Iterator[np.ndarray]:
        nonlocal given
        for frame in numbered(100, 0.001):
            given = int(frame[0, 0, 0])
            yield frame

    def draw(frame: np.ndarray) -> np.ndarray:
        drawn.append(int(frame[0, 0, 0]))
        until = time.monotonic() + 5
        while given < min(99, drawn[-1] + 7) and time.monotonic() < until:
            time.sleep(0.001)
        newest.append(given)
        return frame

    with Pipeline(Source(0, True, camera()), lambda: draw) as pipeline:
        shown = [each.number for each in pipeline.pictures() if each]
    assert all(number >= seen - 1 for number, seen in zip(drawn, newest, strict=False))
    assert set(shown) <= set(drawn)
    assert shown == sorted(set(shown))
    assert len(drawn) <= 100 // 6
    assert len(shown) + pipeline.dropped == 100
    assert pipeline.meter.frames == len(shown)


def test_every_frame_of_a_file_is_drawn_on_one_thread() -> None:
    threads = set()

    def draw(frame: np.ndarray) -> np.ndarray:
        threads.add(threading.get_ident())
        return frame

    with Pipeline(Source(1, False, numbered(30)), lambda: draw, every=True, paced=False) as pipeline:
        shown = [int(drawn.picture[0, 0, 0]) for drawn in pipeline.pictures() if drawn]
    assert shown == list(range(30))
    assert pipeline.dropped == 0
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("slow", ["see", "draw", "finish"])
def test_frames_are_seen_and_finished_while_others_are_drawn(live: bool, slow: str) -> None:
    """Three threads, in order; of what has been seen nothing is left out, and no more than four frames are ahead."""
    threads: dict[str, set[int]] = {"see": set(), "draw": set(), "finish": set()}
    begun: dict[str, list[int]] = {"see": [], "draw": [], "finish": []}
    ahead = []

    def work(name: str, item: int) -> int:
        threads[name].add(threading.get_ident())
        begun[name].append(item)
        time.sleep(0.004 if name == slow else 0)
        return item

    def finish(item: int) -> np.ndarray:
        ahead.append(len(begun["see"]) - len(begun["finish"]) - 1)
        return np.full((1, 1, 3), work("finish", item), np.uint8)

    with Pipeline(
        Source(0, live, numbered(40, 0.0005)),
        lambda: lambda sight: work("draw", sight),
        see=lambda frame: work("see", int(frame[0, 0, 0])),
        finish=finish,
        every=not live,
        paced=False,
    ) as pipeline:
        shown = [(drawn.number, int(drawn.picture[0, 0, 0])) for drawn in pipeline.pictures() if drawn]
    assert all(number == value for number, value in shown)
    assert begun["see"] == begun["draw"] == begun["finish"] == sorted(set(begun["see"]))
    assert {number for number, _ in shown} <= set(begun["finish"])
    assert [number for number, _ in shown] == sorted({number for number, _ in shown})
    assert len(shown) + pipeline.dropped == 40
    assert live or begun["see"] == list(range(40))
    assert max(ahead) <= 4
    assert [len(each) for each in threads.values()] == [1, 1, 1]
    assert len(set.union(*threads.values())) == 3


@pytest.mark.parametrize("stage", ["see", "finish"])
def test_what_goes_wrong_before_and_after_drawing_is_told(stage: str) -> None:
    def fails(_: np.ndarray) -> np.ndarray:
        raise WrongCall("cannot be done")

    before, source = threading.active_count(), Source(0, True, numbered(10**6))
    see, finish = (fails if stage == name else None for name in ("see", "finish"))
    with (
        Pipeline(source, lambda: lambda sight: sight, see=see, finish=finish) as pipeline,
        pytest.raises(WrongCall, match="cannot be done"),
    ):
        list(pipeline.pictures())
    assert threading.active_count() == before


@pytest.mark.usefixtures("gallery")
def test_three_threads_draw_the_pictures_that_one_does(rng: np.random.Generator) -> None:
    """A look changes when all frames before it are shown; then, and while the frames' size changes, they overlap."""
    looks: dict[int, dict[str, Any]] = {
        5: {"feedback": 0.7},
        9: {"feedback": 0.0},
        13: {"strength": 0.0},
        17: {"strength": 0.9},
        20: {"styles": ["two"], "smoothing": 0.9},
        32: {"strength": 0.0, "feedback": 0.5, "mirror": True},
        35: {"strength": 1.0, "feedback": 0.0},
    }
    wide = photo(200, 60)
    views = [wide[: 60 if step < 26 else 48, step : step + 96] for step in range(40)]
    frames = [noisy(view, 2, rng) for view in views]
    options = LiveOptions(size=64, texture=0.5)
    one, three = Restyler(["one"], options), Restyler(["one"], options)
    wanted = []
    for number, frame in enumerate(frames):
        if number in looks:
            one.change(**looks[number])
        wanted.append(one.draw(frame))

    shown: list[np.ndarray] = []

    def camera() -> Iterator[np.ndarray]:
        for number, frame in enumerate(frames):
            if number in looks:
                until = time.monotonic() + 30
                while len(shown) < number and time.monotonic() < until:
                    time.sleep(0.001)
                three.change(**looks[number])
            yield frame

    source = Source(0, False, camera())
    with Pipeline(
        source, lambda: three.ready().paint, see=three.see, finish=three.finish, every=True, paced=False
    ) as pipeline:
        for drawn in pipeline.pictures():
            assert drawn is not None
            shown.append(drawn.picture)
    assert len(shown) == len(frames)
    for number, (picture, same) in enumerate(zip(shown, wanted, strict=True)):
        np.testing.assert_array_equal(picture, same, err_msg=f"frame {number}")


def test_threads_take_shorter_turns_while_there_is_a_pipeline():
    before, seen = sys.getswitchinterval(), []

    def draw(frame: np.ndarray) -> np.ndarray:
        seen.append(sys.getswitchinterval())
        return frame

    with Pipeline(Source(0, False, numbered(3)), lambda: draw, every=True) as pipeline:
        assert len(list(pipeline.pictures())) == 3
    assert seen == pytest.approx([0.0005] * 3)
    assert sys.getswitchinterval() == before


def test_a_file_plays_at_its_own_speed() -> None:
    begun = time.perf_counter()
    with Pipeline(Source(50, False, numbered(20)), lambda: lambda frame: frame) as pipeline:
        shown = [drawn.number for drawn in pipeline.pictures() if drawn]
    assert time.perf_counter() - begun > 0.35  # 20 frames, 50 a second
    assert len(shown) + pipeline.dropped == 20


def test_what_goes_wrong_comes_after_the_frames_before_it() -> None:
    def breaks() -> Iterator[np.ndarray]:
        yield from numbered(3)
        raise DeviceError("unplugged")

    with Pipeline(Source(0, False, breaks()), lambda: lambda frame: frame, every=True) as pipeline:
        pictures = pipeline.pictures()
        assert [drawn.number for drawn in (next(pictures) for _ in range(3)) if drawn] == [0, 1, 2]
        with pytest.raises(DeviceError, match="unplugged"):
            next(pictures)

    def fails(frame: np.ndarray) -> np.ndarray:
        raise WrongCall("no such look")

    with (
        Pipeline(Source(0, True, numbered(10**6)), lambda: fails) as pipeline,
        pytest.raises(WrongCall, match="no such look"),
    ):
        list(pipeline.pictures())


def test_closing_stops_everything() -> None:
    closed = []
    source = Source(0, True, numbered(10**6, 0.001), lambda: closed.append(True))
    before = threading.active_count()
    with Pipeline(source, lambda: lambda frame: frame) as pipeline:
        assert next(pipeline.pictures()) is not None
    assert threading.active_count() == before
    assert closed


def test_waiting_with_a_limit_gives_none_in_between() -> None:
    with Pipeline(Source(0, True, numbered(2, 0.2)), lambda: lambda frame: frame) as pipeline:
        shown = list(pipeline.pictures(0.03))
    assert shown[0] is None
    assert sum(drawn is not None for drawn in shown) == 2


def test_the_meter_counts() -> None:
    meter = Meter()
    assert (meter.fps, meter.latency_ms, meter.recent) == (0, 0, (0, 0))
    for n in range(11):
        meter.shown(captured=n / 10 - 0.05, now=n / 10)
    assert meter.frames == 11
    assert meter.fps == pytest.approx(10)
    assert meter.latency_ms == pytest.approx(50)
    meter.shown(captured=9.98, now=10.0)
    assert meter.recent == (0, pytest.approx(50))  # alone in the last two seconds


# --- sources ------------------------------------------------------------------------------------------------------


def test_a_video_is_read_and_again_in_a_loop(clip: Path) -> None:
    with open_source(str(clip)) as source:
        assert (source.fps, source.live, source.sound) == (24, False, clip)
        assert [frame.shape for frame in source] == [(54, 96, 3)] * 12
    with open_source(str(clip), loop=True) as source:
        frames = iter(source)
        assert len([next(frames) for _ in range(30)]) == 30


def test_pictures_of_a_folder_have_one_size(tmp_path: Path, rng: np.random.Generator) -> None:
    for name, shape in (("b.png", (40, 30, 3)), ("a.png", (20, 40, 3)), ("c.png", (20, 40, 3))):
        save(load(rng.integers(0, 255, shape, np.uint8)), tmp_path / name)
    with open_source(str(tmp_path), fps=10, hold=0.2) as source:
        frames = list(source)
    assert [frame.shape for frame in frames] == [(20, 40, 3)] * 6
    np.testing.assert_array_equal(frames[0], np.array(load(tmp_path / "a.png").to_pil()))


def test_pictures_of_a_folder_come_in_order_and_again(tmp_path: Path) -> None:
    for level in range(7):
        save(load(np.full((20, 24, 3), 30 * level, np.uint8)), tmp_path / f"{level}.png")
    before = threading.active_count()
    with open_source(str(tmp_path), fps=10, loop=True) as source:
        levels = [int(frame.max()) // 30 for frame, _ in zip(source, range(18), strict=False)]
    assert levels == [n % 7 for n in range(18)]
    assert threading.active_count() == before
    (tmp_path / "5.png").write_bytes(b"broken")
    with open_source(str(tmp_path)) as source:
        frames = iter(source)
        assert [int(next(frames).max()) // 30 for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(PictureError, match=r"5\.png"):
            next(frames)


class FakeCapture:
    """A camera as OpenCV shows it, which gives so many frames and then none."""

    def __init__(self, frames: int) -> None:
        self.left = frames

    def isOpened(self) -> bool:  # noqa: N802
        return self.left >= 0

    def set(self, *_: float) -> bool:
        return True

    def get(self, _: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.full((4, 6, 3), (1, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        pass


def test_cameras_say_plainly_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match=r"no camera 97 on this machine .*plug one in, or give --source FILE"):
        open_source("97")
    monkeypatch.setattr(sources, "_look_for", lambda number: None)
    monkeypatch.setattr(sources.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(sources.cv2, "VideoCapture", lambda number: FakeCapture(-1))
    with pytest.raises(DeviceError, match="camera 0 gives no pictures; close the program that uses it"):
        open_source("0")
    monkeypatch.setattr(sources.sys, "platform", "darwin")
    with pytest.raises(DeviceError, match="allow it for your terminal in System Settings, Privacy & Security, Camera"):
        open_source("0")
    monkeypatch.setattr(sources.cv2, "VideoCapture", lambda number: FakeCapture(3))
    with open_source("0") as source:
        assert (source.live, source.fps) == (True, 30)
        frame = next(iter(source))
    assert frame[0, 0].tolist() == [3, 2, 1]  # RGB


@pytest.mark.parametrize(
    ("frames", "said"), [(2, "sends no more pictures; plug it in again"), (0, "gives no pictures")]
)
def test_a_camera_that_goes_away_is_missed(frames: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.time, "sleep", lambda seconds: None)
    ticks = iter(range(10**6))
    seen = sources.camera_frames(FakeCapture(frames), 0, lambda: next(ticks) / 10)  # type: ignore[arg-type]
    for _ in range(frames):
        next(seen)
    with pytest.raises(DeviceError, match=said):
        next(seen)


def test_sources_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no file"):
        open_source(str(tmp_path / "none.mp4"))
    with pytest.raises(WrongCall, match="--source is empty"):
        open_source("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no pictures in the folder"):
        open_source(str(tmp_path / "empty"))


# --- the command --------------------------------------------------------------------------------------------------


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit:
        main(["live", *words])
    out, err = capfd.readouterr()
    return int(exit.value.code or 0), out, err


@pytest.mark.usefixtures("gallery")
def test_a_file_without_a_window(clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("--style", "one", "--source", str(clip), "--no-window", "--json", "-o", "out.mp4")
    code, out, err = run(capfd, *words)
    told = json.loads(out.splitlines()[-1])
    assert (code, told["frames"], told["dropped"], told["network"]) == (0, 12, 0, "light")
    assert (told["width"], told["height"]) == (96, 54)
    assert told["fps"] > 0
    assert told["latency_ms"] > 0
    assert "out.mp4  12 frames" in err
    with read_frames("out.mp4") as made:
        assert (made.fps, made.width, made.height) == (24, 96, 54)
        assert len(list(made)) == 12
    code, out, err = run(capfd, *words)
    assert code == 1
    assert "out.mp4" in err
    code, out, _ = run(capfd, *words, "--overwrite", "--frames", "5", "--size", "48", "--light")
    told = json.loads(out.splitlines()[-1])
    assert (code, told["frames"], told["width"]) == (0, 5, 48)
    with read_frames("out.mp4") as made:
        assert (made.width, made.height) == (48, 28)  # 48 × 27, with even edges


class Album(VirtualCamera):
    """Keeps the pictures that a session hands on."""

    def __init__(self) -> None:
        self.pictures: list[np.ndarray] = []

    def add(self, picture: np.ndarray, seconds: float) -> None:
        self.pictures.append(picture)


@pytest.mark.usefixtures("gallery")
def test_with_a_gpu_three_threads_draw_the_same(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    albums, finished, kept = [Album(), Album()], [], Restyler.finish
    monkeypatch.setattr(Restyler, "finish", lambda *args: finished.append(kept(*args)) or finished[-1])
    for gpu, album in enumerate(albums):
        monkeypatch.setattr("artkit.device.uses_gpu", lambda gpu=gpu: bool(gpu))
        restyler = Restyler(["one"], LiveOptions(plan="light", size=96))
        with open_source(str(clip)) as source:
            Session(source, restyler, [album], every=True, count=None).run(window=False)
        assert len(finished) == 12 * gpu
    assert len(albums[0].pictures) == 12
    np.testing.assert_array_equal(albums[0].pictures, albums[1].pictures)


@pytest.mark.usefixtures("gallery")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--no-window"], 2, "--no-window shows nothing"),
        (["--no-window", "--json", "--loop"], 2, "never ends"),
        (["--no-window", "--json", "--style", "onne"], 2, 'did you mean "one"'),
        (["--no-window", "--json", "--source", "97"], 1, "no camera 97"),
        (["--no-window", "--json", "--source", "no.mp4"], 1, "no file"),
        (["--no-window", "--json", "--fps", "0"], 2, "--fps"),
        (["--no-window", "--json", "--size", "5"], 2, "--size '5': should be 0 or at least 32 pixels"),
        (["--no-window", "-o", "out.xyz"], 1, "moving pictures are written as"),
        ([], 1, "no display here; give --no-window -o FILE.mp4"),
    ],
)
def test_wrong_calls(
    words: list[str], code: int, said: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_window.sys, "platform", "linux")
    monkeypatch.setattr(sources.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    found = run(capfd, *(["--style", "one"] if "--style" not in words else []), *words)
    assert found[0] == code
    assert said in found[2]
    assert len(found[2].splitlines()) == 1


def test_displays_are_asked_before_a_window_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_window.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(DeviceError, match='the display ":4711" does not answer'):
        live_window.check_display()
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1] - 6000
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{number}.0")
        live_window.check_display()
    monkeypatch.delenv("DISPLAY")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(DeviceError, match="Xwayland"):
        live_window.check_display()


@pytest.mark.usefixtures("gallery")
def test_keys_change_the_look() -> None:
    keys = Keyboard(Restyler(["one"]), ["one", "other", "two"])

    def wanted() -> tuple[tuple[str | Path, ...], LiveOptions]:
        return keys.restyler.wanted.styles, keys.restyler.wanted.options

    keys.press("p")
    assert wanted()[0] == ("two",)
    assert keys.said == "two"
    keys.press("n")
    assert wanted()[0] == ("one",)
    keys.press("m")
    keys.press("m")
    keys.press(".")
    assert wanted()[0] == ("one", "two")
    assert wanted()[1].style_weight == pytest.approx((0.4, 0.6))
    assert keys.title == "one 40 %, two 60 %"
    keys.press("M")
    assert wanted() == (("one",), LiveOptions())
    keys.press("-")
    assert wanted()[1].strength == pytest.approx(0.8)  # the style's own is 0.9
    for _ in range(9):
        keys.press("]")
    assert wanted()[1].stroke == 2
    keys.press("b")
    assert wanted()[1].feedback > 0
    keys.press("x")
    assert wanted()[1].mirror
    keys.press("v")
    keys.press("r")
    keys.press("f")
    assert (keys.split, keys.recording, keys.full_screen, keys.quit) == (True, True, True, False)
    keys.press("\x1b")
    assert (keys.full_screen, keys.quit) == (False, False)
    keys.press("q")
    assert keys.quit


def test_the_window_shows_halves_and_text() -> None:
    frame, picture = np.zeros((54, 96, 3), np.uint8), np.full((54, 96, 3), 100, np.uint8)
    shown = live_window.composed(frame, picture, True)
    assert shown.shape == (540, 960, 3)
    assert (shown[:, :470] == 0).all()
    assert (shown[:, 490:] == 100).all()
    before = shown.copy()
    chip(shown, "starry   24 fps", dot=True)
    changed = np.argwhere((shown != before).any(axis=2))
    assert changed[:, 0].min() > 480  # at the bottom
    assert changed[:, 1].max() < 400  # on the left
    table(shown, live_window.KEYS, "Keys")
    assert (shown[:, 470:490].max(axis=2) > 200).any()
    chip(np.zeros((8, 8, 3), np.uint8), "more than fits")


class FakeDriver:
    """pyvirtualcam, with or without a driver."""

    def __init__(self, works: bool) -> None:
        self.works = works
        self.sent: list[Any] = []

    def Camera(self, width: int, height: int, fps: float) -> Any:  # noqa: N802
        if not self.works:
            raise RuntimeError("'v4l2loopback' backend: No devices\nfound")
        self.sent.append((width, height, fps))
        return contextlib.nullcontext(self)

    def send(self, picture: np.ndarray) -> None:
        self.sent.append(picture)


def test_other_programs_see_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(WrongCall, match="pip install pyvirtualcam"):
        VirtualCamera(20)
    driver, picture = FakeDriver(works=True), photo(32, 18)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", driver)
    with VirtualCamera(20) as camera:
        camera.add(picture, 0.0)
    assert driver.sent[0] == (32, 18, 20)
    np.testing.assert_array_equal(driver.sent[1], picture)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", FakeDriver(works=False))
    with VirtualCamera(20) as camera, pytest.raises(DeviceError, match=r"No devices found\); on Linux: sudo modprobe"):
        camera.add(picture, 0.0)


@pytest.mark.usefixtures("gallery")
def test_ctrl_c_ends_it_and_the_film_is_kept(clip: Path, tmp_path: Path) -> None:
    words = [
        "--style",
        "one",
        "--source",
        str(clip),
        "--loop",
        "--frames",
        "100000",
        "--no-window",
        "--json",
        "-o",
        "out.mp4",
    ]
    with subprocess.Popen([*LIVE, *words], stdout=subprocess.PIPE, text=True, start_new_session=True) as live:
        until = time.monotonic() + 30
        while not list(tmp_path.glob(".*out*")) + list(tmp_path.glob("out*")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        live.send_signal(signal.SIGINT)
        try:
            out, _ = live.communicate(timeout=30)
        finally:
            live.kill()
    assert live.returncode == 130
    told = json.loads(out.splitlines()[-1])
    with read_frames("out.mp4") as made:
        assert 0 <= told["frames"] - len(list(made)) <= 1  # the last may not have been written yet
    assert told["frames"] > 0


@pytest.mark.usefixtures("gallery")
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb: apt-get install xvfb")
def test_a_window_opens_and_closes(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x700x24"], pass_fds=[write]
    ) as server:
        os.close(write)
        try:
            monkeypatch.setenv("DISPLAY", f":{os.read(read, 20).decode().strip()}")
            words = [*LIVE, "--style", "one", "--source", str(clip), "--loop", "--frames", "8", "--json"]
            live = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        finally:
            os.close(read)
            server.terminate()
    assert (live.returncode, json.loads(live.stdout.splitlines()[-1])["frames"]) == (0, 8)
    assert len(live.stderr.splitlines()) == 1  # how it went, and nothing of Qt


def test_a_film_keeps_the_time_of_pictures_that_came_unevenly(tmp_path: Path) -> None:
    with Recorder(tmp_path / "film.mp4", 10) as film:
        for seconds, value in ((5.0, 0), (5.1, 60), (5.5, 120), (5.51, 180), (6.0, 240)):
            film.add(np.full((16, 16, 3), value, np.uint8), seconds)
    with read_frames(tmp_path / "film.mp4") as clip:
        values = [int(frame.mean()) for frame in clip]
    np.testing.assert_allclose(values, [0, 60, 60, 60, 60, 120, 180, 180, 180, 180, 240], atol=6)
