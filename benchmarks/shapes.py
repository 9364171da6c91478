"""What is timed: the shapes of a step, the network, and the lengths that are forced on both sides.

Everything here follows from the seed alone, so that two processes which never speak to each other
work on the same prompts and the same list of lengths.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The network: Qwen2 layout, random weights, tied head."""

    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    intermediate_size: int
    vocab_size: int
    dtype: str

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_heads


SMALL = ModelShape(6, 256, 4, 2, 704, 4096, "float32")
LARGE = ModelShape(28, 1536, 12, 2, 8960, 151_936, "bfloat16")
"""The layout of a 1.5B network; for a CUDA device."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of step: `num_prompts` groups of `group_size` completions."""

    name: str
    title: str
    num_prompts: int
    group_size: int
    prompt_tokens: int
    mean_tokens: int
    max_tokens: int
    """Equal to `mean_tokens` where every completion has that length."""
    target: float
    """Times as fast as TRL that is promised."""

    @property
    def num_completions(self) -> int:
        return self.num_prompts * self.group_size

    def scaled(self, num_prompts: int) -> Shape:
        """The same with fewer prompts, for trying settings."""
        return replace(self, num_prompts=max(1, min(self.num_prompts, num_prompts)))

    def lengths(self, step: int) -> tuple[int, ...]:
        """New tokens of each completion of a step, prompt by prompt; the last one ends the completion.

        Drawn from a log-normal distribution (sigma 1), cut at the maximum, one of them at it, and
        brought to the mean exactly.
        """
        if self.mean_tokens == self.max_tokens:
            return (self.mean_tokens,) * self.num_completions
        rng = random.Random(f"{SEED} lengths {self.name} {step}")
        draws = [rng.lognormvariate(0.0, 1.0) for _ in range(self.num_completions)]
        return _fit(draws, self.mean_tokens, self.max_tokens, rng)

    def prompts(self, step: int) -> tuple[str, ...]:
        """The prompts of a step as text of exactly `prompt_tokens` tokens each."""
        rng = random.Random(f"{SEED} prompts {self.name} {step}")
        return tuple(
            " ".join(word(rng.randrange(NUM_SPECIAL, 4096)) for _ in range(self.prompt_tokens))
            for _ in range(self.num_prompts)
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


NUM_SPECIAL = 3
"""Ids 0, 1, 2: end of sequence, padding, unknown."""


def word(token_id: int) -> str:
    """The text of a token that is not special."""
    return f"w{token_id}"


SHAPES: dict[str, Shape] = {
    "a": Shape("a", "16 prompts of 32 tokens x 8 completions of exactly 128", 16, 8, 32, 128, 128, 1.6),
    "b": Shape(
        "b", "16 prompts of 32 tokens x 8 completions, mean 128, longest 512", 16, 8, 32, 128, 512, 6.0
    ),
    "c": Shape("c", "8 prompts of 512 tokens x 16 completions of exactly 64", 8, 16, 512, 64, 64, 12.0),
}

QUICK: dict[str, Shape] = {
    "a": Shape("a", "2 prompts of 8 tokens x 2 completions of exactly 16", 2, 2, 8, 16, 16, 1.6),
    "b": Shape("b", "2 prompts of 8 tokens x 4 completions, mean 12, longest 32", 2, 4, 8, 12, 32, 6.0),
    "c": Shape("c", "2 prompts of 64 tokens x 4 completions of exactly 8", 2, 4, 64, 8, 8, 12.0),
}
"""To see that everything runs; their ratios mean nothing."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What both sides are told."""

    folder: Path
    shape: Shape
    num_steps: int
    """Steps in all, warm-up included."""
    device: str
    dtype: str
    settings: dict[str, Any]


def shape_from(raw: dict[str, Any]) -> Shape:
    return Shape(**raw)


def _fit(draws: list[float], mean: int, longest: int, rng: random.Random) -> tuple[int, ...]:
    """The draws scaled so that, rounded and cut to 1 .. longest, they have the mean."""
    low, high = 0.0, float(longest) / min(draws)
    for _ in range(100):
        middle = (low + high) / 2
        total = sum(min(longest, max(1, round(draw * middle))) for draw in draws)
        low, high = (middle, high) if total < mean * len(draws) else (low, middle)
    lengths = [min(longest, max(1, round(draw * high))) for draw in draws]
    top = max(range(len(lengths)), key=lambda index: draws[index])
    lengths[top] = longest
    others = [index for index in range(len(lengths)) if index != top]
    while (surplus := sum(lengths) - mean * len(lengths)) != 0:
        index = rng.choice(others)
        lengths[index] = min(longest, max(1, lengths[index] - (1 if surplus > 0 else -1)))
    return tuple(lengths)
