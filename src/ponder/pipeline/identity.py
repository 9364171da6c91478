"""What a stage's results depend on, gathered: its configuration, its inputs, the user's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ponder.config import Recipe, RLStage, StageConfig
from ponder.errors import DataError
from ponder.storage.hashes import hash_file
from ponder.storage.lineage import stage_key


def stage_config(recipe: Recipe, stage: StageConfig) -> dict[str, Any]:
    """The stage's own block with what it takes from the recipe: seed, number format, template, tasks.

    Of the blocks about the machine only what decides numbers counts: the format they are in, and which
    prompts are short enough to be asked.
    """
    config: dict[str, Any] = {
        "stage": stage.model_dump(mode="json"),
        "seed": recipe.seed,
        "hardware.dtype": recipe.hardware.dtype,
    }
    if stage.kind != "pretrain":
        config["engine.max_prompt_tokens"] = recipe.engine.max_prompt_tokens
        config["template"] = recipe.template
        config["tasks"] = [task.model_dump(mode="json") for task in recipe.tasks]
    return config


def user_files(recipe: Recipe, stage: StageConfig) -> dict[str, str]:
    """Path as in the recipe -> SHA-256 of each user's file that the stage reads or calls.

    Raises DataError for one that does not exist.
    """
    names: list[str] = []
    if isinstance(stage, RLStage):
        names += [reward.name.rpartition(":")[0] for reward in stage.rewards if ".py:" in reward.name]
    if stage.kind == "pretrain":
        names += [stage.corpus] if stage.corpus != "world" else []
    else:
        names += [task.file for task in recipe.tasks if task.file]
        names += [task.name.rpartition(":")[0] for task in recipe.tasks if ".py:" in task.name]
    missing = [name for name in names if not Path(name).expanduser().is_file()]
    if missing:
        raise DataError(f"stages.{stage.name} needs the file {missing[0]!r}, which does not exist.")
    return {name: hash_file(Path(name).expanduser()) for name in sorted(set(names))}


def key_of_stage(recipe: Recipe, stage: StageConfig, inputs: dict[str, str], numerics_version: int) -> str:
    """The stage's key; equal keys, equal results."""
    return stage_key(stage_config(recipe, stage), inputs, numerics_version, user_files(recipe, stage))
