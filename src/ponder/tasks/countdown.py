"""Countdown: reach a target with four numbers, each used exactly once.

Generated problems are solvable with + and - alone, in the order given (descending), so their
steps are those of `chains`; the grader accepts any expression with + - * / and parentheses.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ponder.tasks.chains import MAX_TOTAL, Terms, expression, simplify, valid
from ponder.tasks.family import CONNECTIVES, Trace, TraceStyle, between

_QUESTIONS = {
    "en": ("Use {} to make {}.", "Make {1} from the numbers {0}."),
    "zh": ("用{}得到{}。", "用数字{}凑出{}。"),
}

Instance = tuple[tuple[int, ...], int]


@lru_cache(maxsize=4096)
def sign_patterns(numbers: tuple[int, ...]) -> tuple[Terms, ...]:
    """Every way to sign the numbers after the first that keeps running totals in range.

    From all minus to all plus, the last sign turning fastest.
    """
    patterns = []
    for signs in itertools.product((-1, 1), repeat=len(numbers) - 1):
        terms = (numbers[0], *(sign * number for sign, number in zip(signs, numbers[1:], strict=True)))
        if valid(terms):
            patterns.append(terms)
    return tuple(patterns)


class Countdown:
    name = "countdown"
    grader = "countdown"
    options: tuple[str, ...] = ("numbers",)

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Instance:
        """Options: `numbers` (count, or [low, high]; default 4)."""
        count = between(rng, options, "numbers", (4, 4))
        while True:
            numbers = tuple(sorted((rng.randint(1, 9) for _ in range(count)), reverse=True))
            if sum(numbers) > MAX_TOTAL:
                continue
            targets = sorted({sum(terms) for terms in sign_patterns(numbers)} - {sum(numbers)})
            if targets:
                return numbers, rng.choice(targets)

    def key(self, instance: Instance) -> str:
        return f"{sorted(instance[0])}={instance[1]}"

    def ask(self, instance: Instance, language: str, rng: random.Random) -> str:
        numbers, target = instance
        return rng.choice(_QUESTIONS[language]).format(" ".join(map(str, numbers)), target)

    def reference(self, instance: Instance, language: str) -> str:
        return json.dumps({"numbers": list(instance[0]), "target": instance[1]})

    def chance(self, options: Mapping[str, Any]) -> float:
        """Share of all accepted expressions that hit the target, over generated problems.

        Counted by enumerating every order, operator and bracketing of four numbers for 200 problems
        (tests/unit/tasks recounts it): about 2.3%, stated as 2.5%. A guess that already knows the
        generator, signs only in the given order, would be right in about 15%.
        """
        return 0.025

    def guess(self, instance: Instance, language: str, rng: random.Random, *, noised: bool) -> str:
        patterns = sign_patterns(instance[0])
        if not noised:
            patterns = tuple(terms for terms in patterns if sum(terms) == instance[1])
        return expression(rng.choice(patterns))

    def work(self, instance: Instance, rng: random.Random, style: TraceStyle) -> Trace:
        """Attempts in the order of `sign_patterns`, each judged, until one is believed to hit."""
        numbers, target = instance
        words = CONNECTIVES[style.language]
        text, patterns = "", sign_patterns(numbers)
        for terms in patterns:
            steps, value = simplify(terms, rng, style)
            text += " " + steps
            if value == target:
                return Trace((text + words["yes"]).lstrip(), expression(terms))
            text += words["no"]
        return Trace(text.lstrip(), expression(patterns[-1]))
