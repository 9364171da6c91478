"""What surrounds the CUDA graphs, without a device: rounded sizes, and replay from fixed memory."""

from __future__ import annotations

import pytest
import torch

from ponder.rollout import LocalEngine
from ponder.rollout.graphs import GraphedNetwork, _copy
from ponder.rollout.rows import Rounding
from ponder.types import SamplingParams


class Recorded:
    """Stands for a captured graph: replaying reads and writes only the memory it was recorded with."""

    def __init__(self, network, static, result) -> None:
        self._network, self._static, self._result = network, static, result

    def replay(self) -> None:
        self._result.copy_(self._network.decode(self._static))


class RecordedNetwork(GraphedNetwork):
    captures = 0

    def _capture(self, plan):
        self.captures += 1
        static = _copy(plan)
        result = self._network.decode(static).clone()
        return Recorded(self._network, static, result), static, result


@pytest.mark.parametrize(("family", "changes"), [("qwen2", {}), ("mistral", {"windows": (12, 12, 12)})])
def test_replayed_steps_of_rounded_sizes_give_the_same_completions(
    family, changes, make_policy, tokenizer, make_requests
) -> None:
    policy, requests = make_policy(family, **changes), make_requests(7, 5)
    plain = dict(LocalEngine(policy, tokenizer, num_slots=24).generate(requests, SamplingParams(40)))
    engine = LocalEngine(policy, tokenizer, num_slots=24)
    engine._rounding = Rounding(powers=True)
    engine._graphs = RecordedNetwork(engine._network)
    steps = 0
    original = engine._graphs.decode

    def counted(plan):
        nonlocal steps
        steps += 1
        return original(plan)

    engine._graphs.decode = counted
    replayed = dict(engine.generate(requests, SamplingParams(40)))
    for index, group in plain.items():
        for one, two in zip(group.completions, replayed[index].completions, strict=True):
            assert one.token_ids == two.token_ids
            assert torch.allclose(
                torch.tensor(one.sampler_logprobs), torch.tensor(two.sampler_logprobs), atol=1e-5
            )
    assert engine._graphs.captures < steps / 2


def test_powers_of_two_make_few_shapes() -> None:
    rounding = Rounding(powers=True)
    assert [rounding.rows(n, 256) for n in (1, 8, 9, 40, 200, 256)] == [8, 8, 16, 64, 256, 256]
    assert [rounding.keys(n, 400) for n in (1, 17, 100, 300)] == [16, 32, 128, 400]
    fine = Rounding()
    assert [fine.rows(n, 256) for n in (1, 9, 250)] == [8, 16, 256]
