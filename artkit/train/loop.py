"""The loop that trains a network: batches in, Adam, an average over the weights, a state that can be taken up again.

Every batch follows from the seed, the number of the step and the number of the item alone, so that a training that was
cut off goes on as if nothing had happened, and two machines that share the items of a batch do what one would have done
with all of them.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from artkit.device import uses_gpu

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map

from artkit import checkpoint
from artkit.contract import WeightsError
from artkit.train.options import LoopOptions

Weights = dict[str, mx.array]
Item = Mapping[str, np.ndarray]
Loss = Callable[[Weights, Mapping[str, mx.array]], tuple[mx.array, Mapping[str, mx.array]]]

AHEAD = 3  # batches that are prepared while the device works
BETAS = (0.9, 0.99)  # Adam's
GROUPS = ("weights", "average", "first", "second")


@dataclass(frozen=True)
class Progress:
    """After a step: its number, how much of the schedule is done (0..1), seconds spent, figures of the batch, averaged
    weights, and what writes the state.
    """

    step: int
    done: float
    seconds: float
    figures: Mapping[str, mx.array]
    weights: Weights
    save: Callable[[Path], None]


def generator(seed: int, step: int, item: int) -> np.random.Generator:
    """The random numbers of one item of one step."""
    return np.random.default_rng([seed, step, item])


def train_steps(
    weights: Weights,
    loss: Loss,
    item: Callable[[int, int], Item],
    options: LoopOptions,
    *,
    subject: str = "",
    resume: Path | None = None,
    even: bool = False,
) -> Generator[Progress]:
    """Minimize `loss` over `weights`; yields after every step.

    subject: what is trained on, for the state to tell one training from another.
    even: every tensor's gradient counts the same at every step, however long it is.

    loss(weights, batch) -> (scalar, figures). item(step, number) -> the arrays of one item; those of a batch are
    stacked, and several ranks of `mlx.launch` share them. resume: a file that `Progress.save` wrote.
    WeightsError: it is damaged, of another training, or not the same for all ranks.
    """
    world = mx.distributed.init()
    share = options.batch // world.size()
    numbers = range(world.rank() * share, (world.rank() + 1) * share)
    about = subject + options.model_dump_json(exclude={"steps", "minutes"})  # a training may be made longer
    state = State(weights, dict(weights), _zeros(weights), _zeros(weights), about=about)
    if resume:
        state = State.read(resume, state)
    start, clock = time.monotonic() - state.spent, _of_first(state.spent, world)
    if state.step != int(_of_first(state.step, world)):
        raise WeightsError("the ranks begin at different steps; the folder of the result has to be the same for all")
    gradient, under_way = mx.value_and_grad(loss), ()

    def prepare(step: int) -> list[Item]:
        return [item(step, number) for number in numbers]

    with ThreadPoolExecutor(AHEAD) as reader, _modest_cache():
        upcoming = [reader.submit(prepare, state.step + n) for n in range(AHEAD)]
        try:
            while (done := _done(state, options)) < 1:
                batch = stack(upcoming.pop(0).result())
                upcoming.append(reader.submit(prepare, state.step + AHEAD))
                (value, figures), slope = gradient(state.weights, batch)
                if world.size() > 1:
                    slope, figures = tree_map(
                        lambda a: mx.distributed.all_sum(a) / world.size(), (slope, dict(figures))
                    )
                slope = {name: unit(g) for name, g in slope.items()} if even else slope
                before, spent = state.weights, clock
                state = state.moved(slope, _rate(state.step, done, options), options.averaging)
                clock = _of_first(time.monotonic() - start, world)
                under_way = (state.weights, state.average, state.first, state.second, value, figures, clock)
                mx.async_eval(under_way)
                mx.eval(before, spent)  # one step at most is under way while the next is prepared
                state = replace(state, spent=float(spent))
                yield Progress(state.step, _done(state, options), state.spent, figures, state.average, state.write)
            mx.eval(under_way)  # no rank may leave while another waits for its part of a sum
        finally:
            for job in upcoming:
                job.cancel()


@contextlib.contextmanager
def _modest_cache() -> Iterator[None]:
    """Leaves something of a GPU to others: MLX would keep all of its memory for arrays to come, and keeps up to half of
    it. Much less it must not be, or all that a step uses is asked of the driver again at every step.
    """
    if not uses_gpu():
        yield
        return
    before = mx.set_cache_limit(0)
    mx.set_cache_limit(before // 2)
    try:
        yield
    finally:
        mx.set_cache_limit(before)


def unit(gradient: mx.array) -> mx.array:
    """A gradient of length 1 in the same direction; none where it is not finite."""
    length = mx.sqrt(mx.square(gradient).sum())
    return mx.where(mx.isfinite(length), gradient / (length + 1e-8), 0)


def _of_first(number: float, world: mx.distributed.Group) -> mx.array:
    """What the first rank has, a scalar: clocks differ, and all ranks have to end at the same step. It is read a step
    later, so that nobody waits for it.
    """
    mine = mx.array(number if world.rank() == 0 else 0.0)
    return mx.distributed.all_sum(mine) if world.size() > 1 else mine


def _done(state: State, options: LoopOptions) -> float:
    return min(1.0, state.spent / (60 * options.minutes) if options.minutes else state.step / options.steps)


def _rate(step: int, done: float, options: LoopOptions) -> float:
    """The learning rate: rising at first, then falling along a cosine."""
    warm = min(1.0, (step + 1) / max(1, options.warm_up))
    return options.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * done))


def _zeros(weights: Weights) -> Weights:
    return {name: mx.zeros_like(tensor) for name, tensor in weights.items()}


@dataclass(frozen=True)
class State:
    """All that the next step follows from: weights, their average, Adam's moments, steps done, seconds spent.

    about: what the training is, so that no other one goes on from here.
    """

    weights: Weights
    average: Weights
    first: Weights
    second: Weights
    step: int = 0
    spent: float = 0.0
    about: str = ""

    def moved(self, slope: Weights, rate: float, averaging: float) -> State:
        """One step of Adam (Kingma and Ba 2015) along a gradient no longer than 1."""
        step = self.step + 1
        norm = mx.sqrt(sum((mx.square(g).sum() for g in slope.values()), mx.array(0.0)))
        shorten = mx.minimum(1 / (norm + 1e-6), 1.0)
        decay = min(averaging, step / (step + 9))
        weights, average, first, second = {}, {}, {}, {}
        for name, tensor in self.weights.items():
            g = slope[name] * shorten
            first[name] = BETAS[0] * self.first[name] + (1 - BETAS[0]) * g
            second[name] = BETAS[1] * self.second[name] + (1 - BETAS[1]) * mx.square(g)
            scale = mx.sqrt(second[name] / (1 - BETAS[1] ** step)) + 1e-8
            weights[name] = tensor - (rate / (1 - BETAS[0] ** step)) * first[name] / scale
            average[name] = decay * self.average[name] + (1 - decay) * weights[name]
        return State(weights, average, first, second, step, self.spent, self.about)

    def write(self, path: Path) -> None:
        """Into a file, whole or not at all; WeightsError, and the file as it was, when a number is not finite."""
        tensors = {f"{group}/{name}": np.array(t) for group in GROUPS for name, t in getattr(self, group).items()}
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise WeightsError(
                f"step {self.step}: the training has gone astray, its weights are not finite; nothing is written to "
                f"{path}; train with a lower --learning-rate"
            )
        checkpoint.write(path, tensors, {"step": str(self.step), "spent": repr(self.spent), "about": self.about})

    @classmethod
    def read(cls, path: Path, like: State) -> State:
        """From a file; WeightsError when it is the state of another training, or damaged."""
        file = checkpoint.read(path)
        wanted = {f"{group}/{name}": t.shape for group in GROUPS for name, t in getattr(like, group).items()}
        same = file.metadata.get("about", "") == like.about
        if not same or {name: tensor.shape for name, tensor in file.tensors.items()} != wanted:
            raise WeightsError(
                f"{path} is of another training, with other pictures or options; give those, or choose another folder"
            )
        groups: dict[str, Weights] = {group: {} for group in GROUPS}
        for full in wanted:  # in the order of the training: sums over all weights depend on it in their last bits
            group, name = full.split("/", 1)
            array = file.tensors[full].read()
            if not np.isfinite(array).all():
                raise WeightsError(f"{path} is damaged: {full} is not finite; begin anew in another folder")
            groups[group][name] = mx.array(array)
        mx.eval(groups)
        with checkpoint.reading(path):
            step, spent = int(file.metadata["step"]), float(file.metadata["spent"])
        return cls(**groups, step=step, spent=spent, about=like.about)


def stack(items: Sequence[Item]) -> dict[str, mx.array]:
    """The arrays of several items, stacked by name; a name that only some of them have is stacked from those."""
    names = dict.fromkeys(name for item in items for name in item)
    return {name: mx.array(np.stack([item[name] for item in items if name in item])) for name in names}
