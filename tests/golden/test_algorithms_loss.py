"""Whole losses and their gradients, worked by hand."""

import math

import pytest
import torch

from ponder.algorithms import (
    ALGORITHMS,
    StepTotals,
    build_batch,
    gae_batch,
    policy_loss,
    resolve_algorithm,
    step_totals,
    token_logprobs,
    value_loss,
    whiten,
)
from ponder.types import TrainingSample


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def batch_of(advantages, *, old, now, reference=None):
    """Completions with these advantages; old, now and reference probabilities per token."""
    samples = [
        TrainingSample((5,), (0,) * len(a), (True,) * len(a), (0.0,) * len(a), tuple(a), 0)
        for a in advantages
    ]
    reference = now if reference is None else reference
    batch = build_batch(samples).replace(
        old_logprobs_M=f64(old).log(),
        ref_logprobs_M=f64(reference).log(),
        advantages_M=f64([a for row in advantages for a in row]),
    )
    return batch, f64(now).log().requires_grad_(), step_totals(samples, 10)


def test_grpo_loss_and_gradient():
    # Group rewards 1, 0: A = +1, -1. Completion 1 has two tokens, completion 2 one.
    # token   ratio   surrogate               ref/pi  k3
    # 1.1     1.5     min(1.5, 1.2) = 1.2     2       2 - ln 2 - 1 = 0.3068528
    # 1.2     0.5     min(0.5, 0.8) = 0.5     1       0
    # 2.1     0.5     min(-0.5, -0.8) = -0.8  1/2     1/2 + ln 2 - 1 = 0.1931472
    # J = 1/2 [ 1/2 (1.2 - 0.03068528 + 0.5) + (-0.8 - 0.01931472) ]  with coef 0.1
    #   = 1/2 [ 0.83465736 - 0.81931472 ] = 0.00767132
    batch, now, totals = batch_of(
        [[1.0, 1.0], [-1.0]], old=[0.2, 0.4, 0.4], now=[0.3, 0.2, 0.2], reference=[0.6, 0.2, 0.1]
    )
    config = resolve_algorithm({"preset": "grpo", "kl": {"coef": 0.1}})
    loss, metrics = policy_loss(now, batch, config, totals)
    assert loss.item() == pytest.approx(-0.007671320486001367, abs=1e-12)
    # d loss: 1.1 is clipped: 1/4 x 0.1 x (1 - 2) = -0.025
    #         1.2: 1/4 x (-0.5 + 0) = -0.125;  2.1 is clipped: 1/2 x 0.1 x (1 - 1/2) = 0.025
    loss.backward()
    torch.testing.assert_close(now.grad, f64([-0.025, -0.125, 0.025]), rtol=0, atol=1e-12)
    got = metrics.to_metrics()
    assert got["clip/high/frac"] == got["clip/low/frac"] == pytest.approx(1 / 3)
    assert got["ratio/token/max"] == pytest.approx(1.5)
    assert got["ratio/token/min"] == pytest.approx(0.5)
    assert got["ratio/token/mean"] == pytest.approx(2.5 / 3)
    assert got["kl/reference/mean"] == pytest.approx(0.5 / 3)
    assert got["loss/kl/sum"] == pytest.approx(0.1 * (0.3068528194400547 / 4 + 0.1931471805599453 / 2))
    assert got["loss/surrogate/sum"] + got["loss/kl/sum"] == pytest.approx(got["loss/total/sum"])
    assert "entropy/token/mean" not in got


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        # the same tokens without KL
        ("dapo", -(1.28 + 0.5 - 0.8) / 3),  # clip at 1.28; one mean over three tokens
        ("dr_grpo", -(1.2 + 0.5 - 0.8) / (2 * 10)),  # two completions, cap 10
        # weights 1.5, 0.5, 0.5 (none at 5): 1.5 ln 0.3 + 0.5 ln 0.2 - 0.5 ln 0.2 = 1.5 ln 0.3
        ("cispo", -1.5 * math.log(0.3) / 3),
        # ln 0.3 + ln 0.2 - ln 0.2
        ("rloo", -math.log(0.3) / (2 * 10)),
        ("reinforce", -math.log(0.3) / 3),
        # s1 = sqrt(1.5 x 0.5) = 0.8660254 with A > 0: free; s2 = 0.5 with A < 0: clipped at 0.9997
        ("gspo", -(0.8660254037844386 - 0.9997) / 2),
        # ratios under 11: free; 1/2 [ (1.5 + 0.5) / 2 - 0.5 ] and k3 of equal policies is 0
        ("r1", -0.25),
        ("ppo", -(1.2 + 0.5 - 0.8) / 3),
    ],
)
def test_loss_of_every_other_preset(preset, expected):
    batch, now, totals = batch_of([[1.0, 1.0], [-1.0]], old=[0.2, 0.4, 0.4], now=[0.3, 0.2, 0.2])
    loss, _ = policy_loss(now, batch, ALGORITHMS[preset], totals)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_gradient_when_old_is_now_is_the_closed_form():
    # DeepSeekMath A.1.6: weight on grad log pi is A + coef (ref/pi - 1), over G |o_i|
    batch, now, totals = batch_of(
        [[1.5, 1.5, 1.5], [-0.5]],
        old=[0.3, 0.2, 0.2, 0.7],
        now=[0.3, 0.2, 0.2, 0.7],
        reference=[0.6, 0.2, 0.1, 0.07],
    )
    config = resolve_algorithm({"preset": "grpo", "kl": {"coef": 0.04}})
    loss, _ = policy_loss(now, batch, config, totals)
    loss.backward()
    # (1.5 + 0.04 x 1) / 6, (1.5 + 0) / 6, (1.5 + 0.04 x -0.5) / 6, (-0.5 + 0.04 x -0.9) / 2
    expected = [-1.54 / 6, -1.5 / 6, -1.48 / 6, 0.536 / 2]
    torch.testing.assert_close(now.grad, f64(expected), rtol=0, atol=1e-12)
    # the same without a forward pass for the old log-probs
    again = now.detach().requires_grad_()
    stale = batch.replace(old_logprobs_M=f64([9.0, 9.0, 9.0, 9.0]))
    policy_loss(again, stale, config, totals, on_policy=True)[0].backward()
    torch.testing.assert_close(again.grad, now.grad, rtol=0, atol=1e-15)


def test_kl_schedule_and_place():
    batch, now, totals = batch_of([[1.0]], old=[0.5], now=[0.5], reference=[0.25])
    schedule = [{"step": 0, "value": 0.0}, {"step": 10, "value": 2.0}]
    config = resolve_algorithm({"preset": "grpo", "kl": {"coef": schedule}})
    # k3 = 0.1931472 from step 10 on
    assert policy_loss(now, batch, config, totals, step=9)[0].item() == pytest.approx(-1.0)
    assert policy_loss(now, batch, config, totals, step=10)[0].item() == pytest.approx(
        -1.0 + 2 * 0.1931471805599453
    )
    in_reward = resolve_algorithm({"preset": "grpo", "kl": {"coef": 2.0, "place": "reward"}})
    assert policy_loss(now, batch, in_reward, totals)[0].item() == pytest.approx(-1.0)


def test_mismatch_cap_weights_the_surrogate_and_not_the_kl():
    # pi_old / pi_sampler = 0.4 / 0.1 = 4, capped at 2: -(2 x 1) + 0.1 x 0.1931472
    batch, now, totals = batch_of([[1.0]], old=[0.4], now=[0.4], reference=[0.2])
    batch = batch.replace(sampler_logprobs_M=f64([0.1]).log())
    config = resolve_algorithm({"preset": "grpo", "kl": {"coef": 0.1}, "mismatch_cap": 2.0})
    loss, metrics = policy_loss(now, batch, config, totals)
    assert loss.item() == pytest.approx(-2 + 0.01931471805599453, abs=1e-12)
    assert metrics.to_metrics()["importance/weight/mean"] == pytest.approx(2.0)
    loss.backward()
    # -(2 x 1) + 0.1 x (1 - 1/2)
    assert now.grad.item() == pytest.approx(-1.95, abs=1e-12)


def test_gradient_at_temperature_seven_tenths():
    # logits 1, 0, -1; at T = 0.7: 1.4285714, 0, -1.4285714; exp 4.1727340, 1, 0.2396510; sum 5.4123850
    # softmax 0.7709603, 0.1847614, 0.0442783; log p_0 = log 0.7709603 = -0.2601184
    # d log p_0 / d logit = ([v = 0] - p) / 0.7 = 0.3271996, -0.2639449, -0.0632547
    # d log p_0 / d hidden = 1 x 0.3271996 - 1 x -0.0632547 = 0.3904543
    softmax = [math.exp(z / 0.7) / sum(math.exp(y / 0.7) for y in (1, 0, -1)) for z in (1, 0, -1)]
    assert softmax == pytest.approx([0.7709603, 0.1847614, 0.0442783], abs=1e-7)
    for fast in (True, False):
        hidden = f64([[1.0]]).requires_grad_()
        weight = f64([[1.0], [0.0], [-1.0]]).requires_grad_()
        head = weight if fast else torch.nn.Linear(1, 3, bias=False).double()
        if not fast:
            head.weight = torch.nn.Parameter(weight.detach())
            weight = head.weight
        logprobs, entropy = token_logprobs(hidden, head, torch.tensor([0]), 0.7)
        assert logprobs.item() == pytest.approx(math.log(softmax[0]), abs=1e-12)
        assert logprobs.item() == pytest.approx(-0.2601184, abs=1e-6)
        assert entropy.item() == pytest.approx(-sum(p * math.log(p) for p in softmax), abs=1e-12)
        assert not entropy.requires_grad
        logprobs.sum().backward()
        assert weight.grad.squeeze(1).tolist() == pytest.approx([0.3271996, -0.2639449, -0.0632547], abs=1e-7)
        assert hidden.grad.item() == pytest.approx(0.3904543, abs=1e-7)


def test_value_loss():
    # token 1: V 0.9, old 0.5, clip 0.2: bounded 0.7; R = 1: max(0.01, 0.09) / 2 = 0.045, no gradient
    # token 2: V 0.6, old 0.5: inside: (0.6 - 1)^2 / 2 = 0.08, gradient -0.4
    # token 3: V 1.4, old 0.5: bounded 0.7, R = 0.2: max(1.44, 0.25) / 2 = 0.72, gradient 1.2
    # mean over 3 tokens x value_coef 0.5
    batch, _, _ = batch_of([[0.0, 0.0, 0.0]], old=[0.5] * 3, now=[0.5] * 3)
    batch = batch.replace(old_values_M=f64([0.5] * 3), returns_M=f64([1.0, 1.0, 0.2]))
    values = f64([0.9, 0.6, 1.4]).requires_grad_()
    loss, metrics = value_loss(values, batch, ALGORITHMS["ppo"], StepTotals(1, 3, 10))
    assert loss.item() == pytest.approx(0.5 * 0.845 / 3, abs=1e-12)
    loss.backward()
    torch.testing.assert_close(values.grad, f64([0.0, -0.4 / 6, 1.2 / 6]), rtol=0, atol=1e-12)
    got = metrics.to_metrics()
    assert got["loss/value/sum"] == pytest.approx(0.845 / 3)
    assert got["value/clip/frac"] == pytest.approx(1 / 3)
    # residuals 0.1, 0.4, -1.2: mean -7/30, variance 1.61/3 - 49/900; returns: variance 2.04/3 - (2.2/3)^2
    assert got["value/explained_variance/mean"] == pytest.approx(
        1 - (1.61 / 3 - 49 / 900) / (2.04 / 3 - (2.2 / 3) ** 2)
    )


def test_ppo_reward_with_kl_per_token():
    # reward 1 at the last token; k1 = ln(old/ref) = ln 2, 0; coef 0.5 from step 3 on
    # rewards -0.5 ln 2, 1; values 0.2, 0.3; lambda 1: A = return to go - V
    batch, _, _ = batch_of([[0.0, 1.0]], old=[0.4, 0.3], now=[0.4, 0.3], reference=[0.2, 0.3])
    schedule = [{"step": 0, "value": 0.0}, {"step": 3, "value": 0.5}]
    config = resolve_algorithm({"preset": "ppo", "kl": {"coef": schedule}})
    values = f64([0.2, 0.3])
    done = gae_batch(batch, values, config, step=3)
    first = 1 - 0.34657359027997264
    torch.testing.assert_close(done.returns_M, f64([first, 1.0]), rtol=0, atol=1e-12)
    torch.testing.assert_close(done.advantages_M, f64([first - 0.2, 0.7]), rtol=0, atol=1e-12)
    assert done.old_values_M is values
    torch.testing.assert_close(gae_batch(batch, values, config, step=2).returns_M, f64([1.0, 1.0]))


def test_whitening_spans_the_batches():
    # advantages 1, 3 and 5 over two batches (9 is masked): mean 3, population std sqrt(8/3)
    one, _, _ = batch_of([[1.0, 9.0]], old=[0.5, 0.5], now=[0.5, 0.5])
    one = one.replace(loss_mask_M=torch.tensor([True, False]))
    two, _, _ = batch_of([[3.0, 5.0]], old=[0.5, 0.5], now=[0.5, 0.5])
    config = resolve_algorithm({"preset": "ppo", "advantage": {"eps": 0.0}})
    first, second = whiten([one, two], config)
    unit = 2 / math.sqrt(8 / 3)
    torch.testing.assert_close(first.advantages_M, f64([-unit, 0.0]))
    torch.testing.assert_close(second.advantages_M, f64([0.0, unit]))
    plain = resolve_algorithm({"preset": "ppo", "advantage": {"scale": "none"}})
    assert whiten([one, two], plain) == [one, two]
