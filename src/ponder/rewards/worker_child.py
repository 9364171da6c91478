"""The child's side of the reward workers: scores the groups that arrive, says what it is doing."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any

from ponder.errors import PonderError
from ponder.rewards.scoring import Scorer, ScoringSpec

_HEARTBEAT_S = 0.5


def serve(connection: Connection[Any, Any], spec: ScoringSpec) -> None:
    """Answers each ScoringJob with ("scores", Scores) or ("error", type name, message).

    Between, ("phase", name) says which user function runs now ("": grading goes on), so that the
    parent knows whom to blame for a silence. Ends when the channel closes.
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
        if name or phase or now - last > _HEARTBEAT_S:
            connection.send(("phase", name))
            last, phase = now, name

    while True:
        job = connection.recv()
        last, phase = time.monotonic(), ""
        try:
            answer: tuple[Any, ...] = ("scores", scorer.score(job, tell))
        except PonderError as error:
            answer = ("error", type(error).__name__, str(error))
        connection.send(answer)
