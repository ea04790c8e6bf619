"""Contact sheets: where pictures and captions are."""

import numpy as np
import pytest

from artkit.contract import WrongCall
from artkit.image import Picture
from artkit.stylize.sheet import GAP, columns_for, contact_sheet

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def flat(height: int, width: int, color: tuple[float, float, float], alpha: float | None = None) -> Picture:
    pixels = np.full((height, width, 3), color, np.float32)
    return Picture(pixels, None if alpha is None else np.full((height, width), alpha, np.float32))


def test_pictures_are_in_rows_with_captions_below() -> None:
    page = contact_sheet([(name, flat(40, 60, RED)) for name in "abcde"], 120).pixels  # cells of 80 × 120
    across, down = 120 + GAP, 80 + 2 * 11 + GAP
    assert page.shape == (2 * down + GAP, 3 * across + GAP, 3)
    for index in range(6):
        y, x = GAP + index // 3 * down, GAP + index % 3 * across
        cell, caption = page[y : y + 80, x : x + 120], page[y + 80 : y + down - GAP, x : x + 120]
        assert (cell == (RED if index < 5 else 1)).all()
        assert (caption.min() < 0.5) == (index < 5)
        assert (page[y - GAP : y, x : x + 120] == 1).all()
        dark = np.flatnonzero(caption.min(axis=(0, 2)) < 0.5)
        assert index == 5 or abs(dark.mean() - 60) < 3  # in the middle


def test_a_narrow_picture_is_in_the_middle_of_its_cell() -> None:
    page = contact_sheet([("wide", flat(50, 100, RED)), ("high", flat(100, 50, BLUE))], 100).pixels
    cell = page[GAP : GAP + 100, 2 * GAP + 100 : 2 * GAP + 200]
    assert (cell[:, 25:75] == BLUE).all()
    assert (cell[:, :25] == 1).all()
    assert (cell[:, 75:] == 1).all()


def test_transparent_pixels_are_white() -> None:
    page = contact_sheet([("", flat(20, 20, RED, alpha=0.0))], 20).pixels
    assert (page == 1).all()


@pytest.mark.parametrize(
    ("count", "across", "down", "columns"),
    [(1, 100, 100, 1), (6, 100, 100, 3), (24, 100, 100, 6), (24, 100, 200, 8), (24, 300, 100, 4), (2, 900, 100, 1)],
)
def test_sheets_are_half_again_as_wide_as_high(count: int, across: int, down: int, columns: int) -> None:
    assert columns_for(count, across, down) == columns


def test_no_pictures() -> None:
    with pytest.raises(WrongCall, match="no pictures"):
        contact_sheet([], 100)
