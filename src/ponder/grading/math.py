"""Grader `math`: the same number, expression, tuple, set or interval, however it is written.

Cheap and exact comparisons come first (equal spelling, equal numbers) and decide nearly all answers in
microseconds; what is left goes to math-verify in a process of its own (`math_worker`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ponder.grading.math_number import Number, parse_number, same_number
from ponder.grading.math_prose import MAX_PROSE_CHARS, is_ambiguous, number_in_prose
from ponder.grading.math_text import canonical, clean, final_answer
from ponder.grading.math_worker import compare_symbolically
from ponder.grading.verdicts import Grader, correct, shown, ungradable, wrong
from ponder.types import Grade, Problem

MAX_SYMBOLIC_CHARS = 1_000
"""Longer expressions are not given to sympy."""


_SYMBOL = re.compile(
    r"\$?\\?[A-Za-z]+(?:_(?:[A-Za-z0-9]|\{[^{}]{1,12}\}))?\s*(?:\([A-Za-z]\))?|\([A-Za-z](?:,\s*[A-Za-z])+\)"
)


@dataclass(frozen=True, slots=True)
class _Reference:
    text: str
    """Cleaned."""
    canonical: str
    number: Number | None


@lru_cache(maxsize=65536)
def _read_reference(reference: str) -> _Reference:
    """The final answer of a reference: a bare value, a boxed one, or a GSM8K solution with "####"."""
    value, _ = final_answer(reference)
    cleaned = clean(value)
    return _Reference(cleaned, canonical(cleaned), _reference_number(cleaned))


def _reference_number(cleaned: str) -> Number | None:
    """The number a reference is: "42", "x = 42", "42 dollars". An equation is no number."""
    name, equals, value = cleaned.partition("=")
    if equals:
        return parse_number(value.strip()) if _SYMBOL.fullmatch(name.strip()) else None
    return parse_number(cleaned) or number_in_prose(cleaned)


def _without_name(text: str, other: str) -> str:
    """`text` without a leading "name =" that `other` does not have."""
    name, equals, value = text.partition("=")
    named = equals and "=" not in value and "=" not in other and _SYMBOL.fullmatch(name.strip())
    return value.strip() if named else text


def _grade(problem: Problem, answer: str) -> Grade:
    reference = _read_reference(problem.reference)
    if not reference.canonical:
        return ungradable("the reference is empty")
    value, marked = final_answer(answer)
    if not marked and len(value) > max(MAX_PROSE_CHARS, 2 * len(reference.text) + 50):
        return wrong("", f"{len(value)} characters and no marked answer: reasoning in place of an answer")
    cleaned = clean(value)
    spelling = canonical(cleaned)
    if not spelling:
        return wrong("", "empty answer")
    if spelling == reference.canonical:
        return correct(_display(reference), "equal texts")
    if reference.number is not None:
        return _grade_number(reference, reference.number, cleaned, spelling)
    return _grade_symbolic(reference, cleaned, spelling)


def _grade_number(reference: _Reference, expected: Number, cleaned: str, spelling: str) -> Grade:
    number = parse_number(cleaned) or number_in_prose(cleaned)
    if number is None:
        if is_ambiguous(cleaned):
            return wrong(spelling, f"not one definite number: {shown(cleaned)}")
        if not re.search(r"[0-9\\]|pi|π|\be\b|√", cleaned):
            return wrong(spelling, f"not a number: {shown(cleaned)}")
        return _grade_symbolic(reference, cleaned, spelling)
    same = same_number(expected, number)
    if same is None:
        return _grade_symbolic(reference, cleaned, spelling)
    if same:
        return correct(_display(reference), "equal numbers")
    return wrong(str(number.value), f"{shown(cleaned)} is not {shown(reference.text)}")


def _grade_symbolic(reference: _Reference, given: str, spelling: str) -> Grade:
    if len(given) > MAX_SYMBOLIC_CHARS:
        return wrong(spelling, f"{len(given)} characters, at most {MAX_SYMBOLIC_CHARS} are compared")
    if reference.canonical.isalpha() and spelling.isalnum():
        return wrong(spelling, f"{shown(spelling)} is not {shown(reference.text)}")
    found = compare_symbolically(_without_name(reference.text, given), _without_name(given, reference.text))
    if found.outcome == "equal":
        return correct(_display(reference), found.reason)
    if found.outcome == "failed":
        return ungradable(found.reason)
    if found.outcome == "bad_reference":
        # Texts that are no formulas can still be compared as texts, and these two differ.
        return wrong(spelling, f"{shown(spelling)} is not {shown(reference.text)}")
    return wrong(spelling, f"{shown(given)} against {shown(reference.text)}: {found.reason}")


def _display(reference: _Reference) -> str:
    """One spelling for all right answers, so that they vote together."""
    return str(reference.number.value) if reference.number else reference.canonical


def _check(problem: Problem) -> str | None:
    reference = _read_reference(problem.reference)
    if not reference.canonical:
        return "the reference is empty"
    if reference.number is not None or reference.canonical.replace(" ", "").isalpha():
        return None
    if len(reference.text) > MAX_SYMBOLIC_CHARS:
        return f"{len(reference.text)} characters, at most {MAX_SYMBOLIC_CHARS} are compared"
    found = compare_symbolically(reference.text, None)
    if found.outcome == "equal":
        return None
    return f"{shown(reference.text)} cannot be read: {found.reason}"


MATH = Grader("the same number or expression, however it is written (math-verify, sympy)", _grade, _check)
