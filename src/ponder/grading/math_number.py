"""Numbers as people write them, in exact arithmetic: the fast path of the math grader."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_NUMBER_CHARS = 300
"""Longer ones are compared as text; int() itself refuses more than 4,300 digits."""

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)"
_PLAIN = re.compile(
    rf"({_DECIMAL})(?:[eE]([+-]?[0-9]{{1,3}})|\s*(?:\\times|\*|×|x)\s*10\s*\^\s*\{{?\s*([+-]?[0-9]{{1,3}})\s*\}}?)?"
)
_SLASH = re.compile(rf"(?:([0-9]+)\s+)?\(?({_DECIMAL})\)?\s*/\s*\(?([+-]?{_DECIMAL})\)?")
_LATEX = re.compile(
    r"(?:([0-9]+)\s*)?\\frac\s*(?:\{\s*([+-]?[0-9.]+)\s*\}\s*\{\s*([+-]?[0-9.]+)\s*\}|\s*([0-9])\s*([0-9])(?![0-9]))"
)
_CURRENCY = re.compile(r"^(?:US\s?\$|\$|£|€|¥|￥)\s*|\s*(?:\$|£|€|¥)$")
_PERCENT = re.compile(r"\s*(?:%|percent|per cent)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number and how it was written."""

    value: Fraction
    """With a percent sign: the number in front of it."""
    percent: bool
    decimals: int | None
    """Digits after the point, None when there is no point."""


def parse_number(text: str) -> Number | None:
    r"""The number that `text` is, None if it is none: the whole text must be one number.

    Understood: signs, 1,000 and 1 000, decimals, 1e5, 3 \times 10^{4}, a/b, \frac{a}{b}, 1 1/2,
    currency signs, percent. The text is already clean (`math_text.clean`).
    """
    if not text or len(text) > MAX_NUMBER_CHARS:
        return None
    body = _PERCENT.sub("", text)
    percent = body != text
    sign = 1
    body = body.strip()
    for _ in range(2):  # a sign may stand before or after the currency: -$5, $-5
        if body[:1] in ("+", "-") and body[1:2] not in ("+", "-"):
            sign = -sign if body[0] == "-" else sign
            body = body[1:].lstrip()
        body = _CURRENCY.sub("", body)
    if body.startswith("(") and body.endswith(")") and body.count("(") == 1:
        body = body[1:-1].strip()
        if body[:1] == "-":
            sign, body = -sign, body[1:].lstrip()
    found = _magnitude(body)
    if found is None:
        return None
    return Number(sign * found[0], percent, found[1])


def _magnitude(body: str) -> tuple[Fraction, int | None] | None:
    """(value, digits after the point) of an unsigned number."""
    match = _PLAIN.fullmatch(body)
    if match:
        digits, *exponents = match.groups()
        value = _decimal(digits)
        exponent = next((int(e) for e in exponents if e), 0)
        return value * Fraction(10) ** exponent, len(digits.split(".")[1]) if "." in digits else None
    match = _SLASH.fullmatch(body)
    parts: tuple[str | None, ...]
    if match:
        parts = match.groups()
    else:
        match = _LATEX.fullmatch(body)
        if not match:
            return None
        whole, top, bottom, digit_top, digit_bottom = match.groups()
        parts = (whole, top or digit_top, bottom or digit_bottom)
    return _quotient(*(part or "" for part in parts))


def _quotient(whole: str, top: str, bottom: str) -> tuple[Fraction, None] | None:
    try:
        numerator, denominator = _decimal(top), _decimal(bottom)
    except ValueError:  # "1.2.3"
        return None
    if denominator == 0:
        return None
    fraction = numerator / denominator
    if not whole:
        return fraction, None
    if not 0 < fraction < 1:
        return None  # "1 5/2" is no mixed number
    return int(whole) + fraction, None


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", "").replace(" ", "").rstrip(".") or "0")


def same_number(reference: Number, answer: Number) -> bool | None:
    """Whether the two are equal; None when they differ so little that rounding decides.

    A percent sign on one side only is a matter of notation: "50%" answers both "50" and "0.5".
    None is left to the symbolic comparison, which knows about rounded decimals; two integers, or
    numbers further apart than one part in a hundred, need no second opinion.
    """
    values = [answer.value]
    if reference.percent != answer.percent:
        values.append(answer.value / 100 if answer.percent else answer.value * 100)
    if reference.value in values:
        return True
    whole = reference.value.denominator == 1 and answer.value.denominator == 1
    if whole or not any(abs(v - reference.value) * 100 <= abs(reference.value) for v in values):
        return False
    return None
