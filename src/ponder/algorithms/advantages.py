"""How much better than its group a completion was.

Dimensions: P problems, G members of a group, T tokens of one completion.

A reward of NaN is one that could not be had (our own failure, an aborted member, the padding of a
smaller group): it is left out of every statistic and its advantage is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ponder.config import AdvantageConfig

Scale = Literal["group", "batch", "none"]
Std = Literal["population", "sample"]


def has_signal(rewards_PG: Tensor) -> Tensor:
    """Returns signal_P: whether a group has two gradable members with different rewards.

    A group without signal has advantages of exactly zero under every estimator that compares its
    members, a group of one (G = 1) among them.
    """
    if rewards_PG.shape[1] == 0:
        return torch.zeros(rewards_PG.shape[0], dtype=torch.bool, device=rewards_PG.device)
    valid_PG = ~rewards_PG.isnan()
    high_P = rewards_PG.where(valid_PG, -torch.inf).amax(-1)
    low_P = rewards_PG.where(valid_PG, torch.inf).amin(-1)
    return (valid_PG.sum(-1) >= 2) & (high_P > low_P)


def outcome_advantages(rewards_PG: Tensor, config: AdvantageConfig) -> Tensor:
    """Returns advantages_PG of one reward per completion, by `config.estimator`.

    Raises ValueError for the estimators that need more than that (gae, process).
    """
    if config.estimator == "group":
        return group_advantages(rewards_PG, config.scale, config.std, config.eps)
    if config.estimator == "leave_one_out":
        return leave_one_out_advantages(rewards_PG, config.scale, config.std, config.eps)
    raise ValueError(
        f'advantage.estimator is "{config.estimator}"; from one reward per completion: group, leave_one_out'
    )


def group_advantages(
    rewards_PG: Tensor, scale: Scale = "group", std: Std = "population", eps: float = 1e-6
) -> Tensor:
    """Returns (r - mean of the group) / (standard deviation + eps).

    `scale` says whose standard deviation: the group's (DeepSeekMath 4.1.2), the whole batch's
    rewards' (arXiv 2508.08221) or none at all (Dr. GRPO). R1 and DeepSeekMath do not say whether it
    is the population's or the sample's, nor give an eps. The result has the dtype of the rewards.
    """
    valid_PG = ~rewards_PG.isnan()
    filled_PG = rewards_PG.where(valid_PG, 0.0).double()
    count_P = valid_PG.sum(-1, keepdim=True).clamp(min=1)
    centred_PG = (filled_PG - filled_PG.sum(-1, keepdim=True) / count_P).where(valid_PG, 0.0)
    return _scaled(centred_PG, rewards_PG, scale, std, eps)


def leave_one_out_advantages(
    rewards_PG: Tensor, scale: Scale = "none", std: Std = "population", eps: float = 1e-6
) -> Tensor:
    """Returns r_i - mean of the other members (RLOO, arXiv 2402.14740): n / (n - 1) (r_i - mean)."""
    valid_PG = ~rewards_PG.isnan()
    filled_PG = rewards_PG.where(valid_PG, 0.0).double()
    others_P = (valid_PG.sum(-1, keepdim=True) - 1).clamp(min=1)
    baseline_PG = (filled_PG.sum(-1, keepdim=True) - filled_PG) / others_P
    centred_PG = (filled_PG - baseline_PG).where(valid_PG, 0.0)
    return _scaled(centred_PG, rewards_PG, scale, std, eps)


def _scaled(centred_PG: Tensor, rewards_PG: Tensor, scale: Scale, std: Std, eps: float) -> Tensor:
    """Divides by the chosen deviation; groups without signal become exact zeros."""
    if scale == "group":
        centred_PG = centred_PG / (_deviation(rewards_PG, std)[:, None] + eps)
    elif scale == "batch":
        centred_PG = centred_PG / (_deviation(rewards_PG.reshape(1, -1), std) + eps)
    elif scale != "none":
        raise ValueError(f'advantage.scale is "{scale}"; allowed: group, batch, none')
    # Rounding in the mean must not give equal rewards a direction, nor 0 / 0 a NaN.
    return centred_PG.where(has_signal(rewards_PG)[:, None], 0.0).to(rewards_PG.dtype)


def _deviation(rewards_PG: Tensor, std: Std) -> Tensor:
    """Standard deviation of the valid rewards of each row, float64; 0 where it is not defined."""
    if std not in ("population", "sample"):
        raise ValueError(f'advantage.std is "{std}"; allowed: population, sample')
    valid_PG = ~rewards_PG.isnan()
    filled_PG = rewards_PG.where(valid_PG, 0.0).double()
    count_P = valid_PG.sum(-1)
    mean_P = filled_PG.sum(-1) / count_P.clamp(min=1)
    squares_P = (filled_PG - mean_P[:, None]).square().where(valid_PG, 0.0).sum(-1)
    divisor_P = count_P if std == "population" else count_P - 1
    return (squares_P / divisor_P.clamp(min=1)).sqrt()


def process_advantages(
    step_rewards: Sequence[Sequence[float]],
    step_ends: Sequence[Sequence[int]],
    lengths: Sequence[int],
    scale: Literal["group", "none"] = "group",
    std: Std = "population",
    eps: float = 1e-6,
) -> list[Tensor]:
    """Returns one float64 tensor of advantages per member of one group, from rewards of its steps.

    DeepSeekMath 4.1.3: the rewards of all steps of all members are normalised together, and a
    token's advantage is the sum of the normalised rewards of the steps that end at or after it.
    `step_ends[i][j]` is the index of the last token of step j of completion i; tokens after the last
    step get 0. A NaN reward is left out; without two different rewards all advantages are 0.

    Raises ValueError when the lists do not match or an end lies outside its completion.
    """
    if not len(step_rewards) == len(step_ends) == len(lengths):
        raise ValueError(
            f"{len(step_rewards)} reward lists, {len(step_ends)} end lists, {len(lengths)} lengths"
        )
    for member, (rewards, ends, length) in enumerate(zip(step_rewards, step_ends, lengths, strict=True)):
        if len(rewards) != len(ends) or any(not 0 <= end < length for end in ends):
            raise ValueError(
                f"member {member}: {len(rewards)} step rewards, ends {list(ends)}, {length} tokens; "
                "each step has one reward and ends inside the completion"
            )
    flat_1S = torch.tensor([[r for rewards in step_rewards for r in rewards]], dtype=torch.float64)
    if flat_1S.numel():
        flat_1S = group_advantages(flat_1S, scale, std, eps)
    normalised = torch.split(flat_1S[0], [len(rewards) for rewards in step_rewards])
    advantages = []
    for rewards_S, ends, length in zip(normalised, step_ends, lengths, strict=True):
        at_end_T = torch.zeros(length, dtype=torch.float64)
        at_end_T.index_add_(0, torch.tensor(ends, dtype=torch.int64), rewards_S)
        advantages.append(at_end_T.flip(0).cumsum(0).flip(0))
    return advantages
