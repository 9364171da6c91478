"""No program earns a reward that does not solve the problem, and none loses one for the company it keeps."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from code_attacks import ATTACKS, RIGHT, WRONG, Attack

from ponder.grading import grade
from ponder.grading.code_runners import choose_isolation, isolation_fault
from ponder.grading.sandbox.process_tree import descendants
from ponder.types import Problem, Verdict

pytestmark = pytest.mark.skipif(isolation_fault() is not None, reason="no sandbox works here")

CASES = [(1, 2), (0, 0), (3, -7), (10, 5), (123, 456), (-4, -4), (7, 1), (2, 2)]
TESTS = "def check(candidate):\n" + "".join(f"    assert candidate({a}, {b}) == {a + b}\n" for a, b in CASES)
PROBLEM = Problem(
    "add",
    "code",
    ({"role": "user", "content": "add"},),
    "code",
    json.dumps({"type": "check", "tests": TESTS, "entry_point": "add", "cpu_s": 2, "memory_mb": 512}),
)


@pytest.fixture(autouse=True)
def isolated():
    choose_isolation("bubblewrap")


def strays() -> set[str]:
    """Processes of runs, among ours: those of our files that are not the interpreters waiting for one."""
    found = set()
    for folder in (Path("/proc", str(pid)) for pid in descendants(os.getpid())):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            status = (folder / "status").read_text()
        except OSError:
            continue
        levels = len(next(line for line in status.splitlines() if line.startswith("NSpid")).split()) - 1
        # A waiting interpreter is in bubblewrap's process namespace, a run in one inside that.
        if "/box/child_" in command and (levels > 2 or "child_zygote" not in command):
            found.add(f"{folder.name} {command}")
    return found


def test_honest_and_wrong() -> None:
    assert grade(PROBLEM, RIGHT).verdict is Verdict.CORRECT
    assert grade(PROBLEM, WRONG).verdict is Verdict.WRONG
    assert grade(PROBLEM, f"Here it is:\n```python\n{RIGHT}```\nDone.").verdict is Verdict.CORRECT


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_earns_nothing_and_its_twin_passes(attack: Attack) -> None:
    start = time.monotonic()
    evil = grade(PROBLEM, attack.evil)
    assert evil.verdict is Verdict.WRONG, evil.reason
    assert time.monotonic() - start < 30
    twin = grade(PROBLEM, attack.twin)
    assert twin.verdict is Verdict.CORRECT, twin.reason
    assert not strays()


def test_nothing_is_left_for_the_next_run() -> None:
    grade(PROBLEM, "open('/tmp/left', 'w').write('x')\nopen('/dev/shm/left', 'w').write('x')\n" + RIGHT)
    looks = "import os\nassert not os.listdir('/tmp') and not os.listdir('/dev/shm')\n" + RIGHT
    assert grade(PROBLEM, looks).verdict is Verdict.CORRECT


def test_two_runs_share_no_lock() -> None:
    takes = "import fcntl\nf = open('/usr/bin/env', 'rb')\ntry:\n    fcntl.flock(f, fcntl.LOCK_EX)\n"
    refused = takes + "except PermissionError:\n    pass\nelse:\n    raise SystemExit\n" + RIGHT
    assert grade(PROBLEM, refused).verdict is Verdict.CORRECT


def test_the_outside_is_not_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    os.environ["PONDER_TEST_SECRET"] = "x"
    looks = (
        "import os\n"
        f"assert not os.path.exists({str(secret)!r})\n"
        "assert 'PONDER_TEST_SECRET' not in os.environ\n"
        "assert os.getuid() != 0\n"
        "assert not os.path.exists('/etc/passwd')\n"
        "assert len([p for p in os.listdir('/proc') if p.isdigit()]) <= 4\n"
        "assert [line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line] == ['lo']\n"
        + RIGHT
    )
    assert grade(PROBLEM, looks).verdict is Verdict.CORRECT, grade(PROBLEM, looks).reason
