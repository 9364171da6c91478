"""Drawing one token per row: temperature, top-k, top-p, min-p, greedy, and the log-probability drawn with.

Each token takes one uniform number that is a pure function of (member's seed, token index), so what a
member draws depends on its own logits and seed and never on who else is in the batch.

Legend: R rows, V vocabulary, B blocks of the vocabulary, W width of a block, C candidates.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.types import SamplingParams

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_BELOW_ONE = 1.0 - 2.0**-22
"""Keeps a target strictly below the mass it points into, whatever the rounding of the product."""


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), wrapping at 64 bits."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def hash_seeds(seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Start states of the counters, so that neighbouring seeds have unrelated streams."""
    return _mix(seeds + _GAMMA)


def uniforms(states_R: NDArray[np.uint64], indices_R: NDArray[np.int64]) -> NDArray[np.float32]:
    """One number in [0, 1) for each (state from `hash_seeds`, token index); 24 random bits."""
    counters_R = states_R + (indices_R.astype(np.uint64) + np.uint64(1)) * _GAMMA
    return (_mix(counters_R) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def draw(
    logits_RV: Tensor, uniforms_R: Tensor, sampling: SamplingParams, scratch_RV: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(tokens_R int64, logprobs_R float32) of one draw per row. `logits_RV` (float32) is overwritten.

    The log-probability is that of the distribution the token was drawn from: softmax(logits / T), and
    with top-k, top-p or min-p the same cut down to the kept tokens and renormalised. At T = 0 the most
    likely token is taken (the first of equals) and its log-probability at T = 1 is reported.
    The filters apply in the order top-k, top-p, min-p, each to what the one before left.
    """
    if sampling.temperature == 0:
        tokens_R = first_argmax(logits_RV)
        probs_RV = torch.softmax(logits_RV, -1, out=scratch_RV)
        return tokens_R, _log_of(probs_RV, tokens_R)
    if sampling.temperature != 1.0:
        logits_RV.mul_(1.0 / sampling.temperature)
    probs_RV = torch.softmax(logits_RV, -1, out=scratch_RV)
    if sampling.full_support:
        tokens_R = _invert_cdf(probs_RV, uniforms_R)
        return tokens_R, _log_of(probs_RV, tokens_R)
    return _draw_truncated(probs_RV, uniforms_R, sampling)


def _log(values_R: Tensor) -> Tensor:
    """Logarithms in float32, rounded from float64.

    The vector loop and its remainder use different logarithms; in float64 their difference is below
    the rounding, so a value's logarithm does not depend on its place in the batch.
    """
    return values_R.double().log_().float()


def _log_of(probs_RV: Tensor, tokens_R: Tensor) -> Tensor:
    """Log-probability of one token per row."""
    return _log(probs_RV.gather(1, tokens_R.unsqueeze(1)).squeeze(1))


def block_width(vocab_size: int) -> int:
    """Width of the blocks in which a row of the vocabulary is searched: near its square root."""
    return 128 if vocab_size <= 16_384 else 512


def first_argmax(values_RV: Tensor) -> Tensor:
    """Index of the first largest entry of each row; several times faster on a CPU than `argmax` over V."""
    rows, vocab = values_RV.shape
    width = block_width(vocab)
    whole = vocab // width * width
    if whole == 0:
        return values_RV.argmax(-1)
    maxima_RB = values_RV[:, :whole].view(rows, -1, width).amax(-1)
    if whole < vocab:
        maxima_RB = torch.cat((maxima_RB, values_RV[:, whole:].amax(-1, keepdim=True)), 1)
    best_R1 = maxima_RB.argmax(-1, keepdim=True)
    columns_RW = best_R1 * width + torch.arange(width, device=values_RV.device)
    # A column beyond the vocabulary repeats the last one; a repeat never comes first.
    inside_RW = values_RV.gather(1, columns_RW.clamp_(max=vocab - 1))
    return columns_RW.gather(1, inside_RW.argmax(-1, keepdim=True)).view(rows)


def _invert_cdf(probs_RV: Tensor, uniforms_R: Tensor) -> Tensor:
    """The token whose slice of the cumulated probabilities holds the uniform number.

    Two levels (block, then token within the block) make it one pass over V. A token of probability
    zero is never returned.
    """
    vocab = probs_RV.shape[1]
    width = block_width(vocab)
    whole = vocab // width * width
    sums_RB = probs_RV[:, :whole].view(len(probs_RV), -1, width).sum(-1)
    if whole < vocab:
        sums_RB = torch.cat((sums_RB, probs_RV[:, whole:].sum(-1, keepdim=True)), 1)
    ends_RB = sums_RB.cumsum(-1)
    target_R1 = uniforms_R.unsqueeze(1) * ends_RB[:, -1:] * _BELOW_ONE
    block_R1 = (ends_RB <= target_R1).sum(-1, keepdim=True)
    start_R1 = ends_RB.gather(1, block_R1) - sums_RB.gather(1, block_R1)
    columns_RW = block_R1 * width + torch.arange(width, device=probs_RV.device)
    inside_RW = probs_RV.gather(1, columns_RW.clamp(max=vocab - 1))
    inside_RW.masked_fill_(columns_RW >= vocab, 0.0)
    offset_R1 = _search(inside_RW, (target_R1 - start_R1).clamp_(min=0))
    return (block_R1 * width + offset_R1).squeeze(1)


def _search(weights_RC: Tensor, target_R1: Tensor) -> Tensor:
    """First index (R, 1) at which the cumulated weights exceed the target; its weight is positive."""
    ends_RC = weights_RC.cumsum(-1)
    target_R1 = torch.minimum(target_R1, ends_RC[:, -1:] * _BELOW_ONE)
    return (ends_RC <= target_R1).sum(-1, keepdim=True)


def _draw_truncated(probs_RV: Tensor, uniforms_R: Tensor, sampling: SamplingParams) -> tuple[Tensor, Tensor]:
    """A draw from the kept tokens. Rows are sorted only as far as their kept set can reach."""
    vocab = probs_RV.shape[1]
    tokens_R = first_argmax(probs_RV)
    peaks_R = probs_RV.gather(1, tokens_R.unsqueeze(1)).squeeze(1)
    # Zero for a certain token, NaN where the logits are not finite: a comparison would hide those.
    logprobs_R = peaks_R - peaks_R
    # One token already holds the whole nucleus: it is certain. Common in trained models.
    open_rows = torch.ones_like(tokens_R, dtype=torch.bool)
    if sampling.top_p < 1 and sampling.top_k == 0:
        open_rows &= peaks_R < sampling.top_p
    if sampling.top_k == 1:
        open_rows.zero_()
    rows = open_rows.nonzero().squeeze(1)
    for width in (max(16, vocab // 64), max(96, vocab // 16), vocab):
        width = min(vocab, width if sampling.top_k == 0 else max(sampling.top_k, 1))
        if rows.numel() == 0:
            break
        probs_RC, ids_RC = probs_RV.index_select(0, rows).topk(width, -1)
        kept_RC, enough_R = _kept(probs_RC, sampling, complete=width in (vocab, sampling.top_k))
        offset_R1 = _search(kept_RC, uniforms_R[rows].unsqueeze(1) * kept_RC.sum(-1, keepdim=True))
        drawn_R = ids_RC.gather(1, offset_R1).squeeze(1)
        share_R = kept_RC.gather(1, offset_R1).squeeze(1) / kept_RC.sum(-1)
        done = rows[enough_R]
        tokens_R[done] = drawn_R[enough_R]
        logprobs_R[done] = _log(share_R[enough_R])
        rows = rows[~enough_R]
    return tokens_R, logprobs_R


def _kept(probs_RC: Tensor, sampling: SamplingParams, complete: bool) -> tuple[Tensor, Tensor]:
    """(probabilities of kept candidates, 0 elsewhere; whether the candidates hold the whole kept set).

    `probs_RC` falls along each row. `complete`: no token outside the candidates can be kept.
    """
    mass = probs_RC.sum(-1, keepdim=True) if sampling.top_k else 1.0
    before_RC = probs_RC.cumsum(-1) - probs_RC
    keep_RC = before_RC < sampling.top_p * mass
    if sampling.min_p > 0:
        keep_RC &= probs_RC >= sampling.min_p * probs_RC[:, :1]
    keep_RC[:, 0] = True
    enough_R = ~keep_RC[:, -1]
    if complete:
        enough_R = torch.ones_like(enough_R)
    return probs_RC * keep_RC, enough_R
