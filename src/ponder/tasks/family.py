"""What a family of generated problems offers: instances, questions in two languages, traces."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ponder.seeding import derive_seed

LANGUAGES = ("en", "zh")

TEST_SHARE = 5
"""One instance in five is held out, chosen by a hash of its key."""

CONNECTIVES: Mapping[str, Mapping[str, str]] = {
    "en": {"wait": " wait", "check": " check ", "ok": " ok", "no": " no", "yes": " yes", "so": " so "},
    "zh": {"wait": " 等等", "check": " 检查 ", "ok": " 正确", "no": " 不对", "yes": " 对了", "so": " 所以 "},
}
"""The few words of a trace, by language; everything else in a trace is notation."""


@dataclass(frozen=True, slots=True)
class TraceStyle:
    """How careful the author of a trace was."""

    slip_frac: float = 0.0
    """Chance of a slip in each step."""
    notices: bool = False
    """Slips are noticed at once ("wait") and corrected."""
    checks: bool = False
    """The result is checked at the end, where the family knows a check."""
    language: str = "en"
    """Language of the connectives."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Worked steps and the answer they lead to, right or not."""

    steps: str
    answer: str


class TaskFamily(Protocol):
    """A generator of problems with an exact grader. One file, one line in `TASKS`, one test."""

    name: str
    grader: str
    options: tuple[str, ...]
    """Names of the settings that a recipe may give."""

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Any:
        """A hashable instance, the same for every language."""
        ...

    def key(self, instance: Any) -> str:
        """Equal for instances that have the same solution for the same reason (relabelled, reordered)."""
        ...

    def ask(self, instance: Any, language: str, rng: random.Random) -> str:
        """The question in words."""
        ...

    def reference(self, instance: Any, language: str) -> str:
        """The reference in the grader's notation."""
        ...

    def chance(self, options: Mapping[str, Any]) -> float:
        """Accuracy of an answer drawn without looking at the question."""
        ...

    def guess(self, instance: Any, language: str, rng: random.Random, *, noised: bool) -> str:
        """An answer without steps: the right one, or a plausible random one when `noised`."""
        ...

    def work(self, instance: Any, rng: random.Random, style: TraceStyle) -> Trace:
        """An answer with steps in the given style."""
        ...


def is_held_out(family: TaskFamily, instance: Any) -> bool:
    """Whether the instance belongs to the test split, in every language and every corpus.

    A pure function of the instance's key: pre-training, fine-tuning, reinforcement learning and
    reward-model data draw only instances for which it is False.
    """
    return derive_seed("split", family.name, family.key(instance)) % TEST_SHARE == 0


def draw_instance(
    family: TaskFamily, rng: random.Random, options: Mapping[str, Any], *, held_out: bool
) -> Any:
    """The next instance of the wanted split, by rejection."""
    while True:
        instance = family.draw(rng, options)
        if is_held_out(family, instance) == held_out:
            return instance


def between(rng: random.Random, options: Mapping[str, Any], name: str, default: tuple[int, int]) -> int:
    """A whole number from the option `name`: a number, or [low, high] inclusive."""
    value = options.get(name, default)
    if isinstance(value, int):
        return value
    low, high = value
    return rng.randint(int(low), int(high))
