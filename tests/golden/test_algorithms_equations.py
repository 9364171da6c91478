"""Each equation of `ponder.algorithms`, worked by hand."""

import math

import pytest
import torch

from ponder.algorithms import (
    StepTotals,
    aggregate,
    build_batch,
    gae,
    group_advantages,
    importance_weights,
    kl_estimate,
    learning_rate_at,
    leave_one_out_advantages,
    log_ratio,
    mismatch,
    process_advantages,
    reference_refresh_due,
    soft_overlong_penalty,
    surrogate,
    token_weights,
)
from ponder.config import OptimizerConfig, SurrogateConfig
from ponder.errors import RecipeError
from ponder.types import TrainingSample

NAN = math.nan


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def close(actual, expected, atol=1e-9):
    torch.testing.assert_close(actual.double(), f64(expected), rtol=0, atol=atol)


# --- advantages -----------------------------------------------------------------------------------


def test_group_advantage_population():
    # mean 1/4; variance (0.75^2 + 3 x 0.25^2) / 4 = 3/16; std sqrt(3)/4
    # A = 0.75 / 0.4330127 = sqrt(3) = 1.7320508, and -0.25 / 0.4330127 = -1/sqrt(3) = -0.5773503
    advantages = group_advantages(f64([[1, 0, 0, 0]]), "group", "population", eps=0.0)
    close(advantages, [[1.7320508075688772, *[-0.5773502691896258] * 3]])


def test_group_advantage_sample():
    # variance 0.75 / 3 = 1/4; std 1/2; A = 1.5 and -0.5
    close(group_advantages(f64([[1, 0, 0, 0]]), "group", "sample", eps=0.0), [[1.5, -0.5, -0.5, -0.5]])


def test_group_advantage_eps_is_added_to_the_deviation():
    # (1 - 0.5) / (0.5 + 0.5) = 0.5
    close(group_advantages(f64([[1, 0]]), "group", "population", eps=0.5), [[0.5, -0.5]])


def test_group_advantage_mean_only():
    close(group_advantages(f64([[1, 0, 0, 0]]), "none"), [[0.75, -0.25, -0.25, -0.25]])


def test_group_advantage_batch_deviation():
    # eight rewards, four of them 1: population std 1/2; sample std sqrt(8 x 0.25 / 7) = 0.5345225
    rewards = f64([[1, 0, 0, 0], [1, 1, 1, 0]])
    close(
        group_advantages(rewards, "batch", "population", eps=0.0),
        [[1.5, -0.5, -0.5, -0.5], [0.5, 0.5, 0.5, -1.5]],
    )
    close(group_advantages(rewards, "batch", "sample", eps=0.0)[0, 0].reshape(1), [0.75 / 0.5345224838248488])


def test_leave_one_out():
    # 1 - mean(0, 0, 0) = 1; 0 - mean(1, 0, 0) = -1/3
    close(leave_one_out_advantages(f64([[1, 0, 0, 0]])), [[1, -1 / 3, -1 / 3, -1 / 3]])
    # 3 - mean(1, 2) = 1.5; 1 - 2.5 = -1.5; 2 - 2 = 0
    close(leave_one_out_advantages(f64([[3, 1, 2]])), [[1.5, -1.5, 0]])


def test_missing_rewards_are_in_no_statistic():
    # over {1, 0}: mean 1/2, std 1/2. Were NaN a zero the mean would be 1/3.
    close(group_advantages(f64([[1, NAN, 0]]), "group", "population", eps=0.0), [[1, 0, -1]])
    close(leave_one_out_advantages(f64([[3, NAN, 1, 2]])), [[1.5, 0, -1.5, 0]])


def test_no_variance_and_single_members_give_exact_zeros():
    # 0.1 + 0.2 style residue: the mean of three 0.1 is not 0.1 in binary
    rewards = f64([[0.1, 0.1, 0.1], [NAN, 5.0, NAN], [NAN, NAN, NAN]])
    for scale in ("group", "batch", "none"):
        for std in ("population", "sample"):
            assert group_advantages(rewards, scale, std, eps=0.0).tolist() == [[0.0] * 3] * 3
            assert leave_one_out_advantages(rewards, scale, std, eps=0.0).tolist() == [[0.0] * 3] * 3
    # G = 1
    assert group_advantages(f64([[1.0]]), "group", "sample", eps=0.0).tolist() == [[0.0]]


def test_process_rewards():
    # step rewards {1, 0, 1}: mean 2/3, population std sqrt(2)/3; normalised 1/sqrt(2), -sqrt(2), 1/sqrt(2)
    # completion 1, steps end at 1 and 3: tokens 0-1 sum both (-0.7071068), tokens 2-3 the second
    # completion 2, step ends at 2 of 4 tokens: 0.7071068 up to it, 0 after
    first, second = process_advantages([[1, 0], [1]], [[1, 3], [2]], [4, 4], eps=0.0)
    half = 0.7071067811865476
    close(first, [-half, -half, -2 * half, -2 * half])
    close(second, [half, half, half, 0])
    # without variance: nothing, exactly
    assert [a.tolist() for a in process_advantages([[1], [1]], [[0], [0]], [1, 1], eps=0.0)] == [[0.0], [0.0]]


# --- surrogate ------------------------------------------------------------------------------------


def objective(ratio, advantage, config, logprob=-1.0):
    """(objective, d objective / d log pi, clipped low, high, capped) of one token."""
    logprob_M = f64([logprob]).requires_grad_()
    old_M = logprob_M.detach() - math.log(ratio)
    one = torch.ones(1, dtype=torch.bool)
    ratio_M = log_ratio(logprob_M, old_M, one, torch.zeros(1, dtype=torch.int64), 1, "token")
    parts = surrogate(ratio_M, logprob_M, f64([advantage]), config)
    parts.objective_M.sum().backward()
    flags = (parts.clipped_low_M, parts.clipped_high_M, parts.capped_M)
    return parts.objective_M.item(), logprob_M.grad.item(), *(flag.item() for flag in flags)


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient", "low", "high"),
    [
        (1.5, 1.0, 1.2, 0.0, False, True),  # min(1.5, 1.2)
        (0.5, 1.0, 0.5, 0.5, False, False),  # min(0.5, 0.8)
        (0.5, -1.0, -0.8, 0.0, True, False),  # min(-0.5, -0.8)
        (1.5, -2.0, -3.0, -3.0, False, False),  # min(-3.0, -2.4)
        (1.1, 2.0, 2.2, 2.2, False, False),
        (1.0, 3.0, 3.0, 3.0, False, False),
        (1.5, 0.0, 0.0, 0.0, False, False),
    ],
)
def test_clip_at_one_fifth(ratio, advantage, value, gradient, low, high):
    config = SurrogateConfig(kind="clip", clip_low=0.2, clip_high=0.2)
    expected = (value, gradient, low, high, False)
    assert objective(ratio, advantage, config) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient", "high"),
    [
        (12.0, 2.0, 22.0, 0.0, True),  # over 11: clipped
        (10.9, 2.0, 21.8, 21.8, False),
        (50.0, -1.0, -50.0, -50.0, False),  # the upper side does not act for A < 0
        (1e-4, -1.0, -1e-4, -1e-4, False),  # the lower side is 1 - 10 = -9: never
    ],
)
def test_clip_at_ten(ratio, advantage, value, gradient, high):
    config = SurrogateConfig(kind="clip", clip_low=10.0, clip_high=10.0)
    expected = (value, gradient, False, high, False)
    assert objective(ratio, advantage, config) == pytest.approx(expected, abs=1e-11)


def test_dapo_clips_higher_than_lower():
    config = SurrogateConfig(kind="clip", clip_low=0.2, clip_high=0.28)
    assert objective(1.25, 1.0, config) == pytest.approx((1.25, 1.25, False, False, False))
    assert objective(1.30, 1.0, config) == pytest.approx((1.28, 0.0, False, True, False))
    assert objective(0.75, -1.0, config) == pytest.approx((-0.8, 0.0, True, False, False))


def test_two_sided_cap():
    config = SurrogateConfig(kind="clip", clip_low=0.2, clip_high=0.2, clip_max=3.0)
    assert objective(5.0, -2.0, config) == pytest.approx((-6.0, 0.0, False, False, True))  # 3 x -2
    assert objective(2.9, -2.0, config) == pytest.approx((-5.8, -5.8, False, False, False))
    assert objective(5.0, 1.0, config) == pytest.approx((1.2, 0.0, False, True, False))


def test_an_infinite_ratio_that_is_clipped_leaves_no_nan():
    config = SurrogateConfig(kind="clip", clip_low=0.2, clip_high=0.2)
    logprob_M = torch.tensor([-1.0], requires_grad=True)
    parts = surrogate(logprob_M + 201.0, logprob_M, torch.tensor([1.0]), config)
    parts.objective_M.sum().backward()
    assert (parts.objective_M.item(), logprob_M.grad.item()) == (pytest.approx(1.2), 0.0)


def test_cispo_keeps_the_gradient_and_bounds_its_weight():
    # min(8, 5) x A x log 0.2 = 5 x -1.6094379 = -8.0471896; gradient 5
    config = SurrogateConfig(kind="cispo", clip_low=1.0, clip_high=4.0)
    assert objective(8.0, 1.0, config, math.log(0.2)) == pytest.approx(
        (-8.047189562170502, 5.0, False, True, False)
    )
    # also for A < 0; and nothing holds small ratios up
    assert objective(8.0, -1.0, config, math.log(0.2))[:2] == pytest.approx((8.047189562170502, -5.0))
    assert objective(0.01, 2.0, config, -1.0) == pytest.approx((-0.02, 0.02, False, False, False))
    capped = SurrogateConfig(kind="cispo", clip_low=1.0, clip_high=4.0, clip_max=3.0)
    assert objective(8.0, -1.0, capped, -1.0) == pytest.approx((3.0, -3.0, False, False, True))
    assert objective(8.0, 1.0, capped, -1.0) == pytest.approx((-5.0, 5.0, False, True, False))


def test_reinforce_has_no_ratio():
    assert objective(7.0, 2.0, SurrogateConfig(kind="none"), -3.0) == (-6.0, 2.0, False, False, False)


def test_gspo_sequence_ratio():
    # completion 0: log ratios 0.1, -0.3, 0.5, mean 0.1: s = e^0.1 = 1.1051709; completion 1: -0.2
    # the masked token (log ratio 9) is not in the mean
    logprobs = f64([-1.0, -1.0, -1.0, 4.0, -1.0]).requires_grad_()
    old = f64([-1.1, -0.7, -1.5, -5.0, -0.8])
    mask = torch.tensor([True, True, True, False, True])
    owners = torch.tensor([0, 0, 0, 0, 1])
    ratio = log_ratio(logprobs, old, mask, owners, 2, "sequence").exp()
    close(ratio.detach()[[0, 1, 2, 4]], [*[1.1051709180756477] * 3, 0.8187307530779818])
    # d s / d log pi_t = s / 3
    ratio[0].backward()
    close(logprobs.grad, [*[0.3683903060252159] * 3, 0.0, 0.0])


def test_gspo_clip():
    # s = 1.1051709 > 1.0004 with A > 0: clipped; 1 - 0.0002 with A < 0 is inside 1 - 0.0003
    config = SurrogateConfig(ratio="sequence", kind="clip", clip_low=3e-4, clip_high=4e-4)
    assert objective(1.1051709, 1.0, config)[:2] == pytest.approx((1.0004, 0.0))
    assert objective(0.9998, -1.0, config)[:2] == pytest.approx((-0.9998, -0.9998))
    assert objective(0.9996, -1.0, config)[:2] == pytest.approx((-0.9997, 0.0))


# --- KL -------------------------------------------------------------------------------------------


def test_kl_estimators():
    # pi = 1/2, reference 1/4: d = log(1/2) = -0.6931472
    logprob, reference = f64([math.log(0.5)]), f64([math.log(0.25)])
    close(kl_estimate(logprob, reference, "k1"), [0.6931471805599453])
    close(kl_estimate(logprob, reference, "k2"), [0.2402265069591007])  # 0.6931472^2 / 2
    close(kl_estimate(logprob, reference, "k3"), [0.1931471805599453])  # 0.5 + 0.6931472 - 1
    close(kl_estimate(logprob, reference, "none"), [0.0])
    # the other way, pi = 1/4, reference 1/2: 2 - 0.6931472 - 1
    close(kl_estimate(reference, logprob, "k3"), [0.3068528194400547])


def test_k3_gradient():
    # d k3 / d log pi = 1 - ref/pi = 1 - 1/2; k2: log(pi/ref) = 0.6931472; k1: 1
    for kind, expected in (("k3", 0.5), ("k2", 0.6931471805599453), ("k1", 1.0)):
        logprob = f64([math.log(0.5)]).requires_grad_()
        kl_estimate(logprob, f64([math.log(0.25)]), kind).sum().backward()
        assert logprob.grad.item() == pytest.approx(expected, abs=1e-12)


def test_k1_and_k3_means_are_the_exact_kl():
    # pi (0.5, 0.3, 0.2), reference (0.2, 0.5, 0.3):
    # 0.5 ln 2.5 + 0.3 ln 0.6 + 0.2 ln(2/3) = 0.4581454 - 0.1532477 - 0.0810930 = 0.2238047
    policy, reference = f64([0.5, 0.3, 0.2]), f64([0.2, 0.5, 0.3])
    exact = 0.22380465718564744
    for kind in ("k1", "k3"):
        values = kl_estimate(policy.log(), reference.log(), kind)
        assert (policy * values).sum().item() == pytest.approx(exact, abs=1e-12)
        deviation = ((policy * values.square()).sum() - exact**2).sqrt().item()
        count = 200_000
        drawn = torch.multinomial(policy, count, True, generator=torch.Generator().manual_seed(0))
        assert abs(values[drawn].mean().item() - exact) < 4 * deviation / math.sqrt(count)


# --- aggregation ----------------------------------------------------------------------------------


def two_completions():
    samples = [TrainingSample((1,), (0,) * n, (True,) * n, (0.0,) * n, (0.0,) * n, 0) for n in (2, 4)]
    return build_batch(samples), f64([1, 3, 2, 2, 4, 4])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("completion", 2.5),  # (mean(1, 3) + mean(2, 2, 4, 4)) / 2 = (2 + 3) / 2
        ("token", 16 / 6),
        ("constant", 1.0),  # 16 / (2 x 8)
    ],
)
def test_aggregation(kind, expected):
    batch, losses = two_completions()
    weights = token_weights(batch, kind, StepTotals(2, 6, 8), torch.float64)
    assert aggregate(losses, weights).item() == pytest.approx(expected, abs=1e-12)
    # half of the step elsewhere: twice the totals, half the sum
    weights = token_weights(batch, kind, StepTotals(4, 12, 8), torch.float64)
    assert aggregate(losses, weights).item() == pytest.approx(expected / 2, abs=1e-12)


def test_masked_tokens_count_nothing_even_when_they_are_nan():
    batch, losses = two_completions()
    batch = batch.replace(loss_mask_M=torch.tensor([True, False, True, True, True, True]))
    losses[1] = NAN
    # completion: (1 + 3) / 2; token: 13 / 5
    for kind, expected in (("completion", 2.0), ("token", 13 / 5), ("constant", 13 / 16)):
        weights = token_weights(batch, kind, StepTotals(2, 5, 8), torch.float64)
        assert aggregate(losses, weights).item() == pytest.approx(expected, abs=1e-12)


# --- PPO ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gamma", "gae_lambda", "advantages"),
    [
        # deltas: 0.4 - 0.5 = -0.1; 0.6 - 0.4 = 0.2; 1 - 0.6 = 0.4
        (1.0, 0.95, [0.451, 0.58, 0.4]),  # 0.2 + 0.95 x 0.4; -0.1 + 0.95 x 0.58
        (1.0, 1.0, [0.5, 0.6, 0.4]),  # return 1 minus the value
        (1.0, 0.0, [-0.1, 0.2, 0.4]),
        # deltas: 0.9 x 0.4 - 0.5 = -0.14; 0.9 x 0.6 - 0.4 = 0.14; 0.4; factor 0.45
        (0.9, 0.5, [0.004, 0.32, 0.4]),
    ],
)
def test_gae(gamma, gae_lambda, advantages):
    # a second completion of one token (reward 2, value 0.5) before it, a token outside the loss within
    rewards = f64([2, 0, 0, 99, 1])
    values = f64([0.5, 0.5, 0.4, 7.0, 0.6])
    mask = torch.tensor([True, True, True, False, True])
    got, returns = gae(rewards, values, torch.tensor([0, 1, 1, 1, 1]), mask, gamma, gae_lambda)
    expected = [1.5, *advantages[:2], 0.0, advantages[2]]
    close(got, expected)
    close(returns, [a + v for a, v in zip(expected, values.tolist(), strict=True)])


# --- shaping, schedules, mismatch -----------------------------------------------------------------


def test_soft_overlong_penalty():
    # DAPO: cap 20,480, band 4,096: begins at 16,384; half way at 18,432
    lengths = torch.tensor([1, 16384, 16385, 18432, 20480, 30000])
    close(soft_overlong_penalty(lengths, 20480, 4096), [0, 0, -1 / 4096, -0.5, -1, -1])


def test_soft_overlong_band_must_fit_under_the_cap():
    with pytest.raises(RecipeError, match=r"overlong_band is 4096, the length cap 100 .* 1 to 99.* 20 "):
        soft_overlong_penalty(torch.tensor([3]), 100, 4096)


def test_reference_refresh_every_400_steps():
    # R1: 16 updates per rollout; 400 / 16 = 25 rollouts
    due = [n for n in range(60) if reference_refresh_due(16 * n, 16 * (n + 1), 400)]
    assert due == [24, 49]
    assert not reference_refresh_due(0, 10**9, None)
    # within an iteration counts as at its end
    assert reference_refresh_due(396, 404, 400)
    assert not reference_refresh_due(400, 404, 400)
    assert [n for n in range(7) if reference_refresh_due(n, n + 1, 3)] == [2, 5]


def test_learning_rate():
    # 11 steps, 2 of warm-up: half, full; then from step 2 to step 10
    linear = OptimizerConfig(lr=1.0, schedule="linear", warmup_frac=0.15, final_frac=0.2)
    rates = [learning_rate_at(linear, step, 11) for step in range(11)]
    # 1 - 0.8 x (step - 2) / 8
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    cosine = linear.model_copy(update={"schedule": "cosine", "warmup_frac": 0.0})
    # half way: 0.2 + 0.8 x (1 + cos(pi / 2)) / 2 = 0.6; a quarter: 0.2 + 0.8 x 0.8535534 = 0.8828427
    assert [learning_rate_at(cosine, step, 9) for step in (0, 2, 4, 8)] == pytest.approx(
        [1.0, 0.8828427124746189, 0.6, 0.2]
    )
    assert learning_rate_at(OptimizerConfig(lr=3e-6), 10_399, 10_400) == 3e-6


def test_mismatch_sums():
    # differences 0, 0.5, -1: max 1; mean |.| 0.5; mean -1/6
    # k3: 0; e^0.5 - 0.5 - 1 = 0.1487213; e^-1 + 1 - 1 = 0.3678794; mean 0.1722002
    trainer, sampler = f64([-1, -1, -3]), f64([-1, -1.5, -2])
    expected = {
        "mismatch/logprob/max": 1.0,
        "mismatch/logprob/abs_mean": 0.5,
        "mismatch/logprob/mean": -1 / 6,
        "mismatch/kl/mean": 0.17220023729052335,
    }
    assert mismatch(trainer, sampler).to_metrics() == pytest.approx(expected)
    halves = mismatch(trainer[:2], sampler[:2]) + mismatch(trainer[2:], sampler[2:])
    assert halves.to_metrics() == pytest.approx(expected)
    forced = mismatch(trainer, f64([-1, -1.5, NAN]), torch.tensor([True, True, False])).to_metrics()
    assert forced["mismatch/logprob/max"] == 0.5
    assert mismatch(trainer[:0], sampler[:0]).to_metrics() == {}


def test_truncated_importance_weights():
    # ratios 2, 0.5, 4: per token capped at 3; per sequence 2 x 0.5 = 1 and 4 -> 3
    trainer = f64([2.0, 0.5, 4.0]).log()
    owners = torch.tensor([0, 0, 1])
    close(importance_weights(trainer, torch.zeros_like(trainer), 3.0), [2, 0.5, 3])
    close(importance_weights(trainer, torch.zeros_like(trainer), 3.0, "sequence", owners), [1, 1, 3])
    # token 1 outside the loss: not in the product
    mask = torch.tensor([True, False, True])
    close(importance_weights(trainer, torch.zeros_like(trainer), 3.0, "sequence", owners, mask), [2, 2, 3])
