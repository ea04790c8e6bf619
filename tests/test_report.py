"""What a training ends with: the scores against known answers, photos that are held out, the files that are left."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from artkit.image import Picture
from artkit.train import report
from artkit.train.data import Crops, DeadLeaves
from artkit.train.options import ManyOptions
from artkit.train.report import HeldOut, Learned, hold_out
from artkit.train.scores import NOISE, Scores, fitted, judging, measure


def pixels_themselves(x: mx.array, taps) -> dict[str, mx.array]:
    """Features that are the picture."""
    return dict.fromkeys(taps, x)


def waves(seed: int, height: int = 96, width: int = 120) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 7
    a, b, c = np.random.default_rng(seed).uniform(0.3, 2, 3)
    return (np.stack([np.sin(a * x + b * y), np.cos(b * x), np.sin(c * y - x)], axis=-1) * 0.3 + 0.5).astype(np.float32)


def scores(restyle, painting: np.ndarray, *photos: np.ndarray) -> Scores:
    found = judging(pixels_themselves, Picture(painting))
    return Scores.mean([each for each, _ in measure(restyle, photos, found)])


def test_the_photo_has_content_0_and_the_painting_style_0() -> None:
    photo, painting = waves(1), waves(2)
    as_it_is = scores(lambda x: x, painting, photo)
    assert as_it_is.content == 0
    assert as_it_is.shifted == 0
    assert as_it_is.style > 1e-3
    always = mx.array(painting[None])
    repainted = scores(lambda x: always[:, : x.shape[1], : x.shape[2]], painting, photo)
    assert repainted.style == pytest.approx(0, abs=1e-6)
    assert repainted.noisy == 0
    assert repainted.content == pytest.approx(np.square(painting - photo).sum() / np.square(photo).sum(), rel=1e-4)


def test_style_is_the_sum_over_five_layers_of_the_gram_matrices_relative_errors() -> None:
    """Twice as bright, the Gram matrix is four times as large: (4 - 1)² at each of five layers."""
    photo = waves(1) / 2
    assert scores(lambda x: 2 * x, photo, photo).style == pytest.approx(45, rel=1e-3)


def test_flicker_is_in_levels() -> None:
    """Of what passes noise on it is the noise's mean magnitude; of what paints a grid that stays, its contrast."""
    photo = np.full((96, 120, 3), 0.5, np.float32)
    passing = scores(lambda x: x, photo, photo)
    assert passing.noisy == pytest.approx(255 * NOISE * np.sqrt(2 / np.pi), rel=0.02)
    grid = np.indices((96, 120)).sum(axis=0) % 2  # a checkerboard, which a shift by 3 + 5 pixels leaves as it is
    stripes = np.indices((96, 120))[0] % 2  # rows, which a shift by 3 exchanges

    def painted(pattern: np.ndarray, x: mx.array) -> mx.array:
        return x * 0 + mx.array(0.2 * pattern[None, : x.shape[1], : x.shape[2], None].astype(np.float32))

    assert scores(lambda x: painted(grid, x), photo, photo).shifted == 0
    assert scores(lambda x: painted(stripes, x), photo, photo).shifted == pytest.approx(0.2 * 255, rel=1e-4)


def test_photos_that_are_held_out_are_not_trained_on(tmp_path: Path) -> None:
    """Flat pictures that say their number: no crop shows one that was held out."""
    for number in range(12):
        Image.new("RGB", (80, 70), (20 * number, 128, 128)).save(tmp_path / f"{number:02}.png")
    crops = Crops(tmp_path)
    taken = crops.hold_out(4, 5)
    assert [name for name, _ in taken] == ["03", "09"]  # one in five, evenly
    assert len(crops) == 10
    assert {int(pixels[0, 0, 0]) for _, pixels in taken} == {60, 180}
    left = {int(picture[0, 0, 0]) // 20 for picture in crops.pictures}
    assert left == set(range(12)) - {3, 9}
    assert crops.names == [f"{n:02}" for n in sorted(left)]
    assert Crops(tmp_path).hold_out(4, 5)[0][0] == "03"
    assert len(Crops(tmp_path).hold_out(1, 1)) == 1
    assert not Crops(tmp_path).hold_out(4, 13)


def test_photos_are_judged_at_twice_the_crop(tmp_path: Path) -> None:
    for number in range(5):
        Image.fromarray((waves(number, 150, 211) * 255).astype(np.uint8)).save(tmp_path / f"{number}.png")
    held = hold_out(Crops(tmp_path), 64)
    assert not held.drawn
    assert [photo.shape for photo in held.photos] == [(88, 128, 3)]
    few = hold_out(Crops(tmp_path, limit=4), 64)
    assert few.drawn
    assert [photo.shape for photo in few.photos] == [(128, 128, 3)] * 4
    assert hold_out(DeadLeaves(), 400).photos[0].shape == (512, 512, 3)
    assert not np.array_equal(few.photos[0], few.photos[1])


def test_a_report_has_a_row_for_each_style_and_a_sheet(tmp_path: Path) -> None:
    held = HeldOut(tuple(fitted(waves(seed)) for seed in (1, 2)), drawn=False)
    learned = [
        Learned("a", lambda: Picture(waves(3)), lambda x: x),
        Learned("darker", lambda: Picture(waves(4)), lambda x: x / 2),
    ]
    verdicts = list(report.judge(learned, held, pixels_themselves))
    assert verdicts[0].photo == verdicts[0].scores.style  # nothing was changed
    assert "content 0.00 (0: the photo)" in verdicts[0].line()
    path = report.write(tmp_path, verdicts, held, "compact", ManyOptions(), "many")
    said = path.read_text()
    rows = [line for line in said.splitlines() if line.startswith("|")][2:]
    assert [row.split("|")[1].strip() for row in rows] == ["a", "darker", "**mean**"]
    assert rows[1].split("|")[4].strip() == "0.250"  # half as bright: a quarter of the energy is missing
    assert "2 photos not trained on, 120 pixels" in said
    assert "`compact`" in said
    with Image.open(tmp_path / "report.png") as image:
        assert image.width > 3 * 300
        assert image.height > 3 * 300


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    from artkit.contract import ArtkitError

    held = HeldOut((waves(1),), drawn=True)
    verdicts = list(report.judge([Learned("a", lambda: Picture(waves(3)), lambda x: x)], held, pixels_themselves))
    with pytest.raises(ArtkitError, match="cannot write the report to"):
        report.write(tmp_path / "nowhere", verdicts, held, "compact", ManyOptions(), "many")
    assert not list(tmp_path.iterdir())
