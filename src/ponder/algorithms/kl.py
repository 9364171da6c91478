"""How far the policy is from the reference, per sampled token.

Dimensions: M completion tokens, B completions.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ponder.algorithms.batch import Batch
from ponder.config import AlgorithmConfig

KLKind = Literal["k1", "k2", "k3", "none"]


def kl_estimate(logprobs_M: Tensor, ref_logprobs_M: Tensor, kind: KLKind) -> Tensor:
    """Returns the estimate of KL(policy || reference) at each token, in nats.

    With d = log(pi_ref / pi) of the sampled token (Schulman, "Approximating KL divergence"):

    - k1: -d. Unbiased, may be negative; in the loss its expected gradient is zero.
    - k2: d^2 / 2. Biased value, never negative; in the loss its expected gradient, on policy, is
      that of KL(policy || reference).
    - k3: exp(d) - d - 1. Unbiased, never negative: DeepSeekMath eq. 4 and R1's D_KL. In the loss its
      expected gradient is that of KL(reference || policy) (arXiv 2506.09477); the paper's form.
    - none: zeros.
    """
    difference_M = ref_logprobs_M - logprobs_M
    if kind == "k1":
        return -difference_M
    if kind == "k2":
        return 0.5 * difference_M.square()
    if kind == "k3":
        # expm1: exp(d) - 1 would lose all digits of a small d, and with them the sign of k3.
        return torch.expm1(difference_M) - difference_M
    if kind == "none":
        return torch.zeros_like(difference_M)
    raise ValueError(f'kl.kind is "{kind}"; allowed: k1, k2, k3, none')


def completion_kl(batch: Batch, kind: KLKind) -> Tensor:
    """Returns kl_B: the estimates of `batch`, old against reference, summed over each completion.

    What `build_samples` takes as penalties when KL is part of the reward. Tokens outside the loss
    count zero.
    """
    kl_M = kl_estimate(batch.old_logprobs_M, batch.ref_logprobs_M, kind)
    kl_M = kl_M.where(batch.loss_mask_M, 0.0)
    return kl_M.new_zeros(batch.num_completions).index_add(0, batch.completions_M, kl_M)


def needs_reference(config: AlgorithmConfig) -> bool:
    """Whether any optimizer step of the run looks at the reference policy."""
    coef = config.kl.coef
    values = [coef] if isinstance(coef, (int, float)) else [step.value for step in coef]
    return config.kl.kind != "none" and any(value != 0 for value in values)
