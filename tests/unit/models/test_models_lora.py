"""Adapters on our network and on another: what they change, what they save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import pack_groups, random_rows, save_hf

from ponder.config import LoRAConfig
from ponder.errors import ModelError
from ponder.models.folder import export_tensors, load_policy, save_policy
from ponder.models.lora import adapter_disabled, has_adapter, save_adapter

GROUP = pack_groups([(random_rows((7,))[0], random_rows((9, 4), seed=1))])
LORA = LoRAConfig(r=4, alpha=8.0)


def logits(policy: Any) -> torch.Tensor:
    return policy.logits(policy.hidden(*GROUP))


def train(policy: Any) -> None:
    """A few steps, so that the adapter is not zero."""
    optimizer = torch.optim.SGD([p for p in policy.parameters() if p.requires_grad], lr=0.5)
    for _ in range(3):
        loss = logits(policy).log_softmax(-1)[:, 5].mean().neg()
        policy.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(params=["qwen2", "gpt2"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, LoRAConfig]:
    if request.param == "qwen2":
        save_hf("qwen2", tmp_path / "base")
        return tmp_path / "base", LORA
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    GPT2LMHeadModel(
        GPT2Config(vocab_size=97, n_embd=48, n_layer=2, n_head=4, n_positions=64)
    ).save_pretrained(tmp_path / "base")
    return tmp_path / "base", LORA.model_copy(update={"targets": ("c_attn", "c_fc")})


def test_adapter_trains_alone_merges_and_comes_back(base: tuple[Path, LoRAConfig], tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder, config = base
    plain = load_policy(folder)
    policy = load_policy(folder, lora=config)
    before = logits(plain).detach()
    assert has_adapter(policy)
    assert not has_adapter(plain)
    assert (logits(policy) - before).abs().max() < 1e-5
    assert all(("lora_" in name) == p.requires_grad for name, p in policy.named_parameters())
    train(policy)
    trained = logits(policy).detach()
    assert (trained - before).abs().max() > 1e-2
    with adapter_disabled(policy):
        assert (logits(policy) - before).abs().max() < 1e-5
    assert torch.equal(logits(policy), trained)
    assert any(p.requires_grad for p in policy.parameters())

    save_adapter(policy, tmp_path / "adapter", folder)
    again = load_policy(tmp_path / "adapter")
    assert torch.equal(logits(again), trained)
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path / "adapter")
    row = torch.cat([GROUP[0][:7], GROUP[0][7:16]])
    assert (theirs(row[None]).logits[0] - trained[:16]).abs().max() < 1e-4 * trained.abs().max()

    save_policy(policy, tmp_path / "merged")
    merged = load_policy(tmp_path / "merged")
    assert not has_adapter(merged)
    assert (logits(merged) - trained).abs().max() < 1e-4 * trained.abs().max()
    assert set(export_tensors(policy)) == set(export_tensors(plain))


def test_bfloat16_keeps_the_adapter_in_float32(tmp_path: Path) -> None:
    save_hf("qwen2", tmp_path)
    policy = load_policy(tmp_path, dtype=torch.bfloat16, lora=LORA)
    dtypes = {p.dtype for p in policy.parameters() if p.requires_grad}
    assert dtypes == {torch.float32}
    assert policy.model.layers[0].mlp.up_proj.base_layer.weight.dtype == torch.bfloat16
    logits(policy).sum().backward()
    assert policy.model.layers[0].mlp.up_proj.lora_B["default"].weight.grad.dtype == torch.float32


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    save_hf("qwen2", tmp_path / "base")
    with pytest.raises(ModelError, match=r"'q_pro' is no linear layer .* Did you mean \"q_proj\""):
        load_policy(tmp_path / "base", lora=LORA.model_copy(update={"targets": ("q_pro",)}))
    with pytest.raises(ModelError, match="no adapter to save"):
        save_adapter(load_policy(tmp_path / "base"), tmp_path / "adapter", tmp_path / "base")
    save_adapter(load_policy(tmp_path / "base", lora=LORA), tmp_path / "adapter", tmp_path / "base")
    with pytest.raises(ModelError, match="already an adapter"):
        load_policy(tmp_path / "adapter", lora=LORA)
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="does not fit or cannot be read"):
        load_policy(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": "gone"}))
    with pytest.raises(ModelError, match="'gone' is not a folder"):
        load_policy(tmp_path / "adapter")
