"""Grader `choice`: the letter of one option."""

from __future__ import annotations

import re

from ponder.grading.text import fold_width, strip_decoration, unwrap
from ponder.grading.verdicts import Grader, correct, shown, wrong
from ponder.types import Grade, Problem

_LEAD_IN = re.compile(
    r"(?:the\s+)?(?:correct\s+|final\s+)?(?:answer|option|choice)\s*(?:is)?\s*:?\s*|答案\s*[是为]?\s*:?\s*|选项?\s*",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\(([A-Za-z])\)(?:[.:]?\s.*)?|([A-Za-z])(?:[.):]+(?:\s.*)?)?", re.DOTALL)
_ANOTHER = re.compile(r"(?<![A-Za-z])\(?[A-Za-z][.):](?:\s|$)|\([A-Za-z]\)")
_MAX_CHARS = 300


def choice_letter(text: str) -> str | None:
    """The option that `text` names, as a capital letter; None if it names none or more than one.

    Accepted: C, (C), C., C) text of the option, option C, answer: C, 答案是C, 选C; in a box, too.
    """
    if len(text) > _MAX_CHARS:
        return None
    bare = strip_decoration(unwrap(strip_decoration(fold_width(text))))
    lead = _LEAD_IN.match(bare)
    if lead:
        bare = strip_decoration(unwrap(bare[lead.end() :]))
    match = _LETTER.fullmatch(bare)
    if not match:
        return None
    rest = bare[match.end(1) + 1 if match.group(1) else match.end(2) :]
    if _ANOTHER.search(rest):
        return None  # a list of the options is no choice among them
    return (match.group(1) or match.group(2)).upper()


def _grade(problem: Problem, answer: str) -> Grade:
    given = choice_letter(answer)
    if given is None:
        return wrong("", f"not one option's letter: {shown(answer)}")
    if given == choice_letter(problem.reference):
        return correct(given, "the right option")
    return wrong(given, f"option {given} is not {problem.reference}")


def _check(problem: Problem) -> str | None:
    if choice_letter(problem.reference) is None:
        return f"{shown(problem.reference)} is not the letter of an option"
    return None


CHOICE = Grader("the answer names one option by its letter", _grade, _check)
