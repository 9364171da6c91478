"""The exact value of an arithmetic expression in a model's text, and nothing that could run it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

MAX_CHARS = 120
"""Longer expressions are not read: an answer to vote on or a step to compare is short."""
MAX_DEPTH = 20
_MAX_DIGITS = 40

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([-+*/()]))", re.ASCII)
_SPELLINGS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "（": "(", "）": ")"})


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: what it comes to and which numbers it uses."""

    value: Fraction
    numbers: tuple[Fraction, ...]
    """In rising order, each as often as it stands there."""


def parse_expression(text: str) -> Expression | None:
    """The expression of numbers, + - * / and parentheses that is the whole of `text`.

    None when it is anything else, too long, too deep, or divides by zero. Never raises.
    """
    return _parse(text) if len(text) <= MAX_CHARS else None


@lru_cache(maxsize=65_536)
def _parse(text: str) -> Expression | None:
    # Remembered: the transcripts of one evaluation hold the same steps thousands of times.
    tokens = _tokens(text.translate(_SPELLINGS))
    if not tokens:
        return None
    reader = _Reader(tokens)
    try:
        value = reader.sum(0)
    except (_Unreadable, ZeroDivisionError):
        return None
    if reader.position != len(tokens):
        return None
    return Expression(value, tuple(sorted(reader.numbers)))


def _tokens(text: str) -> list[str]:
    text = text.strip()
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or len(match[1] or "") > _MAX_DIGITS:
            return []
        tokens.append(match[1] or match[2])
        position = match.end()
    return tokens


class _Unreadable(Exception):
    """The tokens are no expression."""


class _Reader:
    """Recursive descent over the tokens; collects the numbers it passes."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.position = 0
        self.numbers: list[Fraction] = []

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.position += 1
        return token

    def sum(self, depth: int) -> Fraction:
        value = self.product(depth)
        while self.peek() in ("+", "-"):
            value = value + self.product(depth) if self.take() == "+" else value - self.product(depth)
        return value

    def product(self, depth: int) -> Fraction:
        value = self.factor(depth)
        while self.peek() in ("*", "/"):
            value = value * self.factor(depth) if self.take() == "*" else value / self.factor(depth)
        return value

    def factor(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise _Unreadable
        token = self.take()
        if token == "-":
            return -self.factor(depth + 1)
        if token == "+":
            return self.factor(depth + 1)
        if token == "(":
            value = self.sum(depth + 1)
            if self.take() != ")":
                raise _Unreadable
            return value
        if not token[:1].isdigit():
            raise _Unreadable
        number = Fraction(token) if "." in token else Fraction(int(token))
        self.numbers.append(number)
        return number
