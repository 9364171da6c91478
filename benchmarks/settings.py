"""What either side can be set to, and where the search for the fastest begins."""

from __future__ import annotations

from typing import Any

from benchmarks.shapes import Shape

from ponder.config import EngineConfig, HardwareConfig

PONDER: dict[str, Any] = {
    "num_slots": EngineConfig().num_slots,
    "lanes": EngineConfig().lanes,
    "micro_batch_tokens": HardwareConfig().micro_batch_tokens,
}
"""What a recipe that says nothing gets."""

CONTINUOUS = {"continuous batching": 0, "continuous batching, 32 at once": 32}
"""Name -> requests in a batch, 0: all. On a CPU its attention covers every pair of requests in the batch."""
_PAGE = 32
"""Tokens."""

COMPLETIONS: dict[str, dict[str, Any]] = {
    "generate, dynamic cache": {},
    "generate, static cache": {"cache_implementation": "static"},
    **{name: {"use_transformers_continuous_batching": True} for name in CONTINUOUS},
}
"""Ways in which GRPOTrainer has completions made by `transformers`, as its options."""


def continuous_cache(shape: Shape, completions: str) -> dict[str, int]:
    """Pages of keys and values for all completions that are in a batch at once.

    Left to itself continuous batching takes half of the free memory and clears it at every call.
    """
    pages = -(-(shape.prompt_tokens + shape.max_tokens) // _PAGE) + 1
    at_once = CONTINUOUS.get(completions, 0)
    if not at_once:
        return {"page_size": _PAGE, "num_blocks": pages * shape.num_completions, "max_batch_tokens": 2048}
    sizes = {"num_blocks": pages * at_once, "max_batch_tokens": max(512, shape.prompt_tokens)}
    return {"page_size": _PAGE, "max_requests_per_batch": at_once, **sizes}


TRL: dict[str, Any] = {
    "completions": "generate, dynamic cache",
    "attn_implementation": "sdpa",
    "dataloader_num_workers": 0,
    "rows_per_pass": "all",
    "torch_compile": False,
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


GROUPED_KEYS: dict[str, str] = {**KEEP_FREED_MEMORY, "TRANSFORMERS_SDPA_FORCE_GQA": "1"}
"""Besides, attention that does not repeat the keys of grouped heads."""


def differences(settings: dict[str, Any], defaults: dict[str, Any]) -> str:
    """The settings that are not the default, in words."""
    parts = []
    for key, value in settings.items():
        if value == defaults.get(key):
            continue
        if key == "environment":
            parts.append("glibc keeps freed memory" + (", grouped keys" if value == GROUPED_KEYS else ""))
        elif key == "completions":
            parts.append(str(value))
        else:
            parts.append(f"{key} = {value}")
    return ", ".join(parts) or "defaults"
