"""Fuzzed and hostile completions: nothing raises, nothing hangs, nothing is blamed on us."""

import json
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponder.config import RewardConfig
from ponder.grading import GRADERS, grade
from ponder.prompting import THINK_TAGS, Tags, parse_completion
from ponder.rewards import REWARDS, Scorer, ScoringSpec
from ponder.rewards.scoring import make_job
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup, Verdict

REFERENCES = {
    "integer": "72",
    "exact": "odd",
    "choice": "C",
    "countdown": json.dumps({"numbers": [3, 5, 8], "target": 16}),
    "knights": "A=1 B=0 C=1",
    "math": "72",
}

FUZZED_ELSEWHERE = {"code", "code_partial", "facts", "ifeval", "ifeval_loose", "judged", "reasoning_gym"}
"""By `test_hostile_fuzz.py` and `fuzz_graders.py`, with samples of their own."""

PIECES = [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "<reasoning>",
    "<|end|>",
    "<|im_end|>",
    "</",
    "<",
    ">",
    "72",
    "7",
    "-",
    "+",
    "/",
    "*",
    "(",
    ")",
    "{",
    "}",
    "\\boxed{",
    "\\frac{",
    "\\frac",
    "\\text{",
    "\\left(",
    "\\begin{pmatrix}",
    "^",
    "_",
    "=",
    "$",
    "$$",
    "\\(",
    "\\)",
    "%",
    "####",
    "answer is",
    "答案是",
    "or",
    "and",
    "not",
    " ",
    "\n",
    "\t",
    ",",
    ".",
    "。",
    "，",
    "骑士",
    "A",
    "B=0",
    "is a",
    "knight",
    "x",
    "９",
    "²",
    "٣",
    "\u200b",
    "\u202e",
    "\ud7ff",
    "\U0001f600",
    "\x00",
    "1e400",
    "1e9",
    "9" * 50,
    "0" * 50,
    "million",
    "half",
    "\\",
    "'",
    '"',
    "`",
    "```",
    "<<",
    ">>",
    "nan",
    "inf",
    "∞",
    "√",
    "π",
    "e",
    "i",
    "j",
    "|",
    "[",
    "]",
    "&",
    "#",
    "~",
    "!",
    ":",
    "：",
    "=1 ",
    "C",
    "(C)",
]


def problem(grader: str) -> Problem:
    return Problem("p", "t", ({"role": "user", "content": "How much?"},), grader, REFERENCES[grader])


def test_the_table_of_references_covers_every_grader():
    assert set(REFERENCES) | FUZZED_ELSEWHERE == set(GRADERS)


@pytest.fixture
def no_symbolic(monkeypatch):
    """Sympy is tested elsewhere; here it answers at once, so that thousands of texts take seconds."""
    from ponder.grading.math_worker import Comparison

    monkeypatch.setattr(
        "ponder.grading.math.compare_symbolically", lambda r, a: Comparison("different", "stubbed")
    )


def test_two_thousand_fuzzed_completions_raise_nothing_and_are_nobodys_fault_but_their_own(no_symbolic):
    rng = random.Random(20250917)
    scorer = Scorer(ScoringSpec(tuple(RewardConfig(name=name) for name in REWARDS)))
    rewarded = 0
    for number in range(2_000):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randrange(60)))
        if number % 3 == 0:
            text = f"<think>{text[: len(text) // 2]}</think><answer>{text[len(text) // 2 :]}</answer>"
        asked = problem(rng.choice(sorted(REFERENCES)))
        member = Completion((1,), (True,), (0.0,), text, Finish.STOP, ((0, 1),))
        scores = scorer.score(make_job(RolloutGroup(Prompt(asked, (1,)), (member,)), 0, with_ids=False))
        assert scores.grades[0].verdict is not Verdict.UNGRADABLE, (text, scores.grades[0].reason)
        assert scores.rewards[0].total is not None
        rewarded += scores.grades[0].verdict is Verdict.CORRECT
    assert rewarded < 40  # noise is not rewarded


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200), grader=st.sampled_from(sorted(REFERENCES)))
def test_any_text_is_graded(no_symbolic, text, grader):
    found = grade(problem(grader), text)
    assert found.verdict is not Verdict.UNGRADABLE, found.reason


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(st.sampled_from([*PIECES[:9], "a", " ", "\n"]), max_size=20).map("".join),
    prefill=st.sampled_from(["", "<think>", "<think>\n"]),
)
def test_any_arrangement_of_tags_is_parsed_and_well_formed_means_what_it_says(text, prefill):
    parsed = parse_completion(text, prefill)
    if parsed.well_formed:
        full = prefill + text
        assert [full.count(tag) for tag in ("<think>", "</think>", "<answer>", "</answer>")] == [1, 1, 1, 1]
        rebuilt = f"<think>{parsed.reasoning}</think><answer>{parsed.answer}</answer>"
        assert "".join(rebuilt.split()) == "".join(full.split())


BOMBS = {
    "a megabyte of digits": "9" * 1_000_000,
    "49,000 digits": "9" * 49_000,
    "powers": "9**9**9",
    "latex powers": "9^{9^{9^{9}}}",
    "factorial tower": "9!!!!!!!!!!",
    "open parentheses": "(" * 40_000,
    "open braces": "\\boxed{" * 6_000,
    "nested braces": "\\boxed{" + "{" * 20_000 + "}" * 20_000 + "}",
    "nested fractions": "\\frac{" * 5_000 + "1" + "}{2}" * 5_000,
    "minus signs": "-" * 40_000 + "7",
    "commas": "1," * 20_000,
    "separators": ", ;. " * 800 + "x",
    "thousands": "1" + ",000" * 12_000,
    "spaces": " " * 40_000 + "x",
    "hashes": "####" * 10_000,
    "markers": "answer is " * 4_000,
    "calculators": "<<" * 20_000,
    "dollars": "$" * 40_000,
    "backslashes": "\\" * 40_000,
    "exponent": "1e999999999",
    "scientific": "1 \\times 10^{999}",
    "long division": "1/" * 20_000,
    "unclosed code": "`" * 40_000,
    "letters": "A=1 " * 900,
    "words": "is a " * 800,
    "zeros": "0" * 49_000 + "1",
    "surrogate-like": "\ufffe" * 1_000,
    "open formulas": "\\(" * 100_000,
    "open displays": "\\[" * 100_000,
    "open environments": "\\begin{align}" * 30_000,
    "spaces in a box": "\\boxed{7" + " " * 40_000 + "x}",
    "open texts": "\\text{" * 7_000,
    "answer and spaces": "answer" + " " * 40_000 + "x",
    "tags": "<a" * 20_000,
    "right to left": "\u202e" * 1_000 + "27",
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs_are_wrong_and_cheap_for_every_grader(name, no_symbolic):
    start = time.process_time()
    for grader in REFERENCES:
        found = grade(problem(grader), BOMBS[name])
        assert found.verdict is Verdict.WRONG, (grader, found.reason)
    assert time.process_time() - start < 3.0


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs_in_completions_are_cheap_for_every_reward(name, no_symbolic):
    scorer = Scorer(ScoringSpec(tuple(RewardConfig(name=reward) for reward in REWARDS)))
    text = f"<think>{BOMBS[name]}</think><answer>{BOMBS[name]}"
    member = Completion((1,), (True,), (0.0,), text, Finish.LENGTH, ((0, 1),))
    start = time.process_time()
    scores = scorer.score(make_job(RolloutGroup(Prompt(problem("math"), (1,)), (member,)), 0, with_ids=False))
    assert time.process_time() - start < 6.0
    assert scores.grades[0].verdict is Verdict.WRONG


def test_the_real_symbolic_worker_survives_what_reaches_it(monkeypatch):
    from ponder.grading.math_worker import SymbolicWorker

    worker = SymbolicWorker(cpu_s=0.5)
    monkeypatch.setattr("ponder.grading.math_worker.shared_worker", lambda: worker)
    try:
        for text in ["9**9**9", "9^{9^{9^{9}}}", "\\sqrt{" * 30, "__import__('os').getpid()"]:
            assert grade(problem("math"), text).verdict is Verdict.WRONG, text
        assert worker.compare("x+1", "1+x").outcome == "equal"
    finally:
        worker.close()


@pytest.mark.parametrize("tags", [THINK_TAGS, Tags("reasoning", "answer"), Tags("think", None)])
def test_template_tokens_inside_an_answer_earn_nothing(tags):
    for inside in [
        "<|end|>72",
        "72<|im_end|>",
        "User: 72. Assistant:",
        "<answer>72",
        "72</think>",
        "{prompt}72",
    ]:
        text = f"<{tags.reasoning}>a</{tags.reasoning}><answer>{inside}</answer>"
        answer = parse_completion(text, tags=tags).answer
        for grader in ("integer", "exact"):
            if answer not in ("72", "odd"):
                assert grade(problem(grader), answer).verdict is Verdict.WRONG
