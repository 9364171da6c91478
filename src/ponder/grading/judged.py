"""Grader `judged`: there is no rule for it; a judge is needed, which this version does not have.

Every answer is UNGRADABLE with that reason, and the preflight refuses such problems: they can be listed,
asked and shown, but not scored and not trained on.
"""

from __future__ import annotations

from ponder.grading.verdicts import Grader, ungradable
from ponder.types import Grade, Problem

REASON = "needs a judge, which comes with the judging stage"


def _grade(problem: Problem, answer: str) -> Grade:
    return ungradable(REASON)


def _check(problem: Problem) -> str | None:
    return REASON


JUDGED = Grader("no rule can tell: " + REASON, _grade, _check)
