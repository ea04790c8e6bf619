"""The ground of generative pieces: sizes, coordinates, densities, supersampling, memory, the catalog."""

import artkit.device

import mlx.core as mx
import numpy as np
import pytest

import artkit
from artkit import catalog
from artkit.contract import DeviceError, WrongCall
from artkit.generate.canvas import (
    CanvasOptions,
    Size,
    average_down,
    check_memory,
    dither,
    from_linear,
    grid,
    shaded,
    splat,
    to_linear,
    to_pixels,
)


@pytest.mark.parametrize(
    ("given", "size"),
    [(300, (300, 300)), ("300", (300, 300)), ("300x200", (300, 200)), ("300×200", (300, 200)), ([20, 30], (20, 30))],
)
def test_sizes_as_people_write_them(given: object, size: tuple[int, int]) -> None:
    options = CanvasOptions.checked({"size": given})
    assert options.size == size
    assert (options.width, options.height) == size
    assert CanvasOptions.checked(options.model_dump(mode="json")) == options


@pytest.mark.parametrize("given", ["big", "300x", 15, 16_385, "100x16385", [1, 2, 3], True, -5])
def test_sizes_that_cannot_be(given: object) -> None:
    with pytest.raises(WrongCall, match="size"):
        CanvasOptions.checked({"size": given})


def test_an_unknown_palette_names_the_nearest() -> None:
    with pytest.raises(WrongCall, match='did you mean "ember"'):
        CanvasOptions(palette="embr")


def test_the_shorter_edge_spans_the_plane() -> None:
    x, y = grid(4, 2)
    np.testing.assert_allclose(np.array(x[0]), [-1.5, -0.5, 0.5, 1.5])
    np.testing.assert_allclose(np.array(y[:, 0]), [0.5, -0.5])  # upwards
    assert x.shape == y.shape == (2, 4)


def test_a_band_of_the_grid_is_part_of_it() -> None:
    x, y = grid(7, 9)
    band_x, band_y = grid(7, 9, 3, 5)
    np.testing.assert_array_equal(np.array(x[3:5]), np.array(band_x))
    np.testing.assert_array_equal(np.array(y[3:5]), np.array(band_y))


def test_plane_coordinates_lead_to_their_own_pixel() -> None:
    x, y = grid(5, 3)
    points = np.array(to_pixels(x.reshape(-1), y.reshape(-1), 5, 3)).reshape(3, 5, 2)
    np.testing.assert_allclose(points[..., 0], np.broadcast_to(np.arange(5) + 0.5, (3, 5)), atol=1e-6)
    np.testing.assert_allclose(points[..., 1], np.broadcast_to((np.arange(3) + 0.5)[:, None], (3, 5)), atol=1e-6)


def test_splat_adds_up_and_leaves_out_what_lies_outside() -> None:
    points = mx.array([[0.5, 0.5], [0.9, 0.1], [2.0, 1.0], [-0.01, 0], [3.0, 0], [1, 2.0], [float("nan"), 0.5]])
    density = np.array(splat(points, mx.array([1.0, 2, 4, 8, 16, 32, 64]), 3, 2))
    np.testing.assert_array_equal(density, [[3, 0, 0], [0, 0, 4]])


def test_splat_of_colors() -> None:
    density = splat(mx.array([[1.5, 0.5], [1.5, 0.5]]), mx.array([[1.0, 2, 3], [1, 1, 1]]), 2, 1)
    np.testing.assert_array_equal(np.array(density), [[[0, 0, 0], [2, 3, 4]]])


def test_linear_light_and_back(rng: np.random.Generator) -> None:
    colors = mx.array(rng.random((50, 3), np.float32))
    np.testing.assert_allclose(np.array(from_linear(to_linear(colors))), np.array(colors), atol=1e-5)
    np.testing.assert_allclose(np.array(to_linear(mx.array([0.0, 1.0]))), [0, 1], atol=1e-6)


def test_black_and_white_average_to_the_gray_of_half_the_light() -> None:
    checks = mx.array(np.indices((4, 4)).sum(axis=0) % 2, mx.float32)[..., None] * mx.ones(3)
    np.testing.assert_allclose(np.array(average_down(checks, 2)), 0.7354, atol=1e-3)
    assert average_down(checks, 2).shape == (2, 2, 3)
    assert average_down(checks, 1) is checks


def test_dither_is_less_than_a_level_and_fair() -> None:
    noise = np.array(dither(mx.full((64, 64, 3), 0.5), 3)) - 0.5
    assert np.abs(noise).max() <= 1 / 255
    assert abs(noise.mean()) < 1e-4


def test_bands_make_the_picture_that_one_piece_makes() -> None:
    options = CanvasOptions(size=Size(700, 900), supersample=2)
    steps = list(shaded(options, lambda x, y: mx.stack([x, y, x * y], axis=-1) * 0.2 + 0.5, dithered=False))
    x, y = grid(1400, 1800)
    whole = average_down(mx.stack([x, y, x * y], axis=-1) * 0.2 + 0.5, 2)
    np.testing.assert_allclose(np.array(steps[-1].image[0]), np.array(whole), atol=1e-6)
    assert steps[-1].done == steps[-1].total > 1
    assert [step.done for step in steps] == sorted({step.done for step in steps})


def test_a_canvas_over_the_budget_says_what_fits() -> None:
    options = CanvasOptions(size=Size(4000, 4000), max_memory=10**8)
    with pytest.raises(DeviceError, match=r"--size 790x790 fits, or --max-memory 2\.6GB") as caught:
        check_memory(options, 160)
    assert "\n" not in str(caught.value)
    check_memory(CanvasOptions(size=Size(790, 790), max_memory=10**8), 160)


def test_an_unknown_piece_names_the_nearest() -> None:
    with pytest.raises(WrongCall, match='no piece "nosie"; did you mean "noise"'):
        catalog.get("nosie")


@pytest.mark.parametrize("name", list(catalog.PIECES))
def test_every_entry_of_the_catalog_is_there(name: str) -> None:
    piece = catalog.get(name)
    assert piece.name == name
    assert issubclass(piece.options, CanvasOptions)
    assert callable(piece.steps)
    assert ("phase" in piece.options.model_fields) >= piece.loops
    assert piece.options.__doc__
    assert all(field.description for field in piece.options.model_fields.values())


def test_the_package_can_be_called() -> None:
    first = artkit.generate("noise", size=32, seed=4)
    again = artkit.generate("noise", size=32, seed=4)
    other = artkit.generate("noise", size=32, seed=5)
    assert first.size == (32, 32)
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_a_picture_for_a_piece_that_follows_none() -> None:
    with pytest.raises(WrongCall, match="noise does not follow a picture"):
        artkit.generate("noise", size=32, source=np.zeros((8, 8, 3), np.uint8))
