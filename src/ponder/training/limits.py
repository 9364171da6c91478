"""When to stop before the end: a signal, a number of steps, a number of hours."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ponder.errors import Interrupted
from ponder.types import RolloutEngine, RolloutGroup, RolloutRequest, SamplingParams


class Limits:
    """What may end a run early. One object per invocation, shared by its stages.

    A signal sets a flag that the loop reads where stopping is clean; a second signal of the same
    kind ends the process at once, as if it had been killed (which loses nothing either).
    """

    def __init__(self, max_steps: int | None = None, max_hours: float | None = None):
        """`max_steps`: optimizer steps, `max_hours`: wall hours; both of this invocation."""
        self._max_steps = max_steps
        self._max_hours = max_hours
        self._start = time.monotonic()
        self._steps = 0
        self._signal = ""

    @property
    def signalled(self) -> str:
        """Name of the signal that asks to stop, "" if none came."""
        return self._signal

    def count_steps(self, steps: int) -> None:
        """Tells that so many optimizer steps were made."""
        self._steps += steps

    def reached(self) -> str:
        """Which planned limit is reached, in words; "" if none."""
        if self._max_steps is not None and self._steps >= self._max_steps:
            return f"--max-steps {self._max_steps}"
        hours = (time.monotonic() - self._start) / 3600
        if self._max_hours is not None and hours >= self._max_hours:
            return f"--max-hours {self._max_hours:g}"
        return ""

    def check_signal(self) -> None:
        """Raises Interrupted if a signal asked to stop."""
        if self._signal:
            raise Interrupted(f"Stopped by {self._signal}.")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While inside, SIGINT and SIGTERM set the flag instead of ending the process."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, frame: FrameType | None) -> None:
            self._signal = signal.Signals(number).name
            signal.signal(number, signal.SIG_DFL)

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class StoppableEngine:
    """An engine that looks for a signal whenever a group is finished, and then raises Interrupted."""

    def __init__(self, engine: RolloutEngine, limits: Limits):
        self._engine = engine
        self._limits = limits

    @property
    def version(self) -> int:
        return self._engine.version

    def generate(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        self._limits.check_signal()
        groups = self._engine.generate(requests, sampling)
        try:
            for indexed_group in groups:
                yield indexed_group
                self._limits.check_signal()
        finally:
            # An engine makes one call at a time: one that is left must not seem to go on.
            if isinstance(groups, Generator):
                groups.close()

    def update_weights(self, version: int) -> None:
        self._engine.update_weights(version)
