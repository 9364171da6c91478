"""Greedy tokens equal `transformers.generate`, and sampler log-probabilities the policy's own forward."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ponder.rollout import LocalEngine
from ponder.types import SamplingParams

FAMILIES = [
    ("llama", {}),
    ("llama", {"num_kv_heads": 4, "tie_embeddings": False}),
    ("qwen2", {"num_kv_heads": 1}),
    ("qwen3", {}),
    ("mistral", {"windows": (12, 12, 12)}),
    ("llama", {"qkv_bias": True, "output_bias": True, "mlp_bias": True}),
    ("qwen2", {"windows": (None, 9, 9)}),
]


@pytest.mark.parametrize(("family", "changes"), FAMILIES)
def test_logprobs_of_every_family(family, changes, make_policy, tokenizer, make_requests, logits_of) -> None:
    """Windows shorter than the prompt, so that prompt keys and own keys fall out of sight."""
    policy, requests = make_policy(family, **changes), make_requests(4, 3, lengths=(4, 40))
    groups = dict(LocalEngine(policy, tokenizer, num_slots=8).generate(requests, SamplingParams(30)))
    for index, group in groups.items():
        for completion in group.completions:
            logits = logits_of(policy, requests[index].prompt.token_ids, completion.token_ids)
            wanted = logits.log_softmax(-1).gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
            assert torch.allclose(torch.tensor(completion.sampler_logprobs), wanted, atol=1e-4)


@pytest.mark.parametrize(("family", "changes"), FAMILIES[:6])
def test_greedy_tokens_equal_transformers(family, changes, make_policy, tokenizer, make_requests) -> None:
    policy = make_policy(family, **changes)
    raw = policy.config.to_hf_dict()
    config = AutoConfig.for_model(raw.pop("model_type"), **raw)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    network.load_state_dict(policy.state_dict(), strict=True)
    network.eval()
    requests = make_requests(4, 1)
    engine = LocalEngine(policy, tokenizer, stop_at_eos=False)
    groups = dict(engine.generate(requests, SamplingParams(32, temperature=0)))
    for index, request in enumerate(requests):
        ids = torch.tensor([request.prompt.token_ids])
        with torch.no_grad():
            output = network.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=32,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        assert output[0, ids.shape[1] :].tolist() == list(groups[index].completions[0].token_ids)


def test_bits_hold_with_a_window(make_policy, tokenizer, make_requests) -> None:
    policy, requests = make_policy("mistral", windows=(12, 12, 12)), make_requests(6, 4, lengths=(4, 40))
    together = dict(LocalEngine(policy, tokenizer, num_slots=24).generate(requests, SamplingParams(30)))
    for index, request in enumerate(requests):
        single = dict(LocalEngine(policy, tokenizer, num_slots=8).generate([request], SamplingParams(30)))
        assert single[0].completions == together[index].completions


def test_adapters_are_merged(make_policy, tokenizer, make_requests, logits_of) -> None:
    from ponder.config import LoRAConfig
    from ponder.models.lora import add_lora

    policy, requests = make_policy(), make_requests(2, 2)
    engine = LocalEngine(policy, tokenizer)
    before = dict(engine.generate(requests, SamplingParams(20)))
    add_lora(policy, LoRAConfig(r=4))
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    engine = LocalEngine(policy, tokenizer)
    after = dict(engine.generate(requests, SamplingParams(20)))
    assert after[0].completions != before[0].completions
    for index, group in after.items():
        completion = group.completions[0]
        logits = logits_of(policy, requests[index].prompt.token_ids, completion.token_ids)
        wanted = logits.log_softmax(-1).gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
        assert torch.allclose(torch.tensor(completion.sampler_logprobs), wanted, atol=1e-4)


def test_half_precision_weights_stay_near(make_policy, tokenizer, make_requests, logits_of) -> None:
    policy, requests = make_policy("qwen3", initializer_range=0.05), make_requests(3, 2)
    engine = LocalEngine(policy, tokenizer, dtype=torch.bfloat16)
    groups = dict(engine.generate(requests, SamplingParams(20)))
    for index, group in groups.items():
        completion = group.completions[0]
        logits = logits_of(policy, requests[index].prompt.token_ids, completion.token_ids)
        wanted = logits.log_softmax(-1).gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
        assert torch.allclose(torch.tensor(completion.sampler_logprobs), wanted, atol=0.1)
