"""Pictures in and out: every format, mode, depth and orientation, the recipe's round trip, and bad input."""

import io
import os
import struct
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from artkit.contract import PictureError, Recipe, Source, WrongCall
from artkit.formats.profiles import srgb_profile
from artkit.image import Picture, check_target, fit, load, load_frames, load_recipe, resize, save
from tests.picture_files import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB_CURVE,
    chunk,
    encoded,
    gamma_curve,
    gray_profile,
    png,
    png_header,
    rgb_profile,
    table_profile,
    tiff,
)

RECIPE = Recipe(
    "optimize",
    {"size": 512, "style_weight": [0.7, 0.3], "init": "日本語 café 😀", "quoted": 'a "b" \\ c\n'},
    (Source("style", "/paintings/étoile.jpg", "ab" * 32),),
)
SUFFIXES = ["jpg", "png", "webp", "avif", "tif", "gif", "heic"]


@pytest.fixture
def smooth() -> np.ndarray:
    """(24, 40, 3) float32, soft colors that every lossy format keeps well."""
    y, x = np.mgrid[0:24, 0:40].astype(np.float32)
    return np.stack([x / 40, y / 24, (x + y) / 64], axis=2) * 0.8 + 0.1


@pytest.fixture
def exact(rng: np.random.Generator) -> np.ndarray:
    """(5, 7, 3) uint8, any colors."""
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def as_float(levels: np.ndarray) -> np.ndarray:
    return levels.astype(np.float32) / np.iinfo(levels.dtype).max


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["path", "text", "bytes", "file", "open file", "pillow", "array", "picture"])
def test_every_kind_of_source(way: str, exact: np.ndarray, tmp_path: Path) -> None:
    data, path = encoded(Image.fromarray(exact), "PNG"), tmp_path / "a photo.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        source: Any = {
            "path": path, "text": str(path), "bytes": data, "file": io.BytesIO(data), "open file": file,
            "pillow": Image.fromarray(exact), "array": exact, "picture": load(exact),
        }[way]  # fmt: skip
        picture = load(source)
    np.testing.assert_array_equal(picture.pixels, as_float(exact))
    assert picture.pixels.dtype == np.float32
    assert picture.alpha is None
    assert picture.recipe is None
    assert picture.name == ("a photo.png" if way in ("path", "text", "open file") else "")
    assert (picture.height, picture.width, picture.size) == (5, 7, (7, 5))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM"])
def test_every_format(kind: str, smooth: np.ndarray) -> None:
    image = Image.fromarray((smooth * 255).round().astype(np.uint8))
    tolerance = {"PNG": 0.003, "TIFF": 0.003, "BMP": 0.003, "PPM": 0.003}.get(kind, 0.08)
    np.testing.assert_allclose(load(encoded(image, kind)).pixels, smooth, atol=tolerance)


def test_heic(smooth: np.ndarray) -> None:
    pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    save(Picture(smooth), stream, format="heic")
    np.testing.assert_allclose(load(stream.getvalue()).pixels, smooth, atol=0.08)


def test_heic_without_its_package(smooth: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(200))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r'"a.heic": .*pip install pillow-heif'):
        load(tmp_path / "a.heic")
    with pytest.raises(PictureError, match="pip install pillow-heif"):
        check_target(tmp_path / "b.heic")
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (2, 2)), "PNG"))
    assert load(tmp_path / "a.png").size == (2, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_orientation(kind: str, orientation: int, smooth: np.ndarray) -> None:
    image = Image.fromarray((smooth * 255).round().astype(np.uint8))
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(image, "PNG", exif=exif)))))
    assert upright.shape == ((40, 24, 3) if orientation > 4 else (24, 40, 3))
    picture = load(encoded(image, kind, exif=exif))
    np.testing.assert_allclose(picture.pixels, as_float(upright), atol=0.08)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bits(orientation: int, rng: np.random.Generator) -> None:
    levels = rng.integers(0, 65536, (3, 5, 4), dtype=np.uint16)
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    marked = Image.open(io.BytesIO(encoded(Image.fromarray((levels >> 8).astype(np.uint8)), "PNG", exif=exif)))
    upright = np.asarray(ImageOps.exif_transpose(marked))
    for data in (
        png(levels, chunk(b"eXIf", exif.tobytes()[6:])),
        tiff(levels, extra=2, orientation=orientation),
    ):
        picture = load(data)
        assert picture.alpha is not None
        np.testing.assert_array_equal((picture.pixels * 65535).round().astype(int) >> 8, upright[..., :3])
        np.testing.assert_array_equal((picture.alpha * 65535).round().astype(int) >> 8, upright[..., 3])


def test_a_broken_exif_block_is_no_reason_to_refuse(exact: np.ndarray) -> None:
    image = Image.fromarray(exact)
    for exif in (
        b"Exif\0\0rubbish",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40,
    ):
        assert load(encoded(image, "JPEG", exif=exif)).size == (7, 5)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_profiles_in_files(kind: str) -> None:
    """A Display P3 red is a stronger red than sRGB has; a softer one becomes a redder sRGB red."""
    image = Image.new("RGB", (16, 16), (200, 100, 100))
    plain = load(encoded(image, kind)).pixels.mean((0, 1))
    converted = load(encoded(image, kind, icc_profile=rgb_profile(DISPLAY_P3, SRGB_CURVE))).pixels.mean((0, 1))
    np.testing.assert_allclose(plain * 255, (200, 100, 100), atol=4)
    np.testing.assert_allclose(converted * 255, (213, 96, 97), atol=4)
    broken = load(encoded(image, kind, icc_profile=b"rubbish")).pixels.mean((0, 1))
    np.testing.assert_allclose(broken, plain, atol=1e-6)


def test_a_profile_applies_to_16_bits_in_full(rng: np.random.Generator) -> None:
    levels = rng.integers(0, 65536, (4, 6, 3), dtype=np.uint16)
    icc = rgb_profile(ADOBE_RGB, gamma_curve(2.19921875))
    import zlib

    from artkit.formats.profiles import to_srgb

    expected = to_srgb(as_float(levels), icc)
    for data in (png(levels, chunk(b"iCCP", b"x\0\0" + zlib.compress(icc))), tiff(levels, icc=icc)):
        np.testing.assert_allclose(load(data).pixels, expected, atol=1e-6)
    assert np.abs(expected - as_float(levels)).max() > 0.05


def test_a_gray_profile_applies_to_gray() -> None:
    for mode, alpha in (("L", None), ("LA", 100)):
        image = Image.new(mode, (4, 4), 128 if alpha is None else (128, alpha))
        picture = load(encoded(image, "PNG", icc_profile=gray_profile(gamma_curve(1.0))))
        np.testing.assert_allclose(picture.pixels, 0.735, atol=2e-3)  # linear 0.502 in sRGB's encoding


def test_cmyk_jpeg_with_and_without_a_profile() -> None:
    """Pillow writes CMYK as Adobe does, inverted."""
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    data = encoded(image, "JPEG", quality=95)
    assert b"Adobe" in data[:100]
    np.testing.assert_allclose(load(data).pixels[8, 8], (0, 1, 1), atol=0.02)
    magenta_instead = table_profile(b"CMYK", 4, lab=(128, 228, 128))
    red, green, _ = load(encoded(image, "JPEG", quality=95, icc_profile=magenta_instead)).pixels[8, 8]
    assert red > green + 0.3
    np.testing.assert_allclose(load(encoded(image, "TIFF")).pixels[8, 8], (0, 1, 1), atol=0.02)
    np.testing.assert_allclose(load(image).pixels[8, 8], (0, 1, 1), atol=0.02)


def test_bilevel() -> None:
    image = Image.fromarray(np.array([[True, False, True]]))
    assert image.mode == "1"
    for data in (encoded(image, "PNG"), encoded(image, "TIFF"), encoded(image, "TIFF", compression="group4")):
        np.testing.assert_array_equal(load(data).pixels[0, :, 1], [1, 0, 1])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_gray_and_gray_with_alpha(kind: str) -> None:
    values = np.array([[0, 51, 255]], np.uint8)
    gray = load(encoded(Image.fromarray(values), kind))
    np.testing.assert_allclose(gray.pixels, np.repeat(values[..., None] / 255, 3, axis=2), atol=1e-6)
    both = Image.merge("LA", [Image.fromarray(values), Image.fromarray(values[:, ::-1].copy())])
    picture = load(encoded(both, kind))
    np.testing.assert_allclose(picture.pixels[0, :, 2], values[0] / 255, atol=1e-6)
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha[0], values[0, ::-1] / 255, atol=1e-6)


def test_palettes() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for x in range(3):
        image.putpixel((x, 0), x)
    colors = np.eye(3, dtype=np.float32)[None]
    for kind in ("PNG", "GIF", "TIFF", "BMP"):
        np.testing.assert_array_equal(load(encoded(image, kind)).pixels, colors)
    one_clear, graded = load(encoded(image, "GIF", transparency=1)), load(encoded(image, "PNG", transparency=b"\0\x33"))
    assert one_clear.alpha is not None
    assert graded.alpha is not None
    np.testing.assert_array_equal(one_clear.alpha, [[1, 0, 1]])
    np.testing.assert_allclose(graded.alpha, [[0, 0.2, 1]], atol=1e-6)
    np.testing.assert_array_equal(graded.pixels, colors)


def test_one_color_may_stand_for_transparent() -> None:
    """The tRNS chunk of gray and RGB, 8 and 16 bits."""
    gray = np.array([[[10], [20]]], np.uint8)
    color = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    cases = [(gray, (20,)), (color, (4, 5, 6)), (gray.astype(np.uint16), (20,)), (color.astype(np.uint16), (4, 5, 6))]
    for levels, clear in cases:
        picture = load(png(levels, chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))))
        assert picture.alpha is not None
        np.testing.assert_array_equal(picture.alpha, [[1, 0]])
        np.testing.assert_allclose(picture.pixels, np.broadcast_to(as_float(levels), (1, 2, 3)), atol=1e-7)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_in_full(channels: int, rng: np.random.Generator) -> None:
    levels = rng.integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    check_deep(load(png(levels)), levels)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_in_full(channels: int, order: Any, rng: np.random.Generator) -> None:
    levels = rng.integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    check_deep(load(tiff(levels, order, extra=2 if channels == 4 else None)), levels)


def check_deep(picture: Picture, levels: np.ndarray) -> None:
    color, alpha = (levels[..., :-1], levels[..., -1]) if levels.shape[2] in (2, 4) else (levels, None)
    np.testing.assert_array_equal((picture.pixels * 65535).round(), np.broadcast_to(color, (5, 7, 3)))
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal((picture.alpha * 65535).round(), alpha)  # type: ignore[operator]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_float_tiff(channels: int, dtype: type, order: Any, rng: np.random.Generator) -> None:
    values = (rng.random((5, 7, channels)) * 0.9).astype(dtype)
    values[0, 0, 0], values[1, 1, 0], values[2, 2, 0] = np.nan, 1.5, -0.5
    picture = load(tiff(values, order, extra=2 if channels == 4 else None))
    expected = np.broadcast_to(np.clip(np.nan_to_num(values[..., :3]), 0, 1), (5, 7, 3))
    np.testing.assert_allclose(picture.pixels, expected, atol=1e-6)


def test_float_pixels_on_another_scale_are_refused_not_whitened() -> None:
    with pytest.raises(PictureError, match=r"pixels go up to 200, and floats should be 0..1"):
        load(tiff(np.full((3, 4, 3), 200, np.float32)))
    with pytest.raises(PictureError, match="pixels go up to 200"):
        load(np.full((3, 4, 3), 200.0))


def test_32_bit_whole_numbers(rng: np.random.Generator) -> None:
    levels = rng.integers(2**31, 2**32, (5, 7, 3), dtype=np.uint32)
    np.testing.assert_allclose(load(tiff(levels)).pixels, levels / (2**32 - 1), atol=1e-6)
    np.testing.assert_allclose(load(tiff(levels[..., :1])).pixels[..., :1], levels[..., :1] / (2**32 - 1), atol=1e-6)
    sixteen_in_more = Image.fromarray(np.array([[0, 65535, 32768]], np.int32))
    assert sixteen_in_more.mode == "I"
    np.testing.assert_allclose(load(sixteen_in_more).pixels[0, :, 0], [0, 1, 32768 / 65535], atol=1e-6)


@pytest.mark.parametrize("order", "<>")
def test_tiff_where_zero_is_white(order: Any) -> None:
    for levels in (np.array([[[0], [65535]]], np.uint16), np.array([[[0], [255]]], np.uint8)):
        np.testing.assert_array_equal(load(tiff(levels, order, photometric=0)).pixels[0, :, 0], [1, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_whose_colors_are_already_multiplied_by_alpha(dtype: type) -> None:
    top = np.iinfo(dtype).max
    half = top // 2 + 1
    picture = load(tiff(np.array([[[half // 2, half, 0, half], [0, 0, 0, 0]]], dtype), extra=1))
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.pixels[0, 0], [0.5, 1, 0], atol=0.005)
    np.testing.assert_allclose(picture.alpha[0], [0.5, 0], atol=0.005)


@pytest.mark.parametrize(
    "case", [{"planar": True}, {"channels": 2, "extra": 2}, {"dtype": np.float16}], ids=["planes", "gray+alpha", "half"]
)
def test_deep_tiff_that_would_be_read_wrongly_is_refused(case: dict[str, Any]) -> None:
    levels = np.ones((4, 4, case.pop("channels", 3)), case.pop("dtype", np.uint16))
    with pytest.raises(PictureError, match=r"TIFF .*save it as 16-bit PNG|cannot be decoded"):
        load(tiff(levels, **case))


def test_an_opaque_alpha_channel_is_none(exact: np.ndarray) -> None:
    assert load(Image.fromarray(exact).convert("RGBA")).alpha is None


def test_arrays(rng: np.random.Generator) -> None:
    gray = rng.integers(0, 65536, (4, 6), dtype=np.uint16)
    np.testing.assert_allclose(load(gray).pixels, np.repeat(as_float(gray)[..., None], 3, axis=2), atol=1e-7)
    floats = rng.random((1, 4, 6, 4))
    picture = load(floats)
    np.testing.assert_allclose(picture.pixels, floats[0, ..., :3], atol=1e-7)
    np.testing.assert_allclose(picture.alpha, floats[0, ..., 3], atol=1e-7)  # type: ignore[arg-type]
    np.testing.assert_array_equal(load(np.array([[True, False]])).pixels[0, :, 0], [1, 0])
    for shape in ((4,), (4, 6, 5), (2, 4, 6, 3), (0, 4, 3)):
        with pytest.raises(PictureError, match="an array of shape"):
            load(np.zeros(shape, np.float32))
    with pytest.raises(PictureError, match="type int64"):
        load(np.zeros((4, 6, 3), np.int64))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_frames(kind: str) -> None:
    colors = [(250, 20, 20), (20, 250, 20), (20, 20, 250)]
    first, *others = [Image.new("RGB", (32, 24), color) for color in colors]
    data = encoded(first, kind, save_all=True, append_images=others)
    frames = load_frames(data)
    assert len(frames) == 3
    for frame, color in zip(frames, colors, strict=True):
        np.testing.assert_allclose(frame.pixels.mean((0, 1)) * 255, color, atol=6)
    np.testing.assert_array_equal(load(data).pixels, frames[0].pixels)
    with pytest.raises(PictureError, match="32×24 pixels in 3 frames, and the limit is 1,000"):
        load_frames(data, max_pixels=1000)
    assert load(data, max_pixels=1000).size == (32, 24)


def test_frames_of_16_bit_tiff_and_of_a_still_picture(rng: np.random.Generator, exact: np.ndarray) -> None:
    pages = [rng.integers(0, 65536, (5, 7, 3), dtype=np.uint16) for _ in range(3)]
    for frame, levels in zip(load_frames(tiff(pages)), pages, strict=True):
        check_deep(frame, levels)
    (only,) = load_frames(encoded(Image.fromarray(exact), "PNG"))
    np.testing.assert_array_equal(only.pixels, as_float(exact))


# --- bad input ----------------------------------------------------------------------------------------------------


def broken_files(exact: np.ndarray) -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    photo = encoded(Image.fromarray(noise), "JPEG")
    deep = png(noise.astype(np.uint16) * 257)
    flipped = bytearray(deep)
    flipped[len(deep) // 2] ^= 0xFF
    return {
        "text.jpg": b"Dear diary, this is no picture at all.\n" * 20,
        "cut.jpg": photo[: len(photo) // 2],
        "header only.jpg": photo[:30],
        "cut.png": deep[: len(deep) // 2],
        "flipped.png": bytes(flipped),
        "cut.tif": tiff(noise.astype(np.uint16) * 257)[:2000],
        "cut8.tif": tiff(noise)[:2000],
        "cut tags.tif": tiff(noise.astype(np.uint16))[:60],
        "cut.webp": encoded(Image.fromarray(noise), "WEBP")[:1000],
        "cut.avif": encoded(Image.fromarray(noise), "AVIF")[:1000],
        "cut.gif": encoded(Image.fromarray(noise), "GIF")[:1000],
        "page.jpg": b"<!doctype html><html><body>404</body></html>",
        "zeros.png": bytes(1000),
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "no width.png": png_header(0, 5),
        "endless.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    }


@pytest.mark.parametrize("name", broken_files(np.zeros((1, 1, 3), np.uint8)))
def test_broken_files_get_one_line(name: str, exact: np.ndarray, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / name).write_bytes(broken_files(exact)[name])
    with pytest.raises(PictureError, match=f'^"{name}": (damaged or cut off|not a picture|0×[05] pixels)') as error:
        load(tmp_path / name)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200
    assert capfd.readouterr().err == ""


def test_a_drawing_under_a_photos_name() -> None:
    with pytest.raises(PictureError, match=r"a drawing .SVG."):
        load(b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>')


@pytest.mark.parametrize("data", [png_header(60_000, 60_000), tiff(np.zeros((1, 1, 3), np.uint8))], ids=["png", "tiff"])
def test_a_bomb_is_refused_from_its_header(data: bytes) -> None:
    if data[:2] == b"II":  # make the 1×1 TIFF claim more
        at = data.index(struct.pack("<HHII", 256, 4, 1, 1)) + 8
        data = data[:at] + struct.pack("<I", 60_000) + data[at + 4 :]
        at = data.index(struct.pack("<HHII", 257, 4, 1, 1)) + 8
        data = data[:at] + struct.pack("<I", 60_000) + data[at + 4 :]
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(PictureError, match="60000×60000 pixels, and the limit is 400,000,000 in all; make it smaller"):
        load(data)
    assert load_recipe(data) is None
    assert limit == Image.MAX_IMAGE_PIXELS


def test_between_pillows_limit_and_ours_nothing_warns(monkeypatch: pytest.MonkeyPatch, exact: np.ndarray) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow warns from 11 pixels and refuses from 21
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("PNG", "GIF", "TIFF", "WEBP"):
            assert load(encoded(Image.fromarray(exact), kind)).size == (7, 5)
    assert Image.MAX_IMAGE_PIXELS == 10
    with pytest.raises(PictureError, match="7×5 pixels, and the limit is 34"):
        load(encoded(Image.fromarray(exact), "PNG"), max_pixels=34)


def test_reading_in_many_threads_restores_pillows_limit(exact: np.ndarray) -> None:
    data, limit, sizes = encoded(Image.fromarray(exact), "PNG"), Image.MAX_IMAGE_PIXELS, []
    threads = [threading.Thread(target=lambda: sizes.extend(load(data).size for _ in range(20))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(7, 5)] * 160
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_pixel(suffix: str, tmp_path: Path) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    path = tmp_path / f"one.{suffix}"
    save(Picture(np.full((1, 1, 3), 0.5, np.float32)), path)
    picture = load(path)
    assert picture.size == (1, 1)
    np.testing.assert_allclose(picture.pixels, 0.5, atol=0.03)


@pytest.mark.parametrize("thing", [None, 3, ["cat.jpg"]])
def test_what_is_no_picture_at_all(thing: Any) -> None:
    with pytest.raises(PictureError, match="is no picture; give a file name"):
        load(thing)


def test_no_bytes_no_file_no_url(tmp_path: Path) -> None:
    for source in (b"", io.BytesIO()):
        with pytest.raises(PictureError, match=r"empty .0 bytes."):
            load(source)
    with pytest.raises(PictureError, match="no file"):
        load(tmp_path / "gone.jpg")
    with pytest.raises(PictureError, match="download the picture first"):
        load("https://example.org/a.jpg")


# --- writing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("recipe", [RECIPE, None], ids=["recipe", "no recipe"])
def test_round_trip_with_the_recipe(suffix: str, recipe: Recipe | None, smooth: np.ndarray, tmp_path: Path) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    path = tmp_path / f"out.{suffix}"
    assert save(Picture(smooth), path, recipe=recipe) == path
    picture = load(path)
    assert picture.recipe == _plain(recipe)
    assert load_recipe(path) == _plain(recipe)
    assert load_recipe(path.read_bytes()) == _plain(recipe)
    assert (b"artkit" in path.read_bytes()) == (recipe is not None)
    tolerance = {"png": 0.0021, "tif": 0.0021}.get(suffix, 0.08)
    np.testing.assert_allclose(picture.pixels, smooth, atol=tolerance)
    assert picture.name == path.name


def _plain(recipe: Recipe | None) -> Recipe | None:
    return recipe and Recipe.from_json(recipe.to_json())


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("clear", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (700, 130)], ids=str)
def test_16_bits_round_trip_exactly_with_the_recipe(
    suffix: str, clear: bool, size: tuple[int, int], tmp_path: Path, rng: np.random.Generator
) -> None:
    levels = rng.integers(0, 65536, (*size, 4), dtype=np.uint16)
    picture = Picture(as_float(levels[..., :3]), as_float(levels[..., 3]) if clear else None)
    path = tmp_path / f"deep.{suffix}"
    save(picture, path, bits=16, recipe=RECIPE)
    again = load(path)
    np.testing.assert_array_equal((again.pixels * 65535).round(), levels[..., :3])
    if clear:
        np.testing.assert_array_equal((again.alpha * 65535).round(), levels[..., 3])  # type: ignore[operator]
    assert again.recipe == load_recipe(path) == _plain(RECIPE)
    with Image.open(path) as image:  # other programs can read it too
        image.load()
        assert image.info["icc_profile"] == srgb_profile()
        np.testing.assert_allclose(np.asarray(image)[..., :3], levels[..., :3] >> 8, atol=1)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "avif", "heic", "gif"])
def test_alpha_is_kept(suffix: str, smooth: np.ndarray, tmp_path: Path) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    alpha = np.zeros(smooth.shape[:2], np.float32)
    alpha[:, 20:] = 1
    save(Picture(smooth, alpha), tmp_path / f"a.{suffix}")
    again = load(tmp_path / f"a.{suffix}")
    assert again.alpha is not None
    np.testing.assert_allclose(again.alpha, alpha, atol=0.1)
    np.testing.assert_allclose(again.pixels[:, 21:], smooth[:, 21:], atol=0.08)


def test_jpeg_puts_alpha_on_white_and_keeps_full_color() -> None:
    alpha = np.array([[0, 0.5, 1]], np.float32).repeat(16, axis=0).repeat(16, axis=1)
    stream = io.BytesIO()
    save(Picture(np.zeros((16, 48, 3), np.float32), alpha), stream, format="jpg")
    picture = load(stream.getvalue())
    assert picture.alpha is None
    np.testing.assert_allclose(picture.pixels[8, [8, 24, 40], 0], [1, 0.5, 0], atol=0.01)
    with Image.open(stream) as image:
        assert [part[1:3] for part in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]  (4:4:4)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
def test_an_srgb_profile_goes_in(suffix: str, smooth: np.ndarray, tmp_path: Path) -> None:
    save(Picture(smooth), tmp_path / f"a.{suffix}")
    with Image.open(tmp_path / f"a.{suffix}") as image:
        assert image.info["icc_profile"] == srgb_profile()


def test_the_same_picture_gives_the_same_bytes(smooth: np.ndarray) -> None:
    for suffix in SUFFIXES[:-1]:
        streams = [io.BytesIO(), io.BytesIO()]
        for stream in streams:
            assert save(Picture(smooth), stream, format=suffix, recipe=RECIPE) is None
        assert streams[0].getvalue() == streams[1].getvalue()


def test_quality(rng: np.random.Generator) -> None:
    noise = Picture(rng.random((64, 64, 3), dtype=np.float32))
    for suffix in ("jpg", "webp", "avif"):
        sizes = []
        for quality in (20, 95):
            stream = io.BytesIO()
            save(noise, stream, format=suffix, quality=quality)
            sizes.append(len(stream.getvalue()))
        assert sizes[0] < sizes[1] / 1.5
    stream = io.BytesIO()
    save(noise, stream, format="webp", quality=100)
    np.testing.assert_allclose(load(stream.getvalue()).pixels, noise.pixels, atol=0.0021)


def test_values_outside_are_clipped_and_rounded(tmp_path: Path) -> None:
    pixels = np.array([[[-0.5, 1.5, 0.5]]], np.float32)
    save(Picture(pixels), tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").getpixel((0, 0)) == (0, 255, 128)


def test_overwriting_only_when_asked(smooth: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    for refuse in (lambda: save(Picture(smooth), path), lambda: check_target(path)):
        with pytest.raises(PictureError, match="exists already"):
            refuse()
    assert path.read_bytes() == b"old"
    check_target(path, overwrite=True)
    save(Picture(smooth), path, overwrite=True)
    assert load(path).size == (40, 24)
    assert os.listdir(tmp_path) == ["a.png"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.psd", 'has the suffix ".psd", so the format is unknown; use one of .jpg, .png, .webp, .avif, .tif, .gif'),
        ("a", "has no suffix"),
        ("missing/a.png", "no folder .*make it first"),
    ],
)
def test_targets_that_cannot_be(name: str, message: str, smooth: np.ndarray, tmp_path: Path) -> None:
    for refuse in (lambda: save(Picture(smooth), tmp_path / name), lambda: check_target(tmp_path / name)):
        with pytest.raises(PictureError, match=message):
            refuse()


def test_formats_that_cannot_hold_it(smooth: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"jpeg has no 16 bits; use .png or .tif"):
        save(Picture(smooth), tmp_path / "a.jpg", bits=16)
    with pytest.raises(PictureError, match="jpeg has no 16 bits"):
        check_target(tmp_path / "a.jpg", bits=16)
    with pytest.raises(PictureError, match=r"webp holds at most 16383 pixels along an edge; write 16384 as .png"):
        save(Picture(np.zeros((1, 16384, 3), np.float32)), tmp_path / "a.webp")
    with pytest.raises(PictureError, match="webp holds at most 16383"):
        check_target(tmp_path / "a.webp", longest=16384)
    with pytest.raises(PictureError, match=r"too long for this format; use .png, or --no-metadata"):
        save(Picture(smooth), tmp_path / "a.jpg", recipe=Recipe("x", {"y": "z" * 70_000}))
    assert not list(tmp_path.iterdir())
    save(Picture(smooth), tmp_path / "a.png", recipe=Recipe("x", {"y": "z" * 70_000}))
    with pytest.raises(PictureError, match=r'no picture format "bmp"; known are .jpg'):
        save(Picture(smooth), io.BytesIO(), format="bmp")
    with pytest.raises(PictureError, match="give a format"):
        save(Picture(smooth), io.BytesIO())
    with pytest.raises(WrongCall, match="quality 101: should be 1 to 100"):
        save(Picture(smooth), io.BytesIO(), format="png", quality=101)
    with pytest.raises(WrongCall, match="bits 12: should be 8 or 16"):
        save(Picture(smooth), io.BytesIO(), format="png", bits=12)  # type: ignore[arg-type]


def test_the_format_given_wins_over_the_suffix(smooth: np.ndarray, tmp_path: Path) -> None:
    save(Picture(smooth), tmp_path / "a.tmp", format="PNG")
    with Image.open(tmp_path / "a.tmp") as image:
        assert image.format == "PNG"


def test_what_other_programs_leave_is_no_recipe_and_a_damaged_one_is_said(exact: np.ndarray) -> None:
    image = Image.fromarray(exact)
    assert load(encoded(image, "GIF", comment=b"made with GIMP")).recipe is None
    assert load_recipe(tiff(exact, description=b"a photo")) is None
    damaged = tiff(exact, description=b'{"artkit": "0.1", "techn')
    assert load(damaged).recipe is None
    with pytest.raises(PictureError, match="recipe in this file is damaged"):
        load_recipe(damaged)


# --- in memory ----------------------------------------------------------------------------------------------------


def test_of_arrays_and_back(rng: np.random.Generator) -> None:
    pixels = rng.random((8, 10, 3), dtype=np.float32)
    like = Picture(np.zeros((16, 20, 3), np.float32), np.tile(np.array([0, 1], np.float32), (16, 10)), "a.png", RECIPE)
    picture = Picture.of(mx.array(pixels[None]) * 1.0, like)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha[:, 2:-2], 0.5, atol=1e-6)
    assert (picture.name, picture.recipe) == ("a.png", None)
    assert picture.array().shape == (1, 8, 10, 3)
    np.testing.assert_array_equal(np.array(picture.array())[0], pixels)
    np.testing.assert_array_equal(Picture.of(pixels * 3 - 1).pixels, np.clip(pixels * 3 - 1, 0, 1))
    with pytest.raises(PictureError, match="NaN"):
        Picture.of(np.full((2, 2, 3), np.nan))
    with pytest.raises(PictureError, match="an array of shape"):
        Picture.of(np.zeros((2, 2, 2, 3)))


def test_to_pillow(exact: np.ndarray) -> None:
    image = load(exact).to_pil()
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), exact)
    clear = Picture(as_float(exact), np.full((5, 7), 0.5, np.float32)).to_pil()
    assert clear.mode == "RGBA"
    assert clear.getpixel((0, 0)) == (*exact[0, 0].tolist(), 128)


def test_resizing_keeps_flat_flat_and_ramps_straight() -> None:
    flat = np.full((2, 9, 11, 4), 0.3, np.float32)
    for size in ((3, 4), (30, 50), (1, 1)):
        np.testing.assert_allclose(resize(flat, *size), np.full((2, *size, 4), 0.3), atol=1e-6)
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], (8, 64, 1))
    half = resize(ramp, 4, 32)
    np.testing.assert_allclose(half[:, 2:-2], ramp.reshape(4, 2, 32, 2, 1).mean((1, 3))[:, 2:-2], atol=1e-5)
    np.testing.assert_array_equal(resize(ramp, 8, 64), ramp)


def test_shrinking_does_not_alias() -> None:
    checks = np.indices((64, 64)).sum(0)[..., None] % 2
    np.testing.assert_allclose(resize(checks, 7, 9), 0.5, atol=0.02)


def test_resizing_does_not_clip() -> None:
    edge = np.zeros((16, 16, 1), np.float32)
    edge[:, 8:] = 1
    grown = resize(edge, 64, 64)
    assert grown.max() > 1.01
    assert grown.min() < -0.01


def test_transparent_pixels_lend_no_color() -> None:
    """A green shape on transparent red stays green at its edge."""
    pixels = np.zeros((32, 32, 3), np.float32)
    pixels[:, :16, 1], pixels[:, 16:, 0] = 1, 1
    alpha = np.zeros((32, 32), np.float32)
    alpha[:, :16] = 1
    picture = Picture(pixels, alpha, "a.png", RECIPE)
    for longest in (9, 75):
        small = picture.resized(longest)
        assert small.alpha is not None
        assert small.size == (longest, longest)
        assert small.name == "a.png"
        seen = small.alpha > 0.01
        np.testing.assert_allclose(small.pixels[seen][:, 0], 0, atol=1e-3)
        np.testing.assert_allclose(small.pixels[seen][:, 1], 1, atol=1e-3)
    assert picture.resized(32) is picture


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [((768, 1024), 512, (384, 512)), ((1000, 10), 50, (50, 1)), ((3, 4), 400, (300, 400)), ((1, 1000), 8, (1, 8))],
)
def test_fit(size: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    assert fit(*size, longest) == expected


def test_fit_to_nothing() -> None:
    with pytest.raises(WrongCall, match="size 0: should be 1 pixel or more"):
        fit(3, 4, 0)


def test_real_photos(shared: Path) -> None:
    photo = load(shared / "data/photos/samples/tubingen.jpg")
    assert photo.size == (1024, 768)
    sky, roofs = photo.pixels[20:200, 400:1000].mean((0, 1)), photo.pixels[380:460, 500:700].mean((0, 1))
    assert sky[2] > sky[0] + 0.2
    assert roofs[0] > roofs[2]
