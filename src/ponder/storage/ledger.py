"""The ledger: every group that was issued was trained on or dropped for a stated reason, once.

One line per event in ledger.jsonl: `issued` when a prompt goes to the engine; `trained` (with the
optimizer steps) or `dropped` (with the reason) when its iteration ends; `rollouts` with the hash of
the iteration's Parquet file. `tests/ledger_checker.py` reads only these files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.errors import CorruptionError, PonderError
from ponder.storage.lines import Record, append_lines, read_lines, truncate_lines
from ponder.storage.rollouts import RolloutFile

LEDGER_FILE = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class IssuedGroup:
    """A prompt that goes to the engine."""

    group: int
    """Its number within the iteration, in the order of issue; a refill goes on counting."""
    problem_id: str
    num_completions: int
    version: int
    """Policy version it is sampled from."""


@dataclass(frozen=True, slots=True)
class SettledGroup:
    """What became of a group: exactly one of `steps` and `dropped` is given."""

    group: int
    steps: tuple[int, ...] = ()
    """Optimizer steps it was trained in."""
    dropped: str = ""
    """Why it was not."""


class Ledger:
    """Keeps the ledger of a stage, going on after `num_iterations` iterations; later events are cut.

    Raises `CorruptionError` when the events of an iteration that must be there are not.
    """

    def __init__(self, stage: Path, num_iterations: int) -> None:
        self._path = stage / LEDGER_FILE
        self._open: dict[int, set[int]] = {}
        self._next = num_iterations
        kept = truncate_lines(self._path, num_iterations)
        closed = {record["iteration"] for record in kept if record["event"] == "rollouts"}
        missing = [iteration for iteration in range(num_iterations) if iteration not in closed]
        if missing:
            raise CorruptionError(
                f"{self._path} is damaged: iteration {missing[0]} is not closed in it, but the checkpoint "
                f"holds {num_iterations} iterations."
            )

    def issue(self, iteration: int, groups: Sequence[IssuedGroup]) -> None:
        """Notes that the groups are about to be generated. Call again for refills.

        Raises `PonderError` when a number is used twice or the iteration is not the next.
        """
        if iteration != self._next:
            raise PonderError(f"iteration {iteration} issues groups, but iteration {self._next} is next")
        known = self._open.setdefault(iteration, set())
        for group in groups:
            if group.group in known:
                raise PonderError(f"iteration {iteration}: group {group.group} is issued twice")
            known.add(group.group)
        self._append(
            iteration,
            [
                {
                    "event": "issued",
                    "group": group.group,
                    "problem_id": group.problem_id,
                    "num_completions": group.num_completions,
                    "version": group.version,
                }
                for group in groups
            ],
        )

    def settle(
        self,
        iteration: int,
        groups: Sequence[SettledGroup],
        rollouts: RolloutFile,
        reward_weights: Mapping[str, float] | None = None,
    ) -> None:
        """Closes the iteration: what became of every group issued in it, and where its rows lie.

        `reward_weights`, if given, let the checker add each reward up from its parts. Raises
        `PonderError` when a group is missing, unknown, settled twice or neither trained nor dropped.
        """
        issued = self._open.get(iteration, set())
        numbers = [group.group for group in groups]
        if sorted(numbers) != sorted(issued):
            raise PonderError(
                f"iteration {iteration}: groups {sorted(issued)} were issued, {sorted(numbers)} are settled"
            )
        for group in groups:
            if bool(group.steps) == bool(group.dropped):
                raise PonderError(
                    f"iteration {iteration}: group {group.group} must be trained or dropped for a reason"
                )
        events: list[dict[str, Any]] = [
            {"event": "trained", "group": group.group, "steps": list(group.steps)}
            if group.steps
            else {"event": "dropped", "group": group.group, "reason": group.dropped}
            for group in sorted(groups, key=lambda group: group.group)
        ]
        events.append(
            {
                "event": "rollouts",
                "file": f"{rollouts.path.parent.name}/{rollouts.path.name}",
                "sha256": rollouts.sha256,
                "num_rows": rollouts.num_rows,
                "reward_weights": dict(reward_weights) if reward_weights is not None else None,
            }
        )
        self._append(iteration, events)
        del self._open[iteration]
        self._next = iteration + 1

    def _append(self, iteration: int, events: Sequence[Mapping[str, Any]]) -> None:
        append_lines(self._path, [{"iteration": iteration, **event} for event in events], label="ledger")


def read_ledger(stage: Path) -> list[Record]:
    """The events of the stage in order; `CorruptionError` names a damaged line."""
    return read_lines(stage / LEDGER_FILE)
