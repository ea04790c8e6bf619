"""Escape counts against float64 and integers, depth by perturbation, minibrots, and the pictures of it."""

import cmath
import itertools
import math

import artkit.device

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WrongCall
from artkit.generate.bigplane import Place, Reference, bits_for, nucleus, orbit, period, size_of
from artkit.generate.canvas import Size
from artkit.generate.deep import DeepView
from artkit.generate.escape import Formula, Kernel, Orbits, State, follow, freeze, smooth, together
from artkit.generate.fractal import FractalOptions, fractal_steps
from artkit.generate.newton import newton
from artkit.generate.patches import TERMS, Patches
from artkit.generate.places import wander
from artkit.generate.views import View

LIMIT = 240


def plane(size: int = 40) -> np.ndarray:
    """Points around the Mandelbrot set, (size²,) complex, exact in float32."""
    axis = np.linspace(-1.5, 1.5, size, dtype=np.float32).astype(complex)
    return (axis[None, :] - 0.5 + 1j * axis[:, None]).ravel().astype(np.complex64).astype(complex)


def counted(c: np.ndarray, z: np.ndarray, formula: Formula, limit: int = LIMIT) -> tuple[np.ndarray, np.ndarray]:
    """The smooth count in float64, one iteration at a time, 0 inside; and the distance |z| log|z| / |z'|."""
    slope = np.full(c.shape, 1.0 if formula.name == "julia" else 0.0, complex)
    count, distance, free = np.zeros(c.shape), np.zeros(c.shape), np.ones(c.shape, bool)
    for n in range(1, limit + 1):
        if formula.name == "ship":
            z = np.abs(np.real(z)) + 1j * np.abs(np.imag(z))
        slope[free] = formula.power * z[free] ** (formula.power - 1) * slope[free] + (formula.name != "julia")
        z[free] = z[free] ** formula.power + c[free]
        out = free & (np.abs(z) > formula.radius)
        size = np.abs(z[out])
        count[out] = n - np.log(np.log(size) / math.log(formula.radius)) / math.log(formula.power)
        distance[out] = size * np.log(size) / np.abs(slope[out])
        free &= ~out
    return count, distance


def run(start: State, kernel: Kernel, formula: Formula, limit: int = LIMIT) -> Orbits:
    def leap(state: State):
        yield
        return kernel(*state)

    [(_, orbits)] = together([follow(start, leap, formula.stride, limit, formula.radius)], 1)
    return orbits


@pytest.mark.parametrize(
    "formula",
    [
        Formula("mandelbrot", 2, slope=True),
        Formula("mandelbrot", 3, slope=True),
        Formula("mandelbrot", 8),
        Formula("julia", 2, slope=True),
        Formula("ship", 2),
    ],
)
def test_counts_are_those_of_float64(formula: Formula) -> None:
    points = plane()
    constant = -0.4 + 0.6j
    julia = formula.name == "julia"
    c, z = (np.full(points.shape, constant), points.copy()) if julia else (points, np.zeros_like(points))
    wanted, far = counted(c, z, formula)
    start = formula.start(mx.array(np.real(points)), mx.array(np.imag(points)), constant)
    orbits = run(start, formula.kernel(False), formula)
    got = smooth(orbits, formula)
    early = (wanted > 0) & (wanted < 15)
    assert early.sum() > 500
    np.testing.assert_allclose(got[early], wanted[early], atol=6e-3)
    assert ((got > 0) == (wanted > 0)).mean() > 0.99
    if formula.slope:
        x, y, dx, dy = (orbits.last[k].astype(float) for k in (0, 1, 4, 5))
        size = np.hypot(x, y)
        distance = size * np.log(np.maximum(size, 1)) / np.maximum(np.hypot(dx, dy), 1e-30)
        np.testing.assert_allclose(distance[early], far[early], rtol=2e-2)


def test_following_points_and_holding_them_are_the_same() -> None:
    formula = Formula("mandelbrot", 2, slope=True, trap="cross")
    points = plane(24)
    start = formula.start(mx.array(np.real(points)), mx.array(np.imag(points)))
    moved = run(start, formula.kernel(False), formula)
    held = freeze(start, formula.kernel(False), formula.stride, LIMIT, formula.radius)
    np.testing.assert_array_equal(moved.count, held.count)
    outside = moved.count > 0
    for a, b in zip(moved.last, held.last, strict=True):
        np.testing.assert_array_equal(a[outside], np.array(b)[outside])
    colors = smooth(held, formula)
    assert isinstance(colors, mx.array)  # which a GPU keeps
    np.testing.assert_allclose(colors, smooth(moved, formula), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ["mandelbrot", "julia"])
@pytest.mark.parametrize("coloring", ["relief", "distance", "trap"])
def test_a_gpu_draws_the_same_picture(name: str, coloring: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = FractalOptions.checked({"size": 48, "formula": name, "coloring": coloring, "zoom": 0.0, "limit": 100})
    *_, wanted = fractal_steps(options)
    monkeypatch.setattr(artkit.device, "uses_gpu", lambda: True)
    monkeypatch.setattr(mx, "compile", lambda function: function)
    *_, found = fractal_steps(options)
    np.testing.assert_allclose(np.array(found.image), np.array(wanted.image), atol=2e-2)


def test_known_orbits() -> None:
    formula = Formula()
    known = {0: 0, -1: 0, -2: 0, 0.25: 0, 1j: 0}  # fixed, of period 2, at the tip, the cusp, falling into a cycle
    points = np.array([*known, 1.0, 2.0, 0.5])
    start = formula.start(mx.array(np.real(points).astype(np.float32)), mx.array(np.imag(points).astype(np.float32)))
    got = smooth(run(start, formula.kernel(False), formula), formula)
    assert (got[: len(known)] == 0).all()
    # 1 -> 1, 2, 5, 26, 677: beyond 64 at the fifth; 2 -> 2, 6, 38, 1446: at the fourth
    # 0.5 -> 0.5, 0.75, 1.06, 1.63, 3.15, 10.4, 109
    assert [math.ceil(value) for value in got[len(known) :]] == [5, 4, 7]


def test_orbits_of_the_trap_and_the_circle() -> None:
    formula = Formula("mandelbrot", 2, trap="point")
    points = np.array([0.25 + 0j, -0.75 + 0.1j])
    start = formula.start(mx.array(np.real(points).astype(np.float32)), mx.array(np.imag(points).astype(np.float32)))
    nearest = run(start, formula.kernel(False), formula).last[-1]
    z, wanted = np.zeros(2, complex), np.full(2, 1e9)
    for _ in range(40):
        z = z * z + points
        wanted = np.minimum(wanted, np.abs(z) ** 2)
    np.testing.assert_allclose(nearest, wanted, rtol=1e-3)


def test_numbers_of_any_length() -> None:
    words = "-0.743643887037158704752191506114774,0.131825904205311970493132056385139"
    place = Place.of(*words.split(","), bits=200)
    assert place.words(33) == words
    assert bits_for(1e-30) >= 100
    assert place.moved(1e-30 + 0j, 300).words(40).startswith("-0.743643887037158704752191506113774")


def test_the_orbit_is_computed_in_whole_numbers() -> None:
    assert orbit(Place.of("-1", "0"), 4) == [0, -1, 0, -1, 0]
    assert orbit(Place.of("0", "1"), 4) == [0, 1j, -1 + 1j, -1j, -1 + 1j]
    assert orbit(Place.of("2", "0"), 9) == [0, 2, 6, 38, 1446]
    near = complex(orbit(Place.of("-1.75", "0", bits=300), 60)[-1])  # chaos: float64 has lost it by then
    exact = 0
    for _ in range(60):
        exact = ((exact * exact) >> 4000) - (175 << 4000) // 100
    assert near == pytest.approx(exact / (1 << 4000), abs=1e-9)


def test_minibrots() -> None:
    near = Place.of("-1.75", "0.01", bits=200)
    cycle = period(near, 0.05, 100)
    assert cycle == 3
    found = nucleus(near, cycle, 0.05)
    assert found is not None
    assert found.words(15) == "-1.754877666246693,0.000000000000000"  # the real root of c³ + 2c² + c + 1
    assert abs(orbit(found, 3)[3]) < 1e-50
    assert size_of(found, 3) == pytest.approx(0.019, rel=0.05)  # from c = -1.7687 to -1.75, of -2 to 0.25 and a bit


def escaped(c: Place, limit: int) -> int:
    """The iteration at which c² + c… is beyond 64, in whole numbers; 0 if it is not."""
    points = orbit(c, limit)
    return len(points) - 1 if abs(points[-1]) > 64 else 0


def compared(middle: Place, radius: float, size: tuple[int, int], limit: int, some: int) -> tuple[np.ndarray, ...]:
    """Counts of some pixels of a canvas, in whole numbers and by patches; 0 inside."""
    width, height = size
    view = DeepView(Reference.of(middle), width, height, complex(2 * radius / min(size)), limit)
    got = np.ceil(smooth(view.orbits(0, height), Formula(slope=True))).reshape(height, width)
    assert np.isfinite(got).all()
    rng = np.random.default_rng(some)
    columns, rows = rng.integers(0, width, some), rng.integers(0, height, some)
    away = ((2 * columns + 1 - width) + 1j * (height - 1 - 2 * rows)) * radius / min(size)
    wanted = [escaped(middle.moved(each, bits_for(radius)), limit) for each in away]
    return np.array(wanted), got[rows, columns]


@pytest.mark.parametrize("depth", [2, 14, 30, 45])
@pytest.mark.parametrize("size", [(8, 8), (75, 40)])
def test_patches_count_as_whole_numbers_do(depth: int, size: tuple[int, int]) -> None:
    """Around a place that is not in the set's boundary by itself, so that references end and points are rebased."""
    radius = 10.0**-depth
    middle = Place.of("0", "1", bits=bits_for(radius))  # i falls into a cycle: it looks alike at every depth
    middle = middle.moved(complex(0.3 * radius, -0.2 * radius), bits_for(radius))
    wanted, got = compared(middle, radius, size, 12 * depth + 400, 60)
    assert (wanted > 0).sum() > 40
    assert (got == wanted).mean() > 0.93  # the others are on the edge of a count
    assert (np.abs(got - wanted)[(wanted > 0) & (got > 0)] <= 1).all()


@pytest.mark.parametrize(("near", "deep"), [("-1.9999", 6), ("-1.999999999999999", 31), ("-2", 55)])
def test_minibrots_count_as_whole_numbers_do(near: str, deep: int) -> None:
    """Minibrots near the tip at -2, 10^-6 to 10^-55 of the set's size; some of the points are inside."""
    tip = Place.of(near, "0", bits=400).moved(10.0**-27 + 0j if deep > 31 else 0j, 400)
    around = {6: 1e-3, 31: 1e-15, 55: 1e-27}[deep]
    cycle = period(tip, around / 3, 400)
    assert cycle is not None
    found = nucleus(tip, cycle, around)
    assert found is not None
    size = size_of(found, cycle)
    assert -deep - 2 < math.log10(size) < -deep + 2
    wanted, got = compared(found, 1.2 * size, (60, 60), 40 * cycle, 60)
    assert (wanted == 0).sum() > 5
    assert (wanted > 0).sum() > 15
    assert (got == wanted).mean() > 0.9


def test_patches_cut_are_the_same_polynomial(rng: np.random.Generator) -> None:
    terms = rng.normal(size=(TERMS, 2, 2)) @ np.array([1, 1j])
    n, one = np.zeros(2, int), np.ones(2)
    whole = Patches(n, n, n, n, 0 * terms[0], 0 * terms[0], 0 * terms[0], terms, one, n, terms[0], terms, n)
    parts = whole.cut(4, 16, TERMS)
    assert len(parts) == 32
    u = rng.normal(size=2) @ np.array([1, 1j]) / 2
    for part in range(32):
        v = u / 4 + (parts.column[part] - 24) / 32 + 1j * (24 - parts.row[part]) / 32
        wanted = sum(terms[k, part % 2] * v ** (k + 1) for k in range(TERMS))
        got = parts.d[part] + sum(parts.terms[k, part] * u ** (k + 1) for k in range(TERMS))
        assert got == pytest.approx(wanted, abs=1e-12)


def test_deep_pictures_agree_with_plain_ones() -> None:
    """The same view, by patches and by float64, turned and not."""
    formula, radius = Formula(slope=True), 0.01
    middle = Place.of("-0.745", "0.11", bits=96)
    x, y = np.meshgrid(np.arange(30) * 2 - 29, 29 - np.arange(30) * 2)
    for turn in (1, np.exp(0.5j)):
        c = complex(middle) + turn * radius / 30 * (x + 1j * y).ravel()
        wanted, far = counted(c, np.zeros_like(c), formula)
        view = DeepView(Reference.of(middle), 30, 30, turn * 2 * radius / 30, LIMIT)
        orbits = view.orbits(0, 30)
        got = smooth(orbits, formula)
        early = (wanted > 0) & (wanted < 60)
        assert early.sum() > 300
        np.testing.assert_allclose(got[early], wanted[early], atol=0.05)
        assert np.median(np.abs(got - wanted)[early]) < 1e-4
        size, steep = (np.hypot(orbits.last[k], orbits.last[k + 1]).astype(float) for k in (0, 4))
        distance = size * np.log(np.maximum(size, 1)) / steep * radius
        np.testing.assert_allclose(distance[early], far[early], rtol=0.05)
        assert np.median(np.abs(distance[early] / far[early] - 1)) < 1e-3
        bands = [smooth(view.orbits(top, top + 10), formula) for top in (0, 10, 20)]
        np.testing.assert_allclose(np.concatenate(bands)[early], got[early], atol=0.05)


def test_traps_of_deep_pictures() -> None:
    middle, radius = Place.of("-0.745", "0.11", bits=96), 0.004
    view = DeepView(Reference.of(middle), 24, 24, complex(2 * radius / 24), LIMIT, "point")
    x, y = np.meshgrid(np.arange(24) * 2 - 23, 23 - np.arange(24) * 2)
    c = complex(middle) + radius / 24 * (x + 1j * y).ravel()
    orbits = view.orbits(0, 24)
    z, wanted = np.zeros_like(c), np.full(c.shape, 1e9)
    for _ in range(LIMIT):
        z = np.where(np.abs(z) < 100, z * z + c, z)
        wanted = np.minimum(wanted, np.abs(z) ** 2)
    outside = orbits.count > 0
    assert outside.sum() > 300
    np.testing.assert_allclose(orbits.last[-1][outside], wanted[outside], rtol=0.05, atol=1e-3)


def test_an_orbit_serves_a_whole_movie(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted_orbit(c: Place, limit: int) -> list[complex]:
        asked.append(limit)
        return orbit(c, limit)

    monkeypatch.setattr("artkit.generate.bigplane.orbit", counted_orbit)
    words = "-0.15652016683375508,1.0322471089228318"
    places = {View.of(FractalOptions(center=words, zoom=zoom)).middle for zoom in (2.0, 5.0, 9.0, 12.0)}
    for place in places:
        Reference.of(place).points(100)
    assert len(places) == len(asked) == 1


def test_a_seed_finds_a_minibrot_with_all_its_digits() -> None:
    place, radius = wander(1)
    assert 0 < radius < 1e-3
    assert place.bits >= bits_for(radius)
    assert wander(1) == (place, radius)
    assert wander(2) != (place, radius)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"formula": "julia", "coloring": "trap", "trap": "circle"},
        {"formula": "ship", "coloring": "smooth"},
        {"formula": "newton", "power": 3},
        {"zoom": 0, "center": "-0.5,0", "coloring": "distance", "power": 3},
        {"zoom": 20, "center": "0,1", "angle": 30},
        {"zoom": 3, "center": "-1.7549,0.001", "coloring": "trap"},
        {"zoom": 60, "center": "0,1", "coloring": "distance"},
    ],
)
def test_pictures(options: dict) -> None:
    steps = list(fractal_steps(FractalOptions(size=Size(48, 32), supersample=1, seed=4, **options)))
    picture = np.array(steps[-1].image)
    assert picture.shape == (1, 32, 48, 3)
    assert np.isfinite(picture).all()
    assert picture.std() > 0.02
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert steps[-1].done == steps[-1].total


def test_newton_shows_what_coloring_and_trap_ask_for() -> None:
    looks = [{"coloring": coloring} for coloring in ("relief", "smooth", "distance")]
    looks += [{"coloring": "trap", "trap": trap} for trap in ("point", "cross", "circle")]
    pictures = []
    for look in looks:
        *_, last = fractal_steps(FractalOptions.checked({"size": 48, "supersample": 1, "formula": "newton", **look}))
        pictures.append(np.array(last.image))
    assert all(np.abs(a - b).mean() > 0.02 for a, b in itertools.combinations(pictures, 2))


def test_newton_by_a_coloring_of_ones_own_has_a_number_and_nothing_else_has() -> None:
    numbers = {
        (formula, coloring): FractalOptions.checked({"formula": formula, "coloring": coloring}).recipe_method
        for formula in ("mandelbrot", "julia", "ship", "newton")
        for coloring in ("relief", "smooth", "distance", "trap")
    }
    assert {each for each, number in numbers.items() if number == 2} == {
        ("newton", coloring) for coloring in ("smooth", "distance", "trap")
    }
    assert set(numbers.values()) == {1, 2}


def test_newton_far_away_after_a_step_from_the_middle() -> None:
    x, y = np.meshgrid(*[np.concatenate([[0.0], np.logspace(-9, -3, 40)]).astype(np.float32)] * 2)
    for power in (3, 8):
        points = newton(mx.array(x), mx.array(y), power, 1.1 * cmath.exp(0.4j), 12, "cross")
        assert all(np.isfinite(np.array(values)).all() for values in points)


def test_newtons_stretch_is_the_slope_of_where_points_arrive() -> None:
    x, y, near = mx.array([0.7, -1.3, 0.4]), mx.array([0.2, 0.8, -0.9]), 1e-3
    before, middle, after = (newton(x + d, y, 3, 1.2 * cmath.exp(0.3j), 3, "point") for d in (-near, 0, near))
    apart = np.hypot(np.array(after.x - before.x), np.array(after.y - before.y))
    np.testing.assert_allclose(np.exp(np.array(middle.stretch)), apart / (2 * near), rtol=0.02)
    assert (np.array(middle.steepest) >= np.maximum(np.array(middle.stretch), 0)).all()


@pytest.mark.parametrize("center", ["0,0", "0.3,0", "-0.2,0.4", "3,3"])
def test_where_there_is_nothing_to_see(center: str) -> None:
    """All inside, or all outside, and the orbit of the middle gone at once."""
    options = FractalOptions(size=Size(32, 20), supersample=1, center=center, zoom=4, coloring="smooth")
    view = View.of(options)
    orbits, _ = view.surveyed(32, 20)
    assert orbits.count.all() == (center in ("0.3,0", "3,3"))
    assert orbits.count.any() == orbits.count.all()
    *_, last = fractal_steps(options)
    assert np.isfinite(np.array(last.image)).all()


def test_colors_come_around() -> None:
    def drawn(phase: float) -> np.ndarray:
        options = FractalOptions(size=Size(32, 32), supersample=1, zoom=0, center="-0.5,0", phase=phase)
        *_, last = fractal_steps(options)
        return np.array(last.image)

    assert np.abs(drawn(0) - drawn(1)).max() < 1e-3
    assert np.abs(drawn(0) - drawn(0.5)).max() > 0.1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"center": "here"}, "two numbers"),
        ({"formula": "julia", "zoom": 9}, "goes to zoom 3.5"),
        ({"power": 3, "zoom": 9}, "goes to zoom 3.5"),
    ],
)
def test_what_cannot_be(options: dict, says: str) -> None:
    with pytest.raises(WrongCall, match=says):
        FractalOptions(**options)
