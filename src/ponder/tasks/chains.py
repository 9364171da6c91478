"""Chains of single-digit additions and subtractions, simplified one step at a time.

    3+4-2+8 = 7-2+8 = 5+8 = 13

Arithmetic and Countdown share this notation, so what is learned for one serves the other.
"""

from __future__ import annotations

import random

from ponder.tasks.family import CONNECTIVES, TraceStyle

MAX_TOTAL = 24
"""Running totals lie in [0, MAX_TOTAL]: 360 atomic steps in all."""

Terms = tuple[int, ...]
"""Signed terms: (3, 4, -2, 8) is 3+4-2+8. The first is never negative."""


def expression(terms: Terms) -> str:
    """The terms as text: "3+4-2+8"."""
    return str(terms[0]) + "".join(f"{term:+d}" for term in terms[1:])


def totals(terms: Terms) -> list[int]:
    """Running totals after each term."""
    running, result = 0, []
    for term in terms:
        running += term
        result.append(running)
    return result


def valid(terms: Terms) -> bool:
    """Whether every running total lies in range."""
    return all(0 <= total <= MAX_TOTAL for total in totals(terms))


def simplify(terms: Terms, rng: random.Random, style: TraceStyle) -> tuple[str, int]:
    """The steps of simplifying from the left and the value they end with.

    A slip puts a wrong total; the steps after it follow from the wrong total unless it is noticed.
    """
    text = expression(terms)
    while len(terms) > 1:
        right = (terms[0] + terms[1], *terms[2:])
        if rng.random() < style.slip_frac:
            wrong = slip(right, rng)
            text += "=" + expression(wrong)
            if style.notices:
                text += CONNECTIVES[style.language]["wait"] + "=" + expression(right)
                wrong = right
            terms = wrong
        else:
            text += "=" + expression(right)
            terms = right
    return text, terms[0]


def slip(terms: Terms, rng: random.Random) -> Terms:
    """The terms with a first total that is off by one to three and still leads to valid totals."""
    offsets = [-3, -2, -1, 1, 2, 3]
    rng.shuffle(offsets)
    for offset in offsets:
        wrong = (terms[0] + offset, *terms[1:])
        if valid(wrong):
            return wrong
    return terms


def check_backwards(terms: Terms, value: int) -> str:
    """Undoing the chain from its value back to the first term: "13-8=5+2=7-4=3"."""
    text, running = str(value), value
    for term in reversed(terms[1:]):
        running -= term
        text += f"{-term:+d}={running}"
    return text
