"""Arithmetic chains: six single-digit numbers added and subtracted from left to right."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from ponder.tasks.chains import MAX_TOTAL, Terms, check_backwards, expression, simplify, valid
from ponder.tasks.family import CONNECTIVES, Trace, TraceStyle, between

_QUESTIONS = {
    "en": ("What is {}?", "Compute {}.", "Find the value of {}."),
    "zh": ("{}等于多少？", "计算{}。", "求{}的值。"),
}
NUM_ANSWERS = 20
"""Answers are uniform over 0..19, so a constant guess is right in 5%."""


class Arithmetic:
    name = "arithmetic"
    grader = "integer"
    options: tuple[str, ...] = ("numbers",)

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Terms:
        """Options: `numbers` (count of numbers, or [low, high]; default 6)."""
        count = between(rng, options, "numbers", (6, 6))
        answer = rng.randrange(NUM_ANSWERS)
        while True:
            terms = [rng.randint(1, 9)]
            terms += [rng.choice((-1, 1)) * rng.randint(1, 9) for _ in range(count - 2)]
            last = answer - sum(terms)
            candidate = (*terms, last)
            if 1 <= abs(last) <= 9 and valid(candidate):
                return candidate

    def key(self, instance: Terms) -> str:
        return expression(instance)

    def ask(self, instance: Terms, language: str, rng: random.Random) -> str:
        return rng.choice(_QUESTIONS[language]).format(expression(instance))

    def reference(self, instance: Terms, language: str) -> str:
        return str(sum(instance))

    def chance(self, options: Mapping[str, Any]) -> float:
        return 1 / NUM_ANSWERS

    def guess(self, instance: Terms, language: str, rng: random.Random, *, noised: bool) -> str:
        return str(rng.randrange(NUM_ANSWERS) if noised else sum(instance))

    def work(self, instance: Terms, rng: random.Random, style: TraceStyle) -> Trace:
        text, value = simplify(instance, rng, style)
        words = CONNECTIVES[style.language]
        if style.checks:
            text += words["check"] + check_backwards(instance, value)
            if value - sum(instance[1:]) == instance[0]:
                text += words["ok"]
            else:
                text += words["wait"] + " " + simplify(instance, rng, TraceStyle(language=style.language))[0]
                value = sum(instance)
        assert value <= MAX_TOTAL
        return Trace(text, str(value))
