"""Low-rank adapters by peft, on our network and on any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ponder.errors import ModelError, nearest
from ponder.models.policy import Policy
from ponder.models.weights import read_json, write_file, write_json

if TYPE_CHECKING:
    from ponder.config import LoRAConfig

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_PEFT_PREFIX = "base_model.model."
"""peft names an adapter's tensors as they lie inside its own wrapper."""


def add_lora(policy: Policy, config: LoRAConfig) -> None:
    """Adds a new adapter in place and freezes every other parameter.

    The adapter is float32; frozen projections are kept in the compute dtype. At birth the adapter
    changes nothing (B is zero). Raises ModelError when a target names no linear layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    network = _network(policy)
    linear = {name.rsplit(".", 1)[-1] for name, module in network.named_modules() if _is_projection(module)}
    for target in config.targets:
        if target not in linear:
            raise ModelError(
                f"lora.targets: {target!r} is no linear layer of this model.{nearest(target, linear)}"
            )
    inject_adapter_in_model(
        LoraConfig(
            r=config.r,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=list(config.targets),
            task_type="CAUSAL_LM",
        ),
        network,
    )
    _settle(policy)


def _is_projection(module: nn.Module) -> bool:
    # GPT-2 has the transposed Conv1D of transformers, which peft adapts as well.
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _network(policy: Policy) -> nn.Module:
    """The module that carries Hugging Face names."""
    inner = getattr(policy, "network", None)
    return inner if isinstance(inner, nn.Module) else cast(nn.Module, policy)


def _adapted(policy: Policy) -> Iterator[tuple[str, Any]]:
    """(name, layer) of every adapted layer."""
    for name, module in _network(policy).named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            yield name, module


def _settle(policy: Policy) -> None:
    """Freezes all but the adapter, and stores frozen projections in the compute dtype."""
    for name, parameter in _network(policy).named_parameters():
        parameter.requires_grad_("lora_" in name)
    if policy.compute_dtype in (torch.bfloat16, torch.float16):
        for _, layer in _adapted(policy):
            layer.base_layer.to(policy.compute_dtype)


def has_adapter(policy: Policy) -> bool:
    """Whether the policy carries an adapter."""
    return next(_adapted(policy), None) is not None


@contextmanager
def adapter_disabled(policy: Policy) -> Iterator[None]:
    """Within the block the policy is its frozen base: the reference policy at no cost in memory."""
    layers = [layer for _, layer in _adapted(policy)]
    trainable = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        # peft freezes what it disables.
        for parameter in trainable:
            parameter.requires_grad_(True)


def merged_tensors(policy: Policy) -> dict[str, Tensor]:
    """Hugging Face name -> tensor with the adapter added to the weights; the policy is left alone."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in _network(policy).state_dict().items():
        if "lora_" not in name:
            tensors[name.replace(".base_layer.", ".")] = tensor
    for name, layer in _adapted(policy):
        weight = layer.base_layer.weight
        delta = layer.get_delta_weight("default")
        tensors[f"{name}.weight"] = (weight.to(delta.dtype) + delta).detach()
    return tensors


def save_adapter(policy: Policy, folder: str | Path, base: str | Path) -> None:
    """Writes adapter_config.json and adapter_model.safetensors as peft does; `base` is what it belongs to."""
    from peft import get_peft_model_state_dict

    if not has_adapter(policy):
        raise ModelError("the policy has no adapter to save; load it with `lora`")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    network: Any = _network(policy)
    tensors = get_peft_model_state_dict(network, save_embedding_layers=False)
    named = {f"{_PEFT_PREFIX}{name}": tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_file(named, folder / ADAPTER_WEIGHTS)
    config = network.peft_config["default"]
    config.base_model_name_or_path = str(base)
    # Targets are held as a set, whose order changes from process to process.
    config.save_pretrained(str(folder))
    raw = read_json(folder / ADAPTER_CONFIG)
    raw["target_modules"] = sorted(raw["target_modules"])
    raw["inference_mode"] = True
    write_json(folder / ADAPTER_CONFIG, raw)


def base_of_adapter(folder: Path) -> Path:
    """The model folder an adapter folder says it belongs to. Raises ModelError when it is not there."""
    base = Path(str(read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path")))
    candidates = (base, folder / base)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ModelError(
        f"{folder / ADAPTER_CONFIG}: base_model_name_or_path {str(base)!r} is not a folder; correct it"
    )


def load_adapter(policy: Policy, folder: str | Path) -> None:
    """Adds the adapter of a folder (ours or peft's) to its base, trainable, the rest frozen.

    Raises ModelError when files are missing, or tensors do not fit.
    """
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    read_json(folder / ADAPTER_CONFIG)
    try:
        tensors = load_file(folder / ADAPTER_WEIGHTS)
        inject_adapter_in_model(LoraConfig.from_pretrained(str(folder)), _network(policy))
        stripped = {name.removeprefix(_PEFT_PREFIX): tensor for name, tensor in tensors.items()}
        outcome = set_peft_model_state_dict(_network(policy), stripped)
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError) as error:
        raise ModelError(f"{folder}: the adapter does not fit or cannot be read: {error}") from error
    lacking = [name for name in outcome.missing_keys if "lora_" in name]
    if lacking or outcome.unexpected_keys:
        raise ModelError(
            f"{folder}: adapter tensors do not match: {(lacking or outcome.unexpected_keys)[0]!r}"
        )
    _settle(policy)
