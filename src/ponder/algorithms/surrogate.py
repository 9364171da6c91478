"""The objective of each token: ratio, clipping and what replaces them.

Dimensions: M completion tokens, B completions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ponder.config import SurrogateConfig


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What is maximised, and where clipping took the gradient away."""

    objective_M: Tensor
    clipped_low_M: Tensor
    """Ratio under 1 - clip_low where that matters: a negative advantage (cispo: any)."""
    clipped_high_M: Tensor
    """Ratio over 1 + clip_high where that matters: a positive advantage (cispo: any)."""
    capped_M: Tensor
    """Ratio over clip_max with a negative advantage."""


def log_ratio(
    logprobs_M: Tensor,
    old_logprobs_M: Tensor,
    loss_mask_M: Tensor,
    completions_M: Tensor,
    num_completions: int,
    level: Literal["token", "sequence"],
) -> Tensor:
    """Returns log(pi / pi_old) per token; zero outside the loss.

    token: of the token itself (DeepSeekMath eq. 3). sequence: the mean over the completion's tokens
    in the loss, at each of its tokens: the log of GSPO's s_i (arXiv 2507.18071 eq. 7).
    """
    log_ratio_M = (logprobs_M - old_logprobs_M).where(loss_mask_M, 0.0)
    if level == "token":
        return log_ratio_M
    if level == "sequence":
        sums_B = log_ratio_M.new_zeros(num_completions).index_add(0, completions_M, log_ratio_M)
        counts_B = sums_B.new_zeros(num_completions).index_add(0, completions_M, loss_mask_M.to(sums_B.dtype))
        return (sums_B / counts_B.clamp(min=1))[completions_M]
    raise ValueError(f'surrogate.ratio is "{level}"; allowed: token, sequence')


def surrogate(
    log_ratio_M: Tensor, logprobs_M: Tensor, advantages_M: Tensor, config: SurrogateConfig
) -> Surrogate:
    """Returns the objective of each token, to be maximised. With r the ratio and A the advantage:

    - clip: min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) (PPO; DeepSeekMath eq. 3), and for A < 0
      r is also cut at `clip_max` (INTELLECT-2; the same as dual-clip PPO, arXiv 1912.09729).
    - cispo: stop_gradient(clip(r)) A log pi (MiniMax-M1 eq. 4-5): no token loses its gradient, its
      weight is bounded. The clip acts whatever the sign of A; `clip_max` only for A < 0.
    - none: A log pi, without a ratio (REINFORCE).

    Where a bound holds the gradient is exactly zero; at the bound itself it is that of r A.
    """
    ratio_M = log_ratio_M.detach().exp()
    low, high = 1.0 - config.clip_low, 1.0 + config.clip_high
    negative_M = advantages_M < 0
    never_M = torch.zeros_like(negative_M)
    capped_M = negative_M & (ratio_M > config.clip_max) if config.clip_max is not None else never_M
    if config.kind == "none":
        return Surrogate(advantages_M * logprobs_M, never_M, never_M, never_M)
    if config.kind == "cispo":
        weight_M = ratio_M.clamp(low, high)
        if config.clip_max is not None:
            weight_M = weight_M.where(~capped_M, weight_M.clamp(max=config.clip_max))
        return Surrogate(
            weight_M * advantages_M * logprobs_M, ratio_M < low, (ratio_M > high) & ~capped_M, capped_M
        )
    if config.kind == "clip":
        clipped_low_M = negative_M & (ratio_M < low)
        clipped_high_M = (advantages_M > 0) & (ratio_M > high)
        bound_M = torch.full_like(log_ratio_M, high).masked_fill(clipped_low_M, low)
        if config.clip_max is not None:
            bound_M = bound_M.masked_fill(capped_M, config.clip_max)
        bounded_M = clipped_low_M | clipped_high_M | capped_M
        # Bounded tokens leave the exponential: an infinite ratio times a zero gradient is NaN.
        free_M = log_ratio_M.where(~bounded_M, 0.0).exp()
        objective_M = torch.where(bounded_M, bound_M, free_M) * advantages_M
        return Surrogate(objective_M, clipped_low_M, clipped_high_M, capped_M)
    raise ValueError(f'surrogate.kind is "{config.kind}"; allowed: clip, cispo, none')
