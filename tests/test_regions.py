"""Masks: gray ones, color-coded ones through noise and soft edges, their sizes, and what is refused."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from artkit.contract import PictureError, WrongCall
from artkit.image import Picture, load, save
from artkit.stylize.regions import color_regions, inside, load_masks, shrink_mask


def drawing(background: Any, *shapes: tuple[tuple[int, int, int, int], Any], size: tuple[int, int] = (160, 120)) -> Any:
    """A (width, height) picture of flat ellipses, at four times the size and then shrunk: soft edges."""
    image = Image.new("RGB", (size[0] * 4, size[1] * 4), background)
    pen = ImageDraw.Draw(image)
    for box, color in shapes:
        pen.ellipse([4 * edge for edge in box], color)
    return image.resize(size, Image.Resampling.BOX)


def test_one_gray_mask_per_style() -> None:
    left = np.zeros((8, 12), np.float32)
    left[:, :6] = 1
    masks = load_masks([left, 1 - left], 2, 8, 12)
    np.testing.assert_array_equal(masks, [left, 1 - left])
    assert all(mask.dtype == np.float32 for mask in masks)


def test_overlapping_masks_share_and_lone_ones_stay() -> None:
    whole, part = np.ones((4, 6), np.float32), np.zeros((4, 6), np.float32)
    part[:, 3:] = 0.5
    first, second = load_masks([whole, part], 2, 4, 6)
    np.testing.assert_allclose(first[0], [1, 1, 1, 2 / 3, 2 / 3, 2 / 3], atol=1e-6)
    np.testing.assert_allclose(second[0], [0, 0, 0, 1 / 3, 1 / 3, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(load_masks([part, part], 2, 4, 6)[0], part, atol=1e-6)


def test_transparent_is_nowhere() -> None:
    image = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
    image.putpixel((1, 0), (255, 255, 255, 0))
    np.testing.assert_array_equal(load_masks([image], 1, 1, 2)[0], [[1, 0]])


def test_a_single_style_inside_its_mask_only(rng: np.random.Generator) -> None:
    photo, result = rng.random((2, 4, 6, 3), dtype=np.float32)
    mask = np.zeros((4, 6), np.float32)
    mask[:, 2], mask[:, 3:] = 0.25, 1
    combined = inside(result, photo, load_masks([mask], 1, 4, 6))
    np.testing.assert_array_equal(combined[:, :2], photo[:, :2])
    np.testing.assert_allclose(combined[:, 2], 0.25 * result[:, 2] + 0.75 * photo[:, 2], atol=1e-6)
    np.testing.assert_array_equal(combined[:, 3:], result[:, 3:])


@pytest.mark.parametrize("size", [(4, 6), (40, 60), (20, 30)], ids=["smaller", "larger", "equal"])
def test_masks_of_another_resolution_are_resized(size: tuple[int, int]) -> None:
    left = np.zeros(size, np.float32)
    left[:, : size[1] // 2] = 1
    (mask,) = load_masks([left], 1, 20, 30)
    assert mask.shape == (20, 30)
    np.testing.assert_allclose(mask[:, [2, -3]], np.broadcast_to([1, 0], (20, 2)), atol=1e-3)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert mask.mean() == pytest.approx(0.5, abs=0.02)


def test_proportions_allow_for_rounding_either_way() -> None:
    for mask, photo in (((342, 512), (2731, 4096)), ((2731, 4096), (341, 512)), ((683, 1024), (768, 1152))):
        assert load_masks([np.ones(mask, np.float32)], 1, *photo)[0].shape == photo


def test_other_proportions_are_refused_with_both_sizes(tmp_path: Path) -> None:
    save(Picture(np.ones((60, 100, 3), np.float32)), tmp_path / "sky.png")
    with pytest.raises(PictureError, match=r'the mask "sky.png" is 100×60 and the photo 128×96; .*proportions'):
        load_masks([tmp_path / "sky.png"], 1, 96, 128)
    with pytest.raises(PictureError, match="the mask is 96×128 and the photo 128×96"):
        load_masks([np.ones((128, 96), np.float32)], 1, 96, 128)


def test_an_all_black_mask_is_refused() -> None:
    with pytest.raises(PictureError, match="all black; paint white"):
        load_masks([np.ones((4, 6), np.float32), np.full((4, 6), 2, np.uint8)], 2, 4, 6)


@pytest.mark.parametrize(("masks", "styles"), [(2, 3), (3, 2), (0, 1), (2, 1)])
def test_their_number(masks: int, styles: int) -> None:
    message = f"{masks} masks for {styles} style.* or 1 mask in flat colors"
    with pytest.raises(WrongCall, match=message):
        load_masks([np.ones((4, 6), np.float32)] * masks, styles, 4, 6)


def test_a_missing_mask_says_so(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"no file .*sky.png"):
        load_masks([tmp_path / "sky.png"], 1, 4, 6)


SKY, LAND, LAKE = (80, 120, 255), (30, 140, 60), (255, 220, 0)


@pytest.mark.parametrize(("kind", "off"), [("PNG", 1), ("JPEG 95", 1), ("JPEG 75", 2), ("JPEG 40", 6), ("WEBP 75", 2)])
def test_flat_colors_through_noise_and_soft_edges(kind: str, off: int) -> None:
    """Wrong at most `off` pixels beside an edge, and mostly not even there."""
    picture = drawing(SKY, ((-80, 60, 240, 300), LAND), ((60, 70, 120, 110), LAKE))
    name, _, quality = kind.partition(" ")
    stream = io.BytesIO()
    picture.save(stream, name, **({"quality": int(quality)} if quality else {}))
    masks = load_masks([stream.getvalue()], 3, 120, 160)
    np.testing.assert_allclose(np.sum(masks, axis=0), 1, atol=1e-6)
    clean, around = np.asarray(picture, np.float32), np.ones((2 * off + 1, 2 * off + 1))
    for mask, color in zip(masks, (SKY, LAND, LAKE), strict=True):
        truth = (np.abs(clean - color).max(axis=2) < 2).astype(np.uint8)
        assert mask[cv2.erode(truth, around) > 0].min() == 1
        assert mask[cv2.dilate(truth, around) == 0].max() == 0


def test_soft_edges_between_black_and_white_are_not_the_gray_region() -> None:
    """The blend of two areas looks like a third one's color; it belongs to one of its neighbors."""
    picture = drawing((0, 0, 0), ((20, 10, 70, 110), (255, 255, 255)), ((90, 10, 150, 110), (128, 128, 128)))
    masks = load_masks([picture], 3, 120, 160)
    assert masks[2][:, :80].max() == 0
    assert masks[1][:, 85:].max() == 0


def test_colors_belong_to_styles_in_reading_order() -> None:
    top_to_bottom = np.eye(3, dtype=np.float32)[:, None].repeat(20, axis=0).repeat(30, axis=1)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        stripes = np.concatenate([top_to_bottom[20 * i : 20 * i + 20] for i in order])
        masks = load_masks([stripes], 3, 60, 30)
        assert [int(mask[:, 0].argmax()) for mask in masks] == [0, 20, 40]
        masks = load_masks([stripes.swapaxes(0, 1)], 3, 30, 60)
        assert [int(mask[0].argmax()) for mask in masks] == [0, 20, 40]


def test_reading_order_is_that_of_lines_not_of_single_pixels() -> None:
    """The left area begins one pixel lower than the right one, as drawn by hand: it still comes first."""
    pixels = np.full((256, 300, 4), 255, np.uint8)
    pixels[:, :150] = (255, 0, 0, 255)
    pixels[:2, :150, 3] = 0
    left, right = color_regions(load(pixels))
    np.testing.assert_allclose(left.color, [1, 0, 0])
    np.testing.assert_allclose(right.color, [1, 1, 1])
    np.testing.assert_array_equal(left.where[:, 0], np.arange(256) >= 2)


def test_one_color_more_may_be_black_for_the_photo() -> None:
    picture = drawing((0, 0, 0), ((80, 20, 150, 100), SKY), ((10, 30, 70, 110), LAND))
    sky, land = load_masks([picture], 2, 120, 160)
    assert sky[60, 115] == 1
    assert land[70, 40] == 1
    assert sky[2, 2] + land[2, 2] == 0
    with_black = load_masks([picture], 3, 120, 160)
    assert with_black[0][2, 2] == 1


def test_transparent_is_the_photos_in_color_too() -> None:
    picture = drawing(SKY, ((20, 20, 140, 100), LAND)).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 160, 15))
    masks = load_masks([picture], 2, 120, 160)
    assert np.sum(masks, axis=0)[:14].max() == 0
    np.testing.assert_array_equal(np.sum(masks, axis=0)[15:], 1)


def test_the_wrong_number_of_colors_is_said_with_the_colors() -> None:
    picture = drawing(SKY, ((20, 20, 140, 100), LAND))
    with pytest.raises(PictureError, match=r"has 2 flat colors \(#5078ff, #1e8c3c\) for 3 styles; paint one per style"):
        load_masks([picture], 3, 120, 160)
    with pytest.raises(PictureError, match=r"has 1 flat color \(#5078ff\) for 2 styles"):
        load_masks([drawing(SKY)], 2, 120, 160)


def test_noise_is_no_mask(rng: np.random.Generator) -> None:
    with pytest.raises(PictureError, match=r"has 0 flat colors .none. for 2 styles"):
        load_masks([rng.random((40, 60, 3))], 2, 40, 60)


def test_a_photo_is_no_mask(shared: Path) -> None:
    photo = load(shared / "data/photos/samples/tubingen.jpg").resized(400)
    with pytest.raises(PictureError, match=r"has \d+ flat colors \(.*…\) for 2 styles"):
        load_masks([photo], 2, photo.height, photo.width)


def test_smudges_are_no_colors() -> None:
    picture = drawing(SKY, ((20, 20, 140, 100), LAND))
    for x, y in ((5, 5), (60, 60), (150, 110)):
        picture.paste((255, 0, 0), (x, y, x + 2, y + 2))
    masks = load_masks([picture], 2, 120, 160)
    np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    assert masks[0][5, 5] == masks[1][60, 60] == 1


@pytest.mark.parametrize("size", [(4, 5), (3, 7), (12, 20), (1, 1)])
def test_shrinking_is_the_mean_of_areas(size: tuple[int, int], rng: np.random.Generator) -> None:
    mask = rng.random((12, 20), dtype=np.float32)

    def shares(old: int, new: int) -> np.ndarray:
        """(new, old): how much of each old pixel lies in each new one."""
        edges = np.arange(new + 1) * old / new
        return np.clip(
            np.minimum(edges[1:, None], np.arange(old) + 1) - np.maximum(edges[:-1, None], np.arange(old)), 0, 1
        )

    rows, columns = shares(12, size[0]), shares(20, size[1])
    expected = rows @ mask @ columns.T * size[0] * size[1] / mask.size
    small = shrink_mask(mask, *size)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, expected, atol=1e-5)
