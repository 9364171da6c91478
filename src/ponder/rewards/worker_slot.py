"""One reward worker: its process, its deadlines, and who is to blame when it falls silent."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

from ponder import errors
from ponder.errors import PonderError, RewardError
from ponder.grading.worker_process import WorkerProcess
from ponder.plugins import is_plugin
from ponder.rewards.scoring import Scores, ScoringJob, ScoringSpec, ungradable_scores

Deliver = Callable[[int, Scores | PonderError], None]

GRADING_S = 240.0
"""Silence of a worker while it grades: each answer has limits of its own, far below."""
MAX_STARVED = 20
"""Deadlines that may pass while a ready function waits for a processor."""
START_S = 120.0
"""Start of a worker, the import of the user's file included."""


class LostWorkerError(Exception):
    """The worker is gone, and not by the fault of a user's function."""


class WorkerSlot:
    """One worker process, started when needed and replaced when it died, and what feeds it."""

    def __init__(self, spec: ScoringSpec, deadline_s: float, on_lost: Callable[[], None]) -> None:
        self._spec = spec
        self._deadline_s = deadline_s
        self._on_lost = on_lost
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
        reason = ""
        for _ in range(2):
            try:
                return self._attempt(job)
            except LostWorkerError as loss:
                if self._stopped:
                    break
                self._on_lost()
                reason = str(loss)
        return ungradable_scores(job, self._spec.names(), f"scoring failed twice: {reason}"[:300])

    def _attempt(self, job: ScoringJob) -> Scores:
        """Scores of one job. Raises LostWorkerError, or RewardError when a user's function is to blame."""
        running = ""
        try:
            process = self._running()
            process.connection.send(job)
            while True:
                if not self._heard(process, running):
                    raise self._silent(running, job)
                kind, *content = process.connection.recv()
                if kind == "scores":
                    scores: Scores = content[0]
                    return scores
                if kind == "error":
                    raise _rebuilt(*content)
                running = content[0]
        except (OSError, EOFError) as error:
            raise self._died(running, job, error) from error

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
        """The process, started if there is none, and ready. Raises as `_attempt`."""
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
                raise self._slow_start()
            kind, *content = process.connection.recv()
        except (OSError, EOFError) as error:
            status = process.exit_status()
            self._discard()
            raise LostWorkerError(f"the worker ended while starting (status {status})") from error
        if kind == "error":
            self._discard()
            raise _rebuilt(*content)
        self._ready = True
        return process

    def _slow_start(self) -> Exception:
        self._discard()
        users = [config.name for config in self._spec.rewards if is_plugin(config.name)]
        if users:
            return RewardError(
                f"the import of {', '.join(users)} does not end: no answer after {START_S:g} s."
            )
        return LostWorkerError(f"no worker within {START_S:g} s")

    def _silent(self, running: str, job: ScoringJob) -> Exception:
        self._discard()
        if not running:
            return LostWorkerError(f"no sign of life for {GRADING_S:g} s while grading")
        return RewardError(
            f'reward function "{running}" hangs on problem "{job.problem.id}": no result for '
            f"{len(job.texts)} completions within {self._deadline_s:g} s, and it was stopped. "
            "Make it faster, or raise reward_deadline_s."
        )

    def _died(self, running: str, job: ScoringJob, error: Exception) -> Exception:
        status = self._process.exit_status() if self._process else None
        self._discard()
        if running and status is not None and status >= 0:
            return RewardError(
                f'reward function "{running}" ended its process (exit status {status}) on problem '
                f'"{job.problem.id}". It must return a list of numbers and not exit.'
            )
        during = f' in reward function "{running}"' if running else ""
        return LostWorkerError(f"the worker died{during} (status {status}): {error}")

    def _discard(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.close()
                self._process = None
                self._ready = False


def _rebuilt(kind: str, message: str) -> PonderError:
    """An error of our tree from its name and message."""
    found = getattr(errors, kind, RewardError)
    return found(message) if issubclass(found, PonderError) else RewardError(message)
