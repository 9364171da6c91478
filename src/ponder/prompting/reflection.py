"""Counts of reflective words in reasoning, the paper's measure of self-evolution."""

from __future__ import annotations

import re
from collections import Counter

REFLECTIVE_WORDS_EN = (
    "wait", "mistake", "however", "but", "retry", "error", "verify", "wrong", "evaluate", "check",
)  # fmt: skip
"""The list of three experts, merged (arXiv 2501.12948v2, appendix C.2)."""

REFLECTIVE_WORDS_ZH = (
    "等等", "等一下", "错误", "错了", "不对", "但是", "然而", "不过", "重试",
    "重新", "验证", "评估", "检查", "核对",
)  # fmt: skip
"""Ours: the same ten meanings; the paper counted English words only."""

_EN = re.compile(r"(?<![A-Za-z])(" + "|".join(REFLECTIVE_WORDS_EN) + r")(?![A-Za-z])", re.IGNORECASE)
_ZH = re.compile("|".join(sorted(REFLECTIVE_WORDS_ZH, key=len, reverse=True)))


def count_reflective_words(text: str) -> dict[str, int]:
    """How often each reflective word of either language occurs; words that do not occur are left out.

    English words are counted whole and in any case ("checking" is not "check"), Chinese ones as they
    stand in the running text, the longest first.
    """
    counts = Counter(match.group(1).lower() for match in _EN.finditer(text))
    counts.update(_ZH.findall(text))
    return dict(counts)


def num_reflective_words(text: str) -> int:
    """How many reflective words the text holds, both languages together."""
    return sum(count_reflective_words(text).values())
