"""Palettes: names, hex lists, pictures, Oklab."""

from pathlib import Path

import artkit.device  # noqa: F401

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import PictureError, WrongCall
from artkit.generate.palettes import NAMED, Palette, from_oklab, main_colors, to_oklab
from artkit.image import Picture, save


def test_oklab_of_known_colors() -> None:
    """The values of the paper's table, by way of CSS Color 4's examples."""
    colors = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]], float)
    wanted = [[1, 0, 0], [0, 0, 0], [0.62796, 0.22486, 0.12585], [0.45201, -0.03246, -0.31153]]
    np.testing.assert_allclose(to_oklab(colors), wanted, atol=1e-4)


def test_oklab_and_back(rng: np.random.Generator) -> None:
    colors = rng.random((100, 3))
    np.testing.assert_allclose(from_oklab(to_oklab(colors)), colors, atol=1e-6)


@pytest.mark.parametrize("name", list(NAMED))
def test_named_palettes_can_be_read(name: str) -> None:
    palette = Palette.of(name)
    lightness = to_oklab(np.stack([palette.background, palette.ink]))[:, 0]
    assert abs(lightness[0] - lightness[1]) > 0.4  # ink shows on its background
    assert len(palette.colors) >= 4
    np.testing.assert_allclose(np.array(palette(mx.array([0.0, 1.0]))), palette.colors[[0, -1]], atol=1e-5)


def test_there_are_enough() -> None:
    assert len(NAMED) >= 20


def test_hex_lists() -> None:
    palette = Palette.of("#102030, fff,#804000")
    np.testing.assert_allclose(palette.colors[0] * 255, [16, 32, 48], atol=1e-4)
    np.testing.assert_array_equal(palette.background, palette.colors[0])
    np.testing.assert_array_equal(palette.ink, [1, 1, 1])
    assert palette.hexes == "#102030,#ffffff,#804000"


def test_the_middle_of_two_colors_is_theirs_in_oklab() -> None:
    palette = Palette.of("#ff0000,#0000ff")
    wanted = from_oklab(to_oklab(np.array([[1.0, 0, 0], [0, 0, 1]])).mean(axis=0))
    np.testing.assert_allclose(np.array(palette(mx.array(0.5))), wanted, atol=1e-3)


def test_out_of_range_is_the_end() -> None:
    palette = Palette.of("ember")
    np.testing.assert_array_equal(np.array(palette(mx.array([-3.0, 7.0]))), np.array(palette(mx.array([0.0, 1.0]))))
    assert palette(mx.zeros((2, 5, 4))).shape == (2, 5, 4, 3)


def test_no_number_is_the_beginning() -> None:
    palette = Palette.of("#102030,#ff0000")
    wrong = mx.array([float("nan"), float("-inf"), float("inf")])
    np.testing.assert_allclose(np.array(palette(wrong)), np.array(palette(mx.array([0.0, 0.0, 1.0]))))
    np.testing.assert_allclose(np.array(palette.around(wrong)), np.array(palette.around(mx.array([0.0, 0.0, 0.0]))))


def test_around_has_no_seam() -> None:
    palette = Palette.of("tide")
    edge = np.array(palette.around(mx.array([-0.0005, 0.0005, 1.0005, 0.25, 1.25])))
    np.testing.assert_allclose(edge[0], edge[1], atol=0.02)
    np.testing.assert_allclose(edge[1], edge[2], atol=1e-3)
    np.testing.assert_allclose(edge[3], edge[4], atol=1e-3)


def test_one_color_is_a_palette() -> None:
    assert np.ptp(np.array(Palette.of("#336699")(mx.linspace(0, 1, 9))), axis=0).max() == 0


def test_the_colors_of_a_picture(tmp_path: Path) -> None:
    pixels = np.zeros((30, 30, 3), np.float32)
    pixels[:10], pixels[10:20], pixels[20:] = (0.9, 0.1, 0.1), (0.1, 0.1, 0.4), (0.95, 0.95, 0.8)
    np.testing.assert_allclose(main_colors(pixels, 3), pixels[[15, 5, 25], 0], atol=1e-4)  # dark to light
    save(Picture(pixels), tmp_path / "flag.png")
    palette = Palette.of(str(tmp_path / "flag.png"))
    assert len(palette.colors) >= 3
    assert palette.background.sum() < palette.ink.sum()
    np.testing.assert_array_equal(Palette.of(palette.hexes).colors, palette.colors)


def test_an_even_picture_has_one_color() -> None:
    assert main_colors(np.full((8, 8, 3), 0.5, np.float32), 6).shape == (1, 3)


def test_what_is_no_palette(tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match='did you mean "hokusai"'):
        Palette.of("hokusay")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.png"):
        Palette.of(str(tmp_path / "broken.png"))
