"""Memory of the forward pass: flat buffers that stay, and the views that a batch of R rows needs.

Legend: R rows, D width, H query heads, K key heads, E head width, C = E / 2 complex pairs,
F feed-forward width, W = (H + 2K) * E.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ponder.models.architecture import ModelConfig


class Scratch:
    """Flat buffers by name, grown when needed and reused by every step."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._buffers: dict[str, Tensor] = {}
        self._outgrown: list[Tensor] = []

    def take(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor of this shape; the same memory at every call with this name."""
        size = 1
        for length in shape:
            size *= length
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < size or buffer.dtype != dtype:
            if buffer is not None and buffer.is_cuda:
                # A captured graph may still write to the old address.
                self._outgrown.append(buffer)
            buffer = self._buffers[name] = torch.empty(size, dtype=dtype, device=self._device)
        return buffer[:size].view(shape)


class Workspace:
    """Every intermediate of a layer for R rows, as views made once."""

    def __init__(self, config: ModelConfig, rows: int, scratch: Scratch, dtype: torch.dtype) -> None:
        heads, kv_heads, width = config.num_heads, config.num_kv_heads, config.head_dim
        inner = config.intermediate_size
        self.rows = rows
        self.normed_RD = scratch.take("normed", (rows, config.hidden_size), dtype)
        self.qkv_RW = scratch.take("qkv", (rows, (heads + 2 * kv_heads) * width), dtype)
        qkv = self.qkv_RW.view(rows, heads + 2 * kv_heads, width)
        self.raw_q_RHE, self.raw_k_RKE = qkv[:, :heads], qkv[:, heads : heads + kv_heads]
        self.v_RKE = qkv[:, heads + kv_heads :]
        self.q_RHE = scratch.take("q", (rows, heads, width), dtype)
        self.k_RKE = scratch.take("k", (rows, kv_heads, width), dtype)
        if dtype == torch.float32:
            self.raw_q_RHC, self.raw_k_RKC = pairs(self.raw_q_RHE), pairs(self.raw_k_RKE)
            self.q_RHC, self.k_RKC = pairs(self.q_RHE), pairs(self.k_RKE)
        self.gate_up_RF = scratch.take("gate_up", (rows, 2 * inner), dtype)
        self.product_RF = scratch.take("product", (rows, inner), dtype)


def pairs(x: Tensor) -> Tensor:
    """Neighbours of the last dimension as complex numbers; a view."""
    return torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))
