"""Named places where a test can kill the process or make the disk fail.

`PONDER_CRASH_AT="checkpoint/after-manifest:2"` kills the process (SIGKILL, as `kill -9` does) when
that point is reached the second time; without a number, the first time. `PONDER_FAULT=
"enospc:rollouts/before-write:3"` raises the operating system's error there instead, once;
`...:3+` from the third time on, as a disk that stays full does. Without these variables a crash
point does nothing.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from ponder.errors import UserError, nearest

STORAGE_CRASH_POINTS: tuple[str, ...] = (
    "run/before-create",
    "run/after-recipe",
    "run/after-create",
    "run/after-sweep",
    "checkpoint/before-build",
    "checkpoint/after-build",
    "checkpoint/after-sync",
    "checkpoint/after-manifest",
    "checkpoint/after-rename",
    "checkpoint/after-publish",
    "artifact/before-build",
    "artifact/after-build",
    "artifact/after-sync",
    "artifact/after-manifest",
    "artifact/after-rename",
    "artifact/after-publish",
    "retention/before-discard",
    "retention/after-rename",
    "rollouts/before-write",
    "rollouts/during-write",
    "rollouts/after-sync",
    "rollouts/after-rename",
    "record/before-write",
    "record/during-write",
    "record/after-sync",
    "record/after-rename",
    "metrics/before-append",
    "metrics/during-append",
    "metrics/after-append",
    "timing/before-append",
    "timing/during-append",
    "timing/after-append",
    "ledger/before-append",
    "ledger/during-append",
    "ledger/after-append",
    "resume/before-truncate",
    "resume/after-truncate",
)
"""Placed in this package: each write, rename and phase of it."""

TRAINING_CRASH_POINTS: tuple[str, ...] = (
    "iteration/after-rollout",
    "iteration/after-rewards",
    "iteration/after-update",
    "iteration/after-checkpoint",
    "records/after-rollouts",
    "records/after-metrics",
    "stage/before-publish",
    "stage/after-publish",
)
"""Placed in the loops and the pipeline, between the activities of an iteration and of a stage."""

CRASH_POINTS: tuple[str, ...] = STORAGE_CRASH_POINTS + TRAINING_CRASH_POINTS

FAULTS = {"enospc": errno.ENOSPC, "eio": errno.EIO, "erofs": errno.EROFS, "edquot": errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to happen where."""

    name: str
    hit: int
    """The first hit that counts, from 1."""
    lasting: bool
    """Also every later hit."""
    error: int
    """The errno to raise; 0: kill the process."""

    def due(self, name: str, hits: int) -> bool:
        return name == self.name and (hits == self.hit or (self.lasting and hits > self.hit))


_hits: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Returns, unless the environment asks for a crash or a fault at this hit of this point.

    Raises OSError for `PONDER_FAULT`, `UserError` for a variable that cannot be read, and ValueError
    for a name that is not in `CRASH_POINTS`.
    """
    plan = _due(name)
    if plan is not None:
        _strike(plan)


def torn_write(name: str, write: Callable[[bytes], object], flush: Callable[[], object], data: bytes) -> None:
    """Writes `data`; when the environment asks for it at this point, only its first half, then fails.

    A crash in the middle of a write leaves a part of it: this is how a test gets that part.
    """
    plan = _due(name)
    if plan is None:
        write(data)
        return
    write(data[: len(data) // 2])
    flush()
    _strike(plan)


def _due(name: str) -> _Plan | None:
    if name not in _KNOWN:
        raise ValueError(f'"{name}" is not a crash point; add it to ponder.storage.crashpoints')
    crash, fault = os.environ.get("PONDER_CRASH_AT", ""), os.environ.get("PONDER_FAULT", "")
    if not crash and not fault:
        return None
    _hits[name] += 1
    for plan in _plans(crash, fault):
        if plan.due(name, _hits[name]):
            return plan
    return None


def _strike(plan: _Plan) -> None:
    if plan.error:
        raise OSError(plan.error, os.strerror(plan.error), f"crash point {plan.name}")
    os.kill(os.getpid(), signal.SIGKILL)


@lru_cache(maxsize=8)
def _plans(crash: str, fault: str) -> tuple[_Plan, ...]:
    plans = []
    if crash:
        plans.append(_parse("PONDER_CRASH_AT", crash, crash, 0))
    if fault:
        kind, _, place = fault.partition(":")
        if kind not in FAULTS:
            raise UserError(f'PONDER_FAULT="{fault}": unknown fault "{kind}".{nearest(kind, FAULTS)}')
        plans.append(_parse("PONDER_FAULT", fault, place, FAULTS[kind]))
    return tuple(plans)


def _parse(variable: str, value: str, place: str, error: int) -> _Plan:
    name, _, count = place.partition(":")
    if name not in _KNOWN:
        raise UserError(f'{variable}="{value}": no crash point "{name}".{nearest(name, CRASH_POINTS)}')
    lasting = count.endswith("+")
    digits = count.removesuffix("+") or "1"
    if not digits.isdecimal() or int(digits) < 1:
        raise UserError(
            f'{variable}="{value}": "{count}" is not a hit; write a number from 1, as in "{name}:2".'
        )
    return _Plan(name, int(digits), lasting, error)


_KNOWN = frozenset(CRASH_POINTS)
