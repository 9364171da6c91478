"""Killed at any named place, or at any time, a run ends with the bytes of one that was not.

By default a sample of the crash points; all of them and the random kills with `-m slow`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from children import Nursery
from small_run import digest, hashes, make_files, recipe_data

from ponder.storage.crashpoints import CRASH_POINTS
from ponder.storage.verify import verify_run

HITS = {
    "run/": 1,
    "artifact/": 1,
    "stage/": 1,
    "retention/": 2,
    "checkpoint/": 3,
    "record/": 3,
    "iteration/after-checkpoint": 2,
}
"""Which hit of a point is the fatal one, by the beginning of its name; others: the eighth."""
ON_RESUME = ("run/after-sweep", "resume/")
"""Points that only a run that goes on passes."""
SAMPLE = (
    "checkpoint/after-manifest",
    "checkpoint/after-rename",
    "rollouts/during-write",
    "resume/after-truncate",
    "records/after-metrics",
    "stage/before-publish",
)
NUM_RANDOM_KILLS = 20


class Uninterrupted:
    """The run that nobody disturbed."""

    def __init__(self, folder: Path, nursery: Nursery):
        self.nursery = nursery
        self.recipe: dict[str, Any] = recipe_data(make_files(folder / "files"))
        started = time.monotonic()
        child = nursery.start(self.recipe, folder / "run", folder / "log")
        assert child.wait() == 0, child.log.read_text()
        self.seconds = time.monotonic() - started
        self.hashes = hashes(folder / "run")
        self.digest = digest(folder / "run")

    def kill_at(self, point: str, hit: int, out: Path, log: Path) -> None:
        """Runs or continues up to that hit of the crash point, where the process dies."""
        child = self.nursery.start(self.recipe, out, log, {"PONDER_CRASH_AT": f"{point}:{hit}"})
        assert child.wait() == -signal.SIGKILL, f"{point} was not reached:\n{log.read_text()}"

    def finish(self, out: Path, log: Path) -> None:
        """The killed run goes on to its end and is, byte for byte, the undisturbed one."""
        assert self.nursery.start(self.recipe, out, log).wait() == 0, log.read_text()
        found = hashes(out)
        names = found.keys() | self.hashes.keys()
        assert not sorted(name for name in names if found.get(name) != self.hashes.get(name))
        assert digest(out) == self.digest
        verification = verify_run(out)
        assert verification.clean, verification.findings


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uninterrupted]:
    with Nursery() as nursery:
        yield Uninterrupted(tmp_path_factory.mktemp("uninterrupted"), nursery)


def hit_of(point: str) -> int:
    return next((hit for prefix, hit in HITS.items() if point.startswith(prefix)), 8)


@pytest.mark.parametrize(
    "point",
    [point if point in SAMPLE else pytest.param(point, marks=pytest.mark.slow) for point in CRASH_POINTS],
)
def test_killed_at_a_crash_point(point: str, uninterrupted: Uninterrupted, tmp_path: Path):
    out, log = tmp_path / "run", tmp_path / "log"
    if point.startswith(ON_RESUME):
        uninterrupted.kill_at("iteration/after-update", 8, out, log)
        uninterrupted.kill_at(point, 1, out, log)
    else:
        uninterrupted.kill_at(point, hit_of(point), out, log)
    uninterrupted.finish(out, log)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(NUM_RANDOM_KILLS))
def test_killed_at_random_times(number: int, uninterrupted: Uninterrupted, tmp_path: Path):
    """One to three kills at times drawn from the length of the undisturbed run, then to the end."""
    rng = random.Random(number)
    out, log = tmp_path / "run", tmp_path / "log"
    for _ in range(rng.randint(1, 3)):
        child = uninterrupted.nursery.start(uninterrupted.recipe, out, log)
        time.sleep(rng.uniform(0.05, uninterrupted.seconds))
        os.kill(child.pid, signal.SIGKILL)  # a child that is done is a zombie until it is waited for
        assert child.wait() in (0, -signal.SIGKILL), log.read_text()
    uninterrupted.finish(out, log)
