"""The two dense halves of a layer, each one autograd function that walks the row in small chunks.

Between two attentions every token is on its own. Walking a thousand tokens at a time through norm,
projections and activation keeps what is in between in the processor's cache; only what the backward
pass needs is written out (4 widths and 2 feed-forward widths per token and layer), the rest is
computed again there, without a further matrix product.

Legend: N tokens, C tokens of a chunk, D width, H query heads, K key heads, E head width,
F feed-forward width, O outputs of a linear map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ponder.models.rope import pairs_apart, pairs_together, rotate_pairs

_CPU_CHUNK_TOKENS = 1024


def fusable(*modules: nn.Module) -> bool:
    """Whether the modules are the plain ones, so that using their weights directly is the same.

    An adapter (LoRA) or a hook changes what calling the module means; then it must be called.
    """
    return all(
        type(module) is nn.Linear and not module._forward_hooks and not module._forward_pre_hooks
        for module in modules
    )


def project_qkv(
    x_ND: Tensor,
    norm: nn.Module,
    projections: tuple[nn.Linear, nn.Linear, nn.Linear],
    head_dim: int,
    rope_N2E: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(q_NHE, k_NKE, v_NKE) of norm(x).

    With `rope_N2E` (float32 and float64 only) queries and keys are rotated, and each head's outputs
    i and i + E / 2 stand side by side in both, which no score depends on.
    """
    weights = [projection.weight for projection in projections]
    biases = [projection.bias for projection in projections]
    outputs: tuple[Tensor, Tensor, Tensor] = _ProjectQKV.apply(  # type: ignore[no-untyped-call]
        x_ND, norm.weight, norm.eps, head_dim, rope_N2E, *weights, *biases
    )
    return outputs


def feed_forward(
    x_ND: Tensor,
    attended_NO: Tensor,
    output: nn.Linear,
    norm: nn.Module,
    gate: nn.Linear,
    up: nn.Linear,
    down: nn.Linear,
) -> Tensor:
    """y + down(silu(gate(norm(y))) * up(norm(y))) with y = x + output(attended); shape (N, D)."""
    modules = (output, gate, up, down)
    result: Tensor = _FeedForward.apply(  # type: ignore[no-untyped-call]
        x_ND,
        attended_NO,
        norm.weight,
        norm.eps,
        torch.is_grad_enabled(),
        *(m.weight for m in modules),
        *(m.bias for m in modules),
    )
    return result


def _chunks(x_ND: Tensor) -> Iterator[slice]:
    size = _CPU_CHUNK_TOKENS if x_ND.device.type == "cpu" else max(len(x_ND), 1)
    for start in range(0, len(x_ND), size):
        yield slice(start, min(start + size, len(x_ND)))


def _cast(tensors: Sequence[Tensor | None], dtype: torch.dtype) -> list[Any]:
    """The tensors in the dtype of the activations; the very same ones when that is theirs."""
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]


class _WeightGrad:
    """Sums a linear map's gradients over chunks, in the weight's own dtype."""

    def __init__(self, weight: Tensor, bias: Tensor | None, wanted: tuple[bool, bool]) -> None:
        self.weight = torch.zeros_like(weight) if wanted[0] else None
        self.bias = torch.zeros_like(bias) if wanted[1] and bias is not None else None

    def add(self, grad_CO: Tensor, x_CD: Tensor) -> None:
        if self.weight is not None:
            if grad_CO.dtype == self.weight.dtype:
                self.weight.addmm_(grad_CO.t(), x_CD)
            else:
                self.weight += grad_CO.t() @ x_CD
        if self.bias is not None:
            self.bias += grad_CO.sum(0, dtype=self.bias.dtype)

    def reorder(self, head_dim: int) -> None:
        """Undoes `pairs_together` on sums made with reordered maps."""
        self.weight = None if self.weight is None else pairs_apart(self.weight, head_dim)
        self.bias = None if self.bias is None else pairs_apart(self.bias, head_dim)


def _normalise(x_CD: Tensor, eps: float, stats: torch.dtype) -> tuple[Tensor, Tensor]:
    """(x / rms(x), 1 / rms(x) with shape (C, 1)), both in the dtype `stats`."""
    wide_CD = x_CD.to(stats)
    scale_C1 = wide_CD.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
    return wide_CD * scale_C1, scale_C1


def _normalise_backward(
    grad_CD: Tensor, unit_CD: Tensor, scale_C1: Tensor, weight_D: Tensor, weight_grad_D: Tensor | None
) -> Tensor:
    """Gradient of the norm's input, from that of its output; adds to the gradient of its weight."""
    grad_CD = grad_CD.to(unit_CD.dtype)
    if weight_grad_D is not None:
        weight_grad_D += (grad_CD * unit_CD).sum(0)
    grad_CD = grad_CD * weight_D
    along_C1 = (grad_CD * unit_CD).mean(-1, keepdim=True)
    return torch.addcmul(grad_CD, unit_CD, along_C1, value=-1).mul_(scale_C1)


class _ProjectQKV(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, norm_D: Tensor, eps: float, head_dim: int, rope_N2E: Tensor | None, *maps: Any
    ) -> tuple[Tensor, ...]:
        weights, biases = _ready_maps(maps, x_ND.dtype, head_dim, rope_N2E)
        outputs = tuple(x_ND.new_empty(len(x_ND), len(weight) // head_dim, head_dim) for weight in weights)
        for part in _chunks(x_ND):
            unit_CD, _ = _normalise(x_ND[part], eps, norm_D.dtype)
            y_CD = unit_CD.mul_(norm_D).to(x_ND.dtype)
            for index, (output, weight, bias) in enumerate(zip(outputs, weights, biases, strict=True)):
                heads = functional.linear(y_CD, weight, bias).view(-1, *output.shape[1:])
                if rope_N2E is not None and index < 2:
                    rotate_pairs(heads, rope_N2E[part], output[part])
                else:
                    output[part] = heads
        ctx.save_for_backward(x_ND, norm_D, rope_N2E, *maps)
        ctx.eps, ctx.head_dim = eps, head_dim
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, norm_D, rope_N2E, *maps = ctx.saved_tensors
        weights, _ = _ready_maps(maps, x_ND.dtype, ctx.head_dim, rope_N2E)
        wanted = ctx.needs_input_grad
        sums = [_WeightGrad(maps[i], maps[3 + i], (wanted[5 + i], wanted[8 + i])) for i in range(3)]
        norm_grad = torch.zeros_like(norm_D) if wanted[1] else None
        x_grad = torch.empty_like(x_ND)
        for part in _chunks(x_ND):
            unit_CD, scale_C1 = _normalise(x_ND[part], ctx.eps, norm_D.dtype)
            y_CD = (unit_CD * norm_D).to(x_ND.dtype)
            y_grad = torch.zeros_like(y_CD)
            for index, (total, weight) in enumerate(zip(sums, weights, strict=True)):
                grad = grads[index][part].contiguous()
                if rope_N2E is not None and index < 2:
                    turned = torch.empty_like(grad)
                    rotate_pairs(grad, rope_N2E[part], turned, inverse=True)
                    grad = turned
                grad_CO = grad.flatten(1)
                total.add(grad_CO, y_CD)
                y_grad.addmm_(grad_CO, weight)
            x_grad[part] = _normalise_backward(y_grad, unit_CD, scale_C1, norm_D, norm_grad)
        if rope_N2E is not None:
            for total in sums[:2]:
                total.reorder(ctx.head_dim)
        return (x_grad, norm_grad, None, None, None, *(s.weight for s in sums), *(s.bias for s in sums))


def _ready_maps(
    maps: Sequence[Tensor | None], dtype: torch.dtype, head_dim: int, rope_N2E: Tensor | None
) -> tuple[list[Tensor], list[Tensor | None]]:
    """(weights, biases) of q, k and v in the activations' dtype; q's and k's in pairs if they are to turn."""
    ready = _cast(maps, dtype)
    if rope_N2E is not None:
        for index in (0, 1, 3, 4):
            if ready[index] is not None:
                ready[index] = pairs_together(ready[index], head_dim)
    return ready[:3], ready[3:]


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, attended_NO: Tensor, norm_D: Tensor, eps: float, keep: bool, *maps: Any
    ) -> Tensor:
        weights, biases = _cast(maps[:4], x_ND.dtype), _cast(maps[4:], x_ND.dtype)
        middle_ND, result_ND = torch.empty_like(x_ND), torch.empty_like(x_ND)
        gate_NF, up_NF = (x_ND.new_empty(len(x_ND) if keep else 0, weights[1].shape[0]) for _ in range(2))
        for part in _chunks(x_ND):
            mid_CD = functional.linear(attended_NO[part], weights[0], biases[0]).add_(x_ND[part])
            unit_CD, _ = _normalise(mid_CD, eps, norm_D.dtype)
            y_CD = unit_CD.mul_(norm_D).to(x_ND.dtype)
            gate_CF, up_CF = (functional.linear(y_CD, weights[i], biases[i]) for i in (1, 2))
            if keep:
                middle_ND[part], gate_NF[part], up_NF[part] = mid_CD, gate_CF, up_CF
            active_CF = functional.silu(gate_CF, inplace=True).mul_(up_CF)
            torch.add(functional.linear(active_CF, weights[3], biases[3]), mid_CD, out=result_ND[part])
        if keep:
            ctx.save_for_backward(attended_NO, middle_ND, gate_NF, up_NF, norm_D, *maps)
        ctx.eps = eps
        return result_ND

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        attended_NO, middle_ND, gate_NF, up_NF, norm_D, *maps = ctx.saved_tensors
        weights, biases = maps[:4], maps[4:]
        wanted = ctx.needs_input_grad
        sums = [_WeightGrad(weights[i], biases[i], (wanted[5 + i], wanted[9 + i])) for i in range(4)]
        norm_grad = torch.zeros_like(norm_D) if wanted[2] else None
        x_grad, attended_grad = torch.empty_like(middle_ND), torch.empty_like(attended_NO)
        cast = _cast(weights, middle_ND.dtype)
        for part in _chunks(middle_ND):
            grad_CD, gate_CF, up_CF = grads[0][part], gate_NF[part], up_NF[part]
            unit_CD, scale_C1 = _normalise(middle_ND[part], ctx.eps, norm_D.dtype)
            y_CD = (unit_CD * norm_D).to(middle_ND.dtype)
            active_CF = functional.silu(gate_CF)
            grad_CF = grad_CD @ cast[3]
            up_grad = grad_CF * active_CF
            sums[3].add(grad_CD, active_CF.mul_(up_CF))
            gate_grad = torch.ops.aten.silu_backward(grad_CF.mul_(up_CF), gate_CF)
            sums[1].add(gate_grad, y_CD)
            sums[2].add(up_grad, y_CD)
            y_grad = (gate_grad @ cast[1]).addmm_(up_grad, cast[2])
            mid_grad = _normalise_backward(y_grad, unit_CD, scale_C1, norm_D, norm_grad)
            mid_grad = mid_grad.to(grad_CD.dtype).add_(grad_CD)
            x_grad[part] = mid_grad
            sums[0].add(mid_grad, attended_NO[part])
            torch.mm(mid_grad, cast[0], out=attended_grad[part])
        weight_grads, bias_grads = (s.weight for s in sums), (s.bias for s in sums)
        return (x_grad, attended_grad, norm_grad, None, None, *weight_grads, *bias_grads)
