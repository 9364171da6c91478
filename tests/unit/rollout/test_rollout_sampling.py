"""Draws: their distribution, their log-probabilities, and their independence of company.

`uniforms` against splitmix64 as published; the kept sets against transformers' own warpers.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from ponder.rollout.sampling import draw, first_argmax, hash_seeds, uniforms
from ponder.types import SamplingParams

TOY = torch.tensor([0.30, 0.25, 0.20, 0.12, 0.08, 0.05])


def draws(
    logits_V: torch.Tensor, sampling: SamplingParams, count: int = 40_000
) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, logprobs) of `count` draws of one distribution, each with a seed of its own."""
    states = hash_seeds(np.arange(count, dtype=np.uint64))
    uniforms_R = torch.from_numpy(uniforms(states, np.zeros(count, dtype=np.int64)))
    tokens, logprobs = draw(logits_V.repeat(count, 1), uniforms_R, sampling)
    return tokens.numpy(), logprobs.numpy()


def chi_square(tokens: np.ndarray, expected: torch.Tensor) -> float:
    """Pearson's statistic over the tokens with positive probability, in standard deviations."""
    counts = np.bincount(tokens, minlength=len(expected)).astype(float)
    wanted = expected.numpy() * len(tokens)
    assert counts[wanted == 0].sum() == 0
    kept = wanted > 0
    statistic = ((counts[kept] - wanted[kept]) ** 2 / wanted[kept]).sum()
    freedom = kept.sum() - 1
    return float((statistic - freedom) / math.sqrt(2 * freedom))


def test_hash_is_splitmix64() -> None:
    # The first outputs of splitmix64 started at 0 (Vigna's reference implementation).
    start = np.zeros(1, dtype=np.uint64)
    assert int(hash_seeds(start)[0]) == 0xE220A8397B1DCDAF
    first = uniforms(start, np.zeros(1, dtype=np.int64))[0]
    second = uniforms(start, np.ones(1, dtype=np.int64))[0]
    assert first == np.float32((0xE220A8397B1DCDAF >> 40) / 2**24)
    assert second == np.float32((0x6E789E6AA1B965F4 >> 40) / 2**24)


def test_uniforms_are_uniform_and_unrelated_between_seeds_and_indices() -> None:
    states = hash_seeds(np.arange(200, dtype=np.uint64))
    grid = np.stack([uniforms(states, np.full(200, index)) for index in range(200)])
    assert grid.min() >= 0
    assert grid.max() < 1
    counts = np.bincount((grid.ravel() * 20).astype(int), minlength=20)
    assert ((counts - 2000) ** 2 / 2000).sum() < 19 + 5 * math.sqrt(38)
    along_indices = np.corrcoef(grid[:-1].ravel(), grid[1:].ravel())[0, 1]
    along_seeds = np.corrcoef(grid[:, :-1].ravel(), grid[:, 1:].ravel())[0, 1]
    assert abs(along_indices) < 0.02
    assert abs(along_seeds) < 0.02


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
def test_plain_draws_follow_the_tempered_distribution(temperature: float) -> None:
    expected = (TOY.log() / temperature).softmax(-1)
    tokens, logprobs = draws(TOY.log() + 3.0, SamplingParams(1, temperature=temperature))
    assert abs(chi_square(tokens, expected)) < 5
    assert np.allclose(logprobs, expected.log().numpy()[tokens], atol=1e-6)


@pytest.mark.parametrize("vocab", [100, 128, 300, 1024, 20_000])
def test_two_level_search_finds_the_token_of_the_cumulated_sum(vocab: int) -> None:
    generator = torch.Generator().manual_seed(vocab)
    logits = torch.randn(64, vocab, generator=generator) * 2
    uniforms_R = torch.rand(64, generator=generator)
    tokens, _ = draw(logits.clone(), uniforms_R, SamplingParams(1))
    ends = logits.double().softmax(-1).cumsum(-1)
    wanted = (ends <= uniforms_R.double()[:, None]).sum(-1)
    assert (tokens == wanted).float().mean() > 0.9
    # Rounding may move a draw over the border between two tokens, never further than the border.
    below, above = ends.gather(1, tokens[:, None])[:, 0], ends.gather(1, wanted[:, None])[:, 0]
    assert ((below - above).abs() < 1e-5).logical_or(tokens == wanted).all()


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24])
@pytest.mark.parametrize("possible", [0, 1, 127, 128, 255, 299])
def test_a_token_of_probability_zero_is_never_drawn(uniform: float, possible: int) -> None:
    logits = torch.full((1, 300), -torch.inf)
    logits[0, possible] = 1.0
    tokens, logprobs = draw(logits, torch.tensor([uniform]), SamplingParams(1))
    assert tokens.item() == possible
    assert logprobs.item() == 0.0


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        # By hand: the largest three of TOY sum to 0.75.
        (SamplingParams(1, top_k=3), torch.tensor([0.30, 0.25, 0.20, 0, 0, 0]) / 0.75),
        # 0.30 + 0.25 + 0.20 = 0.75 < 0.8 <= 0.87, so four are kept.
        (SamplingParams(1, top_p=0.8), torch.tensor([0.30, 0.25, 0.20, 0.12, 0, 0]) / 0.87),
        # At least 0.3 x 0.30 = 0.09.
        (SamplingParams(1, min_p=0.3), torch.tensor([0.30, 0.25, 0.20, 0.12, 0, 0]) / 0.87),
        # top-p on what top-k left: 0.30 / 0.75 = 0.4 < 0.7 <= 0.55 / 0.75 = 0.733.
        (SamplingParams(1, top_k=3, top_p=0.7), torch.tensor([0.30, 0.25, 0, 0, 0, 0]) / 0.55),
        (SamplingParams(1, top_k=1), torch.tensor([1.0, 0, 0, 0, 0, 0])),
        (SamplingParams(1, top_p=0.1), torch.tensor([1.0, 0, 0, 0, 0, 0])),
    ],
)
def test_filters_keep_what_they_say_and_logprobs_are_renormalised(
    sampling: SamplingParams, expected: torch.Tensor
) -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = torch.empty(6)
    shuffled[order] = TOY
    wanted = torch.empty(6)
    wanted[order] = expected
    tokens, logprobs = draws(shuffled.log(), sampling)
    if (wanted > 0).sum() > 1:
        assert abs(chi_square(tokens, wanted)) < 5
    assert (wanted.numpy()[tokens] > 0).all()
    assert np.allclose(logprobs, wanted.log().numpy()[tokens], atol=1e-6)


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(1, top_k=7),
        SamplingParams(1, top_p=0.9),
        SamplingParams(1, top_p=0.999),
        SamplingParams(1, min_p=0.05),
        SamplingParams(1, top_k=20, top_p=0.8, min_p=0.02, temperature=0.7),
    ],
)
def test_kept_probabilities_equal_those_of_transformers(sampling: SamplingParams) -> None:
    """Rows both peaked and flat, so that short and full sorting both occur."""
    generator = torch.Generator().manual_seed(1)
    scales = torch.linspace(0.1, 6, 128)[:, None]
    logits = torch.randn(128, 700, generator=generator) * scales
    scores = logits / sampling.temperature
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(None, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    if sampling.min_p:
        scores = MinPLogitsWarper(sampling.min_p)(None, scores)
    wanted = scores.log_softmax(-1)
    seen: set[tuple[int, int]] = set()
    for _ in range(20):
        uniforms_R = torch.rand(128, generator=generator)
        tokens, logprobs = draw(logits.clone(), uniforms_R, sampling)
        assert torch.allclose(logprobs, wanted.gather(1, tokens[:, None])[:, 0], atol=1e-5)
        seen.update((row, token) for row, token in enumerate(tokens.tolist()))
    assert len(seen) > 300


def test_greedy_takes_the_first_of_equals_and_reports_the_untempered_logprob() -> None:
    logits = torch.zeros(3, 300)
    logits[0, [5, 250]] = 2.0
    logits[1, 299] = 1.0
    tokens, logprobs = draw(logits.clone(), torch.rand(3), SamplingParams(1, temperature=0))
    assert tokens.tolist() == [5, 299, 0]
    assert torch.allclose(logprobs, logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0], atol=1e-6)


@pytest.mark.parametrize("vocab", [7, 128, 129, 1000])
def test_first_argmax_is_argmax(vocab: int) -> None:
    values = torch.randint(0, 50, (200, vocab), generator=torch.Generator().manual_seed(vocab)).float()
    wanted = (values == values.amax(-1, keepdim=True)).int().argmax(-1)
    assert torch.equal(first_argmax(values), wanted)


@pytest.mark.parametrize(
    "sampling", [SamplingParams(1, temperature=0.7), SamplingParams(1, top_p=0.9), SamplingParams(1, top_k=9)]
)
def test_a_row_is_drawn_the_same_in_any_company(sampling: SamplingParams) -> None:
    generator = torch.Generator().manual_seed(3)
    logits, uniforms_R = torch.randn(64, 500, generator=generator) * 2, torch.rand(64, generator=generator)
    tokens, logprobs = draw(logits.clone(), uniforms_R, sampling)
    order = torch.randperm(64, generator=generator)
    again, again_logprobs = draw(logits[order], uniforms_R[order], sampling)
    assert torch.equal(tokens[order], again)
    assert torch.equal(logprobs[order], again_logprobs)
    eight, eight_logprobs = draw(logits[8:16].clone(), uniforms_R[8:16], sampling)
    assert torch.equal(tokens[8:16], eight)
    assert torch.equal(logprobs[8:16], eight_logprobs)
