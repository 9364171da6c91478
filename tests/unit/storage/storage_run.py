"""A run of a few iterations that does everything storage is asked to do; as a program, to be killed.

python storage_run.py RUN_FOLDER NUM_ITERATIONS
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from ponder.storage.checkpoints import latest_checkpoint, retain_checkpoints, save_checkpoint
from ponder.storage.files import publish_directory
from ponder.storage.hashes import hash_path
from ponder.storage.lineage import StageInput, StageOutput, StageRecord, stage_key
from ponder.storage.records import IssuedGroup, SettledGroup, StageRecords, rows_of_group
from ponder.storage.rundir import RunDirectory, StageDirectory
from ponder.types import (
    Completion,
    Finish,
    Grade,
    Problem,
    Prompt,
    Reward,
    RolloutGroup,
    ScoredGroup,
    Verdict,
)

RECIPE = {"name": "small", "seed": 7, "stages": [{"name": "zero", "kind": "rl", "checkpoints": {"every": 2}}]}
WEIGHTS = {"accuracy": 1.0, "format": 0.5}
EVERY, MEMBERS = 2, 2


def scored_group(iteration: int, group: int) -> ScoredGroup:
    problem = Problem(
        f"p{iteration}-{group}", "arithmetic", ({"role": "user", "content": "1+1?"},), "integer", "2"
    )
    right = [(iteration + group + member) % 2 == 0 for member in range(MEMBERS)]
    completions = tuple(
        Completion(
            (5, 6, 7 + member), (True,) * 3, (-0.5, -0.25, -1.5), "二 = 2", Finish.STOP, ((iteration, 3),)
        )
        for member in range(MEMBERS)
    )
    grades = tuple(
        Grade(Verdict.CORRECT if yes else Verdict.WRONG, float(yes), "2" if yes else "3", "compared")
        for yes in right
    )
    rewards = tuple(Reward(yes * 1.0 + 0.5, {"accuracy": float(yes), "format": 1.0}) for yes in right)
    return ScoredGroup(RolloutGroup(Prompt(problem, (1, 2, 3)), completions), grades, rewards)


def run_iteration(records: StageRecords, iteration: int, weight: torch.Tensor) -> torch.Tensor:
    groups = [0, 1, 2]
    records.ledger.issue(iteration, [IssuedGroup(g, f"p{iteration}-{g}", MEMBERS, iteration) for g in groups])
    rows = []
    for group in groups:
        rows += rows_of_group(
            scored_group(iteration, group),
            iteration=iteration,
            step=iteration,
            group=group,
            prompt="1+1?",
            seeds=[iteration * 100 + group * 10 + member for member in range(MEMBERS)],
            advantages=[0.5, -0.5],
            dropped=["no variance"] * MEMBERS if group == 2 else [""] * MEMBERS,
        )
    file = records.rollouts.write(iteration, rows)
    settled = [
        SettledGroup(0, (iteration,)),
        SettledGroup(1, (iteration,)),
        SettledGroup(2, dropped="no variance"),
    ]
    records.ledger.settle(iteration, settled, file, WEIGHTS)
    weight = torch.sin(weight * 1.5 + iteration)
    records.metrics.write(iteration, {"loss/policy/mean": float(weight.mean())}, {"step_s": 0.1})
    return weight


def checkpoint(stage: StageDirectory, done: int, weight: torch.Tensor) -> None:
    def write_model(folder: Path) -> None:
        save_file({"model.weight": weight}, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text('{"model_type": "qwen2"}')

    state = {
        "optimizer": {"state": {0: {"step": torch.tensor(float(done)), "exp_avg": weight * 2}}},
        "done": done,
    }
    save_checkpoint(stage.checkpoints, done, write_model, state)
    retain_checkpoints(stage.checkpoints, keep=1, every=EVERY)


def run(path: Path, num_iterations: int) -> None:
    """The run from wherever it stands to its end."""
    with RunDirectory.open_or_create(path, RECIPE) as directory:
        stage = directory.stage(1, "zero")
        key = stage_key(RECIPE["stages"][0], {"policy": "0" * 64}, 1, {})
        record = stage.read()
        if record is not None and record.status == "done":
            return
        inputs = (StageInput("policy", "checkpoint", "0" * 64),)
        stage.write(StageRecord("zero", "rl", key, RECIPE["stages"][0], 1, inputs=inputs))
        latest = latest_checkpoint(stage.checkpoints)
        done = 0 if latest is None else latest.trainer_state()["done"]
        weight = torch.linspace(-1, 1, 3000)
        if latest is not None:
            weight = latest.trainer_state()["optimizer"]["state"][0]["exp_avg"] / 2
            retain_checkpoints(stage.checkpoints, keep=1, every=EVERY)
        records = StageRecords(stage.path, done)
        while done < num_iterations:
            weight = run_iteration(records, done, weight)
            done += 1
            if done % EVERY == 0:
                checkpoint(stage, done, weight)
        digest = publish_directory(lambda folder: void(folder, done), stage.path / "final")
        outputs = (
            StageOutput("policy", "checkpoint", "final", digest),
            StageOutput("metrics", "scores", "metrics.jsonl", hash_path(stage.path / "metrics.jsonl")),
        )
        stage.write(
            StageRecord(
                "zero",
                "rl",
                key,
                RECIPE["stages"][0],
                1,
                "done",
                inputs,
                outputs,
                {},
                {"wall_s": 1.5, "num_tokens": 9},
            )
        )


def void(folder: Path, done: int) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "summary.txt").write_text(f"{done} iterations\n")


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]))
