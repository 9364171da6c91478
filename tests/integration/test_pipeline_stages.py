"""Stages one after the other: a new model is trained, improved and scored; nothing is done twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_run import make_files, recipe_data, run

from ponder.errors import RecipeError, UserError
from ponder.evaluation import load_evaluation
from ponder.pipeline.recipe import build_recipe
from ponder.storage.records import read_metrics
from ponder.storage.rundir import RunDirectory
from ponder.storage.verify import verify_run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    corpus = folder / "corpus.txt"
    corpus.write_text("\n\n".join(f"User: {n}+1?\nAssistant: {n + 1}" for n in range(60)))
    return {**make_files(folder), "corpus.txt": str(corpus)}


def three_stages(files: dict[str, str]) -> dict[str, Any]:
    data = recipe_data(files, num_iterations=2, evaluate=None, init="base-model")
    pretrain = {
        "kind": "pretrain", "name": "base-model", "tokenizer": "bytes", "corpus": files["corpus.txt"],
        "hidden_size": 32, "num_layers": 2, "num_heads": 2, "num_kv_heads": 1, "intermediate_size": 64,
        "max_positions": 256, "num_tokens": 6000, "tokens_per_step": 300, "optimizer": {"lr": 0.02},
        "checkpoints": {"every": 5, "keep": 1},
    }  # fmt: skip
    score = {
        "kind": "evaluate", "name": "score", "init": "rl",
        "evaluate": {"problems": 2, "samples": 2, "max_new_tokens": 8},
    }  # fmt: skip
    data["stages"] = [pretrain, *data["stages"], score]
    data["base"] = "not-needed"
    return data


def test_stages_hand_on_their_models_and_are_not_repeated(files: dict[str, str], tmp_path: Path):
    recipe, out = build_recipe(three_stages(files)), tmp_path / "run"
    said = run(recipe, out, until="base-model")
    assert "--until base-model" in said[-1]
    first, *others = RunDirectory.view(out).stages()
    assert others == []
    losses = [row["loss/token/mean"] for row in read_metrics(first.path)]
    assert losses[-1] < 4.5  # the mean over all steps; a random model over 302 tokens begins at 5.7
    said = run(recipe, out)
    assert any("base-model is finished" in line for line in said)
    pretrained, rl, score = (stage.read() for stage in RunDirectory.view(out).stages())
    assert pretrained is not None
    assert rl is not None
    assert score is not None
    assert [record.status for record in (pretrained, rl, score)] == ["done"] * 3
    # Each stage's input is the output of the one before it, by content.
    assert rl.inputs[0].sha256 == pretrained.outputs[0].sha256
    assert score.inputs[0].sha256 == rl.outputs[0].sha256
    assert 0 < rl.cost["tokens_sampled"] <= 2 * 16 * 8
    evaluation = load_evaluation(out / "stages" / "03-score" / score.outputs[0].path)
    assert len(evaluation.problems) == 2
    assert verify_run(out).clean
    before = RunDirectory.view(out).content_hashes()
    assert sum("is finished and kept" in line for line in run(recipe, out)) == 3
    assert RunDirectory.view(out).content_hashes() == before


def test_pretraining_goes_on_bit_for_bit(files: dict[str, str], tmp_path: Path):
    data = three_stages(files)
    # 23 steps: the last line of metrics holds three, the one before it twenty.
    data["stages"] = [{**data["stages"][0], "num_tokens": 6900}]
    recipe = build_recipe(data)
    run(recipe, tmp_path / "straight")
    assert len(read_metrics(tmp_path / "straight" / "stages" / "01-base-model")) == 2
    for _ in range(4):
        run(recipe, tmp_path / "stopped", max_steps=7)
    weights = [
        (tmp_path / name / "stages" / "01-base-model" / "policy" / "model.safetensors").read_bytes()
        for name in ("straight", "stopped")
    ]
    assert weights[0] == weights[1]


def test_a_reward_file_changed_after_its_stage_is_noticed(files: dict[str, str], tmp_path: Path):
    reward = tmp_path / "reward.py"
    reward.write_text(Path(files["reward.py"]).read_text())
    data = recipe_data({**files, "reward.py": str(reward)}, num_iterations=2, evaluate=None)
    recipe = build_recipe(data)
    run(recipe, tmp_path / "run")
    reward.write_text(reward.read_text() + "\n# another opinion\n")
    with pytest.raises(RecipeError, match=r"other inputs; changed: .*reward\.py"):
        run(recipe, tmp_path / "run")


def test_a_changed_base_is_noticed(files: dict[str, str], tmp_path: Path):
    import shutil

    model = tmp_path / "model"
    shutil.copytree(files["model"], model)
    recipe = build_recipe(recipe_data({**files, "model": str(model)}, num_iterations=2, evaluate=None))
    run(recipe, tmp_path / "run", max_steps=2)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(RecipeError, match="changed: policy"):
        run(recipe, tmp_path / "run")


def test_another_number_format_is_another_run(files: dict[str, str], tmp_path: Path):
    data = recipe_data(files, num_iterations=2, evaluate=None)
    run(build_recipe(data), tmp_path / "run", max_steps=1)
    with pytest.raises(RecipeError, match=r"changed: hardware\.dtype"):
        run(build_recipe(data, ["hardware.dtype=bfloat16"]), tmp_path / "run")


def test_an_error_before_anything_was_computed_leaves_no_folder_and_one_after_it_does(
    files: dict[str, str], tmp_path: Path
):
    def recipe(body: str, name: str) -> Any:
        reward = tmp_path / name
        reward.write_text(f"calls = []\ndef reward(completions, **columns):\n    {body}\n")
        data = recipe_data({**files, "reward.py": str(reward)}, num_iterations=2)
        data["stages"][0]["rewards"] = [{"name": f"{reward}:reward"}]
        return build_recipe(data)

    # The probe before the base is evaluated asks for eight groups.
    body = "calls.append(1); return [float(len(set(t))) if len(calls) <= 8 else 1 / 0 for t in completions]"
    with pytest.raises(UserError):
        run(recipe(body, "raises.py"), tmp_path / "late")
    kept = list((tmp_path / "late" / "stages").glob("*/evaluations/*"))
    assert kept, "the evaluation of the base was computed before the reward raised"
    with pytest.raises(UserError):
        run(recipe("return [", "broken.py"), tmp_path / "early")
    assert not (tmp_path / "early").exists()


def test_an_evaluation_of_other_weights_is_made_again(files: dict[str, str], tmp_path: Path):
    """Iteration 2 is reached twice with different rewards; the scores are those of the second time."""
    reward = tmp_path / "reward.py"
    text = Path(files["reward.py"]).read_text()
    reward.write_text(text)
    evaluate = {"problems": 2, "samples": 2, "every": 2, "every_problems": 2, "every_samples": 2}
    options = {"num_iterations": 4, "evaluate": evaluate, "checkpoints": {"every": 1, "keep": 4}}
    recipe = build_recipe(recipe_data({**files, "reward.py": str(reward)}, **options))
    run(recipe, tmp_path / "run", max_steps=6)
    stage = tmp_path / "run" / "stages" / "01-rl"
    first = load_evaluation(stage / "evaluations" / "iteration-000002-part")
    shutil.rmtree(stage / "checkpoints")
    reward.write_text(text.replace("islower", "isupper"))
    run(recipe, tmp_path / "run")
    second = load_evaluation(stage / "evaluations" / "iteration-000002-part")
    assert first.settings.policy != second.settings.policy
    base = load_evaluation(stage / "evaluations" / "iteration-000000-part")
    assert base.settings.policy not in (first.settings.policy, second.settings.policy)


def test_which_prompts_are_asked_is_part_of_a_run(files: dict[str, str], tmp_path: Path):
    data = recipe_data(files, num_iterations=2, evaluate=None)
    run(build_recipe(data), tmp_path / "run", max_steps=1)
    with pytest.raises(RecipeError, match=r"changed: engine\.max_prompt_tokens"):
        run(build_recipe(data, ["engine.max_prompt_tokens=30"]), tmp_path / "run")


def test_a_held_out_prompt_that_is_too_long_is_left_out_and_said(files: dict[str, str], tmp_path: Path):
    rows = [
        {"id": f"r{n}", "question": "1+1?" + " please" * (n == 3) * 8, "answer": "2", "grader": "integer"}
        for n in range(8)
    ]
    for row in rows[:4]:
        row["split"] = "test"
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = recipe_data({**files, "problems.jsonl": str(file)}, num_iterations=1)
    data["engine"]["max_prompt_tokens"] = 40
    said = run(build_recipe(data, ["stages.rl.evaluate.problems=4"]), tmp_path / "run")
    assert any(
        "1 of 4 held-out prompts are longer than engine.max_prompt_tokens = 40" in line for line in said
    )
    stage = tmp_path / "run" / "stages" / "01-rl"
    evaluation = load_evaluation(stage / "evaluations" / "iteration-000000")
    assert sorted(problem.problem_id for problem in evaluation.problems) == ["r0", "r1", "r2"]
