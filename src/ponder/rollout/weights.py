"""The policy's weights as the engine multiplies with them: fused, norms folded in, one set per version.

Legend: D width, E head width, V vocabulary, O outputs and I inputs of a map, W outputs of the fused query,
key and value map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ponder.errors import PonderError
from ponder.models.transformer import Transformer
from ponder.rollout.products import Product, pack

_SAMPLES = 16


class StaleWeightsError(PonderError):
    """The policy's parameters changed and the engine was not told."""


class Freshness:
    """The state of a network's parameters at one moment, to notice that they changed since.

    Version counters miss writes by fused optimizers and through `.data`; so a few values of every
    parameter are compared as well.
    """

    def __init__(self, network: nn.Module) -> None:
        self._seen = [(p, p._version, p.data_ptr()) for p in network.parameters()]
        self._samples = [_spread(p) for p in network.parameters()]
        self._values = torch.cat(self._samples)

    def check(self) -> None:
        """Raises StaleWeightsError when a parameter was written to or replaced."""
        for parameter, version, address in self._seen:
            if parameter._version != version or parameter.data_ptr() != address:
                break
        else:
            # NaN differs from itself: weights that have diverged must not look like new ones.
            same = torch.cat(self._samples).equal(self._values)
            if same or torch.allclose(torch.cat(self._samples), self._values, 0, 0, equal_nan=True):
                return
        raise StaleWeightsError(
            "the policy's parameters changed after the engine took them; "
            "call engine.update_weights(version) after every optimizer step, before generate"
        )


def _spread(parameter: Tensor) -> Tensor:
    """A view of some 16 values spread over a parameter."""
    flat = parameter.detach().flatten()
    return flat[:: max(1, flat.numel() // _SAMPLES)]


@dataclass(slots=True)
class LayerWeights:
    """One layer, ready to be multiplied with. The norm before a projection is multiplied into it (with
    sqrt(D), so that x needs only be divided by its length), and 1 / sqrt(E) into the queries.

    Within a head of q and k the pairs that rotate together are neighbours (0, E/2, 1, E/2 + 1, ...), so
    that a rotation is one complex product; scores do not depend on the order of a head's dimensions.
    """

    qkv: Product
    q_norm_E: Tensor | None
    k_norm_E: Tensor | None
    output: Product
    gate_up: Product
    down: Product
    window: int | None


class FusedWeights:
    """The weights of a `Transformer` in the engine's layout and dtype; the head stays float32.

    Matrices that need no change are the policy's own; fused ones are buffers that `refresh` fills in
    place, so that a new version takes no new memory; large ones on a CPU are packed for its products.
    """

    def __init__(self, policy: Transformer, dtype: torch.dtype, packed: bool = True) -> None:
        self._packed = packed
        self.policy, self.config, self.dtype = policy, policy.config, dtype
        self.device = policy.lm_head.weight.device
        self.layers: list[LayerWeights] = []
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Takes the policy's weights as they are now."""
        model = self.policy.model
        previous = self.layers
        self.embedding_VD = self._own(getattr(self, "embedding_VD", None), model.embed_tokens.weight)
        scaled_D = model.norm.weight.detach() * self.config.hidden_size**0.5
        self.norm_D = self._keep(getattr(self, "norm_D", None), scaled_D, torch.float32)
        old = getattr(self, "head", None)
        head_VD = self._own(_matrix(old), _weight(self.policy.lm_head), torch.float32)
        self.head = Product(head_VD, self._pack(head_VD), None)
        self.layers = [
            self._fuse(layer, previous[index] if previous else None, self.config.window(index))
            for index, layer in enumerate(model.layers)
        ]
        self._freshness = Freshness(self.policy)

    def check_fresh(self) -> None:
        """Raises StaleWeightsError when a parameter changed since the last `refresh`."""
        self._freshness.check()

    def _own(self, buffer: Tensor | None, weight: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """The weight itself when it can be used as it is, else its copy in `buffer`."""
        weight = weight.detach()
        if weight.dtype == (dtype or self.dtype) and weight.is_contiguous():
            return weight
        return self._keep(buffer, weight, dtype or self.dtype)

    def _keep(self, buffer: Tensor | None, value: Tensor, dtype: torch.dtype) -> Tensor:
        """The value in `buffer`, at the address it had before; in new memory the first time."""
        if buffer is None or buffer.shape != value.shape or buffer.dtype != dtype:
            return value.to(dtype).clone(memory_format=torch.contiguous_format)
        return buffer.copy_(value)

    def _fuse(self, layer: Any, old: LayerWeights | None, window: int | None) -> LayerWeights:
        attention, mlp, config = layer.self_attn, layer.mlp, self.config
        qkv = (attention.q_proj, attention.k_proj, attention.v_proj)
        heads = (config.num_heads, config.num_kv_heads, config.num_kv_heads)
        order_W = _pair_order(heads, config.head_dim, self.device)
        scale_W = None if config.qk_norm else self._query_scale(heads)
        gate_up = (mlp.gate_proj, mlp.up_proj)
        q_norm, k_norm = self._head_norms(attention)
        qkv_WD = self._concat(qkv, layer.input_layernorm.weight, order_W, scale_W)
        gate_up_FD = self._concat(gate_up, layer.post_attention_layernorm.weight)
        kept = _Kept(old)
        return LayerWeights(
            qkv=self._fused(kept.product("qkv"), qkv_WD, self._bias(kept, "qkv", qkv, order_W, scale_W)),
            q_norm_E=q_norm,
            k_norm_E=k_norm,
            output=self._plain(kept, "output", attention.o_proj),
            gate_up=self._fused(kept.product("gate_up"), gate_up_FD, self._bias(kept, "gate_up", gate_up)),
            down=self._plain(kept, "down", mlp.down_proj),
            window=window,
        )

    def _pack(self, weight_OI: Tensor) -> Tensor | None:
        return pack(weight_OI) if self._packed else None

    def _fused(self, old: Product | None, weight_OI: Tensor, bias_O: Tensor | None) -> Product:
        """The product with a matrix made here, which is kept in one form only."""
        packed = self._pack(weight_OI.to(self.dtype))
        if packed is not None:
            return Product(None, packed, bias_O)
        return Product(self._keep(_matrix(old), weight_OI, self.dtype), None, bias_O)

    def _plain(self, kept: _Kept, name: str, module: Any) -> Product:
        """The product with a matrix of the policy's own."""
        weight_OI = self._own(_matrix(kept.product(name)), _weight(module))
        return Product(weight_OI, self._pack(weight_OI), self._bias(kept, name, (module,)))

    def _concat(
        self,
        parts: tuple[nn.Module, ...],
        norm_D: Tensor,
        order_W: Tensor | None = None,
        scale_W: Tensor | None = None,
    ) -> Tensor:
        fused: Tensor = torch.cat([_weight(part) for part in parts]) * (norm_D * norm_D.numel() ** 0.5)
        if order_W is not None:
            fused = fused[order_W]
        if scale_W is not None:
            fused *= scale_W[:, None]
        return fused

    def _bias(
        self,
        kept: _Kept,
        name: str,
        parts: tuple[Any, ...],
        order_W: Tensor | None = None,
        scale_W: Tensor | None = None,
    ) -> Tensor | None:
        if parts[0].bias is None:
            return None
        bias_W = torch.cat([part.bias.detach() for part in parts])
        if order_W is not None:
            bias_W = bias_W[order_W]
        old = kept.product(name)
        buffer = None if old is None else old.bias_O
        return self._keep(buffer, bias_W if scale_W is None else bias_W * scale_W, self.dtype)

    def _query_scale(self, heads: tuple[int, ...]) -> Tensor:
        width = self.config.head_dim
        scale_W = torch.ones(sum(heads) * width, device=self.device)
        scale_W[: heads[0] * width] = width**-0.5
        return scale_W

    def _head_norms(self, attention: Any) -> tuple[Tensor | None, Tensor | None]:
        """Qwen3's norms of queries and keys; sqrt(E) and the queries' 1 / sqrt(E) are in them."""
        if attention.q_norm is None:
            return None, None
        pairs_E = _pair_order((1,), self.config.head_dim, self.device)
        k_norm_E = attention.k_norm.weight.detach()[pairs_E].float() * self.config.head_dim**0.5
        return attention.q_norm.weight.detach()[pairs_E].float(), k_norm_E


class _Kept:
    """The products of the version before, None where there are none."""

    def __init__(self, layer: LayerWeights | None) -> None:
        self._layer = layer

    def product(self, name: str) -> Product | None:
        value: Product | None = None if self._layer is None else getattr(self._layer, name)
        return value


def _matrix(product: Product | None) -> Tensor | None:
    return None if product is None else product.weight_OI


def _weight(module: Any) -> Tensor:
    """The matrix a linear map multiplies with, adapters (peft's LoRA layers) added in."""
    base = getattr(module, "base_layer", None)
    if base is None:
        plain: Tensor = module.weight.detach()
        return plain
    merged: Tensor = base.weight.detach()
    if not module.merged and not module.disable_adapters:
        for adapter in module.active_adapters:
            merged = merged + module.get_delta_weight(adapter).to(merged)
    return merged


def _pair_order(heads: tuple[int, ...], width: int, device: torch.device) -> Tensor:
    """For each new row of a fused q, k, v matrix the old one; only q and k heads change order."""
    pairs_E = torch.arange(width, device=device).view(2, width // 2).T.reshape(-1)
    plain_E = torch.arange(width, device=device)
    num_rotated = heads[0] if len(heads) == 1 else heads[0] + heads[1]
    return torch.cat(
        [head * width + (pairs_E if head < num_rotated else plain_E) for head in range(sum(heads))]
    )
