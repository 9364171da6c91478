r"""Graders `ifeval` and `ifeval_loose`: whether a response follows verifiable instructions.

Strict and loose follow the published program (Zhou et al. 2023, section 2.2): loosely, an instruction is
followed when any of eight variants of the response follows it: with and without markdown's asterisks, each
without its first line, its last line, both, or neither.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ponder.errors import nearest
from ponder.grading.instruction_checks import CHECKS, LANGUAGE_CHECKS
from ponder.grading.language_id import require_model
from ponder.grading.verdicts import Grader, correct, shown, ungradable, wrong
from ponder.types import Grade, Problem


@dataclass(frozen=True, slots=True)
class Instruction:
    """One verifiable instruction and its arguments."""

    name: str
    """Key of `CHECKS`."""
    arguments: tuple[tuple[str, Any], ...]

    def is_followed(self, response: str, *, loose: bool = False) -> bool:
        """Whether the response follows it; an empty one follows nothing."""
        check, arguments = CHECKS[self.name], dict(self.arguments)
        texts = _variants(response) if loose else [response]
        return any(bool(text.strip()) and check(text, **arguments) for text in texts)


def _variants(response: str) -> list[str]:
    lines = response.split("\n")
    plain = [
        response,
        "\n".join(lines[1:]).strip(),
        "\n".join(lines[:-1]).strip(),
        "\n".join(lines[1:-1]).strip(),
    ]
    return [*plain, *(text.replace("*", "") for text in plain)]


def follow(response: str, instructions: Sequence[Instruction], *, loose: bool = False) -> list[bool]:
    """Which instructions the response follows: the instruction-level score is the mean over all of them,
    the prompt-level score the share of prompts all of whose instructions are followed."""
    return [instruction.is_followed(response, loose=loose) for instruction in instructions]


@lru_cache(maxsize=4096)
def read_instructions(reference: str) -> tuple[Instruction, ...] | str:
    """The instructions of a reference, or what is wrong with it.

    The reference is JSON with IFEval's two columns:
    {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}. Arguments that are null do not count.
    Raises PreflightError for an instruction about a language without py3langid.
    """
    try:
        data = json.loads(reference)
        names, arguments = data["instruction_id_list"], data["kwargs"]
        if not names or len(names) != len(arguments):
            return f"{len(names)} instructions and {len(arguments)} sets of arguments"
        found = tuple(_instruction(name, given) for name, given in zip(names, arguments, strict=True))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f'{shown(reference)} is not {{"instruction_id_list": [...], "kwargs": [...]}}: {error}'
    return found


def _instruction(name: str, arguments: dict[str, Any]) -> Instruction:
    if name not in CHECKS:
        raise ValueError(f'no instruction is called "{name}".{nearest(name, CHECKS)}')
    wanted = list(inspect.signature(CHECKS[name]).parameters)[1:]
    given = {key: value for key, value in arguments.items() if value is not None}
    if missing := [key for key in wanted if key not in given]:
        raise ValueError(f"{name} lacks {', '.join(missing)}")
    kept = tuple(
        (key, tuple(value) if isinstance(value, list) else value)
        for key, value in given.items()
        if key in wanted
    )
    if name in LANGUAGE_CHECKS:
        require_model()
    made = Instruction(name, kept)
    made.is_followed("a")  # Arguments of a wrong kind are noticed here, not at the first response.
    return made


def _grade(problem: Problem, answer: str, *, loose: bool) -> Grade:
    instructions = read_instructions(problem.reference)
    if isinstance(instructions, str):
        return ungradable(f"reference: {instructions}")
    followed = follow(answer, instructions, loose=loose)
    if all(followed):
        return correct("", f"all {len(followed)} instructions followed")
    missed = [each.name for each, kept in zip(instructions, followed, strict=True) if not kept]
    return wrong("", f"{sum(followed)} of {len(followed)} followed, not {', '.join(missed)}")


def _strict(problem: Problem, answer: str) -> Grade:
    return _grade(problem, answer, loose=False)


def _loose(problem: Problem, answer: str) -> Grade:
    return _grade(problem, answer, loose=True)


def _check(problem: Problem) -> str | None:
    read = read_instructions(problem.reference)
    return read if isinstance(read, str) else None


IFEVAL = Grader("the response follows every verifiable instruction (IFEval, strict)", _strict, _check)
IFEVAL_LOOSE = Grader(
    "the response, or it without frame and asterisks, follows every instruction", _loose, _check
)
