"""The worker process of the math grader: limits, replacement, threads."""

import os
import signal
import threading

import pytest

from ponder.grading.math_worker import SymbolicWorker, compare_symbolically, shared_worker


@pytest.fixture(scope="module")
def worker():
    symbolic = SymbolicWorker(cpu_s=1.0, wall_s=60)
    yield symbolic
    symbolic.close()


def test_it_compares(worker):
    assert worker.compare("x+1", "1+x").outcome == "equal"
    assert worker.compare("x+1", "x+2").outcome == "different"
    assert worker.compare("x+1", "!!!").outcome == "malformed"
    assert worker.compare("!!!", "x").outcome == "bad_reference"


def test_a_bomb_is_killed_by_its_processor_time_and_the_next_comparison_works(worker):
    worker.compare("1", "x+2")
    before = worker.pid
    found = worker.compare("7", "9^{9^{9^{9}}}+x^{9^{9}}-(x+1)^{99999}")
    assert found.outcome in ("malformed", "different")
    assert worker.compare("x+1", "1+x").outcome == "equal"
    assert before is not None


def test_processor_limit_is_reported_as_the_answers_fault():
    symbolic = SymbolicWorker(cpu_s=0.05, wall_s=30)
    try:
        found = symbolic.compare("x", "\\sum_{k=1}^{100000} \\frac{1}{k^2+x}")
        assert (found.outcome, found.reason) == ("malformed", "stopped after 0.05 s of processor time")
        assert symbolic.pid is None
    finally:
        symbolic.close()


def test_a_worker_that_stops_answering_is_replaced_and_the_question_asked_again():
    symbolic = SymbolicWorker(cpu_s=5, wall_s=2)
    try:
        symbolic.compare("x", "x")
        first = symbolic.pid
        os.kill(first, signal.SIGSTOP)
        assert symbolic.compare("x+1", "1+x").outcome == "equal"
        assert symbolic.pid != first
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)  # killed and reaped, not left behind
    finally:
        symbolic.close()


def test_a_worker_lost_twice_is_our_failure_not_the_answers(monkeypatch):
    attempts = []

    def lost(self):
        attempts.append(1)
        raise ConnectionError("gone")

    monkeypatch.setattr(SymbolicWorker, "_started", lost)
    found = SymbolicWorker().compare("x+1", "1+x")
    assert (found.outcome, len(attempts)) == ("failed", 2)


def test_it_works_from_threads_other_than_the_main_one(worker):
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(worker.compare(f"x+{n}", f"{n}+x").outcome))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["equal"] * 4


def test_failures_are_not_remembered(monkeypatch):
    from ponder.grading.math_worker import Comparison

    outcomes = iter([Comparison("failed", "lost"), Comparison("equal", "now")])
    monkeypatch.setattr(
        "ponder.grading.math_worker.SymbolicWorker.compare", lambda self, r, a: next(outcomes)
    )
    assert compare_symbolically("unique reference", "unique answer").outcome == "failed"
    assert compare_symbolically("unique reference", "unique answer").outcome == "equal"
    assert compare_symbolically("unique reference", "unique answer").outcome == "equal"  # remembered now


def test_there_is_one_shared_worker():
    assert shared_worker() is shared_worker()
