"""The networks of PyTorch's side: VGG-19, and the teacher that artkit's compact network was trained after.

It needs torch and NumPy, nothing of artkit.
"""

# pyright: reportMissingImports=false
# (PyTorch is an extra; types are checked without it too.)
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch.nn import functional

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT = "relu4_1"
BLOCKS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}  # VGG-19: convolutions in each block
CHANNELS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}

Weights = Mapping[str, torch.Tensor]
Padding = Literal["reflect", "zero"]


def load_file(path: Path) -> dict[str, torch.Tensor]:
    """The float32 tensors of a safetensors file: a length, a JSON table of names, types and places, the bytes."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    table = json.loads(data[8:start])
    table.pop("__metadata__", None)
    return {
        name: torch.from_numpy(np.frombuffer(data[start + at[0] : start + at[1]], np.float32).copy()).view(shape)
        for name, (at, shape) in ((name, (entry["data_offsets"], entry["shape"])) for name, entry in table.items())
    }


class Network(Protocol):
    """(1, 3, H, W), sRGB 0..1 -> features by name, each (1, C, h, w)."""

    def __call__(self, x: torch.Tensor) -> dict[str, torch.Tensor]: ...


def convolve(x: torch.Tensor, weights: Weights, name: str, padding: Padding) -> torch.Tensor:
    """The convolution `name`, keeping height and width."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    edge = weight.shape[-1] // 2
    if edge and padding == "reflect":
        return functional.conv2d(functional.pad(x, (edge,) * 4, mode="reflect"), weight, bias)
    return functional.conv2d(x, weight, bias, padding=edge)


def vgg(x: torch.Tensor, weights: Weights, taps: Sequence[str], padding: Padding) -> dict[str, torch.Tensor]:
    """The chain of 3x3 convolutions, ReLUs and 2x2 max-pools of VGG-19, as far as the last of `taps`."""
    found: dict[str, torch.Tensor] = {}
    for block, count in BLOCKS.items():
        for layer in range(1, count + 1):
            x = functional.relu(convolve(x, weights, f"conv{block}_{layer}", padding))
            if f"relu{block}_{layer}" in taps:
                found[f"relu{block}_{layer}"] = x
            if len(found) == len(taps):
                return found
        x = functional.max_pool2d(x, 2)
    raise ValueError(f"VGG-19 has no {sorted(set(taps) - set(found))}")


class Vgg19:
    """VGG-19 with torchvision's preprocessing; `weights` named conv1_1.weight (O, I, 3, 3), conv1_1.bias, …"""

    def __init__(self, weights: Weights, padding: Padding = "reflect") -> None:
        self.weights = weights
        self.padding: Padding = padding
        like = weights["conv1_1.weight"]
        self.mean = like.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        self.deviation = like.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

    def __call__(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return vgg((x - self.mean) / self.deviation, self.weights, STYLE, self.padding)

    @classmethod
    def load(cls, path: Path, setting: Setting) -> Vgg19:
        """From a file of torchvision or timm, whose layers are numbered: features.0, features.2, features.5 …"""
        stored = load_file(path)
        weights, number = {}, 0
        for block, count in BLOCKS.items():
            for layer in range(1, count + 1):
                for part in ("weight", "bias"):
                    weights[f"conv{block}_{layer}.{part}"] = stored[f"features.{number}.{part}"]
                number += 2
            number += 1
        return cls({name: setting.place(value) for name, value in weights.items()})

    @classmethod
    def random(cls, setting: Setting, padding: Padding = "zero") -> Vgg19:
        """VGG-19 up to conv5_1 with random weights (He's scale): good for measuring speed, not for pictures."""
        draw, weights, inputs = torch.Generator().manual_seed(0), {}, 3
        for block, count in BLOCKS.items():
            for layer in range(1, count + 1 if block < 5 else 2):
                shape = (CHANNELS[block], inputs, 3, 3)
                weight = torch.randn(shape, generator=draw) * (2 / (9 * inputs)) ** 0.5
                weights[f"conv{block}_{layer}.weight"] = setting.place(weight)
                weights[f"conv{block}_{layer}.bias"] = setting.place(torch.zeros(shape[0]))
                inputs = shape[0]
        return cls(weights, padding)


class Hybrid:
    """The teacher: true VGG-19 for blocks 1 to 3, and the 16x compressed one's prediction of relu4_1 and relu5_1.

    Both see reflected borders. VGG-19 takes BGR 0..255 minus its mean; the other one's conv0 does that itself.
    """

    def __init__(self, weights: Path, setting: Setting) -> None:
        def stored(name: str) -> Weights:
            # The files hold (O, kh, kw, I), as MLX has it.
            tensors = load_file(weights / name).items()
            return {key: setting.place(t.permute(0, 3, 1, 2) if t.ndim == 4 else t) for key, t in tensors}

        self.true = stored("vgg19_conv1-3.safetensors")
        self.small = stored("vgg19_16x_encoder.safetensors")
        self.mean = setting.place(torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1))

    def __call__(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = vgg(255 * x.flip(1) - self.mean, self.true, STYLE[:3], "reflect")
        small = vgg(convolve(x, self.small, "conv0", "reflect"), self.small, STYLE[3:], "reflect")
        for tap, feature in small.items():
            found[tap] = functional.relu(convolve(feature, self.small, f"{tap.replace('relu', 'conv')}_aux", "reflect"))
        return found


class Convolution(torch.nn.Module):
    """Reflected borders; before that, if `double`, every pixel twice in both directions."""

    def __init__(self, ins: int, outs: int, kernel: int, stride: int = 1, *, double: bool = False) -> None:
        super().__init__()
        self.twice, self.edge = double, kernel // 2
        self.convolution = torch.nn.Conv2d(ins, outs, kernel, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(x, scale_factor=2, mode="nearest") if self.twice else x
        return self.convolution(functional.pad(x, (self.edge,) * 4, mode="reflect"))


class Residual(torch.nn.Module):
    """Two convolutions, and the input added to what comes out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (Convolution(channels, channels, 3) for _ in range(2))
        norms = [torch.nn.InstanceNorm2d(channels, affine=True) for _ in range(2)]
        self.layers = torch.nn.Sequential(first, norms[0], torch.nn.ReLU(), second, norms[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


def transformer() -> torch.nn.Module:
    """TransformerNet of pytorch/examples (after Johnson, Alahi and Fei-Fei 2016), 1.68 million random weights."""

    def layer(ins: int, outs: int, kernel: int, stride: int = 1, *, double: bool = False) -> list[torch.nn.Module]:
        norm = torch.nn.InstanceNorm2d(outs, affine=True)
        return [Convolution(ins, outs, kernel, stride, double=double), norm, torch.nn.ReLU()]

    layers = [*layer(3, 32, 9), *layer(32, 64, 3, 2), *layer(64, 128, 3, 2), *(Residual(128) for _ in range(5))]
    layers += [*layer(128, 64, 3, double=True), *layer(64, 32, 3, double=True), Convolution(32, 3, 9)]
    return torch.nn.Sequential(*layers).eval()


@dataclass(frozen=True)
class Setting:
    """Where and how PyTorch computes. `tuned`: TF32 products, and cuDNN tries its algorithms out (CUDA only)."""

    device: str = "cpu"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    channels_last: bool = False
    tuned: bool = False

    def place(self, tensor: torch.Tensor) -> torch.Tensor:
        layout = torch.channels_last if self.channels_last and tensor.ndim == 4 else torch.contiguous_format
        return tensor.to(self.device, getattr(torch, self.dtype)).contiguous(memory_format=layout)

    def picture(self, pixels: np.ndarray) -> torch.Tensor:
        """(H, W, 3) -> (1, 3, H, W)"""
        return self.place(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None])

    def tune(self) -> None:
        """Set what holds for the whole process; nothing is set, so PyTorch's defaults hold, unless `tuned`."""
        if self.tuned:
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.benchmark = True

    def wait(self) -> None:
        """Until the device has done all it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        elif self.device == "mps":
            torch.mps.synchronize()
