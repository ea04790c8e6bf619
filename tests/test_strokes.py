"""Strokes: exact coverage, order, clipping; travel; SVG that parses, measures and looks as the picture does."""

import itertools
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import artkit.device  # noqa: F401

import numpy as np
import pytest
from PIL import Image

from artkit.contract import PictureError, Recipe, WrongCall
from artkit.generate.plotter import PaperOptions, save_drawing, sheet, svg
from artkit.generate.strokes import Drawing, Stroke, growing, raster
from artkit.generate.travel import in_the_air, merged, nearest_next
from artkit.image import load_recipe

WHITE, BLACK, RED = np.ones(3), np.zeros(3), np.array([1.0, 0, 0])
SVG = "{http://www.w3.org/2000/svg}"


def drawing(*strokes: Stroke, width: int = 20, height: int = 16) -> Drawing:
    return Drawing(width, height, WHITE, strokes)


def ink(*strokes: Stroke, **size: int) -> np.ndarray:
    """(H, W): how black the picture is."""
    return 1 - np.array(raster(drawing(*strokes, **size)))[0, ..., 0].astype(np.float64)


def stroke(*points: tuple[float, float], width: float = 2.0, color: np.ndarray = BLACK, layer: str = "") -> Stroke:
    return Stroke(np.array(points, np.float64), color, width, layer)


def wanderer(seed: int, count: int = 30) -> np.ndarray:
    """A line that wanders about the sheet and beyond its edges."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(0, 14, (count, 2)), axis=0) + np.array([60, 50])


# --- the picture ---------------------------------------------------------------------------------------------------


def test_a_level_line_between_pixels_covers_them_exactly():
    got = ink(stroke((-5, 4), (30, 4), width=2))  # from y = 3 to y = 5
    assert got[3:5] == pytest.approx(1, abs=1e-6)
    assert np.delete(got, [3, 4], axis=0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("width", [0.3, 1.0, 1.7, 4.0])
def test_a_level_line_has_its_width_in_ink_wherever_it_lies(width: float):
    for y in (7.0, 7.2, 7.5, 7.9):
        got = ink(stroke((-5, y), (30, y), width=width))
        assert got.sum(axis=0) == pytest.approx(width, abs=1e-5)


@pytest.mark.parametrize("angle", [17, 45, 63, 130])
def test_a_slanted_line_has_its_area_in_ink(angle: float):
    a = np.radians(angle)
    half = 12 * np.array([np.cos(a), np.sin(a)])
    got = ink(stroke(tuple(20 - half), tuple(20 + half), width=3), width=40, height=40)
    assert got.sum() == pytest.approx(24 * 3 + np.pi * 1.5**2, rel=0.015)


def test_a_point_is_a_dot():
    got = ink(stroke((9.6, 8.3), width=9))
    assert got.sum() == pytest.approx(np.pi * 4.5**2, rel=0.01)
    j, i = np.mgrid[:16, :20]
    assert (got * (i + 0.5)).sum() / got.sum() == pytest.approx(9.6, abs=0.01)
    assert (got * (j + 0.5)).sum() / got.sum() == pytest.approx(8.3, abs=0.01)


def test_coverage_is_that_of_the_distance_to_the_nearest_segment():
    line = wanderer(3, 12)
    got = ink(Stroke(line, BLACK, 3.3), width=120, height=100)
    j, i = np.mgrid[:100, :120] + 0.5
    distance = np.full((100, 120), np.inf)
    for p, q in itertools.pairwise(line):
        t = np.clip(((i - p[0]) * (q - p)[0] + (j - p[1]) * (q - p)[1]) / ((q - p) ** 2).sum(), 0, 1)
        distance = np.minimum(distance, np.hypot(i - p[0] - t * (q - p)[0], j - p[1] - t * (q - p)[1]))
    assert got == pytest.approx(np.clip(0.5 + 1.65 - distance, 0, 1), abs=1e-5)


def test_more_points_on_the_same_line_change_nothing():
    few = stroke((2, 3), (17, 12), width=3)
    many = Stroke(np.linspace((2, 3), (17, 12), 40), BLACK, 3)
    assert ink(few) == pytest.approx(ink(many), abs=1e-6)


def test_later_strokes_lie_over_earlier_ones_and_pens_follow_each_other():
    red, black = stroke((0, 8), (20, 8), width=6, color=RED), stroke((10, 0), (10, 16), width=6)
    crossing = np.array(raster(drawing(red, black)))[0, 8, 10]
    assert crossing == pytest.approx(BLACK, abs=1e-6)
    again = stroke((0, 8), (20, 8), width=6, color=RED)  # the red pen has been put away by then
    assert np.array(raster(drawing(red, black, again)))[0, 8, 10] == pytest.approx(BLACK, abs=1e-6)
    other = stroke((0, 8), (20, 8), width=6, color=RED, layer="over")
    assert np.array(raster(drawing(red, black, other)))[0, 8, 10] == pytest.approx(RED, abs=1e-6)


def test_half_covered_twice_is_three_quarters():
    half = stroke((-5, 4), (30, 4), width=1)  # half of rows 3 and 4
    assert ink(half, half)[3:5] == pytest.approx(0.75, abs=1e-6)


def test_supersampling_agrees_with_coverage():
    line = Stroke(wanderer(5), BLACK, 2.5)
    sheet = drawing(line, width=120, height=100)
    plain, fine = np.array(raster(sheet)), np.array(raster(sheet, 4))
    assert plain.shape == fine.shape == (1, 100, 120, 3)
    assert np.abs(plain - fine).mean() < 0.01


def test_it_grows_to_the_picture():
    lines = [Stroke(wanderer(seed), BLACK, 9) for seed in range(40)]
    sheet = drawing(*lines, width=120, height=100)
    steps = list(growing(sheet))
    inked = [1 - np.array(step.image).mean() for step in steps]
    assert len(steps) > 3
    assert inked == sorted(inked)
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].total == len(steps)
    assert np.array_equal(np.array(steps[-1].image), np.array(raster(sheet)))


def test_an_empty_sheet_is_paper():
    (step,) = growing(drawing())
    assert np.array(step.image) == pytest.approx(1)
    assert ink(stroke((-30, -30), (-40, -50))).max() == 0


# --- clipping ------------------------------------------------------------------------------------------------------


def test_a_line_that_leaves_and_comes_back_is_cut_at_the_edges():
    parts = drawing(stroke((5, 5), (25, 5), (25, 10), (5, 10))).clipped().strokes
    assert [part.points.tolist() for part in parts] == [[[5, 5], [20, 5]], [[20, 10], [5, 10]]]


def test_what_lies_outside_is_left_out_and_what_lies_inside_is_untouched():
    inside, outside = stroke((1, 1), (3, 4), (1, 9)), stroke((-1, -1), (-1, 20), (25, 30))
    (kept,) = drawing(inside, outside, stroke((-3, 5))).clipped().strokes
    assert kept.points is inside.points


@pytest.mark.parametrize("seed", range(5))
def test_the_clipped_length_is_that_of_the_points_inside(seed: int):
    sheet = drawing(Stroke(wanderer(seed), BLACK, 1), width=100, height=80)
    fine = np.concatenate([np.linspace(p, q, 2001) for p, q in itertools.pairwise(sheet.strokes[0].points)])
    middles, lengths = (fine[1:] + fine[:-1]) / 2, np.hypot(*np.diff(fine, axis=0).T)
    inside = ((middles >= 0) & (middles <= (100, 80))).all(axis=1)
    assert sheet.clipped().length == pytest.approx(lengths[inside].sum(), rel=2e-3)


# --- travel --------------------------------------------------------------------------------------------------------


def test_a_line_in_pieces_is_put_together_again():
    line = wanderer(1, 50)
    pieces = [line[i : i + 2] if i % 3 else line[i : i + 2][::-1] for i in range(49)]
    np.random.default_rng(0).shuffle(pieces)
    (whole,) = merged(pieces, 1e-6)
    assert np.array_equal(whole, line) or np.array_equal(whole[::-1], line)


def test_a_square_in_pieces_is_closed_exactly():
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [1e-4, 0]])
    (square,) = merged([corners[i : i + 2] for i in (0, 2, 1, 3)], 0.01)
    assert len(square) == 5
    assert (square[0] == square[-1]).all()


def test_lines_that_do_not_meet_and_dots_stay_as_they_are():
    lines = [np.array([[0.0, 0], [1, 0]]), np.array([[2.0, 0], [3, 0]]), np.array([[1.0, 0]])]
    got = merged(lines, 0.5)
    assert len(got) == 3
    assert all(np.array_equal(a, b) for a, b in zip(got, lines, strict=True))


@pytest.mark.parametrize("count", [1, 2, 40, 700])
def test_sorting_finds_the_nearest_end_every_time(count: int):
    rng = np.random.default_rng(count)
    lines = [rng.uniform(0, 100, (2, 2)) for _ in range(count)]
    indexed = nearest_next(lines)
    got = [line for _, line in indexed]
    assert all(np.array_equal(np.sort(line, axis=0), np.sort(lines[i], axis=0)) for i, line in indexed)
    key = {tuple(sorted(map(tuple, line.tolist()))) for line in lines}
    assert {tuple(sorted(map(tuple, line.tolist()))) for line in got} == key
    pen = np.zeros(2)
    for k, line in enumerate(got):
        ends = np.concatenate([other[[0, -1]] for other in got[k:]])
        assert np.hypot(*(line[0] - pen)) == pytest.approx(np.hypot(*(ends - pen).T).min())
        pen = line[-1]
    if count == 700:
        assert in_the_air(got) < 0.1 * in_the_air(lines)


def test_a_closed_line_is_entered_where_it_is_nearest():
    square = np.array([[10.0, 10], [20, 10], [20, 20], [10, 20], [10, 10]])
    (_, first), (_, second) = nearest_next([square, np.array([[0.0, 0], [21, 21]])])
    assert first.tolist() == [[0, 0], [21, 21]]
    assert second.tolist() == [[20, 20], [10, 20], [10, 10], [20, 10], [20, 20]]


# --- SVG -----------------------------------------------------------------------------------------------------------


def parsed(text: str) -> tuple[ET.Element, list[tuple[str, np.ndarray, float]]]:
    """The root, and color, points and width of every path, read as SVG says."""
    root = ET.fromstring(text)
    paths = []
    for layer in root.findall(f"{SVG}g"):
        for path in layer.findall(f"{SVG}path"):
            d = path.attrib["d"]
            points = np.array(re.findall(r"-?\d+\.?\d*", d), np.float64).reshape(-1, 2)
            points = np.concatenate([points, points[:1]]) if d.endswith("Z") else points
            width = path.attrib.get("stroke-width") or layer.attrib["stroke-width"]
            paths.append((layer.attrib["stroke"], points, float(width)))
    return root, paths


def length(points: np.ndarray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def test_svg_has_the_length_of_the_drawing_in_millimetres():
    sheet = drawing(*(Stroke(wanderer(seed), BLACK, 2) for seed in range(4)), width=300, height=200)
    _, paths = parsed(svg(sheet))
    assert sum(length(points) for _, points, _ in paths) == pytest.approx(sheet.clipped().length * 25.4 / 96, rel=1e-3)
    root, paths = parsed(svg(sheet, PaperOptions(paper="a4", margin=20)))
    assert (root.attrib["width"], root.attrib["height"]) == ("297mm", "210mm")  # turned as the drawing lies
    assert root.attrib["viewBox"] == "0 0 297 210"
    scale = min((297 - 40) / 300, (210 - 40) / 200)
    assert sum(length(points) for _, points, _ in paths) == pytest.approx(sheet.clipped().length * scale, rel=1e-3)
    assert [width for _, _, width in paths] == pytest.approx([2 * scale] * len(paths), abs=1e-3)


def test_nothing_lies_in_the_margins():
    sheet = drawing(*(Stroke(wanderer(seed), BLACK, 2) for seed in range(9)), width=100, height=100)
    _, paths = parsed(svg(sheet, PaperOptions(paper="200x100mm", margin=10)))
    everything = np.concatenate([points for _, points, _ in paths])
    assert everything.min(axis=0) == pytest.approx((60, 10), abs=1e-3)
    assert everything.max(axis=0) == pytest.approx((140, 90), abs=1e-3)


@pytest.mark.parametrize(
    ("paper", "millimetres"),
    [("letter", (215.9, 279.4)), ("A3", (297, 420)), ("30 x 20cm", (300, 200)), ("8.5×11in", (215.9, 279.4))],
)
def test_papers(paper: str, millimetres: tuple[float, float]):
    assert sheet(drawing(width=10, height=20), PaperOptions(paper=paper))[:2] == pytest.approx(millimetres)


def test_papers_that_cannot_be():
    with pytest.raises(WrongCall, match="paper 'b9': should be a2"):
        PaperOptions(paper="b9")
    with pytest.raises(WrongCall, match="margin 90 mm leaves nothing of a paper of 100×200 mm"):
        svg(drawing(), PaperOptions(paper="100x200mm", margin=90))


def test_a_layer_a_pen_in_their_order():
    pens = [stroke((1, 1), (5, 5)), stroke((1, 5), (5, 1), color=RED), stroke((2, 2), (6, 2), layer="buds <3")]
    root, paths = parsed(svg(drawing(*pens, stroke((7, 7), (9, 9)))))
    label = "{http://www.inkscape.org/namespaces/inkscape}"
    layers = [g for g in root.findall(f"{SVG}g") if g.attrib[f"{label}groupmode"] == "layer"]
    assert [g.attrib[f"{label}label"] for g in layers] == ["1 #000000", "2 #ff0000", "3 buds <3 #000000"]
    assert [color for color, _, _ in paths] == ["#000000", "#000000", "#ff0000", "#000000"]
    assert not root.findall(f".//{SVG}rect")  # a plotter would draw it


def test_lines_of_several_widths_are_sorted_together_and_only_alike_ones_merged():
    thin, thick = stroke((0, 8), (4, 8), width=1), stroke((4, 8), (8, 8), width=3)
    _, paths = parsed(svg(drawing(thin, stroke((12, 8), (16, 8), width=1), thick, stroke((8, 8), (12, 8), width=3))))
    assert [width for _, _, width in paths] == pytest.approx([0.265, 0.794, 0.265])
    assert [points[0, 0] * 96 / 25.4 for _, points, _ in paths] == pytest.approx([0, 4, 12], abs=0.01)


def test_a_dot_and_a_closed_line():
    square = [(2.0, 2.0), (8, 2), (8, 8), (2, 8), (2, 2)]
    text = svg(drawing(stroke((4, 4), width=3), stroke(*square)))
    dot, closed = sorted(re.findall(r' d="([^"]+)"', text), key=len)
    assert dot == "M1.058,1.058 1.059,1.058"
    assert closed.endswith("Z")
    assert closed.count(",") == 4


def test_the_recipe_is_in_the_file_and_files_are_not_overwritten(tmp_path):
    recipe = Recipe("generate", {"piece": "tiles", "text": 'a < "b" & c'})
    path = save_drawing(drawing(stroke((1, 1), (5, 5))), tmp_path / "a.svg", recipe=recipe)
    assert load_recipe(path) == recipe
    assert load_recipe(save_drawing(drawing(), tmp_path / "b.svg")) is None
    with pytest.raises(PictureError, match="exists already"):
        save_drawing(drawing(), path)
    (tmp_path / "c.svg").write_text("<html></html>")
    with pytest.raises(PictureError, match="no SVG drawing"):
        load_recipe(tmp_path / "c.svg")


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_a_browser_shows_the_picture(tmp_path):
    rng = np.random.default_rng(2)
    lines = [Stroke(wanderer(seed) * 2, rng.random(3).round(1), float(rng.uniform(0.8, 6))) for seed in range(12)]
    dots = [Stroke(rng.uniform(0, 240, (1, 2)), rng.random(3).round(1), 20) for _ in range(5)]
    square = stroke((20, 20), (60, 20), (60, 60), (20, 60), (20, 20), width=5)
    sheet = Drawing(240, 200, np.array([0.9, 0.8, 0.7]), (*lines, *dots, square))
    save_drawing(sheet, tmp_path / "a.svg")
    shot = tmp_path / "a.png"
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    flags += f" --disable-sync --no-first-run --hide-scrollbars --window-size=240,200 --screenshot={shot}"
    flags += f" --user-data-dir={tmp_path / 'profile'}"
    url = (tmp_path / "a.svg").as_uri()
    subprocess.run([str(shutil.which("chromium")), *flags.split(), url], check=True, capture_output=True, timeout=60)
    with Image.open(shot) as image:
        seen = np.asarray(image.convert("RGB"), np.float64)[:200, :240] / 255
    difference = np.abs(seen - np.array(raster(sheet))[0])
    assert seen.shape == (200, 240, 3)
    assert difference.mean() < 0.006
    assert (difference > 0.25).mean() < 0.002
