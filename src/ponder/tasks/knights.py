"""Knights and knaves with at least four people: who is honest, who lies?

One person's statement about two people settles both; every other statement links a settled
person to a new one, so each step is one exclusive-or.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.tasks.family import CONNECTIVES, Trace, TraceStyle, between

_SAYS = {
    "en": {
        ("link", 1): "{0} says {1} is honest.",
        ("link", 0): "{0} says {1} lies.",
        ("both", 0): "{0} says {0} and {1} both lie.",
        ("some", 0): "{0} says {0} or {1} lies.",
    },
    "zh": {
        ("link", 1): "{0}说{1}诚实。",
        ("link", 0): "{0}说{1}撒谎。",
        ("both", 0): "{0}说{0}和{1}都撒谎。",
        ("some", 0): "{0}说{0}或{1}撒谎。",
    },
}
_QUESTIONS = {
    "en": ("{} Who is honest (1), who lies (0)?", "Knights are honest, knaves lie. {} Who is who?"),
    "zh": ("{}谁诚实(1)，谁撒谎(0)？", "骑士诚实，无赖撒谎。{}各是谁？"),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """`speaker` says of `subject`: link 1 "is honest", link 0 "lies", both / some: see `_SAYS`."""

    kind: str
    speaker: int
    subject: int
    bit: int


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Statements in the order of the question, and in the order in which they settle people."""

    roles: tuple[int, ...]
    chain: tuple[Statement, ...]
    """chain[0] is the anchor; chain[i] links a person settled before to a new one."""
    order: tuple[int, ...]
    """Positions of the chain's statements in the question."""


class Knights:
    name = "knights"
    grader = "knights"

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
        anchor = Statement(kind, people[0], people[1], 0)
        roles[people[0]], roles[people[1]] = (0, 1) if kind == "both" else (1, 0)
        chain = [anchor]
        for position, new in enumerate(people[2:], start=2):
            known = people[rng.randrange(position)]
            bit = rng.getrandbits(1)
            roles[new] = roles[known] if bit else 1 - roles[known]
            speaker, subject = (known, new) if rng.getrandbits(1) else (new, known)
            chain.append(Statement("link", speaker, subject, bit))
        order = list(range(len(chain)))
        rng.shuffle(order)
        return Puzzle(tuple(roles), tuple(chain), tuple(order))

    def key(self, instance: Puzzle) -> str:
        """The chain with people renamed in the order in which they are settled."""
        names: dict[int, int] = {}
        parts = []
        for statement in instance.chain:
            for person in (statement.speaker, statement.subject):
                names.setdefault(person, len(names))
            parts.append(
                f"{statement.kind}{names[statement.speaker]}{names[statement.subject]}{statement.bit}"
            )
        return f"{' '.join(parts)} {instance.order} {instance.roles}"

    def ask(self, instance: Puzzle, language: str, rng: random.Random) -> str:
        said = [_say(instance.chain[i], language) for i in instance.order]
        return rng.choice(_QUESTIONS[language]).format((" " if language == "en" else "").join(said))

    def reference(self, instance: Puzzle, language: str) -> str:
        return _assignment(instance.roles)

    def chance(self, options: Mapping[str, Any]) -> float:
        people = options.get("people", 5)
        return 0.5 ** (people if isinstance(people, int) else people[0])

    def guess(self, instance: Puzzle, language: str, rng: random.Random, *, noised: bool) -> str:
        return _assignment(tuple(rng.getrandbits(1) for _ in instance.roles) if noised else instance.roles)

    def work(self, instance: Puzzle, rng: random.Random, style: TraceStyle) -> Trace:
        """One line per person: what is known, what is said, what follows: "D=1 D:A=0 A=0"."""
        believed: dict[int, int] = {}
        anchor = instance.chain[0]
        roles = (0, 1) if anchor.kind == "both" else (1, 0)
        lines = []
        for person, role in zip((anchor.speaker, anchor.subject), roles, strict=True):
            believed[person] = role
            lines.append(f"{_name(person)}={role}")
        for statement in instance.chain[1:]:
            forward = statement.speaker in believed
            known, new = (
                (statement.speaker, statement.subject) if forward else (statement.subject, statement.speaker)
            )
            right = believed[known] if statement.bit else 1 - believed[known]
            said = f"{_name(statement.speaker)}:{_name(statement.subject)}={statement.bit}"
            premise = f"{_name(known)}={believed[known]} {said} {_name(new)}="
            line, believed[new] = premise + str(right), right
            if rng.random() < style.slip_frac:
                line, believed[new] = premise + str(1 - right), 1 - right
                if style.notices:
                    line += CONNECTIVES[style.language]["wait"] + f" {_name(new)}={right}"
                    believed[new] = right
            lines.append(line)
        assignment = tuple(believed[person] for person in range(len(instance.roles)))
        return Trace(CONNECTIVES[style.language]["so"].lstrip() + "\n".join(lines), _assignment(assignment))


def _name(person: int) -> str:
    return string.ascii_uppercase[person]


def _say(statement: Statement, language: str) -> str:
    words = _SAYS[language][statement.kind, statement.bit]
    return words.format(_name(statement.speaker), _name(statement.subject))


def _assignment(roles: tuple[int, ...]) -> str:
    return " ".join(f"{_name(person)}={role}" for person, role in enumerate(roles))
