"""The three verdicts as constructors, and what a grader is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ponder.types import Grade, Problem, Verdict

MAX_EXTRACTED_CHARS = 400
"""An extracted answer is kept for records and votes; no record needs a megabyte."""


@dataclass(frozen=True, slots=True)
class Grader:
    """How answers of one kind are verified."""

    summary: str
    """One line for listings."""
    grade: Callable[[Problem, str], Grade]
    """(problem, answer text) -> Grade. The text is not empty and within the size limit."""
    check: Callable[[Problem], str | None]
    """What is wrong with the problem's reference, None if nothing is."""
    reference_answer: Callable[[Problem], str | None] | None = None
    """An answer text that must grade CORRECT, None where this problem has none; for graders whose problems
    never have one there is no function. Only called for references that `check` passes."""


def the_reference(problem: Problem) -> str | None:
    """The reference itself, for graders that read it as they read an answer."""
    return problem.reference


def canonical_solution(problem: Problem) -> str | None:
    """The solution that a data set gives with its tests, in the column `canonical_solution`."""
    solution = problem.meta.get("canonical_solution")
    return solution if isinstance(solution, str) and solution.strip() else None


UNREAD = ("no answer", "an answer of ")
"""How the reasons begin of answers that are wrong without their grader having seen them."""


def correct(extracted: str, reason: str) -> Grade:
    return Grade(Verdict.CORRECT, 1.0, extracted[:MAX_EXTRACTED_CHARS], reason)


def wrong(extracted: str, reason: str) -> Grade:
    return Grade(Verdict.WRONG, 0.0, extracted[:MAX_EXTRACTED_CHARS], reason)


def ungradable(reason: str) -> Grade:
    """Our own failure, or a reference that cannot be read: never the completion's fault."""
    return Grade(Verdict.UNGRADABLE, 0.0, "", reason)


def shown(text: str, limit: int = 60) -> str:
    """`text` for a one-line reason: cut and quoted."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
