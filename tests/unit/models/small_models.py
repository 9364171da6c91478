"""Small random networks of every family, as `transformers` makes them, and rows to run them on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponder.models.architecture import ModelConfig
from ponder.types import Packing, Span

SIZES = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": None,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 32,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"rope_parameters": LLAMA3}),
    "llama-biases": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "llama-linear": ("Llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}),
    "llama-dynamic": (
        "Llama",
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
    ),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2-yarn": ("Qwen2", {"rope_parameters": YARN}),
    "qwen2-window": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1},
    ),
    "qwen3": ("Qwen3", {"head_dim": 16}),
    "mistral": ("Mistral", {"sliding_window": 11, "num_key_value_heads": 1}),
    "mistral-open": ("Mistral", {"sliding_window": None, "head_dim": 20}),
}


def make_hf(kind: str, seed: int = 0) -> Any:
    """A random `transformers` network whose every parameter matters: norms and biases random, too."""
    import transformers

    name, options = FAMILIES[kind]
    config = getattr(transformers, f"{name}Config")(**{**SIZES, **options})
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    network = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn_like(parameter)
            parameter.copy_(1.0 + 0.2 * noise if parameter.dim() == 1 else 0.15 * noise)
    return network


def save_hf(kind: str, folder: Path, seed: int = 0) -> Any:
    network = make_hf(kind, seed)
    network.save_pretrained(folder)
    return network


def tiny_config(**changes: Any) -> ModelConfig:
    sizes: dict[str, Any] = {
        "family": "qwen2",
        "vocab_size": 97,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_layers": 3,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 12,
        "max_positions": 128,
        "qkv_bias": True,
        "initializer_range": 0.15,
    }
    return ModelConfig(**{**sizes, **changes})


def pack_rows(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor, Packing]:
    """(token ids, positions, packing) of independent rows, one after the other."""
    spans: list[Span] = []
    for row in rows:
        spans.append(Span(spans[-1].start + spans[-1].length if spans else 0, len(row)))
    return torch.cat(list(rows)), torch.cat([torch.arange(len(row)) for row in rows]), Packing(tuple(spans))


def pack_groups(groups: Sequence[tuple[Tensor, Sequence[Tensor]]]) -> tuple[Tensor, Tensor, Packing]:
    """(token ids, positions, packing) of prompts, each stored once and followed by its completions."""
    spans: list[Span] = []
    ids: list[Tensor] = []
    positions: list[Tensor] = []
    end = 0
    for prompt, completions in groups:
        parent = len(spans)
        for index, tokens in enumerate((prompt, *completions)):
            spans.append(Span(end, len(tokens), -1 if index == 0 else parent))
            ids.append(tokens)
            positions.append(torch.arange(len(tokens)) + (len(prompt) if index else 0))
            end += len(tokens)
    return torch.cat(ids), torch.cat(positions), Packing(tuple(spans))


def random_rows(lengths: Sequence[int], seed: int = 0, vocab: int = 97) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(vocab, (length,), generator=generator) for length in lengths]
