"""The first step by hand, clipping by the whole norm, and the step that is refused."""

import math

import pytest
import torch
from torch import nn

from ponder.config import OptimizerConfig
from ponder.errors import DivergenceError
from ponder.training.optimizer import Optimizer


def adam(parameter: nn.Parameter, **options: object) -> Optimizer:
    return Optimizer([("w", parameter)], OptimizerConfig(**options))


def test_first_step_by_hand():
    """AdamW's first step moves each weight by lr * g / (|g| + eps), after the decay lr * wd * w."""
    weight = nn.Parameter(torch.tensor([[1.0, -2.0]]))
    optimizer = adam(weight, lr=0.1, weight_decay=0.5, clip_norm=None, eps=1e-8)
    weight.grad = torch.tensor([[3.0, -4.0]])
    report = optimizer.step(0, 1)
    assert report.grad_norm == pytest.approx(5.0)
    assert weight.detach().tolist()[0] == pytest.approx([1.0 - 0.05 - 0.1, -2.0 + 0.1 + 0.1])
    assert weight.grad is None


def test_the_step_number_picks_the_learning_rate():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = adam(weight, lr=0.2, schedule="linear", final_frac=0.5)
    weight.grad = torch.tensor([1.0])
    assert optimizer.step(2, 3).lr == pytest.approx(0.1)
    assert weight.item() == pytest.approx(-0.1)


def test_vectors_do_not_decay():
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = adam(weight, lr=0.1, weight_decay=0.5)
    weight.grad = torch.tensor([0.0])
    optimizer.step(0, 1)
    assert weight.item() == 1.0


def test_clipping_scales_the_whole_gradient():
    """With the gradient clipped to norm 1, Adam's moments see 0.6 and 0.8, not 3 and 4."""
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = Optimizer([("a", first), ("b", second)], OptimizerConfig(lr=0.1, clip_norm=1.0))
    first.grad, second.grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert optimizer.step(0, 1).grad_norm == pytest.approx(5.0)
    moments = [entry["exp_avg"].item() for entry in optimizer.state_dict()["adamw"]["state"].values()]
    assert moments == pytest.approx([0.06, 0.08], rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradient_that_is_no_number_changes_nothing(bad: float):
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = adam(weight, lr=0.1)
    weight.grad = torch.tensor([1.0, bad])
    with pytest.raises(DivergenceError, match="step 7"):
        optimizer.step(7, 10)
    assert weight.tolist() == [1.0, 2.0]
    assert optimizer.state_dict()["adamw"]["state"] == {}
    assert weight.grad is None


def test_state_restored_continues_bit_for_bit():
    def run(steps: range, weight: nn.Parameter, optimizer: Optimizer) -> None:
        for step in steps:
            weight.grad = torch.sin(weight.detach() * (step + 1))
            optimizer.step(step, 10)

    straight = nn.Parameter(torch.linspace(-1, 1, 12).reshape(3, 4))
    resumed = nn.Parameter(straight.detach().clone())
    optimizer = adam(straight, lr=0.05, schedule="cosine")
    run(range(10), straight, optimizer)
    first = adam(resumed, lr=0.05, schedule="cosine")
    run(range(4), resumed, first)
    second = adam(resumed, lr=0.05, schedule="cosine")
    second.load_state_dict(first.state_dict())
    run(range(4, 10), resumed, second)
    assert torch.equal(straight, resumed)
