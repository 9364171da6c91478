"""A small part of `fuzz_graders.py`, and texts that hypothesis makes smaller when one fails."""

from __future__ import annotations

import random
from functools import cache

import pytest
from fuzz_checks import Bench, Outcome
from fuzz_graders import RIGHTS, code_outcomes, outcomes, unready
from fuzz_samples import REWARD_OPTIONS, SAMPLES, SANDBOXED, Sample, missing_samples, usable
from fuzz_texts import SHAPES, TEXTS, Fuzzed, fuzz
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.grading import GRADERS
from ponder.grading.code_runners import choose_isolation, isolation_fault
from ponder.rewards import REWARDS

# Deadlines are of processor time, and a busy machine's is slower: not among the tests of every commit.
pytestmark = pytest.mark.slow

SEED = 20260101
IN_PROCESS = sorted(set(usable(GRADERS)) & set(SAMPLES) - SANDBOXED - {"math", "reasoning_gym"})


def faults(found: list[Outcome]) -> list[str]:
    return [f"{outcome.fault}: {outcome.line()}" for outcome in found if outcome.fault]


@cache
def bench() -> Bench:
    return Bench()


def test_every_grader_has_a_sample_and_every_reward_that_has_options_exists():
    assert not missing_samples(GRADERS), "add a reference of their kind to SAMPLES in fuzz_samples.py"
    assert set(REWARD_OPTIONS) <= set(REWARDS)


def test_the_samples_are_gradable_and_their_right_answers_right():
    assert unready(sandboxed=False) is None


def test_the_same_number_of_a_seed_is_the_same_text():
    first, second = (list(fuzz(40, SEED, RIGHTS)) for _ in range(2))
    assert first == second
    assert [each.text for each in fuzz(40, SEED + 1, RIGHTS)] != [each.text for each in first]


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_fuzzed_completions_raise_nothing_and_keep_their_deadlines(shape: str):
    found = list(outcomes(fuzz(3 if shape == "megabytes" else 12, SEED, RIGHTS, [shape]), SEED))
    assert not faults(found)
    assert {outcome.where.partition(" (")[0] for outcome in found} >= {f"reward {name}" for name in REWARDS}


@pytest.mark.skipif(isolation_fault() is not None, reason="no sandbox works here")
def test_fuzzed_programs_are_nobodys_fault_but_their_own():
    choose_isolation("bubblewrap")
    assert not faults(list(code_outcomes(len(SHAPES), SEED)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=TEXTS, grader=st.sampled_from(IN_PROCESS), place=st.integers(0, 99))
def test_any_text_is_graded(text: str, grader: str, place: int):
    sample = SAMPLES[grader][place % len(SAMPLES[grader])]
    assert not bench().grade(Fuzzed(0, "hypothesis", text), grader, sample).fault


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=TEXTS)
def test_any_text_is_rewarded_and_parsed(text: str):
    fuzzed = Fuzzed(0, "hypothesis", text)
    assert not faults([*bench().reward(fuzzed, Sample("odd", "odd")), *bench().parse(fuzzed)])


def test_a_failing_grader_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """The checks themselves: what raises, is UNGRADABLE or takes too long is a fault."""
    import fuzz_checks

    from ponder.types import Grade, Verdict

    fuzzed, sample = Fuzzed(0, "x", "72"), SAMPLES["integer"][0]
    assert bench().grade(fuzzed, "integer", sample).fault == ""
    for broken in (
        lambda problem, text: Grade(Verdict.UNGRADABLE, 0.0, "", "ours"),
        lambda problem, text: Grade(Verdict.WRONG, 2.0, "", ""),
        lambda problem, text: 1 / 0,
        lambda problem, text: sum(random.random() for _ in range(40_000_000)),
    ):
        monkeypatch.setattr(fuzz_checks, "grade", broken)
        assert bench().grade(fuzzed, "integer", sample).fault
