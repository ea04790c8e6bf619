"""Frames and sound in and out of files: order, rate, sound, sizes, rotation, colors, and files that are not whole."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from artkit.contract import PictureError, WrongCall
from artkit.video.encoding import exact_rate
from artkit.video.media import Writer, read_frames

NTSC = Fraction(30000, 1001)
BITS = 6


def barcode(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A frame that says its number in black and white bars."""
    bars = [255 * (number >> bit & 1) for bit in range(BITS)]
    row = np.repeat(np.array(bars, np.uint8), -(-width // BITS))[:width]
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_of(frame: np.ndarray) -> int:
    """The number that a barcode says."""
    bar = frame.shape[1] / BITS
    return sum(int(frame[frame.shape[0] // 2, int((bit + 0.5) * bar)].mean() > 128) << bit for bit in range(BITS))


def numbers(path: Path) -> list[int]:
    with read_frames(path) as clip:
        return [number_of(frame) for frame in clip]


def film(path: Path, count: int = 12, fps: float = 25, **size: int) -> Path:
    with Writer(path, fps) as writer:
        for number in range(count):
            writer.write(barcode(number, **size))
    return path


def spoil(path: Path, error: BaseException) -> None:
    """Begin a film, and fail."""
    with Writer(path, 25, overwrite=True) as writer:
        writer.write(barcode(1))
        raise error


def with_sound(path: Path, seconds: float = 2.0, fps: int = 25) -> Path:
    """A film of its own kind: MPEG-4 pictures and AAC sound, a rising tone."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=fps)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("aac", rate=44100, layout="mono")
        for number in range(int(seconds * fps)):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(barcode(number), format="rgb24")))
        container.mux(pictures.encode(None))
        times = np.arange(int(seconds * 44100)) / 44100
        wave = (0.3 * np.sin(2 * np.pi * (220 + 110 * times) * times)).astype(np.float32)
        for begin in range(0, len(wave), 1024):
            block = av.AudioFrame.from_ndarray(wave[None, begin : begin + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = 44100, begin, Fraction(1, 44100)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def packets(path: Path) -> list[tuple[float, bytes]]:
    """The sound of a file: when each packet begins, and what is in it."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(float((p.pts or 0) * (p.time_base or 0)), bytes(p)) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".gif", ".webp", ".png"])
def test_frames_come_back_in_order(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / f"film{suffix}", 40)
    with read_frames(path) as clip:
        assert (clip.fps, clip.width, clip.height) == (25, 96, 64)
        assert clip.count == 40
        frames = list(clip)
    assert [number_of(frame) for frame in frames] == list(range(40))
    assert all(frame.shape == (64, 96, 3) and frame.dtype == np.uint8 for frame in frames)


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (29.97, NTSC),
        (30000 / 1001, NTSC),
        (23.976, Fraction(24000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (25, Fraction(25)),
        (12.5, Fraction(25, 2)),
        (30, Fraction(30)),
        (29.9, Fraction(299, 10)),
    ],
)
def test_rates_are_kept(tmp_path: Path, fps: float, exact: Fraction) -> None:
    assert exact_rate(fps) == exact
    path = film(tmp_path / "film.mp4", 8, fps)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == exact
    with read_frames(path) as clip:
        assert clip.fps == pytest.approx(float(exact), abs=1e-9)


@pytest.mark.parametrize(("suffix", "within"), [(".gif", 0.01), (".webp", 0.001), (".png", 0.001)])
def test_animations_last_as_long_as_their_frames(tmp_path: Path, suffix: str, within: float) -> None:
    """A rate that does not go into 1/100 s: the single durations are rounded, their sum is not."""
    with read_frames(film(tmp_path / f"film{suffix}", 36, 29.97)) as clip:
        assert clip.count == 36
        assert 36 / clip.fps == pytest.approx(36 / NTSC, abs=within)


def test_sound_is_copied_packet_for_packet(tmp_path: Path) -> None:
    source, copy, again = with_sound(tmp_path / "in.mp4"), tmp_path / "out.mp4", tmp_path / "again.mov"
    for before, after in [(source, copy), (copy, again)]:
        with read_frames(before) as clip, Writer(after, clip.fps, sound_from=before) as writer:
            for frame in clip:
                writer.write(frame)
        was, now = packets(before), packets(after)
        assert len(now) > 80
        assert [data for _, data in now] == [data for _, data in was]
        np.testing.assert_allclose([time for time, _ in now], [time for time, _ in was], atol=1e-3)
    assert numbers(again) == list(range(50))


def test_sound_ends_with_the_pictures(tmp_path: Path) -> None:
    source, short = with_sound(tmp_path / "in.mp4", seconds=3), tmp_path / "short.mp4"
    with Writer(short, 25, sound_from=source) as writer:
        for number in range(25):
            writer.write(barcode(number))
    ends = packets(short)[-1][0]
    assert 1 <= ends < 1.6


def test_a_source_without_sound_and_an_animation_go_without(tmp_path: Path) -> None:
    silent = film(tmp_path / "silent.mp4")
    for name in ("out.mp4", "out.gif"):
        with Writer(tmp_path / name, 25, sound_from=silent) as writer:
            writer.write(barcode(5))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


def test_sound_that_does_not_fit_is_named_before_the_work(tmp_path: Path) -> None:
    source = tmp_path / "in.wav"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("pcm_mulaw", rate=8000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), format="s16", layout="mono")
        block.sample_rate = 8000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    with pytest.raises(PictureError, match=r"the sound of .*pcm_mulaw.* does not go into .mp4; write .mkv"):
        Writer(tmp_path / "out.mp4", 25, sound_from=source).__enter__()
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(("width", "height"), [(97, 64), (96, 63), (95, 61)])
def test_odd_sizes(tmp_path: Path, width: int, height: int) -> None:
    """A video has even ones: the last row and column come twice. Animations keep theirs."""
    with read_frames(film(tmp_path / "odd.mp4", 4, width=width, height=height)) as clip:
        assert (clip.width, clip.height) == (width + width % 2, height + height % 2)
        assert [number_of(frame[:height, :width]) for frame in clip] == list(range(4))
    with read_frames(film(tmp_path / "odd.webp", 4, width=width, height=height)) as clip:
        assert (clip.width, clip.height) == (width, height)


def test_colors_survive(tmp_path: Path) -> None:
    """Flat saturated colors: 4:2:0 and 8-bit rounding cost a few levels, a wrong matrix twenty or more."""
    colors = np.array(
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [128, 128, 128], [255, 255, 255]], np.uint8
    )
    frame = np.repeat(np.repeat(colors[None], 32, 0), 32, 1)
    with Writer(tmp_path / "colors.mp4", 25) as writer:
        for _ in range(5):
            writer.write(frame)
    with read_frames(tmp_path / "colors.mp4") as clip:
        seen = list(clip)[2]
    np.testing.assert_allclose(seen[16, 16::32].astype(int), colors.astype(int), atol=6)
    with av.open(str(tmp_path / "colors.mp4")) as container:  # said in the file, so that players need not guess
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)


def rotate(path: Path, matrix: tuple[int, ...]) -> None:
    """Write a display matrix into an MP4 file's track header, as phones do."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    one, fine = 0x10000, 0x40000000
    a, b, c, d, x, y = matrix
    data[place : place + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, x * one, y * one, fine)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "clockwise"), [((0, 1, -1, 0, 64, 0), 90), ((-1, 0, 0, -1, 96, 64), 180), ((0, -1, 1, 0, 0, 96), 270)]
)
def test_rotation_of_phones_is_applied(tmp_path: Path, matrix: tuple[int, ...], clockwise: int) -> None:
    """The matrix takes the stored (x, y) to the shown one, y downwards: (0, 1, -1, 0) turns clockwise by 90°."""
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:16, :16] = 255  # the stored upper left corner
    path = tmp_path / "phone.mp4"
    with Writer(path, 25) as writer:
        writer.write(frame)
    rotate(path, matrix)
    with read_frames(path) as clip:
        size, shown = (clip.width, clip.height), next(iter(clip))
    assert size == (shown.shape[1], shown.shape[0]) == ((96, 64) if clockwise == 180 else (64, 96))
    np.testing.assert_allclose(shown.astype(int), np.rot90(frame, -clockwise // 90).astype(int), atol=40)


def test_uneven_times_become_a_constant_rate(tmp_path: Path) -> None:
    """A frame that stands for three comes three times: sound stays with the picture."""
    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number, place in enumerate([0, 1, 4, 5, 6, 7, 8, 9]):
            frame = av.VideoFrame.from_ndarray(barcode(number), format="rgb24")
            frame.pts, frame.time_base = place, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with read_frames(path) as clip:
        shown = [number_of(frame) for frame in clip]
    seconds = len(shown) / clip.fps
    assert seconds == pytest.approx(1, abs=0.15)
    third = [number for n, number in enumerate(shown) if 0.1 <= n / clip.fps < 0.4]
    assert third.count(1) >= len(third) - 1


def test_an_animation_with_uneven_durations(tmp_path: Path) -> None:
    from PIL import Image

    pictures = [Image.fromarray(barcode(number)) for number in range(3)]
    pictures[0].save(tmp_path / "slow.gif", save_all=True, append_images=pictures[1:], duration=[100, 300, 100])
    with read_frames(tmp_path / "slow.gif") as clip:
        assert (clip.fps, clip.count) == (10, 5)
        assert [number_of(frame) for frame in clip] == [0, 1, 1, 1, 2]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", 40)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "empty.gif").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a film at all\n" * 50)
    (tmp_path / "text.gif").write_text("not a film at all\n" * 50)
    (tmp_path / "head.mp4").write_bytes(whole.read_bytes()[:200])
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate = 44100
        container.mux([*stream.encode(block), *stream.encode(None)])
    for name, said in {
        "nothing.mp4": "no file",
        "nothing.gif": "no file",
        "empty.mp4": r"empty \(0 bytes\)",
        "empty.gif": r"empty \(0 bytes\)",
        "text.mp4": "not a video",
        "text.gif": "not a GIF, WebP or PNG",
        "head.mp4": "damaged or cut off",
        "sound.mp4": "sound but no pictures",
        ".": "is a folder",
    }.items():
        with pytest.raises(PictureError, match=said) as error:
            read_frames(tmp_path / name)
        assert "\n" not in str(error.value)


def test_a_film_that_is_cut_off_gives_its_frames_and_says_so(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "film.mp4"
    with Writer(path, 25) as writer:
        for _ in range(30):  # noise: every frame takes its share of the file
            writer.write(rng.integers(0, 256, (64, 96, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = []
    with read_frames(path) as clip, pytest.raises(PictureError, match=r"cut off after \d+ of 30 frames"):
        frames.extend(clip)
    assert 3 < len(frames) < 27


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animations_that_are_cut_off(tmp_path: Path, suffix: str, rng: np.random.Generator) -> None:
    path = tmp_path / f"film{suffix}"
    with Writer(path, 25) as writer:
        for _ in range(8):
            writer.write(rng.integers(0, 256, (64, 96, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError, match="damaged or cut off"), read_frames(path) as clip:
        list(clip)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_crash_leaves_nothing_behind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    with pytest.raises(FileNotFoundError, match="painting"):
        spoil(path, FileNotFoundError("painting"))  # the caller's own OSError comes through as it is
    assert not list(tmp_path.iterdir())
    with pytest.raises(PictureError, match="no frames"), Writer(path, 25):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_file_that_exists_is_kept(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / f"film{suffix}", 3)
    before = path.read_bytes()
    with pytest.raises(PictureError, match="exists already"):
        Writer(path, 25)
    with pytest.raises(KeyboardInterrupt):
        spoil(path, KeyboardInterrupt())
    assert path.read_bytes() == before
    with Writer(path, 25, overwrite=True) as writer:
        writer.write(barcode(9))
    assert numbers(path) == [9]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for suffix in (".mp4", ".gif"):
        with pytest.raises(PictureError, match="no space left on the disk"):
            film(tmp_path / f"film{suffix}", 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a Linux device")
def test_a_disk_that_fills_up_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artkit.formats.paths.part_of", lambda path: tmp_path / "part.mp4")
    (tmp_path / "part.mp4").symlink_to("/dev/full")
    with pytest.raises(PictureError, match="no space left on the disk"):
        film(tmp_path / "film.mp4", 40)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"film.avi.*are written as .mp4 .* choose one"):
        Writer(tmp_path / "film.avi", 25)
    with pytest.raises(PictureError, match="no folder"):
        Writer(tmp_path / "nowhere" / "film.mp4", 25)
    with pytest.raises(WrongCall, match="at most 50 frames a second, not 60"):
        Writer(tmp_path / "film.gif", 60)
    for fps in (0, -1, float("nan"), float("inf")):
        with pytest.raises(WrongCall, match="frames a second"):
            Writer(tmp_path / "film.mp4", fps)
    for frame, said in [(barcode(1, width=50), "all must be alike"), (np.zeros((8, 8, 3), np.float32), "uint8")]:
        with Writer(tmp_path / "film.mp4", 25) as writer:
            writer.write(barcode(1))
            with pytest.raises(WrongCall, match=said):
                writer.write(frame)
        assert numbers(tmp_path / "film.mp4") == [1]
        (tmp_path / "film.mp4").unlink()
    assert not list(tmp_path.iterdir())
