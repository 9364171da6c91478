"""The shipped base on the real engine with the real graders, kept and read back."""

import pytest

from ponder.config import EvaluationConfig, TaskConfig
from ponder.evaluation import (
    compare_evaluations,
    evaluate_policy,
    load_evaluation,
    most_telling,
    overall,
    summarise,
)
from ponder.grading import grade
from ponder.models.folder import load_policy
from ponder.models.registry import resolve_model
from ponder.models.tokenizer import load_tokenizer
from ponder.prompting import TEMPLATES, parse_completion
from ponder.rollout import LocalEngine
from ponder.storage.hashes import hash_path
from ponder.tasks.sources import load_problems
from ponder.types import Verdict

CONFIG = EvaluationConfig(samples=4, max_new_tokens=48)
TASKS = [TaskConfig(name=name, languages=("en", "zh")) for name in ("arithmetic", "parity")]


@pytest.fixture(scope="module")
def base():
    folder = resolve_model("ponder-tiny")
    tokenizer = load_tokenizer(folder)
    return LocalEngine(load_policy(folder), tokenizer, num_slots=16), tokenizer, hash_path(folder)


@pytest.fixture(scope="module")
def problems():
    return load_problems(TASKS, 0, count=3)


@pytest.fixture(scope="module")
def ask(base):
    engine, tokenizer, weights = base

    def run(problems, config=CONFIG, seed=1, **options):
        return evaluate_policy(
            engine,
            problems,
            TEMPLATES["plain"],
            config,
            encode=tokenizer.encode,
            stop_token_ids=(tokenizer.eos_id,),
            seed=seed,
            chance={"parity": 0.5},
            policy=weights,
            **options,
        )

    return run


@pytest.fixture(scope="module")
def made(ask, problems, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "evaluation"
    return ask(problems, folder=folder), folder


def test_every_verdict_is_that_of_the_kept_text(made, problems):
    evaluation, folder = made
    kept = load_evaluation(folder)
    assert kept == evaluation
    assert [asked.problem_id for asked in kept.problems] == [problem.id for problem in problems]
    for asked, problem in zip(kept.problems, problems, strict=True):
        for outcome in asked.outcomes:
            parsed = parse_completion(outcome.text, asked.prefill)
            assert grade(problem, parsed.answer).verdict is outcome.verdict
            assert parsed.well_formed is outcome.well_formed
            assert 1 <= outcome.num_tokens <= CONFIG.max_new_tokens
            assert not outcome.truncated or outcome.num_tokens == CONFIG.max_new_tokens
    verdicts = {outcome.verdict for _, outcome in kept.outcomes()}
    assert verdicts == {Verdict.CORRECT, Verdict.WRONG}  # the base solves some and not all


def test_a_problem_s_outcomes_do_not_depend_on_the_others(made, ask, problems):
    evaluation, _ = made
    assert ask(problems[4:6]).problems == evaluation.problems[4:6]


def test_the_table_and_the_transcripts_of_real_completions(made):
    evaluation, _ = made
    rows = summarise(evaluation, ks=(1, 4))
    assert [(row.task, row.language, row.num_problems) for row in rows] == [
        ("arithmetic", "en", 3),
        ("arithmetic", "zh", 3),
        ("parity", "en", 3),
        ("parity", "zh", 3),
        ("arithmetic", "all", 6),
        ("parity", "all", 6),
        ("all", "all", 12),
    ]
    row = overall(rows)
    assert row.num_ungradable == 0
    assert row.pass_at_1.value <= row.pass_at_k[4].value
    assert row.pass_at_k[1].value == pytest.approx(row.pass_at_1.value)
    assert {one.kind for one in most_telling(evaluation)} >= {"hard", "failure"}


def test_comparisons_of_real_evaluations(made, ask, problems):
    evaluation, _ = made
    same = compare_evaluations(evaluation, evaluation)[-1]
    assert (same.difference.low, same.difference.high, same.right_length_ratio) == (0, 0, 1)
    other = ask(problems[:2], seed=2)
    again = ask(problems[:2])
    assert other.problems != again.problems  # other seeds, other completions
    assert compare_evaluations(again, other)[-1].num_problems == 2
