"""Long parity: labelled digits, is their sum odd or even?

A bare guess is right half the time; the long way, one running bit per digit, is always right.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from typing import Any

from ponder.tasks.family import CONNECTIVES, Trace, TraceStyle, between

_QUESTIONS = {
    "en": ("Digits:{}. Is the sum odd or even?", "Odd or even sum:{}?"),
    "zh": ("数字:{}。和是奇数还是偶数？", "和是奇还是偶:{}？"),
}
_ANSWERS = {"en": ("even", "odd"), "zh": ("偶", "奇")}

Digits = tuple[int, ...]


class Parity:
    name = "parity"
    grader = "exact"
    options: tuple[str, ...] = ("digits",)

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Digits:
        """Options: `digits` (how many, or [low, high], at most 26; default 6 to 12)."""
        return tuple(rng.randrange(10) for _ in range(between(rng, options, "digits", (6, 12))))

    def key(self, instance: Digits) -> str:
        return "".join(map(str, instance))

    def ask(self, instance: Digits, language: str, rng: random.Random) -> str:
        digits = "".join(f" {label}{digit}" for label, digit in _labelled(instance))
        return rng.choice(_QUESTIONS[language]).format(digits)

    def reference(self, instance: Digits, language: str) -> str:
        return _ANSWERS[language][sum(instance) % 2]

    def chance(self, options: Mapping[str, Any]) -> float:
        return 0.5

    def guess(self, instance: Digits, language: str, rng: random.Random, *, noised: bool) -> str:
        return _ANSWERS[language][rng.getrandbits(1) if noised else sum(instance) % 2]

    def work(self, instance: Digits, rng: random.Random, style: TraceStyle) -> Trace:
        """The running parity after each digit, copied as the question writes it: " a7=1 b3=0 c8=0"."""
        running, text = 0, ""
        for label, digit in _labelled(instance):
            right = (running + digit) % 2
            text += f" {label}{digit}={right}"
            running = right
            if rng.random() < style.slip_frac:
                text = text[:-1] + str(1 - right)
                running = 1 - right
                if style.notices:
                    text += CONNECTIVES[style.language]["wait"] + f" {label}{digit}={right}"
                    running = right
        return Trace(text, _ANSWERS[style.language][running])


def _labelled(instance: Digits) -> list[tuple[str, int]]:
    return list(zip(string.ascii_lowercase, instance, strict=False))
