"""Whether two equations, inequalities or sets of real numbers are the same; None where that is not told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ponder.grading.formulas.approximate import approximate, find_zero, real_value
from ponder.grading.formulas.equality import equal_values, points, relative_difference, same_value
from ponder.grading.formulas.exact import Uncomputable, exact
from ponder.grading.formulas.objects import Interval, Items, Object, Relation, Value
from ponder.grading.formulas.tree import Node

_FLIPPED = {">": "<", ">=": "<="}
_MAX_SOLVED = 80
"""Nodes of an equation that a solution is looked for."""
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


def all_same(found: Iterable[bool | None]) -> bool | None:
    """False if any is False, else None if any is None, else True."""
    unknown = False
    for each in found:
        if each is False:
            return False
        unknown |= each is None
    return None if unknown else True


# --- sets of real numbers ---------------------------------------------------------------------------


def same_interval(first: Interval, second: Interval) -> bool | None:
    if (first.low_closed, first.high_closed) != (second.low_closed, second.high_closed):
        return False
    return all_same([_same_end(first.low, second.low), _same_end(first.high, second.high)])


def _same_end(first: Value | None, second: Value | None) -> bool | None:
    if first is None or second is None:
        return first is second
    return same_value(first, second)


def same_line(first: Sequence[Object], second: Sequence[Object]) -> bool | None:
    """Whether two unions are the same set. Pieces that touch are joined first; None for other ends."""
    try:
        lines = _joined(first), _joined(second)
    except Uncomputable:
        return None
    if len(lines[0]) != len(lines[1]):
        return False
    return all_same(same_interval(one, other) for one, other in zip(*lines, strict=True))


def _joined(items: Sequence[Object]) -> list[Interval]:
    """The intervals and single points of a union, sorted, those that touch made one."""
    pieces = [piece for item in items for piece in _as_intervals(item)]
    joined: list[Interval] = []
    for piece in sorted(pieces, key=_place):
        last = joined[-1] if joined else None
        if last is None or not _touch(last, piece):
            joined.append(piece)
        elif _high(piece) > _high(last) or (piece.high_closed and _high(piece) == _high(last)):
            joined[-1] = Interval(last.low, piece.high, last.low_closed, piece.high_closed)
    return joined


def _place(piece: Interval) -> tuple[Any, bool]:
    return (_number(piece.low) if piece.low else float("-inf"), not piece.low_closed)


def _high(piece: Interval) -> Any:
    return _number(piece.high) if piece.high else float("inf")


def _touch(left: Interval, right: Interval) -> bool:
    low, high = _place(right)[0], _high(left)
    return bool(low < high or (low == high and (left.high_closed or right.low_closed)))


def _number(value: Value) -> Any:
    return real_value(value.node)


def _as_intervals(item: Object) -> list[Interval]:
    if isinstance(item, Interval):
        return [item]
    if isinstance(item, Value):
        return [Interval(item, item, True, True)]
    if isinstance(item, Items) and item.kind in ("{", "or"):
        return [piece for each in item.items for piece in _as_intervals(each)]
    if isinstance(item, Items) and item.kind == "(" and len(item.items) == 2:
        low, high = item.items
        if isinstance(low, Value) and isinstance(high, Value):
            return [Interval(low, high, False, False)]
    if isinstance(item, Relation):
        pieces = intervals_of(item)
        if pieces:
            return pieces
    raise Uncomputable("no set of real numbers")


def intervals_of(relation: Relation) -> list[Interval]:
    """The intervals that an inequality between one variable and constants stands for; none of any other."""
    sides, signs = relation.sides, relation.signs
    variables = [i for i, side in enumerate(sides) if side is not None and side.letters()]
    variable = sides[variables[0]] if len(variables) == 1 else None
    if variable is None or variable.operation != "letter":
        return []
    place = variables[0]
    ends = [None if side is None else Value(side) for side in sides]
    if signs == ("!=",):
        end = ends[1 - place]
        return [Interval(None, end, False, False), Interval(end, None, False, False)]
    if signs[0] in _FLIPPED:
        ends, place = ends[::-1], len(ends) - 1 - place
        signs = tuple(_FLIPPED.get(sign, "") for sign in reversed(signs))
    if not set(signs) <= {"<", "<="} or len(signs) > 2 or (len(signs) == 2 and place != 1):
        return []
    low, low_sign = (ends[0], signs[0]) if place == 1 else (None, "<")
    high, high_sign = (ends[-1], signs[-1]) if place == 0 or len(signs) == 2 else (None, "<")
    return [Interval(low, high, low_sign == "<=" and low is not None, high_sign == "<=" and high is not None)]


# --- equations and inequalities ---------------------------------------------------------------------


def same_relation(first: Relation, second: Relation) -> bool | None:
    """Whether two relations hold for the same values of the same variables."""
    if _letters(first) != _letters(second):
        return False
    if len(first.signs) == len(second.signs) == 1 and _proportional(first, second):
        return True
    if len(first.signs) == len(second.signs) > 1 and _same_chain(first, second):
        return True
    lines = intervals_of(first), intervals_of(second)
    if all(lines):
        return same_line(*lines)
    if first.signs == second.signs == ("=",) and (_violates(first, second) or _violates(second, first)):
        return False
    return None


def _letters(*relations: Relation) -> frozenset[str]:
    sides = [side for relation in relations for side in relation.sides if side is not None]
    return frozenset().union(*(side.letters() for side in sides))


def _proportional(first: Relation, second: Relation) -> bool:
    """Whether "left - right" of one is a constant multiple of that of the other (positive for "<")."""
    kinds = [_FLIPPED.get(relation.signs[0], relation.signs[0]) for relation in (first, second)]
    names = sorted(_letters(first))
    if kinds[0] != kinds[1] or None in first.sides + second.sides or not 0 < len(names) <= 16:
        return False
    ratios = []
    for point in points(names):
        values = [_excess(relation, point) for relation in (first, second)]
        if None in values or values[1] == 0 or values[0] == 0:
            return False
        ratios.append(values[0] / values[1])
    flipped = (first.signs[0] in _FLIPPED) != (second.signs[0] in _FLIPPED)
    wrong_way = any(getattr(ratio, "imag", 0) != 0 or bool(ratio > 0) is flipped for ratio in ratios)
    if kinds[0] in ("<", "<=") and wrong_way:
        return False
    return all(relative_difference(ratio, ratios[0]) < 1e-40 for ratio in ratios[1:])


def _excess(relation: Relation, point: Mapping[str, Fraction]) -> Any:
    """Left side less right side at a point; None where it cannot be computed."""
    left, right = relation.sides
    if left is None or right is None:
        return None
    try:
        return exact(left, point) - exact(right, point)
    except (Uncomputable, ZeroDivisionError):
        pass
    try:
        return approximate(left, point) - approximate(right, point)
    except (Uncomputable, ZeroDivisionError, ValueError, OverflowError, TypeError):
        return None


def _violates(first: Relation, second: Relation) -> bool:
    """Whether a real solution of the first equation is none of the second."""
    left, right = first.sides
    if left is None or right is None:
        return False
    difference = Node("+", (left, Node("negative", (right,))))
    if difference.size() > _MAX_SOLVED:
        return False
    names = sorted(_letters(first))
    for value in (Fraction(1, 3), Fraction(-5, 7), Fraction(29, 11)):
        fixed = {name: value + Fraction(index, 13) for index, name in enumerate(names[1:])}
        zero = find_zero(difference, names[0], fixed) if names else None
        if zero is None:
            continue
        excess = _excess(second, {**fixed, names[0]: zero})
        if excess is not None and abs(excess) > 1e-10:
            return True
    return False


def _same_chain(first: Relation, second: Relation) -> bool:
    """Whether two chains are the same, read in either direction."""
    backwards = Relation(
        tuple(_MIRRORED.get(sign, sign) for sign in reversed(second.signs)), second.sides[::-1]
    )
    for other in (second, backwards):
        if first.signs == other.signs and all(
            (one is two) if one is None or two is None else equal_values(one, two)
            for one, two in zip(first.sides, other.sides, strict=True)
        ):
            return True
    return False
