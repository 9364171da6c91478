"""The network against `transformers`, and a packed row against its rows one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_models import FAMILIES, make_hf, pack_groups, pack_rows, random_rows, save_hf, tiny_config
from torch import Tensor

from ponder.errors import ModelError
from ponder.models import fused
from ponder.models.architecture import ModelConfig
from ponder.models.folder import load_policy
from ponder.models.transformer import Transformer
from ponder.types import Packing, Span

LENGTHS = (17, 40, 17, 1, 33, 39)


def forward(policy: Transformer, rows: list[Tensor]) -> Tensor:
    return policy.logits(policy.hidden(*pack_rows(rows)))


def make(seed: int = 0, dtype: torch.dtype = torch.float32, **changes: object) -> Transformer:
    torch.manual_seed(seed)
    network = Transformer(tiny_config(**changes)).to(dtype)
    network.compute_dtype = dtype
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("kind", FAMILIES)
def test_logits_and_gradients_equal_transformers(kind: str, tmp_path: Path) -> None:
    theirs = save_hf(kind, tmp_path)
    ours = load_policy(tmp_path)
    assert isinstance(ours, Transformer)
    rows = random_rows(LENGTHS)
    logits = forward(ours, rows)
    expected = torch.cat([theirs(row[None]).logits[0] for row in rows])
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    (logits * weights).sum().backward()
    (expected * weights).sum().backward()
    wanted = dict(theirs.named_parameters())
    got = dict(ours.named_parameters())
    assert set(got) == set(wanted)
    for name, parameter in got.items():
        error = (parameter.grad - wanted[name].grad).norm()
        # A key's bias shifts all scores of a query alike: its gradient is zero but for RoPE and rounding.
        assert error < 1e-4 * wanted[name].grad.norm() + 1e-4, name


@pytest.mark.parametrize("changes", [{}, {"qk_norm": True, "family": "qwen3"}, {"windows": (None, 7, 20)}])
def test_packed_equals_one_by_one(changes: dict[str, object]) -> None:
    network = make(dtype=torch.float64, **changes)
    rows = random_rows(LENGTHS)
    packed = forward(network, rows)
    alone = torch.cat([forward(network, [row]) for row in rows])
    assert (packed - alone).abs().max() < 1e-12 * alone.abs().max()


GROUPS = [(9, (12, 5, 12, 1, 30)), (40, (3,)), (9, (20, 20)), (13, ())]


def groups() -> list[tuple[Tensor, list[Tensor]]]:
    return [
        (random_rows([prompt], seed=i)[0], random_rows(lengths, seed=100 + i))
        for i, (prompt, lengths) in enumerate(GROUPS)
    ]


@pytest.mark.parametrize(
    "changes",
    [{}, {"qk_norm": True, "family": "qwen3"}, {"windows": (7, None, 20)}, {"num_kv_heads": 4}],
)
def test_shared_prompts_give_the_gradients_of_repeated_prompts(changes: dict[str, object]) -> None:
    network = make(dtype=torch.float64, **changes)
    ids, positions, packing = pack_groups(groups())
    shared = network.hidden(ids, positions, packing)
    weights = torch.randn(shared.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    shared_losses = (shared * weights).sum(-1)
    shared_losses.sum().backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    network.zero_grad()

    rows, selections, start = [], [], 0
    for prompt, completions in groups():
        own = slice(start, start + len(prompt))
        rows.append(prompt)
        selections.append((slice(0, len(prompt)), own))
        start += len(prompt)
        for completion in completions:
            rows.append(torch.cat([prompt, completion]))
            selections.append((slice(len(prompt), None), slice(start, start + len(completion))))
            start += len(completion)
    loss = torch.zeros((), dtype=torch.float64)
    for row, (take, place) in zip(rows, selections, strict=True):
        hidden = network.hidden(*pack_rows([row]))[take]
        assert (hidden - shared[place]).abs().max() < 1e-12 * shared.abs().max()
        loss = loss + (hidden * weights[place]).sum()
    loss.backward()
    assert gradients
    for name, parameter in network.named_parameters():
        if name in gradients:
            scale = parameter.grad.norm().clamp_min(1e-3)
            assert (gradients[name] - parameter.grad).norm() < 1e-12 * scale, name


def row_outcomes(
    network: Transformer, rows: list[Tensor], weights: Tensor, grouped: bool
) -> list[tuple[Tensor, Tensor]]:
    """For each row its hidden states and the loss's gradient at its tokens' embeddings.

    Rows draw from disjoint tokens, so that each row of the embedding has one packed row's gradient.
    """
    network.zero_grad()
    # Grouped: each pair of rows is a prompt and its completion, so a neighbour is a pair.
    pairs = [(rows[i], [rows[i + 1]]) for i in range(0, len(rows), 2)]
    hidden = network.hidden(*(pack_groups(pairs) if grouped else pack_rows(rows)))
    (hidden * weights).sum().backward()
    gradient = network.model.embed_tokens.weight.grad
    assert gradient is not None
    states = hidden.detach().split([len(row) for row in rows])
    return [(part, gradient[16 * i : 16 * (i + 1)].clone()) for i, part in enumerate(states)]


@pytest.mark.parametrize("grouped", [False, True])
def test_changing_a_row_alters_no_bit_of_the_others(grouped: bool) -> None:
    network = make()
    rows = [row % 16 + 16 * i for i, row in enumerate(random_rows(LENGTHS))]
    weights = torch.randn(sum(LENGTHS), 48, generator=torch.Generator().manual_seed(3))
    before = row_outcomes(network, rows, weights, grouped)
    rows[1] = random_rows([LENGTHS[1]], seed=77)[0] % 16 + 16
    after = row_outcomes(network, rows, weights, grouped)
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        touched = index // 2 == 0 if grouped else index == 1
        # The prompt's own states do not see its completion; its gradient does.
        assert torch.equal(old[0], new[0]) == (index != 1)
        assert torch.equal(old[1], new[1]) == (not touched)


def test_checkpointing_changes_nothing() -> None:
    network = make()
    ids, positions, packing = pack_groups(groups())
    results = []
    for on in (False, True):
        network.gradient_checkpointing = on
        network.zero_grad()
        network.hidden(ids, positions, packing).square().sum().backward()
        results.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("changes", [{}, {"qk_norm": True, "family": "qwen3"}])
def test_chunks_do_not_show(changes: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    network = make(dtype=torch.float64, **changes)
    row = pack_groups(groups())
    results = []
    for tokens in (16, 10_000):  # many chunks, the last one short; and one
        monkeypatch.setattr(fused, "_CPU_CHUNK_TOKENS", tokens)
        network.zero_grad()
        hidden = network.hidden(*row)
        hidden.square().sum().backward()
        gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
        results.append([hidden.detach(), *gradients])
    for many, one in zip(*results, strict=True):
        assert (many - one).norm() < 1e-12 * one.norm().clamp_min(1e-3)


def test_no_gradient_means_the_same_numbers() -> None:
    network = make()
    row = pack_rows(random_rows(LENGTHS))
    with torch.no_grad():
        quiet = network.hidden(*row)
    assert torch.equal(quiet, network.hidden(*row))
    assert not quiet.requires_grad


@pytest.mark.parametrize("changes", [{}, {"qk_norm": True, "family": "qwen3"}])
def test_bfloat16_computes_near_float32_with_float32_parameters(changes: dict[str, object]) -> None:
    network = make(**changes)
    row = pack_groups(groups())
    network.hidden(*row).sum().backward()
    exact_hidden, exact = (
        network.hidden(*row).detach(),
        network.model.layers[0].mlp.up_proj.weight.grad.clone(),
    )
    network.zero_grad()
    network.compute_dtype = torch.bfloat16
    hidden = network.hidden(*row)
    assert hidden.dtype == torch.bfloat16
    assert network.logits(hidden).dtype == torch.float32
    hidden.sum().backward()
    gradient = network.model.layers[0].mlp.up_proj.weight.grad
    assert gradient is not None
    assert gradient.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(hidden.float(), exact_hidden, dim=-1).min() > 0.99
    assert torch.nn.functional.cosine_similarity(gradient.flatten(), exact.flatten(), dim=0) > 0.98


def test_frozen_parameters_get_no_gradient() -> None:
    network = make()
    network.model.layers[1].mlp.requires_grad_(False)
    network.model.layers[0].self_attn.q_proj.bias.requires_grad_(False)
    network.hidden(*pack_rows(random_rows(LENGTHS))).sum().backward()
    assert network.model.layers[1].mlp.up_proj.weight.grad is None
    assert network.model.layers[0].self_attn.q_proj.bias.grad is None
    assert network.model.layers[0].self_attn.q_proj.weight.grad is not None


def test_hooks_on_a_projection_are_run() -> None:
    network = make()
    seen = []
    network.model.layers[0].mlp.up_proj.register_forward_hook(lambda *_: seen.append(1))
    row = pack_rows(random_rows(LENGTHS))
    hooked = network.hidden(*row)
    assert seen == [1]
    network.model.layers[0].mlp.up_proj._forward_hooks.clear()
    assert torch.allclose(hooked, network.hidden(*row), atol=1e-5)


def test_dynamic_rope_refuses_what_it_was_not_built_for() -> None:
    config = ModelConfig.from_hf_dict(make_hf("llama-dynamic").config.to_dict())
    with pytest.raises(ModelError, match="max_position_embeddings"):
        Transformer(config).hidden(*pack_rows(random_rows([129])))


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ((Span(0, 3), Span(4, 2)), "gap or overlap"),
        ((Span(0, 3),), "covers 3 tokens"),
        ((Span(0, 2), Span(2, 2, 0), Span(4, 2, 1)), "no parent itself"),
    ],
)
def test_a_packing_that_does_not_fit_is_an_error(spans: tuple[Span, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make().hidden(torch.zeros(6, dtype=torch.int64), torch.arange(6), Packing(spans))
