"""What may be asked of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ponder.errors import DataError, UserError
from ponder.models.architecture import ModelConfig
from ponder.rollout.stopping import EngineTokenizer
from ponder.types import RolloutRequest, SamplingParams

LengthLimits = Callable[[int, int], int]
"""(index of the request, member) -> cap on this member's new tokens."""


def eos_tokens(tokenizer: EngineTokenizer, config: ModelConfig) -> frozenset[int]:
    """The end-of-sequence tokens: the tokenizer's and those of the model's configuration."""
    own = () if tokenizer.eos_id is None else (tokenizer.eos_id,)
    return frozenset((*own, *config.eos_token_ids))


def check_sizes(num_slots: int, max_prompt_tokens: int) -> None:
    """Raises UserError unless both are positive."""
    for name, value in (("num_slots", num_slots), ("max_prompt_tokens", max_prompt_tokens)):
        if value < 1:
            raise UserError(f"engine.{name} is {value}; it must be at least 1")


def check_requests(
    requests: Sequence[RolloutRequest], sampling: SamplingParams, max_prompt_tokens: int
) -> None:
    """Raises DataError for a prompt that is empty or too long or has no seeds, UserError for bad sampling."""
    if sampling.max_new_tokens < 1:
        raise UserError(f"max_new_tokens is {sampling.max_new_tokens}; it must be at least 1")
    if (
        sampling.temperature < 0
        or not 0 < sampling.top_p <= 1
        or sampling.top_k < 0
        or not 0 <= sampling.min_p <= 1
    ):
        raise UserError(
            f"sampling: temperature {sampling.temperature} must be >= 0, top_p {sampling.top_p} in (0, 1], "
            f"top_k {sampling.top_k} >= 0 (0 is off), min_p {sampling.min_p} in [0, 1]"
        )
    for request in requests:
        prompt, name = request.prompt, request.prompt.problem.id
        if not prompt.token_ids:
            raise DataError(f"problem {name!r}: the prompt has no tokens, so there is nothing to continue")
        if len(prompt.token_ids) > max_prompt_tokens:
            raise DataError(
                f"problem {name!r}: the prompt has {len(prompt.token_ids)} tokens, "
                f"engine.max_prompt_tokens allows {max_prompt_tokens}; raise it, or filter the problem out"
            )
        if not request.seeds:
            raise DataError(f"problem {name!r}: the request has no seeds, so it asks for no completion")
