"""Whose turn it is: work of many owners in an order that is fair to each of them."""

from __future__ import annotations

import bisect
from typing import Generic, Protocol, TypeVar


class Task(Protocol):
    """A piece of work that waits for its turn."""

    owner: str

    @property
    def ready(self) -> bool:
        """Whether there is something to do for it now, once it has begun."""
        ...


Work = TypeVar("Work", bound=Task)


class Line(Generic[Work]):
    """A waiting line with rounds: in each round every owner has one turn, whoever came first goes first.

    Ten tasks of one owner therefore hold up another's first one by no more than the task that has begun. Who asks again
    as soon as he is served comes into the next round and cannot hold up the ten, and neither can ever new owners: the
    clock goes on by one round when as many tasks have had their turn as there are owners.

    Start-time fair queueing (Goyal, Vin and Cheng 1996) with all tasks of the same length, and with the clock of
    weighted fair queueing (Demers, Keshav and Shenker 1989).
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Work]] = []  # round, number, task: always in order
        self._begun: list[Work] = []
        self._rounds: dict[str, float] = {}  # of every owner's next task, where that is not the present one
        self._now = self._turn = 0.0  # the present round, and the part of it that the last turn was
        self._count = 0

    def __len__(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    def add(self, task: Work) -> None:
        """Put a task in line."""
        start = max(self._now, self._rounds.get(task.owner, 0.0))
        self._rounds[task.owner] = start + 1
        self._count += 1
        bisect.insort(self._waiting, (start, self._count, task), key=lambda entry: entry[:2])

    def remove(self, task: Work) -> None:
        """Take a task out of the line, waiting or begun."""
        self._waiting = [entry for entry in self._waiting if entry[2] is not task]
        self._begun = [other for other in self._begun if other is not task]
        if not (self._waiting or self._begun):
            self._rounds.clear()
            self._now = self._turn = 0.0

    @property
    def ready(self) -> bool:
        """Whether any task can go on or begin."""
        return bool(self._waiting) or any(task.ready for task in self._begun)

    def next(self) -> Work:
        """The task whose turn it is: one that has begun and can go on, else the first that waits, which begins.

        Only for a line that is ready.
        """
        for task in self._begun:
            if task.ready:
                return task
        start, _, task = self._waiting.pop(0)
        self._begun.append(task)
        self._now = max(self._now + self._turn, start)
        self._turn = 1 / len({other.owner for other in self.tasks()})
        self._rounds = {owner: round for owner, round in self._rounds.items() if round > self._now}
        return task

    def position(self, task: Work) -> int:
        """0: it has begun; 1: it is next."""
        places = (place for place, entry in enumerate(self._waiting, 1) if entry[2] is task)
        return next(places, 0)

    def tasks(self) -> list[Work]:
        """Every task, begun or waiting, in order."""
        return [*self._begun, *(entry[2] for entry in self._waiting)]
