"""What a stage writes as it goes: metrics and timing as JSON lines, rollouts, the ledger.

Each is opened with the number of iterations that the checkpoint holds, and cut back to them: what
came after is made again. Iterations count from 0.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ponder.errors import CorruptionError, PonderError
from ponder.storage.files import make_folder_durably
from ponder.storage.ledger import IssuedGroup, Ledger, SettledGroup, read_ledger
from ponder.storage.lines import append_lines, decode_number, encode_number, read_lines, truncate_lines
from ponder.storage.rollouts import RolloutFile, RolloutRow, RolloutWriter, read_rollouts, rows_of_group

__all__ = [
    "IssuedGroup",
    "Ledger",
    "MetricsWriter",
    "RolloutFile",
    "RolloutRow",
    "RolloutWriter",
    "SettledGroup",
    "StageRecords",
    "read_ledger",
    "read_metrics",
    "read_rollouts",
    "read_timing",
    "rows_of_group",
]

METRICS_NAME = "metrics"

Value = float | int | str | bool | None


class MetricsWriter:
    """Writes `NAME.jsonl` (results, hashed) and its timing (seconds and rates, not hashed).

    The timing of metrics.jsonl is timing.jsonl, that of another NAME.jsonl is NAME.timing.jsonl.

    With `contiguous`, one line for each iteration from 0; otherwise iterations only rise (evaluations
    every so often). Raises `CorruptionError` when a line that the checkpoint implies is not there.
    """

    def __init__(
        self, stage: Path, num_iterations: int, *, name: str = METRICS_NAME, contiguous: bool = True
    ) -> None:
        self._metrics, self._timing = stage / f"{name}.jsonl", _timing_path(stage, name)
        self._contiguous = contiguous
        kept = [record["iteration"] for record in truncate_lines(self._metrics, num_iterations)]
        truncate_lines(self._timing, num_iterations)
        if contiguous and kept != list(range(num_iterations)):
            raise CorruptionError(
                f"{self._metrics} is damaged: the checkpoint holds {num_iterations} iterations, "
                f"{len(kept)} whole lines are left of them."
            )
        self._last = kept[-1] if kept else -1

    def write(
        self, iteration: int, metrics: Mapping[str, Value], timing: Mapping[str, Value] | None = None
    ) -> None:
        """Appends the iteration's line; on the disk when it returns.

        Numbers of numpy are taken as numbers; NaN and infinity are kept. Raises `PonderError` for an
        iteration out of order, TypeError for another value, `StorageError` when the disk refuses.
        """
        if iteration <= self._last or (self._contiguous and iteration != self._last + 1):
            raise PonderError(f"{self._metrics}: iteration {iteration} cannot follow {self._last}")
        lines = _line(iteration, metrics), _line(iteration, timing or {})
        append_lines(self._metrics, lines[:1], label="metrics")
        if timing:
            append_lines(self._timing, lines[1:], label="timing")
        self._last = iteration


class StageRecords:
    """The records of a stage that does reinforcement learning, all cut back to `num_iterations`."""

    def __init__(self, stage: Path, num_iterations: int) -> None:
        make_folder_durably(stage)
        self.metrics = MetricsWriter(stage, num_iterations)
        self.rollouts = RolloutWriter(stage, num_iterations)
        self.ledger = Ledger(stage, num_iterations)


def read_metrics(stage: Path, name: str = METRICS_NAME) -> list[dict[str, Any]]:
    """The lines of `NAME.jsonl` in order, each with "iteration"; [] when there is none.

    A line being written is left out; `CorruptionError` names a damaged one.
    """
    return [_decoded(record) for record in read_lines(stage / f"{name}.jsonl")]


def read_timing(stage: Path, name: str = METRICS_NAME) -> list[dict[str, Any]]:
    """The lines of the timing of `NAME.jsonl` in order; a crash may have lost some."""
    return [_decoded(record) for record in read_lines(_timing_path(stage, name))]


def _timing_path(stage: Path, name: str) -> Path:
    return stage / ("timing.jsonl" if name == METRICS_NAME else f"{name}.timing.jsonl")


def _line(iteration: int, values: Mapping[str, Value]) -> dict[str, Any]:
    if "iteration" in values or "check" in values:
        raise ValueError('"iteration" and "check" are written by the writer')
    return {"iteration": iteration, **{key: _number(key, value) for key, value in values.items()}}


def _number(key: str, value: Any) -> Value:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return encode_number(float(value))
    raise TypeError(f"metric {key}: a {type(value).__name__} is neither a number nor text")


def _decoded(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: decode_number(value) for key, value in record.items()}
