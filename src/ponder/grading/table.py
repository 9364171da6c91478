"""`GRADERS`, and grading that never raises."""

from __future__ import annotations

from ponder.errors import nearest
from ponder.grading.choice import CHOICE
from ponder.grading.code import CODE, CODE_PARTIAL
from ponder.grading.countdown import COUNTDOWN
from ponder.grading.exact import EXACT
from ponder.grading.facts import FACTS
from ponder.grading.instructions import IFEVAL, IFEVAL_LOOSE
from ponder.grading.integer import INTEGER
from ponder.grading.judged import JUDGED
from ponder.grading.knights import KNIGHTS
from ponder.grading.math import MATH
from ponder.grading.reasoning_gym import REASONING_GYM
from ponder.grading.verdicts import Grader, ungradable, wrong
from ponder.types import Grade, Problem

GRADERS: dict[str, Grader] = {
    "integer": INTEGER,
    "exact": EXACT,
    "facts": FACTS,
    "choice": CHOICE,
    "countdown": COUNTDOWN,
    "knights": KNIGHTS,
    "math": MATH,
    "code": CODE,
    "code_partial": CODE_PARTIAL,
    "ifeval": IFEVAL,
    "ifeval_loose": IFEVAL_LOOSE,
    "reasoning_gym": REASONING_GYM,
    "judged": JUDGED,
}
"""Every grader by name. A new one is one file, one line here, one test."""

MAX_ANSWER_CHARS = 50_000
"""Longer answers are wrong without a look."""


def grade(problem: Problem, answer: str) -> Grade:
    """The verdict on an answer text ("" when the completion has none). Never raises.

    WRONG for whatever is the text's fault: no answer, malformed, too long, past the time limit.
    UNGRADABLE for whatever is not: an unknown grader, a reference that cannot be read, a lost worker.
    """
    grader = GRADERS.get(problem.grader)
    if grader is None:
        return ungradable(f'no grader is called "{problem.grader}".{nearest(problem.grader, GRADERS)}')
    if not answer or answer.isspace():
        return wrong("", "no answer")
    if len(answer) > max(MAX_ANSWER_CHARS, 4 * len(problem.reference)):
        return wrong("", f"an answer of {len(answer)} characters; at most {MAX_ANSWER_CHARS} are read")
    try:
        return grader.grade(problem, answer)
    except Exception as error:  # a grader's defect costs one sample, counted by its verdict, not the run
        return ungradable(f'grader "{problem.grader}" failed: {type(error).__name__}: {error}'[:300])


def reference_answer(problem: Problem) -> str | None:
    """An answer that must grade CORRECT; None where there is none, or the reference cannot be read."""
    grader = GRADERS.get(problem.grader)
    if grader is None or grader.reference_answer is None or grader.check(problem) is not None:
        return None
    return grader.reference_answer(problem)


def check_reference(problem: Problem) -> str | None:
    """Why the grader of `problem` cannot use its reference, None when it can. For the preflight."""
    grader = GRADERS.get(problem.grader)
    if grader is None:
        return f'no grader is called "{problem.grader}".{nearest(problem.grader, GRADERS)}'
    return grader.check(problem)
