"""What an iteration's place in the stage decides: step numbers, temperature, length cap."""

from __future__ import annotations

from ponder.config import RLStage, value_at
from ponder.training.updates import Conditions
from ponder.types import SamplingParams


def steps_per_iteration(stage: RLStage) -> int:
    """Optimizer steps that an iteration is planned to make. Schedules go by the plan."""
    return stage.minibatches * stage.reuse


def conditions_of(stage: RLStage, iteration: int) -> Conditions:
    """The values in force during an iteration: those of its first optimizer step."""
    per_iteration = steps_per_iteration(stage)
    step = iteration * per_iteration
    return Conditions(
        iteration=iteration,
        step=step,
        num_steps=stage.num_iterations * per_iteration,
        temperature=value_at(stage.sampling.temperature, step),
        length_cap=int(value_at(stage.sampling.max_new_tokens, step)),
    )


def sampling_of(stage: RLStage, now: Conditions, stop_token_ids: tuple[int, ...]) -> SamplingParams:
    """How completions are drawn in an iteration."""
    return SamplingParams(
        max_new_tokens=now.length_cap,
        temperature=now.temperature,
        top_p=stage.sampling.top_p,
        top_k=stage.sampling.top_k,
        min_p=stage.sampling.min_p,
        stop_token_ids=stop_token_ids,
        stop_strings=stage.sampling.stop,
    )
