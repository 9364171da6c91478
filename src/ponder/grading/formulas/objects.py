"""What an answer can be: a value, an assignment, a list, tuple or set, an interval, a relation, a matrix."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.grading.formulas.tree import Node
from ponder.grading.math_number import Number


@dataclass(frozen=True, slots=True)
class Value:
    """One number or formula."""

    node: Node
    number: Number | None = None
    """As it was written, where it is a plain number."""


@dataclass(frozen=True, slots=True)
class Named:
    """An assignment: "x = 5", "f(x) = x + 1", "|AB| = 2"."""

    name: str
    value: Object


@dataclass(frozen=True, slots=True)
class Items:
    """Several objects.

    `kind`: "list" (bare), "(" or "[" (ordered), "{" (a set), "or" (a union), "signs" (the two values of ±).
    """

    kind: str
    items: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` or `high` is None where it is infinite."""

    low: Value | None
    high: Value | None
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """`sides` joined by `signs`: "x^2 + y^2 = 1", "-2 < x < 3"."""

    signs: tuple[str, ...]
    sides: tuple[Node | None, ...]
    """None is infinity, of either sign: only in an inequality."""


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Numeral:
    """Digits in a base other than ten: 1101_2."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """a : b, or a : b : c, or a time of day."""

    terms: tuple[Value, ...]
    clock: bool
    """It may be a time of day, which must not be multiplied out."""


Object = Value | Named | Items | Interval | Relation | Matrix | Numeral | Ratio
