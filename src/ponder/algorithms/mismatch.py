"""Sampler and trainer compute the same log-probabilities: how far apart they are.

Dimensions: M completion tokens, B completions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Sums over tokens (0-d float64 tensors, no synchronisation with a device); adds over batches."""

    num_tokens: Tensor
    sum_abs: Tensor
    sum_difference: Tensor
    sum_k3: Tensor
    max_abs: Tensor

    def __add__(self, other: Mismatch) -> Mismatch:
        return Mismatch(
            self.num_tokens + other.num_tokens,
            self.sum_abs + other.sum_abs,
            self.sum_difference + other.sum_difference,
            self.sum_k3 + other.sum_k3,
            torch.maximum(self.max_abs, other.max_abs),
        )

    def to_metrics(self) -> dict[str, float]:
        """Metric keys to numbers, in nats; empty when no token was measured."""
        tokens = self.num_tokens.item()
        if tokens == 0:
            return {}
        return {
            "mismatch/logprob/max": self.max_abs.item(),
            "mismatch/logprob/abs_mean": self.sum_abs.item() / tokens,
            "mismatch/logprob/mean": self.sum_difference.item() / tokens,
            "mismatch/kl/mean": self.sum_k3.item() / tokens,
        }


def mismatch(
    trainer_logprobs_M: Tensor, sampler_logprobs_M: Tensor, sampled_M: Tensor | None = None
) -> Mismatch:
    """Returns the mismatch of tokens that were sampled (all, when `sampled_M` is None).

    Meant for the trainer's log-probs under the weights that sampled. `sampled_M` leaves out forced
    tokens only: pass no loss mask, overlong or importance filter here, they would hide what is
    measured. The KL is the k3 estimate of KL(sampler || trainer): tokens come from the sampler.
    """
    difference_M = (trainer_logprobs_M.detach() - sampler_logprobs_M).double()
    if sampled_M is not None:
        difference_M = difference_M[sampled_M]
    abs_M = difference_M.abs()
    zero = difference_M.new_zeros(1)
    return Mismatch(
        difference_M.new_tensor(difference_M.numel()),
        abs_M.sum(),
        difference_M.sum(),
        (torch.expm1(difference_M) - difference_M).sum(),
        torch.cat([abs_M, zero]).amax(),
    )


def importance_weights(
    trainer_logprobs_M: Tensor,
    sampler_logprobs_M: Tensor,
    cap: float,
    level: Literal["token", "sequence"] = "token",
    completions_M: Tensor | None = None,
    loss_mask_M: Tensor | None = None,
) -> Tensor:
    """Returns min(pi_trainer / pi_sampler, cap) per token, without gradient.

    Truncated importance sampling: sampled by one implementation, differentiated by another. token:
    the token's own ratio. sequence: the product over the completion's tokens in the loss, at each of
    its tokens; it needs `completions_M` (and `loss_mask_M`, without which all tokens count).
    """
    difference_M = trainer_logprobs_M.detach() - sampler_logprobs_M
    if loss_mask_M is not None:
        difference_M = difference_M.where(loss_mask_M, 0.0)
    if level == "sequence":
        if completions_M is None:
            raise ValueError("importance weights per sequence need completions_M")
        count = int(completions_M.max()) + 1 if completions_M.numel() else 0
        sums_B = difference_M.new_zeros(count).index_add(0, completions_M, difference_M)
        difference_M = sums_B[completions_M]
    elif level != "token":
        raise ValueError(f'level is "{level}"; allowed: token, sequence')
    return difference_M.exp().clamp(max=cap)
