"""What one optimizer step trains on: samples, packed into micro-batches, and the totals of the step.

Legend: M completion tokens, B completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ponder.algorithms import Batch, StepTotals, build_batch, needs_reference, pack, step_totals
from ponder.config import AlgorithmConfig
from ponder.types import Finish, ScoredGroup, TrainingSample


@dataclass(slots=True)
class Minibatch:
    """The micro-batches of one optimizer step. Old and reference log-probs are filled in as they come."""

    samples: list[list[TrainingSample]]
    """By micro-batch."""
    batches: list[Batch]
    num_moving: int
    """The first so many micro-batches have a gradient; that of the others is exactly zero."""
    totals: StepTotals
    reference_version: int = -1
    """Version of the reference that `ref_logprobs_M` comes from; -1: none yet."""

    @property
    def groups(self) -> set[int]:
        """Numbers of the groups that take part in the step."""
        return {sample.group for part in self.samples for sample in part}


def make_minibatch(
    samples: Sequence[TrainingSample],
    config: AlgorithmConfig,
    length_cap: int,
    packing: tuple[int, int],
    device: torch.device,
) -> Minibatch:
    """The samples of one step, cut into micro-batches: `pack(..., *packing)`.

    Groups all of whose advantages are zero stay in the totals, and so in every mean, but have
    micro-batches of their own: their gradient is exactly zero, and computing it would cost as much
    as that of the others. Not so where KL or a value head acts on every token, or nothing else is left.
    """
    still: set[int] = set()
    if config.advantage.estimator != "gae" and not _kl_in_loss(config):
        still = {s.group for s in samples} - {s.group for s in samples if any(s.advantages_T)}
    moving = [sample for sample in samples if sample.group not in still]
    idle = [sample for sample in samples if sample.group in still]
    if not moving:
        # The step is still made: the optimizer's momentum moves on.
        moving, idle = idle, []
    parts, idle_parts = pack(moving, *packing), pack(idle, *packing)
    everything = [*parts, *idle_parts]
    return Minibatch(
        samples=everything,
        batches=[build_batch(part, device) for part in everything],
        num_moving=len(parts),
        totals=step_totals(samples, length_cap),
    )


def _kl_in_loss(config: AlgorithmConfig) -> bool:
    return config.kl.place == "loss" and needs_reference(config)


def members_with_samples(group: ScoredGroup) -> tuple[int, ...]:
    """The members of a group that `build_samples` makes samples of, where it keeps the group."""
    members = zip(group.group.completions, group.rewards, strict=True)
    return tuple(
        index
        for index, (completion, reward) in enumerate(members)
        if completion.finish is not Finish.ABORT and reward.total is not None
    )


def mean_advantages(samples: Sequence[TrainingSample], minibatches: Sequence[Minibatch]) -> tuple[float, ...]:
    """Mean advantage per sample over its tokens in the loss, 0 where it has none."""
    means: dict[int, float] = {}
    for minibatch in minibatches:
        for part, batch in zip(minibatch.samples, minibatch.batches, strict=True):
            kept_M = batch.advantages_M.where(batch.loss_mask_M, 0.0).double()
            sums_B = kept_M.new_zeros(batch.num_completions).index_add(0, batch.completions_M, kept_M)
            means_B = (sums_B / batch.lengths_B.clamp(min=1)).tolist()
            means |= {id(sample): mean for sample, mean in zip(part, means_B, strict=True)}
    return tuple(means[id(sample)] for sample in samples)
