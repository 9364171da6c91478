"""Which answers are the same answer: the classes that consensus votes on.

Voting on strings splits the vote between "1/2", "0.5" and "\\frac{1}{2}". Here answers are the same
when they are equal numbers or equal after normalisation; graders that know more say so themselves.
The reference is never looked at: a vote has to be possible without it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from ponder.evaluation.arithmetic import parse_expression
from ponder.evaluation.estimators import ABSTAINED
from ponder.types import Grade, Problem, Verdict

Equivalence = Callable[[str, str], bool]
"""Whether two answers to one problem are the same answer."""

GradeFunction = Callable[[Problem, str], Grade]
"""(problem, answer) -> its grade; `ponder.grading.grade`."""

_MAX_NUMBER_CHARS = 60
_NUMBER = re.compile(r"([-+]?)(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?", re.ASCII)
_RATIO = re.compile(r"([-+]?\d+)\s*/\s*(\d+)", re.ASCII)
_LATEX_RATIO = re.compile(r"([-+]?)\\[dt]?frac\s*\{([-+]?\d+)\}\s*\{(\d+)\}", re.ASCII)
_WRAPPERS = (("$", "$"), ("\\(", "\\)"), ("\\boxed{", "}"), ("\\text{", "}"), ("{", "}"))


def normalise_answer(text: str) -> str:
    """The answer in one spelling: NFKC, no case, single spaces, no math delimiters or final stop."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    text = text.replace("−", "-").replace("⁄", "/").rstrip(".。,;!").strip()
    for _ in range(len(_WRAPPERS)):
        for opening, closing in _WRAPPERS:
            inner = text[len(opening) : len(text) - len(closing)]
            if inner and text == opening + inner + closing and _closed(inner):
                text = inner.strip()
    return text


def _closed(text: str) -> bool:
    """Whether every brace opened in the text is closed in it, and no other dollar sign is there."""
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0 or character == "$":
            return False
    return depth == 0


def number_of(text: str) -> Fraction | None:
    """The exact number an answer is: integer, decimal, thousands with commas, a/b, \\frac{a}{b}.

    None for anything else (also for a zero denominator). Never raises, whatever the text.
    """
    text = normalise_answer(text)
    if not text or len(text) > _MAX_NUMBER_CHARS:
        return None
    if match := _LATEX_RATIO.fullmatch(text):
        sign = -1 if match[1] == "-" else 1
        return sign * Fraction(int(match[2]), int(match[3])) if int(match[3]) else None
    if match := _RATIO.fullmatch(text):
        return Fraction(int(match[1]), int(match[2])) if int(match[2]) else None
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        return None
    return Fraction(match[1] + (match[2] or "0").replace(",", "") + (match[3] or ""))


def same_answer(one: str, other: str) -> bool:
    """Equal as numbers when both are numbers, otherwise equal after normalisation."""
    numbers = number_of(one), number_of(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return normalise_answer(one) == normalise_answer(other)


def same_expression(one: str, other: str) -> bool:
    """Expressions that use the same numbers and come to the same value, as Countdown answers are.

    "(1+2)*3" and "3*(2+1)" are one answer; "9" and "1+8" are others.
    """
    expressions = _expression(one), _expression(other)
    if None not in expressions:
        return expressions[0] == expressions[1]
    return normalise_answer(one) == normalise_answer(other)


def graded_equivalence(problem: Problem, grade: GradeFunction) -> Equivalence:
    """Same when the problem's own grader accepts one answer with the other as its reference.

    Plain numbers are decided without it. Graders need not be symmetric; either direction will do.
    """

    def same(one: str, other: str) -> bool:
        if number_of(one) is not None and number_of(other) is not None:
            return same_answer(one, other)
        return same_answer(one, other) or accepts(one, other) or accepts(other, one)

    def accepts(reference: str, answer: str) -> bool:
        return grade(replace(problem, reference=reference), answer).verdict is Verdict.CORRECT

    return same


def _graded(problem: Problem, grade: GradeFunction) -> Equivalence:
    return graded_equivalence(problem, grade)


def _expressions(problem: Problem, grade: GradeFunction) -> Equivalence:
    return same_expression


EQUIVALENCES: Mapping[str, Callable[[Problem, GradeFunction], Equivalence]] = {
    "math": _graded,
    "knights": _graded,
    "countdown": _expressions,
}
"""How answers of a grader's problems are compared; `same_answer` for graders not named here."""


def equivalence_for(problem: Problem, grade: GradeFunction) -> Equivalence:
    """The equivalence of answers to this problem."""
    make = EQUIVALENCES.get(problem.grader)
    return same_answer if make is None else make(problem, grade)


def vote_classes(answers: Sequence[str], equivalent: Equivalence = same_answer) -> tuple[int, ...]:
    """The class of each answer, numbered in order of appearance; `ABSTAINED` for the empty answer.

    An answer joins the first class whose first member it is equivalent to, so that equal samples
    in equal order always vote alike. Equal strings are compared once.
    """
    first_of_class: list[str] = []
    known: dict[str, int] = {"": ABSTAINED}
    votes = []
    for answer in answers:
        if answer not in known:
            known[answer] = next(
                (i for i, first in enumerate(first_of_class) if equivalent(first, answer)),
                len(first_of_class),
            )
            if known[answer] == len(first_of_class):
                first_of_class.append(answer)
        votes.append(known[answer])
    return tuple(votes)


def _expression(text: str) -> tuple[Fraction, tuple[Fraction, ...]] | None:
    """(value, numbers used) of an answer, also of the left side of "1+2=3" ."""
    parsed = parse_expression(normalise_answer(text).split("=")[0])
    return None if parsed is None else (parsed.value, parsed.numbers)
