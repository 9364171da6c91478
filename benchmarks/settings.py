"""What either side can be set to, and where the search for the fastest begins."""

from __future__ import annotations

from typing import Any

from benchmarks.shapes import Shape

from ponder.config import EngineConfig, HardwareConfig

PONDER: dict[str, Any] = {
    "num_slots": EngineConfig().num_slots,
    "micro_batch_tokens": HardwareConfig().micro_batch_tokens,
}
"""What a recipe that says nothing gets."""

CONTINUOUS = "continuous batching"
_PAGE = 32
"""Tokens."""

COMPLETIONS: dict[str, dict[str, Any]] = {
    "generate, dynamic cache": {},
    "generate, static cache": {"cache_implementation": "static"},
    CONTINUOUS: {"use_transformers_continuous_batching": True},
}
"""Ways in which GRPOTrainer has completions made by `transformers`, as its options."""


def continuous_cache(shape: Shape) -> dict[str, int]:
    """Pages of keys and values for all completions of a step at once.

    Left to itself continuous batching takes half of the free memory and clears it at every call.
    """
    pages = -(-(shape.prompt_tokens + shape.max_tokens) // _PAGE) + 1
    return {"page_size": _PAGE, "num_blocks": pages * shape.num_completions, "max_batch_tokens": 2048}


TRL: dict[str, Any] = {
    "completions": "generate, dynamic cache",
    "attn_implementation": "sdpa",
    "dataloader_num_workers": 0,
    "rows_per_pass": "all",
    "weights": "float32",
    "environment": {},
}
"""TRL's own defaults, with all rows of a step in one pass. `rows_per_pass` is the batch size per device,
the rest is gradient accumulation."""

KEEP_FREED_MEMORY: dict[str, str] = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""glibc keeps what is freed instead of handing it back: what ponder asks for by itself."""


def differences(settings: dict[str, Any], defaults: dict[str, Any]) -> str:
    """The settings that are not the default, in words."""
    parts = []
    for key, value in settings.items():
        if value == defaults.get(key):
            continue
        if key == "environment":
            parts.append("glibc keeps freed memory")
        elif key == "completions":
            parts.append(str(value))
        else:
            parts.append(f"{key} = {value}")
    return ", ".join(parts) or "defaults"
