import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.algorithms import StepTotals, build_batch, pack, split_groups, step_totals
from ponder.types import Span, TrainingSample


def sample(prompt, tokens, group, mask=None):
    count = len(tokens)
    return TrainingSample(
        prompt_ids=tuple(prompt),
        token_ids=tuple(tokens),
        loss_mask=tuple(mask) if mask is not None else (True,) * count,
        sampler_logprobs=tuple(-0.5 * t for t in tokens),
        advantages_T=tuple(float(t) for t in tokens),
        group=group,
    )


def test_layout_of_two_groups_with_members_apart():
    batch = build_batch(
        [
            sample([10, 11], [1, 2, 3], 7),
            sample([20], [4], 3, mask=[False]),
            sample([10, 11], [5, 6], 7),
        ]
    )
    assert batch.token_ids_N.tolist() == [10, 11, 1, 2, 3, 5, 6, 20, 4]
    assert batch.positions_N.tolist() == [0, 1, 2, 3, 4, 2, 3, 0, 1]
    assert batch.packing.spans == (Span(0, 2), Span(2, 3, 0), Span(5, 2, 0), Span(7, 1), Span(8, 1, 3))
    # completion tokens in the order of the samples, each predicted by the token before it
    assert batch.targets_M.tolist() == [1, 2, 3, 4, 5, 6]
    assert batch.predictors_M.tolist() == [1, 2, 3, 7, 1, 5]
    assert batch.completions_M.tolist() == [0, 0, 0, 1, 2, 2]
    assert batch.loss_mask_M.tolist() == [True, True, True, False, True, True]
    assert batch.lengths_B.tolist() == [3, 0, 2]
    assert batch.advantages_M.tolist() == [1, 2, 3, 4, 5, 6]
    assert batch.sampler_logprobs_M.tolist() == [-0.5, -1, -1.5, -2, -2.5, -3]
    assert batch.old_logprobs_M is batch.sampler_logprobs_M
    assert batch.advantages_M.dtype == batch.ref_logprobs_M.dtype == torch.float32
    assert batch.ref_logprobs_M.tolist() == batch.returns_M.tolist() == [0] * 6
    assert batch.num_completions == 3
    assert batch.to("cpu").packing is batch.packing


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "at least one sample"),
        ([sample([], [1], 0)], "sample 0 has an empty prompt"),
        ([sample([1], [], 0)], "empty prompt or completion"),
        ([sample([1], [1], 0), sample([1], [1, 2], 0, mask=[True])], "sample 1: loss_mask has 1 entries"),
        ([sample([1], [1], 4), sample([2], [1], 4)], "group 4 has two different prompts"),
    ],
)
def test_bad_samples_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        build_batch(samples)


def test_totals():
    samples = [
        sample([1], [1, 2], 0),
        sample([1], [1], 0, mask=[False]),
        sample([1], [3, 4], 0, [True, False]),
    ]
    assert step_totals(samples, 9) == StepTotals(2, 3, 9)
    assert step_totals(samples[:1], 9) + step_totals(samples[1:], 9) == StepTotals(2, 3, 9)
    with pytest.raises(ValueError, match="length caps differ"):
        StepTotals(1, 1, 9) + StepTotals(1, 1, 8)
    with pytest.raises(ValueError, match="length_cap is 0"):
        step_totals(samples, 0)


def test_pack_keeps_groups_together_and_fits_best():
    # groups of 2 + 3 + 3 = 8, 2 + 2 = 4, 1 + 1 = 2 and 1 + 5 = 6 tokens; budget 10
    # largest first: 8 | 6 (no room beside 8) | 4 fills 6 to 10 | 2 fills 8 to 10
    a = [sample([9, 9], [1, 1, 1], 0), sample([9, 9], [2, 2, 2], 0)]
    b = [sample([8, 8], [3, 3], 1)]
    c = [sample([7], [4], 2)]
    d = [sample([6], [5] * 5, 3)]
    assert pack([*a, *b, *c, *d], 10) == [[*a, *c], [*b, *d]]


def test_pack_takes_the_largest_first_and_the_tightest_room():
    def groups(*sizes):
        return [sample([0], [1] * (size - 1), group) for group, size in enumerate(sizes)]

    # in order of arrival 4 + 3, 6, 7 would be three micro-batches
    assert [[s.group for s in part] for part in pack(groups(4, 3, 6, 7), 10)] == [[0, 2], [1, 3]]
    # rooms 3 (beside 7) and 5 (beside 5): the first 3 takes the tighter one
    assert [[s.group for s in part] for part in pack(groups(7, 5, 3, 3, 2), 10)] == [[0, 2], [1, 3, 4]]


def test_pack_splits_a_group_over_the_budget():
    # prompt 4, members 3, 3, 2, 2 under a budget of 9: room for 5 beside the prompt: 3+2, 3+2
    members = [sample([0] * 4, [n] * n, 0) for n in (3, 3, 2, 2)]
    assert pack(members, 9) == [[members[0], members[2]], [members[1], members[3]]]
    # one that fits nowhere has a micro-batch of its own
    big = sample([0] * 4, [1] * 20, 0)
    assert pack([big, *members], 9)[0] == [big]
    with pytest.raises(ValueError, match="micro_batch_tokens is 0"):
        pack(members, 0)


def test_pack_evens_out_what_is_computed_side_by_side():
    def groups(*sizes):
        return [sample([0], [1] * (size - 1), group) for group, size in enumerate(sizes)]

    # a budget of 20 is 10 for each of two: 6 + 4 | 4 + 4 | 4, three micro-batches for four turns;
    # 8 tokens are the least with which four suffice: 6 | 4 + 4 | 4 + 4
    assert sorted(map(tokens_of, pack(groups(6, 4, 4, 4, 4), 20, 2))) == [6, 8, 8]
    # 10 | 5 + 5 | 5 + 5 | 5 would be four; 10 is the largest group
    assert sorted(map(tokens_of, pack(groups(10, 5, 5, 5, 5, 5), 24, 2))) == [5, 10, 10, 10]
    # one group is not torn apart for the sake of a second thread
    whole = [sample([0] * 4, [n] * n, 0) for n in (1, 2)]
    assert pack(whole, 100, 2) == [whole]
    assert pack([], 100, 2) == []


def tokens_of(part):
    prompts = {s.group: len(s.prompt_ids) for s in part}
    return sum(prompts.values()) + sum(len(s.token_ids) for s in part)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.lists(st.integers(1, 30), min_size=1, max_size=6)), max_size=8),
    st.integers(1, 90),
    st.integers(2, 4),
)
def test_pack_loses_nothing_and_respects_the_budget(shape, budget, threads):
    samples = [
        sample([group] * prompt, [member] * length, group)
        for group, (prompt, lengths) in enumerate(shape)
        for member, length in enumerate(lengths)
    ]
    parts = pack(samples, budget)
    assert sorted(map(id, samples)) == sorted(id(s) for part in parts for s in part)
    for part in parts:
        assert len(part) == 1 or tokens_of(part) <= budget
    for group, (prompt, lengths) in enumerate(shape):
        if prompt + sum(lengths) <= budget:
            assert sum(any(s.group == group for s in part) for part in parts) == 1
    shared = pack(samples, budget, threads)
    assert sorted(map(id, samples)) == sorted(id(s) for part in shared for s in part)
    assert all(len(part) == 1 or tokens_of(part) <= budget // threads for part in shared)
    assert len(shared) <= len(pack(samples, max(1, budget // threads))) + threads - 1
    # best fit leaves no two micro-batches that would fit in one
    sizes = sorted(map(tokens_of, parts))
    assert len(sizes) < 2 or sizes[0] + sizes[1] > budget


def test_split_groups_deals_whole_groups():
    samples = [sample([g], [m + 1], g) for g in range(10) for m in range(3)]
    parts = split_groups(samples, 4, random.Random(1))
    assert sorted(map(id, samples)) == sorted(id(s) for part in parts for s in part)
    groups = [{s.group for s in part} for part in parts]
    assert sorted(len(g) for g in groups) == [2, 2, 3, 3]
    assert sum(len(g) for g in groups) == len(set().union(*groups))
    assert parts == split_groups(samples, 4, random.Random(1)) != split_groups(samples, 4, random.Random(2))
    assert len(split_groups(samples[:6], 4, random.Random(1))) == 2
    with pytest.raises(ValueError, match="num_minibatches is 0"):
        split_groups(samples, 0, random.Random(1))
