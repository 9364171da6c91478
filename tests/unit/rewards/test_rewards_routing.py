"""Rewards that apply to some problems only: by task, grader and language."""

import pytest

from ponder.config import RewardConfig
from ponder.errors import RecipeError
from ponder.pipeline.recipe import build_recipe
from ponder.rewards import Scorer, ScoringSpec
from ponder.rewards.routing import Route, applicable, check_routes
from ponder.rewards.scoring import make_job
from ponder.types import Completion, Finish, Problem, Prompt, RolloutGroup


def problem(task: str, grader: str, language: str = "en") -> Problem:
    return Problem("p", task, ({"role": "user", "content": "?"},), grader, "1", language)


def test_a_reward_applies_where_all_that_it_names_fits():
    rewards = (
        RewardConfig(name="accuracy"),
        RewardConfig(name="boxed", tasks=("gsm8k", "math")),
        RewardConfig(name="code_format", graders=("code", "code_partial")),
        RewardConfig(name="language", languages=("zh",), tasks=("gsm8k",)),
    )
    assert applicable(rewards, problem("gsm8k", "math")) == (True, True, False, False)
    assert applicable(rewards, problem("gsm8k", "math", "zh")) == (True, True, False, True)
    assert applicable(rewards, problem("knights", "knights", "zh")) == (True, False, False, False)
    assert applicable(rewards, problem("mbpp", "code_partial")) == (True, False, True, False)


def test_a_problem_without_any_reward_is_an_error_that_names_it():
    with pytest.raises(
        RecipeError, match='problem "p" \\(task "knights", grader "knights", language "en"\\)'
    ):
        applicable((RewardConfig(name="boxed", tasks=("gsm8k",)),), problem("knights", "knights"))


def test_unknown_tasks_graders_and_languages_are_refused():
    routes = [
        Route("parity", "integer", "en"),
        Route("parity", "integer", "zh"),
        Route("chains", "integer", "en"),
    ]
    check_routes((RewardConfig(name="accuracy", tasks=("parity", "chains")),), routes)
    for keys, message in (
        ({"tasks": ("party",)}, 'tasks of "format" holds "party".*Did you mean "parity"'),
        ({"graders": ("integr",)}, 'graders of "format" holds "integr".*Did you mean "integer"'),
        ({"languages": ("fr",)}, 'languages of "format" holds "fr".*Allowed: en, zh'),
    ):
        with pytest.raises(RecipeError, match=message):
            check_routes((RewardConfig(name="accuracy"), RewardConfig(name="format", **keys)), routes)


def test_problems_that_no_reward_can_apply_to_are_refused_and_unknown_ones_are_not():
    only_zh = (RewardConfig(name="language", languages=("zh",)),)
    with pytest.raises(RecipeError, match=r'none applies to the problems with task "parity".*language "en"'):
        check_routes(only_zh, [Route("parity", "integer", "zh"), Route("parity", "integer", "en")])
    check_routes(only_zh, [Route("rows", None, None)])  # a file whose rows say their language
    check_routes((RewardConfig(name="accuracy", tasks=("mine",)),), [Route(None, None, None)])


def recipe(**reward: object) -> dict[str, object]:
    return {
        "name": "x",
        "tasks": [{"name": "parity", "languages": ["en", "zh"]}, {"name": "gsm8k", "file": "gsm8k.jsonl"}],
        "stages": [{"name": "zero", "num_iterations": 1, "rewards": [{"name": "accuracy"}, reward]}],
    }


def test_a_recipe_routes_rewards_by_names_that_it_has():
    built = build_recipe(recipe(name="boxed", tasks=["gsm8k"], graders=["math"], languages=["zh"]))
    reward = built.stages[0].rewards[1]
    assert (reward.tasks, reward.graders, reward.languages) == (("gsm8k",), ("math",), ("zh",))
    with pytest.raises(RecipeError, match=r'stages\.zero: rewards: tasks of "boxed" holds "gsm8".*"gsm8k"'):
        build_recipe(recipe(name="boxed", tasks=["gsm8"]))
    with pytest.raises(RecipeError, match=r'unknown key stages\.zero\.rewards\.1\.task .*"tasks"'):
        build_recipe(recipe(name="boxed", task="gsm8k"))


def test_a_recipe_in_which_a_task_has_no_reward_is_refused():
    data = recipe(name="boxed", tasks=["gsm8k"])
    data["stages"][0]["rewards"][0]["languages"] = ["en"]  # type: ignore[index]
    with pytest.raises(RecipeError, match=r'none applies to the problems with task "parity".*language "zh"'):
        build_recipe(data)


def test_a_reward_that_does_not_apply_is_left_out_of_the_sum():
    rewards = (
        RewardConfig(name="accuracy"),
        RewardConfig(name="boxed", weight=0.5, tasks=("gsm8k",)),
        RewardConfig(name="tags", weight=0.25, languages=("en",)),
    )
    member = Completion((1,), (True,), (0.0,), "<think>a</think><answer>1</answer>", Finish.STOP, ((0, 1),))
    scorer = Scorer(ScoringSpec(rewards))

    def score(asked: Problem) -> dict[str, float | None]:
        (reward,) = scorer.score(
            make_job(RolloutGroup(Prompt(asked, (1,)), (member,)), 0, with_ids=False)
        ).rewards
        return {**reward.parts, "total": reward.total}

    assert score(problem("gsm8k", "math")) == {"accuracy": 1, "boxed": 0, "tags": 1, "total": 1.25}
    assert score(problem("gsm8k", "math", "zh")) == {"accuracy": 1, "boxed": 0, "tags": None, "total": 1}
    assert score(problem("sums", "math", "zh")) == {"accuracy": 1, "boxed": None, "tags": None, "total": 1}
