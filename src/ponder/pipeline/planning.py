"""What a run would do, and what it needs, before it does anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ponder.config import EvaluateStage, PretrainStage, Recipe, RLStage, StageConfig
from ponder.models.registry import resolve_model
from ponder.pipeline.recipe import dump_recipe
from ponder.storage.rundir import RunDirectory, is_run
from ponder.training.schedule import conditions_of, steps_per_iteration

BYTES_PER_SAMPLED_TOKEN = 12
"""Of the rollouts on disk, compressed: ids, log-probs, text."""
SMALL_FILES_BYTES = 1 << 20


def needed_bytes(recipe: Recipe) -> int:
    """An estimate of what the run will write: checkpoints with optimizer and reference, rollouts.

    Raises ModelError when the base is needed and missing.
    """
    total = SMALL_FILES_BYTES
    models: dict[str, int] = {}
    for stage in recipe.stages:
        if isinstance(stage, RLStage):
            model = _model_bytes(recipe) if stage.init == "base" else models[stage.init]
            tokens = stage.num_iterations * _tokens_per_iteration(stage) // 4
            # Weights, two moments, the reference; one checkpoint more exists while the oldest goes.
            total += 4 * model * (stage.checkpoints.keep + 1) + model + tokens * BYTES_PER_SAMPLED_TOKEN
            models[stage.name] = model
        elif isinstance(stage, PretrainStage):
            models[stage.name] = 4 * 12 * stage.num_layers * stage.hidden_size**2
            total += 3 * models[stage.name] * (stage.checkpoints.keep + 1)
        elif stage.init == "base":
            _model_bytes(recipe)
    return total


def describe_plan(recipe: Recipe, folder: Path) -> Iterator[str]:
    """What would run, stage by stage, then the resolved recipe."""
    states = _states(folder)
    yield f"Run {recipe.name} in {folder} ({'continues' if states is not None else 'new'}):"
    for index, stage in enumerate(recipe.stages, start=1):
        state = (states or {}).get(stage.name, "to do")
        yield f"  {index}. {stage.name}: {_sentence(stage)} [{state}]"
    yield f"  disk: about {needed_bytes(recipe) / 1e6:,.0f} MB"
    yield ""
    yield dump_recipe(recipe).rstrip()


def _states(folder: Path) -> dict[str, str] | None:
    """Stage name -> what stage.json says; None where there is no run."""
    if not is_run(folder):
        return None
    states = {}
    for directory in RunDirectory.view(folder).stages():
        record = directory.read()
        states[directory.name] = "begun" if record is None or record.status != "done" else "finished"
    return states


def _sentence(stage: StageConfig) -> str:
    if isinstance(stage, RLStage):
        completions = stage.num_iterations * stage.problems_per_iteration * stage.group_size
        return (
            f"{stage.num_iterations} iterations of {stage.problems_per_iteration} problems x "
            f"{stage.group_size} completions, {stage.num_iterations * steps_per_iteration(stage)} optimizer "
            f"steps by {stage.algorithm.preset}, at most {completions:,} completions and "
            f"{stage.num_iterations * _tokens_per_iteration(stage):,} tokens"
        )
    if isinstance(stage, PretrainStage):
        return f"{stage.num_tokens:,} tokens into a new {stage.architecture} model"
    assert isinstance(stage, EvaluateStage)
    return f"{stage.evaluate.problems} held-out problems per task x {stage.evaluate.samples} samples"


def _tokens_per_iteration(stage: RLStage) -> int:
    """The most tokens an iteration can sample, by the cap in force at the end."""
    cap = conditions_of(stage, stage.num_iterations - 1).length_cap
    return stage.problems_per_iteration * stage.group_size * cap


def _model_bytes(recipe: Recipe) -> int:
    """Bytes of the base's weights in float32, from the size of its files."""
    folder = resolve_model(recipe.base)
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
