"""Style networks: the enlarging convolution, norms, codes, and what a network does whatever its weights are."""

import errno

import mlx.core as mx
import numpy as np
import pytest

from artkit.contract import WeightsError
from artkit.nets.features import load_features
from artkit.nets.layers import conv2d, depth_to_space
from artkit.nets.stylenets import (
    FULL,
    LIGHT,
    PLANS,
    Code,
    Plan,
    Predictor,
    StyleNetwork,
    affine,
    doubling_kernel,
    moments,
)
from artkit.stylize.banding import bytes_per_pixel, draw


def random_network(plan: Plan, seed: int = 0) -> StyleNetwork:
    weights = {}
    for number, (name, shape) in enumerate(plan.shapes().items()):
        weights[name] = mx.random.normal(shape, key=mx.random.key(seed + number)) * (2 / (9 * shape[-1])) ** 0.5
    return StyleNetwork(plan, weights)


def random_codes(plan: Plan, count: int, seed: int = 0) -> mx.array:
    codes = plan.plain_code() + 0.3 * mx.random.normal((count, plan.code_size), key=mx.random.key(seed))
    return mx.concatenate([codes[:, :-1], mx.full((count, 1), 0.2)], axis=1)


def picture(height: int, width: int, count: int = 1, seed: int = 0) -> mx.array:
    return mx.random.uniform(shape=(count, height, width, 3), key=mx.random.key(seed))


def test_doubling_is_linear_interpolation_and_then_convolution():
    x = np.random.default_rng(0).normal(size=(6, 7, 4)).astype(np.float32)
    weight = mx.random.normal((5, 3, 3, 4), key=mx.random.key(1))
    large = np.zeros((12, 14, 4), np.float32)
    for row in range(1, 11):
        for column in range(1, 13):
            y, u = divmod(row - 0.5, 2)[0], ((row - 0.5) / 2) % 1
            x0, v = divmod(column - 0.5, 2)[0], ((column - 0.5) / 2) % 1
            a, b = int(y), int(x0)
            top = x[a, b] * (1 - v) + x[a, b + 1] * v
            bottom = x[a + 1, b] * (1 - v) + x[a + 1, b + 1] * v
            large[row, column] = top * (1 - u) + bottom * u
    wanted = mx.conv2d(mx.array(large[None]), weight, padding=1)
    got = depth_to_space(conv2d(mx.array(x[None]), doubling_kernel(weight)), 2)
    assert got.shape == (1, 12, 14, 5)
    assert mx.allclose(got[:, 2:-2, 2:-2], wanted[:, 2:-2, 2:-2], atol=1e-4)


def test_moments_and_norm_are_those_of_each_channel_of_each_picture():
    x = np.random.default_rng(0).normal(3, 2, (2, 9, 11, 5)).astype(np.float32)
    mean, variance = moments(mx.array(x))
    np.testing.assert_allclose(np.array(mean)[:, 0, 0], x.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.array(variance)[:, 0, 0], x.var(axis=(1, 2)), rtol=1e-4)
    a, b = affine(mean, variance, mx.array(2.0), mx.array(-1.0))
    normed = np.array(a * mx.array(x) + b)
    np.testing.assert_allclose(normed.mean(axis=(1, 2)), -1, atol=1e-4)
    np.testing.assert_allclose(normed.std(axis=(1, 2)), 2, rtol=1e-4)


def test_moments_in_half_precision_are_good_over_a_large_picture():
    x = np.random.default_rng(0).normal(1, 2, (1, 270, 480, 3)).astype(np.float16)
    mean, variance = moments(mx.array(x))
    np.testing.assert_allclose(np.array(mean)[0, 0, 0], x.astype(np.float64).mean(axis=(0, 1, 2)), rtol=5e-3)
    np.testing.assert_allclose(np.array(variance)[0, 0, 0], x.astype(np.float64).var(axis=(0, 1, 2)), rtol=5e-3)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("size", [(32, 48), (37, 50), (3, 5), (1, 1)], ids=str)
def test_any_size_comes_out_as_it_went_in(plan: Plan, size: tuple[int, int]):
    drawn = random_network(plan)(picture(*size, count=2), Code.of(random_codes(plan, 2)))
    assert drawn.shape == (2, *size, 3)
    assert bool(mx.isfinite(drawn).all())


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_all_share_and_no_norms_is_the_photo(plan: Plan):
    photo = picture(21, 30)
    code = mx.zeros(plan.code_size).at[-1].add(1.0)
    assert mx.allclose(random_network(plan)(photo, Code.of(code)), photo, atol=1e-6)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_pictures_of_a_batch_do_not_see_each_other(plan: Plan):
    network, x, codes = random_network(plan), picture(24, 24, count=2), random_codes(plan, 2)
    both = network(x, Code.of(codes))
    for n in range(2):
        assert mx.allclose(network(x[n : n + 1], Code.of(codes[n])), both[n : n + 1], atol=2e-4)


def test_a_map_of_one_style_everywhere_is_that_style():
    network, x, table = random_network(FULL), picture(24, 32), random_codes(FULL, 3)
    everywhere = mx.broadcast_to(mx.array([0.0, 1.0, 0.0]), (1, 24, 32, 3))
    assert mx.allclose(network(x, Code(table, everywhere)), network(x, Code.of(table[1])), atol=2e-4)
    mixed = network(x, Code(table, mx.array([[0.3, 0.7, 0.0]])))
    assert mx.allclose(mixed, network(x, Code.of(0.3 * table[0] + 0.7 * table[1])), atol=2e-4)


def test_light_is_six_times_lighter_than_full():
    assert FULL.operations(512, 512) >= 6 * LIGHT.operations(512, 512)
    parameters = sum(np.prod(shape) for shape in FULL.shapes().values())
    assert 1.4e6 < parameters < 2.2e6


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("mapped", [False, True], ids=["one code", "map"])
def test_banded_is_the_untiled_picture(plan: Plan, mapped: bool):
    network, x, table = random_network(plan), picture(150, 90), 0.5 * random_codes(plan, 2)
    code = Code.of(table[0])
    if mapped:
        high, wide = (-(-edge // plan.multiple) * plan.multiple for edge in x.shape[1:3])
        ramp = mx.broadcast_to(mx.linspace(0, 1, high)[None, :, None, None], (1, high, wide, 1))
        code = Code(table, mx.concatenate([ramp, 1 - ramp], axis=3))
    whole = network(x, code)
    assert float(whole.std()) > 0.1
    for rows in (1, 30, 70):
        banded = draw(network, x, code, rows * 96 * bytes_per_pixel(plan))
        assert banded.shape == whole.shape
        assert float(mx.abs(banded - whole).max()) < 2 / 255


def test_a_prediction_depends_on_the_picture_and_not_on_where_things_are():
    reader, one = load_features("compact"), picture(64, 64)
    statistics = Predictor.read(reader, mx.concatenate([one, one[:, :, ::-1], 0.1 * one]))
    assert statistics.shape == (3, Predictor.inputs(reader))
    codes = Predictor(Predictor.initial_weights(statistics.shape[1], FULL, mx.random.key(0)))(statistics)
    assert codes.shape == (3, FULL.code_size)
    assert float(mx.abs(codes[0] - codes[2]).max()) > 5 * float(mx.abs(codes[0] - codes[1]).max())


def test_a_full_disk_is_said_before_anything_is_written_to_the_map(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def full(descriptor: int, offset: int, length: int) -> None:
        asked.append(length)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(WeightsError, match=r"the disk is full.*TMPDIR"):
        draw(random_network(LIGHT), picture(64, 64), Code.of(random_codes(LIGHT, 1)), 1)
    assert asked == [2 * 16 * 16 * 48]
