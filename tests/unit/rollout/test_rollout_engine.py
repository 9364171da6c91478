"""The local engine: what it returns, and that company changes no bit of it."""

from __future__ import annotations

import pytest
import torch

from ponder.config import EngineConfig
from ponder.errors import DataError, DivergenceError, PonderError, RecipeError, UserError
from ponder.rollout import ENGINES, LocalEngine, StaleWeightsError, make_engine
from ponder.types import Finish, RolloutGroup, RolloutRequest, SamplingParams

SAMPLING = SamplingParams(40)


def run(engine, requests, sampling=SAMPLING) -> dict[int, RolloutGroup]:
    pairs = list(engine.generate(requests, sampling))
    assert len({index for index, _ in pairs}) == len(pairs), "a group came twice"
    return dict(pairs)


def alone(request: RolloutRequest, member: int) -> RolloutRequest:
    return RolloutRequest(request.prompt, (request.seeds[member],))


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampler_logprobs_equal_the_policys_own(
    policy, tokenizer, make_requests, logits_of, temperature
) -> None:
    requests = make_requests(6, 4)
    groups = run(
        LocalEngine(policy, tokenizer, num_slots=16), requests, SamplingParams(40, temperature=temperature)
    )
    for request, (_, group) in zip(requests, sorted(groups.items()), strict=True):
        for completion in group.completions:
            logits = logits_of(policy, request.prompt.token_ids, completion.token_ids)
            wanted = (
                (logits / temperature).log_softmax(-1).gather(1, torch.tensor(completion.token_ids)[:, None])
            )
            assert torch.allclose(torch.tensor(completion.sampler_logprobs), wanted[:, 0], atol=1e-4)


def test_64_completions_alone_shuffled_and_in_other_company_are_bit_equal(
    make_policy, tokenizer, make_requests
) -> None:
    policy, sampling = make_policy(num_layers=2), SamplingParams(20)
    # A prompt of two tokens: computed alone, its products would take another path.
    requests = [*make_requests(7, 8, lengths=(3, 70)), *make_requests(1, 8, lengths=(2, 2), seed=1)]
    together = run(LocalEngine(policy, tokenizer, num_slots=64), requests, sampling)
    shuffled = run(LocalEngine(policy, tokenizer, num_slots=64), requests[::-1], sampling)
    strangers = make_requests(5, 9, lengths=(3, 100), seed=9)
    engine = LocalEngine(policy, tokenizer, num_slots=40)
    company = run(engine, [*strangers[:3], *requests, *strangers[3:]], sampling)
    single = LocalEngine(policy, tokenizer, num_slots=16)
    for index, request in enumerate(requests):
        wanted = together[index].completions
        assert shuffled[7 - index].completions == wanted
        assert company[3 + index].completions == wanted
        for member in range(8):
            group = run(single, [alone(request, member)], sampling)[0]
            assert group.completions == (wanted[member],)


def test_bits_hold_for_long_prompts_and_long_completions(make_policy, tokenizer, make_requests) -> None:
    """Longer than the parts in which keys are summed, where products are split by their length."""
    policy = make_policy(num_layers=1, num_kv_heads=1)
    requests = make_requests(2, 3, lengths=(150, 300)) + make_requests(2, 2, lengths=(5, 9), seed=1)
    sampling = SamplingParams(230)

    def limits(index: int, member: int) -> int:
        return (230, 215, 33)[member]

    engine = LocalEngine(policy, tokenizer, num_slots=16, stop_at_eos=False, length_limits=limits)
    together = run(engine, requests, sampling)
    for index in (0, 2):
        assert run(engine, [requests[index]], sampling)[0].completions == together[index].completions
    first = run(engine, [alone(requests[1], 0)], sampling)
    assert first[0].completions[0] == together[1].completions[0]


def test_members_with_other_seeds_differ_and_equal_seeds_agree(policy, tokenizer, make_requests) -> None:
    request = make_requests(1, 1)[0]
    group = run(LocalEngine(policy, tokenizer), [RolloutRequest(request.prompt, (5, 6, 5, 7))])[0]
    first, second, third, fourth = (completion.token_ids for completion in group.completions)
    assert first == third
    assert len({first, second, fourth}) == 3


def test_continuous_batching_returns_every_group_once_in_the_members_order(
    policy, tokenizer, make_requests
) -> None:
    requests = [*make_requests(9, 5), *make_requests(3, 1, seed=2), *make_requests(2, 20, seed=3)]
    groups = run(LocalEngine(policy, tokenizer, num_slots=8), requests)
    assert sorted(groups) == list(range(14))
    roomy = run(LocalEngine(policy, tokenizer, num_slots=256), requests)
    for index, request in enumerate(requests):
        assert groups[index].prompt is request.prompt
        assert len(groups[index].completions) == len(request.seeds)
        assert groups[index].completions == roomy[index].completions


def test_short_rows_make_room_at_once(policy, tokenizer, make_requests) -> None:
    """8 slots, one long completion per group: the short ones of later groups run beside it."""
    requests = make_requests(6, 4)
    engine = LocalEngine(
        policy,
        tokenizer,
        num_slots=8,
        stop_at_eos=False,
        length_limits=lambda index, member: 40 if (index, member) == (0, 0) else 4,
    )
    order = [index for index, _ in engine.generate(requests, SAMPLING)]
    assert order[-1] == 0
    steps = 0
    network = engine._network
    original = network.decode

    def counted(plan):
        nonlocal steps
        steps += 1
        return original(plan)

    network.decode = counted
    list(engine.generate(requests, SAMPLING))
    assert steps <= 40 + 4


def test_steps_get_smaller_when_rows_leave(policy, tokenizer, make_requests) -> None:
    engine = LocalEngine(
        policy,
        tokenizer,
        num_slots=64,
        stop_at_eos=False,
        length_limits=lambda index, member: 2 if index else 30,
    )
    sizes = []
    original = engine._network.decode

    def watched(plan):
        sizes.append((plan.shape.rows, plan.shape.prompts))
        return original(plan)

    engine._network.decode = watched
    requests = make_requests(8, 8)
    list(engine.generate(requests, SAMPLING))
    assert sizes[0] == (64, 8)
    assert sizes[1:] == [(8, 1)] * (len(sizes) - 1)


def test_greedy_is_the_argmax_of_the_policys_own_forward(policy, tokenizer, make_requests, logits_of) -> None:
    requests = make_requests(5, 2)
    groups = run(LocalEngine(policy, tokenizer), requests, SamplingParams(30, temperature=0))
    for index, group in groups.items():
        one, two = group.completions
        assert one.token_ids == two.token_ids
        logits = logits_of(policy, requests[index].prompt.token_ids, one.token_ids)
        assert logits.argmax(-1).tolist() == list(one.token_ids)


def watch_prefills(engine) -> list[int]:
    """Filled, as the engine works, with the number of prompts of each prefill."""
    prefills: list[int] = []
    original = engine._network.prefill

    def watched(tokens, runs, last):
        prefills.append(sum(len(run.places) for run in runs))
        return original(tokens, runs, last)

    engine._network.prefill = watched
    return prefills


def test_a_shared_prompt_is_computed_once_and_equals_separate_ones(policy, tokenizer, make_requests) -> None:
    request = make_requests(1, 6)[0]
    engine = LocalEngine(policy, tokenizer)
    prefills = watch_prefills(engine)
    shared = run(engine, [request])[0]
    assert prefills == [1]
    separate = run(engine, [alone(request, member) for member in range(6)])
    assert prefills == [1, 6]
    assert shared.completions == tuple(separate[member].completions[0] for member in range(6))


def test_the_stop_token_is_part_of_the_completion_and_not_of_the_text(
    policy, tokenizer, make_requests
) -> None:
    groups = run(LocalEngine(policy, tokenizer), make_requests(16, 8), SamplingParams(200))
    stopped = [c for g in groups.values() for c in g.completions if c.finish is Finish.STOP]
    assert len(stopped) > 10
    for completion in stopped:
        assert completion.token_ids.count(2) == 1
        assert completion.token_ids[-1] == 2
        assert completion.text == tokenizer.decode(completion.token_ids[:-1])
        assert len(completion.loss_mask) == len(completion.sampler_logprobs) == len(completion.token_ids)
        assert all(completion.loss_mask)


def test_the_cap_and_forced_lengths(policy, tokenizer, make_requests) -> None:
    requests = make_requests(3, 4)
    engine = LocalEngine(policy, tokenizer, stop_at_eos=False, length_limits=lambda i, m: 1 + 5 * i + m)
    groups = run(engine, requests, SamplingParams(12))
    lengths = [[len(c.token_ids) for c in groups[i].completions] for i in range(3)]
    assert lengths == [[1, 2, 3, 4], [6, 7, 8, 9], [11, 12, 12, 12]]
    assert {c.finish for g in groups.values() for c in g.completions} == {Finish.LENGTH}
    free = run(LocalEngine(policy, tokenizer, stop_at_eos=False), requests, SamplingParams(12))
    assert groups[2].completions[0].token_ids == free[2].completions[0].token_ids[:11]


def test_stop_token_ids_stop_strings_and_their_place(policy, tokenizer, make_requests) -> None:
    request = make_requests(1, 4, seed=4)[0]
    engine = LocalEngine(policy, tokenizer, stop_at_eos=False)
    free = run(engine, [request])[0].completions
    ids = free[0].token_ids
    by_token = run(engine, [request], SamplingParams(40, stop_token_ids=(ids[7],)))[0].completions[0]
    assert by_token.token_ids == ids[: ids.index(ids[7]) + 1]
    assert by_token.finish is Finish.STOP
    assert by_token.text.encode()[-1:] == bytes([ids[7]]) or ids[7] > 127

    pair = next(k for k in range(3, 39) if ids[k] < 128 and ids[k + 1] < 128)
    text = bytes(ids[pair : pair + 2]).decode()
    by_string = run(engine, [request], SamplingParams(40, stop_strings=(text,)))[0].completions
    for one, whole in zip(by_string, free, strict=True):
        spelled = bytes(whole.token_ids)
        end = spelled.find(text.encode())
        wanted = whole.token_ids if end < 0 else whole.token_ids[: end + 2]
        assert one.token_ids == wanted
        assert one.finish is (Finish.LENGTH if end < 0 else Finish.STOP)
    assert by_string[0].finish is Finish.STOP


def test_update_weights_takes_the_new_weights_and_names_the_version(
    make_policy, tokenizer, make_requests
) -> None:
    policy, requests = make_policy(), make_requests(2, 2)
    engine = LocalEngine(policy, tokenizer)
    before = run(engine, requests)
    assert before[0].completions[0].versions == ((0, len(before[0].completions[0].token_ids)),)
    address = engine._weights.layers[0].qkv.weight_OI.data_ptr()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    engine.update_weights(7)
    assert engine.version == 7
    assert engine._weights.layers[0].qkv.weight_OI.data_ptr() == address
    after = run(engine, requests)
    assert after[0].completions[0].versions[0][0] == 7
    assert after[0].completions != before[0].completions
    fresh = run(LocalEngine(policy, tokenizer), requests)
    for index in (0, 1):
        for one, two in zip(after[index].completions, fresh[index].completions, strict=True):
            assert one.token_ids == two.token_ids
            assert one.sampler_logprobs == two.sampler_logprobs


@pytest.mark.parametrize("options", [{"foreach": False}, {"foreach": True}, {"fused": True}])
def test_weights_that_changed_unannounced_are_an_error(
    make_policy, tokenizer, make_requests, options
) -> None:
    policy, requests = make_policy(), make_requests(2, 2)
    engine = LocalEngine(policy, tokenizer)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3, **options)
    for parameter in policy.parameters():
        parameter.grad = torch.ones_like(parameter)
    running = engine.generate(requests, SAMPLING)
    next(running)
    optimizer.step()
    with pytest.raises(StaleWeightsError, match="update_weights"):
        list(running)
    with pytest.raises(StaleWeightsError, match="update_weights"):
        engine.generate(requests, SAMPLING)
    engine.update_weights(1)
    assert len(run(engine, requests)) == 2


def test_a_write_past_the_version_counters_is_noticed(make_policy, tokenizer, make_requests) -> None:
    policy = make_policy()
    engine = LocalEngine(policy, tokenizer)
    policy.model.layers[1].mlp.down_proj.weight.data.mul_(1.01)
    with pytest.raises(StaleWeightsError):
        engine.generate(make_requests(1, 1), SAMPLING)
    engine.update_weights(1)
    policy.model.layers[0].input_layernorm.weight.data = torch.ones(32)
    with pytest.raises(StaleWeightsError):
        engine.generate(make_requests(1, 1), SAMPLING)


def test_new_weights_in_the_middle_are_told_apart(make_policy, tokenizer, make_requests) -> None:
    policy = make_policy()
    engine = LocalEngine(
        policy, tokenizer, stop_at_eos=False, length_limits=lambda index, member: 4 if index == 0 else 10
    )
    running = engine.generate(make_requests(2, 2), SAMPLING)
    index, group = next(running)
    assert index == 0
    assert group.completions[0].versions == ((0, 4),)
    with torch.no_grad():
        policy.model.norm.weight.mul_(1.1)
    engine.update_weights(1)
    _, group = next(running)
    assert group.completions[0].versions == ((0, 4), (1, 6))


def test_bad_requests_are_named(policy, tokenizer, make_requests) -> None:
    engine = LocalEngine(policy, tokenizer, max_prompt_tokens=10)
    long = make_requests(1, 1, lengths=(11, 11), seed=5)
    with pytest.raises(DataError, match=r"p5-0.*11 tokens.*max_prompt_tokens"):
        engine.generate(long, SAMPLING)
    with pytest.raises(UserError, match="max_new_tokens"):
        engine.generate(make_requests(1, 1, lengths=(5, 5)), SamplingParams(0))
    with pytest.raises(UserError, match="temperature"):
        engine.generate(make_requests(1, 1, lengths=(5, 5)), SamplingParams(4, temperature=-1))
    with pytest.raises(DataError, match="seeds"):
        engine.generate([RolloutRequest(make_requests(1, 1, lengths=(5, 5))[0].prompt, ())], SAMPLING)
    assert list(engine.generate([], SAMPLING)) == []


def test_one_generation_at_a_time_and_closing_frees_the_engine(policy, tokenizer, make_requests) -> None:
    engine, requests = LocalEngine(policy, tokenizer, num_slots=8), make_requests(6, 4)
    running = engine.generate(requests, SAMPLING)
    next(running)
    with pytest.raises(PonderError, match="already generating"):
        engine.generate(requests, SAMPLING)
    running.close()
    assert len(run(engine, requests)) == 6


@pytest.mark.parametrize(
    "sampling",
    [
        SAMPLING,
        SamplingParams(4, temperature=0),
        SamplingParams(4, temperature=0.6, top_p=0.95),
        SamplingParams(4, top_k=1),
        SamplingParams(4, top_k=5, min_p=0.1),
    ],
    ids=lambda sampling: f"T{sampling.temperature}-p{sampling.top_p}-k{sampling.top_k}",
)
def test_diverged_weights_are_an_error(make_policy, tokenizer, make_requests, sampling) -> None:
    policy = make_policy()
    engine = LocalEngine(policy, tokenizer)
    with torch.no_grad():
        policy.model.norm.weight.fill_(float("nan"))
    engine.update_weights(3)
    with pytest.raises(DivergenceError, match="version 3"):
        list(engine.generate(make_requests(1, 2), sampling))


def test_training_can_go_on_between_groups(make_policy, tokenizer, make_requests) -> None:
    """Nothing of the engine's inference mode leaks to whoever consumes the groups."""
    engine = LocalEngine(make_policy(), tokenizer)
    for _ in engine.generate(make_requests(2, 2), SAMPLING):
        assert not torch.is_inference_mode_enabled()
        x = torch.ones(2, requires_grad=True)
        (x * x).sum().backward()


def test_engines_by_name(policy, tokenizer) -> None:
    engine = make_engine(EngineConfig(num_slots=20, max_prompt_tokens=33), policy, tokenizer)
    assert isinstance(engine, LocalEngine)
    assert engine.num_slots == 24
    assert engine.max_prompt_tokens == 33
    assert set(ENGINES) == {"local"}
    with pytest.raises(RecipeError, match='Did you mean "local"'):
        make_engine(EngineConfig(kind="locale"), policy, tokenizer)


def test_where_products_depend_on_their_rows_a_prompt_goes_alone(
    policy, tokenizer, make_requests, monkeypatch
) -> None:
    monkeypatch.setattr("ponder.rollout.engine.rows_are_stable", lambda *sizes: False)
    engine = LocalEngine(policy, tokenizer, num_slots=16)
    assert engine.steps_all_slots
    prefills = watch_prefills(engine)
    run(engine, make_requests(5, 2))
    assert prefills == [1] * 5
