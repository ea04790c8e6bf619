"""Colors of one picture for another: exact moments, exact luma, exact distributions, and flat or gray pictures."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from artkit.color import Colors, keep_luma, luma, match_color, match_histogram, match_luma, recolored
from artkit.image import load

COLOR = arrays(np.float32, (1, 4, 3), elements=st.floats(0, 1, width=32))


def moments(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    colors = pixels.reshape(-1, 3).astype(np.float64)
    return colors.mean(0), np.cov(colors.T, bias=True)


@pytest.fixture
def painting(rng: np.random.Generator) -> np.ndarray:
    """(12, 20, 3), strongly correlated channels."""
    mix = np.array([[0.5, 0.2, 0.1], [0.3, 0.4, 0.2], [0.1, 0.1, 0.3]])
    return (rng.random((12, 20, 3)) @ mix).astype(np.float32)


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    """(9, 31, 3), other colors and another size."""
    return (rng.random((9, 31, 3)) ** 2 * [0.9, 0.5, 0.7]).astype(np.float32)


def test_matched_colors_have_the_photos_mean_and_covariance(painting: np.ndarray, photo: np.ndarray) -> None:
    matched = match_color(painting, photo)
    assert matched.dtype == np.float32
    assert matched.shape == painting.shape
    for ours, wanted in zip(moments(matched), moments(photo), strict=True):
        np.testing.assert_allclose(ours, wanted, atol=1e-6)


def test_matching_a_picture_to_itself_changes_nothing(painting: np.ndarray) -> None:
    np.testing.assert_allclose(match_color(painting, painting), painting, atol=1e-5)


def test_the_map_is_symmetric_where_the_covariances_commute(rng: np.random.Generator) -> None:
    """With independent channels each one is stretched by itself; a Cholesky root would turn colors instead."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), np.float32).reshape(3, 1, 8).transpose(1, 2, 0)
    style, photo = 0.5 + signs * [0.1, 0.2, 0.05], 0.4 + signs * [0.3, 0.1, 0.2]
    np.testing.assert_allclose(match_color(style, photo), photo, atol=1e-6)


def test_a_flat_painting_takes_the_mean_only(photo: np.ndarray) -> None:
    flat = np.full((4, 5, 3), 0.7, np.float32)
    np.testing.assert_allclose(match_color(flat, photo), np.broadcast_to(photo.mean((0, 1)), flat.shape), atol=1e-5)


def test_a_flat_photo_gives_a_flat_painting(painting: np.ndarray) -> None:
    flat = np.full((4, 5, 3), [0.2, 0.4, 0.6], np.float32)
    np.testing.assert_allclose(match_color(painting, flat), np.broadcast_to(flat[0, 0], painting.shape), atol=1e-5)


def test_a_gray_painting_is_not_blown_up(rng: np.random.Generator, photo: np.ndarray) -> None:
    """Its colors have one direction, and noise in the others must stay noise."""
    gray = np.repeat(rng.random((30, 30, 1)), 3, axis=2)
    exactly = match_color(gray, photo)
    noisy = match_color(gray + rng.normal(0, 0.5 / 255, gray.shape), photo)
    np.testing.assert_allclose(exactly, noisy, atol=0.02)
    assert exactly.min() > -0.5
    assert exactly.max() < 1.5
    np.testing.assert_allclose(moments(exactly)[0], moments(photo)[0], atol=1e-5)
    assert np.linalg.matrix_rank(moments(exactly)[1], tol=1e-6) == 1


def test_luma_is_the_results_exactly_and_grays_stay_gray(painting: np.ndarray, rng: np.random.Generator) -> None:
    colors = rng.random(painting.shape, dtype=np.float32)
    kept = keep_luma(painting, colors)
    np.testing.assert_allclose(luma(kept), luma(painting), atol=1e-6)
    gray = np.repeat(colors[..., :1], 3, axis=2)
    np.testing.assert_allclose(keep_luma(painting, gray), np.repeat(luma(painting)[..., None], 3, axis=2), atol=1e-6)


def test_colors_are_the_photos_where_there_is_room(painting: np.ndarray) -> None:
    soft = 0.5 + 0.1 * (painting - 0.5)
    brighter = soft + 0.2
    np.testing.assert_allclose(keep_luma(brighter, soft), brighter, atol=1e-6)
    np.testing.assert_allclose(keep_luma(soft, soft), soft, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(COLOR, COLOR)
def test_keeping_luma_stays_in_range_with_the_photos_hue(result: np.ndarray, photo: np.ndarray) -> None:
    kept = keep_luma(result, photo)
    assert kept.min() >= 0
    assert kept.max() <= 1
    np.testing.assert_allclose(luma(kept), luma(result), atol=2e-6)
    ours, theirs = kept - luma(kept)[..., None], photo - luma(photo)[..., None]
    np.testing.assert_allclose(np.cross(ours, theirs), 0, atol=1e-5)  # chroma only fades, it never turns
    assert (np.abs(ours) <= np.abs(theirs) + 1e-5).all()


def test_black_and_white_have_no_room_for_color() -> None:
    faint = np.full((1, 1, 3), [2e-39, 0, 2e-39], np.float32)  # room over chroma is past what float32 holds
    np.testing.assert_array_equal(keep_luma(np.zeros((1, 1, 3), np.float32), faint), 0)
    red = np.full((1, 1, 3), [0.9, 0.1, 0.1], np.float32)
    for level in (0.0, 1.0):
        np.testing.assert_allclose(keep_luma(np.full((1, 1, 3), level), red), level, atol=1e-6)


def test_luma_of_the_painting_as_the_photos(painting: np.ndarray, photo: np.ndarray) -> None:
    matched = match_luma(painting, photo)
    assert luma(matched).mean() == pytest.approx(luma(photo).mean(), abs=1e-5)
    assert luma(matched).std() == pytest.approx(luma(photo).std(), abs=1e-5)
    chroma = matched - luma(matched)[..., None]
    np.testing.assert_allclose(chroma, painting - luma(painting)[..., None], atol=1e-5)
    flat = np.full((2, 2, 3), 0.3, np.float32)
    np.testing.assert_allclose(luma(match_luma(flat, photo)), luma(photo).mean(), atol=1e-5)


def test_histograms_of_equal_size_match_value_by_value(rng: np.random.Generator) -> None:
    picture, like = rng.random((2, 12, 20, 3), dtype=np.float32)
    matched = match_histogram(picture, like)
    for c in range(3):
        np.testing.assert_allclose(np.sort(matched[..., c], axis=None), np.sort(like[..., c], axis=None), atol=1e-6)
        order = np.argsort(picture[..., c], axis=None)
        assert (np.diff(matched[..., c].ravel()[order]) >= 0).all()


def test_histograms_of_other_sizes_have_the_same_quantiles(painting: np.ndarray, photo: np.ndarray) -> None:
    matched = match_histogram(painting, photo)
    for q in (0.1, 0.5, 0.9):
        ours, wanted = np.quantile(matched, q, axis=(0, 1)), np.quantile(photo, q, axis=(0, 1))
        np.testing.assert_allclose(ours, wanted, atol=0.02)
    np.testing.assert_allclose(match_histogram(painting, painting), painting, atol=1e-6)


def test_equal_values_stay_equal(photo: np.ndarray) -> None:
    two = np.zeros((4, 4, 3), np.float32)
    two[2:] = 1
    matched = match_histogram(two, photo)
    assert len(np.unique(matched[..., 0])) == 2
    np.testing.assert_allclose(matched[0, 0], np.quantile(photo, 0.25, axis=(0, 1)), atol=0.02)
    flat = match_histogram(np.full((3, 3, 3), 0.4, np.float32), photo)
    np.testing.assert_allclose(flat, np.broadcast_to(np.median(photo, axis=(0, 1)), flat.shape), atol=0.01)


def test_real_paintings_and_photos(shared: Path) -> None:
    painting = load(shared / "data/paintings/gallery/starry_night.jpg").resized(256).pixels
    photo = load(shared / "data/photos/samples/tubingen.jpg").resized(256).pixels
    for ours, wanted in zip(moments(match_color(painting, photo)), moments(photo), strict=True):
        np.testing.assert_allclose(ours, wanted, atol=1e-3)
    matched = match_histogram(painting, photo)
    np.testing.assert_allclose(moments(matched)[0], moments(photo)[0], atol=1e-3)


def test_a_nearly_gray_picture_gets_few_colors_where_that_is_asked_for():
    rng = np.random.default_rng(0)
    noisy = rng.uniform(0.1, 0.9, (128, 128, 1)) + rng.normal(0, 1.5 / 255, (128, 128, 3))
    colors = rng.uniform(0, 1, (64, 64, 3)).astype(np.float32)

    def chroma(soften: float) -> float:
        found = recolored(noisy.astype(np.float32), Colors.of(colors), soften)
        return float((found - found.mean(axis=2, keepdims=True)).std())

    assert chroma(0) > 0.2
    assert chroma(8 / 255) < 0.06
    assert chroma(0) == chroma(1e-9)
