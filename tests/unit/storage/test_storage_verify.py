"""`verify_run` finds any damage, and the ledger checker any group that went astray."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import storage_run
import torch

from ponder.errors import UserError
from ponder.storage import crashpoints
from ponder.storage.lines import seal_line
from ponder.storage.verify import verify_run

sys.path.insert(0, str(Path(__file__).parents[2]))
from ledger_checker import violations

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("whole") / "run"
    storage_run.run(path, 3)
    return path


@pytest.fixture
def run(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


# --- verify ----------------------------------------------------------------------------------------


def test_a_whole_run_verifies(run):
    found = verify_run(run)
    assert found.clean
    assert found.num_checked >= 9
    with pytest.raises(UserError, match="holds no run"):
        verify_run(run / "stages")


def test_a_flipped_bit_anywhere_is_found(run):
    tried = 0
    for file in sorted(path for path in run.rglob("*") if path.is_file() and path.name != "lock"):
        data = file.read_bytes()
        places = {len(data) * i // 12 for i in range(5)} | {len(data) - 1}
        for place in sorted(places):
            flipped = bytearray(data)
            flipped[place] ^= 1 << (place % 8)
            file.write_bytes(flipped)
            assert not verify_run(run).clean, (file, place)
            tried += 1
        file.write_bytes(data)
    assert tried > 80
    assert verify_run(run).clean


def test_removed_added_renamed_and_exchanged_files_are_found(run):
    files = sorted(
        path for path in run.rglob("*") if path.is_file() and path.name not in ("lock", "run.json")
    )
    for file in files:
        if file.name in ("timing.json", "timing.jsonl"):
            continue
        away = run.parent / "away"
        file.rename(away)
        assert not verify_run(run).clean, file
        away.rename(file)
    rollouts = run / "stages" / "01-zero" / "rollouts"
    shutil.copy(rollouts / "iteration-000001.parquet", rollouts / "iteration-000009.parquet")
    (finding,) = verify_run(run).findings
    assert "iteration-000009.parquet is not in the ledger" in finding.problem
    (rollouts / "iteration-000009.parquet").unlink()
    one, two = rollouts / "iteration-000000.parquet", rollouts / "iteration-000001.parquet"
    one.rename(rollouts / "x")
    two.rename(one)
    (rollouts / "x").rename(two)
    assert "iteration-000000.parquet is damaged: expected sha256" in verify_run(run).findings[0].problem


def test_every_finding_is_reported_not_only_the_first(run):
    stage = run / "stages" / "01-zero"
    for file in (stage / "stage.json", stage / "metrics.jsonl", run / "recipe.yaml"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    assert {finding.path.name for finding in verify_run(run).findings} >= {
        "01-zero",
        "metrics.jsonl",
        "recipe.yaml",
    }


def test_a_leftover_of_a_crash_is_no_damage(run):
    draft = run / "stages" / "01-zero" / "checkpoints" / "checkpoint-00000009.tmp-0123456789abcdef"
    draft.mkdir()
    (draft / "manifest.json").write_text("{")
    (run / "stages" / "01-zero" / "rollouts" / "x.tmp-0123456789abcdef").write_text("")
    assert verify_run(run).clean


# --- the ledger checker ----------------------------------------------------------------------------


def rewrite(stage: Path, change) -> None:
    """Replaces the ledger by what `change` makes of its list of events, properly sealed."""
    path = stage / "ledger.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        del event["check"]
    events = change(events) or events
    path.write_bytes(b"".join(map(seal_line, events)))


def rewrite_rows(stage: Path, iteration: int, change) -> None:
    """Changes rows of an iteration and makes the ledger's hash agree: only the content is wrong."""
    path = stage / "rollouts" / f"iteration-{iteration:06d}.parquet"
    table = pyarrow.parquet.read_table(path)
    rows = table.to_pylist()
    rows = change(rows) or rows
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=table.schema), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def agree(events):
        for event in events:
            if event.get("file") == f"rollouts/{path.name}":
                event["sha256"] = digest

    rewrite(stage, agree)


def first(events, kind, **wanted):
    return next(
        e for e in events if e["event"] == kind and all(e[key] == value for key, value in wanted.items())
    )


def dropped_event(kind, **wanted):
    return lambda stage: rewrite(stage, lambda events: events.remove(first(events, kind, **wanted)))


def changed_event(kind, wanted, **new):
    return lambda stage: rewrite(stage, lambda events: first(events, kind, **wanted).update(new))


def doubled_event(kind, **wanted):
    def change(events):
        event = first(events, kind, **wanted)
        events.insert(events.index(event) + 1, dict(event))

    return lambda stage: rewrite(stage, change)


def changed_row(index, **new):
    return lambda stage: rewrite_rows(stage, 1, lambda rows: rows[index].update(new))


PLANTED = {
    "a group neither trained nor dropped": (
        dropped_event("trained", iteration=1),
        "neither trained nor dropped",
    ),
    "a group trained twice": (doubled_event("trained", iteration=1), "settled 2 times"),
    "a group trained that was never issued": (dropped_event("issued", iteration=1, group=1), "not issued"),
    "a group issued twice": (doubled_event("issued", iteration=1), "issued twice"),
    "a group dropped without a reason": (
        changed_event("dropped", {"iteration": 1}, reason=""),
        "without a reason",
    ),
    "an iteration left out": (
        lambda stage: rewrite(stage, lambda events: [e for e in events if e["iteration"] != 1]),
        "contiguous",
    ),
    "an iteration after a later one": (
        lambda stage: rewrite(stage, lambda events: [events[-1], *events[:-1]]),
        "in order",
    ),
    "a step left out": (changed_event("trained", {"iteration": 1, "group": 0}, steps=[7]), "steps have gaps"),
    "an older policy": (changed_event("issued", {"iteration": 2, "group": 0}, version=0), "goes back"),
    "another policy than recorded": (
        changed_row(0, versions=[{"version": 0, "num_tokens": 3}]),
        "sampled from version",
    ),
    "no file of rollouts": (dropped_event("rollouts", iteration=1), "0 files of rollouts"),
    "a lost row": (lambda stage: rewrite_rows(stage, 1, lambda rows: rows[:-1]), "has the members"),
    "a row twice": (lambda stage: rewrite_rows(stage, 1, lambda rows: [*rows, rows[-1]]), "has the members"),
    "a seed used again": (changed_row(0, seed=0), "seeds are used more than once"),
    "a row of another problem": (changed_row(0, problem_id="p9"), "problem p9"),
    "a row of another iteration": (changed_row(0, iteration=0), "says iteration 0"),
    "a row trained that was dropped": (changed_row(5, dropped="", step=1), "the ledger dropped its group"),
    "a row trained in another step": (changed_row(0, step=0), "trained in step 0"),
    "a group trained of which no row was": (
        lambda stage: rewrite_rows(
            stage, 1, lambda rows: [row.update(dropped="x", step=-1) for row in rows[:2]] and rows
        ),
        "no member of it was",
    ),
    "our own failure counted as wrong": (changed_row(0, verdict="ungradable"), "ungraded"),
    "a row trained on without a reward": (changed_row(0, reward=None), "without a reward"),
    "an advantage that is not finite": (changed_row(0, advantage=float("nan")), "the advantage nan"),
    "a reward that is not the sum of its parts": (changed_row(0, reward=9.0), "the parts add up to"),
    "a grade that contradicts itself": (changed_row(0, verdict="wrong", credit=1.0), "WRONG with the credit"),
    "a lost log-probability": (changed_row(0, sampler_logprobs=[-0.5]), "differ in length"),
    "a file of rollouts replaced": (
        lambda stage: shutil.copy(
            stage / "rollouts/iteration-000000.parquet", stage / "rollouts/iteration-000001.parquet"
        ),
        "not the file that was written",
    ),
    "a file of rollouts of no iteration": (
        lambda stage: shutil.copy(
            stage / "rollouts/iteration-000000.parquet", stage / "rollouts/iteration-000007.parquet"
        ),
        "is not in the ledger",
    ),
    "a line of metrics lost": (lambda stage: os.truncate(stage / "metrics.jsonl", 100), "metrics: lines for"),
    "an edited line": (
        lambda stage: (stage / "ledger.jsonl").write_text(
            (stage / "ledger.jsonl").read_text().replace("no variance", "no Variance")
        ),
        "its check does not match",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_ledger_checker_finds_planted_errors(run, name):
    plant, words = PLANTED[name]
    stage = run / "stages" / "01-zero"
    assert violations(stage) == []
    plant(stage)
    assert any(words in violation for violation in violations(stage)), violations(stage)


def test_the_ledger_checker_is_a_program_of_its_own(run):
    source = (TESTS / "ledger_checker.py").read_text()
    assert "import ponder" not in source
    assert "from ponder" not in source
    assert len(source.splitlines()) < 200
    stage = run / "stages" / "01-zero"
    command = [sys.executable, str(TESTS / "ledger_checker.py"), str(stage)]
    good = subprocess.run(command, capture_output=True, text=True)
    assert (good.returncode, good.stdout) == (0, "no violation\n")
    doubled_event("trained", iteration=1)(stage)
    bad = subprocess.run(command, capture_output=True, text=True)
    assert bad.returncode == 1
    assert "settled 2 times" in bad.stdout
