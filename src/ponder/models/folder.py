"""Models on disk: a Hugging Face folder to a policy and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ponder.errors import ModelError
from ponder.models.architecture import ModelConfig, built_in
from ponder.models.fallback import AutoPolicy, load_auto_policy
from ponder.models.lora import (
    ADAPTER_CONFIG,
    add_lora,
    base_of_adapter,
    has_adapter,
    load_adapter,
    merged_tensors,
)
from ponder.models.policy import Policy
from ponder.models.tokenizer import Tokenizer
from ponder.models.transformer import Transformer
from ponder.models.weights import fill, read_json, write_json, write_tensors

if TYPE_CHECKING:
    from ponder.config import LoRAConfig

_SHARD_BYTES = 5_000_000_000


def load_policy(
    path: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    lora: LoRAConfig | None = None,
) -> Policy:
    """The network in a Hugging Face folder, or in an adapter folder that names its base.

    `dtype` is that of activations; parameters and head are float32 with bfloat16 (the frozen weights
    under an adapter excepted) and float64 with float64. `lora` adds a new adapter and freezes the
    rest. Families outside `architecture.FAMILIES` load through `transformers`.

    Raises ModelError: no folder, no or unreadable config.json, unknown architecture, a tensor
    missing, misshapen or unknown, damaged weights.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {str(path)!r}")
    if (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
        if lora is not None:
            raise ModelError(
                f"{folder} is already an adapter; merge it (`save_policy`) before adding another"
            )
        policy = load_policy(base_of_adapter(folder), device=device, dtype=dtype)
        load_adapter(policy, folder)
        return policy
    raw = read_json(folder / "config.json")
    master = torch.float64 if dtype == torch.float64 else torch.float32
    policy = _load_built_in(folder, raw, master) if built_in(raw) else load_auto_policy(folder, master)
    policy.compute_dtype = dtype
    policy.to(device)
    if lora is not None:
        add_lora(policy, lora)
    return policy


def _load_built_in(folder: Path, raw: Mapping[str, Any], dtype: torch.dtype) -> Policy:
    config = ModelConfig.from_hf_dict({**raw, **_generation_ids(folder)})
    with torch.device("meta"):
        network = Transformer(config)
    fill(network, folder, dtype, tied=config.tie_embeddings)
    if config.tie_embeddings:
        network.lm_head.weight = network.model.embed_tokens.weight
    network.eval()
    return network


def _generation_ids(folder: Path) -> dict[str, Any]:
    """Stop and pad ids of generation_config.json, which outrank config.json's."""
    file = folder / "generation_config.json"
    raw = read_json(file) if file.is_file() else {}
    return {key: raw[key] for key in ("eos_token_id", "pad_token_id") if raw.get(key) is not None}


def save_policy(
    policy: Policy,
    folder: str | Path,
    tokenizer: Tokenizer | None = None,
    generation: Mapping[str, Any] | None = None,
    *,
    dtype: torch.dtype | None = None,
    max_shard_bytes: int = _SHARD_BYTES,
) -> None:
    """Writes a folder that `transformers` and vLLM open: weights, config, generation config, tokenizer.

    Adapters are merged into the weights. `generation` overrides the defaults do_sample, temperature
    0.6 and top_p 0.95 (what the paper evaluates with) and may add keys. `dtype` casts the weights;
    by default they are saved as they are, so that nothing is lost. Not atomic: publishing a
    finished folder is `ponder.storage`'s.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = export_tensors(policy)
    if dtype is not None:
        tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    write_tensors(tensors, folder, max_shard_bytes)
    config = policy.config
    raw = policy.hf_dict() if isinstance(policy, AutoPolicy) else config.to_hf_dict()
    stored = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    eos_ids = config.eos_token_ids or ((tokenizer.eos_id,) if tokenizer else ())
    if tokenizer is not None:
        raw["eos_token_id"] = eos_ids[0] if len(eos_ids) == 1 else list(eos_ids)
        raw["pad_token_id"] = config.pad_token_id if tokenizer.pad_id is None else tokenizer.pad_id
    # transformers 5 reads "dtype", version 4 and vLLM "torch_dtype".
    write_json(folder / "config.json", {**raw, "dtype": stored, "torch_dtype": stored})
    settings = {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "bos_token_id": config.bos_token_id,
        "eos_token_id": list(eos_ids) or None,
        "pad_token_id": raw.get("pad_token_id"),
        **(generation or {}),
    }
    settings = {key: value for key, value in settings.items() if value is not None}
    write_json(folder / "generation_config.json", settings)
    if tokenizer is not None:
        tokenizer.save(folder)


def export_tensors(policy: Policy) -> dict[str, Tensor]:
    """Hugging Face name -> tensor, adapters merged, a tied head left out; sorted by name.

    This is what is saved and hashed. Tensors are the policy's own, not copies, unless merged.
    """
    tensors = merged_tensors(policy) if has_adapter(policy) else dict(policy.state_dict())
    tied = policy.tied_names() if isinstance(policy, AutoPolicy) else set()
    if isinstance(policy, Transformer) and policy.config.tie_embeddings:
        tied = {"lm_head.weight"}
    return {name: tensors[name].detach() for name in sorted(tensors) if name not in tied}


def check_tokenizer(tokenizer: Tokenizer, config: ModelConfig) -> None:
    """Raises ModelError when the tokenizer has ids that the network has no embedding for."""
    if tokenizer.vocab_size > config.vocab_size:
        raise ModelError(
            f"{tokenizer.source}: the tokenizer has {tokenizer.vocab_size} tokens, the network embeds "
            f"{config.vocab_size}; they do not belong together, or tokens were added without resizing"
        )
