"""Reward `length`: brevity among right answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.types import Grade, Verdict


def length(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    grades: Sequence[Grade],
    num_tokens: Sequence[int],
    max_tokens: int = 1024,
    only_correct: bool = True,
    **columns: Any,
) -> list[float | None]:
    """1 for an empty completion, falling linearly to 0 at `max_tokens` tokens and beyond.

    With `only_correct` a wrong answer earns 0 however short, so that giving up early does not pay;
    None where grading failed on us. Ours; the paper has no length reward.
    """
    rewards: list[float | None] = []
    for grade, tokens in zip(grades, num_tokens, strict=True):
        brevity = max(0.0, 1.0 - tokens / max_tokens)
        if not only_correct or grade.verdict is Verdict.CORRECT:
            rewards.append(brevity)
        else:
            rewards.append(None if grade.verdict is Verdict.UNGRADABLE else 0.0)
    return rewards
