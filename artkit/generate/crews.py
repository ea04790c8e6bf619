"""Work on a CPU dealt out to its cores: NumPy and OpenCV let other threads run while they compute."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import artkit.device as device

CREWS = device.CPU_STREAMS
T = TypeVar("T")


def at_once(work: Callable[..., T], *parts: Iterable[Any]) -> list[T]:
    """What `work` gives for every part (of several lists: for those that stand side by side), in their order.

    The caller does the first one.
    """
    first, *rest = zip(*parts, strict=True)
    others = [_pool().submit(work, *part) for part in rest]
    return [work(*first), *(other.result() for other in others)]


def evenly(edge: int, count: int) -> list[tuple[int, int]]:
    """0..edge cut into so many ranges that differ by one at most: beginning and end of each."""
    return list(itertools.pairwise(edge * i // count for i in range(count + 1)))


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CREWS, "artkit-crew")
