"""Small Python functions, asked for in words and judged by hidden tests in the sandbox.

Three steps of arithmetic on x. The shipped base's corpus has functions of one and two steps: these put them
together.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ponder.tasks.family import CONNECTIVES, Trace, TraceStyle

Instance = tuple[str, ...]
"""Steps in order: "+3", "-1", "*4"."""

_STEPS = (*(f"{sign}{n}" for sign in "+-" for n in range(1, 10)), *(f"*{n}" for n in range(2, 10)))
_INPUTS = (-7, -1, 0, 1, 2, 5, 10, 33)
_WORDS = {
    "en": {"+": "adds {}", "-": "subtracts {}", "*": "multiplies by {}"},
    "zh": {"+": "加{}", "-": "减{}", "*": "乘以{}"},
}


class Functions:
    name = "functions"
    grader = "code"
    options: tuple[str, ...] = ()

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Instance:
        return tuple(rng.choice(_STEPS) for _ in range(3))

    def key(self, instance: Instance) -> str:
        """The function itself: slope and constant."""
        slope, constant = _line(instance)
        return f"{slope}x{constant:+d}"

    def ask(self, instance: Instance, language: str, rng: random.Random) -> str:
        said = [_WORDS[language][step[0]].format(step[1:]) for step in instance]
        if language == "zh":
            return f"写函数f(x)，把x{'再'.join(said)}。"
        first = said[0].replace("by", "x by") if instance[0][0] == "*" else said[0]
        first += {"+": " to x", "-": " from x", "*": ""}[instance[0][0]]
        return f"Write f(x) that {', then '.join((first, *said[1:]))}."

    def reference(self, instance: Instance, language: str) -> str:
        slope, constant = _line(instance)
        tests = [f"assert f({x}) == {slope * x + constant}" for x in _INPUTS]
        return json.dumps({"type": "asserts", "tests": tests, "entry_point": "f", "cpu_s": 2})

    def chance(self, options: Mapping[str, Any]) -> float:
        """That a function made for another question is the one asked for: counted over all pairs."""
        return _chance()

    def guess(self, instance: Instance, language: str, rng: random.Random, *, noised: bool) -> str:
        if not noised:
            return _code(instance)
        place = rng.randrange(len(instance))
        return _code(tuple(rng.choice(_STEPS) if i == place else step for i, step in enumerate(instance)))

    def work(self, instance: Instance, rng: random.Random, style: TraceStyle) -> Trace:
        """The expression after each step."""
        words = CONNECTIVES[style.language]
        written: list[str] = []
        text = "x"
        for step in instance:
            taken = step
            if rng.random() < style.slip_frac:
                taken = rng.choice([other for other in _STEPS if other != step])
                if style.notices:
                    text += f" {_expression((*written, taken))}{words['wait']}"
                    taken = step
            written.append(taken)
            text += f" {_expression(written)}"
        if style.checks:
            text += words["check"].rstrip() + "".join(f" {step}" for step in instance) + words["ok"]
        return Trace(text, _code(written))


def _line(steps: Instance) -> tuple[int, int]:
    slope, constant = 1, 0
    for step in steps:
        number = int(step[1:])
        if step[0] == "*":
            slope, constant = slope * number, constant * number
        else:
            constant += number if step[0] == "+" else -number
    return slope, constant


def _expression(steps: list[str] | Instance) -> str:
    text = "x"
    for before, step in zip(("", *steps), steps, strict=False):
        if step[0] == "*" and before[:1] in ("+", "-"):
            text = f"({text})"
        text = f"{text} {step[0]} {step[1:]}"
    return text


def _code(steps: list[str] | Instance) -> str:
    return f"def f(x):\n    return {_expression(steps)}"


@functools.cache
def _chance() -> float:
    lines = Counter(_line(steps) for steps in itertools.product(_STEPS, repeat=3))
    total = sum(lines.values())
    return sum(count * count for count in lines.values()) / total**2
