"""Seconds of the parts of an iteration. Kept out of every result that is hashed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Measures named parts of what began when it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._parts: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the seconds spent inside to the part `name`."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._parts[name] = self._parts.get(name, 0.0) + time.monotonic() - start

    def seconds(self) -> dict[str, float]:
        """The parts so far and, as `step_time`, all of it."""
        return {**self._parts, "step_time": time.monotonic() - self._start}
