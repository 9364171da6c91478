"""Many-option choice: find the option that holds the value of a small sum."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from typing import Any

from ponder.tasks.chains import Terms, expression, simplify
from ponder.tasks.family import Trace, TraceStyle, between

_QUESTIONS = {
    "en": ("Which option is {}?{}", "{}: which option?{}"),
    "zh": ("哪个选项是{}？{}", "{}是哪个选项？{}"),
}

Instance = tuple[Terms, tuple[int, ...]]


class Choice:
    name = "choice"
    grader = "choice"
    options: tuple[str, ...] = ("options",)

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Instance:
        """Options: `options` (count of options, or [low, high], at most 26; default 20)."""
        count = between(rng, options, "options", (20, 20))
        values = tuple(rng.sample(range(30), count))
        answer = rng.choice([value for value in values if value <= 18 and value >= 2])
        first = rng.randint(max(1, answer - 9), min(9, answer - 1))
        return (first, answer - first), values

    def key(self, instance: Instance) -> str:
        return f"{expression(instance[0])} {instance[1]}"

    def ask(self, instance: Instance, language: str, rng: random.Random) -> str:
        terms, values = instance
        listed = "".join(
            f" {label}{value}" for label, value in zip(string.ascii_lowercase, values, strict=False)
        )
        return rng.choice(_QUESTIONS[language]).format(expression(terms), listed)

    def reference(self, instance: Instance, language: str) -> str:
        return self._label(instance, sum(instance[0]))

    def chance(self, options: Mapping[str, Any]) -> float:
        count = options.get("options", 20)
        return 1 / (count if isinstance(count, int) else count[0])

    def guess(self, instance: Instance, language: str, rng: random.Random, *, noised: bool) -> str:
        value = rng.choice(instance[1]) if noised else sum(instance[0])
        return self._label(instance, value)

    def work(self, instance: Instance, rng: random.Random, style: TraceStyle) -> Trace:
        """The sum, then the option that holds it: "7+5=12 b12"."""
        steps, value = simplify(instance[0], rng, style)
        if value not in instance[1]:
            value = min(instance[1], key=lambda option: abs(option - value))
        label = self._label(instance, value)
        return Trace(f"{steps} {label}{value}", label)

    @staticmethod
    def _label(instance: Instance, value: int) -> str:
        return string.ascii_lowercase[instance[1].index(value)]
