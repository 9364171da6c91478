"""The child's side of the reward workers: scores the groups that arrive, says what it is doing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from ponder.errors import PonderError
from ponder.grading import grade, reference_answer
from ponder.rewards.scoring import Scorer, ScoringSpec
from ponder.types import Grade, Problem

_HEARTBEAT_S = 0.5


@dataclass(frozen=True, slots=True)
class ReferenceJob:
    """Asks how a problem's reference answer grades."""

    problem: Problem


def serve(connection: Connection[Any, Any], spec: ScoringSpec) -> None:
    """Answers each ScoringJob with ("done", Scores), each ReferenceJob with ("done", Grade or None), or
    either with ("error", type name, message).

    Between, ("phase", name) says which user function runs now ("": grading or a reward of ours), so that
    the parent knows whom to blame for a silence. Ends when the channel closes.
    """
    try:
        scorer = Scorer(spec)
    except PonderError as error:
        connection.send(("error", type(error).__name__, str(error)))
        return
    connection.send(("ready",))
    last = time.monotonic()
    phase = ""

    def tell(name: str) -> None:
        nonlocal last, phase
        now = time.monotonic()
        if name != phase or now - last > _HEARTBEAT_S:
            connection.send(("phase", name))
            last, phase = now, name

    while True:
        job = connection.recv()
        last, phase = time.monotonic(), ""
        try:
            done = _grade_reference(job.problem) if isinstance(job, ReferenceJob) else scorer.score(job, tell)
            answer: tuple[Any, ...] = ("done", done)
        except PonderError as error:
            answer = ("error", type(error).__name__, str(error))
        connection.send(answer)


def _grade_reference(problem: Problem) -> Grade | None:
    """The grade of the reference answer; None where the grader has no such answer."""
    answer = reference_answer(problem)
    return None if answer is None else grade(problem, answer)
