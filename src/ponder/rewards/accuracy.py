"""Reward `accuracy`: the grader's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.types import Grade, Verdict


def accuracy(
    prompts: Sequence[Any], completions: Sequence[Any], *, grades: Sequence[Grade], **columns: Any
) -> list[float | None]:
    """The grade's credit: 1 for a right answer, 0 for a wrong one; None where grading failed on us.

    Paper: rule-based accuracy reward (Nature 2025, Methods, "Reward design").
    """
    return [None if grade.verdict is Verdict.UNGRADABLE else grade.credit for grade in grades]
