"""Reward `solved`: all of it or nothing, also where the grader gives partial credit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ponder.types import Grade, Verdict


def solved(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    grades: Sequence[Grade],
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.99,
    **columns: Any,
) -> list[float | None]:
    """1 for a credit above `threshold`, otherwise 0; None where grading failed on us.

    open-r1's `binary_code`: 1 when more than 0.99 of the tests pass, for problems of grader `code_partial`.
    """
    return [
        None if grade.verdict is Verdict.UNGRADABLE else float(grade.credit > threshold) for grade in grades
    ]
