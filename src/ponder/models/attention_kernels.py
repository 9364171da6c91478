"""Dense attention that also gives its log-sum-exp, and its backward from a given output and log-sum-exp.

Two implementations of the same pair of functions: torch's flash kernel on the CPU, and plain matrix
products in blocks of queries, which run on every device and know sliding windows.

Legend: B sequences, H query heads, K key heads, G = H / K query heads per key head, L queries,
S keys, D head width, Q queries of a block, U keys a block of queries can see.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_flash_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default

_QUERY_BLOCK = 512


def flash_forward(q_BHLD: Tensor, k_BKSD: Tensor, v_BKSD: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    """(output_BHLD, log-sum-exp_BHL) on the CPU."""
    output, lse = _flash_forward(q_BHLD, k_BKSD, v_BKSD, 0.0, causal)
    return output, lse


def flash_backward(
    grad_BHLD: Tensor,
    q_BHLD: Tensor,
    k_BKSD: Tensor,
    v_BKSD: Tensor,
    output_BHLD: Tensor,
    lse_BHL: Tensor,
    causal: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v on the CPU."""
    q, k, v = _flash_backward(grad_BHLD, q_BHLD, k_BKSD, v_BKSD, output_BHLD, lse_BHL, 0.0, causal)
    return q, k, v


def plain_forward(
    q_BHLD: Tensor, k_BKSD: Tensor, v_BKSD: Tensor, causal: bool, positions_L: Tensor, window: int | None
) -> tuple[Tensor, Tensor]:
    """(output_BHLD, log-sum-exp_BHL), the latter at least float32; -inf and 0 where nothing is seen.

    `positions_L` counts queries from the first key, so that query l sees keys
    positions_L[l] - window < s, and s <= positions_L[l] when causal.
    """
    stats = torch.promote_types(q_BHLD.dtype, torch.float32)
    output = torch.empty_like(q_BHLD)
    lse = q_BHLD.new_empty(q_BHLD.shape[:3], dtype=stats)
    for part, seen in _blocks(q_BHLD.shape[2], k_BKSD.shape[2], causal):
        scores_BKGQU = _scores(q_BHLD[:, :, part], k_BKSD[:, :, :seen], positions_L[part], causal, window)
        lse_BKGQ = scores_BKGQU.logsumexp(-1)
        weights = (scores_BKGQU - _finite(lse_BKGQ).unsqueeze(-1)).exp_().to(v_BKSD.dtype)
        output[:, :, part] = (weights @ v_BKSD[:, :, None, :seen]).flatten(1, 2)
        lse[:, :, part] = lse_BKGQ.flatten(1, 2)
    return output, lse


def plain_backward(
    grad_BHLD: Tensor,
    q_BHLD: Tensor,
    k_BKSD: Tensor,
    v_BKSD: Tensor,
    output_BHLD: Tensor,
    lse_BHL: Tensor,
    causal: bool,
    positions_L: Tensor,
    window: int | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v, the sums over queries in at least float32."""
    scale = q_BHLD.shape[-1] ** -0.5
    groups = (k_BKSD.shape[1], -1)
    grad_q = torch.empty_like(q_BHLD)
    grad_k, grad_v = (torch.zeros_like(x, dtype=lse_BHL.dtype) for x in (k_BKSD, v_BKSD))
    for part, seen in _blocks(q_BHLD.shape[2], k_BKSD.shape[2], causal):
        k, v = k_BKSD[:, :, None, :seen], v_BKSD[:, :, None, :seen]
        scores_BKGQU = _scores(q_BHLD[:, :, part], k_BKSD[:, :, :seen], positions_L[part], causal, window)
        lse_BKGQ = torch.unflatten(lse_BHL[:, :, part], 1, groups)
        weights = (scores_BKGQU - _finite(lse_BKGQ).unsqueeze(-1)).exp_()
        grad = torch.unflatten(grad_BHLD[:, :, part], 1, groups)
        along = (
            (grad * torch.unflatten(output_BHLD[:, :, part], 1, groups))
            .to(weights.dtype)
            .sum(-1, keepdim=True)
        )
        grad_v[:, :, :seen] += (weights.to(grad.dtype).transpose(-1, -2) @ grad).sum(2)
        grad_scores = (weights * ((grad @ v.transpose(-1, -2)) - along) * scale).to(grad.dtype)
        grad_q[:, :, part] = (grad_scores @ k).flatten(1, 2)
        query = torch.unflatten(q_BHLD[:, :, part], 1, groups)
        grad_k[:, :, :seen] += (grad_scores.transpose(-1, -2) @ query).sum(2)
    return grad_q, grad_k.to(k_BKSD.dtype), grad_v.to(v_BKSD.dtype)


def _blocks(num_queries: int, num_keys: int, causal: bool) -> Iterator[tuple[slice, int]]:
    """(queries of a block, how many keys its last one can see)."""
    for start in range(0, num_queries, _QUERY_BLOCK):
        end = min(start + _QUERY_BLOCK, num_queries)
        yield slice(start, end), min(end, num_keys) if causal else num_keys


def _scores(q_BHQD: Tensor, k_BKUD: Tensor, positions_Q: Tensor, causal: bool, window: int | None) -> Tensor:
    stats = torch.promote_types(q_BHQD.dtype, torch.float32)
    q_BKGQD = torch.unflatten(q_BHQD, 1, (k_BKUD.shape[1], -1)) * q_BHQD.shape[-1] ** -0.5
    scores_BKGQU: Tensor = (q_BKGQD @ k_BKUD.unsqueeze(2).transpose(-1, -2)).to(stats)
    if causal or window is not None:
        back_QU = positions_Q[:, None] - torch.arange(k_BKUD.shape[2], device=positions_Q.device)
        hidden_QU = back_QU >= window if window is not None else torch.zeros_like(back_QU, dtype=torch.bool)
        scores_BKGQU = scores_BKGQU.masked_fill(hidden_QU | (back_QU < 0) & causal, float("-inf"))
    return scores_BKGQU


def _finite(lse: Tensor) -> Tensor:
    """0 in place of the -inf of a query that sees nothing, so that its weights are 0 and not NaN."""
    return lse.masked_fill(lse == float("-inf"), 0.0)
