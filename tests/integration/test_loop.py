"""The whole loop on a small real model: what it learns, measures, records and refuses to count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_run import make_files, run, small_recipe

from ponder.storage.ledger import read_ledger
from ponder.storage.records import read_metrics, read_rollouts, read_timing
from ponder.training.metrics import TRL_ALIASES

QUICK: dict[str, Any] = {
    "num_iterations": 3,
    "minibatches": 1,
    "evaluate": None,
    "checkpoints": {"every": 3, "keep": 1},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def learned(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage's folder of a run of 12 iterations."""
    out = tmp_path_factory.mktemp("learned") / "run"
    run(small_recipe(files), out)
    return out / "stages" / "01-rl"


def with_reward(files: dict[str, str], folder: Path, body: str) -> dict[str, str]:
    """The same files with another reward function `given`."""
    path = folder / "given.py"
    path.write_text(f"def given(completions, **columns):\n    {body}\n")
    return {**files, "reward": f"{path}:given"}


def test_reward_rises(learned: Path):
    rewards = [row["reward/total/mean"] for row in read_metrics(learned)]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.1


def test_every_measure_is_there_in_every_iteration(learned: Path):
    rows = read_metrics(learned)
    assert [row["iteration"] for row in rows] == list(range(12))
    for row in rows:
        for key in (
            "reward/total/mean", "reward/total/std", "reward/letters/mean", "group/zero_variance/frac",
            "completion/ungradable/frac", "completion/correct/frac", "completion/format/frac",
            "completion/truncated/frac", "problem/solved/frac", "length/all/mean", "entropy/token/mean",
            "kl/reference/mean", "clip/low/frac", "clip/high/frac", "gradient/norm/mean",
            "mismatch/logprob/max", "mismatch/logprob/abs_mean", "reflection/words/mean",
            "tokens/sampled/sum", "optimizer/lr/last",
        ):  # fmt: skip
            assert key in row, key
        for alias, key in TRL_ALIASES.items():
            assert (alias in row) == (key in row)
            if alias in row:
                assert row[alias] == row[key]
        assert row["rewards/letters/mean"] == row["reward/letters/mean"]
        # The engine and the trainer compute the same log-probs, up to rounding.
        assert row["mismatch/logprob/max"] < 1e-4
        assert not any(key.endswith("_s") or "per_s" in key for key in row)
    assert all(row["step_time"] > 0 for row in read_timing(learned))


def test_rollouts_and_ledger_account_for_every_completion(learned: Path):
    rows = read_rollouts(learned).to_pylist()
    assert len(rows) == 12 * 16
    events = read_ledger(learned)
    issued = [event for event in events if event["event"] == "issued"]
    settled = [event for event in events if event["event"] in ("trained", "dropped")]
    assert len(issued) == len(settled) == 12 * 4
    for row in rows:
        assert len(row["token_ids"]) == len(row["sampler_logprobs"])
        assert row["versions"] == [{"version": row["iteration"], "num_tokens": len(row["token_ids"])}]
        trained = not row["dropped"]
        assert trained == (row["advantage"] is not None)
        # Two minibatches an iteration; each group is trained in one of the two steps.
        assert row["step"] // 2 == row["iteration"] if trained else row["step"] == -1
    advantages = [row["advantage"] for row in rows if row["iteration"] == 5 and row["group"] == 0]
    assert sum(advantages) == pytest.approx(0, abs=1e-6)


def test_groups_without_signal_are_refilled_up_to_a_bound(files: dict[str, str], tmp_path: Path):
    """Problems with an odd number earn nothing at all: their groups are followed by others."""
    body = (
        "return [0.0 if int(i[1:]) % 2 else float(len(set(t))) for t, i in zip(completions, columns['id'])]"
    )
    given = with_reward(files, tmp_path, body)
    stage = {
        **QUICK,
        "rewards": [{"name": given["reward"]}],
        "algorithm": {"preset": "dr_grpo", "zero_variance": "refill", "max_refills": 2},
    }
    run(small_recipe(files, **stage), tmp_path / "run")
    folder = tmp_path / "run" / "stages" / "01-rl"
    rows = read_metrics(folder)
    events = read_ledger(folder)
    assert any(row["group/issued/sum"] > 4 for row in rows)
    for iteration, row in enumerate(rows):
        mine = [event for event in events if event["iteration"] == iteration]
        trained = sum(event["event"] == "trained" for event in mine)
        assert row["group/issued/sum"] <= 4 * 3
        assert row["group/dropped/sum"] == row["group/issued/sum"] - trained
        odd = {e["group"] for e in mine if e["event"] == "issued" and int(e["problem_id"][1:]) % 2}
        dropped = {e["group"] for e in mine if e["event"] == "dropped"}
        assert odd <= dropped
        assert {e["reason"] for e in mine if e["event"] == "dropped"} <= {"zero variance"}


def test_nothing_to_learn_moves_nothing(files: dict[str, str], tmp_path: Path):
    given = with_reward(files, tmp_path, "return [1.0] * len(completions)")
    stage = {**QUICK, "rewards": [{"name": given["reward"]}]}
    stage["algorithm"] = {"preset": "dr_grpo", "zero_variance": "drop", "optimizer": {"lr": 0.01}}
    said = run(small_recipe(files, **stage), tmp_path / "run")
    assert any("nothing could be learned" in line for line in said)
    folder = tmp_path / "run" / "stages" / "01-rl"
    assert [row["update/steps/count"] for row in read_metrics(folder)] == [0.0] * 3
    before = Path(files["model"]) / "model.safetensors"
    assert (folder / "policy" / "model.safetensors").read_bytes() == before.read_bytes()


def test_a_reward_that_could_not_be_had_is_counted_and_left_out(files: dict[str, str], tmp_path: Path):
    body = "return [None if n == 0 else float(len(set(t))) for n, t in enumerate(completions)]"
    given = with_reward(files, tmp_path, body)
    run(small_recipe(files, **QUICK, rewards=[{"name": given["reward"]}]), tmp_path / "run")
    folder = tmp_path / "run" / "stages" / "01-rl"
    for row in read_metrics(folder):
        assert row["completion/ungradable/frac"] == 0.25
        assert row["completion/trained/sum"] == 12
    for row in read_rollouts(folder).to_pylist():
        assert (row["reward"] is None) == (row["member"] == 0)
        assert (row["dropped"] == "no reward could be had") == (row["member"] == 0)


def test_what_a_reward_logs_stands_in_the_records(files: dict[str, str], tmp_path: Path):
    body = (
        "columns['log_metric']('longest', max(len(t) for t in completions))\n"
        "    columns['log_extra']('length', [len(t) for t in completions])\n"
        "    columns['log_extra']('half', [t[:2] for t in completions])\n"
        "    return [float(len(set(t))) for t in completions]"
    )
    given = with_reward(files, tmp_path, body)
    run(small_recipe(files, **QUICK, rewards=[{"name": given["reward"]}]), tmp_path / "run")
    folder = tmp_path / "run" / "stages" / "01-rl"
    for row in read_rollouts(folder).to_pylist():
        extra = {column: json.loads(value) for column, value in row["extra"]}
        assert extra == {"length": len(row["completion"]), "half": row["completion"][:2]}
    assert all(row["user/longest/mean"] > 0 for row in read_metrics(folder))


@pytest.mark.parametrize(
    "preset",
    ["r1", "ppo", pytest.param("rloo", marks=pytest.mark.slow), pytest.param("dapo", marks=pytest.mark.slow)],
)
def test_other_algorithms_run_and_resume_alike(preset: str, files: dict[str, str], tmp_path: Path):
    stage = {**QUICK, "minibatches": 2, "checkpoints": {"every": 1, "keep": 1}}
    stage["algorithm"] = {"preset": preset, "overlong_band": 2, "optimizer": {"lr": 0.01}}
    recipe = small_recipe(files, **stage)
    run(recipe, tmp_path / "straight")
    for _ in range(4):
        run(recipe, tmp_path / "stopped", max_steps=1)
    weights = [
        (tmp_path / name / "stages" / "01-rl" / "policy" / "model.safetensors").read_bytes()
        for name in ("straight", "stopped")
    ]
    assert weights[0] == weights[1]


def test_adapters_train_and_resume_and_the_checkpoint_is_whole(files: dict[str, str], tmp_path: Path):
    pytest.importorskip("peft")
    stage = {**QUICK, "lora": {"r": 2, "alpha": 4.0}, "checkpoints": {"every": 1, "keep": 1}}
    recipe = small_recipe(files, **stage)
    run(recipe, tmp_path / "straight")
    for _ in range(4):
        run(recipe, tmp_path / "stopped", max_steps=1)
    folders = [tmp_path / name / "stages" / "01-rl" / "policy" for name in ("straight", "stopped")]
    weights = [(folder / "model.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1]
    assert weights[0] != (Path(files["model"]) / "model.safetensors").read_bytes()


def test_checkpoints_open_in_transformers(learned: Path):
    transformers = pytest.importorskip("transformers")
    import torch

    model = transformers.AutoModelForCausalLM.from_pretrained(learned / "policy")
    tokenizer = transformers.AutoTokenizer.from_pretrained(learned / "policy")
    ids = tokenizer("User: 1+1?\nAssistant:", return_tensors="pt").input_ids
    written = model.generate(ids, max_new_tokens=4, do_sample=False)
    assert written.shape[1] <= ids.shape[1] + 4
    assert torch.isfinite(model(ids).logits).all()
    assert model.generation_config.temperature == 0.6
    assert model.generation_config.top_p == 0.95
