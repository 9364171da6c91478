"""Symbolic comparison in a worker process that is killed at its deadline.

math-verify's time limits use signal.alarm, which works in the main thread only and does not interrupt
a single long operation of C code (9**9**9). Here the kernel ends the process after `CPU_S` seconds of
processor time; a fresh one takes its place when next needed.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from dataclasses import dataclass
from functools import lru_cache

from ponder.grading.worker_process import WorkerProcess

CPU_S = 2.0
"""Processor seconds for one comparison; an answer that needs more is wrong."""
WALL_S = 60.0
"""A comparison that has not ended by then, with processor time left, is our failure."""
START_S = 120.0
"""Importing sympy on a machine under load."""
MEMORY_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the symbolic comparison found."""

    outcome: str
    """equal, different, malformed (the answer), bad_reference, or failed (ours)."""
    reason: str


class SymbolicWorker:
    """One worker process, started when first asked, replaced when it died. Safe to share by threads."""

    def __init__(
        self, cpu_s: float = CPU_S, wall_s: float = WALL_S, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._cpu_s = cpu_s
        self._wall_s = wall_s
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._process: WorkerProcess | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None when there is none now."""
        return self._process.pid if self._process else None

    def compare(self, reference: str, answer: str | None) -> Comparison:
        """Whether the two texts are the same mathematical object; with no answer, whether the
        reference can be read. A worker lost for a reason other than its limits is replaced once."""
        with self._lock:
            result = self._attempt(reference, answer)
            return self._attempt(reference, answer) if result.outcome == "failed" else result

    def close(self) -> None:
        """Ends the worker process; the next comparison starts another."""
        with self._lock:
            self._discard()

    def _attempt(self, reference: str, answer: str | None) -> Comparison:
        try:
            process = self._started()
            process.connection.send((reference, answer))
            if not process.connection.poll(self._wall_s):
                self._discard()
                return Comparison("failed", f"no result after {self._wall_s:g} s; the machine is overloaded")
            outcome, reason = process.connection.recv()
        except (OSError, EOFError) as error:
            return self._post_mortem(error)
        return Comparison(outcome, reason)

    def _started(self) -> WorkerProcess:
        if self._process is None:
            self._process = WorkerProcess(
                "ponder.grading.math_symbolic:serve", (self._cpu_s, self._memory_bytes)
            )
            if not self._process.connection.poll(START_S):
                raise ConnectionError(f"the worker did not start within {START_S:g} s")
            self._process.connection.recv()
        return self._process

    def _post_mortem(self, error: Exception) -> Comparison:
        """Says why the worker died; only its processor limit is the answer's fault."""
        status = self._process.exit_status() if self._process else None
        self._discard()
        if status == -signal.SIGPROF:
            return Comparison("malformed", f"stopped after {self._cpu_s:g} s of processor time")
        return Comparison("failed", f"the worker ended (status {status}): {error}")

    def _discard(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


_shared: tuple[int, SymbolicWorker] | None = None
_shared_lock = threading.Lock()


def shared_worker() -> SymbolicWorker:
    """The process-wide worker; a forked child gets one of its own."""
    global _shared
    with _shared_lock:
        if _shared is None or _shared[0] != os.getpid():
            _shared = (os.getpid(), SymbolicWorker())
            atexit.register(_shared[1].close)
        return _shared[1]


def compare_symbolically(reference: str, answer: str | None) -> Comparison:
    """`SymbolicWorker.compare` of the shared worker. Results are remembered, failures are not."""
    try:
        return _remembered(reference, answer)
    except _Failed as failure:
        return failure.comparison


class _Failed(Exception):
    def __init__(self, comparison: Comparison) -> None:
        super().__init__(comparison.reason)
        self.comparison = comparison


@lru_cache(maxsize=8192)
def _remembered(reference: str, answer: str | None) -> Comparison:
    comparison = shared_worker().compare(reference, answer)
    if comparison.outcome == "failed":
        raise _Failed(comparison)
    return comparison
