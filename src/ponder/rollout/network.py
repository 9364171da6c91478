"""The engine's forward pass: prompts once (`prefill`), then one token per row (`decode`).

Large results go into buffers that stay; a step allocates nothing that grows with the rows.

Legend: R rows, N prompt tokens, D width, H query heads, K key heads, E head width, C = E / 2 complex
pairs, F feed-forward width, V vocabulary, L own keys, P prompt keys, A prompts in use, S seats per
prompt, X positions or cache rows, O = H * E, W = (H + 2K) * E.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ponder.models.rope import rope_frequencies
from ponder.rollout.attention import StepAttention, StepShape
from ponder.rollout.cache import KVCache
from ponder.rollout.weights import FusedWeights, LayerWeights
from ponder.rollout.workspace import Scratch, Workspace, pairs


@dataclass(slots=True)
class StepPlan:
    """Where the rows of one decoding step stand. Built by `ponder.rollout.rows`."""

    shape: StepShape
    tokens_R: Tensor
    positions_R: Tensor
    write_RK: Tensor
    """Row of the flat (slots x key heads x tokens) cache that a head's new key goes to."""
    own_masks: dict[int | None, Tensor]
    """Per attention window: (R, 1, L)."""
    seat_rows: Tensor
    """For each (prompt, key head, seat) the row x K + head that sits there; empty seats repeat one."""
    row_seats: Tensor
    """For each (row, key head) its place in the former order."""
    prompt_masks: dict[int | None, Tensor]
    """Per attention window: (A, 1, P), or (A * K * S, 1, P)."""


@dataclass(frozen=True, slots=True)
class PromptRun:
    """Prompts of one length, side by side in the flat row of a prefill."""

    start: int
    length: int
    places: tuple[int, ...]


class Network:
    """A `Transformer`'s forward pass over a `KVCache`, without gradients."""

    def __init__(self, weights: FusedWeights, cache: KVCache, stable: bool) -> None:
        """`stable`: sum over keys in parts of fixed size, so that results do not depend on company."""
        self.weights, self.cache, self.stable = weights, cache, stable
        self.config, self.device, self.dtype = weights.config, weights.device, weights.dtype
        self.scratch = Scratch(self.device)
        self._rope_XC = torch.empty(0, self.config.head_dim // 2, dtype=torch.complex64, device=self.device)
        self._shape: StepShape | None = None
        self._keys_written: list[tuple[Tensor, Tensor]] = []

    def reserve(self, new_tokens: int, prompt_tokens: int, num_prompts: int) -> bool:
        """Makes room in the cache and the rotary table; True when something has moved in memory."""
        moved = self.cache.reserve(new_tokens, prompt_tokens, num_prompts)
        positions = new_tokens + prompt_tokens
        if len(self._rope_XC) < positions:
            inverse_C, factor = rope_frequencies(self.config)
            count = 1 << (positions - 1).bit_length()
            angles_XC = torch.arange(count, dtype=torch.float32)[:, None] * inverse_C
            self._rope_XC = torch.polar(torch.full_like(angles_XC, factor), angles_XC).to(self.device)
            moved = True
        if moved:
            self._shape = None
            own_Z2XE = self.cache.own_Z2SKTE.flatten(2, 4)
            self._keys_written = [(layer[0], layer[1]) for layer in own_Z2XE]
        return moved

    def prefill(self, tokens_N: Tensor, runs: tuple[PromptRun, ...], last_A: Tensor) -> Tensor:
        """Hidden states (A, D) after the final norm at the positions `last_A`; fills the prompt cache.

        `tokens_N` holds the runs in order and may end in tokens of no run.
        """
        self._shape = None
        rows = len(tokens_N)
        work = Workspace(self.config, rows, self.scratch, self.dtype)
        positions_N = torch.zeros(rows, dtype=torch.int64, device=self.device)
        for run in runs:
            end = run.start + run.length * len(run.places)
            positions_N[run.start : end] = torch.arange(run.length, device=self.device).repeat(
                len(run.places)
            )
        rope_N1C = self._rope_XC.index_select(0, positions_N).unsqueeze(1)
        attended_NO = self.scratch.take("attended", (rows, work.q_RHE[0].numel()), self.dtype)
        x = self.weights.embedding_VD.index_select(0, tokens_N)
        for index, layer in enumerate(self.weights.layers):
            self._heads(x, layer, rope_N1C, work)
            for run in runs:
                self._keep_prompts(index, run, work)
                self._attend_prompts(run, layer, work, attended_NO)
            attended = attended_NO
            if index == len(self.weights.layers) - 1:
                # Only the last position of a prompt predicts; the rest has left its keys behind.
                x, attended = x.index_select(0, last_A), attended_NO.index_select(0, last_A)
                work = Workspace(self.config, len(last_A), self.scratch, self.dtype)
            self._finish_layer(x, attended, layer, work)
        return self._final_norm(x)

    def decode(self, plan: StepPlan) -> Tensor:
        """Hidden states (R, D) after the final norm; writes each row's key and value to the cache."""
        if plan.shape != self._shape:
            self._shape = plan.shape
            self._work = Workspace(self.config, plan.shape.rows, self.scratch, self.dtype)
            self._attention = StepAttention(
                plan.shape, self._work.q_RHE, self.cache, self.scratch, self.stable
            )
        work, attention = self._work, self._attention
        rope_R1C = self._rope_XC.index_select(0, plan.positions_R).unsqueeze(1)
        x = self.weights.embedding_VD.index_select(0, plan.tokens_R)
        where = (plan.write_RK,)
        for index, layer in enumerate(self.weights.layers):
            self._heads(x, layer, rope_R1C, work)
            keys_XE, values_XE = self._keys_written[index]
            keys_XE.index_put_(where, work.k_RKE)
            values_XE.index_put_(where, work.v_RKE)
            masks = plan.own_masks[layer.window], plan.prompt_masks[layer.window]
            attended_RO = attention.run(index, *masks, plan.seat_rows, plan.row_seats)
            self._finish_layer(x, attended_RO, layer, work)
        return self._final_norm(x)

    def logits(self, hidden_RD: Tensor) -> Tensor:
        """Float32 logits (R, V); the next call may overwrite them."""
        head = self.weights.head
        return head(hidden_RD, self.scratch.take("logits", (len(hidden_RD), head.shape[0]), torch.float32))

    def _heads(self, x: Tensor, layer: LayerWeights, rope_R1C: Tensor, work: Workspace) -> None:
        """Fills `q_RHE` and `k_RKE` (rotated) and `v_RKE`."""
        self._norm(x, work)
        qkv_RW = layer.qkv(work.normed_RD, work.qkv_RW)
        if qkv_RW is not work.qkv_RW:
            work.qkv_RW.copy_(qkv_RW)
        if layer.q_norm_E is None or layer.k_norm_E is None:
            if self.dtype == torch.float32:
                torch.mul(work.raw_q_RHC, rope_R1C, out=work.q_RHC)
                torch.mul(work.raw_k_RKC, rope_R1C, out=work.k_RKC)
                return
            q, k = work.raw_q_RHE.float(), work.raw_k_RKE.float()
        else:
            q, k = work.raw_q_RHE.float(), work.raw_k_RKE.float()
            eps = self.config.norm_eps * self.config.head_dim
            q = (q * _inverse_norm(q, eps)).mul_(layer.q_norm_E)
            k = (k * _inverse_norm(k, eps)).mul_(layer.k_norm_E)
        work.q_RHE.copy_(_rotated(q, rope_R1C))
        work.k_RKE.copy_(_rotated(k, rope_R1C))

    def _norm(self, x: Tensor, work: Workspace) -> None:
        """x / |x|, nearly; the norm's weight and sqrt(D) are in the matrix that follows."""
        torch.mul(x, _inverse_norm(x, self.config.norm_eps * self.config.hidden_size), out=work.normed_RD)

    def _final_norm(self, x: Tensor) -> Tensor:
        """In float32, as the head is."""
        x = x.float()
        inverse = _inverse_norm(x, self.config.norm_eps * self.config.hidden_size)
        return (x * inverse).mul_(self.weights.norm_D)

    def _finish_layer(self, x: Tensor, attended_RO: Tensor, layer: LayerWeights, work: Workspace) -> None:
        """x += output(attended), then x += down(silu(gate) * up), in place."""
        layer.output.add_to(x, attended_RO)
        self._norm(x, work)
        gate_RF, up_RF = layer.gate_up(work.normed_RD, work.gate_up_RF).chunk(2, dim=1)
        torch.mul(functional.silu(gate_RF, inplace=True), up_RF, out=work.product_RF)
        layer.down.add_to(x, work.product_RF)

    def _keep_prompts(self, index: int, run: PromptRun, work: Workspace) -> None:
        for number, place in enumerate(run.places):
            first = run.start + number * run.length
            for part, states in enumerate((work.k_RKE, work.v_RKE)):
                target_KPE = self.cache.prompts_Z2GKPE[index, part, place, :, : run.length]
                target_KPE.copy_(states[first : first + run.length].transpose(0, 1))

    def _attend_prompts(self, run: PromptRun, layer: LayerWeights, work: Workspace, out_NO: Tensor) -> None:
        """Causal attention inside each prompt of the run. The queries carry the scale already."""
        count = len(run.places)
        end = run.start + run.length * count
        q, k, v = (
            states[run.start : end].view(count, run.length, *states.shape[1:]).transpose(1, 2)
            for states in (work.q_RHE, work.k_RKE, work.v_RKE)
        )
        mask = None
        if layer.window is not None and layer.window < run.length:
            ones = torch.ones(run.length, run.length, dtype=torch.bool, device=self.device)
            mask = ones.tril() & ones.triu(1 - layer.window)
        attended = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=1.0, enable_gqa=q.shape[1] != k.shape[1]
        )
        out_NO[run.start : end].view(count, run.length, -1).copy_(attended.transpose(1, 2).flatten(2))


def _inverse_norm(x: Tensor, eps: float) -> Tensor:
    """1 / sqrt(sum of squares + eps) over the last dimension, kept, in float32.

    Only operations that round the same in a vector and in its remainder, so that a row's result does
    not depend on where in the batch it stands.
    """
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    inverse: Tensor = norm.square_().add_(eps).rsqrt_()
    return inverse


def _rotated(x_RHE: Tensor, rope_R1C: Tensor) -> Tensor:
    """Neighbouring pairs turned by their position's angle, in float32."""
    turned: Tensor = torch.view_as_real(pairs(x_RHE.contiguous()) * rope_R1C)
    return turned.flatten(-2)
