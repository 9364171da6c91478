"""Advantages from a value head: PPO, the comparison arm of the paper (v2, appendix A.3).

Dimensions: M completion tokens, B completions, T tokens of the longest completion.

A completion is an episode: its tokens in the loss are the actions, and nothing follows the last one
(a completion cut at the length cap is not bootstrapped: the cap is the end of the world).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ponder.algorithms.batch import Batch
from ponder.algorithms.kl import kl_estimate
from ponder.config import AlgorithmConfig, value_at


def gae(
    rewards_M: Tensor,
    values_M: Tensor,
    completions_M: Tensor,
    loss_mask_M: Tensor,
    gamma: float = 1.0,
    gae_lambda: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Returns (advantages_M, returns_M) by generalised advantage estimation (arXiv 1506.02438).

    delta_t = r_t + gamma V_(t+1) - V_t; A_t = delta_t + gamma lambda A_(t+1); return_t = A_t + V_t,
    with t counting the tokens in the loss and V = A = 0 after the last. Tokens outside the loss are
    stepped over: advantage 0, return V. The dtype is that of the values.
    """
    index_BT = _padded_index(completions_M, loss_mask_M)
    inside_BT = index_BT >= 0
    rewards_BT = rewards_M.to(values_M.dtype)[index_BT].where(inside_BT, 0.0)
    values_BT = values_M[index_BT].where(inside_BT, 0.0)
    advantages_BT = torch.zeros_like(values_BT)
    following_B = values_BT.new_zeros(values_BT.shape[0])
    next_value_B = following_B
    for t in reversed(range(values_BT.shape[1])):
        delta_B = rewards_BT[:, t] + gamma * next_value_B - values_BT[:, t]
        # Past the last token everything is zero, so a shorter completion starts from zero.
        following_B = delta_B + gamma * gae_lambda * following_B
        next_value_B = values_BT[:, t]
        advantages_BT[:, t] = following_B
    advantages_M = torch.zeros_like(values_M)
    advantages_M[index_BT[inside_BT]] = advantages_BT[inside_BT]
    return advantages_M, advantages_M + values_M


def _padded_index(completions_M: Tensor, loss_mask_M: Tensor) -> Tensor:
    """Returns index_BT: where in M the t-th token in the loss of completion b lies; -1 after the last."""
    kept_K = loss_mask_M.nonzero().squeeze(1)
    owners_K = completions_M[kept_K]
    counts_B = torch.bincount(owners_K)
    starts_B = counts_B.cumsum(0) - counts_B
    columns_K = torch.arange(kept_K.numel(), device=kept_K.device) - starts_B[owners_K]
    longest = int(counts_B.max()) if counts_B.numel() else 0
    index_BT = kept_K.new_full((counts_B.numel(), longest), -1)
    index_BT[owners_K, columns_K] = kept_K
    return index_BT


def gae_batch(batch: Batch, values_M: Tensor, config: AlgorithmConfig, step: int = 0) -> Batch:
    """Returns the batch with advantages, returns and old values, from the rewards of its tokens.

    With the gae estimator `advantages_M` comes from `build_samples` as the rewards themselves: the
    completion's reward at its last token in the loss. When `kl.place` is "reward", coef x KL(old,
    reference) is subtracted at each token, coef in force at optimizer step `step`.
    """
    rewards_M = batch.advantages_M.to(values_M.dtype)
    if config.kl.place == "reward" and config.kl.kind != "none":
        kl_M = kl_estimate(batch.old_logprobs_M, batch.ref_logprobs_M, config.kl.kind)
        rewards_M = rewards_M - value_at(config.kl.coef, step) * kl_M
    advantages_M, returns_M = gae(
        rewards_M,
        values_M,
        batch.completions_M,
        batch.loss_mask_M,
        config.advantage.gamma,
        config.advantage.gae_lambda,
    )
    return batch.replace(advantages_M=advantages_M, returns_M=returns_M, old_values_M=values_M)


def whiten(batches: Sequence[Batch], config: AlgorithmConfig) -> list[Batch]:
    """Returns the batches with advantages of mean 0 and deviation 1 over all their tokens in the loss.

    The usual last step before PPO's update. Only with `advantage.scale` "batch"; otherwise the
    batches come back as they are. One token, or none, is left as it is.
    """
    kept = [batch.advantages_M[batch.loss_mask_M].double() for batch in batches]
    count = sum(part.numel() for part in kept)
    if config.advantage.scale != "batch" or count < 2:
        return list(batches)
    all_K = torch.cat(kept)
    mean = all_K.mean()
    deviation = all_K.std(correction=1 if config.advantage.std == "sample" else 0)
    return [
        batch.replace(
            advantages_M=((batch.advantages_M.double() - mean) / (deviation + config.advantage.eps))
            .where(batch.loss_mask_M, 0.0)
            .to(batch.advantages_M.dtype)
        )
        for batch in batches
    ]
