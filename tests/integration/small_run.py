"""A run that takes a second: a random model of two layers on bytes, learning to write letters.

Every part is the real one; only the sizes are small.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ponder.config import PretrainStage, Recipe
from ponder.models.folder import save_policy
from ponder.pipeline.recipe import build_recipe
from ponder.pipeline.run import RunOptions, run_recipe
from ponder.pipeline.stage_pretrain import make_policy, make_tokenizer
from ponder.storage.rundir import RunDirectory

REWARD = '''
def letters(completions, **columns):
    """The share of lower-case letters: something a random model earns a little of, and can learn."""
    return [sum(c.islower() and c.isascii() for c in text) / max(len(text), 1) for text in completions]
'''


def make_model(folder: Path, seed: int = 0, **sizes: Any) -> Path:
    """A random model over bytes, as a Hugging Face folder."""
    tokenizer = make_tokenizer("bytes")
    shape = {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 2,
        "num_kv_heads": 1,
        "intermediate_size": 64,
        "max_positions": 256,
    }
    stage = PretrainStage(name="base", **(shape | sizes))
    save_policy(make_policy(stage, tokenizer, seed, torch.device("cpu")), folder, tokenizer)
    return folder


def make_files(folder: Path, num_problems: int = 20) -> dict[str, str]:
    """The model, problems and reward function of the run; name -> path."""
    folder.mkdir(parents=True, exist_ok=True)
    make_model(folder / "model")
    rows = [
        {"id": f"p{number}", "question": f"{number}+1?", "answer": str(number + 1), "grader": "integer"}
        for number in range(num_problems)
    ]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "reward.py").write_text(REWARD)
    return {name: str(folder / name) for name in ("model", "problems.jsonl", "reward.py")}


def recipe_data(files: Mapping[str, str], **stage: Any) -> dict[str, Any]:
    """The recipe as plain data; keyword arguments go into its one stage."""
    return {
        "name": "small",
        "seed": 7,
        "base": files["model"],
        "template": "plain",
        "tasks": [{"file": files["problems.jsonl"], "name": "sums"}],
        "stages": [
            {
                "kind": "rl",
                "name": "rl",
                "num_iterations": 12,
                "problems_per_iteration": 4,
                "group_size": 4,
                "rewards": [{"name": f"{files['reward.py']}:letters"}],
                "sampling": {"max_new_tokens": 8},
                "algorithm": {
                    "preset": "dr_grpo",
                    "kl": {"kind": "k3", "coef": 0.01, "refresh_steps": 5},
                    "optimizer": {"lr": 0.01},
                },
                "minibatches": 2,
                "evaluate": {
                    "problems": 2,
                    "samples": 2,
                    "every": 6,
                    "every_problems": 2,
                    "every_samples": 2,
                },
                "checkpoints": {"every": 3, "keep": 2},
                **stage,
            }
        ],
        "engine": {"num_slots": 16},
        "hardware": {"device": "cpu", "threads": 1},
    }


def small_recipe(files: Mapping[str, str], **stage: Any) -> Recipe:
    return build_recipe(recipe_data(files, **stage))


def run(recipe: Recipe, out: Path, **options: Any) -> list[str]:
    """Runs or continues; what was said."""
    said: list[str] = []
    run_recipe(recipe, RunOptions(out=out, **options), say=said.append)
    return said


def hashes(out: Path) -> dict[str, str]:
    """Everything that equal runs have byte for byte: weights, metrics, rollouts, ledger, evaluations."""
    found = RunDirectory.view(out).content_hashes()
    for needed in ("policy/model.safetensors", "metrics.jsonl", "ledger.jsonl", "iteration-000011.parquet"):
        assert any(name.endswith(needed) for name in found), needed
    return found


def digest(out: Path) -> str:
    """One hash over `hashes`."""
    return hashlib.sha256(json.dumps(hashes(out), sort_keys=True).encode()).hexdigest()
