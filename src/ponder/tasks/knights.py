"""Knights and knaves with at least four people: who is honest, who lies?

The first statement settles two people. In each that follows the person settled last votes on somebody
new: an even digit says "a knight", an odd one "a knave", so each step is one exclusive-or.

Votes are digits because a small model learns to copy one of ten long before one of two ("praises" or
"blames"), whose guessing costs it little.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ponder.tasks.family import CONNECTIVES, Trace, TraceStyle, between

_SAYS = {
    "en": {"both": "{0} says {0} and {1} are knaves", "some": "{0} says {0} or {1} is a knave"},
    "zh": {"both": "{0} 说 {0} 和 {1} 都是无赖", "some": "{0} 说 {0} 或 {1} 是无赖"},
}
"""A trace repeats a statement as the question has it, so the step is to copy and to conclude."""

_QUESTIONS = {
    "en": (
        "Knight (1) or knave (0)? An odd vote says knave.\n{}",
        "Knights are truthful, knaves lie. Even votes: a knight.\n{}\nWho is who?",
    ),
    "zh": (
        "骑士(1)还是无赖(0)？奇数票表示无赖。\n{}",
        "骑士诚实，无赖撒谎。偶数票：骑士。\n{}\n各是谁？",
    ),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """`speaker` says of `subject`: link: a vote; both / some: see `_SAYS`."""

    kind: str
    speaker: int
    subject: int
    vote: int = 0

    @property
    def bit(self) -> int:
        """What is claimed of the subject: 1 a knight, 0 a knave."""
        return int(self.vote % 2 == 0)


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Who is what, and the statements in an order in which each settles someone."""

    roles: tuple[int, ...]
    chain: tuple[Statement, ...]
    """chain[0] settles two people; in the others the one settled last speaks of a new one."""


class Knights:
    name = "knights"
    grader = "knights"
    options: tuple[str, ...] = ("people",)

    def draw(self, rng: random.Random, options: Mapping[str, Any]) -> Puzzle:
        """Options: `people` (count, or [low, high], at least 4; default 5)."""
        count = between(rng, options, "people", (5, 5))
        if count < 4:
            raise ValueError(
                f"knights: people must be at least 4 (below, a guess is too often right); got {count}"
            )
        people = list(range(count))
        rng.shuffle(people)
        roles = [0] * count
        kind = rng.choice(("both", "some"))
        roles[people[0]], roles[people[1]] = _anchor_roles(kind)
        chain = [Statement(kind, people[0], people[1])]
        for known, new in pairwise(people[1:]):
            statement = Statement("link", known, new, rng.randrange(10))
            roles[new] = roles[known] if statement.bit else 1 - roles[known]
            chain.append(statement)
        return Puzzle(tuple(roles), tuple(chain))

    def key(self, instance: Puzzle) -> str:
        """Who speaks of whom, and what it claims: two votes of one kind are the same claim.

        People keep their names: with them renamed only some hundred puzzles of five people would differ.
        """
        return " ".join(
            f"{statement.kind}{_name(statement.speaker)}{_name(statement.subject)}{statement.bit}"
            for statement in instance.chain
        )

    def ask(self, instance: Puzzle, language: str, rng: random.Random) -> str:
        said = "\n".join(_say(statement, language) for statement in instance.chain)
        return rng.choice(_QUESTIONS[language]).format(said)

    def reference(self, instance: Puzzle, language: str) -> str:
        return _assignment(instance.roles)

    def chance(self, options: Mapping[str, Any]) -> float:
        people = options.get("people", 5)
        return 0.5 ** (people if isinstance(people, int) else people[0])

    def guess(self, instance: Puzzle, language: str, rng: random.Random, *, noised: bool) -> str:
        return _assignment(tuple(rng.getrandbits(1) for _ in instance.roles) if noised else instance.roles)

    def work(self, instance: Puzzle, rng: random.Random, style: TraceStyle) -> Trace:
        """Statement by statement, what is said and what follows, a line for each.

        "D says D or B is a knave D1 B0=0", "B:A3=1 A1"
        """
        anchor = instance.chain[0]
        believed = dict(zip((anchor.speaker, anchor.subject), _anchor_roles(anchor.kind), strict=True))
        text = _say(anchor, style.language) + "".join(f" {_name(p)}{role}" for p, role in believed.items())
        text += f"={believed[anchor.subject]}"
        for statement in instance.chain[1:]:
            role = believed[statement.speaker]
            right = role if statement.bit else 1 - role
            text += f"\n{_say(statement, style.language)}={right}"
            believed[statement.subject] = right
            if rng.random() < style.slip_frac:
                text = text[:-1] + str(1 - right)
                if style.notices:
                    text += f"{CONNECTIVES[style.language]['wait']}={right}"
                else:
                    believed[statement.subject] = 1 - right
            text += f" {_name(statement.subject)}{believed[statement.subject]}"
        return Trace(text, _assignment(tuple(believed[person] for person in range(len(instance.roles)))))


def _anchor_roles(kind: str) -> tuple[int, int]:
    """Roles of speaker and subject: a knight cannot call himself a knave."""
    return (0, 1) if kind == "both" else (1, 0)


def _name(person: int) -> str:
    return string.ascii_uppercase[person]


def _say(statement: Statement, language: str) -> str:
    speaker, subject = _name(statement.speaker), _name(statement.subject)
    if statement.kind == "link":
        return f"{speaker}:{subject}{statement.vote}"
    return _SAYS[language][statement.kind].format(speaker, subject)


def _assignment(roles: tuple[int, ...]) -> str:
    return "".join(f" {_name(person)}{role}" for person, role in enumerate(roles))
