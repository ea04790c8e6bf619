"""What the neural pieces share: layers to look with, pictures as parameters, gradients that make pictures, finishing.

A picture that is optimized pixel by pixel fills with noise: the gradient of a network is strongest in the finest detail
and in colors that photos hardly have. Two remedies (Olah, Mordvintsev and Schubert 2017, "Feature Visualization"): let
all frequencies move alike, and colors along the axes in which those of photos vary independently. `Spectrum` takes the
picture's Fourier coefficients as what is learned; `pyramid` bends a gradient of pixels to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import cv2
import mlx.core as mx
import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from artkit.contract import WrongCall
from artkit.generate.canvas import CanvasOptions, Size, average_down, parse_size
from artkit.generate.palettes import Palette, check_name, to_oklab
from artkit.image import resize
from artkit.nets.features import FeatureNetwork
from artkit.stylize.options import parse_weights

Layer = Callable[[mx.array], mx.array]
"""Pictures (B, H, W, 3), sRGB 0..1 -> what a layer makes of them, (B, h, w, C)."""

# Square root of the covariance of the colors of ImageNet's photos, a column an axis: brightness, blue to orange, green
# to magenta (tensorflow/lucid, Olah et al. 2017); divided by the length of its longest column.
_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
COLORS = mx.array(_ROOT / np.linalg.norm(_ROOT, axis=0).max())

TURNED = 0.6  # of a gradient's color that follows those of photos
FINEST = 0.4  # weight of the finest octave of a gradient
LIFT = 256.0  # more than any value before a ReLU
OWN = "own"  # the palette that leaves the colors as they are


class NeuralOptions(CanvasOptions):
    """What every piece that looks with a network has."""

    size: Annotated[Size, BeforeValidator(parse_size)] = Field(
        default=Size(768, 768), description="Width x height in pixels, or one number for a square"
    )
    palette: str = Field(
        default=OWN, description="Recolor by brightness: a name, a picture file or #hex,#hex,… (own: leave the colors)"
    )

    @property
    def recipe_method(self) -> int:
        """2: by the compact network in its second shape."""
        return 2

    @field_validator("palette")
    @classmethod
    def _known_palette(cls, name: str) -> str:
        return name if name == OWN else check_name(name)


def finished(image: mx.array, options: NeuralOptions) -> mx.array:
    """A picture (1, h, w, 3) to hand out: in the canvas's size, averaged down where supersampled, in the palette."""
    f = options.supersample
    if image.shape[1:3] == (options.height * f, options.width * f):
        pixels = mx.clip(average_down(image[0], f), 0, 1)
    else:
        pixels = mx.array(np.clip(resize(np.array(image[0]), options.height, options.width), 0, 1))
    if options.palette != OWN:
        colors = Palette.of(options.palette)
        order = np.argsort(to_oklab(colors.colors)[:, 0])
        luma = pixels @ mx.array([0.299, 0.587, 0.114])
        pixels = replace(colors, colors=colors.colors[order])(luma)
    image = pixels[None]
    mx.eval(image)
    return image


def cover(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture (h, w, 3) that fills a canvas: enlarged or reduced, and its middle cut out; (H, W, 3), 0..1."""
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    tall, broad = (max(edge, round(size * scale)) for edge, size in zip((height, width), pixels.shape, strict=False))
    top, left = (tall - height) // 2, (broad - width) // 2
    return np.clip(resize(pixels, tall, broad)[top : top + height, left : left + width], 0, 1)


def layer_of(network: FeatureNetwork, name: str, *, straight: bool = False) -> Layer:
    """The layer `name` of a network. The compact network's inner layers count too, besides those with a readout.

    straight: what goes into the layer's ReLU. WrongCall lists the layers there are.
    """
    if name in network.taps and network.architecture.readouts:
        return lambda x: network(x, [name])[name]  # a readout ends without a ReLU
    inner = inside(network)
    if name not in inner.taps:
        raise WrongCall(f'network "{network.architecture.name}" has no layer "{name}"; it has {", ".join(inner.taps)}')
    if not straight:
        return lambda x: inner(x, [name])[name]
    # A bias that lifts all values over zero lets them through the ReLU.
    bias = name.replace("relu", "conv") + ".bias"
    lifted = replace(inner, weights={**inner.weights, bias: inner.weights[bias] + LIFT})
    return lambda x: lifted(x, [name])[name] - LIFT


def inside(network: FeatureNetwork) -> FeatureNetwork:
    """The network without readouts: every ReLU is a tap, and gives just what it computes."""
    weights = {name: tensor for name, tensor in network.weights.items() if name.startswith(("conv", "deep"))}
    return replace(network, architecture=replace(network.architecture, readouts={}), weights=weights)


def axes_of(network: FeatureNetwork, name: str) -> mx.array | None:
    """(C', C): what leads from a layer's C axes to the C' channels of the VGG they stand for; None for plain layers."""
    return network.weights.get(f"{name}.axes") if name in network.taps else None


# --- pictures as parameters ---------------------------------------------------------------------------------------


def frequencies(height: int, width: int) -> mx.array:
    """How fast each coefficient of `rfft2` waves: (H, W // 2 + 1, 1) cycles a pixel; the mean counts as the slowest."""
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    return mx.array(np.maximum(f, 1 / max(height, width)).astype(np.float32)[..., None])


@dataclass(frozen=True)
class Spectrum:
    """A picture whose parameters are its Fourier coefficients, (2, H, W // 2 + 1, 3), real and imaginary.

    Coefficient by coefficient they are divided by the frequency (to the power of `decay`), so that all of them at one
    size are a picture with the spectrum of a photo.
    """

    height: int
    width: int
    decay: float = 1.0

    def start(self, key: mx.array, deviation: float = 0.01) -> mx.array:
        """Parameters of a nearly gray picture."""
        return deviation * mx.random.normal((2, self.height, self.width // 2 + 1, 3), key=key)

    def image(self, parameters: mx.array) -> mx.array:
        """(1, H, W, 3), sRGB 0..1."""
        spectrum = (parameters[0] + 1j * parameters[1]) * self._scale()
        waves = mx.fft.irfft2(spectrum, s=(self.height, self.width), axes=(0, 1))
        return mx.sigmoid(waves / 4 @ COLORS.T)[None]

    def parameters(self, image: mx.array) -> mx.array:
        """Those of a picture (1, H, W, 3); what is nearly black or white becomes a little less so."""
        kept = mx.clip(image[0], 0.01, 0.99)
        waves = mx.log(kept / (1 - kept)) @ mx.array(np.linalg.inv(np.array(COLORS)).T) * 4
        spectrum = mx.fft.rfft2(waves, axes=(0, 1)) / self._scale()
        return mx.stack([mx.real(spectrum), mx.imag(spectrum)])

    def _scale(self) -> mx.array:
        return frequencies(self.height, self.width) ** -self.decay * (self.height * self.width) ** 0.5


# --- gradients of pixels ------------------------------------------------------------------------------------------


def pyramid(gradient: np.ndarray, levels: int = 4) -> np.ndarray:
    """The gradient with all of its octaves equally strong: (H, W, 3) -> (H, W, 3), root mean square about 1.

    A Laplacian pyramid, each level divided by its root mean square (Mordvintsev, Olah and Tyka 2015, "Inceptionism");
    the finest one, half of which is the grid of the network's own strides, is weaker.
    """
    rest, bands = decorrelated(gradient), []
    for _ in range(levels - 1):
        if min(rest.shape[:2]) < 8:
            break
        smaller = cv2.pyrDown(rest)
        bands.append(rest - cv2.pyrUp(smaller, dstsize=rest.shape[1::-1]))
        rest = smaller
    total = _unit(rest)
    for level, band in reversed(list(enumerate(bands))):
        total = cv2.pyrUp(total, dstsize=band.shape[1::-1]) + _unit(band) * np.float32(1 if level else FINEST)
    return total / np.float32(len(bands) + 1) ** np.float32(0.5)


def decorrelated(gradient: np.ndarray) -> np.ndarray:
    """A gradient of colors, (H, W, 3), turned to where photos have colors: C·Cᵀ times it, by the most part.

    All of it leaves hardly any color: where a gradient is as strong in all axes, brightness gets nine tenths.
    """
    root = np.array(COLORS)
    mixed = root @ root.T
    return gradient @ (TURNED * mixed / mixed.diagonal().mean() + (1 - TURNED) * np.eye(3, dtype=np.float32))


def _unit(values: np.ndarray) -> np.ndarray:
    return values / (np.sqrt(np.mean(np.square(values))) + np.float32(1e-12))


def parse_layers(text: object) -> object:
    """Layers: "relu5_1" -> {"relu5_1": 1.0}, "relu5_1=2,relu4_4" -> {…: 2.0, …: 1.0}; mappings pass through."""
    if not isinstance(text, str):
        return text
    return parse_weights(",".join(part if "=" in part else f"{part}=1" for part in text.split(",") if part.strip()))


Layers = Annotated[dict[str, Annotated[float, Field(ge=0, lt=1e9)]], BeforeValidator(parse_layers)]


def weighted(layers: Mapping[str, float]) -> dict[str, float]:
    """The layers that weigh anything, with weights that sum to one; WrongCall where none does."""
    kept = {name: weight for name, weight in layers.items() if weight > 0}
    if not kept:
        raise WrongCall("every layer has weight 0; give one of them some weight")
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}
