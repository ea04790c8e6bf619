"""ICC profiles: agreement with LittleCMS, exact answers, and patience with broken ones."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from artkit.formats.profiles import SRGB_TO_XYZ, cmyk_to_srgb, encode_srgb, srgb_profile, to_srgb
from tests.picture_files import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB_CURVE,
    formula_curve,
    gamma_curve,
    gray_profile,
    rgb_profile,
    table_curve,
    table_profile,
)

SRGB = [(float(x), float(y), float(z)) for x, y, z in SRGB_TO_XYZ.T]
STEPS = np.linspace(0, 1, 4096)
CURVES = {
    "srgb formula": SRGB_CURVE,
    "gamma 2.2": gamma_curve(2.19921875),
    "linear": b"curv" + bytes(8),
    "table": table_curve(STEPS**1.8),
    "formula 0": formula_curve(0, 1.8),
    "formula 1": formula_curve(1, 2.2, 0.9, 0.1),
    "formula 2": formula_curve(2, 2.2, 0.85, 0.05, 0.02),
    "formula 4": formula_curve(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0),
}


@pytest.mark.parametrize("curve", CURVES.values(), ids=list(CURVES))
@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["p3", "adobe"])
def test_curves_and_matrix_agree_with_littlecms(
    primaries: list[tuple[float, float, float]], curve: bytes, rng: np.random.Generator
) -> None:
    levels = rng.integers(0, 256, (300, 7, 3), dtype=np.uint8)
    icc = rgb_profile(primaries, curve)
    converted = ImageCms.profileToProfile(
        Image.fromarray(levels),
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    ours = to_srgb(levels.astype(np.float32) / 255, icc)
    assert ours.dtype == np.float32
    difference = np.abs(ours * 255 - np.asarray(converted, np.float32))
    assert np.quantile(difference, 0.99) < 1.5  # LittleCMS works with few bits where curves are steep


def test_display_p3_green_lies_outside_srgb_and_its_grays_stay() -> None:
    colors = np.array([[[0, 1, 0], [0.5, 0.5, 0.5]]], np.float32)
    green, gray = to_srgb(colors, rgb_profile(DISPLAY_P3, SRGB_CURVE))[0]
    assert green[0] == 0  # clipped
    assert green[1] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(gray, 0.5, atol=1e-3)


def test_gray_with_a_gamma_of_one_is_linear_light() -> None:
    gray = np.linspace(0, 1, 11, dtype=np.float32).reshape(1, 11, 1)
    converted = to_srgb(gray, gray_profile(gamma_curve(1.0)))
    np.testing.assert_allclose(converted, encode_srgb(np.repeat(gray, 3, axis=2)), atol=1e-6)


@pytest.mark.parametrize("icc", [srgb_profile(), rgb_profile(SRGB, SRGB_CURVE)], ids=["littlecms", "own"])
def test_srgb_leaves_pixels_exactly_as_they_are(icc: bytes, rng: np.random.Generator) -> None:
    colors = rng.random((5, 6, 3), dtype=np.float32)
    np.testing.assert_array_equal(to_srgb(colors, icc), colors)


def test_the_embedded_profile_is_always_the_same_and_small() -> None:
    before = srgb_profile()
    srgb_profile.cache_clear()
    assert srgb_profile() == before
    assert len(before) < 1000
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(before)))


def test_rgb_by_table_goes_through_littlecms() -> None:
    icc = table_profile(b"RGB ", 3, lab=(128, 128, 128))  # any color but white becomes L* 50
    black, white = to_srgb(np.array([[[0, 0, 0], [1, 1, 1]]], np.float32), icc)[0]
    np.testing.assert_allclose(white, 1, atol=2 / 255)
    assert np.ptp(black) < 3 / 255  # gray, of whatever depth the black point compensation gives it


@pytest.mark.parametrize(
    "icc",
    [
        b"rubbish",
        b"",
        rgb_profile(DISPLAY_P3, SRGB_CURVE)[:200],
        rgb_profile(DISPLAY_P3, b"none" + bytes(8)),
        rgb_profile(DISPLAY_P3, formula_curve(1, 2.2, 0.0, 0.1)),
        gray_profile(gamma_curve(1.0)),
        table_profile(b"RGB ", 3, (128, 128, 128))[:300],
    ],
    ids=["rubbish", "empty", "cut", "no curve", "curve divides by zero", "for gray", "table cut"],
)
def test_a_broken_or_unfitting_profile_is_ignored(icc: bytes, rng: np.random.Generator) -> None:
    colors = rng.random((3, 4, 3), dtype=np.float32)
    converted = to_srgb(colors, icc)
    np.testing.assert_array_equal(converted, colors)


def test_cmyk_with_a_profile_is_what_the_profile_says() -> None:
    inks = Image.new("CMYK", (2, 1))
    inks.putpixel((1, 0), (255, 0, 0, 0))
    icc = table_profile(b"CMYK", 4, lab=(128, 228, 128))  # cyan prints as a magenta, so that nothing else explains it
    paper, ink = cmyk_to_srgb(inks, icc)[0]
    np.testing.assert_allclose(paper, 1, atol=2 / 255)
    assert ink[0] > ink[1] + 0.3


@pytest.mark.parametrize("icc", [None, b"rubbish", rgb_profile(DISPLAY_P3, SRGB_CURVE)], ids=["none", "broken", "rgb"])
def test_cmyk_without_a_fitting_profile_is_white_less_the_inks(icc: bytes | None) -> None:
    inks = Image.new("CMYK", (3, 1))
    for x, ink in enumerate([(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 128)]):
        inks.putpixel((x, 0), ink)
    expected = [[1, 1, 1], [0, 1, 1], [127 / 255] * 3]
    np.testing.assert_allclose(cmyk_to_srgb(inks, icc)[0], expected, atol=1e-6)


def test_lab() -> None:
    lab = Image.new("LAB", (2, 1))
    lab.putpixel((0, 0), (255, 128, 128))
    white = cmyk_to_srgb(lab, None)[0, 0]
    np.testing.assert_allclose(white, 1, atol=2 / 255)
