"""Architectures that are not built in, through `transformers`, behind the same protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import make_hf, pack_groups, pack_rows, random_rows, save_hf

from ponder.errors import ModelError
from ponder.models.fallback import AutoPolicy
from ponder.models.folder import load_policy, save_policy
from ponder.models.policy import Policy
from ponder.models.transformer import Transformer

ROWS = random_rows((17, 30, 5, 17))


def make(kind: str) -> Any:
    from transformers import (
        CohereConfig,
        CohereForCausalLM,
        Gemma2Config,
        Gemma2ForCausalLM,
        GPT2Config,
        GPT2LMHeadModel,
    )

    sizes: dict[str, Any] = {
        "vocab_size": 97,
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": 1,
    }
    torch.manual_seed(0)
    if kind == "gpt2":
        network = GPT2LMHeadModel(GPT2Config(vocab_size=97, n_embd=48, n_layer=2, n_head=4, n_positions=64))
    elif kind == "gemma2":
        # A small cap, so that leaving it out would show.
        options = {"head_dim": 12, "final_logit_softcapping": 0.5, "sliding_window": 8}
        network = Gemma2ForCausalLM(Gemma2Config(**sizes, **options))
    else:
        network = CohereForCausalLM(CohereConfig(**sizes, logit_scale=0.25))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.15)
    return network.eval()


@pytest.mark.parametrize("kind", ["gpt2", "gemma2", "cohere"])
def test_logits_equal_the_network_s_own(kind: str, tmp_path: Path) -> None:
    theirs = make(kind)
    theirs.save_pretrained(tmp_path)
    policy = load_policy(tmp_path)
    assert isinstance(policy, AutoPolicy)
    assert isinstance(policy, Policy)
    assert {name for name, _ in policy.named_parameters()} == {name for name, _ in theirs.named_parameters()}
    policy.train()  # dropout must stay off
    logits = policy.logits(policy.hidden(*pack_rows(ROWS)))
    expected = torch.cat([theirs(row[None]).logits[0] for row in ROWS])
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()
    assert (policy.head_weight is not None) == (kind == "gpt2")
    if policy.head_weight is not None:
        hidden = policy.hidden(*pack_rows(ROWS))
        assert torch.allclose(hidden @ policy.head_weight.T, logits, atol=1e-4)


def test_shared_prompts_checkpointing_and_the_built_in_network_agree(tmp_path: Path) -> None:
    network = save_hf("qwen2", tmp_path).double()
    ours = load_policy(tmp_path, dtype=torch.float64)
    assert isinstance(ours, Transformer)
    row = pack_groups([(ROWS[0], ROWS[1:]), (ROWS[2], [])])
    gradients = []
    for policy, checkpointing in ((ours, False), (AutoPolicy(network), False), (AutoPolicy(network), True)):
        policy.gradient_checkpointing = checkpointing
        policy.zero_grad()
        policy.hidden(*row).square().sum().backward()
        gradients.append({n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None})
    for name, ours_grad in gradients[0].items():
        # transformers computes RMSNorm and RoPE in float32 even in a float64 network.
        assert (ours_grad - gradients[1][name]).norm() < 1e-5 * ours_grad.norm() + 1e-5, name
        assert torch.equal(gradients[1][name], gradients[2][name]), name


def test_rope_that_is_not_built_in_goes_through_transformers(tmp_path: Path) -> None:
    network = make_hf("llama")
    factors = [1.0] * 6
    network.config.rope_parameters = {
        "rope_type": "longrope",
        "rope_theta": 1e4,
        "short_factor": factors,
        "long_factor": factors,
        "factor": 2.0,
        "original_max_position_embeddings": 64,
    }
    network.save_pretrained(tmp_path)
    assert isinstance(load_policy(tmp_path), AutoPolicy)


def test_saving_opens_again(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    make("gpt2").save_pretrained(tmp_path / "theirs")
    policy = load_policy(tmp_path / "theirs")
    save_policy(policy, tmp_path / "ours")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    expected = torch.cat([again(row[None]).logits[0] for row in ROWS])
    assert (
        policy.logits(policy.hidden(*pack_rows(ROWS))) - expected
    ).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("transformer.h.1.mlp.c_fc.weight"), "'transformer.h.1.mlp.c_fc.weight' is missing"),
        (
            lambda t: t.update({"transformer.h.1.mlp.c_fc.weight": torch.zeros(2, 2)}),
            r"c_fc.weight. has another shape",
        ),
    ],
)
def test_incomplete_weights_are_refused(change: Any, message: str, tmp_path: Path) -> None:
    make("gpt2").save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=message):
        load_policy(tmp_path)


def test_a_head_that_does_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("gpt2").save_pretrained(tmp_path)
    from transformers import GPT2LMHeadModel

    plain = GPT2LMHeadModel.forward

    def shifted(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = plain(self, *args, **kwargs)
        output.logits = output.logits * 1.5
        return output

    monkeypatch.setattr(GPT2LMHeadModel, "forward", shifted)
    with pytest.raises(ModelError, match="does more between hidden states and logits"):
        load_policy(tmp_path)
