"""Words that are rewritten over and over, and a turtle that follows them.

Lindenmayer 1968; Prusinkiewicz and Lindenmayer 1990, "The Algorithmic Beauty of Plants". The turtle's letters are those
of the book: F and G go one step and draw, f goes without drawing, + and - turn left and right by the angle, | turns
around, [ and ] remember a place and return to it; o sets a bud. All others only stand for their rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from artkit.contract import WrongCall

LETTERS = 2_000_000  # of the longest word


def check_brackets(word: str, name: str) -> None:
    """ValueError, calling the word `name`, for a "[" that is left open and a "]" that closes nothing.

    Words whose axiom and rules pass one by one pass however often they are rewritten.
    """
    depth = 0
    for place, letter in enumerate(word, 1):
        depth += (letter == "[") - (letter == "]")
        if depth < 0:
            raise ValueError(f'{name} has a "]" without its "[", at letter {place}; take it out or open it before')
    if depth:
        raise ValueError(f'{name} has a "[" without its "]"; close it where the branch ends')


def parse_rules(text: str) -> dict[str, str]:
    """X=F[+X]-X; F=FF -> {"X": "F[+X]-X", "F": "FF"}; ValueError for anything else."""
    rules = {}
    for part in text.replace("->", "=").split(";"):
        if not (part := "".join(part.split())):
            continue
        letter, sign, word = part.partition("=")
        if not sign or len(letter) != 1:
            raise ValueError('should be rules such as "X=F[+X]-X;F=FF"')
        if letter in "[]":
            raise ValueError(f'"{letter}" cannot have a rule, or branches would not end; rewrite a letter beside it')
        check_brackets(word, f"the rule for {letter}")
        rules[letter] = word
    return rules


def rewritten(axiom: str, rules: Mapping[str, str], iterations: int) -> str:
    """The word after some rounds, in each of which every letter is replaced at once; WrongCall when it is too long."""
    word, table = axiom, str.maketrans(dict(rules))
    for done in range(iterations):
        length = len(word) + sum(word.count(letter) * (len(rule) - 1) for letter, rule in rules.items())
        if length > LETTERS:
            raise WrongCall(f"iterations {iterations}: grows to over {LETTERS:,} letters; up to {done} fit")
        word = word.translate(table)
    return word


@dataclass(frozen=True, eq=False)
class Way:
    """A line that the turtle draws without a break: points (N, 2), and how many branches it is away from the stem."""

    points: np.ndarray
    depth: int
    bud: bool = False


def walked(word: str, angle: float, facing: float = 90.0, wildness: float = 0.0, seed: int = 0) -> list[Way]:
    """What the turtle draws, from the origin in steps of 1, y upwards; angle and facing in degrees.

    word: with its brackets in pairs (`check_brackets`).
    wildness: deviation of turns, in parts of themselves, from `seed`; 0 keeps to the rule.
    """
    rng = np.random.default_rng(seed)
    wild = iter(rng.normal(0, 1, word.count("+") + word.count("-") + 1).tolist())
    turn = math.radians(angle)
    x = y = 0.0
    heading, ways, stack = math.radians(facing), [], []
    line = [(x, y)]

    def finish() -> None:
        if len(line) > 1:
            ways.append(Way(np.array(line), len(stack)))

    for letter in word:
        if letter in "FG":
            x, y = x + math.cos(heading), y + math.sin(heading)
            line.append((x, y))
        elif letter in "+-":
            heading += (turn if letter == "+" else -turn) * (1 + wildness * next(wild))
        elif letter == "[":
            finish()
            stack.append((x, y, heading))
            line = [(x, y)]
        elif letter == "]":
            finish()
            x, y, heading = stack.pop()
            line = [(x, y)]
        elif letter == "f":
            finish()
            x, y = x + math.cos(heading), y + math.sin(heading)
            line = [(x, y)]
        elif letter == "|":
            heading += math.pi
        elif letter == "o":
            ways.append(Way(np.array([[x, y]]), len(stack), bud=True))
    finish()
    return ways
