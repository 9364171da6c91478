"""Reward workers: order, deadlines, replacement, and what a failing function costs."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ponder.config import RewardConfig
from ponder.errors import RewardError
from ponder.rewards import REWARD_PRESETS, RewardWorkers, ScoringSpec
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup, Verdict

FUNCTIONS = """
import ctypes, os, signal, subprocess, sys, time

def modules(completions, **kwargs):
    return [float("torch" in sys.modules)] * len(completions)

def slow_first(completions, trainer_state, log_metric, **kwargs):
    log_metric("step", trainer_state.global_step)
    time.sleep(0.8 if trainer_state.global_step == 0 else 0.0)
    print("a print in a reward function")
    return [float(trainer_state.global_step)] * len(completions)

def hangs(completions, **kwargs):
    if "bad" in completions[0]:
        time.sleep(1000)
    return [1.0] * len(completions)

def spins(completions, **kwargs):
    while True:
        pass

def starts_another(completions, **kwargs):
    child = subprocess.Popen(["sleep", "1000"])
    with open(os.path.join(os.path.dirname(__file__), "pid"), "w") as file:
        file.write(str(child.pid))
    time.sleep(1000)

def raises(completions, **kwargs):
    raise KeyError("solution")

def raises_on_p1(completions, prompts, trainer_state, **kwargs):
    return [1.0 / (trainer_state.global_step != 1)] * len(completions)

def exits(completions, **kwargs):
    os._exit(3)

def segfaults(completions, **kwargs):
    ctypes.string_at(0)

def too_many(completions, **kwargs):
    return [1.0] * 7

def infinite(completions, **kwargs):
    return [float("inf")] * len(completions)

def fine(completions, log_metric, log_extra, **kwargs):
    log_metric("seen", len(completions))
    log_extra("length", [len(completion) for completion in completions])
    return [0.5] * len(completions)

def dies_once(completions, **kwargs):
    marker = os.path.join(os.path.dirname(__file__), "died")
    if not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return [1.0] * len(completions)

def dies(completions, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
"""


NOTHING = {
    f"{noun}/sum": 0.0
    for noun in ("grade/correct", "grade/wrong", "grade/ungradable", "worker/lost", "worker/hung")
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rewards.py"
    path.write_text(FUNCTIONS)
    return path


def spec(file: Path | None = None, *names: str) -> ScoringSpec:
    if file is None:
        return ScoringSpec(REWARD_PRESETS["r1"])
    return ScoringSpec(tuple(RewardConfig(name=f"{file}:{name}") for name in names))


def group(number: int, text: str = "<think>1+1=2</think><answer>2</answer>") -> RolloutGroup:
    problem = Problem(f"p{number}", "t", ({"role": "user", "content": "1+1?"},), "integer", "2")
    members = tuple(
        Completion((1, 2), (True, True), (0.0, 0.0), each, Finish.STOP, ((0, 2),))
        for each in (text, text.replace(">2<", ">3<"))
    )
    return RolloutGroup(Prompt(problem, (1,)), members)


def test_in_process_and_in_a_worker_give_the_same():
    groups = [group(number) for number in range(5)]
    with RewardWorkers(spec(), num_workers=0) as here, RewardWorkers(spec(), num_workers=1) as there:
        assert here.score(groups) == there.score(groups)
        assert [reward.total for reward in here.score(groups[:1])[0].rewards] == [2.0, 1.0]


def test_tickets_count_up_and_results_come_in_the_order_of_issue(file):
    with RewardWorkers(spec(file, "slow_first"), num_workers=2) as workers:
        tickets = [workers.submit(group(number), step=number) for number in range(4)]
        assert workers.num_pending == 4
        collected = [workers.collect() for _ in tickets]
        assert tickets == [0, 1, 2, 3]
        assert [each.group.prompt.problem.id for each in collected] == ["p0", "p1", "p2", "p3"]
        assert [each.rewards[0].total for each in collected] == [0.0, 1.0, 2.0, 3.0]
        assert workers.num_pending == 0
        metrics = workers.take_metrics()
        assert metrics == {**NOTHING, "grade/correct/sum": 4.0, "grade/wrong/sum": 4.0, "user/step/mean": 1.5}
        assert "user/step/mean" not in workers.take_metrics()
        with pytest.raises(LookupError):
            workers.collect()


def test_workers_do_not_import_torch_even_when_the_parent_has(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys)  # a parent that has it
    with RewardWorkers(spec(file, "modules"), num_workers=1) as workers:
        assert workers.score([group(0)])[0].rewards[0].total == 0.0


@pytest.mark.parametrize("name", ["hangs", "spins"])
def test_a_hang_ends_at_the_deadline_and_the_run_goes_on(file, name):
    start = time.monotonic()
    with RewardWorkers(spec(file, name), num_workers=1, deadline_s=0.5) as workers:
        scored = workers.score([group(3, "bad")])[0]
        assert [reward.total for reward in scored.rewards] == [None, None]
        assert re.search(
            rf'"{name}" hangs: .*2 completions within 0.5 s.*reward_deadline_s', scored.rewards[0].reason
        )
        assert workers.take_metrics()["ungradable/hung/sum"] == 2.0
        if name == "hangs":  # one that does not always hang
            assert workers.score([group(4)])[0].rewards[0].total == 1.0
    assert time.monotonic() - start < 60


def test_what_a_hanging_function_started_is_ended_with_it(file):
    with RewardWorkers(spec(file, "starts_another"), num_workers=1, deadline_s=1.0) as workers:
        assert "hangs" in workers.score([group(0)])[0].rewards[0].reason
        child = int((file.parent / "pid").read_text())
        deadline = time.monotonic() + 10
        while _runs(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _runs(child)


def test_a_function_that_waits_for_a_processor_is_not_hanging(file, monkeypatch):
    from ponder.grading.worker_process import WorkerProcess

    monkeypatch.setattr(WorkerProcess, "usage", lambda self: ("R", 0.0))  # ready to run, and not running
    with RewardWorkers(spec(file, "slow_first"), num_workers=1, deadline_s=0.3) as workers:
        assert workers.score([group(0)])[0].rewards[0].total == 0.0


def test_the_use_of_the_processor_is_seen():
    from ponder.grading.worker_process import WorkerProcess

    process = WorkerProcess("ponder.grading.math_symbolic:serve", (5.0, 1 << 32))
    try:
        assert process.connection.recv() == "ready"
        state, seconds = process.usage()
        assert state in "RSD"
        assert seconds > 0.1  # it has imported sympy
    finally:
        process.close()
    assert process.usage() is None


@pytest.mark.parametrize(
    ("name", "cause", "words", "lost", "hung"),
    [
        ("raises", "raised", "raised KeyError: 'solution' (rewards.py, line", 0, 0),
        ("too_many", "returned", "returned 7 values for 2 completions", 0, 0),
        ("infinite", "returned", "returned inf; a finite number or None", 0, 0),
        ("spins", "hung", "hangs: no result for 2 completions", 0, 1),
        ("exits", "exited", "ended its process (exit status 3)", 1, 0),
        ("dies", "died", "killed its process twice: the worker died (status -9)", 2, 0),
        ("segfaults", "died", "killed its process twice: the worker died (status -11)", 2, 0),
    ],
)
def test_a_failing_function_costs_its_own_part_and_nothing_else(file, name, cause, words, lost, hung):
    """The grades, the other rewards and what other functions logged are kept, and the cause is."""
    rewards = (
        RewardConfig(name=f"{file}:fine"),
        RewardConfig(name="accuracy"),
        RewardConfig(name=f"{file}:{name}"),
        RewardConfig(name="format"),
    )
    with RewardWorkers(ScoringSpec(rewards), num_workers=1, deadline_s=0.5) as workers:
        scored = workers.score([group(3)])[0]
        assert [grade.verdict for grade in scored.grades] == [Verdict.CORRECT, Verdict.WRONG]
        parts = {"fine": 0.5, "accuracy": 1.0, name: None, "format": 1.0}
        assert [reward.parts for reward in scored.rewards] == [parts, {**parts, "accuracy": 0.0}]
        assert [reward.total for reward in scored.rewards] == [None, None]
        assert f'reward function "{name}" {words}' in scored.rewards[1].reason
        assert scored.extra == {"length": (len("<think>1+1=2</think><answer>2</answer>"),) * 2}
        metrics = workers.take_metrics()
        assert metrics == {
            "grade/correct/sum": 1.0,
            "grade/wrong/sum": 1.0,
            "grade/ungradable/sum": 0.0,
            f"ungradable/{cause}/sum": 2.0,
            "worker/lost/sum": float(lost),
            "worker/hung/sum": float(hung),
            "user/seen/mean": 2.0,
        }


def test_a_function_that_raises_now_and_then_stops_nothing(file):
    with RewardWorkers(spec(file, "raises_on_p1"), num_workers=1) as workers:
        for number in range(3):
            workers.submit(group(number), step=number)
        totals = [workers.collect().rewards[0].total for _ in range(3)]
        assert totals == [1.0, None, 1.0]
        assert workers.take_metrics()["ungradable/raised/sum"] == 2.0


def test_in_process_a_function_that_raises_costs_the_same(file):
    raising = spec(file, "raises")
    with RewardWorkers(raising, num_workers=0) as here, RewardWorkers(raising, num_workers=1) as there:
        assert here.score([group(0)]) == there.score([group(0)])
        assert here.take_metrics() == there.take_metrics()


def test_everything_works_from_a_thread_that_is_not_the_main_one(file):
    found = []

    def score():
        with RewardWorkers(spec(file, "hangs"), num_workers=1, deadline_s=0.5) as workers:
            found.extend(workers.score([group(0), group(1, "bad"), group(2)]))

    thread = threading.Thread(target=score)
    thread.start()
    thread.join(60)
    assert [scored.rewards[0].total for scored in found] == [1.0, None, 1.0]


@pytest.mark.parametrize("body", ["os._exit(4)", "os.kill(os.getpid(), 9)"])
def test_a_file_that_ends_its_process_on_import_is_an_error_and_no_zero(tmp_path, body):
    path = tmp_path / "ends.py"
    path.write_text(f"import os\n{body}\ndef f(completions, **k): return []\n")
    with RewardWorkers(spec(path, "f"), num_workers=1) as workers:
        workers.submit(group(0))
        with pytest.raises(RewardError, match=r"imports .*ends.py:f does not start: it ended with status"):
            workers.collect()


def test_a_file_that_cannot_be_imported_is_reported_by_the_first_result(tmp_path):
    path = tmp_path / "late.py"
    path.write_text("import nosuchmodule\ndef f(completions, **k): return []\n")
    with RewardWorkers(spec(path, "f"), num_workers=1) as workers:
        workers.submit(group(0))
        with pytest.raises(RewardError, match="fails on import: ModuleNotFoundError"):
            workers.collect()


def test_a_worker_that_was_killed_is_replaced_and_its_group_scored_again(file):
    with RewardWorkers(spec(file, "dies_once"), num_workers=1) as workers:
        results = workers.score([group(0), group(1)])
        assert [each.rewards[0].total for each in results] == [1.0, 1.0]
        assert workers.take_metrics()["worker/lost/sum"] == 1.0


def test_no_process_is_left_behind():
    workers = RewardWorkers(spec(), num_workers=1)
    workers.score([group(0)])
    pid = workers._slots[0]._process.pid
    workers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal, time\n"
        "from ponder.rewards import REWARD_PRESETS, RewardWorkers, ScoringSpec\n"
        "workers = RewardWorkers(ScoringSpec(REWARD_PRESETS['r1']), num_workers=1)\n"  # no main guard needed
        "while workers._slots[0]._process is None: time.sleep(0.01)\n"
        "print(workers._slots[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert parent.returncode == -signal.SIGKILL
    child = int(parent.stdout)
    deadline = time.monotonic() + 30
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
