"""Reward `format`: the reasoning and the answer stand between their tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.prompting import ParsedCompletion, is_blank
from ponder.types import Problem


def format_reward(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    parsed: Sequence[ParsedCompletion],
    problem: Sequence[Problem],
    **columns: Any,
) -> list[float | None]:
    """1 for exactly one reasoning pair, then exactly one answer pair, and nothing else; otherwise 0.

    A prefilled opening tag counts as written. Reasoning that is empty, the template's placeholder, or
    a copy of the question earns nothing.
    """
    return [
        float(part.well_formed and not _copies(part.reasoning, asked.text))
        for part, asked in zip(parsed, problem, strict=True)
    ]


def _copies(reasoning: str, question: str) -> bool:
    """Whether the reasoning is the question, once or repeated, and nothing besides."""
    squeezed, asked = "".join(reasoning.split()), "".join(question.split())
    return bool(asked) and asked in squeezed and is_blank(squeezed.replace(asked, ""))
