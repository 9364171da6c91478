"""`STAGES`: what kinds of stages there are. A stage reads artifacts and leaves artifacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ponder.config import Recipe, StageConfig
from ponder.pipeline.stage_context import Say, StageContext, StageResult
from ponder.pipeline.stage_evaluate import check_evaluate, run_evaluate
from ponder.pipeline.stage_pretrain import run_pretrain
from ponder.pipeline.stage_rl import check_rl, run_rl


@dataclass(frozen=True, slots=True)
class StageKind:
    """One kind of stage."""

    summary: str
    """One line for listings."""
    run: Callable[[StageContext], StageResult]
    numerics_version: int
    """Part of the stage's key: raised when the same configuration gives other results than before."""
    check: Callable[[Recipe, StageConfig, Path, bool, Say], None] | None = None
    """(recipe, stage, model to begin with, strict, say): what can be found out without sampling."""


STAGES: dict[str, StageKind] = {
    "rl": StageKind("reinforcement learning with rule rewards", run_rl, 3, check_rl),
    "evaluate": StageKind(
        "scores of a model on the run's held-out problems", run_evaluate, 1, check_evaluate
    ),
    "pretrain": StageKind("next-token training of a new model on a corpus", run_pretrain, 1),
}
"""Every kind by name. A new one is one file, one line here, one test."""
