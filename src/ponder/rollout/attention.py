"""Attention of one decoding step: over the group's shared prompt and over a row's own tokens.

Each part is normalised on its own and the two are merged by their log-sum-exp, so the prompt's keys
are read once per group and never copied per member.

Legend: Z layers, B batches of a product, Q queries per batch, L keys, E head width, R rows,
K key heads, J query heads per key head, A prompts in use, S seats per prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ponder.rollout.cache import KVCache
from ponder.rollout.workspace import Scratch

HIDDEN = -1e30
"""Added to the score of a key that is not seen. Finite: a part with no visible key weighs nothing."""

STABLE_KEYS = 128
"""Values are summed over this many keys at a time. Matrix products split a longer sum into parts whose
size depends on its length, and a row's result would depend on how long its company is."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """The sizes of a decoding step; steps of equal shape use the same views of the same memory."""

    rows: int
    blocks: tuple[tuple[int, int, int], ...]
    """(first row, end row, own keys to read): together all rows."""
    prompts: int
    seats: int
    prompt_keys: int


class AttentionPart:
    """softmax(q k^T + mask) v for a batch of products, with every view made once.

    `keys` and `values` hold one (B, L, E) view per layer.
    """

    def __init__(
        self,
        scratch: Scratch,
        queries_BQE: Tensor,
        out_BQE: Tensor,
        peaks_2BQ: Tensor,
        keys: list[Tensor],
        values: list[Tensor],
        stable: bool,
    ) -> None:
        batches, queries, _ = queries_BQE.shape
        num_keys = keys[0].shape[1]
        self._queries, self._out = queries_BQE, out_BQE
        self._score_peaks, self._prob_peaks = peaks_2BQ[0], peaks_2BQ[1]
        self._keys_T = [key.transpose(1, 2) for key in keys]
        self._scores = scratch.take("scores", (batches, queries, num_keys), torch.float32)
        self._probs = scratch.take("probs", (batches, queries, num_keys), torch.float32)
        step = min(STABLE_KEYS, num_keys) if stable else num_keys
        starts = range(0, num_keys, step)
        self._prob_parts = [self._probs[:, :, start : start + step] for start in starts]
        self._value_parts = [[value[:, start : start + step] for start in starts] for value in values]

    def run(self, layer: int, mask: Tensor) -> None:
        """Fills the output and the peaks: the largest score and the largest probability of each query,
        with which log-sum-exp = score - log(probability).

        `mask` (rows, 1, L) is added to the scores; rows divides B, or B x Q.
        """
        self._score(layer)
        self._scores.view(mask.shape[0], -1, mask.shape[2]).add_(mask)
        torch.softmax(self._scores, -1, out=self._probs)
        torch.amax(self._scores, -1, out=self._score_peaks)
        torch.amax(self._probs, -1, out=self._prob_peaks)
        dtype = self._out.dtype
        for index, (probs, values) in enumerate(zip(self._prob_parts, self._value_parts[layer], strict=True)):
            if dtype != torch.float32:
                probs = probs.to(dtype)
            if index == 0:
                torch.bmm(probs, values, out=self._out)
            else:
                self._out.baddbmm_(probs, values)

    def _score(self, layer: int) -> None:
        """Scores in float32 whatever the dtype."""
        keys_T = self._keys_T[layer]
        if self._queries.dtype == torch.float32:
            torch.bmm(self._queries, keys_T, out=self._scores)
        elif self._queries.is_cuda:
            torch.bmm(self._queries, keys_T, out_dtype=torch.float32, out=self._scores)
        else:
            torch.bmm(self._queries.float(), keys_T.float(), out=self._scores)


class StepAttention:
    """The attention of all layers for steps of one shape."""

    def __init__(
        self, shape: StepShape, queries_RHE: Tensor, cache: KVCache, scratch: Scratch, stable: bool
    ) -> None:
        """`queries_RHE` is the buffer every layer's rotated queries are written to."""
        kv_heads, width = cache.own_Z2SKTE.shape[3], cache.own_Z2SKTE.shape[5]
        per_key = queries_RHE.shape[1] // kv_heads
        batches, dtype = shape.rows * kv_heads, queries_RHE.dtype
        own_Z2BTE, prompts_Z2BPE = cache.own_Z2SKTE.flatten(2, 3), cache.prompts_Z2GKPE.flatten(2, 3)
        queries_BJE = queries_RHE.view(batches, per_key, width)
        self._own_out = scratch.take("own_out", (batches, per_key, width), dtype)
        self._own_peaks = scratch.take("own_peaks", (2, batches, per_key), torch.float32)
        self._own: list[tuple[slice, int, AttentionPart]] = []
        for start, end, keys in shape.blocks:
            part = slice(start * kv_heads, end * kv_heads)
            views = own_Z2BTE[:, :, part, :keys]
            self._own.append(
                (
                    slice(start, end),
                    keys,
                    AttentionPart(
                        scratch,
                        queries_BJE[part],
                        self._own_out[part],
                        self._own_peaks[:, part],
                        list(views[:, 0]),
                        list(views[:, 1]),
                        stable,
                    ),
                )
            )
        seated = shape.prompts * kv_heads, shape.seats * per_key
        self._queries_rows = queries_RHE.view(batches, per_key * width)
        self._seat_queries = scratch.take("seat_queries", (*seated, width), dtype)
        seat_out = scratch.take("seat_out", (*seated, width), dtype)
        seat_peaks = scratch.take("seat_peaks", (2, *seated), torch.float32)
        views = prompts_Z2BPE[:, :, : seated[0], : shape.prompt_keys]
        keys_list, values_list = list(views[:, 0]), list(views[:, 1])
        self._shared = AttentionPart(
            scratch, self._seat_queries, seat_out, seat_peaks, keys_list, values_list, stable
        )
        self._seat_rows_in = self._seat_queries.view(-1, per_key * width)
        self._seat_rows_out = seat_out.view(-1, per_key * width)
        self._seat_peaks = seat_peaks.view(2, -1, per_key)
        self._merged_rows = scratch.take("merged", (batches, per_key * width), dtype)
        self._merged = self._merged_rows.view(batches, per_key, width)
        self._row_peaks = scratch.take("row_peaks", (2, batches, per_key), torch.float32)
        self._result = self._merged_rows.view(shape.rows, -1)

    def run(
        self, layer: int, own_mask: Tensor, prompt_mask: Tensor, seat_rows: Tensor, row_seats: Tensor
    ) -> Tensor:
        """(R, H x E): each row's attention to its group's prompt and its own tokens."""
        for rows, keys, part in self._own:
            part.run(layer, own_mask if len(self._own) == 1 else own_mask[rows, :, :keys])
        torch.index_select(self._queries_rows, 0, seat_rows, out=self._seat_rows_in)
        self._shared.run(layer, prompt_mask)
        torch.index_select(self._seat_rows_out, 0, row_seats, out=self._merged_rows)
        torch.index_select(self._seat_peaks, 1, row_seats, out=self._row_peaks)
        # The own part's share of the probability is 1 / (1 + exp(lse_prompt - lse_own)). In float64, in
        # which the vector loop's exponential and its remainder's agree after rounding to float32.
        odds = (self._row_peaks[0] - self._own_peaks[0]).double().exp_()
        odds.mul_(self._own_peaks[1] / self._row_peaks[1])
        share = odds.add_(1.0).reciprocal_().to(self._merged.dtype)
        self._merged.lerp_(self._own_out, share.unsqueeze(-1))
        return self._result
