"""Models to disk and back, and what is said of folders that are not right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import FAMILIES, make_hf, pack_rows, random_rows, save_hf, tiny_config
from tokenizers import Tokenizer as Backend
from tokenizers import models

from ponder.errors import ModelError
from ponder.models.architecture import ModelConfig
from ponder.models.folder import check_tokenizer, export_tensors, load_policy, save_policy
from ponder.models.registry import resolve_model
from ponder.models.tokenizer import Tokenizer, load_tokenizer
from ponder.models.transformer import Transformer
from ponder.models.value_head import ValueHead

ROWS = pack_rows(random_rows((20, 9)))


def logits(policy: Any) -> torch.Tensor:
    with torch.no_grad():
        return policy.logits(policy.hidden(*ROWS))


def word_tokenizer(size: int = 97) -> Tokenizer:
    vocabulary = {f"w{index}": index for index in range(size - 1)} | {"<eos>": size - 1}
    return Tokenizer(Backend(models.WordLevel(vocabulary, unk_token="w0")), {"eos_token": "<eos>"})


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "llama", "mistral", "qwen2-window"])
@pytest.mark.parametrize("shard_bytes", [10**9, 30_000])
def test_saved_folders_open_in_transformers(kind: str, shard_bytes: int, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, GenerationConfig

    save_hf(kind, tmp_path / "theirs")
    policy = load_policy(tmp_path / "theirs")
    save_policy(policy, tmp_path / "ours", word_tokenizer(), max_shard_bytes=shard_bytes)
    assert len(list((tmp_path / "ours").glob("*.safetensors"))) == 1 or shard_bytes == 30_000
    assert (tmp_path / "ours" / "model.safetensors.index.json").exists() == (shard_bytes == 30_000)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "ours").iterdir() if path.is_file()}
    assert len(modes) == 1, "weights are as readable as the rest of the folder"
    network, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "ours", output_loading_info=True, dtype="auto", attn_implementation="eager"
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert network.dtype == torch.float32
    expected = torch.cat([network(row[None]).logits[0] for row in ROWS[0].split([20, 9])])
    assert (logits(policy) - expected).abs().max() < 1e-4 * expected.abs().max()
    assert torch.equal(logits(load_policy(tmp_path / "ours")), logits(policy))
    generation = GenerationConfig.from_pretrained(tmp_path / "ours")
    assert generation.eos_token_id == [2]
    assert generation.do_sample
    assert (generation.temperature, generation.top_p) == (0.6, 0.95)


@pytest.mark.parametrize("kind", FAMILIES)
def test_config_round_trip(kind: str) -> None:
    raw = json.loads(json.dumps(make_hf(kind).config.to_dict()))
    config = ModelConfig.from_hf_dict(raw)
    assert ModelConfig.from_hf_dict(json.loads(json.dumps(config.to_hf_dict()))) == config
    old = {key: value for key, value in config.to_hf_dict().items() if key != "rope_parameters"}
    assert ModelConfig.from_hf_dict(old) == config


def test_old_rope_notation_is_read() -> None:
    raw = make_hf("llama").config.to_dict()
    del raw["rope_parameters"]
    raw |= {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4.0}}
    rope = ModelConfig.from_hf_dict(raw).rope
    assert (rope.theta, rope.kind, dict(rope.scaling)) == (5e5, "linear", {"factor": 4.0})


def test_generation_settings_and_dtype_can_be_chosen(tmp_path: Path) -> None:
    policy = Transformer(tiny_config(tie_embeddings=True, eos_token_ids=(3, 5)))
    save_policy(policy, tmp_path, generation={"temperature": 1.0}, dtype=torch.bfloat16)
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    assert (generation["temperature"], generation["eos_token_id"]) == (1.0, [3, 5])
    tensors = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in tensors
    assert all(x.dtype == torch.bfloat16 for x in tensors.values())
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    again = load_policy(tmp_path, dtype=torch.bfloat16)
    assert next(again.parameters()).dtype == torch.float32
    assert again.compute_dtype == torch.bfloat16
    assert load_policy(tmp_path).config.eos_token_ids == (3, 5)
    assert load_policy(tmp_path, dtype=torch.float64).hidden(*ROWS).dtype == torch.float64


def test_stop_ids_of_the_generation_config_win(tmp_path: Path) -> None:
    save_policy(Transformer(tiny_config(eos_token_ids=(3,))), tmp_path, generation={"eos_token_id": [7, 8]})
    assert load_policy(tmp_path).config.eos_token_ids == (7, 8)


def test_tied_head_stays_tied(tmp_path: Path) -> None:
    save_policy(Transformer(tiny_config(tie_embeddings=True)), tmp_path)
    policy = load_policy(tmp_path)
    assert policy.head_weight is dict(policy.named_parameters())["model.embed_tokens.weight"]
    assert set(export_tensors(policy)) == set(load_file(tmp_path / "model.safetensors"))


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def edit_config(folder: Path, **changes: object) -> None:
    raw = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(raw))


NAME = "model.layers.1.mlp.up_proj.weight"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda d: edit_tensors(d, lambda t: t.pop(NAME)), f"'{NAME}' is missing"),
    "misshapen": (
        lambda d: edit_tensors(d, lambda t: t.update({NAME: torch.zeros(3, 3)})),
        rf"'{NAME}' has shape \(3, 3\), config.json asks for \(80, 48\)",
    ),
    "unknown": (
        lambda d: edit_tensors(d, lambda t: t.update({"model.extra.weight": torch.zeros(1)})),
        "'model.extra.weight' has no place",
    ),
    "head": (lambda d: edit_tensors(d, lambda t: t.pop("lm_head.weight")), "'lm_head.weight' is missing"),
    "torn": (
        lambda d: (d / "model.safetensors").write_bytes((d / "model.safetensors").read_bytes()[:5000]),
        "is damaged",
    ),
    "weights": (lambda d: (d / "model.safetensors").unlink(), "holds no weights"),
    "pickle": (
        lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"),
        "convert them to safetensors",
    ),
    "config": (lambda d: (d / "config.json").unlink(), "holds no config.json"),
    "json": (lambda d: (d / "config.json").write_text('{"model_type": '), "not valid JSON"),
    "size": (lambda d: edit_config(d, hidden_size="big"), "hidden_size must be a positive whole number"),
    "heads": (lambda d: edit_config(d, num_key_value_heads=3), "not a multiple of"),
    "quantized": (lambda d: edit_config(d, quantization_config={"bits": 4}), "quantized"),
    "family": (lambda d: edit_config(d, model_type="quen2"), "cannot load it"),
    "rope": (
        lambda d: edit_config(d, rope_parameters={"rope_type": "llama3", "rope_theta": 1e4}),
        "needs the number 'factor'",
    ),
    "tied": (lambda d: edit_config(d, tie_word_embeddings=True), "yet they differ"),
    "shard": (
        lambda d: (d / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {NAME: "model-00001-of-00001.safetensors"}})
        ),
        "model-00001-of-00001.safetensors is missing",
    ),
    "index": (
        lambda d: (d / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"model.absent": "model.safetensors"}})
        ),
        "lacks the tensor 'model.absent'",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_named_with_what_is_wrong(damage: str, tmp_path: Path) -> None:
    save_policy(Transformer(tiny_config()), tmp_path)
    load_policy(tmp_path)
    change, message = DAMAGES[damage]
    change(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_policy(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model folder"):
        load_policy(tmp_path / "nothing")
    with pytest.raises(ModelError, match="neither a shipped one nor a folder"):
        resolve_model(str(tmp_path / "nothing"))
    assert resolve_model(tmp_path) == tmp_path


def test_a_tokenizer_too_large_for_the_network_is_an_error() -> None:
    check_tokenizer(word_tokenizer(97), tiny_config())
    with pytest.raises(ModelError, match="98 tokens, the network embeds 97"):
        check_tokenizer(word_tokenizer(98), tiny_config())


def test_tokenizer_files_travel_with_the_model(tmp_path: Path) -> None:
    tokenizer = word_tokenizer()
    tokenizer.companions["chat_template.jinja"] = "{{ messages }}"
    save_policy(Transformer(tiny_config()), tmp_path, tokenizer)
    again = load_tokenizer(tmp_path)
    assert again.chat_template == "{{ messages }}"
    assert again.eos_id == 96
    assert json.loads((tmp_path / "config.json").read_text())["eos_token_id"] == 96


def test_value_head_starts_at_zero_and_learns_in_float32() -> None:
    head = ValueHead(48)
    hidden = torch.randn(5, 48, dtype=torch.bfloat16)
    values = head(hidden)
    assert values.shape == (5,)
    assert values.dtype == torch.float32
    assert not values.any()
    (values - 1).square().mean().backward()
    assert torch.allclose(head.score.weight.grad[0], -2 * hidden.float().mean(0), atol=1e-6)
