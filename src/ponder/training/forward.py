"""One pass of the policy over a batch: log-probabilities of what was sampled, as it was sampled.

Legend: N tokens of the row, M completion tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ponder.algorithms.batch import Batch
from ponder.algorithms.logprobs import token_logprobs
from ponder.models.policy import Policy


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass over a batch gives."""

    logprobs_M: Tensor
    """Of the tempered distribution, float32."""
    entropy_M: Tensor
    """In nats, without gradient."""
    hidden_MD: Tensor
    """States that predict the completion tokens: what a value head reads."""


def run_policy(policy: Policy, batch: Batch, temperature: float) -> Pass:
    """The pass of `batch`, with gradient where torch records one.

    Logits exist only for completion tokens, a chunk at a time.
    """
    hidden_ND = policy.hidden(batch.token_ids_N, batch.positions_N, batch.packing)
    hidden_MD = hidden_ND[batch.predictors_M]
    head = policy.head_weight
    logprobs_M, entropy_M = token_logprobs(
        hidden_MD, policy.logits if head is None else head, batch.targets_M, temperature
    )
    return Pass(logprobs_M, entropy_M, hidden_MD)
