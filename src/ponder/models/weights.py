"""Tensors of a Hugging Face folder: sharded safetensors in, checked against what is expected, and out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ponder.errors import ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_DERIVED_SUFFIXES = ("rotary_emb.inv_freq", "attn.bias", "attn.masked_bias")
"""Buffers of old checkpoints that are computed, not learned."""


def read_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of every tensor in the folder, one shard in memory at a time.

    Raises ModelError when a file is missing or damaged, or a shard lacks a tensor the index promises.
    """
    for file, promised in _shards(folder).items():
        path = folder / file
        if not path.is_file():
            raise ModelError(f"{folder}: {file} is missing, which {INDEX} refers to; fetch the model again")
        try:
            with safe_open(path, framework="pt", device="cpu") as shard:
                held = list(shard.keys())
                lacking = sorted(promised - set(held))
                if lacking:
                    raise ModelError(f"{path} lacks the tensor {lacking[0]!r} that {INDEX} says it holds")
                for name in held:
                    yield name, shard.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged: {error}. Fetch or save the model again.") from error


def _shards(folder: Path) -> dict[str, set[str]]:
    """File name -> names of the tensors the index promises in it."""
    index = folder / INDEX
    if index.is_file():
        places = read_json(index).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise ModelError(f"{index} has no weight_map")
        shards: dict[str, set[str]] = {}
        for name, file in places.items():
            shards.setdefault(str(file), set()).add(str(name))
        return shards
    if (folder / SINGLE).is_file():
        return {SINGLE: set()}
    if (folder / "pytorch_model.bin").is_file() or (folder / "pytorch_model.bin.index.json").is_file():
        raise ModelError(
            f"{folder} holds pickled weights (pytorch_model.bin), which can run code when read; "
            "convert them to safetensors and give that folder"
        )
    raise ModelError(f"{folder} holds no weights: neither {SINGLE} nor {INDEX} is there")


def fill(module: torch.nn.Module, folder: Path, dtype: torch.dtype, *, tied: bool) -> None:
    """Gives a module (on the meta device) the folder's tensors as its parameters, cast to `dtype`.

    `tied`: the head is the embedding and need not be in the folder. Raises ModelError naming the
    tensor that is missing, misshapen or unknown.
    """
    expected = {name: parameter.shape for name, parameter in module.named_parameters(remove_duplicate=False)}
    found: dict[str, Tensor] = {}
    for name, tensor in read_tensors(folder):
        if name not in expected:
            if name.endswith(_DERIVED_SUFFIXES):
                continue
            raise ModelError(f"{folder}: the tensor {name!r} has no place in this architecture")
        if tensor.shape != expected[name]:
            raise ModelError(
                f"{folder}: the tensor {name!r} has shape {tuple(tensor.shape)}, "
                f"config.json asks for {tuple(expected[name])}"
            )
        found[name] = tensor.to(dtype)
    head, embedding = "lm_head.weight", "model.embed_tokens.weight"
    if tied and embedding in found:
        if head in found and not torch.equal(found[head], found[embedding]):
            raise ModelError(
                f"{folder}: config.json ties {head!r} to {embedding!r}, yet they differ in the folder; "
                'set "tie_word_embeddings": false'
            )
        found[head] = found[embedding]
    missing = sorted(set(expected) - set(found))
    if missing:
        raise ModelError(f"{folder}: the tensor {missing[0]!r} is missing ({len(missing)} in all)")
    module.load_state_dict(found, strict=True, assign=True)
    for parameter in module.parameters():
        parameter.requires_grad_(True)


def write_tensors(tensors: Mapping[str, Tensor], folder: Path, max_shard_bytes: int) -> None:
    """Writes the tensors as one safetensors file, or as shards with an index if they are larger."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > max_shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = tensor.detach().to("cpu").contiguous()
        size += tensor.nbytes
    if len(shards) == 1:
        write_file(shards[0], folder / SINGLE)
        return
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_file(shard, folder / file)
        places.update(dict.fromkeys(shard, file))
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})


def write_file(tensors: Mapping[str, Tensor], file: Path) -> None:
    """One safetensors file with the permissions of any new file (an existing one keeps its own): the
    library makes it its owner's alone."""
    file.touch()
    mode = file.stat().st_mode
    save_file(dict(tensors), file, metadata={"format": "pt"})
    file.chmod(mode & 0o777)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ModelError when it is missing or no JSON object."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{file.parent} holds no {file.name}; is it a Hugging Face model folder?") from error
    except ValueError as error:
        raise ModelError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{file} must hold a JSON object")
    return value


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON object with sorted keys, so that equal content has equal bytes."""
    file.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
