"""From the losses of tokens to the loss of a step.

Dimensions: M completion tokens, B completions.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ponder.algorithms.batch import Batch, StepTotals

Aggregate = Literal["completion", "token", "constant"]


def token_weights(batch: Batch, kind: Aggregate, totals: StepTotals, dtype: torch.dtype) -> Tensor:
    """Returns weights_M with which the losses of tokens are summed; zero outside the loss.

    - completion: 1 / (completions x tokens of the completion) (DeepSeekMath eq. 3).
    - token: 1 / tokens (DAPO eq. 8, over the whole step instead of one group).
    - constant: 1 / (completions x length cap) (Dr. GRPO).

    Completions, tokens and the cap are those of the whole step (`totals`), so that the weighted sums
    of micro-batches add up to the step's loss exactly, however it is cut, packed or padded.
    """
    mask_M = batch.loss_mask_M.to(dtype)
    if kind == "completion":
        lengths_B = batch.lengths_B.clamp(min=1).to(dtype)
        return mask_M / (lengths_B[batch.completions_M] * max(1, totals.num_completions))
    if kind == "token":
        return mask_M / max(1, totals.num_tokens)
    if kind == "constant":
        return mask_M / max(1, totals.num_completions * totals.length_cap)
    raise ValueError(f'aggregate is "{kind}"; allowed: completion, token, constant')


def aggregate(losses_M: Tensor, weights_M: Tensor) -> Tensor:
    """Returns the weighted sum, a scalar. A token of weight zero counts nothing, NaN or not."""
    return (losses_M.where(weights_M != 0, 0.0) * weights_M).sum()
