"""From the options to what the optimizer is after: losses, layers and weights, and what a network can look at."""

from __future__ import annotations

import math

import artkit.device  # noqa: F401  (fast BLAS before MLX)

from artkit.contract import WrongCall
from artkit.image import Picture
from artkit.nets.features import FeatureNetwork
from artkit.nets.losses import STYLE_LOSSES, Additive, SelfSimilarity
from artkit.stylize.moments import NETWORK, Moments
from artkit.stylize.options import OptimizeOptions
from artkit.stylize.view import Aim


def make_aim(options: OptimizeOptions, network: FeatureNetwork) -> Aim:
    """Options to losses and weights; WrongCall when they name layers that the network lacks.

    A network that is cut short is asked for those of the usual layers that it has, or else for its deepest one.
    """
    defaults = network.architecture.style_layers, network.architecture.content_layers
    layers = []
    for kind, given, usual in zip(
        ("style", "content"), (options.style_layers, options.content_layers), defaults, strict=True
    ):
        usual = {tap: weight for tap, weight in usual.items() if tap in network.taps} or {network.taps[-1]: 1.0}
        chosen = {tap: weight for tap, weight in (given or usual).items() if weight > 0}
        if unknown := set(chosen) - set(network.taps):
            missing = sorted(unknown)[0]
            raise WrongCall(
                f'{kind} layer "{missing}" is not in network "{options.network}"; it has {", ".join(network.taps)}'
            )
        if not chosen:
            raise WrongCall(f"every {kind} layer has weight 0; give one of them some weight")
        whole = sum(chosen.values())
        layers.append({tap: weight / whole for tap, weight in chosen.items()})
    similarity = options.content_loss == "self-similarity"
    scale = 1.0 if similarity else network.architecture.content_scale
    return Aim(
        network,
        STYLE_LOSSES[options.style_loss](),
        SelfSimilarity() if similarity else None,
        layers[0],
        layers[1],
        options.content_weight * scale,
        options.tv_weight * options.strength,
    )


def least_size(picture: Picture, aim: Aim) -> int:
    """The longest edge at which the short one still has a position in every layer."""
    strides = (aim.network.architecture.geometry(tap)[0] for tap in aim.taps)
    return math.ceil(max(strides) * max(picture.size) / min(picture.size))


def check_known(style: Moments, aim: Aim, options: OptimizeOptions) -> None:
    """WrongCall for what takes the painting itself, where only its moments are known."""
    if options.network != NETWORK:
        wrong = f'network "{options.network}"'
    elif not isinstance(aim.style, Additive):
        wrong = f"style loss {options.style_loss}"
    else:
        return
    raise WrongCall(f'{wrong}: "{style.name}" does not know its painting that well; give the picture of the painting')
