"""Stage `evaluate`: scores of a model on the run's held-out problems."""

from __future__ import annotations

import time
from pathlib import Path

from ponder.config import EvaluateStage, Recipe, StageConfig
from ponder.errors import DataError
from ponder.pipeline.bench import open_bench
from ponder.pipeline.held_out import FOLDER, HeldOut, held_out_prompts
from ponder.pipeline.machine import set_threads
from ponder.pipeline.stage_context import Say, StageContext, StageResult
from ponder.storage.hashes import hash_path
from ponder.training.limits import StoppableEngine
from ponder.types import Artifact, ArtifactKind

DEFAULT_MAX_NEW_TOKENS = 1024
"""Where the recipe says nothing."""


def check_evaluate(recipe: Recipe, stage: StageConfig, init: Path, strict: bool, say: Say) -> None:
    """Whether the held-out problems can be asked and graded. Errors as `held_out_prompts`."""
    assert isinstance(stage, EvaluateStage)
    bench = open_bench(init, recipe.template, recipe.hardware)
    held_out_prompts(recipe, stage.evaluate, bench, DEFAULT_MAX_NEW_TOKENS, say)


def run_evaluate(context: StageContext) -> StageResult:
    """The evaluation of the stage's model, as scores. Raises DataError when nothing is held out."""
    stage, recipe = context.stage, context.recipe
    assert isinstance(stage, EvaluateStage)
    start = time.monotonic()
    set_threads(recipe.hardware)
    bench = open_bench(context.init, recipe.template, recipe.hardware)
    engine = StoppableEngine(bench.engine(recipe.engine), context.limits)
    held_out = HeldOut(
        recipe, stage.evaluate, bench, engine, context.directory.path, DEFAULT_MAX_NEW_TOKENS, context.say
    )
    if held_out.at(0, full=True) is None:
        raise DataError(f"stages.{stage.name}: the recipe's tasks hold no problems out to evaluate on.")
    path = context.directory.path / FOLDER / "iteration-000000"
    scores = Artifact(ArtifactKind.SCORES, path, hash_path(path), (context.init_sha256,))
    return StageResult(True, {"scores": scores}, {"evaluate_s": time.monotonic() - start})
