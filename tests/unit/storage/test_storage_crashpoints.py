import os
import re
from pathlib import Path

import pytest

import ponder.storage
from ponder.errors import UserError
from ponder.storage import crashpoints
from ponder.storage.crashpoints import CRASH_POINTS, STORAGE_CRASH_POINTS, crash_point


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())
    monkeypatch.delenv("PONDER_CRASH_AT", raising=False)
    monkeypatch.delenv("PONDER_FAULT", raising=False)


def test_names_are_unique_and_many():
    assert len(set(CRASH_POINTS)) == len(CRASH_POINTS) >= 15


def test_nothing_happens_without_the_variables():
    for name in CRASH_POINTS:
        crash_point(name)


def test_a_name_that_is_not_registered_is_a_mistake_in_the_code():
    with pytest.raises(ValueError, match="not a crash point"):
        crash_point("checkpoint/somewhere")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PONDER_CRASH_AT", "checkpoint/after-manifst", 'Did you mean "checkpoint/after-manifest"'),
        ("PONDER_CRASH_AT", "checkpoint/after-manifest:0", "number from 1"),
        ("PONDER_CRASH_AT", "checkpoint/after-manifest:x", "number from 1"),
        ("PONDER_FAULT", "enospcc:record/before-write", 'Did you mean "enospc"'),
        ("PONDER_FAULT", "enospc:record/befor-write", 'Did you mean "record/before-write"'),
        ("PONDER_FAULT", "enospc", "no crash point"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_fix(monkeypatch, variable, value, words):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        crash_point("run/before-create")
    assert variable in str(caught.value)


def test_a_fault_comes_once_or_from_then_on(monkeypatch):
    monkeypatch.setenv("PONDER_FAULT", "eio:record/before-write:2")
    outcomes = [_fails("record/before-write") for _ in range(4)]
    assert outcomes == [False, True, False, False]
    monkeypatch.setattr(crashpoints, "_hits", crashpoints.Counter())
    monkeypatch.setenv("PONDER_FAULT", "eio:record/before-write:2+")
    assert [_fails("record/before-write") for _ in range(4)] == [False, True, True, True]


def test_the_crash_is_a_kill_at_the_hit_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("PONDER_CRASH_AT", "record/before-write:3")
    child = os.fork()
    if child == 0:
        for count in range(5):
            (tmp_path / str(count)).touch()
            crash_point("record/before-write")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_every_storage_point_is_placed_in_the_source():
    source = "".join(path.read_text() for path in Path(ponder.storage.__file__).parent.glob("*.py"))
    for name in STORAGE_CRASH_POINTS:
        label, place = name.split("/")
        assert f'("{name}")' in source or (f'{{label}}/{place}"' in source and f'"{label}"' in source), name


def _fails(name):
    try:
        crash_point(name)
    except OSError:
        return True
    return False
