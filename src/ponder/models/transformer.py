"""The network: a decoder of the Llama family over one flat packed row, without padding.

Parameters are plain `nn.Linear`s under Hugging Face names and shapes; whatever is fused is fused for
the length of one call.

Legend: N tokens of the row, M tokens that need logits, D width, V vocabulary, H query heads,
K key heads, E head width, F feed-forward width.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ponder.models.allocator import keep_freed_memory
from ponder.models.architecture import ModelConfig
from ponder.models.attention import packed_attention
from ponder.models.fused import feed_forward, fusable, project_qkv
from ponder.models.packing_plan import AttentionPlan, plan_attention
from ponder.models.rope import RopeTable, rotate
from ponder.types import Packing


def mixed(x: Tensor) -> AbstractContextManager[object]:
    """Autocast for modules whose weights are kept wider than the activations; nothing otherwise."""
    if x.dtype in (torch.bfloat16, torch.float16):
        return torch.autocast(x.device.type, x.dtype)
    return nullcontext()


class RMSNorm(nn.Module):
    """x / rms(x) * weight, the mean square in float32 whatever the input's dtype."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == self.weight.dtype:
            return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return functional.rms_norm(x.to(self.weight.dtype), self.weight.shape, self.weight, self.eps).to(
            x.dtype
        )


class Attention(nn.Module):
    """Projections of the attention; `Layer` decides how they are run."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        width, head = config.hidden_size, config.head_dim
        self.head_dim = head
        self.window = config.window(layer)
        self.q_proj = nn.Linear(width, config.num_heads * head, bias=config.qkv_bias)
        self.k_proj = nn.Linear(width, config.num_kv_heads * head, bias=config.qkv_bias)
        self.v_proj = nn.Linear(width, config.num_kv_heads * head, bias=config.qkv_bias)
        self.o_proj = nn.Linear(config.num_heads * head, width, bias=config.output_bias)
        self.q_norm = RMSNorm(head, config.norm_eps) if config.qk_norm else None
        self.k_norm = RMSNorm(head, config.norm_eps) if config.qk_norm else None

    def heads(self, x_ND: Tensor, norm: RMSNorm, rope_N2E: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(q_NHE, k_NKE, v_NKE) of norm(x), queries and keys normed (Qwen3) and rotated."""
        projections = (self.q_proj, self.k_proj, self.v_proj)
        fused = fusable(*projections)
        rotated = fused and self.q_norm is None and x_ND.dtype in (torch.float32, torch.float64)
        if fused:
            rope = rope_N2E if rotated else None
            q_NHE, k_NKE, v_NKE = project_qkv(x_ND, norm, projections, self.head_dim, rope)
        else:
            y_ND = norm(x_ND)
            with mixed(x_ND):
                q_NHE, k_NKE, v_NKE = (
                    projection(y_ND).unflatten(1, (-1, self.head_dim)) for projection in projections
                )
        if self.q_norm is not None and self.k_norm is not None:
            q_NHE, k_NKE = self.q_norm(q_NHE), self.k_norm(k_NKE)
        if not rotated:
            q_NHE, k_NKE = rotate(q_NHE, rope_N2E), rotate(k_NKE, rope_N2E)
        return q_NHE, k_NKE, v_NKE


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.gate_proj = nn.Linear(width, inner, bias=config.mlp_bias)
        self.up_proj = nn.Linear(width, inner, bias=config.mlp_bias)
        self.down_proj = nn.Linear(inner, width, bias=config.mlp_bias)

    def forward(self, x_ND: Tensor) -> Tensor:
        output: Tensor = self.down_proj(functional.silu(self.gate_proj(x_ND)) * self.up_proj(x_ND))
        return output


class Layer(nn.Module):
    """One decoder layer over a packed row."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.self_attn = Attention(config, layer)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)

    def forward(self, x_ND: Tensor, rope_N2E: Tensor, plan: AttentionPlan) -> Tensor:
        q_NHE, k_NKE, v_NKE = self.self_attn.heads(x_ND, self.input_layernorm, rope_N2E)
        attended_NO = packed_attention(q_NHE, k_NKE, v_NKE, plan, self.self_attn.window).flatten(1)
        output, norm, mlp = self.self_attn.o_proj, self.post_attention_layernorm, self.mlp
        if fusable(output, mlp.gate_proj, mlp.up_proj, mlp.down_proj):
            return feed_forward(x_ND, attended_NO, output, norm, mlp.gate_proj, mlp.up_proj, mlp.down_proj)
        with mixed(x_ND):
            y_ND = x_ND + output(attended_NO)
            result: Tensor = y_ND + mlp(norm(y_ND))
        return result


class Decoder(nn.Module):
    """Everything but the head; its attribute names are Hugging Face's parameter names."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        # Drawing on the meta device would import torch's compiler: seconds, for weights that are then read.
        blank = torch.empty(config.vocab_size, config.hidden_size)
        self.embed_tokens = nn.Embedding(
            config.vocab_size, config.hidden_size, _weight=blank if blank.is_meta else None
        )
        self.layers = nn.ModuleList([Layer(config, index) for index in range(config.num_layers)])
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)


class Transformer(nn.Module):
    """A policy network. Random at birth (normal, `initializer_range`); seed torch to repeat it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        keep_freed_memory()
        self.compute_dtype = torch.float32
        self.gradient_checkpointing = False
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.rope = RopeTable(config)
        self.apply(self._initialise)
        if config.tie_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def _initialise(self, module: nn.Module) -> None:
        if not isinstance(module, (nn.Linear, nn.Embedding)) or module.weight.is_meta:
            return  # Weights on the meta device are about to be read from a file.
        nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    @property
    def head_weight(self) -> Tensor | None:
        """The output matrix (V, D)."""
        return self.lm_head.weight

    def hidden(self, token_ids_N: Tensor, positions_N: Tensor, packing: Packing) -> Tensor:
        """Hidden states_ND after the final norm, in the compute dtype.

        Row i depends on the tokens that `packing` lets token i see, and on nothing else.
        """
        plan = plan_attention(packing, token_ids_N.shape[0], token_ids_N.device)
        if plan.order is not None:
            token_ids_N, positions_N = (x.index_select(0, plan.order) for x in (token_ids_N, positions_N))
        x_ND: Tensor = self.model.embed_tokens(token_ids_N).to(self.compute_dtype)
        rope_N2E = self.rope(positions_N, plan.max_position, x_ND.dtype)
        for layer in self.model.layers:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                x_ND = checkpoint(layer, x_ND, rope_N2E, plan, use_reentrant=False)
            else:
                x_ND = layer(x_ND, rope_N2E, plan)
        output_ND: Tensor = self.model.norm(x_ND)
        return output_ND if plan.inverse is None else output_ND.index_select(0, plan.inverse)

    def logits(self, hidden_MD: Tensor) -> Tensor:
        """Logits_MV, in float32 (float64 for a float64 network)."""
        weight = self.lm_head.weight
        return functional.linear(hidden_MD.to(weight.dtype), weight)
