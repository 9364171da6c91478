"""`STAGES`: what kinds of stages there are. A stage reads artifacts and leaves artifacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ponder.pipeline.stage_context import StageContext, StageResult
from ponder.pipeline.stage_evaluate import run_evaluate
from ponder.pipeline.stage_pretrain import run_pretrain
from ponder.pipeline.stage_rl import run_rl


@dataclass(frozen=True, slots=True)
class StageKind:
    """One kind of stage."""

    summary: str
    """One line for listings."""
    run: Callable[[StageContext], StageResult]
    numerics_version: int
    """Part of the stage's key: raised when the same configuration gives other results than before."""


STAGES: dict[str, StageKind] = {
    "rl": StageKind("reinforcement learning with rule rewards", run_rl, 1),
    "evaluate": StageKind("scores of a model on the run's held-out problems", run_evaluate, 1),
    "pretrain": StageKind("next-token training of a new model on a corpus", run_pretrain, 1),
}
"""Every kind by name. A new one is one file, one line here, one test."""
