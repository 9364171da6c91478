"""The engine over a `transformers` network: the same interface, the same distribution."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from ponder.config import EngineConfig
from ponder.errors import DataError
from ponder.models.fallback import AutoPolicy
from ponder.rollout import StaleWeightsError, make_engine
from ponder.rollout.fallback import CausalLMEngine
from ponder.types import Finish, Packing, SamplingParams, Span


@pytest.fixture
def auto_policy() -> AutoPolicy:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=200,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=256,
        bos_token_id=2,
        eos_token_id=2,
        initializer_range=0.3,
    )
    return AutoPolicy(GPT2LMHeadModel(config).eval())


def test_completions_logprobs_and_batches(auto_policy, tokenizer, make_requests) -> None:
    requests = make_requests(5, 3)
    engine = make_engine(EngineConfig(num_slots=4), auto_policy, tokenizer)
    assert isinstance(engine, CausalLMEngine)
    pairs = list(engine.generate(requests, SamplingParams(60, temperature=0.8)))
    assert sorted(index for index, _ in pairs) == list(range(5))
    finishes = set()
    for index, group in pairs:
        assert len(group.completions) == 3
        for completion in group.completions:
            finishes.add(completion.finish)
            prompt = requests[index].prompt.token_ids
            ids = torch.tensor(prompt + completion.token_ids)
            with torch.no_grad():
                hidden = auto_policy.hidden(ids, torch.arange(len(ids)), Packing((Span(0, len(ids)),)))
                logits = auto_policy.logits(hidden[len(prompt) - 1 : -1]) / 0.8
            wanted = logits.log_softmax(-1).gather(1, ids[len(prompt) :, None])[:, 0]
            assert torch.allclose(torch.tensor(completion.sampler_logprobs), wanted, atol=1e-4)
    assert finishes == {Finish.STOP, Finish.LENGTH}
    again = dict(
        CausalLMEngine(auto_policy, tokenizer).generate(requests[2:3], SamplingParams(60, temperature=0.8))
    )
    tokens = [completion.token_ids for completion in again[0].completions]
    assert tokens == [completion.token_ids for completion in dict(pairs)[2].completions]


def test_greedy_equals_transformers(auto_policy, tokenizer, make_requests) -> None:
    requests = make_requests(3, 1)
    engine = CausalLMEngine(auto_policy, tokenizer, stop_at_eos=False)
    groups = dict(engine.generate(requests, SamplingParams(20, temperature=0)))
    for index, request in enumerate(requests):
        ids = torch.tensor([request.prompt.token_ids])
        output = auto_policy.network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=20,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        assert output[0, ids.shape[1] :].tolist() == list(groups[index].completions[0].token_ids)


def test_limits_versions_and_stale_weights(auto_policy, tokenizer, make_requests) -> None:
    requests = make_requests(2, 2)
    engine = CausalLMEngine(auto_policy, tokenizer, stop_at_eos=False, length_limits=lambda i, m: 2 + i + m)
    groups = dict(engine.generate(requests, SamplingParams(9)))
    assert [[len(c.token_ids) for c in groups[i].completions] for i in (0, 1)] == [[2, 3], [3, 4]]
    with torch.no_grad():
        next(auto_policy.parameters()).add_(1.0)
    with pytest.raises(StaleWeightsError):
        engine.generate(requests, SamplingParams(9))
    engine.update_weights(4)
    assert engine.version == 4
    groups = dict(engine.generate(requests, SamplingParams(9)))
    assert groups[0].completions[0].versions == ((4, 2),)
    with pytest.raises(DataError, match="p0-0"):
        CausalLMEngine(auto_policy, tokenizer, max_prompt_tokens=2).generate(requests, SamplingParams(9))
