"""Recipes: overrides, presets, and errors that name the key, the value and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ponder.algorithms.presets import ALGORITHMS
from ponder.config import PretrainStage, RLStage
from ponder.errors import RecipeError
from ponder.pipeline.recipe import build_recipe, dump_recipe, load_recipe, parse_yaml, shipped_recipes


def data(**stage: Any) -> dict[str, Any]:
    return {
        "name": "r",
        "tasks": [{"name": "parity"}, {"name": "arithmetic"}],
        "stages": [{"kind": "rl", "name": "zero", "num_iterations": 3, **stage}],
    }


def stage_of(overrides: list[str], **stage: Any) -> RLStage:
    first = build_recipe(data(**stage), overrides).stages[0]
    assert isinstance(first, RLStage)
    return first


def test_numbers_and_words_are_read_as_yaml_1_2():
    assert parse_yaml("{a: 1e-6, b: 2E+3, c: 1_000, d: no, e: on, f: true, g: .5}", "t") == {
        "a": 1e-6,
        "b": 2000.0,
        "c": 1000,
        "d": "no",
        "e": "on",
        "f": True,
        "g": 0.5,
    }


def test_overrides_go_by_name_or_index_and_are_yaml():
    stage = stage_of(
        [
            "stages.zero.num_iterations=20",
            "stages.0.algorithm.kl.coef=[{step: 0, value: 0.1}, {step: 5, value: 0}]",
            "stages.zero.data.mixture={parity: 2, arithmetic: 1}",
            "stages.zero.evaluate=null",
        ]
    )
    assert stage.num_iterations == 20
    assert [(entry.step, entry.value) for entry in stage.algorithm.kl.coef] == [(0, 0.1), (5, 0.0)]
    assert stage.data.mixture == {"parity": 2.0, "arithmetic": 1.0}
    assert stage.evaluate is None


def test_tasks_and_base_can_be_replaced_whole():
    recipe = build_recipe(data(), ["tasks=[{name: knights, languages: [zh]}]", "base=models/mine", "seed=5"])
    assert [task.name for task in recipe.tasks] == ["knights"]
    assert recipe.tasks[0].languages == ("zh",)
    assert (recipe.base, recipe.seed) == ("models/mine", 5)


def test_preset_fills_in_what_the_recipe_does_not_say():
    stage = stage_of(
        [], algorithm={"preset": "dapo", "overlong_band": 200, "kl": {"coef": 0.5}, "optimizer": {"lr": 0.1}}
    )
    preset = ALGORITHMS["dapo"]
    assert stage.algorithm.surrogate == preset.surrogate
    assert stage.algorithm.aggregate == preset.aggregate
    assert stage.algorithm.kl.coef == 0.5
    assert stage.algorithm.kl.kind == preset.kl.kind
    assert stage.algorithm.optimizer.lr == 0.1
    assert stage.algorithm.optimizer.betas == preset.optimizer.betas


def test_an_override_may_choose_the_preset():
    assert stage_of(["stages.zero.algorithm.preset=gspo"]).algorithm == ALGORITHMS["gspo"]
    assert stage_of([]).algorithm == ALGORITHMS["r1"]


def test_dumped_recipe_loads_as_the_same(tmp_path: Path):
    recipe = build_recipe(
        data(algorithm={"preset": "cispo", "overlong_band": 64}), ["stages.zero.algorithm.optimizer.lr=1e-5"]
    )
    (tmp_path / "r.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "r.yaml") == recipe


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("stages.zero.num_iteration=4", ("stages.zero.num_iteration", "4", '"num_iterations"')),
        ("stages.zero.algorithm.kl.coeff=1", ("stages.zero.algorithm.kl.coeff", '"coef"')),
        ("stages.zero.algorithm.preset=grop", ("grop", '"grpo"')),
        ("stages.zro.group_size=4", ("zro", '"zero"')),
        ("tasks.parity.languges=[en]", ("tasks.parity.languges", '"languages"')),
        ("sed=4", ("unknown key sed", '"seed"')),
        ("stages.zero.group_size=none", ("stages.zero.group_size", "none")),
        ("stages.zero.algorithm.aggregate=tokens", ("aggregate", "'completion', 'token' or 'constant'")),
        ("stages.zero.sampling.temperature=[{step: 1, value: 1}]", ("sampling.temperature", "step 0")),
        ("stages.zero.sampling.temperature=0", ("sampling.temperature", "not positive")),
        ("stages.zero.rewards=[{name: acuracy}]", ("stages.zero", "acuracy", '"accuracy"')),
        ("stages.zero.rewards=[]", ("rewards", "empty")),
        ("stages.zero.init=first", ("stages.zero.init", "first", "base")),
        ("template=r1_zeros", ("r1_zeros", '"r1_zero"')),
        ("tasks=[{name: aritmetic}]", ("aritmetic", '"arithmetic"')),
        ("tasks=[]", ("tasks is empty",)),
        ("seed", ("key=value",)),
        ("stages.zero.num_iterations.x=1", ("stages.zero.num_iterations", "no keys")),
        ("stages.zero.name=a b", ("a b", "letters")),
        (
            "stages.zero.algorithm={preset: ppo, advantage: {scale: group}}",
            ("stages.zero", "algorithm.advantage.scale"),
        ),
    ],
)
def test_errors_name_key_value_and_what_is_allowed(override: str, words: tuple[str, ...]):
    with pytest.raises(RecipeError) as caught:
        build_recipe(data(), [override])
    for word in words:
        assert word in str(caught.value)


def test_two_stages_of_one_name_are_refused():
    both = data()
    both["stages"] *= 2
    with pytest.raises(RecipeError, match="two stages"):
        build_recipe(both)


def test_unreadable_files_are_named(tmp_path: Path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [1,\nb: 2")
    with pytest.raises(RecipeError, match=r"(?s)bad.yaml.*line 2"):
        load_recipe(bad)
    bad.write_text("- 1")
    with pytest.raises(RecipeError, match="list"):
        load_recipe(bad)
    with pytest.raises(RecipeError, match="neither a file nor"):
        load_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_loads_by_name(name: str):
    assert load_recipe(name).stages
    assert yaml.safe_load(shipped_recipes()[name].read_text())["name"]


# --- values that mean nothing together are refused before anything runs ---------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"algorithm": {"preset": "dapo"}}, "overlong_band is 4096"),
        ({"algorithm": {"advantage": {"estimator": "process"}}}, "process"),
        ({"algorithm": {"old_logprobs": "sampler", "mismatch_cap": 2.0}}, "mismatch_cap"),
        ({"data": {"pass_rate": [0.9, 0.1]}}, "pass_rate"),
        ({"lora": {"dropout": 5}}, "lora.dropout"),
        ({"rewards": "r2"}, "no preset of rewards"),
    ],
)
def test_contradictions_are_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(named)):
        build_recipe(data(**{"sampling": {"max_new_tokens": 100}, **change}))


def test_a_misspelt_option_of_a_task_and_an_unknown_engine_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"unknown option 'digtis'\..*digits"):
        build_recipe({**data(), "tasks": [{"name": "parity", "options": {"digtis": 3}}]})
    with pytest.raises(RecipeError, match=r"engine\.kind is 'locl'.*local"):
        build_recipe({**data(), "engine": {"kind": "locl"}})


def test_rewards_may_be_a_preset_by_name() -> None:
    recipe = build_recipe(data(rewards="notes_0.7_0.3"))
    assert [(each.name, each.weight) for each in recipe.stages[0].rewards] == [
        ("accuracy", 0.7),
        ("format", 0.3),
    ]


def test_a_partial_block_of_a_pretrain_stage_keeps_the_other_defaults_of_the_stage() -> None:
    stage = {"kind": "pretrain", "name": "base", "optimizer": {"lr": 5e-3}, "checkpoints": {"keep": 7}}
    (built,) = build_recipe({"name": "x", "stages": [stage]}).stages
    plain = PretrainStage(name="base")
    assert built.optimizer == plain.optimizer.model_copy(update={"lr": 5e-3})
    assert built.checkpoints == plain.checkpoints.model_copy(update={"keep": 7})


def test_muon_is_refused_for_adapters():
    sets = ["stages.0.algorithm.optimizer.kind=muon", "stages.0.lora={r: 4}"]
    sets = [text.replace("stages.0", f"stages.{data()['stages'][0]['name']}") for text in sets]
    with pytest.raises(RecipeError, match=r'optimizer\.kind is "muon".*adamw'):
        build_recipe(data(), sets)
    build_recipe(data(), sets[:1])
