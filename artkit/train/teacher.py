"""The teacher of the compact network and the judge of finished pictures: VGG-19 where its true weights are at hand.

A hybrid that made the best pictures of all we tried: true VGG-19 relu1_1, relu2_1 and relu3_1, and for relu4_1 and
relu5_1 the 16× compressed encoder of Collaborative Distillation (Wang et al. 2020) behind its 1×1 auxiliary maps,
which give the channels of VGG-19 back. Both pad by reflection.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx

from artkit.checkpoint import load_arrays
from artkit.contract import WeightsError
from artkit.nets.architectures import VGG19, Architecture, Conv, Pool
from artkit.nets.features import FeatureNetwork
from artkit.nets.layers import conv2d

TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
_BLOCKS = ((1, 2, 16), (2, 2, 32), (3, 4, 64), (4, 4, 128), (5, 1, 128))
_FINE = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1")  # VGG-19's own

# What the teacher computes on the way, by the names of the compact network's layers: VGG-19's own and the encoder's.
# With how many channels there are.
HINTS = {
    **{"relu1_2": 64, "relu2_2": 128},
    **{"deep1_2": 16, "deep2_1": 32, "deep2_2": 32, "deep3_1": 64, "relu3_2": 64, "relu3_3": 64, "relu3_4": 64},
    **{"relu4_2": 128, "relu4_3": 128, "relu4_4": 128},
}


def _encoder() -> Architecture:
    layers: list[Conv | Pool] = []
    for block, count, channels in _BLOCKS:
        layers += [Pool()] if block > 1 else []
        layers += [Conv(f"conv{block}_{n}", channels, f"relu{block}_{n}") for n in range(1, count + 1)]
    return Architecture("vgg19_16x", tuple(layers), {}, {})


class Teacher:
    """(B, H, W, 3), sRGB 0..1 -> {tap: features} at relu1_1 … relu5_1 (64, 128, 256, 512 and 512 channels), and HINTS.

    It can stand in for a FeatureNetwork: in layout it is VGG-19. Some of its hints are the encoder's, and narrower.
    """

    architecture = VGG19
    taps = TAPS

    def __init__(self, weights: Path) -> None:
        """weights: the folder with vgg19_conv1-3.safetensors and vgg19_16x_encoder.safetensors."""
        files = [weights / f"{name}.safetensors" for name in ("vgg19_conv1-3", "vgg19_16x_encoder")]
        for file in files:
            if not file.is_file():
                raise WeightsError(f"the teacher needs {file}; give its folder with --weights")
        vgg, encoder = (load_arrays(file) for file in files)
        self._vgg = FeatureNetwork(VGG19, vgg, preprocessing="caffe")
        self._encoder = FeatureNetwork(_encoder(), encoder, preprocessing="none")
        self._auxiliary = encoder

    def __call__(self, x: mx.array, taps: Iterable[str] = TAPS) -> dict[str, mx.array]:
        wanted = set(taps)
        found = self._vgg(x, [tap for tap in _FINE if tap in wanted])
        if deep := {tap.replace("deep", "relu"): tap for tap in wanted if tap not in _FINE}:
            conv0, bias0 = self._auxiliary["conv0.weight"], self._auxiliary["conv0.bias"]
            for layer, f in self._encoder(conv2d(x, conv0, bias0), deep).items():
                found[deep[layer]] = self._as_vgg(layer, f) if deep[layer] in TAPS else f
        return found

    def _as_vgg(self, tap: str, f: mx.array) -> mx.array:
        """The encoder's features in the channels of VGG-19."""
        name = tap.replace("relu", "conv") + "_aux"
        return conv2d(f, self._auxiliary[f"{name}.weight"], self._auxiliary[f"{name}.bias"], relu=True)
