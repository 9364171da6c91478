"""Grading many answers in worker processes, in their order, so that no answer can stop it.

Every grader has limits of its own. What goes beyond them ends a worker, not the work: the worker is replaced,
and the answer it was at is graded again in a fresh one. If that one ends, too, the reference takes the
answer's place: if that is CORRECT, the answer is to blame and WRONG; if not, the row is UNGRADABLE.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from ponder.grading.code_runners import CODE_GRADERS, choose_isolation
from ponder.grading.table import GRADERS, grade, reference_answer
from ponder.grading.verdicts import ungradable, wrong
from ponder.grading.worker_process import WorkerProcess
from ponder.types import Grade, Problem, Verdict

Job = tuple[Problem, str | None]
"""A problem and the answer to it; None: its reference answer."""

DEADLINE_S = 300.0
"""Silence of a worker over one answer: code has at most two minutes, everything else seconds."""
START_S = 120.0
BATCH = 32
"""Answers given to a worker at once; of code, which takes long, one."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade and the seconds it took."""

    grade: Grade
    seconds: float


class _LostError(Exception):
    """The worker has ended or is silent."""


class BulkGrader:
    """Grades in `num_workers` processes. To be used in a `with` block, which ends them."""

    def __init__(
        self, num_workers: int, isolation: str = "bubblewrap", deadline_s: float = DEADLINE_S
    ) -> None:
        self._slots = [_Slot(isolation, deadline_s) for _ in range(num_workers)]
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for slot in self._slots:
            self._free.put(slot)
        self._threads = ThreadPoolExecutor(num_workers)

    def grade_all(self, jobs: Iterable[Job]) -> Iterator[Graded]:
        """A grade for each job, in their order. Few jobs are read ahead, so that any number may come."""
        waiting: deque[Future[list[Graded]]] = deque()
        for batch in _batches(jobs):
            waiting.append(self._threads.submit(self._grade, batch))
            if len(waiting) > 2 * len(self._slots):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()

    def _grade(self, batch: Sequence[Job]) -> list[Graded]:
        slot = self._free.get()
        try:
            return slot.grade(batch)
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """Ends the workers at once."""
        for slot in self._slots:
            slot.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> BulkGrader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _batches(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    batch: list[Job] = []
    for job in jobs:
        batch.append(job)
        if len(batch) == BATCH or job[0].grader in CODE_GRADERS:
            yield batch
            batch = []
    if batch:
        yield batch


class _Slot:
    """One worker process, started when needed and replaced when it ended."""

    def __init__(self, isolation: str, deadline_s: float) -> None:
        self._isolation = isolation
        self._deadline_s = deadline_s
        self._process: WorkerProcess | None = None
        self._stopped = False

    def grade(self, batch: Sequence[Job]) -> list[Graded]:
        done: list[Graded] = []
        while len(done) < len(batch):
            try:
                for graded in self._attempt(batch[len(done) :]):
                    done.append(graded)
            except _LostError as loss:
                # Grades come one by one: the first that is missing is what the worker was at.
                done.append(self._again(batch[len(done)], loss))
        return done

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    def _again(self, job: Job, loss: _LostError) -> Graded:
        """The grade of an answer that a worker was lost over."""
        problem, _ = job
        start = time.monotonic()
        with contextlib.suppress(_LostError):
            return next(self._attempt([job]))
        try:
            reference = next(self._attempt([(problem, None)])).grade
        except _LostError as second:
            verdict = ungradable(f"the grader ends on the reference, too: {second}"[:300])
        else:
            passes = reference.verdict is (Verdict.CORRECT if _has_answer(problem) else Verdict.WRONG)
            why = f"ends its grader twice: {loss}"[:300]
            verdict = wrong("", why) if passes else ungradable(f"{why}; the reference: {reference.reason}")
        return Graded(verdict, time.monotonic() - start)

    def _attempt(self, batch: Sequence[Job]) -> Iterator[Graded]:
        """Grades as they come. Raises _LostError when the worker ends or says nothing for the deadline."""
        process = self._running()
        try:
            process.connection.send(batch)
            for _ in batch:
                if not process.connection.poll(self._deadline_s):
                    self._discard()
                    raise _LostError(f"no grade within {self._deadline_s:g} s")
                yield process.connection.recv()
        except (OSError, EOFError) as error:
            status = process.exit_status()
            self._discard()
            raise _LostError(f"the worker ended (status {status})") from error

    def _running(self) -> WorkerProcess:
        if self._stopped:
            raise RuntimeError("closed")
        if self._process is None:
            self._process = WorkerProcess("ponder.grading.bulk:serve", (self._isolation,))
            try:
                if not self._process.connection.poll(START_S):
                    raise EOFError(f"silent for {START_S:g} s")
                self._process.connection.recv()
            except (OSError, EOFError) as error:
                self._discard()
                raise _LostError(f"no worker starts: {error}") from error
        return self._process

    def _discard(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


def _has_answer(problem: Problem) -> bool:
    grader = GRADERS.get(problem.grader)
    return grader is not None and grader.reference_answer is not None


def serve(connection: Connection[Any, Any], isolation: str) -> None:
    """The child's side: answers each batch with its grades, one message each, until the channel closes."""
    choose_isolation(isolation)
    connection.send("ready")
    while True:
        for problem, answer in connection.recv():
            start = time.monotonic()
            # Graders without a reference answer show that they live by finding something else wrong.
            text = (reference_answer(problem) or "?") if answer is None else answer
            verdict = grade(problem, text)
            connection.send(Graded(verdict, time.monotonic() - start))
