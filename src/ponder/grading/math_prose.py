"""A number in a sentence: "Natalia sold 72 clips altogether." is the answer 72."""

from __future__ import annotations

import re
from fractions import Fraction

from ponder.grading.math_number import Number, parse_number

MAX_PROSE_CHARS = 200
"""Longer text without a marker is not an answer but reasoning in its place."""

_NUMBER = re.compile(
    r"[-+]?\s?[$£€¥]?\s?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:\s?/\s?[0-9]+)?\s?%?|[-+]?\.[0-9]+"
)
_OPERATORS = re.compile(r"[*/^_=\\(){}\[\]<>|!+]")
_SCALES = {
    "dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "百": 100, "千": 10**3, "万": 10**4, "百万": 10**6, "亿": 10**8,
}  # fmt: skip
_SCALE = re.compile(
    r"\s*-?\s*(" + "|".join(sorted(_SCALES, key=len, reverse=True)) + r")(?![a-z克米瓦卡焦赫字帕])",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:minus|negative)\s*$|(?:负|減|减)\s*$", re.IGNORECASE)
_AMBIGUOUS = re.compile(
    r"\b(?:not|no|never|neither|nor|or|either|isn't|between|half|quarter|third|double|twice|unless|if|maybe)\b|n't\b|不|或|非|半|倍",
    re.IGNORECASE,
)
_UNIT_LETTERS = frozenset("mgshlLJNWVKCFAIa")


def number_in_prose(text: str) -> Number | None:
    """The one number that a short text states with words or units around it, or None.

    None when it holds two different numbers, an operator, a negation or alternative ("not", "or"), a
    bare variable ("5x", "5 x"), or is long. "5 million" is 5,000,000; "minus 5" is -5. For `a = b`
    and `a = b = c` the text after the last sign counts.
    """
    if len(text) > MAX_PROSE_CHARS:
        return None
    text = text.rpartition("=")[2].strip()
    alone = parse_number(text)
    if alone is not None:
        return alone
    found: set[tuple[Fraction, bool]] = set()
    rest = []
    position = 0
    number: Number | None = None
    for match in _NUMBER.finditer(text):
        rest.append(text[position : match.start()])
        position = match.end()
        number = _stated(match, text)
        if number is None:
            return None
        scale = _SCALE.match(text, position)
        if scale:
            position = scale.end()
        found.add((number.value, number.percent))
    rest.append(text[position:])
    words = "\n".join(rest)
    if number is None or len(found) != 1 or _OPERATORS.search(words) or _AMBIGUOUS.search(words):
        return None
    return number if _only_words(rest) else None


def is_ambiguous(text: str) -> bool:
    """Whether a text that names a number negates it or offers alternatives."""
    return bool(_AMBIGUOUS.search(text))


def _stated(match: re.Match[str], text: str) -> Number | None:
    """The number of one match, with the scale word after it and the sign word before it."""
    literal = match.group().strip()
    before = text[: match.start()]
    if literal[0] in "+-" and before and not before[-1].isspace():
        return None  # "x-5", "3-5": a difference or a range
    number = parse_number(literal)
    if number is None:
        return None
    value = number.value
    scale = _SCALE.match(text, match.end())
    if scale:
        value *= _SCALES[scale.group(1).lower()]
    if _NEGATED.search(before):
        value = -value
    return Number(value, number.percent, number.decimals)


def _only_words(pieces: list[str]) -> bool:
    """Whether no piece holds a variable: single letters must be units, and not glued to the number."""
    for index, piece in enumerate(pieces):
        for match in re.finditer(r"[A-Za-z]+", piece):
            word = match.group()
            glued = index > 0 and match.start() == 0
            if len(word) == 1 and (word not in _UNIT_LETTERS or (glued and word not in "mgslL")):
                return False
    return True
