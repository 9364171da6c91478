"""Killed anywhere, or cut off from power anywhere, a run ends with the files of one that was not."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest
import storage_run
import torch
from crash_disk import MODELS, PowerLossDisk

from ponder.errors import CorruptionError
from ponder.storage import crashpoints, environment, files, rundir
from ponder.storage.checkpoints import checkpoint_numbers, open_checkpoint
from ponder.storage.crashpoints import STORAGE_CRASH_POINTS
from ponder.storage.rundir import RunDirectory, is_run
from ponder.storage.verify import verify_run

sys.path.insert(0, str(Path(__file__).parents[2]))
from ledger_checker import violations

NUM_ITERATIONS = 4
IN_RECOVERY = {
    "run/after-sweep",
    "retention/before-discard",
    "retention/after-rename",
    "resume/before-truncate",
    "resume/after-truncate",
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    facts = environment.describe_environment(1)
    monkeypatch.setattr(rundir, "describe_environment", lambda threads: facts)
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, str]:
    """The hashes of the run that nobody disturbs."""
    path = tmp_path_factory.mktemp("whole") / "run"
    storage_run.run(path, NUM_ITERATIONS)
    assert verify_run(path).clean
    assert violations(path / "stages" / "01-zero") == []
    return RunDirectory.view(path).content_hashes()


def killed(path: Path, place: str) -> bool:
    """Whether a run at `path` was killed at the crash point; it ended by itself otherwise."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.environ["PONDER_CRASH_AT"] = place
            storage_run.run(path, NUM_ITERATIONS)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status == -signal.SIGKILL


def require_old_or_new(path: Path) -> None:
    """What bears a final name is whole, whatever happened."""
    for stage in RunDirectory.view(path).stages() if is_run(path) else []:
        stage.read()
        for number in checkpoint_numbers(stage.checkpoints):
            open_checkpoint(stage.checkpoints / f"checkpoint-{number:08d}")


def require_same_end(path: Path, expected: dict[str, str]) -> None:
    storage_run.run(path, NUM_ITERATIONS)
    assert RunDirectory.view(path).content_hashes() == expected
    assert verify_run(path).findings == ()
    assert violations(path / "stages" / "01-zero") == []
    assert not [found for found in path.rglob("*") if files.is_leftover(found)]


def kill_and_go_on(path: Path, expected: dict[str, str], place: str, hit: int) -> bool:
    """Whether the crash point was reached `hit` times; then the run went on to the same end."""
    if place in IN_RECOVERY:
        assert killed(path, "ledger/after-append:8")  # in the last iteration, two after a checkpoint
    if not killed(path, f"{place}:{hit}"):
        return False
    require_old_or_new(path)
    require_same_end(path, expected)
    return True


@pytest.mark.parametrize("place", STORAGE_CRASH_POINTS)
def test_killed_at_every_storage_crash_point(tmp_path, expected, place):
    hit = STORAGE_CRASH_POINTS.index(place) % 2 + 1
    reached = kill_and_go_on(tmp_path / "run", expected, place, hit)
    assert reached or (hit == 2 and kill_and_go_on(tmp_path / "again", expected, place, 1)), (
        f"{place} was never reached"
    )


@pytest.mark.slow
@pytest.mark.parametrize("place", STORAGE_CRASH_POINTS)
def test_killed_at_every_hit_of_every_storage_crash_point(tmp_path, expected, place):
    hit = 1
    while kill_and_go_on(tmp_path / str(hit), expected, place, hit):
        hit += 1
    assert hit > 1


def test_killed_again_and_again_while_recovering(tmp_path, expected):
    draw = random.Random(11)
    for trial in range(4):
        path = tmp_path / str(trial)
        places = [f"{draw.choice(STORAGE_CRASH_POINTS)}:{draw.randint(1, 4)}" for _ in range(4)]
        for place in places:
            killed(path, place)
            require_old_or_new(path)
        require_same_end(path, expected)


def test_killed_at_random_times(tmp_path, expected):
    """Not at named places only: at 6 moments drawn over the length of a run."""
    draw = random.Random(5)
    for trial in range(6):
        path, delay = tmp_path / str(trial), draw.uniform(0.001, 0.15)
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, delay)
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            storage_run.run(path, NUM_ITERATIONS)
            os._exit(0)
        os.waitpid(child, 0)
        require_old_or_new(path)
        require_same_end(path, expected)


# --- power cuts ------------------------------------------------------------------------------------


def power_cuts(monkeypatch, tmp_path: Path, action, share: float = 1.0, seed: int = 0):
    """Yields (call number, model, folder) for power cuts before every call of `action(root)`, and after it.

    The folders hold what the disk may hold then; states seen before are not yielded again. `share`
    draws that part of them.
    """
    root, states = tmp_path / "disk", tmp_path / "states"
    states.mkdir()
    root.mkdir(exist_ok=True)
    seen, found, draw = set(), [], random.Random(seed)

    def cut() -> None:
        for names, contents in MODELS:
            if draw.random() > share:
                continue
            target = states / f"{len(disk.calls)}-{names}-{contents}"
            disk.crash(target, names, contents)
            state = tuple(
                sorted(
                    (p.relative_to(target).as_posix(), p.read_bytes() if p.is_file() else b"/")
                    for p in target.rglob("*")
                )
            )
            if hash(state) in seen:
                shutil.rmtree(target)
            else:
                seen.add(hash(state))
                found.append((len(disk.calls), f"{names}/{contents}", target))

    disk = PowerLossDisk(root, cut)
    monkeypatch.setattr(files, "disk", disk)
    action(root)
    cut()
    monkeypatch.undo()
    disk.close()
    return found


def test_a_power_cut_leaves_the_old_file_or_the_new(monkeypatch, tmp_path):
    old, new = b"o" * 9000, b"n" * 9000

    def action(root: Path) -> None:
        files.write_file_durably(root / "a", new)

    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a").write_bytes(old)
    cuts = power_cuts(monkeypatch, tmp_path, action)
    assert {(state / "a").read_bytes() for _, _, state in cuts} == {old, new}


def test_a_power_cut_leaves_no_checkpoint_or_a_whole_one(monkeypatch, tmp_path):
    def build(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(bytes(range(256)) * 64)
        (folder / "trainer").mkdir()
        (folder / "trainer" / "state.json").write_text("{}" * 3000)

    cuts = power_cuts(monkeypatch, tmp_path, lambda root: files.publish_directory(build, root / "c"))
    present = [(call, state) for call, _, state in cuts if (state / "c").exists()]
    for _, state in present:
        files.verify_directory(state / "c")
    assert present
    # The drafts of these states are what makes the test one: some are torn, some empty.
    torn = 0
    for _, _, state in cuts:
        for draft in (path for path in state.iterdir() if files.is_leftover(path)):
            try:
                files.verify_directory(draft)
            except CorruptionError:
                torn += 1
    assert torn >= 5


def test_after_publishing_no_power_cut_undoes_it(monkeypatch, tmp_path):
    root, later = tmp_path / "disk", tmp_path / "later"
    root.mkdir()
    disk = PowerLossDisk(root)
    monkeypatch.setattr(files, "disk", disk)
    digest = files.publish_directory(
        lambda folder: (folder / "w").write_bytes(b"w" * 5000), root / "deep" / "c"
    )
    files.append_durably(root / "deep" / "m", b"line\n", label="metrics")
    files.write_file_durably(root / "deep" / "f", b"new" * 3000)
    for names, contents in MODELS:
        disk.crash(later, names, contents)
        assert files.verify_directory(later / "deep" / "c") == digest
        assert (later / "deep" / "m").read_bytes() == b"line\n"
        assert (later / "deep" / "f").read_bytes() == b"new" * 3000
        shutil.rmtree(later)
    disk.close()


def _power_cut_runs(monkeypatch, tmp_path, expected, share, seed):
    facts = environment.describe_environment(1)
    cuts = power_cuts(
        monkeypatch, tmp_path, lambda root: storage_run.run(root / "run", NUM_ITERATIONS), share, seed
    )
    monkeypatch.setattr(rundir, "describe_environment", lambda threads: facts)
    for _, _, state in cuts:
        if is_run(state / "run"):
            require_old_or_new(state / "run")
        require_same_end(state / "run", expected)
        shutil.rmtree(state)
    return len(cuts)


def test_a_run_survives_power_cuts_drawn_from_all(monkeypatch, tmp_path, expected):
    assert _power_cut_runs(monkeypatch, tmp_path, expected, 0.02, 3) >= 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_survives_every_power_cut(monkeypatch, tmp_path, expected):
    assert _power_cut_runs(monkeypatch, tmp_path, expected, 1.0, 0) >= 300
