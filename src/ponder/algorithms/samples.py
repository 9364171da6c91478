"""From scored groups to training samples: rewards become advantages, members without one leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ponder.algorithms.advantages import has_signal, outcome_advantages, process_advantages
from ponder.algorithms.shaping import soft_overlong_penalty
from ponder.config import AlgorithmConfig
from ponder.errors import RecipeError
from ponder.types import Completion, Finish, ScoredGroup, TrainingSample

StepRewards = Sequence[tuple[int, float]]
"""Rewards of one completion's steps: (index of the step's last token, reward)."""


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The samples of some groups, and what was left out of them on the way."""

    samples: tuple[TrainingSample, ...]
    signal_P: tuple[bool, ...]
    """Per group: whether its members' rewards differ before any penalty; what dynamic refill replaces
    when they do not, as DAPO does by accuracy alone."""
    num_ungradable: int
    """Completions without a reward (our own failure): in no statistic, not among the samples."""
    num_aborted: int
    num_filtered: int
    """Completions cut at the cap whose loss mask was emptied (`truncated: mask`)."""
    num_dropped: int
    """Completions of groups without signal that were dropped (`zero_variance: drop | refill`)."""


def reward_matrix(groups: Sequence[ScoredGroup]) -> Tensor:
    """Returns rewards_PG, float64, NaN where there is none: ungradable, aborted, or a smaller group."""
    width = max((len(group.rewards) for group in groups), default=0)
    rewards_PG = torch.full((len(groups), width), torch.nan, dtype=torch.float64)
    for row, group in enumerate(groups):
        members = zip(group.group.completions, group.rewards, strict=True)
        for column, (completion, reward) in enumerate(members):
            if reward.total is not None and completion.finish is not Finish.ABORT:
                rewards_PG[row, column] = reward.total
    return rewards_PG


def build_samples(
    groups: Sequence[ScoredGroup],
    config: AlgorithmConfig,
    length_cap: int,
    *,
    penalties: Sequence[Sequence[float]] | None = None,
    step_rewards: Sequence[Sequence[StepRewards]] | None = None,
    first_group: int = 0,
) -> SampleSet:
    """Returns the samples of `groups`, in order of issue, numbered from `first_group`.

    - Members without a reward and aborted ones are in no statistic and not among the samples.
    - `penalties` (one number per member) are subtracted from the rewards first: coef x KL of a
      completion when KL is part of the reward of an estimator without a value head.
    - Completions cut at `length_cap` tokens are kept, lose their loss mask, or are penalised, as
      `config.truncated` says; their rewards stay in the statistics of the group.
    - Groups without signal are kept or left out, as `config.zero_variance` says. With the gae
      estimator they stay: its baseline is not the group.
    - With the gae estimator `advantages_T` holds rewards, for `gae_batch` to turn into advantages.

    Raises RecipeError when the process estimator has no `step_rewards`, or the soft penalty's band
    does not fit under the cap.
    """
    rewards_PG = _shaped_rewards(groups, config, length_cap, penalties)
    signal_P: list[bool] = has_signal(reward_matrix(groups)).tolist() if groups else []
    if config.advantage.estimator == "process":
        advantages, signal_P = _process(groups, rewards_PG, config, step_rewards)
    elif config.advantage.estimator == "gae":
        advantages = [
            [_at_last_token(c, r) for c, r in zip(group.group.completions, row, strict=False)]
            for group, row in zip(groups, rewards_PG.tolist(), strict=True)
        ]
    else:
        advantages = [
            [(a,) * len(c.token_ids) for c, a in zip(group.group.completions, row, strict=False)]
            for group, row in zip(
                groups, outcome_advantages(rewards_PG, config.advantage).tolist(), strict=True
            )
        ]
    keep_all = config.zero_variance == "keep" or config.advantage.estimator == "gae"
    samples: list[TrainingSample] = []
    ungradable = aborted = filtered = dropped = 0
    for index, scored in enumerate(groups):
        for member, completion in enumerate(scored.group.completions):
            if completion.finish is Finish.ABORT:
                aborted += 1
            elif scored.rewards[member].total is None:
                ungradable += 1
            elif not (signal_P[index] or keep_all):
                dropped += 1
            else:
                sample = TrainingSample(
                    prompt_ids=scored.group.prompt.token_ids,
                    token_ids=completion.token_ids,
                    loss_mask=completion.loss_mask,
                    sampler_logprobs=completion.sampler_logprobs,
                    advantages_T=advantages[index][member],
                    group=first_group + index,
                )
                if config.truncated == "mask" and completion.finish is Finish.LENGTH:
                    filtered += 1
                    sample = replace(sample, loss_mask=(False,) * len(sample.loss_mask))
                samples.append(sample)
    return SampleSet(tuple(samples), tuple(signal_P), ungradable, aborted, filtered, dropped)


def has_loss(sample: TrainingSample) -> bool:
    """Whether any token of the sample is in the loss; one without may skip the backward pass.

    Measure sampler-trainer mismatch before leaving such samples out.
    """
    return any(sample.loss_mask)


def _shaped_rewards(
    groups: Sequence[ScoredGroup],
    config: AlgorithmConfig,
    length_cap: int,
    penalties: Sequence[Sequence[float]] | None,
) -> Tensor:
    """The reward matrix less penalties, with the soft overlong penalty where it is asked for."""
    rewards_PG = reward_matrix(groups)
    if config.truncated == "penalise" and rewards_PG.numel():
        lengths_PG = torch.zeros(rewards_PG.shape, dtype=torch.int64)
        for row, group in enumerate(groups):
            for column, completion in enumerate(group.group.completions):
                lengths_PG[row, column] = len(completion.token_ids)
        rewards_PG = rewards_PG + soft_overlong_penalty(lengths_PG, length_cap, config.overlong_band)
    if penalties is not None:
        if [len(row) for row in penalties] != [len(group.rewards) for group in groups]:
            raise ValueError("penalties need one number for each member of each group")
        for row, values in enumerate(penalties):
            rewards_PG[row, : len(values)] -= torch.tensor(values, dtype=torch.float64)
    return rewards_PG


def _at_last_token(completion: Completion, reward: float) -> tuple[float, ...]:
    """Zeros, and the reward at the last token in the loss (the last token when none is)."""
    mask = completion.loss_mask
    last = max((t for t, inside in enumerate(mask) if inside), default=len(mask) - 1)
    return tuple(reward if t == last else 0.0 for t in range(len(mask)))


def _process(
    groups: Sequence[ScoredGroup],
    rewards_PG: Tensor,
    config: AlgorithmConfig,
    step_rewards: Sequence[Sequence[StepRewards]] | None,
) -> tuple[list[list[tuple[float, ...]]], list[bool]]:
    """Advantages per token and whether the steps of a group differ; members without reward excluded."""
    if step_rewards is None:
        raise RecipeError(
            'algorithm.advantage.estimator is "process", but no step rewards were given; use a reward '
            'that grades steps, or estimator "group"'
        )
    if config.advantage.scale == "batch":
        raise RecipeError(
            'algorithm.advantage.scale is "batch"; allowed with estimator "process": "group", "none"'
        )
    advantages: list[list[tuple[float, ...]]] = []
    signal: list[bool] = []
    for group, row, members in zip(groups, rewards_PG.isnan().tolist(), step_rewards, strict=True):
        steps = [[] if missing else list(member) for member, missing in zip(members, row, strict=False)]
        tokens = process_advantages(
            [[reward for _, reward in member] for member in steps],
            [[end for end, _ in member] for member in steps],
            [len(completion.token_ids) for completion in group.group.completions],
            config.advantage.scale,
            config.advantage.std,
            config.advantage.eps,
        )
        advantages.append([tuple(member.tolist()) for member in tokens])
        signal.append(any(bool(member.any()) for member in tokens))
    return advantages, signal
