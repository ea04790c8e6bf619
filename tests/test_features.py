import math

import mlx.core as mx
import numpy as np
import pytest

from artkit.checkpoint import load_arrays
from artkit.contract import WeightsError, WrongCall
from artkit.nets.architectures import COMPACT, VGG16, VGG19, Architecture, Readout, compact, compact_of
from artkit.nets.features import FeatureNetwork, load_features, preprocess
from tests.conftest import TOLERANCE


def random_weights(architecture: Architecture, seed: int = 0) -> dict[str, mx.array]:
    rng = np.random.default_rng(seed)
    return {
        name: mx.array((rng.normal(size=shape) * math.sqrt(2 / math.prod(shape[1:] or (1e4,)))).astype(np.float32))
        for name, shape in architecture.shapes().items()
    }


def picture(height: int = 40, width: int = 56) -> mx.array:
    return mx.array(np.random.default_rng(1).uniform(size=(1, height, width, 3)).astype(np.float32))


def test_vgg19_is_simonyan_and_zissermans():
    assert [tap for tap in VGG19.taps if tap.startswith("relu4")] == ["relu4_1", "relu4_2", "relu4_3", "relu4_4"]
    assert len(VGG19.taps) == 16
    assert len(VGG16.taps) == 13
    assert sum(math.prod(shape) for shape in VGG19.shapes().values()) == 20_024_384  # torchvision's features


@pytest.mark.parametrize("architecture", [VGG16, VGG19], ids=["vgg16", "vgg19"])
@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate"])
@pytest.mark.parametrize("convention", ["torch", "caffe"])
def test_same_activations_as_pytorch(architecture: Architecture, padding: str, convention: str):
    torch = pytest.importorskip("torch", reason="needs PyTorch (pip install torch)")
    weights, x = random_weights(architecture), picture()
    network = FeatureNetwork(architecture, weights, convention, "max", padding)  # type: ignore[arg-type]
    taps = ("relu1_2", "relu2_1", "relu3_3", "relu4_2", "relu5_1")
    ours = network(x, taps)

    mode = {"zero": "constant", "reflect": "reflect", "replicate": "replicate"}[padding]
    y = torch.tensor(np.array(x)).permute(0, 3, 1, 2)
    if convention == "torch":
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        y = (y - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
    else:
        y = y.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    for tap in architecture.taps:
        name = tap.replace("relu", "conv")
        if name.endswith("_1") and name != "conv1_1":
            y = torch.nn.functional.max_pool2d(y, 2)
        weight = torch.tensor(np.array(weights[f"{name}.weight"])).permute(0, 3, 1, 2)
        y = torch.nn.functional.pad(y, (1, 1, 1, 1), mode=mode)
        y = torch.relu(torch.nn.functional.conv2d(y, weight, torch.tensor(np.array(weights[f"{name}.bias"]))))
        if tap in taps:
            theirs = y.permute(0, 2, 3, 1).numpy()
            error = np.abs(np.array(ours[tap]) - theirs).max() / np.abs(theirs).max()
            assert error < TOLERANCE["float32"]["rtol"], tap


@pytest.mark.parametrize("architecture", [VGG19, COMPACT], ids=["vgg19", "compact"])
@pytest.mark.parametrize("size", [(64, 96), (51, 67)])
def test_geometry_is_that_of_the_features(architecture: Architecture, size: tuple[int, int]):
    network = FeatureNetwork(architecture, random_weights(architecture), "none")
    taps = [tap for tap in architecture.taps if tap.endswith("_1")]
    for tap, found in network(picture(*size), taps).items():
        assert found.shape[1:3] == tuple(architecture.length(tap, edge) for edge in size), tap


def test_reach_is_how_far_a_tap_sees():
    # The gradient of one position in the middle vanishes outside of the reach, whatever the pooling, but for what a
    # convolution in tiles (Winograd) rounds away from zero, some 1e-7. Averages pass it to every pixel that is seen:
    # with them it does not vanish far inside either. (The reach is rounded up: a pool counts as its stride, although
    # its window lies within the position's own pixels.)
    for pooling in ("max", "average"):
        network = FeatureNetwork(COMPACT, random_weights(COMPACT), "none", pooling)
        for tap in ("relu1_1", "relu3_1", "relu4_1"):
            stride, reach = COMPACT.geometry(tap)
            middle = 64 // stride
            slope = mx.grad(lambda x, n=network, t=tap, m=middle: n(x, [t])[t][0, m, m].sum())(picture(128, 128))
            profile = np.abs(np.array(slope)).sum(axis=(0, 2, 3))
            rows = np.flatnonzero(profile > 1e-5 * profile.max())
            assert rows.min() >= 64 - reach
            assert rows.max() < 64 + stride + reach
            if pooling == "average":
                assert rows.min() <= 64 - 0.75 * reach
                assert rows.max() >= 64 + stride - 1 + 0.75 * reach


def test_pooling_keeps_the_scale():
    means = []
    for pooling in ("max", "average", "l2"):
        network = FeatureNetwork(VGG19, random_weights(VGG19), "torch", pooling)  # type: ignore[arg-type]
        means.append(network(picture(), ["relu2_1"])["relu2_1"].mean().item())
    assert max(means) / min(means) < 2.5
    assert len({round(mean, 6) for mean in means}) == 3


def test_nothing_deeper_than_needed_is_asked_of_the_weights():
    weights = {name: tensor for name, tensor in random_weights(VGG19).items() if name < "conv3"}
    network = FeatureNetwork(VGG19, weights)
    assert network.taps == ("relu1_1", "relu1_2", "relu2_1", "relu2_2")
    with pytest.raises(WrongCall, match='no layer "relu4_1"; it has relu1_1'):
        network(picture(), ["relu4_1"])


def test_preprocessing_by_hand():
    gray = mx.full((1, 1, 1, 3), 0.5)
    np.testing.assert_allclose(np.array(preprocess(gray, "caffe"))[0, 0, 0], [23.561, 10.721, 3.82], atol=1e-3)
    np.testing.assert_allclose(np.array(preprocess(gray, "torch"))[0, 0, 0, 0], (0.5 - 0.485) / 0.229, rtol=1e-4)


def test_the_bundled_network_loads():
    network = load_features("compact")
    found = network(picture(), COMPACT.taps)
    assert {tap: f.shape[-1] for tap, f in found.items()} == {
        tap: readout.channels for tap, readout in COMPACT.readouts.items()
    }
    assert all(mx.isfinite(f).all() for f in found.values())


def test_true_vgg19_blocks_load_and_see_edges(shared):
    weights = load_arrays(shared / "weights" / "vgg19_conv1-3.safetensors")
    network = FeatureNetwork(VGG19, weights, "caffe")
    flat, edge = mx.full((1, 32, 32, 3), 0.4), mx.full((1, 32, 32, 3), 0.4)
    edge[:, :, 16:] = 0.9
    assert network.taps[-1] == "relu3_4"
    moved = {tap: float(mx.abs(network(edge, [tap])[tap] - network(flat, [tap])[tap]).max()) for tap in network.taps}
    assert all(value > 1 for value in moved.values())


def test_a_compact_network_is_known_by_its_tensors():
    wide = compact(
        [(8, 12), (16,), (20,)],
        [(6,), (10, 12), (14, 16, 18), (28,), (32,)],
        [Readout(4), Readout(5), Readout(6, hidden=40), Readout(7), Readout(8)],
    )
    weights = random_weights(wide)
    assert compact_of(weights) == wide
    assert compact_of(dict(load_features("compact").weights)) == COMPACT
    found = FeatureNetwork(wide, weights, "centered")(picture(), wide.taps)
    assert [f.shape[-1] for f in found.values()] == [4, 5, 6, 7, 8]
    raw = FeatureNetwork(wide, {n: t for n, t in weights.items() if "relu3_1" not in n}, "none")(picture(), ["relu3_1"])
    hidden = mx.maximum(
        raw["relu3_1"] @ weights["relu3_1.hidden.weight"].reshape(40, 20).T + weights["relu3_1.hidden.bias"], 0
    )
    wanted = hidden @ weights["relu3_1.readout.weight"].reshape(6, 40).T + weights["relu3_1.readout.bias"]
    got = FeatureNetwork(wide, weights, "none")(picture(), ["relu3_1"])["relu3_1"]
    assert mx.allclose(got, wanted, rtol=1e-3, atol=1e-4 * float(mx.abs(wanted).max()))


@pytest.mark.parametrize("lacking", ["deep", "conv4", "relu5_1.readout", "conv2_1.bias", ""])
def test_other_weights_are_not_taken_for_a_compact_network(lacking: str):
    kept = {name: t for name, t in random_weights(COMPACT).items() if lacking and not name.startswith(lacking)}
    with pytest.raises(WeightsError, match="add or train them again"):
        compact_of(kept)


def test_the_chains_of_a_compact_network_are_two():
    """What is deep goes on from the first ReLU, and nothing is computed that nobody asked for."""
    weights = random_weights(COMPACT)
    network = FeatureNetwork(COMPACT, weights, "centered")
    both = network(picture(), ["relu3_1", "relu4_1"])
    for ours, others in (("relu3_1", ("deep", "conv3_2", "conv4")), ("relu4_1", ("conv1_2", "conv2", "conv3_1"))):
        silent = {name: mx.zeros_like(t) if name.startswith(others) else t for name, t in weights.items()}
        assert mx.array_equal(FeatureNetwork(COMPACT, silent, "centered")(picture(), [ours])[ours], both[ours])
        lacking = {name: t for name, t in weights.items() if not name.startswith(others)}
        assert mx.array_equal(FeatureNetwork(COMPACT, lacking, "centered")(picture(), [ours])[ours], both[ours])
    deaf = {**weights, "conv1_1.bias": weights["conv1_1.bias"] + 1}
    for tap, found in FeatureNetwork(COMPACT, deaf, "centered")(picture(), both).items():
        assert not mx.allclose(found, both[tap]), tap
    assert COMPACT.geometry("relu3_1") == VGG19.geometry("relu3_1")
    assert COMPACT.geometry("relu5_1") == VGG19.geometry("relu5_1")
