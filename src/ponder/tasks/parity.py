"""Long parity: labelled switches, is the number that is on odd or even?

A bare guess is right half the time; the long way, one running bit per switch, is always right.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from typing import Any

from ponder.tasks.family import CONNECTIVES, Trace, TraceStyle, between

_QUESTIONS = {
    "en": ("Switches:{}. Is the number of ones odd or even?", "Odd or even number of ones:{}?"),
    "zh": ("开关:{}。1的个数是奇数还是偶数？", "1的个数是奇还是偶:{}？"),
}
_ANSWERS = {"en": ("even", "odd"), "zh": ("偶", "奇")}

Bits = tuple[int, ...]


class Parity:
    name = "parity"
    grader = "exact"
    options: tuple[str, ...] = ("bits",)

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Bits:
        """Options: `bits` (count of switches, or [low, high], at most 26; default 6 to 12)."""
        return tuple(rng.getrandbits(1) for _ in range(between(rng, options, "bits", (6, 12))))

    def key(self, instance: Bits) -> str:
        return "".join(map(str, instance))

    def ask(self, instance: Bits, language: str, rng: random.Random) -> str:
        switches = "".join(
            f" {label}{bit}" for label, bit in zip(string.ascii_lowercase, instance, strict=False)
        )
        return rng.choice(_QUESTIONS[language]).format(switches)

    def reference(self, instance: Bits, language: str) -> str:
        return _ANSWERS[language][sum(instance) % 2]

    def chance(self, options: Mapping[str, Any]) -> float:
        return 0.5

    def guess(self, instance: Bits, language: str, rng: random.Random, *, noised: bool) -> str:
        return _ANSWERS[language][rng.getrandbits(1) if noised else sum(instance) % 2]

    def work(self, instance: Bits, rng: random.Random, style: TraceStyle) -> Trace:
        """The running parity after each switch, written as the question writes it: " a1=1 b1=0 c0=0"."""
        running, text = 0, ""
        for label, bit in zip(string.ascii_lowercase, instance, strict=False):
            right = running ^ bit
            text += f" {label}{bit}={right}"
            running = right
            if rng.random() < style.slip_frac:
                text = text[:-1] + str(1 - right)
                running = 1 - right
                if style.notices:
                    text += CONNECTIVES[style.language]["wait"] + f" {label}{bit}={right}"
                    running = right
        return Trace(text, _ANSWERS[style.language][running])
