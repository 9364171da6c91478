"""Keys and values: one prompt per group, shared by its members, and one slot per completion.

Legend: Z layers, S slots, G group places, K key heads, T tokens of a slot, P tokens of a prompt,
E head width.
"""

from __future__ import annotations

import mmap

import torch
from torch import Tensor

from ponder.models.architecture import ModelConfig

KEY_STEP = 16
"""Capacities, and the number of keys an attention reads, are multiples of this."""


def round_up(count: int, step: int) -> int:
    """The smallest multiple of `step` that is at least `count`."""
    return -(-count // step) * step


class KVCache:
    """Buffers kept between calls; they only ever grow. Index 0 of the second axis is keys, 1 values."""

    def __init__(self, config: ModelConfig, num_slots: int, dtype: torch.dtype, device: torch.device) -> None:
        self._config, self.num_slots, self._dtype, self._device = config, num_slots, dtype, device
        self.own_Z2SKTE = self._zeros(num_slots, 0)
        self.prompts_Z2GKPE = self._zeros(0, 0)

    def _zeros(self, places: int, tokens: int) -> Tensor:
        config = self._config
        heads, width = config.num_kv_heads, config.head_dim
        shape: tuple[int, ...] = (config.num_layers, 2, places, heads, tokens, width)
        if self._device.type == "cpu" and _size(shape):
            return _untouched(shape, self._dtype)
        return torch.zeros(shape, dtype=self._dtype, device=self._device)

    def reserve(self, new_tokens: int, prompt_tokens: int, num_prompts: int) -> bool:
        """Makes room for completions and prompts of these lengths; True when buffers were replaced.

        What was in a replaced buffer is gone; call it only while no row is active.
        """
        new_tokens, prompt_tokens = round_up(new_tokens, KEY_STEP), round_up(prompt_tokens, KEY_STEP)
        replaced = False
        if self.own_Z2SKTE.shape[4] < new_tokens:
            del self.own_Z2SKTE
            self.own_Z2SKTE = self._zeros(self.num_slots, new_tokens)
            replaced = True
        old_prompts, old_tokens = self.prompts_Z2GKPE.shape[2], self.prompts_Z2GKPE.shape[4]
        if old_prompts < num_prompts or old_tokens < prompt_tokens:
            del self.prompts_Z2GKPE
            self.prompts_Z2GKPE = self._zeros(max(old_prompts, num_prompts), max(old_tokens, prompt_tokens))
            replaced = True
        return replaced

    def move_slot(self, source: int, target: int, tokens: int) -> None:
        """Copies the first `tokens` tokens of one slot over another."""
        if tokens:
            self.own_Z2SKTE[:, :, target, :, :tokens].copy_(self.own_Z2SKTE[:, :, source, :, :tokens])

    def move_prompt(self, source: int, target: int, tokens: int) -> None:
        """Copies a prompt from one group place to another."""
        self.prompts_Z2GKPE[:, :, target, :, :tokens].copy_(self.prompts_Z2GKPE[:, :, source, :, :tokens])


def _untouched(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros that take no memory until they are written to, 4 KB at a time.

    Few completions fill their slot, so most of the cache is never touched. Huge pages would make all
    of it resident at once: a slot's keys of one head are smaller than a huge page.
    """
    memory = mmap.mmap(-1, _size(shape) * dtype.itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(shape)


def _size(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
