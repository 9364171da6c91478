"""Lanes: other processes sample a share of the requests, and change nothing but the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ponder.config import EngineConfig
from ponder.errors import DataError, DivergenceError, PonderError, RecipeError
from ponder.models.folder import load_policy
from ponder.models.registry import resolve_model
from ponder.models.tokenizer import load_tokenizer
from ponder.rollout import LocalEngine, make_engine
from ponder.rollout.lanes import LanedEngine
from ponder.types import Problem, Prompt, RolloutRequest, SamplingParams

SAMPLING = SamplingParams(24, stop_strings=("</answer>",))
BASE = resolve_model("ponder-tiny")
TOKENIZER = load_tokenizer(BASE)


@pytest.fixture(scope="module")
def policy():
    return load_policy(BASE)


@pytest.fixture(scope="module")
def engine(policy) -> Iterator[LanedEngine]:
    """Two lanes of one thread each."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    engine = make_engine(EngineConfig(num_slots=32, lanes=2), policy, TOKENIZER)
    assert isinstance(engine, LanedEngine)
    yield engine
    engine.close()
    torch.set_num_threads(before)


def requests(count: int = 7, members: int = 8) -> list[RolloutRequest]:
    made = []
    for index in range(count):
        text = f"User: Compute {index}+4-2.\nAssistant:"
        problem = Problem(f"q{index}", "sums", ({"role": "user", "content": text},), "exact", "")
        seeds = tuple(1000 * index + member for member in range(members))
        made.append(RolloutRequest(Prompt(problem, tuple(TOKENIZER.encode(text))), seeds))
    return made


def alone(policy, asked: list[RolloutRequest], version: int = 0, sampling: SamplingParams = SAMPLING):
    """What a local engine with one thread samples."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    engine = LocalEngine(policy, TOKENIZER, num_slots=16)
    engine.update_weights(version)
    groups = dict(engine.generate(asked, sampling))
    torch.set_num_threads(threads)
    return groups


def test_completions_have_the_bits_of_one_engine_wherever_they_are_sampled(engine, policy) -> None:
    asked = requests()
    theirs = []
    lane_of = engine._arrived

    def watched(lanes, requests):
        for index, group in lane_of(lanes, requests):
            theirs.append(index)
            yield index, group

    engine._arrived = watched
    groups = dict(engine.generate(asked, SAMPLING))
    del engine._arrived
    assert groups == alone(policy, asked, engine.version)
    assert sorted(theirs) == [1, 3, 5]
    assert torch.get_num_threads() == 2


def test_lanes_say_when_they_have_started(policy) -> None:
    engine = make_engine(EngineConfig(num_slots=32, lanes=2), policy, TOKENIZER)
    assert isinstance(engine, LanedEngine)
    assert not engine.wait_until_ready(0.0)
    # Asked again, and after a call, it is known and nobody waits for a word that has been said.
    assert engine.wait_until_ready()
    assert engine.wait_until_ready(0.0)
    assert len(dict(engine.generate(requests(), SAMPLING))) == 7
    assert engine.wait_until_ready(0.0)
    engine._lanes[0].process.kill()
    engine._lanes[0].started = False
    assert not engine.wait_until_ready(5.0)
    engine.close()
    assert not engine.wait_until_ready(0.0)


def test_a_call_hears_that_a_lane_has_started(policy) -> None:
    engine = make_engine(EngineConfig(num_slots=32, lanes=2), policy, TOKENIZER)
    assert len(dict(engine.generate(requests(), SAMPLING))) == 7
    assert engine.wait_until_ready(0.0)
    engine.close()


def test_few_completions_are_sampled_here(engine, policy) -> None:
    asked = requests(3, 2)
    assert engine._begin(asked, SAMPLING) == []
    assert dict(engine.generate(asked, SAMPLING)) == alone(policy, asked, engine.version)


def test_new_weights_reach_every_lane(engine, policy) -> None:
    asked = requests()
    before = dict(engine.generate(asked, SAMPLING))
    with torch.no_grad():
        policy.model.norm.weight.mul_(0.5)
    try:
        engine.update_weights(engine.version + 1)
        after = dict(engine.generate(asked, SAMPLING))
        assert after == alone(policy, asked, engine.version)
        assert all(after[index].completions != before[index].completions for index in (0, 1))
    finally:
        with torch.no_grad():
            policy.model.norm.weight.mul_(2.0)
        engine.update_weights(engine.version + 1)
    assert not list(Path("/dev/shm").glob("ponder-weights-*"))


@pytest.mark.parametrize("moment", ["before", "in the middle"])
def test_what_a_process_that_dies_owed_is_sampled_here(engine, policy, moment: str) -> None:
    asked = requests()
    list(engine.generate(asked, SAMPLING))
    (lane,) = engine._lanes
    groups = {}
    if moment == "before":
        lane.process.kill()
    for index, group in engine.generate(asked, SAMPLING):
        lane.process.kill()
        groups[index] = group
    assert groups == alone(policy, asked, engine.version)
    # The next call has a new process.
    assert dict(engine.generate(asked, SAMPLING)) == groups
    assert engine._lanes[0] not in (None, lane)


def test_an_abandoned_call_leaves_nothing_behind(engine, policy) -> None:
    asked = requests()
    running = engine.generate(asked, SAMPLING)
    next(running)
    with pytest.raises(PonderError, match="already generating"):
        engine.generate(asked, SAMPLING)
    running.close()
    assert dict(engine.generate(asked, SAMPLING)) == alone(policy, asked, engine.version)


def test_caps_of_single_members_hold_in_every_lane(policy) -> None:
    torch.set_num_threads(2)
    limited = LanedEngine(
        policy,
        TOKENIZER,
        lanes=2,
        num_slots=32,
        stop_at_eos=False,
        length_limits=lambda request, member: 1 + request + member,
    )
    groups = dict(limited.generate(requests(), SamplingParams(24)))
    limited.close()
    for index, group in groups.items():
        assert [len(each.token_ids) for each in group.completions] == [1 + index + m for m in range(8)]


def test_lanes_are_refused_where_one_process_samples(policy) -> None:
    class Other:
        """A network of another family."""

    with pytest.raises(RecipeError, match=r"engine\.lanes is 2"):
        make_engine(EngineConfig(lanes=2), Other(), TOKENIZER)


def test_errors_are_those_of_the_local_engine(engine, policy) -> None:
    long = RolloutRequest(Prompt(requests(1)[0].prompt.problem, (1,) * 3000), (1,))
    with pytest.raises(DataError, match="3000 tokens"):
        engine.generate([long], SAMPLING)
    good = policy.model.norm.weight.detach().clone()
    with torch.no_grad():
        policy.model.norm.weight.fill_(float("nan"))
    engine.update_weights(engine.version + 1)
    with pytest.raises(DivergenceError):
        list(engine.generate(requests(), SAMPLING))
    with torch.no_grad():
        policy.model.norm.weight.copy_(good)
    engine.update_weights(engine.version + 1)
    assert len(list(engine.generate(requests(), SAMPLING))) == 7


def test_a_lane_without_a_share_is_not_asked(policy) -> None:
    """One request of many members stays here, and the weights are sent when there is something to do."""
    torch.set_num_threads(2)
    engine = LanedEngine(policy, TOKENIZER, lanes=2, num_slots=64)
    for asked in (requests(1, 40), requests(1, 40), requests()):
        assert dict(engine.generate(asked, SAMPLING)) == alone(policy, asked)
    (lane,) = engine._lanes
    assert lane is not None
    assert lane.version == engine.version
    engine.close()
