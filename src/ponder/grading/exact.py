"""Grader `exact`: the answer is the reference, up to case, width and space."""

from __future__ import annotations

from ponder.grading.text import fold_width, strip_decoration, unwrap
from ponder.grading.verdicts import Grader, correct, shown, the_reference, wrong
from ponder.types import Grade, Problem


def normalise(text: str) -> str:
    """`text` in the spelling that is compared: folded width and case, single spaces, no decoration."""
    return " ".join(strip_decoration(unwrap(strip_decoration(fold_width(text)))).casefold().split())


def _grade(problem: Problem, answer: str) -> Grade:
    given = normalise(answer)
    if given and given == normalise(problem.reference):
        return correct(given, "equal texts")
    return wrong(given, f"{shown(given)} is not {shown(problem.reference)}")


def _check(problem: Problem) -> str | None:
    return None if normalise(problem.reference) else "the reference is empty"


EXACT = Grader(
    "the answer is the reference, up to case, width and white space", _grade, _check, the_reference
)
