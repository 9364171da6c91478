"""Attention over a packed row: one interface, (q, k, v, plan), exact gradients, no copies of a prompt.

A token attends to its own span (causal) and, in a child span, to the whole parent. The two parts are
computed by a dense kernel each and merged by their log-sum-exps; the backward kernels are given the
merged output and the global log-sum-exp, with which each part's gradient is the exact one
(the identity behind ring attention: Liu, Zaharia, Abbeel 2023, section 3).

Legend: N tokens of the row, H query heads, K key heads, D head width, B sequences of a piece,
L queries and S keys of a sequence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ponder.models.attention_kernels import flash_backward, flash_forward, plain_backward, plain_forward
from ponder.models.packing_plan import AttentionPlan, Piece, Rows


def packed_attention(
    q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor, plan: AttentionPlan, window: int | None = None
) -> Tensor:
    """The attention output_NHD of every token of a packed row, scores divided by sqrt(D).

    `window` limits how many tokens back a token sees, itself included, counted over parent and child
    together. Queries and keys are already rotated. H must be a multiple of K.
    """
    if window is not None and window > plan.max_position:
        window = None
    output: Tensor = _PackedAttention.apply(  # type: ignore[no-untyped-call]
        q_NHD, k_NKD, v_NKD, plan, window
    )
    return output


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor, plan: AttentionPlan, window: int | None
    ) -> Tensor:
        num_tokens, num_heads, width = q_NHD.shape
        stats = torch.promote_types(q_NHD.dtype, torch.float32)
        output_NHD = q_NHD.new_empty(num_tokens + 1, num_heads, width)
        lse_NH = q_NHD.new_empty(num_tokens + 1, num_heads, dtype=stats)
        for piece in plan.own:
            part, lse = _attend(q_NHD, k_NKD, v_NKD, piece, window)
            _write(output_NHD, part, piece.queries)
            _write(lse_NH, lse, piece.queries)
        for piece in plan.shared:
            part, lse = _attend(q_NHD, k_NKD, v_NKD, piece, window)
            _merge_part(output_NHD, lse_NH, part, lse, piece.queries)
        output_NHD, lse_NH = output_NHD[:num_tokens], lse_NH[:num_tokens]
        ctx.save_for_backward(q_NHD, k_NKD, v_NKD, output_NHD, lse_NH)
        ctx.plan, ctx.window = plan, window
        return output_NHD

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q_NHD, k_NKD, v_NKD, output_NHD, lse_NH = ctx.saved_tensors
        num_tokens = q_NHD.shape[0]
        grad_NHD = grads[0].contiguous()
        grad_q, grad_k, grad_v = (
            tensor.new_empty(num_tokens + 1, *tensor.shape[1:]) for tensor in (q_NHD, k_NKD, v_NKD)
        )
        saved = (q_NHD, k_NKD, v_NKD, output_NHD, lse_NH)
        for piece in ctx.plan.own:
            parts = _attend_backward(grad_NHD, saved, piece, ctx.window)
            for target, part in zip((grad_q, grad_k, grad_v), parts, strict=True):
                _write(target, part, piece.queries)
        for piece in ctx.plan.shared:
            part_q, part_k, part_v = _attend_backward(grad_NHD, saved, piece, ctx.window)
            _add(grad_q, part_q, piece.queries)
            _add(grad_k, part_k, piece.keys)
            _add(grad_v, part_v, piece.keys)
        return grad_q[:num_tokens], grad_k[:num_tokens], grad_v[:num_tokens], None, None


def _read(tensor: Tensor, rows: Rows) -> Tensor:
    """(B, L, ...) from (N, ...): a view when the slots are one stretch of the row."""
    shape = (rows.count, rows.length, *tensor.shape[1:])
    if rows.sources is None:
        return tensor[rows.start : rows.start + rows.count * rows.length].view(shape)
    return tensor.index_select(0, rows.sources).view(shape)


def _write(target: Tensor, part: Tensor, rows: Rows) -> None:
    """Stores (B, L, ...) in the rows of (N + 1, ...); padding lands in the last row, which is dropped."""
    flat = part.reshape(rows.count * rows.length, *target.shape[1:])
    if rows.targets is None:
        target[rows.start : rows.start + flat.shape[0]] = flat
    else:
        target.index_copy_(0, rows.targets, flat)


def _add(target: Tensor, part: Tensor, rows: Rows) -> None:
    """Adds (B, L, ...) to the rows of (N + 1, ...); no row but the last, which is dropped, comes twice."""
    flat = part.reshape(rows.count * rows.length, *target.shape[1:])
    if rows.targets is None:
        target[rows.start : rows.start + flat.shape[0]] += flat
    else:
        target.index_copy_(0, rows.targets, target.index_select(0, rows.targets) + flat)


def _merge_part(output_NHD: Tensor, lse_NH: Tensor, part: Tensor, lse: Tensor, rows: Rows) -> None:
    """Folds a second part into the output: weights exp(lse - global lse), which sum to one."""
    part = part.reshape(-1, *part.shape[2:])
    lse = lse.reshape(-1, lse.shape[2])
    if rows.targets is None:
        own, own_lse = (x[rows.start : rows.start + len(part)] for x in (output_NHD, lse_NH))
    else:
        own, own_lse = (x.index_select(0, rows.targets) for x in (output_NHD, lse_NH))
    share = torch.sigmoid(lse - own_lse).unsqueeze(-1).to(own.dtype)
    own.lerp_(part, share)
    own_lse.copy_(torch.logaddexp(own_lse, lse))
    if rows.targets is not None:
        output_NHD.index_copy_(0, rows.targets, own)
        lse_NH.index_copy_(0, rows.targets, own_lse)


def _attend(q: Tensor, k: Tensor, v: Tensor, piece: Piece, window: int | None) -> tuple[Tensor, Tensor]:
    """(output_BLHD, log-sum-exp_BLH) of one piece."""
    q_BHLD = _read(q, piece.queries).transpose(1, 2)
    k_BKSD, v_BKSD = (_read(x, piece.keys).transpose(1, 2) for x in (k, v))
    if _flash_applies(q, window):
        output, lse = flash_forward(q_BHLD, k_BKSD, v_BKSD, piece.causal)
    else:
        output, lse = plain_forward(q_BHLD, k_BKSD, v_BKSD, piece.causal, piece.positions, window)
    return output.transpose(1, 2), lse.transpose(1, 2)


def _attend_backward(
    grad_NHD: Tensor, saved: tuple[Tensor, ...], piece: Piece, window: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients (q_BLHD, k_BSKD, v_BSKD) of one piece from the merged output and global log-sum-exp."""
    q_NHD, k_NKD, v_NKD, output_NHD, lse_NH = saved
    grad, q, output, lse = (_read(x, piece.queries) for x in (grad_NHD, q_NHD, output_NHD, lse_NH))
    if piece.queries.padding is not None:
        grad.flatten(0, 1).index_fill_(0, piece.queries.padding, 0.0)
    k, v = (_read(x, piece.keys) for x in (k_NKD, v_NKD))
    grad, q, k, v, output, lse = (x.transpose(1, 2) for x in (grad, q, k, v, output, lse))
    if _flash_applies(q_NHD, window):
        grads = flash_backward(grad, q, k, v, output, lse, piece.causal)
    else:
        grads = plain_backward(grad, q, k, v, output, lse, piece.causal, piece.positions, window)
    grad_q, grad_k, grad_v = (x.transpose(1, 2) for x in grads)
    return grad_q, grad_k, grad_v


def _flash_applies(q: Tensor, window: int | None) -> bool:
    return q.device.type == "cpu" and window is None
