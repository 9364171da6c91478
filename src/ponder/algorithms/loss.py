"""The loss of a step, as a sum over its micro-batches.

Dimensions: M completion tokens, K sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ponder.algorithms.aggregation import aggregate, token_weights
from ponder.algorithms.batch import Batch, StepTotals
from ponder.algorithms.kl import kl_estimate, needs_reference
from ponder.algorithms.mismatch import importance_weights
from ponder.algorithms.surrogate import Surrogate, log_ratio, surrogate
from ponder.config import AlgorithmConfig, value_at

_TOKEN_MEANS = (
    "ratio/token/mean",
    "kl/old/mean",
    "kl/reference/mean",
    "entropy/token/mean",
    "clip/low/frac",
    "clip/high/frac",
    "clip/max/frac",
    "importance/weight/mean",
    "advantage/token/mean",
)
"""Sums over tokens in the loss, divided by their number when reported."""
_PLAIN_SUMS = ("loss/total/sum", "loss/surrogate/sum", "loss/kl/sum", "batch/tokens/count")
"""Already divided by the step's totals: they add up to the step's loss."""

_VALUE_KEYS = ("loss/value/sum", "count", "clipped", "residual", "residual2", "return", "return2")


@dataclass(frozen=True, slots=True)
class LossMetrics:
    """Sums of one micro-batch on its device (float64); `a + b` is exact for the two together."""

    sums_K: Tensor
    """In the order of _TOKEN_MEANS, then _PLAIN_SUMS."""
    ratio_max: Tensor
    ratio_min: Tensor
    has_reference: bool
    has_entropy: bool

    def __add__(self, other: LossMetrics) -> LossMetrics:
        return LossMetrics(
            self.sums_K + other.sums_K,
            torch.maximum(self.ratio_max, other.ratio_max),
            torch.minimum(self.ratio_min, other.ratio_min),
            self.has_reference and other.has_reference,
            self.has_entropy and other.has_entropy,
        )

    def to_metrics(self) -> dict[str, float]:
        """Metric keys to numbers; means over tokens are missing when no token was in the loss, and
        those of a reference or an entropy that were not given always."""
        sums = self.sums_K.tolist()
        metrics = dict(zip(_PLAIN_SUMS, sums[len(_TOKEN_MEANS) :], strict=True))
        tokens = metrics["batch/tokens/count"]
        if tokens == 0:
            return metrics
        metrics |= {key: total / tokens for key, total in zip(_TOKEN_MEANS, sums, strict=False)}
        if not self.has_reference:
            del metrics["kl/reference/mean"]
        if not self.has_entropy:
            del metrics["entropy/token/mean"]
        metrics["ratio/token/max"] = self.ratio_max.item()
        metrics["ratio/token/min"] = self.ratio_min.item()
        return metrics


def policy_loss(
    logprobs_M: Tensor,
    batch: Batch,
    config: AlgorithmConfig,
    totals: StepTotals,
    *,
    step: int = 0,
    entropy_M: Tensor | None = None,
    on_policy: bool = False,
) -> tuple[Tensor, LossMetrics]:
    """Returns (loss, metrics) of one micro-batch; the losses of a step's micro-batches add up.

    loss = sum over tokens of weight x (-(importance weight x surrogate) + coef x KL), DeepSeekMath
    eq. 3 with its sign turned. `totals` counts the whole step; `step` is the optimizer step, for the
    schedule of `kl.coef`. KL takes part when `kl.place` is "loss". With `on_policy` the old log-probs
    are `logprobs_M` without gradient, which is what recomputing them gives when an iteration has one
    update (`old_logprobs_source` says "now"). With `mismatch_cap` the surrogate is weighted by
    min(pi_old / pi_sampler, cap). The loss is a scalar of `logprobs_M`'s dtype; it may be 0 with a
    zero gradient, when no token is in the loss.
    """
    mask_M = batch.loss_mask_M
    if on_policy:
        batch = batch.replace(old_logprobs_M=logprobs_M.detach())
    # Tokens outside the loss must not reach an exponential: their numbers may be anything.
    current_M = logprobs_M.where(mask_M, 0.0)
    log_ratio_M = log_ratio(
        logprobs_M,
        batch.old_logprobs_M,
        mask_M,
        batch.completions_M,
        batch.num_completions,
        config.surrogate.ratio,
    )
    parts = surrogate(log_ratio_M, current_M, batch.advantages_M.where(mask_M, 0.0), config.surrogate)
    importance_M = torch.ones_like(batch.old_logprobs_M)
    if config.mismatch_cap is not None:
        importance_M = importance_weights(
            batch.old_logprobs_M, batch.sampler_logprobs_M, config.mismatch_cap, loss_mask_M=mask_M
        )
    weights_M = token_weights(batch, config.aggregate, totals, logprobs_M.dtype)
    loss_surrogate = aggregate(-importance_M * parts.objective_M, weights_M)
    kl_M = kl_estimate(current_M, batch.ref_logprobs_M.where(mask_M, 0.0), config.kl.kind)
    loss = loss_surrogate
    loss_kl = torch.zeros_like(loss_surrogate)
    coef = value_at(config.kl.coef, step)
    if config.kl.place == "loss" and config.kl.kind != "none" and coef != 0:
        loss_kl = coef * aggregate(kl_M, weights_M)
        loss = loss_surrogate + loss_kl
    with torch.no_grad():
        columns = (log_ratio_M, kl_M, entropy_M, importance_M)
        metrics = _metrics(batch, parts, columns, (loss, loss_surrogate, loss_kl), config)
    return loss, metrics


def _metrics(
    batch: Batch,
    parts: Surrogate,
    columns: tuple[Tensor, Tensor, Tensor | None, Tensor],
    losses: tuple[Tensor, Tensor, Tensor],
    config: AlgorithmConfig,
) -> LossMetrics:
    log_ratio_M, kl_M, entropy_M, importance_M = columns
    mask_M = batch.loss_mask_M
    ratio_M = log_ratio_M.exp()
    rows = (
        ratio_M,
        torch.expm1(log_ratio_M) - log_ratio_M,
        kl_M,
        torch.zeros_like(kl_M) if entropy_M is None else entropy_M,
        parts.clipped_low_M,
        parts.clipped_high_M,
        parts.capped_M,
        importance_M,
        batch.advantages_M,
    )
    sums = [row.where(mask_M, 0).sum(dtype=torch.float64) for row in rows]
    sums += [loss.double() for loss in losses]
    sums.append(mask_M.sum(dtype=torch.float64))
    inside_M = ratio_M[mask_M].double()
    return LossMetrics(
        torch.stack(sums),
        torch.cat([inside_M, inside_M.new_tensor([-torch.inf])]).amax(),
        torch.cat([inside_M, inside_M.new_tensor([torch.inf])]).amin(),
        needs_reference(config),
        entropy_M is not None,
    )


def old_logprobs_source(
    config: AlgorithmConfig, updates_per_iteration: int
) -> Literal["now", "recompute", "sampler"]:
    """Where old log-probs come from.

    now: one update per iteration, the current ones serve (`on_policy`), no forward pass of their own.
    recompute: a forward pass before the first update; always when an iteration has more than one.
    sampler: the engine's.
    """
    if updates_per_iteration > 1:
        return "recompute"
    return "sampler" if config.old_logprobs == "sampler" else "now"


@dataclass(frozen=True, slots=True)
class ValueMetrics:
    """Sums of the value head's loss over one micro-batch (float64); they add."""

    sums_K: Tensor
    """In the order of _VALUE_KEYS."""

    def __add__(self, other: ValueMetrics) -> ValueMetrics:
        return ValueMetrics(self.sums_K + other.sums_K)

    def to_metrics(self) -> dict[str, float]:
        """Metric keys to numbers: the loss before `value_coef`, the clipped fraction, and the share of
        the returns' variance that the values explain (missing when the returns do not vary)."""
        total, count, clipped, residual, residual2, returns, returns2 = self.sums_K.tolist()
        metrics = {"loss/value/sum": total}
        if count == 0:
            return metrics
        metrics["value/clip/frac"] = clipped / count
        variance = returns2 / count - (returns / count) ** 2
        if variance > 1e-12:
            unexplained = residual2 / count - (residual / count) ** 2
            metrics["value/explained_variance/mean"] = 1 - unexplained / variance
        return metrics


def value_loss(
    values_M: Tensor, batch: Batch, config: AlgorithmConfig, totals: StepTotals
) -> tuple[Tensor, ValueMetrics]:
    """Returns (value_coef x loss, metrics) of the value head; adds over micro-batches as the policy's.

    Per token max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2) / 2 with c = `value_clip` (None: no
    clip), R the return; aggregated like the policy's loss.
    """
    mask_M = batch.loss_mask_M
    returns_M = batch.returns_M.where(mask_M, 0.0).to(values_M.dtype)
    values_M = values_M.where(mask_M, 0.0)
    error_M = (values_M - returns_M).square()
    clipped_M = torch.zeros_like(mask_M)
    if config.value_clip is not None:
        old_M = batch.old_values_M.where(mask_M, 0.0).to(values_M.dtype)
        bounded_M = old_M + (values_M - old_M).clamp(-config.value_clip, config.value_clip)
        bounded_error_M = (bounded_M - returns_M).square()
        # Equal inside the band, where the gradient must be that of V.
        clipped_M = bounded_error_M > error_M
        error_M = torch.where(clipped_M, bounded_error_M, error_M)
    weights_M = token_weights(batch, config.aggregate, totals, values_M.dtype)
    loss = aggregate(0.5 * error_M, weights_M)
    with torch.no_grad():
        residual_M = (returns_M - values_M).double()
        rows = (mask_M, clipped_M & mask_M, residual_M, residual_M.square())
        sums = [loss.detach().double(), *(row.sum(dtype=torch.float64) for row in rows)]
        sums += [returns_M.sum(dtype=torch.float64), returns_M.double().square().sum()]
        metrics = ValueMetrics(torch.stack(sums))
    return config.value_coef * loss, metrics
