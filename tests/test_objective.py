import math

import mlx.core as mx
import numpy as np
import pytest

from artkit.nets.architectures import Architecture, Conv, Pool
from artkit.nets.features import FeatureNetwork, load_features
from artkit.nets.losses import STYLE_LOSSES, SelfSimilarity
from artkit.stylize.objective import BEYOND, Objective
from artkit.stylize.tiling import core_size, reach, tiles
from artkit.stylize.view import Aim

SMALL = Architecture(
    "small",
    (Conv("a", 6, "relu1"), Pool(), Conv("b", 8, "relu2", kernel=4, stride=2), Conv("c", 8, "relu3")),
    {"relu1": 1.0, "relu3": 1.0},
    {"relu3": 1.0},
)


def network() -> FeatureNetwork:
    rng = np.random.default_rng(0)
    weights = {
        name: mx.array((rng.normal(size=shape) * math.sqrt(2 / math.prod(shape[1:] or (100,)))).astype(np.float32))
        for name, shape in SMALL.shapes().items()
    }
    return FeatureNetwork(SMALL, weights, "centered")


def aim(style: str = "gram", similarity: bool = False, content_weight: float = 0.5, tv_weight: float = 0.3) -> Aim:
    layers = {"relu1": 0.5, "relu3": 0.5}
    pattern = SelfSimilarity() if similarity else None
    return Aim(network(), STYLE_LOSSES[style](), pattern, layers, {"relu3": 1.0}, content_weight, tv_weight)


def picture(height: int, width: int, seed: int) -> mx.array:
    return mx.array(np.random.default_rng(seed).uniform(size=(1, height, width, 3)).astype(np.float32))


@pytest.mark.parametrize("style", ["gram", "mean-std", "wasserstein", "sliced"])
@pytest.mark.parametrize("content", ["relu2_1", "relu4_1"])
def test_readouts_skipped_are_readouts_made(style: str, content: str, monkeypatch: pytest.MonkeyPatch):
    """The compact network's first three readouts are linear: the loss and its gradient are as if they were there."""
    layers = {"relu1_1": 0.3, "relu2_1": 0.3, "relu4_1": 0.4}
    results = []
    for skip in (True, False):
        if not skip:
            monkeypatch.setattr(FeatureNetwork, "linear_readout", lambda self, tap: None)
        compact = Aim(load_features("compact"), STYLE_LOSSES[style](), None, layers, {content: 1.0}, 0.1, 0.1)
        objective = Objective(compact, picture(48, 64, 1), [picture(40, 50, 2)], [1])
        assert bool(objective.view._readouts) == (skip and style != "sliced")
        assert content not in objective.view._readouts
        loss, gradient = objective(picture(48, 64, 3))
        results.append((loss.item(), np.array(gradient)))
    (loss, gradient), (wanted, slope) = results
    assert loss == pytest.approx(wanted, rel=1e-4)
    assert np.linalg.norm(gradient - slope) < 1e-3 * np.linalg.norm(slope)


MASK = np.linspace(0, 1, 150, dtype=np.float32)[None].repeat(277, axis=0)


@pytest.mark.parametrize("style", STYLE_LOSSES)
@pytest.mark.parametrize("masks", [(), (MASK, 1 - MASK)], ids=["whole", "masks"])
def test_tiled_gradient_is_the_untiled_one(style: str, masks: tuple[np.ndarray, ...]):
    photo, x = picture(277, 150, 1), picture(277, 150, 2)
    styles = [picture(90, 131, 3), picture(150, 60, 4) ** 2]
    results = []
    for memory in (math.inf, 1.0):
        objective = Objective(aim(style, similarity=style == "gram"), photo, styles, [1, 2], masks=masks, memory=memory)
        loss, gradient = objective(x)
        results.append((loss.item(), np.array(gradient), len(objective.view.tiles), objective.figures))
    (loss, gradient, one, figures), (tiled_loss, tiled_gradient, many, tiled_figures) = results
    assert one == 1
    assert many > 1
    assert tiled_loss == pytest.approx(loss, rel=1e-4)
    assert tiled_figures == pytest.approx(figures, rel=1e-3)
    # Sorting losses compare neighbors in rank; near ties may fall the other way round by rounding.
    assert np.abs(tiled_gradient - gradient).max() < 1e-3 * np.ptp(gradient)


def test_gradient_is_that_of_the_loss():
    x, objective = picture(32, 40, 2), Objective(aim(), picture(32, 40, 1), [picture(30, 30, 3)], [1])
    _, gradient = objective(x)
    direction = picture(32, 40, 9) - 0.5
    h = 2e-3
    slope = (objective(x + h * direction)[0] - objective(x - h * direction)[0]).item() / (2 * h)
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=2e-2)


def test_the_photo_itself_has_no_content_error_and_the_style_no_style_distance():
    photo = picture(48, 40, 1)
    objective = Objective(aim(tv_weight=0), photo, [photo], [1])
    loss, _ = objective(photo)
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_strength_moves_the_aim_from_photo_to_style():
    photo, style = picture(48, 40, 1), picture(48, 40, 3) ** 3
    distances = []
    for strength in (0.1, 0.5, 1.0):
        objective = Objective(aim(), photo, [style], [1], strength=strength)
        objective(photo)
        distances.append(objective.figures["style"])
    assert distances == sorted(distances)
    assert distances[0] < 0.2 * distances[-1]


def test_style_weights_pull_towards_their_style():
    photo, first, second = picture(40, 40, 1), picture(40, 40, 3), picture(40, 40, 4) ** 3
    toward = []
    for weights in ([1, 0.001], [0.001, 1]):
        objective = Objective(aim(), photo, [first, second], weights)
        toward.append(objective(second)[0].item())
    assert toward[1] < toward[0]


def test_masks_keep_styles_apart():
    # Left half after one picture, right half after another: the collage of both is near the aim, its mirror is not.
    first, second = picture(64, 64, 3), picture(64, 64, 4) ** 4
    left = np.zeros((64, 64), np.float32)
    left[:, :32] = 1
    collage = mx.concatenate([first[:, :, :32], second[:, :, 32:]], axis=2)
    mirror = mx.concatenate([second[:, :, :32], first[:, :, 32:]], axis=2)
    objective = Objective(aim(content_weight=0, tv_weight=0), collage, [first, second], [1, 1], masks=[left, 1 - left])
    assert float(objective(collage)[0]) < 0.1 * float(objective(mirror)[0])


def test_without_content_weight_content_layers_cost_nothing():
    free = Aim(network(), STYLE_LOSSES["gram"](), None, {"relu1": 1.0}, {"relu3": 1.0}, 0.0, 0.0)
    assert free.taps == ["relu1"]
    loss, _ = Objective(free, picture(20, 20, 1), [picture(20, 20, 2)], [1])(picture(20, 20, 3))
    assert float(loss) > 0


def test_cores_tile_the_picture_without_gap_or_overlap():
    grid, halo = reach(SMALL, ["relu3"])
    covered = np.zeros((300, 517), int)
    for tile in tiles(300, 517, 128, halo):
        covered[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop] += 1
        assert tile.rows.start % grid == 0
        assert tile.rows.wide_start >= 0
        assert tile.columns.wide_stop <= 517
    assert (covered == 1).all()


def test_core_size_follows_the_memory():
    assert core_size(1000, 1000, 128, 64, per_pixel=100, memory=1e8) == 0
    small, large = (core_size(4000, 4000, 128, 64, per_pixel=100, memory=memory) for memory in (2e7, 2e8))
    assert 128 <= small < large
    assert (large + 2 * 64) ** 2 * 100 <= 2e8


@pytest.mark.parametrize("memory", [math.inf, 1], ids=["whole", "tiled"])
def test_colors_beyond_the_range_count_as_its_border_and_are_drawn_back(memory: float):
    objective = Objective(aim(), picture(277, 150, 1), [picture(48, 40, 2)], [1], memory=memory)
    assert (len(objective.view.tiles) > 1) == (memory == 1)
    x = 1.4 * picture(277, 150, 3) - 0.2
    within = mx.clip(x, 0, 1)
    beyond = x - within
    outside = beyond != 0
    assert 0.1 < float(outside.mean()) < 0.4
    (loss, gradient), (wanted, slope) = objective(x), objective(within)
    assert loss.item() == pytest.approx(wanted.item() + BEYOND * float(mx.square(beyond).mean()), rel=1e-5)
    assert mx.allclose(mx.where(outside, 0, gradient), mx.where(outside, 0, slope), atol=1e-9)
    assert mx.allclose(mx.where(outside, gradient, 0), 2 * BEYOND / x.size * beyond, atol=1e-9)


def test_pure_black_and_white_may_change():
    """Automatic differentiation of a clipped picture would hold them."""
    objective = Objective(aim(), picture(32, 32, 1), [picture(32, 32, 2)], [1])
    x = mx.round(picture(32, 32, 3))
    assert float((mx.abs(objective(x)[1]) > 0).mean()) > 0.99
