"""Small random networks, a tokenizer that spells its ids, and requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from ponder.models.architecture import ModelConfig
from ponder.models.transformer import Transformer
from ponder.types import Packing, Problem, Prompt, RolloutRequest, Span

VOCAB = 200
EOS = 2


class SpellingTokenizer:
    """Token i is the byte i, so a character beyond ASCII takes several tokens; 2 ends the sequence."""

    vocab_size = VOCAB
    eos_id = EOS

    def decode(self, token_ids: Sequence[int]) -> str:
        return b"".join(self.token_bytes(token) for token in token_ids).decode(errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        return bytes([token_id])


def build_policy(family: str = "qwen2", seed: int = 0, **changes: object) -> Transformer:
    """A network with sharp enough logits that a wrong key or position changes what is drawn."""
    options: dict[str, object] = {
        "num_layers": 3,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 16,
        "max_positions": 512,
        "qkv_bias": family == "qwen2",
        "qk_norm": family == "qwen3",
        "tie_embeddings": True,
        "initializer_range": 0.2,
    }
    options.update(changes)
    torch.manual_seed(seed)
    policy = Transformer(ModelConfig(family, VOCAB, 32, 48, **options))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            if "bias" in name:
                parameter.normal_(std=0.2)
    return policy.eval()


def build_requests(
    num_groups: int, group_size: int, lengths: tuple[int, int] = (5, 30), seed: int = 0
) -> list[RolloutRequest]:
    rng = np.random.default_rng(seed)
    requests = []
    for index in range(num_groups):
        ids = tuple(rng.integers(3, VOCAB, int(rng.integers(*lengths, endpoint=True))).tolist())
        problem = Problem(f"p{seed}-{index}", "toy", ({"role": "user", "content": "?"},), "exact", "")
        seeds = tuple(int(x) for x in rng.integers(0, 2**63 - 1, group_size))
        requests.append(RolloutRequest(Prompt(problem, ids), seeds))
    return requests


@torch.no_grad()
def full_logits(policy: Transformer, prompt: Sequence[int], completion: Sequence[int]) -> torch.Tensor:
    """Logits (T, V) that predict each token of the completion, by the policy's own forward."""
    ids = torch.tensor([*prompt, *completion])
    hidden = policy.hidden(ids, torch.arange(len(ids)), Packing((Span(0, len(ids)),)))
    return policy.logits(hidden[len(prompt) - 1 : -1])


@pytest.fixture(scope="session")
def policy() -> Transformer:
    return build_policy()


@pytest.fixture
def tokenizer() -> SpellingTokenizer:
    return SpellingTokenizer()


@pytest.fixture(scope="session")
def make_policy() -> Callable[..., Transformer]:
    return build_policy


@pytest.fixture(scope="session")
def make_requests() -> Callable[..., list[RolloutRequest]]:
    return build_requests


@pytest.fixture(scope="session")
def logits_of() -> Callable[..., torch.Tensor]:
    return full_logits
