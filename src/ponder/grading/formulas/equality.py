"""Whether two formulas have the same values: exactly where they are rational, else to forty digits.

Formulas with variables are compared at several points, whole numbers first. Agreement at all of them is
equality (a difference that vanishes at points nobody chose is zero); a difference at a point of whole numbers
is one however roots and powers of negative numbers are read; the rest is left to the symbolic comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ponder.grading.formulas.approximate import approximate, constant
from ponder.grading.formulas.exact import Uncomputable, exact
from ponder.grading.formulas.objects import Value
from ponder.grading.formulas.tree import Node
from ponder.grading.math_number import MIN_ROUNDED_DIGITS, Number, same_number

_DISCRETE = ("sum", "product", "indexed")
_EQUAL, _DIFFERENT = 1e-40, 1e-20
"""Relative difference of equal values (at 66 digits) and of different ones."""
_WHOLE = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67)
"""Values of the variables, in alphabetical order, at the first point."""


def equal_values(first: Node, second: Node) -> bool | None:
    """Whether the formulas are equal; None when that cannot be told here."""
    names = sorted(first.letters() | second.letters())
    if len(names) > len(_WHOLE):
        return None
    discrete = first.has(*_DISCRETE) or second.has(*_DISCRETE)
    for index, point in enumerate(points(names, discrete=discrete)):
        same = same_at(first, second, point)
        if not same:
            told = same is False and index == 0 and not (first.has("applied") or second.has("applied"))
            return False if told else None
    return True


def points(names: list[str], *, discrete: bool = False) -> list[Mapping[str, Fraction]]:
    """Where formulas in these variables are compared: whole, positive and negative values.

    Sums and sequences have values at whole numbers only.
    """
    whole = {name: Fraction(_WHOLE[index]) for index, name in enumerate(names)}
    if discrete:
        return [whole, *({name: value + shift for name, value in whole.items()} for shift in (1, -2))]
    if not names:
        return [whole]
    positive = {name: Fraction(1237 + 311 * index, 419) for index, name in enumerate(names)}
    negative = {name: Fraction(-1009 - 97 * index * index, 601) for index, name in enumerate(names)}
    return [whole, positive, negative]


def same_at(first: Node, second: Node, point: Mapping[str, Fraction]) -> bool | None:
    """Whether the two have the same value at a point; None when one has none that can be computed."""
    try:
        return exact(first, point) == exact(second, point)
    except (Uncomputable, ZeroDivisionError):
        pass
    try:
        difference = relative_difference(approximate(first, point), approximate(second, point))
    except (Uncomputable, ZeroDivisionError, ValueError, OverflowError, TypeError):
        return None
    if difference < _EQUAL:
        return True
    return False if difference > _DIFFERENT else None


def relative_difference(first: Any, second: Any) -> Any:
    """|first - second| over the larger of the two; 0 where both are the rounding error of zero."""
    scale = max(abs(first), abs(second))
    return abs(first - second) / scale if scale > 1e-50 else 0


def same_value(first: Value, second: Value) -> bool | None:
    """Whether two values are equal, or one is the other correctly rounded to four or more digits."""
    if first.number is not None and second.number is not None:
        return same_number(first.number, second.number)
    equal = equal_values(first.node, second.node)
    if not equal:
        for one, other in ((first, second), (second, first)):
            if one.number is not None and one.number.decimals is not None and _rounds(one.number, other.node):
                return True
    return equal


def _rounds(rounded: Number, node: Node) -> bool:
    """Whether the decimal is the value of a formula without variables, correctly rounded."""
    if rounded.digits < MIN_ROUNDED_DIGITS or rounded.percent or node.letters():
        return False
    try:
        value = constant(node)
    except Uncomputable:
        return False
    step = rounded.decimals or 0
    top, bottom = rounded.value.numerator, rounded.value.denominator
    error = abs(value * bottom - top) * 2
    return bool(error * 10**step <= bottom if step >= 0 else error <= bottom * 10**-step)
