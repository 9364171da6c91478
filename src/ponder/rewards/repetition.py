"""Reward `repetition`: a penalty for saying the same again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ponder.prompting import ParsedCompletion

_UNITS = re.compile(r"[0-9]+|[\u3400-\u9fff]|[^\W\d_]+|[^\w\s]")


def repetition(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    ngram: int = 6,
    penalty: float = 1.0,
    **columns: Any,
) -> list[float | None]:
    """-penalty x the share of n-grams that occurred before; 0 for a text without repetition.

    Units are words, numbers, Han characters and signs, so that padding with punctuation counts, too.
    """
    return [-penalty * repeated_share(part.text, ngram) for part in parsed]


def repeated_share(text: str, ngram: int) -> float:
    """1 - distinct n-grams / n-grams, in [0, 1); 0 for a text of fewer than two n-grams."""
    units = _UNITS.findall(text.lower())
    total = len(units) - ngram + 1
    if total < 2:
        return 0.0
    return 1.0 - len(set(zip(*(units[start:] for start in range(ngram)), strict=False))) / total
