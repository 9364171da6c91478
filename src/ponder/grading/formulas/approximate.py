"""Values of formulas to 66 digits, real or complex, by mpmath."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ponder.grading.formulas.exact import MAX_BITS, MAX_FACTORIAL, Uncomputable, exact, series, unknown
from ponder.grading.formulas.tree import Node

_PRECISION_BITS = 220
_local = threading.local()


def constant(node: Node) -> Any:
    """The real value of a formula without variables: a Fraction, or a number of mpmath.

    Raises Uncomputable.
    """
    try:
        return exact(node, {})
    except (Uncomputable, ZeroDivisionError):
        pass
    return real_value(node)


def real_value(node: Node) -> Any:
    """The real value of a formula without variables to 66 digits. Raises Uncomputable."""
    try:
        return _real(approximate(node, {}))
    except (ZeroDivisionError, ValueError, OverflowError, TypeError) as error:
        raise Uncomputable(str(error)) from error


def find_zero(node: Node, name: str, fixed: Mapping[str, Fraction]) -> Fraction | None:
    """A value of the variable `name` at which the formula is zero, to fifty digits; None if none is found."""
    mp = _context()

    def value(at: Any) -> Any:
        found = approximate(node, {**fixed, name: _as_fraction(mp, at)})
        return _real(found)

    for start in (Fraction(1, 2), Fraction(7, 2), Fraction(-3)):
        try:
            zero = mp.findroot(value, (mp.mpf(start.numerator) / start.denominator), tol=1e-100, maxsteps=25)
            return _as_fraction(mp, zero)
        except (Uncomputable, ZeroDivisionError, ValueError, OverflowError, TypeError):
            continue
    return None


def _as_fraction(mp: Any, value: Any) -> Fraction:
    sign, mantissa, exponent, _ = mp.mpf(value)._mpf_
    if abs(exponent) > MAX_BITS:
        raise Uncomputable("too large")
    return Fraction(-int(mantissa) if sign else int(mantissa)) * Fraction(2) ** int(exponent)


def _context() -> Any:
    """mpmath at a fixed precision; one context for each thread: its functions change it as they work."""
    if not hasattr(_local, "context"):
        import mpmath

        _local.context = mpmath.MPContext()
        _local.context.prec = _PRECISION_BITS
    return _local.context


def approximate(node: Node, point: Mapping[str, Fraction]) -> Any:
    """The value at a point to 66 digits, real or complex.

    Raises Uncomputable, and what mpmath raises where the value does not exist.
    """
    mp = _context()
    operation = node.operation
    if operation == "number":
        return mp.mpf(node.value.numerator) / node.value.denominator
    if operation == "letter":
        if node.name not in point:
            raise Uncomputable(f"{node.name} has no value")
        return mp.mpf(point[node.name].numerator) / point[node.name].denominator
    if operation in ("e", "pi"):
        return +mp.e if operation == "e" else +mp.pi
    if operation == "i":
        return mp.mpc(0, 1)
    if operation in ("indexed", "applied"):
        value = unknown(node, exact(node.operands[0], point))
        return mp.mpf(value.numerator) / value.denominator
    if operation in ("sum", "product"):
        return series(node, point, approximate)
    values = [approximate(operand, point) for operand in node.operands]
    result = _operation(mp, node, values)
    if not mp.isfinite(result) or (result != 0 and abs(mp.mag(result)) > MAX_BITS):
        raise Uncomputable("not finite, or too large")
    return result


def _operation(mp: Any, node: Node, values: list[Any]) -> Any:
    operation, first, second = node.operation, values[0], values[-1]
    if operation == "+":
        return first + second
    if operation == "*":
        return first * second
    if operation == "/":
        return first / second
    if operation == "negative":
        return -first
    if operation == "^":
        return _power(mp, first, second)
    if operation == "root":
        return _root(mp, first, second)
    if operation == "absolute":
        return abs(first)
    if operation in ("floor", "ceiling"):
        return mp.floor(_real(first)) if operation == "floor" else mp.ceil(_real(first))
    if operation == "factorial":
        return mp.gamma(_small(mp, first) + 1)
    if operation == "binomial":
        return mp.binomial(_small(mp, first), _small(mp, second))
    if operation == "function":
        return _function(mp, node.name, first)
    raise Uncomputable(operation)


def _power(mp: Any, base: Any, exponent: Any) -> Any:
    if base == 0:
        return base if _real(exponent) > 0 else mp.mpf(1) / base
    if abs(exponent) > MAX_BITS or abs(mp.mag(base)) * abs(exponent) > MAX_BITS:
        raise Uncomputable("too large")
    return mp.power(base, exponent)


def _root(mp: Any, radicand: Any, degree: Any) -> Any:
    """The real root where there is one: the cube root of -8 is -2."""
    if getattr(radicand, "imag", 0) == 0 and radicand.real < 0 and degree in (3, 5, 7, 9):
        return -_power(mp, -radicand.real, mp.mpf(1) / degree)
    return _power(mp, radicand, mp.mpf(1) / degree)


def _function(mp: Any, name: str, argument: Any) -> Any:
    known = {"arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan}
    if argument != 0 and mp.mag(argument) > 60:
        raise Uncomputable("too large an argument")
    if name in ("exp", "sinh", "cosh", "tanh") and abs(argument) > MAX_BITS // 2:
        raise Uncomputable("too large")
    return known[name](argument) if name in known else getattr(mp, name)(argument)


def _small(mp: Any, value: Any) -> Any:
    if abs(value) > MAX_FACTORIAL:
        raise Uncomputable("too large")
    return value


def _real(value: Any) -> Any:
    imaginary = getattr(value, "imag", 0)
    if imaginary != 0:
        raise Uncomputable("not real")
    return value.real if hasattr(value, "real") else value
