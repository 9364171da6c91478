"""Updates on a real small network: whatever the packing the same step, and nothing forgotten."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch

from ponder.algorithms import ALGORITHMS, build_batch, resolve_algorithm
from ponder.config import AlgorithmConfig, LoRAConfig, RLStage
from ponder.errors import DivergenceError
from ponder.models.architecture import ModelConfig
from ponder.models.lora import add_lora
from ponder.models.transformer import Transformer
from ponder.training.forward import run_policy
from ponder.training.reference import Reference
from ponder.training.schedule import conditions_of
from ponder.training.updates import Updater
from ponder.types import (
    Completion,
    Finish,
    Grade,
    Packing,
    Problem,
    Prompt,
    Reward,
    RolloutGroup,
    ScoredGroup,
    Span,
    Verdict,
)

DEVICE = torch.device("cpu")


def network() -> Transformer:
    torch.manual_seed(0)
    config = ModelConfig(
        family="qwen2",
        vocab_size=32,
        hidden_size=16,
        intermediate_size=32,
        num_layers=2,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        max_positions=64,
        initializer_range=0.3,
        qkv_bias=True,
    )
    return Transformer(config).eval()


def stage(preset: str = "reinforce", algorithm: dict[str, Any] | None = None, **options: Any) -> RLStage:
    own = {"preset": preset, "optimizer": {"lr": 0.01}, "overlong_band": 2, **(algorithm or {})}
    shape = {"num_iterations": 10, "problems_per_iteration": 4, "group_size": 4, **options}
    return RLStage.model_validate(
        {
            "name": "rl",
            "sampling": {"max_new_tokens": 12},
            "algorithm": resolve_algorithm(own).model_dump(),
            **shape,
        }
    )


@torch.no_grad()
def groups(policy: Transformer, num_groups: int = 4, size: int = 4) -> list[ScoredGroup]:
    """Groups with prompts and completions of various lengths and the policy's own log-probs.

    The members of the first earn the same: without KL its gradient is zero, but it counts in means.
    """
    generator = torch.Generator().manual_seed(1)
    made = []
    for number in range(num_groups):
        prompt_ids = torch.randint(0, 32, (3 + number,), generator=generator).tolist()
        completions, rewards = [], []
        for member in range(size):
            length = 2 + (3 * number + 5 * member) % 10
            ids = torch.randint(0, 32, (length,), generator=generator).tolist()
            completions.append(
                Completion(
                    token_ids=tuple(ids),
                    loss_mask=(True,) * length,
                    sampler_logprobs=tuple(logprobs(policy, prompt_ids, ids).tolist()),
                    text="",
                    finish=Finish.STOP,
                    versions=((0, length),),
                )
            )
            rewards.append(Reward(float((number + member) % 3) if number else 1.0, {}))
        prompt = Prompt(
            Problem(f"p{number}", "t", ({"role": "user", "content": "?"},), "exact", "1"), tuple(prompt_ids)
        )
        grades = (Grade(Verdict.WRONG, 0.0, "", ""),) * size
        made.append(ScoredGroup(RolloutGroup(prompt, tuple(completions)), grades, tuple(rewards)))
    return made


def logprobs(policy: Transformer, prompt_ids: list[int], ids: list[int]) -> torch.Tensor:
    """One row alone, without packing or chunks: the plain definition."""
    row = torch.tensor([*prompt_ids, *ids])
    hidden = policy.hidden(row, torch.arange(len(row)), Packing((Span(0, len(row)),)))
    predicted = policy.logits(hidden[len(prompt_ids) - 1 : -1]).log_softmax(-1)
    return predicted.gather(1, torch.tensor(ids)[:, None]).squeeze(1)


def updater(
    policy: Transformer, of: RLStage, micro_batch_tokens: int = 1000, workers: int | None = None
) -> Updater:
    return Updater(policy, of, (0, "rl"), DEVICE, micro_batch_tokens, workers)


def one_update(policy: Transformer, of: RLStage, iteration: int = 0, **options: Any):
    worker = updater(policy, of, **options)
    now = conditions_of(of, iteration)
    return worker.update(worker.build_samples(groups(policy), now).samples, now), worker


def gradients(policy: Transformer, worker: Updater, of: RLStage) -> dict[str, torch.Tensor]:
    """The gradient of the first step, taken where the optimizer would use it."""
    taken: dict[str, torch.Tensor] = {}

    def capture(step: int, num_steps: int):
        taken.update({name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None})
        raise DivergenceError("captured")

    worker._optimizer.step = capture  # type: ignore[method-assign]
    now = conditions_of(of, 0)
    with pytest.raises(DivergenceError, match="captured"):
        worker.update(worker.build_samples(groups(policy), now).samples, now)
    return taken


def test_gradient_is_that_of_the_plain_definition():
    """REINFORCE with a group mean and one token mean: -(1/tokens) sum of A log pi, row by row."""
    policy, of = network().double(), stage()
    policy.compute_dtype = torch.float64
    found = gradients(policy, updater(policy, of), of)
    policy.zero_grad()
    total, count = torch.zeros(()), 0
    for scored in groups(policy):
        mean = sum(reward.total for reward in scored.rewards) / 4
        for completion, reward in zip(scored.group.completions, scored.rewards, strict=True):
            row = logprobs(policy, list(scored.group.prompt.token_ids), list(completion.token_ids))
            total = total - (reward.total - mean) * row.sum()
            count += len(row)
    (total / count).backward()
    for name, parameter in policy.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("preset", sorted(ALGORITHMS))
def test_micro_batches_do_not_change_the_step(preset: str):
    """In float64, to 1e-12 of the gradient's length: KL in the reward, GAE and whitening included."""
    of = stage(preset)

    def gradient(micro_batch_tokens: int, workers: int) -> torch.Tensor:
        policy = network().double()
        policy.compute_dtype = torch.float64
        taken = gradients(policy, updater(policy, of, micro_batch_tokens, workers), of)
        return torch.cat([taken[name].flatten() for name in sorted(taken)])

    whole = gradient(1000, 1)
    assert whole.norm() > 0
    for tokens, workers in ((1, 1), (40, 1), (80, 2), (120, 3)):
        assert (gradient(tokens, workers) - whole).norm() <= 1e-12 * whole.norm()


@pytest.mark.parametrize("preset", ["r1", "ppo", "dapo"])
def test_micro_batches_side_by_side_measure_the_same(preset: str) -> None:
    """Metrics and weights after an iteration, with its old log-probs, reference and values."""
    of = stage(preset)

    def after(workers: int):
        policy = network().double()
        policy.compute_dtype = torch.float64
        report, _ = one_update(policy, of, micro_batch_tokens=40 * workers, workers=workers)
        return report.metrics, torch.cat([p.detach().flatten() for p in policy.parameters()])

    (alone, weights), (together, other_weights) = after(1), after(2)
    assert alone.keys() == together.keys()
    for key, value in alone.items():
        assert together[key] == pytest.approx(value, rel=1e-9, abs=1e-12), key
    torch.testing.assert_close(other_weights, weights, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("preset", sorted(ALGORITHMS))
def test_every_algorithm_moves_the_weights_and_measures_itself(preset: str):
    policy = network()
    before = copy.deepcopy(policy.state_dict())
    report, _ = one_update(policy, stage(preset, minibatches=2, reuse=2))
    assert any(not torch.equal(before[name], tensor) for name, tensor in policy.state_dict().items())
    assert report.num_steps == 4
    assert all(math.isfinite(value) for value in report.metrics.values())
    for key in ("gradient/norm/mean", "entropy/token/mean", "clip/region/frac", "optimizer/lr/last"):
        assert key in report.metrics
    # Sampled by the same weights: what differs is rounding.
    assert report.metrics["mismatch/logprob/max"] < 1e-5
    # Two minibatches, each used twice: every group takes part in two steps.
    assert all(len(steps) == 2 for steps in report.steps_of_group.values())


@pytest.mark.parametrize("preset", ["r1", "ppo", "rloo"])
def test_saved_state_continues_bit_for_bit(preset: str):
    algorithm = {"kl": {"refresh_steps": 3}}
    of = stage(preset, algorithm, minibatches=2)
    straight = network()
    worker = updater(straight, of)
    for iteration in range(4):
        if iteration == 2:
            kept = copy.deepcopy((straight.state_dict(), worker.state_dict()))
        now = conditions_of(of, iteration)
        worker.update(worker.build_samples(groups(straight), now).samples, now)
    resumed = network()
    again = updater(resumed, of)
    resumed.load_state_dict(kept[0])
    again.load_state_dict(kept[1])
    for iteration in (2, 3):
        now = conditions_of(of, iteration)
        again.update(again.build_samples(groups(resumed), now).samples, now)
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_reference_is_the_start_until_it_is_refreshed():
    """KL is 0 at the first step, grows, and is 0 again at the step after the refresh."""
    policy = network()
    of = stage("r1", {"kl": {"kind": "k3", "coef": 0.001, "refresh_steps": 3}})
    worker = updater(policy, of)
    kls = []
    for iteration in range(5):
        now = conditions_of(of, iteration)
        report = worker.update(worker.build_samples(groups(policy), now).samples, now)
        kls.append(report.metrics["kl/reference/mean"])
    assert kls[0] == pytest.approx(0, abs=1e-9)
    assert kls[1] > 1e-6
    assert kls[2] > kls[1]
    assert kls[3] == pytest.approx(0, abs=1e-9)
    assert kls[4] > 1e-6


def test_without_kl_no_reference_is_kept():
    _, worker = one_update(network(), stage("dapo"))
    assert worker.state_dict()["reference"] is None
    assert worker._reference is None


def test_old_logprobs_are_those_of_the_rollout_when_minibatches_follow():
    """With two passes over one batch the ratio of the second pass is pi_now / pi_rollout."""
    policy = network()
    report, _ = one_update(policy, stage("grpo", {"optimizer": {"lr": 0.05}}, reuse=2))
    assert report.metrics["ratio/token/max"] > 1.01
    single, _ = one_update(network(), stage("grpo", {"optimizer": {"lr": 0.05}}))
    assert single.metrics["ratio/token/max"] == 1.0


def test_mismatch_is_measured_before_any_masking():
    """A completion that the overlong filter leaves out of the loss still counts in the mismatch."""
    policy = network()
    scored = groups(policy)
    completion = scored[0].group.completions[0]
    wrong = (completion.sampler_logprobs[0] - 0.5, *completion.sampler_logprobs[1:])
    cut = Completion(
        completion.token_ids, completion.loss_mask, wrong, "", Finish.LENGTH, completion.versions
    )
    changed = RolloutGroup(scored[0].group.prompt, (cut, *scored[0].group.completions[1:]))
    scored[0] = ScoredGroup(changed, scored[0].grades, scored[0].rewards)
    of = stage("dr_grpo", {"truncated": "mask"})
    worker = updater(policy, of)
    now = conditions_of(of, 0)
    chosen = worker.build_samples(scored, now)
    assert chosen.num_filtered == 1
    assert worker.update(chosen.samples, now).metrics["mismatch/logprob/max"] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_not_applied(bad: float):
    policy, of = network(), stage("dr_grpo")
    scored = groups(policy)
    rewards = (Reward(1e38 if math.isinf(bad) else 1.0, {}), *scored[1].rewards[1:])
    scored[1] = ScoredGroup(scored[1].group, scored[1].grades, rewards)
    worker = updater(policy, of)
    now = conditions_of(of, 3)
    samples = worker.build_samples(scored, now).samples
    before = copy.deepcopy(policy.state_dict())
    if math.isnan(bad):
        poison = {"sampler_logprobs": (math.nan,) * len(samples[0].token_ids)}
        samples = tuple(
            type(s)(**{field: poison.get(field, getattr(s, field)) for field in s.__slots__})
            if s is samples[0]
            else s
            for s in samples
        )
        of = stage("dr_grpo", {"old_logprobs": "sampler"})
        worker = updater(policy, of)
    with pytest.raises(DivergenceError, match="step 3"):
        worker.update(samples, now)
    assert all(torch.equal(before[name], tensor) for name, tensor in policy.state_dict().items())
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_an_infinite_loss_with_a_finite_gradient_is_refused_too():
    """k1 against a reference that finds a token impossible: infinite, but d/d log pi is 1."""
    policy, of = network(), stage("dr_grpo", {"kl": {"kind": "k1", "coef": 0.1, "place": "loss"}})
    worker = updater(policy, of)
    assert worker._reference is not None
    worker._reference.logprobs = lambda batch, t: torch.full_like(batch.sampler_logprobs_M, -math.inf)  # type: ignore[method-assign]
    now = conditions_of(of, 2)
    with pytest.raises(DivergenceError, match="The loss of step 2 is inf"):
        worker.update(worker.build_samples(groups(policy), now).samples, now)


def test_an_iteration_without_samples_changes_nothing():
    policy, of = network(), stage()
    before = copy.deepcopy(policy.state_dict())
    report = updater(policy, of).update((), conditions_of(of, 0))
    assert report.num_steps == 0
    assert report.metrics == {"update/steps/count": 0.0}
    assert all(torch.equal(before[name], tensor) for name, tensor in policy.state_dict().items())


def test_value_head_learns_what_completions_earn():
    """PPO on the same groups over and over: the values come to explain the returns."""
    policy = network()
    of = stage("ppo", {"optimizer": {"lr": 0.02}, "value_clip": None})
    worker = updater(policy, of)
    scored = groups(policy)
    explained = []
    for iteration in range(20):
        now = conditions_of(of, iteration)
        report = worker.update(worker.build_samples(scored, now).samples, now)
        explained.append(report.metrics["value/explained_variance/mean"])
    assert explained[0] == pytest.approx(0, abs=1e-6)
    assert explained[-1] > 0.3


def test_tempered_distribution_is_the_one_that_was_sampled():
    policy = network()
    of = stage(sampling={"max_new_tokens": 12, "temperature": 0.5})
    worker = updater(policy, of)
    now = conditions_of(of, 0)
    samples = worker.build_samples(groups(policy), now).samples
    batch = build_batch(samples)
    cold, plain = run_policy(policy, batch, 0.5), run_policy(policy, batch, 1.0)
    assert float(cold.entropy_M.mean()) < float(plain.entropy_M.mean())
    # Sampled at 1, trained at 0.5: the mismatch says so.
    assert worker.update(samples, now).metrics["mismatch/logprob/max"] > 0.1


def test_a_fresh_adapter_is_its_own_reference_until_the_first_refresh():
    """Switched off it gives the frozen start's log-probs; no copy of the network is held."""
    policy, plain = network(), network()
    add_lora(policy, LoRAConfig(r=2, targets=("q_proj", "down_proj")))
    now = conditions_of(of := stage("grpo"), 0)
    worker = updater(policy, of)
    batch = build_batch(worker.build_samples(groups(plain), now).samples, DEVICE)
    reference = Reference(policy)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(parameter, 0.3)
    assert reference._frozen is None
    torch.testing.assert_close(reference.logprobs(batch, 1.0), Reference(plain).logprobs(batch, 1.0))
    reference.refresh(policy)
    moved = run_policy(policy, batch, 1.0).logprobs_M.detach()
    torch.testing.assert_close(reference.logprobs(batch, 1.0), moved)
    assert not torch.allclose(moved, Reference(plain).logprobs(batch, 1.0))


def test_a_preset_named_in_python_brings_its_values():
    of = stage().model_copy(update={"algorithm": AlgorithmConfig(preset="dapo")})
    assert updater(network(), of)._config == ALGORITHMS["dapo"]
