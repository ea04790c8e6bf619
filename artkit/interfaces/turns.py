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

    Ten tasks of one owner therefore hold up another's first one by no more than the task that has begun (start-time
    fair queueing, Goyal, Vin and Cheng 1996, with every task of the same length).
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Work]] = []  # round, number, task: always in order
        self._begun: list[Work] = []
        self._rounds: dict[str, int] = {}  # the round of the last task of every owner who has tasks here
        self._round = self._count = 0

    def __len__(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    def add(self, task: Work) -> None:
        """Put a task in line."""
        turn = max(self._round, self._rounds.get(task.owner, -1) + 1)
        self._rounds[task.owner] = turn
        self._count += 1
        bisect.insort(self._waiting, (turn, self._count, task), key=lambda entry: entry[:2])

    def remove(self, task: Work) -> None:
        """Take a task out of the line, waiting or begun."""
        self._waiting = [entry for entry in self._waiting if entry[2] is not task]
        self._begun = [other for other in self._begun if other is not task]
        if not any(other.owner == task.owner for other in self.tasks()):
            self._rounds.pop(task.owner, None)

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
        self._round, _, task = self._waiting.pop(0)
        self._begun.append(task)
        return task

    def position(self, task: Work) -> int:
        """0: it has begun; 1: it is next."""
        places = (place for place, entry in enumerate(self._waiting, 1) if entry[2] is task)
        return next(places, 0)

    def tasks(self) -> list[Work]:
        """Every task, begun or waiting, in order."""
        return [*self._begun, *(entry[2] for entry in self._waiting)]
