"""Reward functions from a user's file: TRL's conventions, and every way to get it wrong."""

import random
import re
from pathlib import Path

import pytest

from ponder.config import RewardConfig
from ponder.errors import RecipeError, RewardError
from ponder.plugins import load_plugin
from ponder.rewards import Scorer, ScoringSpec, load_reward
from ponder.rewards.scoring import make_job
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup

FUNCTIONS = '''
import random
from neighbour import BONUS

seen = {}

def correctness(prompts, completions, answer, **kwargs):
    """As in TRL's documentation: conversational."""
    contents = [completion[0]["content"] for completion in completions]
    assert [prompt[-1]["content"] for prompt in prompts] == ["1+1?"] * len(contents)
    return [2.0 if a in content else 0.0 for content, a in zip(contents, answer)]

def plain(completions, solution, difficulty, **kwargs):
    return [float(s in c) * d for c, s, d in zip(completions, solution, difficulty)]

def columns(prompts, completions, **kwargs):
    seen.update(kwargs, prompts=prompts, completions=completions)
    return [0.0] * len(completions)

def by_name(completions):
    return [float(len(c)) for c in completions]

async def awaited(completions, **kwargs):
    return [1] * len(completions)

def some_none(completions, **kwargs):
    return [None if "skip" in c else True for c in completions]

def logging(completions, log_metric, log_extra, **kwargs):
    log_metric("seen", len(completions))
    log_extra("text", completions)
    return [BONUS] * len(completions)

def coin(completions, **kwargs):
    return [random.random() for _ in completions]

class Callable:
    def __call__(self, completions, **kwargs):
        return [3.0] * len(completions)

instance = Callable()
number = 7

def raises(completions, **kwargs):
    return [1 / 0 for c in completions]

def exits(completions, **kwargs):
    raise SystemExit("bye")

def too_few(completions, **kwargs):
    return [1.0]

def not_a_list(completions, **kwargs):
    return 1.0

def text(completions, **kwargs):
    return "ab"

def nan(completions, **kwargs):
    return [0.0, float("nan")]

def word(completions, **kwargs):
    return [0.0, "high"]

def needs_more(completions, missing_column):
    return [0.0] * len(completions)

def turns(completions, **kwargs):
    return [len(completion[0]["content"]) for completion in completions]

class Nameless(Exception):
    def __str__(self):
        raise RuntimeError("no")

def nameless(completions, **kwargs):
    raise Nameless

def garbled(completions, **kwargs):
    raise ValueError("half \\ud83d of\\n\\ttwo lines")

def bad_column(completions, log_extra, **kwargs):
    log_extra("x", [1])

def generated(completions, **kwargs):
    yield from range(len(completions))

def fractions(completions, **kwargs):
    from fractions import Fraction
    return [Fraction(1, 2)] * len(completions)

def limited(completions, limit=0, **kwargs):
    return [float(limit)] * len(completions)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "their rewards.py"
    path.write_text(FUNCTIONS)
    (tmp_path / "neighbour.py").write_text("BONUS = 0.25\n")
    return path


def group(*texts: str, meta=None, prefill: str = "") -> RolloutGroup:
    problem = Problem("p7", "t", ({"role": "user", "content": "1+1?"},), "integer", "2", meta=meta or {})
    members = tuple(
        Completion((5, 6), (True, True), (0.0, 0.0), text, Finish.STOP, ((0, 2),)) for text in texts
    )
    return RolloutGroup(Prompt(problem, (1,), prefill), members)


def scores(
    path: Path, name: str, rollouts: RolloutGroup, *, conversational=False, step=0, options=None, weight=1.0
):
    config = RewardConfig(name=f"{path}:{name}", options=options or {}, weight=weight)
    scorer = Scorer(ScoringSpec((config,), conversational=conversational, num_steps=40))
    return scorer.score(make_job(rollouts, step, with_ids=True))


def totals(path: Path, name: str, rollouts: RolloutGroup, **settings):
    return [reward.total for reward in scores(path, name, rollouts, **settings).rewards]


def test_conversational_convention(file):
    assert totals(file, "correctness", group("it is 2", "3"), conversational=True) == [2.0, 0.0]


def test_strings_and_the_problems_own_columns(file):
    assert totals(file, "plain", group("2", "3", meta={"difficulty": 0.5}), weight=2.0) == [1.0, 0.0]
    own = group("full text", meta={"difficulty": 1, "solution": "full text"})
    assert totals(file, "plain", own) == [1.0]  # a data set's own column wins over the reference


def test_every_column_trl_has(file):
    totals(file, "columns", group("</think>a", "b", meta={"level": 3}, prefill="<think>"), step=12)
    seen = load_reward(f"{file}:columns").__globals__["seen"]
    assert seen["completions"] == ["<think></think>a", "<think>b"]  # a prefilled tag counts as written
    assert seen["prompts"] == ["1+1?", "1+1?"]
    assert seen["level"] == [3, 3]
    assert seen["solution"] == seen["answer"] == ["2", "2"]
    assert seen["completion_ids"] == [[5, 6], [5, 6]]
    assert (seen["trainer_state"].global_step, seen["trainer_state"].max_steps) == (12, 40)


def test_without_kwargs_only_the_named_columns_are_handed_over(file):
    assert totals(file, "by_name", group("abc", "")) == [3.0, 0.0]


def test_async_instances_booleans_and_neighbours(file):
    assert totals(file, "awaited", group("a", "b")) == [1.0, 1.0]
    assert totals(file, "instance", group("a")) == [3.0]
    assert totals(file, "logging", group("a", "b")) == [0.25, 0.25]


def test_none_does_not_apply_and_is_left_out(file):
    assert totals(file, "some_none", group("a", "skip")) == [1.0, None]
    both = (RewardConfig(name=f"{file}:some_none"), RewardConfig(name="format"))
    scores = Scorer(ScoringSpec(both)).score(
        make_job(group("<think>skip</think><answer>2</answer>"), 0, with_ids=True)
    )
    assert scores.rewards[0].total == 1.0
    assert scores.rewards[0].parts == {"some_none": None, "format": 1.0}


def test_options_are_keyword_arguments_and_win_over_columns(file):
    assert totals(file, "plain", group("2"), options={"difficulty": [4.0]}) == [4.0]
    assert totals(file, "limited", group("2", meta={"limit": 3}), options={"limit": 7}) == [7.0]
    with pytest.raises(RecipeError, match=r'"limti"\. Did you mean|no option "limti"'):
        totals(file, "by_name", group("2"), options={"limti": 7})


def test_random_rewards_depend_on_the_group_alone_and_leave_our_generator_alone(file):
    state = random.getstate()
    first = totals(file, "coin", group("a", "b"))
    random.seed(99)
    again = totals(file, "coin", group("a", "b"))
    assert first == again
    assert first[0] != first[1]
    assert totals(file, "coin", group("a", "c")) != first
    assert totals(file, "coin", group("a", "b"), step=1) != first
    random.setstate(state)
    expected = random.random()
    random.setstate(state)
    totals(file, "coin", group("a"))
    assert random.random() == expected


@pytest.mark.parametrize(
    ("name", "cause", "message"),
    [
        (
            "raises",
            "raised",
            r'"raises" raised ZeroDivisionError: division by zero \(.*s\.py, line 45\)',
        ),
        ("exits", "raised", "SystemExit: bye"),
        ("too_few", "returned", r"1 values for 2 completions: \[1.0\]. It must return one number"),
        ("not_a_list", "returned", "returned 1.0; a list of 2 numbers"),
        ("text", "returned", "returned 'ab'; a list of 2 numbers"),
        ("needs_more", "raised", "missing_column"),
        ("turns", "raised", "string ind.*`convention: trl_messages`"),
        ("nameless", "raised", r"Nameless: \(its message raises RuntimeError\) \(.*s\.py, line"),
        ("garbled", "raised", r'"garbled" raised ValueError: half \? of two lines'),
        ("bad_column", "raised", r'log_extra\("x"\) got 1 values for 2 completions'),
    ],
)
def test_a_bad_function_has_no_values_and_the_reason_names_it_and_the_fix(file, name, cause, message):
    found = scores(file, name, group("a", "b"))
    assert [reward.total for reward in found.rewards] == [None, None]
    assert found.causes == (cause, cause)
    assert re.search(message, found.rewards[1].reason)


@pytest.mark.parametrize(("name", "shown"), [("nan", "nan"), ("word", "'high'")])
def test_one_value_that_is_no_number_costs_one_completion(file, name, shown):
    found = scores(file, name, group("a", "b"))
    assert [reward.total for reward in found.rewards] == [0.0, None]
    assert found.causes == ("", "returned")
    assert f"returned {shown}; a finite number or None is wanted" in found.rewards[1].reason


def test_values_come_from_any_iterable_and_any_kind_of_number(file):
    assert totals(file, "generated", group("a", "b")) == [0.0, 1.0]
    assert totals(file, "fractions", group("a", "b")) == [0.5, 0.5]


def test_a_file_that_fails_on_import_says_where(tmp_path):
    path = tmp_path / "broken_rewards.py"
    path.write_text("def f(completions, **k):\n    return []\nimport nosuchmodule\n")
    with pytest.raises(RewardError, match=r"fails on import: ModuleNotFoundError.*line 3"):
        load_reward(f"{path}:f")


@pytest.mark.parametrize(
    ("source", "spec", "message"),
    [
        ("def reward(completions): ...", "reword", 'does not define "reword". Did you mean "reward"'),
        ("def reward(:", "reward", "not valid Python"),
        ("", "reward", "It defines nothing"),
    ],
)
def test_files_are_checked_without_being_run(tmp_path, source, spec, message):
    path = tmp_path / "rewards.py"
    path.write_text(source)
    with pytest.raises(RecipeError, match=message):
        load_reward(f"{path}:{spec}")


def test_something_that_is_no_function(file):
    with pytest.raises(RewardError, match="number is int, not a function"):
        load_reward(f"{file}:number")


def test_the_calculator_of_the_examples_by_hand():
    calculator = load_plugin(f"{Path(__file__).parents[3]}/examples/rewards/calculator.py:calculator")
    texts = {
        "48/2 = <<48/2=24>>24 and <<48+24=72>>72": 1.0,
        "<<48/2=24>>24, <<48+24=71>>71": 0.5,
        "<<1/3=0.33>>": 1.0,
        "<<1/0=0>>": 0.0,
        "<<1=1>>": 0.0,
        "<<__import__('os')=1>>": 0.0,
        "<<9**9=387420489>>": 0.0,
        "no sums": 0.0,
        "<<2+2=four>>": 0.0,
    }
    assert calculator(None, list(texts)) == list(texts.values())
