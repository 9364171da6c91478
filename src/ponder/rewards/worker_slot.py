"""One reward worker: its process, its deadlines, and what becomes of a group when it dies."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ponder import errors
from ponder.errors import PonderError, RewardError
from ponder.grading.worker_process import WorkerProcess
from ponder.plugins import is_plugin
from ponder.rewards.blame import LostWorkerError, grade_one_by_one, without_killers
from ponder.rewards.scoring import Scores, ScoringJob, ScoringSpec, ungradable_scores
from ponder.rewards.user_call import Failure

Deliver = Callable[[int, Scores | PonderError], None]

GRADING_S = 240.0
"""Silence of a worker while it grades: each answer has limits of its own, far below."""
MAX_STARVED = 20
"""Deadlines that may pass while a ready function waits for a processor."""
START_S = 120.0
"""Start of a worker, the import of the user's file included."""


class FunctionLostError(Exception):
    """A user's function hung, or ended its process."""

    def __init__(self, name: str, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.name = name
        self.failure = failure


class WorkerSlot:
    """One worker process, started when needed and replaced when it died, and what feeds it.

    `on_loss` is told "lost" for a worker that died or fell silent, "hung" for one that was stopped because
    a user's function did not come back.
    """

    def __init__(self, spec: ScoringSpec, deadline_s: float, on_loss: Callable[[str], None]) -> None:
        self._spec = spec
        self._deadline_s = deadline_s
        self._on_loss = on_loss
        self._process: WorkerProcess | None = None
        self._ready = False
        self._stopped = False
        self._lock = threading.Lock()

    def serve(self, jobs: queue.SimpleQueue[tuple[int, ScoringJob] | None], deliver: Deliver) -> None:
        """Scores jobs until None comes or the slot is stopped. Runs in a thread, which only waits."""
        with contextlib.suppress(LostWorkerError, PonderError, OSError):
            self._running()  # started before there is work; a failure comes back with the first job
        while (item := jobs.get()) is not None:
            ticket, job = item
            try:
                outcome: Scores | PonderError = self._score(job)
            except PonderError as error:
                outcome = error
            except Exception as error:  # the waiting side must hear of it, or it waits for ever
                outcome = PonderError(f"the reward workers failed: {type(error).__name__}: {error}")
            if self._stopped:
                return
            deliver(ticket, outcome)

    def stop(self) -> None:
        """Kills the process; whoever serves returns."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def _score(self, job: ScoringJob) -> Scores:
        """Scores of one job, whatever dies on the way. See `RewardWorkers` for the rules.

        Ends: each user's function is lost once, and each of the other steps is taken once.
        """
        deaths: Counter[str] = Counter()
        emptied = False
        while True:
            try:
                scores: Scores = self._ask(job)
                return scores
            except FunctionLostError as lost:
                job = _without(job, lost.name, lost.failure)
            except LostWorkerError as loss:
                deaths[loss.during] += 1
                if deaths[loss.during] < 2:
                    continue
                deaths[loss.during] = 0
                if loss.during:
                    reason = f'reward function "{loss.during}" killed its process twice: {loss}'
                    job = _without(job, loss.during, Failure("died", reason))
                elif not job.grades:
                    job = replace(job, grades=grade_one_by_one(self._ask, job))
                elif not emptied:
                    job, emptied = without_killers(self._ask, job), True
                else:
                    reason = f"scoring failed twice: {loss}"[:300]
                    return ungradable_scores(job, self._spec.names(), "worker", reason)

    def _ask(self, job: Any) -> Any:
        """What the worker makes of a job.

        Raises LostWorkerError when it died or fell silent, FunctionLostError when a user's function is to
        blame for that, the worker's own error, and RewardError when no worker can be started.
        """
        for _ in range(2):
            try:
                return self._attempt(job)
            except FunctionLostError as lost:
                self._on_loss("hung" if lost.failure.cause == "hung" else "lost")
                raise
            except LostWorkerError as loss:
                if self._stopped:
                    raise PonderError("the reward workers were closed") from loss
                self._on_loss("lost")
                if not loss.starting:
                    raise
                why = loss
        raise self._cannot_start(why)

    def _attempt(self, job: Any) -> Any:
        running = ""
        try:
            process = self._running()
            process.connection.send(job)
            while True:
                if not self._heard(process, running):
                    raise self._silent(running, job)
                kind, *content = process.connection.recv()
                if kind == "done":
                    return content[0]
                if kind == "error":
                    raise _rebuilt(*content)
                running = content[0]
        except (OSError, EOFError) as error:
            raise self._died(running) from error

    def _heard(self, process: WorkerProcess, running: str) -> bool:
        """Waits for a message within the deadline of what is running.

        A user's function that is ready to run and has hardly been given a processor is not hanging:
        the machine is busy, and the deadline begins again, up to `MAX_STARVED` times.
        """
        if not running:
            return process.connection.poll(GRADING_S)
        before = process.usage()
        for _ in range(1 + MAX_STARVED):
            if process.connection.poll(self._deadline_s):
                return True
            now = process.usage()
            if before is None or now is None or now[0] not in "RD":
                return False
            if now[1] - before[1] > self._deadline_s / 2:
                return False
        return False

    def _running(self) -> WorkerProcess:
        """The process, started if there is none, and ready. Raises as `_ask`."""
        with self._lock:
            if self._stopped:
                raise LostWorkerError("closed")
            if self._process is None:
                self._ready = False
                self._process = WorkerProcess("ponder.rewards.worker_child:serve", (self._spec,))
            process = self._process
        if self._ready:
            return process
        try:
            if not process.connection.poll(START_S):
                self._discard()
                raise LostWorkerError(f"no answer within {START_S:g} s", starting=True)
            kind, *content = process.connection.recv()
        except (OSError, EOFError) as error:
            status = process.exit_status()
            self._discard()
            raise LostWorkerError(f"it ended with status {status}", starting=True) from error
        if kind == "error":
            self._discard()
            raise _rebuilt(*content)
        self._ready = True
        return process

    def _cannot_start(self, loss: LostWorkerError) -> PonderError:
        users = [config.name for config in self._spec.rewards if is_plugin(config.name)]
        if users:
            return RewardError(f"a worker that imports {', '.join(users)} does not start: {loss}, twice.")
        return PonderError(f"a reward worker does not start: {loss}, twice.")

    def _silent(self, running: str, job: Any) -> Exception:
        self._discard()
        if not running:
            return LostWorkerError(f"no sign of life for {GRADING_S:g} s while grading")
        reason = (
            f'reward function "{running}" hangs: no result for {len(job.texts)} completions within '
            f"{self._deadline_s:g} s, and it was stopped. Make it faster, or raise reward_deadline_s."
        )
        return FunctionLostError(running, Failure("hung", reason))

    def _died(self, running: str) -> Exception:
        status = self._process.exit_status() if self._process else None
        self._discard()
        if running and status is not None and status >= 0:
            reason = (
                f'reward function "{running}" ended its process (exit status {status}). It must return its '
                "values and not exit."
            )
            return FunctionLostError(running, Failure("exited", reason))
        return LostWorkerError(f"the worker died (status {status})", running)

    def _discard(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.close()
                self._process = None
                self._ready = False


def _without(job: ScoringJob, name: str, failure: Failure) -> ScoringJob:
    return replace(job, skipped=(*job.skipped, (name, failure)))


def _rebuilt(kind: str, message: str) -> PonderError:
    """An error of our tree from its name and message."""
    found = getattr(errors, kind, RewardError)
    return found(message) if issubclass(found, PonderError) else RewardError(message)
