"""Samples packed into one flat row, with the prompt of a group stored and computed once.

Dimensions: N tokens of the row (prompts and completions), M completion tokens, B completions.

In the row, a prompt's span is followed by the spans of its completions, which attend to it. Among
the M completion tokens the order is that of the samples, each completion contiguous.
"""

from __future__ import annotations

import bisect
import dataclasses
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ponder.types import Packing, Span, TrainingSample


@dataclass(frozen=True, slots=True)
class Batch:
    """One micro-batch, complete at birth. Log-probabilities, advantages and values are float32."""

    token_ids_N: Tensor
    positions_N: Tensor
    """Index within the span, plus the prompt's length for a completion; int64."""
    packing: Packing
    predictors_M: Tensor
    """Index into N of the token whose hidden state predicts completion token m; for the first token
    of a completion that is the last token of the prompt. A value head reads the same states."""
    targets_M: Tensor
    completions_M: Tensor
    """Which completion a token belongs to, 0 .. num_completions - 1, never falling."""
    loss_mask_M: Tensor
    """False where a token takes no part in the loss."""
    advantages_M: Tensor
    old_logprobs_M: Tensor
    ref_logprobs_M: Tensor
    """Zeros when there is no reference policy."""
    sampler_logprobs_M: Tensor
    num_completions: int
    old_values_M: Tensor
    """Value head at rollout time; zeros without one."""
    returns_M: Tensor
    """What the value head is trained towards; zeros without one."""

    def replace(self, **changes: Any) -> Batch:
        """The same batch with some fields exchanged."""
        return dataclasses.replace(self, **changes)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on `device`."""
        moved = {
            field.name: value.to(device)
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return self.replace(**moved)

    @property
    def lengths_B(self) -> Tensor:
        """Number of tokens of each completion that take part in the loss; int64."""
        zeros_B = torch.zeros(self.num_completions, dtype=torch.int64, device=self.completions_M.device)
        return zeros_B.index_add(0, self.completions_M, self.loss_mask_M.to(torch.int64))


@dataclass(frozen=True, slots=True)
class StepTotals:
    """What one optimizer step holds over all its micro-batches (and ranks).

    The loss of a micro-batch is divided by these, so that the losses of micro-batches add up to the
    loss of the step whatever the cut.
    """

    num_completions: int
    """Completions with at least one token in the loss."""
    num_tokens: int
    """Tokens in the loss."""
    length_cap: int
    """Most tokens a completion may have; the divisor of the constant aggregation."""

    def __add__(self, other: StepTotals) -> StepTotals:
        if self.length_cap != other.length_cap:
            raise ValueError(f"length caps differ within a step: {self.length_cap} and {other.length_cap}")
        return StepTotals(
            self.num_completions + other.num_completions,
            self.num_tokens + other.num_tokens,
            self.length_cap,
        )


def step_totals(samples: Iterable[TrainingSample], length_cap: int) -> StepTotals:
    """Counts over the samples of one optimizer step. Raises ValueError when length_cap < 1."""
    if length_cap < 1:
        raise ValueError(f"length_cap is {length_cap}; a completion has at least one token")
    counts = [sum(sample.loss_mask) for sample in samples]
    return StepTotals(sum(count > 0 for count in counts), sum(counts), length_cap)


def build_batch(samples: Sequence[TrainingSample], device: torch.device | str = "cpu") -> Batch:
    """Returns the batch of `samples`; completion b of the batch is samples[b].

    Samples with the same `group` share one copy of the prompt, next to each other or not.
    `old_logprobs_M` starts as the sampler's. Raises ValueError for no samples, an empty prompt or
    completion, fields of unequal length, or one group with two prompts.
    """
    if not samples:
        raise ValueError("a batch needs at least one sample")
    for index, sample in enumerate(samples):
        _check(sample, index)
    token_ids, positions, spans, starts = _layout(samples)
    predictors: list[int] = []
    for sample, (prompt_end, start) in zip(samples, starts, strict=True):
        predictors.append(prompt_end - 1)
        predictors.extend(range(start, start + len(sample.token_ids) - 1))
    lengths = torch.tensor([len(sample.token_ids) for sample in samples])
    sampler_logprobs_M = _flat([sample.sampler_logprobs for sample in samples], torch.float32)
    zeros_M = torch.zeros_like(sampler_logprobs_M)
    batch = Batch(
        token_ids_N=torch.tensor(token_ids, dtype=torch.int64),
        positions_N=torch.tensor(positions, dtype=torch.int64),
        packing=Packing(tuple(spans)),
        predictors_M=torch.tensor(predictors, dtype=torch.int64),
        targets_M=_flat([sample.token_ids for sample in samples], torch.int64),
        completions_M=torch.repeat_interleave(torch.arange(len(samples)), lengths),
        loss_mask_M=_flat([sample.loss_mask for sample in samples], torch.bool),
        advantages_M=_flat([sample.advantages_T for sample in samples], torch.float32),
        old_logprobs_M=sampler_logprobs_M,
        ref_logprobs_M=zeros_M,
        sampler_logprobs_M=sampler_logprobs_M,
        num_completions=len(samples),
        old_values_M=zeros_M,
        returns_M=zeros_M,
    )
    return batch.to(device)


def _check(sample: TrainingSample, index: int) -> None:
    if not sample.prompt_ids or not sample.token_ids:
        raise ValueError(f"sample {index} has an empty prompt or completion; both need a token")
    lengths = {
        "loss_mask": len(sample.loss_mask),
        "sampler_logprobs": len(sample.sampler_logprobs),
        "advantages_T": len(sample.advantages_T),
    }
    for name, length in lengths.items():
        if length != len(sample.token_ids):
            raise ValueError(f"sample {index}: {name} has {length} entries, tokens {len(sample.token_ids)}")


def _layout(
    samples: Sequence[TrainingSample],
) -> tuple[list[int], list[int], list[Span], list[tuple[int, int]]]:
    """Tokens and positions of the row, its spans, and per sample (end of its prompt, own start)."""
    members: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        members.setdefault(sample.group, []).append(index)
    token_ids: list[int] = []
    positions: list[int] = []
    spans: list[Span] = []
    starts: list[tuple[int, int]] = [(0, 0)] * len(samples)
    for group, indices in members.items():
        prompt_ids = samples[indices[0]].prompt_ids
        parent, prompt_end = len(spans), len(token_ids) + len(prompt_ids)
        spans.append(Span(len(token_ids), len(prompt_ids)))
        token_ids.extend(prompt_ids)
        positions.extend(range(len(prompt_ids)))
        for index in indices:
            sample = samples[index]
            if sample.prompt_ids != prompt_ids:
                raise ValueError(f"group {group} has two different prompts; its members share one")
            starts[index] = (prompt_end, len(token_ids))
            spans.append(Span(len(token_ids), len(sample.token_ids), parent))
            token_ids.extend(sample.token_ids)
            positions.extend(range(len(prompt_ids), len(prompt_ids) + len(sample.token_ids)))
    return token_ids, positions, spans, starts


def _flat(columns: Iterable[Sequence[Any]], dtype: torch.dtype) -> Tensor:
    return torch.tensor([value for column in columns for value in column], dtype=dtype)


def pack(
    samples: Sequence[TrainingSample], micro_batch_tokens: int, side_by_side: int = 1
) -> list[list[TrainingSample]]:
    """Returns the samples cut into micro-batches of at most `micro_batch_tokens` tokens each.

    Best fit: the largest group goes first, each into the micro-batch it fills most. Members of a
    group stay together, so that their prompt is computed once; a group larger than the budget is
    split and its prompt repeated in each part. A single sample over the budget has a micro-batch of
    its own. With `side_by_side` above 1 so many micro-batches share the budget, and their sizes are evened
    out. Deterministic; micro-batches come in the order of their first sample, samples keep theirs.
    Raises ValueError when micro_batch_tokens < 1.
    """
    if micro_batch_tokens < 1:
        raise ValueError(f"micro_batch_tokens is {micro_batch_tokens}; at least 1")
    capacity = max(1, micro_batch_tokens // side_by_side)
    units = _units(samples, capacity)
    bins = _best_fit(units, capacity)
    if side_by_side > 1 and units:
        # The smallest capacity that needs no more micro-batches than every thread has turns.
        most = -(-len(bins) // side_by_side) * side_by_side
        low, capacity = max(size for size, _ in units), max(size for size, _ in bins)
        while low < capacity:
            middle = (low + capacity) // 2
            if len(evened := _best_fit(units, middle)) <= most:
                capacity, bins = middle, evened
            else:
                low = middle + 1
    return [[samples[index] for index in indices] for indices in sorted(sorted(part) for _, part in bins)]


def _units(samples: Sequence[TrainingSample], capacity: int) -> list[tuple[int, list[int]]]:
    """(tokens, samples) of what stays together: groups, or the parts of those over the capacity."""
    members: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        members.setdefault(sample.group, []).append(index)
    units: list[tuple[int, list[int]]] = []
    for indices in members.values():
        prompt = len(samples[indices[0]].prompt_ids)
        sizes = [(len(samples[index].token_ids), [index]) for index in indices]
        units.extend((prompt + size, part) for size, part in _best_fit(sizes, capacity - prompt))
    return units


def _best_fit(items: Iterable[tuple[int, list[int]]], capacity: int) -> list[tuple[int, list[int]]]:
    """Best-fit decreasing: (size, indices) items into bins of `capacity`, as (size, indices)."""
    free: list[tuple[int, int]] = []
    """(room left, bin), in rising order."""
    bins: list[tuple[int, list[int]]] = []
    for size, indices in sorted(items, key=lambda item: (-item[0], item[1])):
        at = bisect.bisect_left(free, (size, -1))
        if at < len(free):
            room, number = free.pop(at)
            filled, held = bins[number]
            bins[number] = (filled + size, held + indices)
        else:
            room, number = capacity, len(bins)
            bins.append((size, list(indices)))
        if room > size:
            bisect.insort(free, (room - size, number))
    return bins


def split_groups(
    samples: Sequence[TrainingSample], num_minibatches: int, rng: random.Random
) -> list[list[TrainingSample]]:
    """Returns the samples of a rollout phase dealt at random to `num_minibatches` optimizer steps.

    Whole groups are dealt, so that prompts stay shared (R1 splits single outputs; the expectation is
    the same). Group counts differ by at most one; with fewer groups than minibatches there are fewer
    minibatches, none empty. Raises ValueError when num_minibatches < 1.
    """
    if num_minibatches < 1:
        raise ValueError(f"num_minibatches is {num_minibatches}; at least 1")
    groups = list(dict.fromkeys(sample.group for sample in samples))
    rng.shuffle(groups)
    dealt = {group: place % num_minibatches for place, group in enumerate(groups)}
    parts: list[list[TrainingSample]] = [[] for _ in range(min(num_minibatches, len(groups)))]
    for sample in samples:
        parts[dealt[sample.group]].append(sample)
    return parts
