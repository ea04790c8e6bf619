"""Pieces of lines: known curves, tilings that match, circles apart, photos that stay what they are."""

import itertools
import math
from typing import Any, cast

import artkit.device  # noqa: F401

import numpy as np
import pytest

from artkit import catalog
from artkit.contract import WrongCall
from artkit.generate import lsystem
from artkit.generate.canvas import Size
from artkit.generate.contours import level_lines
from artkit.generate.harmonograph import HarmonographOptions, curve
from artkit.generate.lineart import LineOptions, cut, fitted, pens_of
from artkit.generate.lines import LinesOptions, lines_drawing
from artkit.generate.lsystem import PRESETS, LsystemOptions, lsystem_drawing, rounded
from artkit.generate.pack import PackOptions, pack_drawing, packed
from artkit.generate.palettes import NAMED, Palette, from_oklab, to_oklab
from artkit.generate.phyllotaxis import GOLDEN, PhyllotaxisOptions, phyllotaxis_drawing, places
from artkit.generate.strokes import Stroke, raster
from artkit.generate.tiles import BOTTOM, DESIGNS, LEFT, RIGHT, TOP, TilesOptions, pipes, tiles_drawing
from artkit.generate.tones import Tones
from artkit.generate.turtle import rewritten, walked
from artkit.image import Picture

PIECES = ["harmonograph", "phyllotaxis", "lsystem", "tiles", "pack", "lines"]
SMALL: dict[str, Any] = {"size": 96}


def ramp(width: int = 120, height: int = 90) -> Picture:
    """Black at the left, white at the right."""
    gray = np.linspace(0, 1, width, dtype=np.float32)
    return Picture.of(np.broadcast_to(gray[None, :, None], (height, width, 3)))


def length(points: np.ndarray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


# --- every piece ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PIECES)
def test_steps_end_with_the_drawing_and_a_seed_is_a_picture(name: str):
    piece = catalog.get(name)
    source = ramp() if name == "lines" else None
    options = piece.options.checked({**SMALL, "seed": 3})
    *_, last = piece.run(options, source)
    want = np.array(raster(piece.draw(options, source)))
    assert want.shape == (1, 96, 96, 3)
    assert np.array_equal(np.array(last.image), want)
    assert want.std() > 0.02
    other = piece.options.checked({**SMALL, "seed": 4})
    assert not np.array_equal(np.array(raster(piece.draw(other, source))), want)


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("size", ["96x60", "50x110"])
def test_lines_keep_to_the_frame_whatever_the_shape(name: str, size: str):
    piece = catalog.get(name)
    options = piece.options.checked({"size": size, "border": 0.1})
    drawing = piece.draw(options, ramp() if name == "lines" else None)
    everything = np.concatenate([stroke.points for stroke in drawing.strokes])
    slack = 0.05 * min(options.size)
    assert everything.min(axis=0) == pytest.approx(np.maximum(everything.min(axis=0), 0.1 * min(options.size) - slack))
    assert (everything.max(axis=0) <= np.array(options.size) - 0.1 * min(options.size) + slack).all()


@pytest.mark.parametrize("name", PIECES)
def test_pens_are_as_many_as_asked_for(name: str):
    piece = catalog.get(name)
    source = ramp() if name == "lines" else None
    drawing = piece.draw(piece.options.checked({**SMALL, "pens": 3}), source)
    assert len({color for _, color in drawing.pens()}) == 3


@pytest.mark.parametrize("name", sorted(NAMED))
def test_pens_show_on_their_paper(name: str):
    palette = Palette.of(name)
    for count in (0, 1, 7):
        pens = pens_of(palette, count)
        assert count in (0, len(pens))
        far = np.sqrt(((to_oklab(pens) - to_oklab(palette.background)) ** 2).sum(axis=1))
        assert far.max() > 0.25


def test_a_larger_canvas_has_the_same_drawing():
    small, large = (tiles_drawing(TilesOptions(size=Size(size, size))) for size in (100, 300))
    for a, b in zip(small.strokes, large.strokes, strict=True):
        assert b.points == pytest.approx(3 * a.points)
        assert b.width == pytest.approx(3 * a.width)


# --- shared geometry -----------------------------------------------------------------------------------------------


def test_a_line_is_cut_in_equal_parts_that_join():
    line = np.array([[0.0, 0], [4, 0], [4, 3], [0, 3]])
    parts = cut(line, 2.2)
    assert [length(part) for part in parts] == pytest.approx([2.2] * 5)
    assert all((a[-1] == b[0]).all() for a, b in itertools.pairwise(parts))
    assert (4.0, 0.0) in {tuple(point) for part in parts for point in part.tolist()}


def test_lines_are_fitted_into_the_frame_with_up_being_up():
    options = LineOptions(size=Size(200, 100), border=0.1)
    (line,) = fitted([np.array([[0.0, 0], [1, 1]])], options)
    assert line == pytest.approx(np.array([[60, 90], [140, 10]]))


def test_a_level_line_of_a_cone_is_a_circle():
    j, i = np.mgrid[:101, :121]
    (circle,) = level_lines(np.hypot(i - 60.0, j - 50.0), 30)
    assert (circle[0] == circle[-1]).all()
    assert np.hypot(*(circle - [60, 50]).T) == pytest.approx(np.full(len(circle), 30), abs=0.01)
    assert length(circle) == pytest.approx(2 * math.pi * 30, rel=1e-3)


def test_level_lines_end_at_the_border_or_nowhere():
    plane = np.random.default_rng(0).random((40, 50))
    for line in level_lines(plane, 0.5):
        at_border = [(p == 0).any() or p[0] == 49 or p[1] == 39 for p in (line[0], line[-1])]
        assert (line[0] == line[-1]).all() or all(at_border)
    assert level_lines(plane, 2.0) == []


# --- harmonograph --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", ["1:2", "3:2", "5:4", "7:3"])
def test_a_lissajous_figure_closes_after_one_turn(ratio: str):
    options = HarmonographOptions(ratio=ratio, turns=1, damping=0, detune=0)
    line = curve(options)
    assert line[0] == pytest.approx(line[-1], abs=1e-9)
    twice = curve(options.model_copy(update={"turns": 2}))
    assert twice[: len(line)] == pytest.approx(line, abs=1e-9)
    assert twice[len(line) - 1 :] == pytest.approx(line, abs=1e-9)
    assert np.hypot(*(line[: len(line) // 2] - line[0]).T)[5:].min() > 1e-3  # and not before


def test_damping_shrinks_each_turn_by_its_part():
    still = curve(HarmonographOptions(ratio="2:3", turns=2, damping=0, detune=0))
    damped = curve(HarmonographOptions(ratio="2:3", turns=2, damping=0.1, detune=0))
    turn = len(still) // 2
    assert damped[turn] == pytest.approx(still[turn] * math.exp(-0.1))


def test_the_loop_closes():
    first, last = (curve(HarmonographOptions(phase=phase)) for phase in (0.0, 1.0))
    assert first == pytest.approx(last, abs=1e-9)
    assert np.abs(first - curve(HarmonographOptions(phase=0.5))).max() > 0.5


def test_ratios_that_are_none():
    with pytest.raises(WrongCall, match="ratio '0:3': should be two whole numbers"):
        HarmonographOptions(ratio="0:3")


# --- phyllotaxis ---------------------------------------------------------------------------------------------------


def test_florets_stand_at_the_golden_angle_on_the_root_of_their_number():
    radius, angle, _ = places(PhyllotaxisOptions(count=100, growth=0.5))
    assert np.degrees(np.diff(angle)) == pytest.approx(np.full(99, GOLDEN))
    assert radius**2 == pytest.approx(np.arange(100) / 100)
    assert pytest.approx(137.50776405) == GOLDEN


def test_each_floret_has_its_share_of_the_area():
    radius, _, own = places(PhyllotaxisOptions(count=4000, growth=0.7))
    ring = slice(1000, 3000)
    assert (own[ring] ** 2).sum() == pytest.approx(math.pi * (radius[3000] ** 2 - radius[1000] ** 2), rel=1e-3)


def test_florets_come_around():
    first, last = (places(PhyllotaxisOptions(count=50, phase=phase)) for phase in (0.0, 1.0))
    assert first[0][1:] == pytest.approx(last[0][:-1])
    assert first[2][1:] == pytest.approx(last[2][:-1])
    assert first[2][0] == last[2][-1] == 0


def test_a_photo_in_florets_is_dark_where_it_is_dark():
    drawing = phyllotaxis_drawing(
        PhyllotaxisOptions(size=Size(200, 200), mark="seed", palette="ink", count=3000, growth=0.5), ramp()
    )
    picture = np.array(raster(drawing))[0].mean(axis=2)
    columns = [picture[30:170, i : i + 30].mean() for i in (20, 60, 100, 140)]
    assert columns == sorted(columns)
    assert columns[0] < columns[3] - 0.3


# --- L-systems -----------------------------------------------------------------------------------------------------


def test_words_are_rewritten_all_at_once():
    words = [rewritten("A", {"A": "AB", "B": "A"}, n) for n in range(6)]  # Lindenmayer's algae
    assert words == ["A", "AB", "ABA", "ABAAB", "ABAABABA", "ABAABABAABAAB"]


def test_the_koch_snowflake_is_known():
    koch = PRESETS["koch"]
    for n in range(4):
        (way,) = walked(rewritten(koch.axiom, koch.rules, n), koch.angle, koch.facing)
        assert length(way.points) == pytest.approx(3 * 4**n)
        assert way.points[0] == pytest.approx(way.points[-1], abs=1e-9)
        x, y = way.points.T
        area = abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2 / 9**n  # of a triangle with sides of 1
        assert area == pytest.approx(math.sqrt(3) / 4 * (1 + sum(3 / 9 * (4 / 9) ** k for k in range(n))))


@pytest.mark.parametrize("name", ["hilbert", "peano", "moore"])
def test_space_filling_curves_visit_every_place_once(name: str):
    preset = PRESETS[name]
    (way,) = walked(rewritten(preset.axiom, preset.rules, 3), preset.angle, preset.facing)
    visited = {tuple(p) for p in np.round(way.points).astype(int).tolist()}
    side = {"hilbert": 8, "peano": 27, "moore": 16}[name]
    assert len(visited) == len(way.points) == side**2
    assert np.ptp(way.points, axis=0) == pytest.approx([side - 1, side - 1])


def test_the_dragon_never_walks_a_step_twice():
    preset = PRESETS["dragon"]
    (way,) = walked(rewritten(preset.axiom, preset.rules, 10), preset.angle)
    steps = np.sort(np.round(np.stack([way.points[:-1], way.points[1:]], 1)) @ np.array([1, 1j]), axis=1)
    assert len(np.unique(steps, axis=0)) == 2**10


def test_branches_return_and_jumps_do_not_draw():
    stem, branch, rest = sorted(walked("F[+F]Ff-F", 90), key=lambda way: (way.depth, way.points[0, 1]))[:3]
    ends = [way.points.round(9).tolist() for way in walked("F[+F]Ff-F", 90)]
    assert ends == [[[0, 0], [0, 1]], [[0, 1], [-1, 1]], [[0, 1], [0, 2]], [[0, 3], [1, 3]]]
    assert {way.depth for way in (stem, branch, rest)} == {0}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_draw(name: str):
    preset = PRESETS[name]
    options = LsystemOptions(**SMALL, preset=cast(Any, name), iterations=min(preset.iterations, 3), plants=2)
    assert lsystem_drawing(options).length > 96


def test_own_rules():
    drawing = lsystem_drawing(LsystemOptions(**SMALL, axiom="F", rules="F -> F+F-F", angle=90, iterations=2, pens=1))
    (stroke,) = drawing.strokes
    step = stroke.points[1] - stroke.points[0]
    assert length(stroke.points) > 0
    assert np.hypot(*step) > 0


@pytest.mark.parametrize("axiom", ["----F", "[----F]FF", "[----FFFF]+F[+F]", "--F[--F]", "|f[F]"])
@pytest.mark.parametrize("wildness", [0, 1])
def test_plants_that_hang_below_their_base_stay_in_the_frame(axiom: str, wildness: float):
    rules = {"rules": "F=F[+F]F[-F]F", "angle": 45, "iterations": 2}
    options = LsystemOptions(**SMALL, **cast(Any, rules), axiom=axiom, wildness=wildness, seed=2)
    drawn = np.concatenate([stroke.points for stroke in lsystem_drawing(options).strokes])
    left, top, right, bottom = options.frame
    assert (drawn >= np.array([left, top]) - 1e-6).all()
    assert (drawn <= np.array([right, bottom]) + 1e-6).all()
    assert drawn[:, 1].max() == pytest.approx(bottom)


def hung(options: LsystemOptions, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether plants hung below the frame, and were lifted into it."""
    seen: list[bool] = []

    def watched(strokes: list[Stroke], options: LsystemOptions) -> list[Stroke]:
        lifted = lift(strokes, options)
        seen.append(lifted is not strokes)
        return lifted

    lift = lsystem._lifted
    with monkeypatch.context() as patch:
        patch.setattr(lsystem, "_lifted", watched)
        lsystem_drawing(options)
    return any(seen)


@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if preset.facing == 90])
def test_plants_that_may_hang_below_their_base_have_a_number(preset: str, monkeypatch: pytest.MonkeyPatch):
    usual = LsystemOptions.checked({**SMALL, "preset": preset})
    assert usual.recipe_method == 1
    assert not any(hung(usual.model_copy(update={"seed": seed}), monkeypatch) for seed in range(3))
    for more in (
        {"wildness": 1},
        {"angle": 60},
        {"axiom": "++++++F[F]"},
        {"iterations": PRESETS[preset].iterations + 1},
    ):
        assert usual.model_copy(update=more).recipe_method == 2
    assert hung(usual.model_copy(update={"axiom": "++++++F[F]"}), monkeypatch)


def test_curves_have_no_number():
    for preset in PRESETS:
        options = LsystemOptions.checked({"preset": preset, "angle": 50, "wildness": 1})
        assert (options.recipe_method == 2) == (PRESETS[preset].facing == 90)
    assert LsystemOptions(rules="F=F+F-F").recipe_method == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rules": "FF"}, "rules 'FF': should be rules such as"),
        ({"rules": "F=F[+F"}, 'the rule for F has a "[" without its "]"; close it'),
        ({"rules": "F=F;X=F]+[F"}, 'the rule for X has a "]" without its "[", at letter 2; take it out'),
        ({"rules": "F=F[F];[=F"}, '"[" cannot have a rule'),
        ({"axiom": "F[F"}, 'a "[" without its "]"; close it'),
        ({"axiom": "F]", "rules": "F=F"}, 'a "]" without its "["'),
        ({"axiom": "F][F", "preset": "koch"}, 'a "]" without its "["'),
        ({"rules": "X=XX"}, "the rules draw nothing"),
        ({"rules": "X=[oX]"}, "buds need one to be on"),
        ({"iterations": 20}, "iterations 20: grows to over 2,000,000 letters; up to"),
    ],
)
def test_rules_that_cannot_be(options: dict[str, Any], said: str):
    with pytest.raises(WrongCall, match=said.replace("[", r"\[").replace("]", r"\]")):
        lsystem_drawing(LsystemOptions(**SMALL, **options))


def test_rounded_corners_touch_the_middles_of_sides_and_stay_closed():
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2], [0, 0]])
    soft = rounded(square, 0.5)
    assert (soft[0] == soft[-1]).all()
    for middle in ([1, 0], [2, 1], [1, 2], [0, 1]):
        assert np.hypot(*(soft - middle).T).min() == pytest.approx(0)
    assert rounded(square, 0) is square


# --- tiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["arcs", "diagonals", "wang"])
def test_lines_go_on_from_tile_to_tile(design: Any):
    options = TilesOptions(design=design, tiles=6, lines=3)
    pieces = DESIGNS[design](5, 6, options, np.random.default_rng(1))
    ends = np.concatenate([piece.line[[0, -1]] for piece in pieces])
    on_grid = np.isclose(ends, np.round(ends), atol=1e-9).any(axis=1)
    inside = ((ends > 1e-6) & (ends < np.array([6, 5]) - 1e-6)).all(axis=1)
    met, count = np.unique(np.round(ends[on_grid & inside], 6), axis=0, return_counts=True)
    assert len(met) > 20
    assert (count == 2).all()


def test_fans_meet_every_edge_at_equal_distances():
    options = TilesOptions(design="fans", tiles=8, lines=3, depth=3)
    pieces = DESIGNS["fans"](8, 8, options, np.random.default_rng(2))
    ends = np.concatenate([piece.line[[0, -1]] for piece in pieces])
    on_edge = np.isclose(ends, np.round(ends), atol=1e-9)
    other = ends[on_edge.any(axis=1)][~on_edge[on_edge.any(axis=1)]]
    assert (other * 3) % 1 == pytest.approx(np.full(len(other), 0.5), abs=1e-6)


@pytest.mark.parametrize("edges", range(16))
def test_pipes_go_through_their_edges_and_no_others(edges: int):
    lines = pipes(edges, 3, over=True, fine=20)
    ends = np.concatenate([line[[0, -1]] for line in lines]) if lines else np.zeros((0, 2))
    ends = np.round(ends, 9)
    through = {RIGHT: ends[:, 0] == 1, BOTTOM: ends[:, 1] == 1, LEFT: ends[:, 0] == 0, TOP: ends[:, 1] == 0}
    for edge, at in through.items():
        assert at.sum() == (3 if edges & edge else 0)


@pytest.mark.parametrize("design", ["fans", "arcs", "diagonals", "wang"])
def test_a_photo_in_tiles_is_dark_where_it_is_dark(design: Any):
    options = TilesOptions(size=Size(200, 200), design=design, tiles=20, lines=2, palette="ink", fill=0.9, pens=1)
    picture = np.array(raster(tiles_drawing(options, ramp())))[0].mean(axis=2)
    columns = [picture[30:170, i : i + 36].mean() for i in (20, 60, 100, 140)]
    assert columns == sorted(columns)
    assert columns[0] < columns[3] - 0.3


# --- packing -------------------------------------------------------------------------------------------------------


def test_no_circle_touches_another_or_the_edge():
    rng = np.random.default_rng(0)
    tried = rng.uniform(0, 100, (4000, 2))
    room = np.minimum(tried, 100 - tried).min(axis=1)
    middles, radii = packed(tried, np.full(4000, 15.0), room, 300, 1.0, 0.5)
    assert len(radii) > 50
    assert (np.diff(radii) <= 1e-12).all()
    apart = np.hypot(*(middles[:, None] - middles).transpose(2, 0, 1)) - radii[:, None] - radii
    np.fill_diagonal(apart, np.inf)
    assert apart.min() >= 0.5 - 1e-9
    assert (np.minimum(middles, 100 - middles).min(axis=1) >= radii - 1e-9).all()


def test_the_first_circle_is_the_one_with_the_most_room():
    tried = np.array([[1.0, 0], [5, 0], [8, 0]])
    middles, radii = packed(tried, np.full(3, 9.0), np.array([1.0, 5, 2]), 3, 0.5, 0.0)
    assert middles.tolist() == [[5, 0]]  # the others are in it
    assert radii.tolist() == [5]


@pytest.mark.parametrize("mark", ["disc", "ring", "rings", "spiral", "hatch"])
def test_marks_stay_within_their_circles(mark: Any):
    discs = pack_drawing(PackOptions(size=Size(200, 200), mark="disc", count=30, pens=1))
    drawn = pack_drawing(PackOptions(size=Size(200, 200), mark=mark, count=30, pens=1))
    middles = np.array([stroke.points[0] for stroke in discs.strokes])
    radii = np.array([stroke.width / 2 for stroke in discs.strokes])
    for stroke in drawn.strokes:
        reach = np.hypot(*(stroke.points[:, None] - middles).transpose(2, 0, 1)).max(axis=0) + stroke.width / 2
        assert (reach <= radii + 1e-6).any()


def test_a_photo_is_packed_in_its_colors():
    halves = np.zeros((60, 60, 3), np.float32)
    halves[:, :30, 0] = halves[:, 30:, 2] = 1
    options = PackOptions(size=Size(200, 200), mark="disc", palette="#ffffff,#ff0000,#0000ff", count=200)
    for stroke in pack_drawing(options, Picture.of(halves)).strokes:
        if abs(stroke.points[0, 0] - 100) > 12:
            assert stroke.color == pytest.approx([1, 0, 0] if stroke.points[0, 0] < 100 else [0, 0, 1], abs=1e-6)


# --- photos in lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["hatch", "edges", "waves", "spiral"])
def test_a_photo_in_lines_is_dark_where_it_is_dark(style: Any):
    options = LinesOptions(size=Size(240, 240), style=style, spacing=16, line=5)
    picture = np.array(raster(lines_drawing(options, ramp(120, 120))))[0].mean(axis=2)
    columns = [picture[80:160, i : i + 40].mean() for i in (30, 100, 170)]
    assert columns[0] < columns[1] < columns[2]


def test_light_paper_and_dark_paper_show_the_same_photo():
    light, dark = (
        np.array(raster(lines_drawing(LinesOptions(size=Size(200, 200), palette=palette), ramp(100, 100))))[0].mean(
            axis=2
        )
        for palette in ("ink", "charcoal")
    )
    for picture in (light, dark):
        assert picture[60:140, 20:60].mean() < picture[60:140, 140:180].mean() - 0.1


def test_contours_of_even_steps_in_lightness_are_upright_and_evenly_apart():
    gray = from_oklab(np.linspace(0, 1, 200)[:, None] * (1, 0, 0))
    even = Picture.of(np.repeat(gray[None], 200, axis=0))
    drawing = lines_drawing(LinesOptions(size=Size(300, 300), style="contours", levels=3, detail=0), even)
    assert len(drawing.strokes) == 6
    assert all(np.ptp(stroke.points[:, 0]) < 1 for stroke in drawing.strokes)
    at = sorted(stroke.points[:, 0].mean() for stroke in drawing.strokes)
    assert np.diff(at) == pytest.approx(np.full(5, np.diff(at).mean()), rel=0.03)


def test_lines_along_edges_run_along_them():
    stripes = np.repeat(np.sin(np.linspace(0, 30, 160))[:, None] * 0.5 + 0.5, 160, axis=1)
    source = Picture.of(np.repeat(stripes[..., None], 3, axis=2).astype(np.float32))
    drawing = lines_drawing(LinesOptions(size=Size(300, 300), style="edges"), source)
    steps = np.concatenate([np.diff(stroke.points, axis=0) for stroke in drawing.strokes])
    assert len(drawing.strokes) > 20
    assert np.abs(steps[:, 1]).mean() < 0.05 * np.abs(steps[:, 0]).mean()


def test_lines_need_a_photo():
    with pytest.raises(WrongCall, match=r"lines are drawn after a photo; give one: --from photo\.jpg"):
        lines_drawing(LinesOptions(**SMALL))


def test_tones_are_looked_up_where_the_photo_lies():
    tones = Tones.within(ramp(100, 50), (10, 20, 110, 220))  # 100 pixels wide, in the middle of the height
    assert tones.frame == pytest.approx((10, 95, 110, 145))
    places = np.array([[10.5, 100], [60, 120], [109.5, 140]])
    assert tones.at(tones.pixels[..., 0], places) == pytest.approx([0, 0.5, 1], abs=0.01)
    cover = Tones.covering(ramp(100, 50), (0, 0, 50, 50))
    assert cover.at(cover.pixels[..., 0], np.array([[25.0, 25]])) == pytest.approx([0.5], abs=0.02)
    assert np.ptp(cover.pixels[..., 0]) == pytest.approx(0.5, abs=0.02)  # the middle half of the ramp
