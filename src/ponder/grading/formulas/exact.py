"""Exact values of formulas: rational numbers of bounded size."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ponder.grading.formulas.tree import Node

MAX_BITS = 20_000
"""Numbers of more bits, or a magnitude beyond 2 ** MAX_BITS, are not computed here."""
MAX_FACTORIAL = 3_000
_MAX_TERMS = 200


class Uncomputable(ValueError):
    """The value is not exact, not finite, or too large to compute here."""


def exact(node: Node, point: Mapping[str, Fraction]) -> Fraction:
    """The rational value at a point. Raises Uncomputable, ZeroDivisionError."""
    operation = node.operation
    if operation == "number":
        return node.value
    if operation == "letter":
        if node.name not in point:
            raise Uncomputable(f"{node.name} has no value")
        return point[node.name]
    if operation in ("e", "i", "pi", "root", "function"):
        raise Uncomputable(f"{operation} is not rational")
    if operation in ("sum", "product"):
        return series(node, point, exact)  # type: ignore[no-any-return]
    values = [exact(operand, point) for operand in node.operands]
    if operation in ("indexed", "applied"):
        return unknown(node, values[0])
    result = _exact_power(*values) if operation == "^" else _exact_operation(operation, values)
    if result.numerator.bit_length() + result.denominator.bit_length() > 2 * MAX_BITS:
        raise Uncomputable("too large")
    return result


def _exact_operation(operation: str, values: list[Fraction]) -> Fraction:
    first, second = values[0], values[-1]
    if operation == "+":
        return first + second
    if operation == "*":
        return first * second
    if operation == "/":
        return first / second
    if operation == "negative":
        return -first
    if operation == "absolute":
        return abs(first)
    if operation == "floor":
        return Fraction(first.numerator // first.denominator)
    if operation == "ceiling":
        return Fraction(-(-first.numerator // first.denominator))
    if operation == "factorial":
        return Fraction(_factorial(first))
    if operation == "binomial":
        return Fraction(_factorial(first), _factorial(second) * _factorial(first - second))
    raise Uncomputable(operation)


def _factorial(value: Fraction) -> int:
    if value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        raise Uncomputable("a factorial of no small whole number")
    return math.factorial(int(value))


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise Uncomputable("a root")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits > 1 and bits * abs(exponent) > MAX_BITS:
        raise Uncomputable("too large")
    return Fraction(base ** int(exponent))


def unknown(node: Node, argument: Fraction) -> Fraction:
    """The value of an unknown function or sequence: some number that depends on name and argument only."""
    if node.operation == "indexed" and argument.denominator != 1:
        raise Uncomputable("an index that is no whole number")
    return Fraction(zlib.crc32(f"{node.name}({argument})".encode()) % 99_991 + 2, 1009)


def series(node: Node, point: Mapping[str, Fraction], evaluate: Callable[..., Any]) -> Any:
    """The value of a finite sum or product, of its terms by `evaluate`."""
    if node.operands[2].has("sum", "product"):
        raise Uncomputable("a series of series")
    low, high = (exact(bound, point) for bound in node.operands[:2])
    if low.denominator != 1 or high.denominator != 1 or high - low > _MAX_TERMS:
        raise Uncomputable("bounds that are no whole numbers, or far apart")
    total: Any = Fraction(0) if evaluate is exact else 0
    total = total + 1 if node.operation == "product" else total
    for index in range(int(low), int(high) + 1):
        term = evaluate(node.operands[2], {**point, node.name: Fraction(index)})
        total = total + term if node.operation == "sum" else total * term
        if evaluate is exact and total.denominator.bit_length() + total.numerator.bit_length() > 2 * MAX_BITS:
            raise Uncomputable("too large")
    return total
