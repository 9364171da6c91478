"""Whose doing it is when a worker dies: the completion's, or ours.

Called when a group has killed its worker twice while it was graded. Everything here runs in workers that
are replaced as they die; `Ask` is how.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ponder.grading.verdicts import UNREAD, ungradable, wrong
from ponder.rewards.scoring import ScoringJob
from ponder.rewards.worker_child import ReferenceJob
from ponder.types import Grade, Verdict

Ask = Callable[[Any], Any]
"""A job in, what a worker makes of it out. Raises LostWorkerError when the worker died of it."""

DEATHS_ALONE = 2
"""Of a completion by itself, the last one in a fresh worker, that prove it where the reference passes."""
DEATHS_WITHOUT_REFERENCE = 3
"""The same where the grader has no answer that must be right."""


class LostWorkerError(Exception):
    """The worker died or fell silent, and it is not known that a user's function is to blame."""

    def __init__(self, reason: str, during: str = "", *, starting: bool = False) -> None:
        super().__init__(reason)
        self.during = during
        """The user function that was running; "": grading, or a reward of ours."""
        self.starting = starting


def grade_one_by_one(ask: Ask, job: ScoringJob) -> tuple[Grade, ...]:
    """The grades of a group whose worker died twice, each completion having been graded by itself.

    The reference is graded first. A completion that lives keeps the grade it gets. One that kills its
    worker again, alone, is WRONG where the reference grades CORRECT: it cannot earn more by killing its
    grader than by being wrong. Where the grader has no reference answer it is WRONG after a third death
    if another completion's answer could be graded. In all other cases the grader is to blame, and it is
    UNGRADABLE.
    """
    reference, fault = _ask_reference(ask, job)
    passes = reference is not None and reference.verdict is Verdict.CORRECT
    grades: list[Grade | None] = []
    deaths: list[str] = []
    for member, aborted in enumerate(job.aborted):
        if aborted:
            grades.append(ungradable("aborted by the engine"))
            deaths.append("")
            continue
        patience = DEATHS_WITHOUT_REFERENCE if reference is None and not fault else DEATHS_ALONE
        grade, death = _grade_alone(ask, job.alone(member, "grades"), patience)
        grades.append(grade)
        deaths.append(death)
    others = any(grade is not None and _shows_that_grading_works(grade) for grade in grades)
    return tuple(
        grade if grade is not None else _verdict(death, reference, fault, passes, others)
        for grade, death in zip(grades, deaths, strict=True)
    )


def without_killers(ask: Ask, job: ScoringJob) -> ScoringJob:
    """The job with the completions that kill the worker of our own rewards, by themselves, emptied.

    Such a completion is WRONG and earns what an empty one earns. The job's grades are known.
    """
    texts, grades = list(job.texts), list(job.grades)
    for member in range(len(texts)):
        scores, death = _try(ask, job.alone(member, "rules"), DEATHS_ALONE)
        if scores is None:
            texts[member] = ""
            grades[member] = wrong(grades[member].extracted, f"it kills the rewards' worker: {death}"[:300])
    return replace(job, texts=tuple(texts), grades=tuple(grades))


def _ask_reference(ask: Ask, job: ScoringJob) -> tuple[Grade | None, str]:
    """(the reference's grade if there is a reference answer, why it could not be had)."""
    try:
        return ask(ReferenceJob(job.problem)), ""
    except LostWorkerError as loss:
        return None, str(loss)


def _grade_alone(ask: Ask, job: ScoringJob, patience: int) -> tuple[Grade | None, str]:
    scores, death = _try(ask, job, patience)
    return (None, death) if scores is None else (scores.grades[0], "")


def _try(ask: Ask, job: ScoringJob, patience: int) -> tuple[Any, str]:
    """What is found, or None and the last death. After a death the next worker is a fresh one."""
    death = ""
    for _ in range(patience):
        try:
            return ask(job), ""
        except LostWorkerError as loss:
            death = str(loss)
    return None, death


def _shows_that_grading_works(grade: Grade) -> bool:
    return grade.verdict is not Verdict.UNGRADABLE and not grade.reason.startswith(UNREAD)


def _verdict(death: str, reference: Grade | None, fault: str, passes: bool, others: bool) -> Grade:
    """On a completion that kills its grader by itself."""
    if passes:
        return wrong("", f"it kills its grader, which passes the reference: {death}"[:300])
    if fault:
        return ungradable(f"the grader's worker dies on the reference, too: {fault}"[:300])
    if reference is not None:
        return ungradable(
            f"the grader's worker died, and the reference is not right: {reference.reason}"[:300]
        )
    if others:
        return wrong("", f"it alone kills its grader, {DEATHS_WITHOUT_REFERENCE} times: {death}"[:300])
    return ungradable(f"the grader's worker died on every answer: {death}"[:300])
