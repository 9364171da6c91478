"""What must hold for all rewards and log-probs."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ponder.algorithms import (
    group_advantages,
    has_signal,
    kl_estimate,
    leave_one_out_advantages,
    outcome_advantages,
)
from ponder.config import AdvantageConfig

rewards_of = st.lists(
    st.one_of(st.floats(-10, 10, allow_subnormal=False), st.sampled_from([0.0, 1.0, math.nan])),
    min_size=1,
    max_size=12,
)
stds = st.sampled_from(["population", "sample"])


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=2, max_size=12),
    st.floats(-9, 9),
    st.floats(0.1, 50),
    stds,
)
def test_shift_and_scale_leave_normalised_advantages_alone(rewards, shift, factor, std):
    assume(len(set(rewards)) > 1)
    rewards_1G = f64([rewards])
    expected = group_advantages(rewards_1G, "group", std, eps=0.0)
    moved = group_advantages(rewards_1G * factor + shift, "group", std, eps=0.0)
    torch.testing.assert_close(moved, expected, rtol=1e-9, atol=1e-9)
    # presets 2.0 / 0.5 and 1.0 / 0.25 are therefore the same; without a deviation they are not
    plain = group_advantages(rewards_1G * factor, "none")
    torch.testing.assert_close(plain, factor * group_advantages(rewards_1G, "none"), rtol=1e-9, atol=1e-9)


@given(rewards_of, st.sampled_from(["group", "batch", "none"]), stds)
def test_advantages_sum_to_zero_and_missing_members_have_none(rewards, scale, std):
    rewards_1G = f64([rewards])
    missing = rewards_1G.isnan()
    for estimate in (group_advantages, leave_one_out_advantages):
        advantages = estimate(rewards_1G, scale, std, eps=1e-6)
        assert bool(advantages.isfinite().all())
        size = advantages.abs().sum().item()
        assert abs(advantages.sum().item()) <= 1e-9 * max(1.0, size)
        assert bool((advantages[missing] == 0).all())
        # a member that is missing changes nothing for the others
        alone = estimate(rewards_1G[~missing][None], scale, std, eps=1e-6)
        torch.testing.assert_close(advantages[~missing][None], alone, rtol=1e-9, atol=1e-12)


@given(st.floats(-10, 10), st.integers(1, 20), st.sampled_from(["group", "batch", "none"]), stds)
def test_equal_rewards_give_exact_zeros(reward, count, scale, std):
    rewards_1G = f64([[reward] * count])
    assert not has_signal(rewards_1G).item()
    assert group_advantages(rewards_1G, scale, std, eps=0.0).tolist() == [[0.0] * count]
    assert leave_one_out_advantages(rewards_1G, scale, std, eps=0.0).tolist() == [[0.0] * count]


def test_has_signal():
    nan = math.nan
    rewards = f64([[1, 0, nan], [1, 1, nan], [1, nan, nan], [nan, nan, nan], [1, 1, 1.5]])
    assert has_signal(rewards).tolist() == [True, False, False, False, True]


@given(st.lists(st.tuples(st.floats(-30, 0), st.floats(-30, 0)), min_size=1, max_size=20))
def test_k3_and_k2_are_never_negative_and_zero_only_where_equal(pairs):
    policy, reference = f64(pairs).unbind(1)
    for kind in ("k2", "k3"):
        kl = kl_estimate(policy, reference, kind)
        assert bool((kl >= 0).all())
        apart = (policy - reference).abs() > 1e-6
        assert bool((kl[apart] > 0).all())
        assert bool((kl[policy == reference] == 0).all())


def test_k3_in_float32_keeps_its_sign_near_zero():
    policy = torch.full((1001,), -1.0)
    reference = policy + torch.linspace(-1e-3, 1e-3, 1001)
    assert bool((kl_estimate(policy, reference, "k3") >= 0).all())


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(0, 99))
def test_k3_mean_is_the_exact_kl_for_any_two_distributions(size, seed):
    rng = torch.Generator().manual_seed(seed)
    policy, reference = torch.randn(2, size, generator=rng, dtype=torch.float64).log_softmax(-1)
    exact = (policy.exp() * (policy - reference)).sum()
    mean = (policy.exp() * kl_estimate(policy, reference, "k3")).sum()
    torch.testing.assert_close(mean, exact, rtol=1e-10, atol=1e-12)


def test_config_chooses_the_estimator():
    rewards = f64([[1, 0, 0, 0]])
    config = AdvantageConfig(estimator="leave_one_out", scale="none")
    assert outcome_advantages(rewards, config)[0, 0].item() == 1.0
    config = AdvantageConfig(estimator="group", scale="group", std="sample", eps=0.0)
    assert outcome_advantages(rewards, config)[0, 0].item() == pytest.approx(1.5)
    with pytest.raises(ValueError, match='estimator is "gae"'):
        outcome_advantages(rewards, AdvantageConfig(estimator="gae"))
    with pytest.raises(ValueError, match='scale is "all"'):
        group_advantages(rewards, "all")
    with pytest.raises(ValueError, match='std is "both"'):
        group_advantages(rewards, "group", "both")
    with pytest.raises(ValueError, match='kind is "k4"'):
        kl_estimate(rewards, rewards, "k4")
