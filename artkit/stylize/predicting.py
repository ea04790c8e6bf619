"""A style from a picture that no network was trained for: its code predicted from what the picture looks like."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import artkit.device  # noqa: F401  (fast BLAS before MLX)

import mlx.core as mx
import numpy as np

from artkit import checkpoint
from artkit.contract import PictureError, WeightsError
from artkit.image import Picture
from artkit.nets.features import FeatureNetwork, load_features
from artkit.nets.stylenets import PLANS, Plan, Predictor
from artkit.stylize import gallery
from artkit.stylize.stylefile import file_sha256

FILE = "predictor.safetensors"
SIZE = 512  # longest edge of a style picture at stroke size 1, pixels: as in training
LONGEST = 8  # times its shorter edge: what a style picture may be
LEAST = 32  # shorter edge that it keeps, pixels
TEXTURE = 0.25  # what predicted styles are used with unless told


@dataclass(frozen=True)
class StylePredictor:
    """Codes for the network whose file has the SHA-256 `base`. reader: what pictures are read with."""

    plan: Plan
    predictor: Predictor
    base: str
    reader: FeatureNetwork

    def __call__(self, painting: Picture) -> tuple[mx.array, mx.array]:
        """The code (P,) of a picture, and how it changes when strokes get twice as large, (P,)."""
        small, plain, large = (self.at(painting, stroke) for stroke in (-1.0, 0.0, 1.0))
        slope = (large - small) / 2
        mx.eval(slope)
        return plain, slope

    def at(self, painting: Picture, stroke: float) -> mx.array:
        """The code (P,) of a picture for strokes 2^stroke times as large."""
        code = self.predictor(Predictor.read(self.reader, at_stroke(painting, SIZE, stroke).array()))[0]
        mx.eval(code)
        return code


def at_stroke(picture: Picture, size: int, stroke: float) -> Picture:
    """The picture, its longest edge `size` pixels, times 2^stroke: strokes of size 1 are as large in a photo of that
    size as they are in the picture beside it. PictureError for one that is too narrow.
    """
    if max(picture.size) > LONGEST * min(picture.size):
        width, height = picture.size
        raise PictureError(
            f'"{picture.name or "the picture"}" is {width}×{height}: too narrow for a style; crop it to at most '
            f"{LONGEST} times as long as wide"
        )
    narrow = max(picture.size) / min(picture.size)
    return picture.resized(round(max(size * 2**stroke, LEAST * narrow)))


def shipped() -> Path:
    """The predictor that comes with artkit."""
    return gallery.folder() / gallery.NETWORKS / "any" / FILE


def network_beside(path: Path, predict: StylePredictor) -> Path:
    """The file of the network that a predictor predicts for; WeightsError: it is not there, or another one."""
    network = path.with_name(f"{predict.plan.name}.safetensors")
    if not network.is_file() or file_sha256(network) != predict.base:
        raise WeightsError(f"{network} is not the network that {path} predicts for; keep the two together")
    return network


def write_predictor(path: Path, weights: Mapping[str, mx.array], plan: Plan, base: str) -> None:
    """The "predict." tensors among `weights`, float16, whole or not at all."""
    tensors = {name: np.array(t).astype(np.float16) for name, t in weights.items() if name.startswith("predict.")}
    checkpoint.write(path, tensors, {"plan": plan.name, "base": base})


def read_predictor(path: Path) -> StylePredictor:
    """WeightsError: it is damaged, or something else."""
    if not path.is_file():
        return _read_once(path)  # which says so
    stamp = path.stat()
    return _read_once(path, stamp.st_mtime_ns, stamp.st_size)


@functools.lru_cache(maxsize=2)
def _read_once(path: Path, *stamp: int) -> StylePredictor:
    """What a file holds; the stamp tells one version of it from the next."""
    file = checkpoint.read(path)
    plan, base = PLANS.get(file.metadata.get("plan", "")), file.metadata.get("base", "")
    reader = load_features("compact")
    if plan is None or not re.fullmatch("[0-9a-f]{64}", base):
        raise WeightsError(f"{path} does not predict styles; give the predictor.safetensors of artkit train any")
    wanted = {
        name: t.shape for name, t in Predictor.initial_weights(Predictor.inputs(reader), plan, mx.random.key(0)).items()
    }
    if {name: tensor.shape for name, tensor in file.tensors.items()} != wanted:
        raise WeightsError(f"{path} does not fit the compact network of this artkit; train it again")
    weights = {name: mx.array(tensor.read().astype(np.float32)) for name, tensor in file.tensors.items()}
    if not all(bool(mx.isfinite(t).all()) for t in weights.values()):
        raise WeightsError(f"{path} is damaged: it holds numbers that are not finite; get it again")
    mx.eval(weights)
    return StylePredictor(plan, Predictor(weights), base, reader)
