import mlx.core as mx
import numpy as np
import pytest

from artkit.nets.losses import (
    STYLE_LOSSES,
    Covariance,
    Gram,
    Histogram,
    Loss,
    MeanStd,
    SelfSimilarity,
    SlicedWasserstein,
    Wasserstein,
    variation,
)

EVERY = [*(loss() for loss in STYLE_LOSSES.values()), SelfSimilarity()]
NAMES = [type(loss).__name__ for loss in EVERY]


def features(seed: int, height: int = 12, width: int = 10, channels: int = 6) -> mx.array:
    values = np.random.default_rng(seed).normal(0.3, 1, (1, height, width, channels))
    return mx.array(np.maximum(values, 0).astype(np.float32))


def between(loss: Loss, found: mx.array, wanted: mx.array) -> float:
    return float(loss.distance(loss.summary(found), loss.target(loss.summary(wanted))))


@pytest.mark.parametrize("loss", EVERY, ids=NAMES)
def test_nothing_between_a_picture_and_itself(loss: Loss):
    assert between(loss, features(1), features(1)) == pytest.approx(0, abs=2e-3)
    assert between(loss, features(1), 3 * features(2) + 1) > 0.02


@pytest.mark.parametrize("loss", EVERY, ids=NAMES)
def test_tiles_add_up_to_the_whole(loss: Loss):
    whole, target = features(1, width=12), loss.target(loss.summary(features(2, width=12)))
    halves = [loss.summary(whole[:, :4]), loss.summary(whole[:, 4:])]
    one, two = loss.distance(loss.summary(whole), target), loss.distance(loss.combine(halves), target)
    assert one.item() == pytest.approx(two.item(), rel=1e-4)


@pytest.mark.parametrize("loss", [loss() for loss in STYLE_LOSSES.values()], ids=list(STYLE_LOSSES))
def test_style_does_not_care_where_things_are(loss: Loss):
    x = features(1)
    moved = x[:, ::-1, ::-1]
    assert between(loss, moved, x) == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("loss", [loss() for loss in STYLE_LOSSES.values()], ids=list(STYLE_LOSSES))
def test_a_mask_leaves_the_rest_out(loss: Loss):
    x, y = features(1, height=12), features(2, height=12)
    left = mx.broadcast_to((mx.arange(10) < 5).reshape(1, 1, 10, 1), (1, 12, 10, 1)).astype(mx.float32)
    target = loss.target(loss.summary(y))
    masked = loss.distance(loss.summary(x, left), target).item()
    assert masked == pytest.approx(loss.distance(loss.summary(x[:, :, :5]), target).item(), rel=1e-3)


@pytest.mark.parametrize("loss", EVERY, ids=NAMES)
def test_blend_lies_between(loss: Loss):
    a, b = loss.target(loss.summary(features(1))), loss.target(loss.summary(2 * features(2)))
    for amount, end in ((0.0, a), (1.0, b)):
        blended = loss.blend(a, b, amount)
        assert all(mx.allclose(blended[name], end[name], rtol=1e-4, atol=1e-5) for name in end)
    middle = loss.blend(a, b, 0.5)
    found = loss.summary(features(1))
    assert float(loss.distance(found, middle)) < float(loss.distance(found, b))


@pytest.mark.parametrize("loss", EVERY, ids=NAMES)
def test_gradient_goes_downhill(loss: Loss):
    x, target = features(1), loss.target(loss.summary(features(2)))
    before, slope = mx.value_and_grad(lambda f: loss.distance(loss.summary(f), target))(x)
    step = 1e-3 * before / mx.square(slope).sum()
    after = loss.distance(loss.summary(x - step * slope), target)
    assert mx.isfinite(slope).all()
    assert float(after) < float(before)


@pytest.mark.parametrize("loss", EVERY, ids=NAMES)
def test_a_flat_picture_has_finite_gradients(loss: Loss):
    target = loss.target(loss.summary(features(2)))
    _, slope = mx.value_and_grad(lambda f: loss.distance(loss.summary(f), target))(mx.zeros((1, 12, 10, 6)))
    assert mx.isfinite(slope).all()


@pytest.mark.parametrize("masked", [False, True])
def test_moments_go_through_a_linear_readout(masked: bool):
    rng, x = np.random.default_rng(3), features(1)
    weight, bias = (mx.array(rng.normal(size=shape).astype(np.float32)) for shape in ((4, 6), (4,)))
    mask = mx.array(rng.uniform(0, 1, (1, 12, 10, 1)).astype(np.float32)) if masked else None
    wanted, found = Gram().summary(x @ weight.T + bias, mask), Gram.read(Gram().summary(x, mask), weight, bias)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-3)


def test_gram_distance_by_hand():
    # Grams of flat pictures are outer products: |aaᵀ - bbᵀ|² / |bbᵀ|² = (|a|⁴ - 2 (a·b)² + |b|⁴) / |b|⁴
    a, b = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    flat = [mx.broadcast_to(mx.array(v, dtype=mx.float32), (1, 3, 3, 2)) for v in (a, b)]
    assert between(Gram(), *flat) == pytest.approx((1 - 2 + 4) / 4, rel=1e-5)


def test_mean_std_sees_moments_only():
    x = mx.array([[[[0.0], [2.0]]]])  # mean 1, deviation 1
    y = mx.array([[[[2.0], [2.0]]]])  # mean 2, deviation 0
    assert between(MeanStd(), x, y) == pytest.approx((1 + 1) / 4, rel=1e-2)


def test_wasserstein_between_shifted_clouds_is_the_shift_squared():
    x = features(3, 40, 40, 3)
    shift = 0.5
    mean, spread = np.array(x).reshape(-1, 3).mean(0), np.array(x).reshape(-1, 3).var(0).sum()
    wanted = 3 * shift**2 / ((mean + shift) @ (mean + shift) + spread)
    assert between(Wasserstein(), x, x + shift) == pytest.approx(wanted, rel=2e-2)


def test_covariance_is_blind_to_order_but_not_to_spread():
    x = features(3)
    assert between(Covariance(), 2 * x, x) > 0.5


def test_histogram_by_hand():
    # Two channels of two values: sorted and compared, over the energy of the target.
    x = mx.array([[[[0.0, 5.0], [1.0, 5.0]]]])
    y = mx.array([[[[2.0, 5.0], [1.0, 5.0]]]])
    assert between(Histogram(), x, y) == pytest.approx((1 + 1) / (4 + 1 + 25 + 25), rel=1e-2)


def test_sliced_wasserstein_of_a_shift():
    x = features(3, 30, 30, 1)
    wanted = 0.25 / mx.square(x + 0.5).mean().item()
    assert between(SlicedWasserstein(), x, x + 0.5) == pytest.approx(wanted, rel=2e-2)


def test_sorting_losses_compare_pictures_of_different_size():
    assert between(SlicedWasserstein(), features(3, 40, 40), features(4, 20, 30)) < 0.05


def test_self_similarity_does_not_care_for_brightness_but_for_pattern():
    x = features(5)
    assert between(SelfSimilarity(), 4 * x, x) == pytest.approx(0, abs=1e-3)
    assert between(SelfSimilarity(), x[:, ::-1], x) > 0.1


def test_variation_of_a_checkerboard():
    board = mx.array(np.indices((4, 6)).sum(axis=0) % 2).astype(mx.float32)[None, :, :, None]
    assert variation(board, 1).item() == 3 * 6
    assert variation(board, 2).item() == 4 * 5


@pytest.mark.parametrize("level", [0.1, 0.4, 3.0])
def test_wasserstein_of_flat_pictures_is_a_number_with_a_gradient(level: float) -> None:
    loss = Wasserstein()
    flat = mx.broadcast_to(level * mx.random.uniform(shape=(32,), key=mx.random.key(0)), (1, 64, 64, 32))
    varied = mx.random.uniform(shape=(1, 64, 64, 32), key=mx.random.key(1))
    for found, wanted in ((flat, varied), (varied, flat), (flat, 0.5 * flat)):
        target = loss.target(loss.summary(wanted))
        distance, slope = mx.value_and_grad(lambda x, target=target: loss.distance(loss.summary(x), target))(found)
        assert bool(mx.isfinite(slope).all())
        assert 0 < float(distance) < 1e4
    assert float(loss.distance(loss.summary(flat), loss.target(loss.summary(flat)))) < 1e-3
