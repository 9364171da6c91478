"""The float64 gradient of a step does not depend on how the step is cut, packed or padded."""

import random
from dataclasses import replace
from functools import reduce
from operator import add

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ponder.algorithms import (
    ALGORITHMS,
    build_batch,
    pack,
    policy_loss,
    resolve_algorithm,
    step_totals,
    token_logprobs,
    value_loss,
)
from ponder.types import TrainingSample

VOCABULARY, WIDTH, CAP = 11, 6, 12


class TinyPolicy(nn.Module):
    """A hidden state sees its own token, its position and the sum of what `Packing` shows it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, WIDTH).double()
        self.positions = nn.Embedding(64, WIDTH).double()
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False).double()
        self.value = nn.Linear(WIDTH, 1).double()

    def hidden(self, token_ids_N, positions_N, packing):
        embedded = self.embedding(token_ids_N) + self.positions(positions_N)
        rows = [embedded[s.start : s.start + s.length] for s in packing.spans]
        seen = []
        for span, row in zip(packing.spans, rows, strict=True):
            before = rows[span.parent].sum(0) if span.parent >= 0 else 0.0
            seen.append(torch.tanh(row + 0.1 * (row.cumsum(0) + before)))
        return torch.cat(seen)


def make_samples(rng, num_groups=4, members=3):
    samples = []
    for group in range(num_groups):
        prompt = tuple(rng.randrange(VOCABULARY) for _ in range(rng.randint(1, 5)))
        for _ in range(members):
            length = rng.randint(1, 7)
            samples.append(
                TrainingSample(
                    prompt_ids=prompt,
                    token_ids=tuple(rng.randrange(VOCABULARY) for _ in range(length)),
                    loss_mask=tuple(rng.random() < 0.85 for _ in range(length)),
                    sampler_logprobs=tuple(-rng.uniform(0.5, 4.5) for _ in range(length)),
                    advantages_T=(rng.choice([-1.5, -0.5, 0.0, 0.5, 1.0]),) * length,
                    group=group,
                )
            )
    return samples


def table_of(samples):
    """Old and reference log-probs and values of each sample, so that they follow it anywhere."""
    rng = torch.Generator().manual_seed(5)
    return {
        id(s): torch.randn(4, len(s.token_ids), generator=rng, dtype=torch.float64) * 0.7 - 2.3
        for s in samples
    }


def gradient(policy, parts, table, config, totals, head="weight", chunk=4096):
    policy.zero_grad()
    metrics = []
    for part in parts:
        batch = build_batch(part)
        columns = torch.cat([table[id(s)] for s in part], dim=1)
        names = ("old_logprobs_M", "ref_logprobs_M", "old_values_M", "returns_M")
        batch = batch.replace(**dict(zip(names, columns, strict=True)))
        hidden = policy.hidden(batch.token_ids_N, batch.positions_N, batch.packing)[batch.predictors_M]
        project = policy.head.weight if head == "weight" else policy.head
        logprobs, entropy = token_logprobs(hidden, project, batch.targets_M, 0.7, chunk)
        loss, sums = policy_loss(logprobs, batch, config, totals, entropy_M=entropy)
        values, value_sums = value_loss(policy.value(hidden).squeeze(1), batch, config, totals)
        (loss + values).backward()
        metrics.append((sums, value_sums))
    flat = torch.cat([p.grad.flatten() for p in policy.parameters()])
    report = reduce(add, (m[0] for m in metrics)).to_metrics()
    report |= reduce(add, (m[1] for m in metrics)).to_metrics()
    return flat, report


VARIANTS = {
    **{name: {"preset": name} for name in ALGORITHMS},
    "gspo_wide": {"preset": "gspo", "surrogate": {"clip_low": 0.3, "clip_high": 0.3}},
    "capped": {"preset": "grpo", "surrogate": {"clip_max": 2.0}, "mismatch_cap": 2.0, "kl": {"kind": "k2"}},
    "sequence_cispo": {"preset": "cispo", "surrogate": {"ratio": "sequence"}},
}


def same(a, b):
    assert a.abs().max() > 1e-4
    assert (a - b).abs().max() <= 1e-12 * a.abs().max()


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_gradient_is_the_same_however_the_step_is_cut(variant, seed):
    rng = random.Random(seed)
    config = resolve_algorithm(VARIANTS[variant])
    policy = TinyPolicy()
    samples = make_samples(rng)
    table, totals = table_of(samples), step_totals(samples, CAP)
    whole, metrics = gradient(policy, [samples], table, config, totals)
    shuffled = rng.sample(samples, len(samples))
    cuts = sorted(rng.sample(range(1, len(samples)), rng.randint(1, 6)))
    ways = [
        [[s] for s in samples],
        pack(samples, rng.randint(8, 60)),
        [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(samples)], strict=True)],
    ]
    for parts in ways:
        other, other_metrics = gradient(policy, parts, table, config, totals)
        same(whole, other)
        assert other_metrics == pytest.approx(metrics, rel=1e-9, abs=1e-12)
    same(whole, gradient(policy, [samples], table, config, totals, head="module", chunk=rng.randint(1, 9))[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_changes_nothing(variant):
    """Masked tokens after a completion, with numbers that are not numbers, and whole masked members."""
    config = resolve_algorithm(VARIANTS[variant])
    policy = TinyPolicy()
    samples = make_samples(random.Random(3))
    table, totals = table_of(samples), step_totals(samples, CAP)
    whole, metrics = gradient(policy, [samples], table, config, totals)
    padded, wider = [], {}
    garbage = torch.full((4, 2), torch.nan, dtype=torch.float64)
    for index, s in enumerate(samples):
        longer = replace(
            s,
            token_ids=(*s.token_ids, 0, 0),
            loss_mask=(*s.loss_mask, False, False),
            sampler_logprobs=(*s.sampler_logprobs, float("nan"), 99.0),
            advantages_T=(*s.advantages_T, 5.0, float("nan")),
        )
        padded.append(longer)
        wider[id(longer)] = torch.cat([table[id(s)], garbage], dim=1)
        if index % 3 == 0:
            gone = replace(longer, loss_mask=(False,) * len(longer.loss_mask))
            padded.append(gone)
            wider[id(gone)] = wider[id(longer)]
    assert step_totals(padded, CAP) == totals
    for parts in ([padded], [[s] for s in padded]):
        other, other_metrics = gradient(policy, parts, wider, config, step_totals(padded, CAP))
        same(whole, other)
        assert other_metrics == pytest.approx(metrics, rel=1e-9, abs=1e-12)


def test_a_row_of_another_group_changes_no_bit():
    config = ALGORITHMS["r1"]
    policy = TinyPolicy()
    samples = make_samples(random.Random(8), num_groups=2)
    totals = step_totals(samples, CAP)
    other = [replace(s, token_ids=tuple((t + 1) % VOCABULARY for t in s.token_ids)) for s in samples[3:]]
    grads = []
    for row in ([*samples[:3], *samples[3:]], [*samples[:3], *other]):
        batch = build_batch(row)
        hidden = policy.hidden(batch.token_ids_N, batch.positions_N, batch.packing).detach().requires_grad_()
        logprobs, _ = token_logprobs(hidden[batch.predictors_M], policy.head.weight, batch.targets_M)
        policy_loss(logprobs, batch, config, totals)[0].backward()
        grads.append(hidden.grad)
    mine = sum(span.length for span in build_batch(samples[:3]).packing.spans)
    assert torch.equal(grads[0][:mine], grads[1][:mine])
    assert not torch.equal(grads[0][mine:], grads[1][mine:])
    assert bool(grads[0][:mine].any())


def test_a_micro_batch_without_a_token_in_the_loss():
    policy = TinyPolicy()
    samples = [replace(s, loss_mask=(False,) * len(s.loss_mask)) for s in make_samples(random.Random(1))]
    for name in ALGORITHMS:
        policy.zero_grad()
        batch = build_batch(samples)
        hidden = policy.hidden(batch.token_ids_N, batch.positions_N, batch.packing)[batch.predictors_M]
        logprobs, entropy = token_logprobs(hidden, policy.head.weight, batch.targets_M)
        totals = step_totals(samples, CAP)
        loss, metrics = policy_loss(logprobs, batch, ALGORITHMS[name], totals, entropy_M=entropy)
        loss.backward()
        assert loss.item() == 0.0
        assert policy.head.weight.grad.abs().max() == 0.0
        assert metrics.to_metrics()["batch/tokens/count"] == 0
        assert "ratio/token/mean" not in metrics.to_metrics()
