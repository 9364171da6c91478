"""Reward `longest_run`: a penalty for one character or one line again and again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from pydantic import NonNegativeFloat, PositiveInt

from ponder.prompting import ParsedCompletion

_RUN = re.compile(r"(.)\1+", re.DOTALL)


def longest_run(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    characters: PositiveInt = 100,
    lines: PositiveInt = 4,
    penalty: NonNegativeFloat = 1.0,
    **columns: Any,
) -> list[float | None]:
    """0 up to `characters` times the same character and `lines` times the same line in a row; from there
    linearly down to -penalty at twice as many, and no lower. Of the two the worse counts. Ours.

    Lines are compared without the space around them, and blank ones are no lines: a run of them is a
    run of characters.
    """
    rewards: list[float | None] = []
    for part in parsed:
        excess = _excess(run_of_characters(part.text), characters)
        rewards.append(0.0 - penalty * max(excess, _excess(run_of_lines(part.text), lines)))
    return rewards


def run_of_characters(text: str) -> int:
    """How often the most repeated character stands in a row."""
    return max((match.end() - match.start() for match in _RUN.finditer(text)), default=min(len(text), 1))


def run_of_lines(text: str) -> int:
    """How often the most repeated line stands in a row, blank lines aside."""
    stripped = filter(None, map(str.strip, text.split("\n")))
    return max((sum(1 for _ in same) for _, same in groupby(stripped)), default=0)


def _excess(run: int, allowed: int) -> float:
    """In [0, 1]: how far beyond what is allowed, in multiples of it."""
    return min(1.0, max(0.0, run / allowed - 1.0))
