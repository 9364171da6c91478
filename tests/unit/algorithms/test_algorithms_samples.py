import math

import pytest
import torch

from ponder.algorithms import (
    build_batch,
    build_samples,
    completion_kl,
    has_loss,
    resolve_algorithm,
    reward_matrix,
)
from ponder.errors import RecipeError
from ponder.types import (
    Completion,
    Finish,
    Grade,
    Problem,
    Prompt,
    Reward,
    RolloutGroup,
    ScoredGroup,
    Verdict,
)

CAP = 10


def group(rewards, lengths=None, finishes=None, prompt=(1, 2)):
    lengths = lengths or [2] * len(rewards)
    finishes = finishes or [Finish.STOP] * len(rewards)
    completions = tuple(
        Completion(
            token_ids=tuple(range(length)),
            loss_mask=(True,) * length,
            sampler_logprobs=(-1.0,) * length,
            text="",
            finish=finish,
            versions=((0, length),),
        )
        for length, finish in zip(lengths, finishes, strict=True)
    )
    problem = Problem("p", "t", ({"role": "user", "content": "?"},), "exact", "1")
    return ScoredGroup(
        RolloutGroup(Prompt(problem, prompt), completions),
        tuple(Grade(Verdict.WRONG, 0.0, "", "") for _ in rewards),
        tuple(Reward(r, {}) for r in rewards),
    )


def advantages(result):
    return [s.advantages_T for s in result.samples]


def test_advantages_reach_every_token_in_order():
    config = resolve_algorithm({"preset": "dr_grpo"})
    result = build_samples(
        [group([1.0, 0.0], [2, 3]), group([0.0, 0.0, 3.0], prompt=(7,))], config, CAP, first_group=5
    )
    assert advantages(result) == [(0.5,) * 2, (-0.5,) * 3, (-1.0,) * 2, (-1.0,) * 2, (2.0,) * 2]
    assert [s.group for s in result.samples] == [5, 5, 6, 6, 6]
    assert [s.prompt_ids for s in result.samples] == [(1, 2)] * 2 + [(7,)] * 3
    assert result.signal_P == (True, True)


def test_ungradable_and_aborted_members_are_left_out_of_everything():
    config = resolve_algorithm({"preset": "dr_grpo"})
    finishes = [Finish.STOP, Finish.STOP, Finish.ABORT, Finish.STOP]
    scored = group([1.0, None, 50.0, 0.0], finishes=finishes)
    result = build_samples([scored], config, CAP)
    assert advantages(result) == [(0.5, 0.5), (-0.5, -0.5)]
    assert (result.num_ungradable, result.num_aborted) == (1, 1)
    matrix = reward_matrix([scored, group([2.0])]).tolist()
    assert [[None if math.isnan(r) else r for r in row] for row in matrix] == [
        [1.0, None, None, 0.0],
        [2.0, None, None, None],
    ]


@pytest.mark.parametrize(("mode", "kept"), [("keep", 4), ("drop", 2), ("refill", 2)])
def test_groups_without_signal(mode, kept):
    config = resolve_algorithm({"preset": "grpo", "zero_variance": mode})
    result = build_samples([group([1.0, 1.0]), group([1.0, 0.0])], config, CAP)
    assert len(result.samples) == kept
    assert result.signal_P == (False, True)
    assert result.num_dropped == 4 - kept
    if mode == "keep":
        assert advantages(result)[:2] == [(0.0, 0.0)] * 2


@pytest.mark.parametrize("mode", ["keep", "mask", "penalise"])
def test_overlong_filter_empties_the_mask_and_keeps_the_statistics(mode):
    config = resolve_algorithm({"preset": "dr_grpo", "truncated": mode, "overlong_band": 4})
    scored = group([1.0, 0.0], [3, CAP], [Finish.STOP, Finish.LENGTH])
    result = build_samples([scored], config, CAP)
    assert [has_loss(s) for s in result.samples] == [True, mode != "mask"]
    # mean 1/2 of rewards 1, 0; penalised: mean 0 of 1, -1
    assert advantages(result)[0] == (1.0 if mode == "penalise" else 0.5,) * 3
    assert result.num_filtered == (mode == "mask")


def test_soft_penalty_enters_the_reward():
    # cap 10, band 4: length 8 costs 0.5, 10 costs 1, 6 nothing
    config = resolve_algorithm(
        {"preset": "dapo", "overlong_band": 4, "advantage": {"scale": "none"}, "zero_variance": "keep"}
    )
    result = build_samples([group([1.0, 1.0, 1.0], [6, 8, 10])], config, CAP)
    assert [a[0] for a in advantages(result)] == pytest.approx([0.5, 0.0, -0.5])
    with pytest.raises(RecipeError, match="overlong_band is 4096"):
        build_samples([group([1.0, 0.0])], resolve_algorithm({"preset": "dapo"}), CAP)


def test_a_penalty_makes_no_signal():
    """DAPO leaves groups out by their accuracy: length alone, where all are wrong, teaches nothing."""
    config = resolve_algorithm({"preset": "dapo", "overlong_band": 4})
    result = build_samples([group([0.0, 0.0], [6, 10]), group([1.0, 0.0], [6, 10])], config, CAP)
    assert result.signal_P == (False, True)
    assert (result.num_dropped, len(result.samples)) == (2, 2)


def test_kl_in_the_reward_of_whole_completions():
    # rewards 1, 0 less penalties 0.6, 0: 0.4, 0; leave one out: 0.4, -0.4
    config = resolve_algorithm({"preset": "rloo"})
    result = build_samples([group([1.0, 0.0])], config, CAP, penalties=[[0.6, 0.0]])
    assert [a[0] for a in advantages(result)] == pytest.approx([0.4, -0.4])
    with pytest.raises(ValueError, match="penalties need one number"):
        build_samples([group([1.0, 0.0])], config, CAP, penalties=[[0.6]])


def test_completion_kl_sums_the_tokens_in_the_loss():
    config = resolve_algorithm({"preset": "rloo"})
    batch = build_batch(build_samples([group([1.0, 0.0], [2, 1])], config, CAP).samples)
    batch = batch.replace(
        old_logprobs_M=torch.tensor([-1.0, -2.0, -3.0]),
        ref_logprobs_M=torch.tensor([-1.5, -9.0, -2.0]),
        loss_mask_M=torch.tensor([True, False, True]),
    )
    assert completion_kl(batch, "k1").tolist() == [0.5, -1.0]


def test_gae_keeps_rewards_at_the_last_token_in_the_loss():
    config = resolve_algorithm({"preset": "ppo", "zero_variance": "drop"})
    scored = group([1.0, 1.0], [3, 2])
    completions = scored.group.completions
    object.__setattr__(completions[0], "loss_mask", (True, True, False))
    result = build_samples([scored], config, CAP)
    assert advantages(result) == [(0.0, 1.0, 0.0), (0.0, 1.0)]
    assert result.num_dropped == 0


def test_process_rewards():
    config = resolve_algorithm(
        {"preset": "grpo", "advantage": {"estimator": "process", "eps": 0.0}, "zero_variance": "drop"}
    )
    groups = [group([1.0, 0.0, None], [4, 4, 4]), group([1.0, 0.0])]
    steps = [[[(1, 1.0), (3, 0.0)], [(2, 1.0)], [(0, 9.0)]], [[(0, 1.0)], [(1, 1.0)]]]
    result = build_samples(groups, config, CAP, step_rewards=steps)
    half = math.sqrt(0.5)
    assert advantages(result)[0] == pytest.approx((-half, -half, -2 * half, -2 * half))
    assert advantages(result)[1] == pytest.approx((half, half, half, 0.0))
    assert (result.signal_P, result.num_ungradable, result.num_dropped) == ((True, False), 1, 2)
    with pytest.raises(RecipeError, match="no step rewards were given"):
        build_samples(groups, config, CAP)


def test_no_groups():
    for preset in ("r1", "ppo"):
        result = build_samples([], resolve_algorithm({"preset": preset}), CAP)
        assert (result.samples, result.signal_P) == ((), ())
