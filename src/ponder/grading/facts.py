"""Grader `facts`: a short factual answer, equal to one of the accepted forms up to spelling.

The published score of such sets (SimpleQA, Chinese SimpleQA) is a judge's, who also accepts a right answer in
other words; this grader does not, so that its score is a lower bound.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

from ponder.grading.facts_text import MAX_CHARS, forms
from ponder.grading.math_text import last_boxed
from ponder.grading.text import fold_width, strip_decoration, unwrap
from ponder.grading.verdicts import Grader, correct, shown, ungradable, wrong
from ponder.types import Grade, Problem

_MARKER = re.compile(
    r"\banswer(?:\s+is\b|\s*:)[\s:]*|(?:答案|回答)\s*(?:应该|应)?\s*[是为:][\s:]*", re.IGNORECASE
)
_LEAD_IN = re.compile(
    r"(?:(?:it|this|that|he|she|they)\s+(?:is|was|are|were)|(?:it|that)['’]s|in|on|at|by|from|是|在|于)\s+",
    re.IGNORECASE,
)
_MAX_MARKERS = 8


@lru_cache(maxsize=16384)
def accepted_forms(reference: str) -> tuple[str, ...]:
    """The spellings that are right."""
    return tuple(dict.fromkeys(form for text in _texts(reference) for form in forms(_bare(text))))


def _texts(reference: str) -> list[str]:
    """A reference is one text, or a JSON list of texts that are all right."""
    if reference.lstrip().startswith("["):
        try:
            listed = json.loads(reference)
        except (ValueError, RecursionError):
            return [reference]
        if isinstance(listed, list) and all(isinstance(each, (str, int, float)) for each in listed):
            return [str(each) for each in listed]
    return [reference]


def _bare(text: str) -> str:
    return strip_decoration(unwrap(strip_decoration(fold_width(text))))


def _candidate(answer: str) -> str | None:
    r"""The part of an answer that states the fact: the last \boxed{...}, what follows "the answer is", or all
    of it. None when several answers are marked that differ: a list of guesses is no answer."""
    boxed = last_boxed(answer)
    if boxed is not None:
        return boxed
    marks = list(_MARKER.finditer(answer))
    if not marks:
        return answer
    stated = [answer[mark.end() :].split("\n", 1)[0] for mark in marks[-_MAX_MARKERS:]]
    return stated[-1] if len({forms(_bare(each)) for each in stated}) == 1 else None


def _grade(problem: Problem, answer: str) -> Grade:
    accepted = accepted_forms(problem.reference)
    if not accepted:
        return ungradable("the reference is empty")
    answer = fold_width(answer)
    whole = forms(_bare(answer)) if len(answer) <= MAX_CHARS else ()
    candidate = _candidate(answer)
    if candidate is None:
        return wrong("", "several answers that differ")
    bare = _bare(candidate) if len(candidate) <= MAX_CHARS else ""
    given = forms(bare) if bare else ()
    lead = _LEAD_IN.match(bare)
    spellings = (*whole, *given, *(forms(bare[lead.end() :]) if lead else ()))
    found = next((form for form in spellings if form in accepted), None)
    if found is not None:
        # One spelling for all right answers, so that they vote together.
        return correct(accepted[0], f"{shown(found)} is accepted")
    extracted = given[-1] if given else ""
    return wrong(extracted, f"{shown(extracted)} is not {shown(accepted[0])}")


def _check(problem: Problem) -> str | None:
    return None if accepted_forms(problem.reference) else "the reference is empty"


def _reference_answer(problem: Problem) -> str | None:
    return next(iter(_texts(problem.reference)), None)


FACTS = Grader(
    "a short answer, equal to an accepted form up to spelling, numbers and dates",
    _grade,
    _check,
    _reference_answer,
)
