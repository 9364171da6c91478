"""The tree of a formula."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Node:
    """`operation` with its operands; "number" has a value; "letter", "function", the terms of a sequence
    ("indexed"), the values of an unknown function ("applied") and the running index of a sum have a name."""

    operation: str
    operands: tuple[Node, ...] = ()
    value: Fraction = Fraction(0)
    name: str = ""

    def letters(self) -> frozenset[str]:
        """Names of the variables in it."""
        if self.operation == "letter":
            return frozenset({self.name})
        inner: frozenset[str] = frozenset().union(*(operand.letters() for operand in self.operands))
        return inner - {self.name} if self.operation in ("sum", "product") else inner

    def size(self) -> int:
        """How many nodes it has."""
        return 1 + sum(operand.size() for operand in self.operands)

    def has(self, *operations: str) -> bool:
        """Whether one of these operations is in it."""
        return self.operation in operations or any(operand.has(*operations) for operand in self.operands)


def number(value: int | Fraction) -> Node:
    return Node("number", value=Fraction(value))
