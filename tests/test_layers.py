"""Convolution, pooling and resampling: every fast form against the plain one, values and gradients."""

import threading
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from artkit import device
from artkit.nets import cpu_bands, cpu_winograd, cuda_pool, layers
from artkit.nets.layers import channel_products, conv2d, depth_to_space, pad, pool, relu, space_to_depth, upsample2

# Winograd in float32 is good to 2e-6, everything else here to 1e-6; relative to the norm of the whole array.
CLOSE = 1e-5
SIZES = [(16, 16), (33, 30), (5, 3), (1, 7), (6, 1), (4, 70)]
PADDINGS: list[layers.Padding] = ["reflect", "replicate", "zero", "wrap"]
NUMPY_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "zero": "constant", "wrap": "wrap"}


def normal(*shape: int, seed: int = 0) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


def error(got: mx.array, wanted: mx.array) -> float:
    assert got.shape == wanted.shape
    return float(mx.linalg.norm(got - wanted) / (mx.linalg.norm(wanted) + 1e-30))


def padded(x: mx.array, kernel: int, stride: int, padding: layers.Padding) -> mx.array:
    """The border as NumPy makes it: ⌈size / stride⌉ windows, the larger half of the border after."""
    widths = []
    for size in x.shape[1:3]:
        more = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        before = (kernel - 1) // 2
        widths.append((before, max(0, more - before)))
    for axis, width in enumerate(widths, start=1):
        size, (before, after) = x.shape[axis], width
        modes: dict[str, Any] = {"reflect": "reflect" if size > max(width) else "edge", "wrap": "wrap"}
        at = np.pad(np.arange(size), width, mode=modes.get(padding, "edge"))
        inside = np.ones(size + before + after)
        if padding == "zero":
            inside[:before], inside[size + before :] = 0, 0
        shape = [1] * 4
        shape[axis] = -1
        x = mx.take(x, mx.array(at), axis=axis) * mx.array(inside.reshape(shape).astype(np.float32))
    return x


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "stride", "ins", "outs"), [(3, 1, 16, 24), (3, 1, 3, 32), (3, 1, 16, 3)])
def test_three_by_three_is_the_plain_convolution(padding, size, kernel, stride, ins, outs):
    check(padding, size, kernel, stride, ins, outs)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [(16, 16), (13, 18), (7, 5), (1, 3)], ids=str)
@pytest.mark.parametrize(
    ("kernel", "stride", "ins", "outs"),
    [(1, 1, 24, 40), (5, 1, 16, 3), (2, 2, 20, 20), (6, 3, 8, 8), (4, 2, 16, 24), (4, 2, 3, 16), (9, 1, 3, 16)],
)
def test_other_kernels_are_the_plain_convolution(padding, size, kernel, stride, ins, outs):
    check(padding, size, kernel, stride, ins, outs)


@pytest.mark.parametrize("padding", PADDINGS)
def test_a_stride_that_does_not_divide_the_kernel_is_the_plain_convolution(padding):
    check(padding, (12, 9), 3, 2, 16, 24)


def check(padding: layers.Padding, size: tuple[int, int], kernel: int, stride: int, ins: int, outs: int) -> None:
    """Values, and the gradients to picture, weights and bias, of a batch of two."""
    x, bias = normal(2, *size, ins), normal(outs, seed=1)
    weight = normal(outs, kernel, kernel, ins, seed=2)

    def plain(x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
        return mx.conv2d(padded(x, kernel, stride, padding), weight, stride=stride) + bias

    def fast(x: mx.array, weight: mx.array, bias: mx.array) -> mx.array:
        return conv2d(x, weight, bias, stride=stride, padding=padding)

    dy = normal(*plain(x, weight, bias).shape, seed=3)
    wanted, wanted_slopes = mx.vjp(plain, [x, weight, bias], [dy])
    got, slopes = mx.vjp(fast, [x, weight, bias], [dy])
    assert error(got[0], wanted[0]) < CLOSE
    assert [error(a, b) < CLOSE for a, b in zip(slopes, wanted_slopes, strict=True)] == [True] * 3


def test_valid_adds_nothing():
    x, weight = normal(1, 9, 8, 16), normal(16, 3, 3, 16, seed=1)
    assert error(conv2d(x, weight, padding="valid"), mx.conv2d(x, weight)) < CLOSE


@pytest.mark.parametrize("gpu", [False, True], ids=["CPU", "GPU"])
def test_relu_inside_the_convolution_is_relu_after_it(gpu, monkeypatch):
    monkeypatch.setattr(layers, "uses_gpu", lambda: gpu)
    x, weight, bias = normal(1, 13, 10, 16), normal(24, 3, 3, 16, seed=1), normal(24, seed=2)
    dy = normal(1, 13, 10, 24, seed=3)
    before = conv2d(x, weight, bias)
    dy = mx.where(mx.abs(before) > 1e-3, dy, 0)  # rounding may put what is nearly 0 on either side
    inside, slopes = mx.vjp(lambda *a: conv2d(*a, relu=True), [x, weight, bias], [dy])
    after, wanted = mx.vjp(lambda *a: mx.maximum(conv2d(*a), 0), [x, weight, bias], [dy])
    assert error(inside[0], after[0]) < CLOSE
    assert all(error(a, b) < CLOSE for a, b in zip(slopes, wanted, strict=True))


def test_many_bands_are_one(monkeypatch):
    x, weight = normal(3, 21, 17, 16), normal(16, 3, 3, 16, seed=1)
    few = mx.value_and_grad(lambda x: (conv2d(x, weight) ** 2).sum())(x)
    monkeypatch.setattr(cpu_bands, "BAND_BYTES", 1)
    many = mx.value_and_grad(lambda x: (conv2d(x, weight) ** 2).sum())(x)
    assert error(many[1], few[1]) < CLOSE
    assert many[0].item() == pytest.approx(few[0].item(), rel=1e-5)


def test_second_derivatives():
    x, weight = normal(1, 9, 12, 16), normal(20, 3, 3, 16, seed=1)

    def slope_of_slope(convolve):
        def steepness(x, weight):
            return (mx.grad(lambda x: (convolve(x, weight) ** 3).sum())(x) ** 2).sum()

        return mx.grad(steepness, argnums=(0, 1))(x, weight)

    wanted = slope_of_slope(lambda x, weight: mx.conv2d(padded(x, 3, 1, "reflect"), weight))
    got = slope_of_slope(conv2d)
    assert all(error(a, b) < 1e-4 for a, b in zip(got, wanted, strict=True))  # two convolutions deeper


def test_weights_changed_in_place_are_seen():
    x, weight = normal(1, 8, 8, 16), normal(16, 3, 3, 16, seed=1)
    before = conv2d(x, weight)
    mx.eval(before)
    weight *= 2
    assert error(conv2d(x, weight), 2 * before) < CLOSE


def test_gradients_nobody_asks_for_are_not_computed(monkeypatch):
    def never(*_):
        return mx.broadcast_to(mx.linalg.inv(mx.zeros((2, 2)), stream=mx.cpu)[0, 0], (16, 3, 3, 16))

    monkeypatch.setattr(cpu_winograd, "weight_gradient", never)
    x, weight = normal(1, 8, 8, 16), normal(16, 3, 3, 16, seed=1)
    slope = mx.grad(lambda x, weight: conv2d(x, weight).sum())(x, weight)
    assert np.isfinite(np.array(slope)).all()
    with pytest.raises(RuntimeError, match="Inverse"):
        mx.eval(mx.grad(lambda x, weight: conv2d(x, weight).sum(), argnums=1)(x, weight))


def test_every_thread_convolves():
    x, weight = normal(1, 40, 40, 16), normal(16, 3, 3, 16, seed=1)
    wanted = np.array(conv2d(x, weight))
    found = []

    def job():
        found.append(np.array(conv2d(x, weight)))

    for _ in range(2):
        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
    assert len(found) == 2
    assert all(np.array_equal(one, wanted) for one in found)


def test_a_stack_like_vgg19_is_pytorchs():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x = normal(1, 67, 45, 3)
    ours, theirs, channels = x, torch.from_numpy(np.array(x)).permute(0, 3, 1, 2), 3
    plan = [64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512]
    for place, width in enumerate(plan):
        if not width:
            ours, theirs = pool(ours), functional.max_pool2d(theirs, 2)
            continue
        weight = normal(width, 3, 3, channels, seed=place) * (2 / (9 * channels)) ** 0.5
        bias = normal(width, seed=100 + place) * 0.1
        ours = conv2d(ours, weight, bias, padding="zero", relu=True)
        kernel = torch.from_numpy(np.array(weight)).permute(0, 3, 1, 2)
        theirs = functional.relu(functional.conv2d(theirs, kernel, torch.from_numpy(np.array(bias)), padding=1))
        channels = width
    wanted = mx.array(theirs.permute(0, 2, 3, 1).contiguous().numpy())
    assert error(ours, wanted) < 1e-4


@pytest.mark.parametrize("widths", [((1, 1), (1, 1)), ((1, 2), (0, 1)), ((4, 4), (3, 0))])
@pytest.mark.parametrize("mode", PADDINGS)
def test_pad_is_numpys(widths, mode: layers.Padding):
    x = normal(1, 6, 5, 2)
    height, width = widths
    wanted = np.pad(np.array(x), [(0, 0), height, width, (0, 0)], mode=NUMPY_MODES[mode])
    np.testing.assert_array_equal(np.array(pad(x, height, width, mode)), wanted)


@pytest.mark.parametrize("size", [(4, 5), (9, 7), (5, 6)])
@pytest.mark.parametrize("widths", [((1, 1), (1, 1)), ((2, 0), (0, 1)), ((0, 3), (2, 2))])
def test_the_gradient_of_a_reflection_adds_what_each_pixel_became(size, widths):
    height, width = widths
    x = normal(2, *size, 3)
    places = np.arange(x.size).reshape(x.shape)
    dy = normal(*pad(x, height, width, "reflect").shape)
    where = np.pad(places, [(0, 0), height, width, (0, 0)], mode="reflect")
    wanted = np.bincount(where.ravel(), np.array(dy).ravel(), x.size).reshape(x.shape)
    slope = mx.vjp(lambda x: pad(x, height, width, "reflect"), [x], [dy])[1][0]
    np.testing.assert_allclose(np.array(slope), wanted, rtol=1e-5, atol=1e-6)


def test_reflecting_a_single_row_repeats_it():
    x = normal(1, 1, 4, 2)
    np.testing.assert_array_equal(np.array(pad(x, (1, 1), (0, 0), "reflect")), np.repeat(np.array(x), 3, axis=1))


def test_relu_is_flat_below_and_at_zero():
    value, slope = mx.vjp(relu, [mx.array([-2.0, 0.0, 3.0])], [mx.array([5.0, 5.0, 5.0])])
    assert value[0].tolist() == [0, 0, 3]
    assert slope[0].tolist() == [0, 0, 5]


def test_pooling_drops_an_odd_edge():
    x = mx.arange(15, dtype=mx.float32).reshape(1, 3, 5, 1)
    assert pool(x, "max").reshape(-1).tolist() == [6, 8]
    assert pool(x, "average").reshape(-1).tolist() == [3, 5]
    np.testing.assert_allclose(np.array(pool(x, "l2")).reshape(-1), [np.sqrt(15.5), np.sqrt(31.5)], rtol=1e-6)


@pytest.mark.parametrize("kind", ["max", "average", "l2"])
def test_pooling_leaves_a_flat_area_as_it_is(kind):
    np.testing.assert_allclose(np.array(pool(mx.full((1, 4, 4, 3), 0.7), kind)), 0.7, rtol=1e-6)


@pytest.mark.parametrize("kind", ["max", "average", "l2"])
@pytest.mark.parametrize("size", [(8, 6), (7, 5)], ids=str)
def test_pooling_gradient(kind, size):
    x, height, width = normal(2, *size, 3), size[0] // 2, size[1] // 2

    def plain(x):
        parts = x[:, : 2 * height, : 2 * width].reshape(2, height, 2, width, 2, 3)
        if kind == "max":
            return parts.max((2, 4))
        return parts.mean((2, 4)) if kind == "average" else mx.sqrt((parts**2).mean((2, 4)))

    dy = normal(2, height, width, 3, seed=1)
    got, wanted = (mx.vjp(f, [x], [dy]) for f in (lambda x: pool(x, kind), plain))
    assert error(got[0][0], wanted[0][0]) < CLOSE
    assert error(got[1][0], wanted[1][0]) < CLOSE


def test_equal_pixels_share_one_gradient():
    # Flat areas are common in graphics: four equal pixels must not get four times the gradient.
    slope = mx.grad(lambda x: pool(x, "max").sum())(mx.ones((1, 4, 4, 2)))
    np.testing.assert_array_equal(np.array(slope).reshape(2, 2, 2, 2, 2).sum((1, 3)), 1)


def test_both_maxima_agree():
    x = normal(1, 8, 10, 3)
    np.testing.assert_array_equal(np.array(layers._max_of_four(x)), np.array(layers._max_pool(x)))


@pytest.mark.skipif(not mx.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("kind", [mx.float32, mx.float16, mx.bfloat16], ids=str)
@pytest.mark.parametrize("channels", [3, 64])
def test_the_maximum_on_cuda_is_the_plain_one(kind, channels):
    x = mx.random.permutation(mx.arange(2 * 6 * 10 * channels, dtype=mx.float32)).reshape(2, 6, 10, channels) / 64
    x, dy = x.astype(kind), normal(2, 3, 5, channels).astype(kind)
    got, wanted = (mx.vjp(f, [x], [dy]) for f in (cuda_pool.max_pool, layers._max_pool))
    assert mx.array_equal(got[0][0], wanted[0][0])
    largest = mx.repeat(mx.repeat(got[0][0], 2, axis=1), 2, axis=2) == x  # where pixels are alike, it is any of them
    assert mx.array_equal(got[1][0] * largest, got[1][0])
    assert mx.array_equal(got[1][0].reshape(2, 3, 2, 5, 2, channels).sum((2, 4)), dy)


def test_upsample_repeats_pixels():
    x = mx.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    wanted = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert upsample2(x).reshape(4, 4).tolist() == wanted


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_space_to_depth_and_back(factor):
    x = normal(2, 6, 12, 5)
    folded = space_to_depth(x, factor)
    assert folded.shape == (2, 6 // factor, 12 // factor, 5 * factor**2)
    np.testing.assert_array_equal(np.array(depth_to_space(folded, factor)), np.array(x))


def test_space_to_depth_goes_row_by_row():
    assert space_to_depth(mx.arange(4).reshape(1, 2, 2, 1), 2).reshape(-1).tolist() == [0, 1, 2, 3]


def test_half_precision_and_gpus_take_mlxs_own_convolution(monkeypatch):
    x, weight = normal(1, 8, 8, 16), normal(16, 3, 3, 16, seed=1)
    half = conv2d(x.astype(mx.float16), weight.astype(mx.float16), padding="zero")
    assert half.dtype == mx.float16
    monkeypatch.setattr(layers, "uses_gpu", lambda: True)
    for padding in PADDINGS:
        got = conv2d(x, weight, padding=padding)
        assert error(got, mx.conv2d(padded(x, 3, 1, padding), weight)) < 1e-6
    assert error(half.astype(mx.float32), conv2d(x, weight, padding="zero")) < 1e-2
    assert error(pool(x), layers._max_pool(x)) == 0


def test_there_is_a_stream_for_every_core():
    assert len(cpu_bands.thread_streams()) == device.CPU_STREAMS >= 1


@pytest.mark.parametrize("gpu", [False, True], ids=["CPU", "GPU"])
@pytest.mark.parametrize("shape", [(1, 100, 5), (3, 7, 4), (2, 1, 3)], ids=str)
def test_channel_products_and_their_gradient(shape, gpu, monkeypatch):
    monkeypatch.setattr(layers, "uses_gpu", lambda: gpu)
    x, dy = normal(*shape), normal(shape[0], shape[2], shape[2], seed=1)
    got, wanted = (mx.vjp(f, [x], [dy]) for f in (channel_products, lambda x: x.swapaxes(1, 2) @ x))
    assert error(got[0][0], wanted[0][0]) < CLOSE
    assert error(got[1][0], wanted[1][0]) < CLOSE


def test_channel_products_have_second_derivatives():
    x = normal(1, 6, 3)

    def steepness(products):
        return mx.grad(lambda x: (mx.grad(lambda x: (products(x) ** 2).sum())(x) ** 2).sum())(x)

    assert error(steepness(channel_products), steepness(lambda x: x.swapaxes(1, 2) @ x)) < CLOSE
