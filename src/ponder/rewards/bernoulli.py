"""A control: rewards that are as frequent as right answers and have nothing to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ponder.seeding import derive_rng
from ponder.types import Grade, Problem, Verdict


def bernoulli(
    completions: list[Any], *, grades: Sequence[Grade], problem: Sequence[Problem], **columns: Any
) -> list[float | None]:
    """1 with the probability that the group's members are right, 0 otherwise, drawn for each member.

    What a policy learns from it is noise: a gain under this reward would mean that the gain under the
    true one proves nothing. UNGRADABLE members have None. Seeded by problem, place and text.
    """
    known = [grade.credit for grade in grades if grade.verdict is not Verdict.UNGRADABLE]
    rate = sum(known) / len(known) if known else 0.0
    return [
        None
        if grade.verdict is Verdict.UNGRADABLE
        else float(derive_rng("bernoulli", asked.id, place, str(text)).random() < rate)
        for place, (grade, asked, text) in enumerate(zip(grades, problem, completions, strict=True))
    ]
