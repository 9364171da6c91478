"""Rewards `cosine` and `relative_length`: a right answer earns more when it is short."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import PositiveInt

from ponder.types import Grade, Verdict

Unit = Literal["tokens", "characters"]


def _lengths(unit: Unit, completions: Sequence[Any], num_tokens: Sequence[int]) -> list[int]:
    return list(num_tokens) if unit == "tokens" else [len(str(text)) for text in completions]


def cosine(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    grades: Sequence[Grade],
    num_tokens: Sequence[int],
    min_value_wrong: float = -1.0,
    max_value_wrong: float = -0.5,
    min_value_correct: float = 0.5,
    max_value_correct: float = 1.0,
    max_len: PositiveInt = 1024,
    unit: Unit = "tokens",
    clip: bool = True,
    exceeded: float | None = None,
    **columns: Any,
) -> list[float | None]:
    """end + (start - end) x (1 + cos(pi x length / max_len)) / 2: half a wave from start to end.

    Right answers go from `max_value_correct` at length 0 to `min_value_correct` at `max_len`, wrong ones
    from `min_value_wrong` to `max_value_wrong`: being wrong at length costs less than being wrong at once.
    Beyond `max_len` the end's value stays (`clip`; open-r1 lets the wave rise again), and with `exceeded`
    that is earned from `max_len` on, right or wrong. None where grading failed on us.

    Yeo et al. 2025, "Demystifying Long Chain-of-Thought Reasoning" (2502.03373), and open-r1.
    """
    rewards: list[float | None] = []
    for grade, length in zip(grades, _lengths(unit, completions, num_tokens), strict=True):
        if grade.verdict is Verdict.UNGRADABLE:
            rewards.append(None)
            continue
        if exceeded is not None and length >= max_len:
            rewards.append(exceeded)
            continue
        right = grade.verdict is Verdict.CORRECT
        start, end = (max_value_correct, min_value_correct) if right else (min_value_wrong, max_value_wrong)
        progress = min(length / max_len, 1.0) if clip else length / max_len
        rewards.append(end + 0.5 * (start - end) * (1.0 + math.cos(progress * math.pi)))
    return rewards


def relative_length(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    grades: Sequence[Grade],
    num_tokens: Sequence[int],
    unit: Unit = "tokens",
    **columns: Any,
) -> list[float | None]:
    """0.5 - (length - shortest) / (longest - shortest) of the group; of a wrong answer no more than 0.

    In [-0.5, 0.5]: the shortest right answer earns 0.5, the longest answer -0.5. All 0 where all lengths
    are equal. Members whose grading failed on us have None and set no length.

    Kimi k1.5 (2501.12599), "Length Penalty"; open-r1's `length`, which counts characters.
    """
    known = [grade.verdict is not Verdict.UNGRADABLE for grade in grades]
    lengths = _lengths(unit, completions, num_tokens)
    counted = [length for length, is_known in zip(lengths, known, strict=True) if is_known]
    shortest, spread = min(counted, default=0), max(counted, default=0) - min(counted, default=0)
    rewards: list[float | None] = []
    for grade, length, is_known in zip(grades, lengths, known, strict=True):
        value = 0.5 - (length - shortest) / spread if spread else 0.0
        right = grade.verdict is Verdict.CORRECT
        rewards.append((value if right else min(0.0, value)) if is_known else None)
    return rewards
