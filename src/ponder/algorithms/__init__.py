"""Tensors in, tensors out: from scored groups to the loss of an optimizer step.

No I/O, no global random state, no logging. The order of use::

    scored groups -build_samples-> samples -split_groups, pack-> micro-batches -build_batch-> Batch
    -token_logprobs-> log-probs (old, reference, now) -policy_loss-> loss of the micro-batch
"""

from ponder.algorithms.advantages import (
    group_advantages,
    has_signal,
    leave_one_out_advantages,
    outcome_advantages,
    process_advantages,
)
from ponder.algorithms.aggregation import aggregate, token_weights
from ponder.algorithms.batch import Batch, StepTotals, build_batch, pack, split_groups, step_totals
from ponder.algorithms.gae import gae, gae_batch, whiten
from ponder.algorithms.kl import completion_kl, kl_estimate, needs_reference
from ponder.algorithms.logprobs import token_logprobs
from ponder.algorithms.loss import (
    LossMetrics,
    ValueMetrics,
    old_logprobs_source,
    policy_loss,
    value_loss,
)
from ponder.algorithms.mismatch import Mismatch, importance_weights, mismatch
from ponder.algorithms.presets import ALGORITHMS, PAPER_SILENT
from ponder.algorithms.resolution import resolve_algorithm
from ponder.algorithms.samples import SampleSet, build_samples, has_loss, reward_matrix
from ponder.algorithms.schedules import learning_rate_at, reference_refresh_due
from ponder.algorithms.shaping import soft_overlong_penalty
from ponder.algorithms.surrogate import Surrogate, log_ratio, surrogate

__all__ = [
    "ALGORITHMS",
    "PAPER_SILENT",
    "Batch",
    "LossMetrics",
    "Mismatch",
    "SampleSet",
    "StepTotals",
    "Surrogate",
    "ValueMetrics",
    "aggregate",
    "build_batch",
    "build_samples",
    "completion_kl",
    "gae",
    "gae_batch",
    "group_advantages",
    "has_loss",
    "has_signal",
    "importance_weights",
    "kl_estimate",
    "learning_rate_at",
    "leave_one_out_advantages",
    "log_ratio",
    "mismatch",
    "needs_reference",
    "old_logprobs_source",
    "outcome_advantages",
    "pack",
    "policy_loss",
    "process_advantages",
    "reference_refresh_due",
    "resolve_algorithm",
    "reward_matrix",
    "soft_overlong_penalty",
    "split_groups",
    "step_totals",
    "surrogate",
    "token_logprobs",
    "token_weights",
    "value_loss",
    "whiten",
]
