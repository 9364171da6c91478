"""What users' functions leave beside their values: scalars, columns, and the state of `random`."""

from __future__ import annotations

import contextlib
import math
import random
import sys
from collections.abc import Iterator, Sequence
from typing import Any

MAX_TEXT_CHARS = 10_000
"""Of one value in a logged column."""


class SideNotes:
    """Takes `log_metric` and `log_extra` of the functions of one group."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._metrics: list[tuple[str, float]] = []
        self._columns: dict[str, tuple[Any, ...]] = {}

    def log_metric(self, name: str, value: float) -> None:
        """A scalar of the group; TRL averages them over the step."""
        self._metrics.append((str(name), float(value)))

    def log_extra(self, column: str, values: Sequence[Any]) -> None:
        """A column for the records, one value per completion; the same name again replaces it.

        Raises ValueError for another number of values.
        """
        plain = tuple(_plain(value) for value in values)
        if len(plain) != self._count:
            raise ValueError(
                f'log_extra("{column}") got {len(plain)} values for {self._count} completions; give one each'
            )
        self._columns[str(column).encode("utf-8", "replace").decode()] = plain

    def metrics(self) -> tuple[tuple[str, float], ...]:
        """What was logged, in order."""
        return tuple(self._metrics)

    def columns(self) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """The columns, in the order in which they came."""
        return tuple(self._columns.items())


def _plain(value: Any) -> Any:
    """Numbers, truth values and None as they are; anything else as text, which every record can hold."""
    if value is None or (isinstance(value, float) and math.isfinite(value)):
        return None if value is None else float(value)  # a subclass may be a class of the user's file
    if isinstance(value, bool | int):
        return value if type(value) is bool else int(value)
    return str(value)[:MAX_TEXT_CHARS]


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds the global generators of `random` (and numpy, when loaded), and restores them afterwards.

    A random reward then depends on the group alone: not on the worker, nor on what it did before.
    """
    state = random.getstate()
    numpy_random = sys.modules["numpy"].random if "numpy" in sys.modules else None
    numpy_state = numpy_random.get_state() if numpy_random else None
    random.seed(seed)
    if numpy_random:
        numpy_random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(state)
        if numpy_random:
            numpy_random.set_state(numpy_state)
