"""Log-probabilities and entropies of chosen tokens, without ever keeping a row of logits per token.

Dimensions: M completion tokens, D width, V vocabulary, C rows of one chunk.

The head runs in float32 at least (float64 stays float64), whatever the policy computes in. The
distribution is the tempered one, softmax(logits / temperature): the one that was sampled from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

KEEP_BYTES = 64 << 20
"""Below this size the softmax of the forward pass is kept for the backward pass."""

_CPU_CHUNK_ELEMENTS = 1 << 21
"""Logits of one chunk on a CPU: 8 MB in float32. Fewer rows keep two threads from sharing a product well."""
_ACCELERATOR_CHUNK_ELEMENTS = 1 << 27
"""Logits of one chunk elsewhere: 512 MB in float32, large enough to fill the device."""
_MIN_CHUNK_ROWS = 128
"""Fewer rows than this would stream the head's weight from memory for too little work."""


def token_logprobs(
    hidden_MD: Tensor,
    project: Tensor | Callable[[Tensor], Tensor],
    targets_M: Tensor,
    temperature: float = 1.0,
    chunk_tokens: int = 4096,
    keep_bytes: int = KEEP_BYTES,
) -> tuple[Tensor, Tensor]:
    """Returns (logprobs_M, entropy_M) of `targets_M` under softmax(logits / temperature).

    `project` is the head: a weight (V, D), which takes the fast path, or a callable from (m, D) to
    (m, V) logits, which runs under activation checkpointing. At most `chunk_tokens` rows of logits
    exist at a time; the backward pass computes them again, unless all of them fit in `keep_bytes`.
    Both results are in nats, float32 (float64 when an input is); `entropy_M` carries no gradient.

    Raises ValueError when temperature <= 0 or chunk_tokens < 1.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; log-probabilities need one above 0")
    if chunk_tokens < 1:
        raise ValueError(f"chunk_tokens is {chunk_tokens}; at least 1 row is computed at a time")
    if isinstance(project, Tensor):
        logprobs_M, entropy_M = _HeadLogprobs.apply(  # type: ignore[no-untyped-call]
            hidden_MD, project, targets_M, 1.0 / temperature, chunk_tokens, keep_bytes
        )
        return logprobs_M, entropy_M
    return _projected_logprobs(hidden_MD, project, targets_M, 1.0 / temperature, chunk_tokens)


def _head_dtype(*tensors: Tensor) -> torch.dtype:
    """float32, or float64 when one of the tensors has it."""
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def _chunks(num_rows: int, num_columns: int, chunk_tokens: int, device: torch.device) -> Iterator[slice]:
    """Slices of rows that cover `num_rows`, each small enough for the device's memory hierarchy."""
    budget = _CPU_CHUNK_ELEMENTS if device.type == "cpu" else _ACCELERATOR_CHUNK_ELEMENTS
    rows = min(chunk_tokens, max(_MIN_CHUNK_ROWS, budget // max(1, num_columns)))
    for start in range(0, num_rows, rows):
        yield slice(start, min(start + rows, num_rows))


class _HeadLogprobs(torch.autograd.Function):
    """One matmul per chunk forward; backward: the same matmul, a softmax in place, two more matmuls.

    d logprob_t / d logits_v = ([v = target] - softmax_v) / temperature. The factor 1 / temperature
    is applied to the hidden states (C x D) and to their gradient instead of to the logits (C x V).
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_MD: Tensor,
        weight_VD: Tensor,
        targets_M: Tensor,
        inverse_temperature: float,
        chunk_tokens: int,
        keep_bytes: int,
    ) -> tuple[Tensor, Tensor]:
        dtype = _head_dtype(hidden_MD, weight_VD)
        num_rows, vocabulary = hidden_MD.shape[0], weight_VD.shape[0]
        differentiable = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        keep = differentiable and num_rows * vocabulary * dtype.itemsize <= keep_bytes
        with torch.autocast(hidden_MD.device.type, enabled=False):
            weight_DV = weight_VD.to(dtype).t()
            logprobs_M = hidden_MD.new_empty(num_rows, dtype=dtype)
            entropy_M = hidden_MD.new_empty(num_rows, dtype=dtype)
            softmax_MV = hidden_MD.new_empty((num_rows, vocabulary) if keep else (0, vocabulary), dtype=dtype)
            exp_CV: Tensor | None = None
            logits_CV: Tensor | None = None
            for rows in _chunks(num_rows, vocabulary, chunk_tokens, hidden_MD.device):
                count = rows.stop - rows.start
                if logits_CV is None or logits_CV.shape[0] != count:
                    logits_CV = hidden_MD.new_empty((count, vocabulary), dtype=dtype)
                    exp_CV = None if keep else torch.empty_like(logits_CV)
                torch.mm(hidden_MD[rows].to(dtype) * inverse_temperature, weight_DV, out=logits_CV)
                logits_CV -= logits_CV.amax(-1, keepdim=True)
                target_C = logits_CV.gather(1, targets_M[rows, None]).squeeze(1)
                weights_CV = torch.exp(logits_CV, out=softmax_MV[rows] if keep else exp_CV)
                total_C = weights_CV.sum(-1)
                log_total_C = total_C.log()
                logprobs_M[rows] = target_C - log_total_C
                entropy_M[rows] = log_total_C - torch.linalg.vecdot(weights_CV, logits_CV) / total_C
                if keep:
                    weights_CV /= total_C[:, None]
        ctx.save_for_backward(hidden_MD, weight_VD, targets_M, softmax_MV if keep else None)
        ctx.inverse_temperature = inverse_temperature
        ctx.chunk_tokens = chunk_tokens
        ctx.mark_non_differentiable(entropy_M)
        return logprobs_M, entropy_M

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_M: Tensor, _: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        hidden_MD, weight_VD, targets_M, softmax_MV = ctx.saved_tensors
        dtype = _head_dtype(hidden_MD, weight_VD)
        vocabulary = weight_VD.shape[0]
        with torch.autocast(hidden_MD.device.type, enabled=False):
            weight_head_VD = weight_VD.to(dtype)
            needs_hidden, needs_weight = ctx.needs_input_grad[:2]
            grad_hidden_MD = torch.empty_like(hidden_MD) if needs_hidden else None
            grad_weight_VD = torch.zeros_like(weight_head_VD) if needs_weight else None
            buffer_CV: Tensor | None = None
            for rows in _chunks(hidden_MD.shape[0], vocabulary, ctx.chunk_tokens, hidden_MD.device):
                hidden_CD = hidden_MD[rows].to(dtype) * ctx.inverse_temperature
                grad_C1 = grad_M[rows, None].to(dtype)
                if buffer_CV is None or buffer_CV.shape[0] != rows.stop - rows.start:
                    buffer_CV = hidden_MD.new_empty((rows.stop - rows.start, vocabulary), dtype=dtype)
                if softmax_MV is None:
                    torch.mm(hidden_CD, weight_head_VD.t(), out=buffer_CV)
                    torch.softmax(buffer_CV, -1, out=buffer_CV)
                    grad_logits_CV = buffer_CV.mul_(-grad_C1)
                else:
                    # Into the buffer, not in place: the saved softmax must survive retain_graph.
                    grad_logits_CV = torch.mul(softmax_MV[rows], -grad_C1, out=buffer_CV)
                grad_logits_CV.scatter_add_(1, targets_M[rows, None], grad_C1)
                if grad_hidden_MD is not None:
                    grad_hidden_MD[rows] = (grad_logits_CV @ weight_head_VD) * ctx.inverse_temperature
                if grad_weight_VD is not None:
                    grad_weight_VD.addmm_(grad_logits_CV.t(), hidden_CD)
        if grad_weight_VD is not None:
            grad_weight_VD = grad_weight_VD.to(weight_VD.dtype)
        return grad_hidden_MD, grad_weight_VD, None, None, None, None


def _projected_logprobs(
    hidden_MD: Tensor,
    project: Callable[[Tensor], Tensor],
    targets_M: Tensor,
    inverse_temperature: float,
    chunk_tokens: int,
) -> tuple[Tensor, Tensor]:
    """The same through any head: autograd differentiates each chunk while recomputing it."""

    def chunk(hidden_CD: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
        logits_CV = project(hidden_CD)
        logits_CV = logits_CV.to(_head_dtype(logits_CV)) * inverse_temperature
        log_softmax_CV = logits_CV.log_softmax(-1)
        with torch.no_grad():
            # exp(-inf) * -inf would be NaN where a head rules tokens out.
            entropy_C = torch.special.entr(log_softmax_CV.exp()).sum(-1)
        return log_softmax_CV.gather(1, targets_C[:, None]).squeeze(1), entropy_C

    parts = []
    for start in range(0, hidden_MD.shape[0], chunk_tokens):
        rows = slice(start, start + chunk_tokens)
        if torch.is_grad_enabled():
            parts.append(checkpoint(chunk, hidden_MD[rows], targets_M[rows], use_reentrant=False))
        else:
            parts.append(chunk(hidden_MD[rows], targets_M[rows]))
    if not parts:
        empty = hidden_MD.new_empty(0, dtype=_head_dtype(hidden_MD))
        return empty, empty.clone()
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
