"""Reward `repetition_penalty`: repeated n-grams of words, as the literature counts them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from pydantic import NonPositiveFloat, PositiveInt

from ponder.prompting import ParsedCompletion

WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e01-\u0e4e"
"""Kana, Han and Thai characters: written without spaces, each is a unit of its own."""
_WIDE = re.compile(f"[{WIDE}]")
_UNITS = re.compile(f"[{WIDE}]|[^\\s{WIDE}]+")


def repetition_penalty(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    ngram_size: PositiveInt = 3,
    max_penalty: NonPositiveFloat = -1.0,
    **columns: Any,
) -> list[float | None]:
    """max_penalty x (1 - distinct n-grams / n-grams); 0 for a text of fewer words than `ngram_size`.

    Words are what stands between white space, in small letters; each Han, kana or Thai character is one.
    Without such characters these are open-r1's numbers (2502.03373, appendix C.2); for Chinese it cuts
    words with jieba, which are 1.5 to 2 characters long: a Chinese run may want a larger `ngram_size`.
    """
    shares = [repeated_ngrams(units_of(part.text), ngram_size) for part in parsed]
    return [max_penalty * share if share else 0.0 for share in shares]


def units_of(text: str) -> list[str]:
    """The words of a text in small letters; wide characters one by one."""
    text = text.lower()
    return _UNITS.findall(text) if _WIDE.search(text) else text.split()


def repeated_ngrams(units: Sequence[str], size: int) -> float:
    """1 - distinct n-grams / n-grams, in [0, 1); 0 for fewer units than `size`.

    Linear in the units and independent of `size` up to its logarithm: windows of length L + s are named
    by the names of the two windows of length L that cover them.
    """
    if len(units) < size:
        return 0.0
    names, length = _named(units), 1
    while length < size:
        step = min(length, size - length)
        base = max(names) + 1  # so that a pair of names is one number
        pairs = [first * base + second for first, second in zip(names, names[step:], strict=False)]
        names, length = _named(pairs), length + step
    return 1.0 - (max(names) + 1) / len(names)


def _named(items: Sequence[Hashable]) -> list[int]:
    """A number for each item: equal items have equal numbers, from 0 on in order of first appearance."""
    numbers = {item: number for number, item in enumerate(dict.fromkeys(items))}
    return [numbers[item] for item in items]
