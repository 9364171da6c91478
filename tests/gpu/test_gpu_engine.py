"""The local engine on a CUDA device: the same code above the kernels, and graphs of the step."""

from __future__ import annotations

import pytest
import torch

from ponder.models.architecture import ModelConfig
from ponder.models.transformer import Transformer
from ponder.rollout import LocalEngine
from ponder.types import Packing, Problem, Prompt, RolloutRequest, SamplingParams, Span

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


class Numbers:
    vocab_size = 500
    eos_id = 2

    def decode(self, token_ids) -> str:
        return " ".join(map(str, token_ids))

    def token_bytes(self, token_id: int) -> bytes:
        return f"{token_id} ".encode()


@pytest.fixture
def policy() -> Transformer:
    torch.manual_seed(0)
    config = ModelConfig(
        "qwen2", 500, 128, 256, 3, 4, 2, 32, 1024, qkv_bias=True, tie_embeddings=True, initializer_range=0.1
    )
    return Transformer(config).cuda().eval()


def requests(count: int, members: int) -> list[RolloutRequest]:
    problem = [
        Problem(f"p{i}", "toy", ({"role": "user", "content": "?"},), "exact", "") for i in range(count)
    ]
    return [
        RolloutRequest(
            Prompt(problem[i], tuple(range(3 + i, 20 + 3 * i))), tuple(100 * i + m for m in range(members))
        )
        for i in range(count)
    ]


def worst_difference(policy: Transformer, asked: list[RolloutRequest], groups: dict) -> float:
    worst = 0.0
    for index, group in groups.items():
        for completion in group.completions:
            ids = torch.tensor(asked[index].prompt.token_ids + completion.token_ids, device="cuda")
            start = len(asked[index].prompt.token_ids)
            with torch.no_grad():
                hidden = policy.hidden(
                    ids, torch.arange(len(ids), device="cuda"), Packing((Span(0, len(ids)),))
                )
                logprobs = policy.logits(hidden[start - 1 : -1]).log_softmax(-1)
            wanted = logprobs.gather(1, ids[start:, None])[:, 0].cpu()
            worst = max(worst, (wanted - torch.tensor(completion.sampler_logprobs)).abs().max().item())
    return worst


@pytest.mark.parametrize("graphs", [True, False])
def test_logprobs_equal_the_policys_own(policy: Transformer, graphs: bool) -> None:
    asked = requests(6, 8)
    engine = LocalEngine(policy, Numbers(), num_slots=32, cuda_graphs=graphs)
    groups = dict(engine.generate(asked, SamplingParams(100)))
    assert len(groups) == 6
    assert worst_difference(policy, asked, groups) < 1e-3


def test_graphs_change_nothing_and_survive_new_weights(policy: Transformer) -> None:
    asked = requests(6, 8)
    graphed, plain = (LocalEngine(policy, Numbers(), num_slots=32, cuda_graphs=on) for on in (True, False))
    for version in (0, 1):
        if version:
            with torch.no_grad():
                for parameter in policy.parameters():
                    parameter.mul_(1.01)
            graphed.update_weights(version)
            plain.update_weights(version)
        groups = dict(graphed.generate(asked, SamplingParams(100)))
        assert worst_difference(policy, asked, groups) < 1e-3
        other = dict(plain.generate(asked, SamplingParams(100)))
        same = sum(
            one.token_ids == two.token_ids
            for index in groups
            for one, two in zip(groups[index].completions, other[index].completions, strict=True)
        )
        assert same >= 44


def test_bfloat16_stays_near(policy: Transformer) -> None:
    asked = requests(4, 4)
    engine = LocalEngine(policy, Numbers(), num_slots=16, dtype=torch.bfloat16)
    groups = dict(engine.generate(asked, SamplingParams(60)))
    assert worst_difference(policy, asked, groups) < 0.1
