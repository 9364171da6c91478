"""Micro-batches side by side: what comes back, in which order, and that nothing else changes."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from ponder.errors import DivergenceError
from ponder.models.architecture import ModelConfig
from ponder.models.transformer import Transformer
from ponder.training.side_by_side import SideBySide, add_to_grad, choose_workers

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def network() -> Transformer:
    return Transformer(
        ModelConfig(
            "llama", vocab_size=20, hidden_size=16, intermediate_size=24, num_layers=2, num_heads=2,
            num_kv_heads=1, head_dim=8, max_positions=64,
        )
    )  # fmt: skip


def test_results_come_in_order_from_two_threads_at_once(two_threads) -> None:
    meeting, names = threading.Barrier(2, timeout=30), set()

    def work(item: int) -> int:
        names.add(threading.current_thread().name)
        if item < 2:
            meeting.wait()  # Passes only if another item is under way.
        return item * item

    assert list(SideBySide(2).map(work, range(7))) == [n * n for n in range(7)]
    assert len(names) == 2
    assert threading.current_thread().name not in names


def test_threads_have_their_share_and_the_caller_keeps_its_own(two_threads) -> None:
    side = SideBySide(2)
    assert list(side.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == 2


def test_gradients_are_recorded_as_in_the_caller(two_threads) -> None:
    side = SideBySide(2)
    assert list(side.map(lambda _: torch.is_grad_enabled(), range(2))) == [True] * 2
    with torch.no_grad():
        assert list(side.map(lambda _: torch.is_grad_enabled(), range(2))) == [False] * 2


def test_fewer_items_than_threads_stay_in_the_caller(two_threads) -> None:
    caller = threading.current_thread().name
    assert not SideBySide(2).applies(1)
    assert list(SideBySide(2).map(lambda _: threading.current_thread().name, [0])) == [caller]
    assert list(SideBySide(1).map(lambda _: threading.current_thread().name, [0, 1])) == [caller] * 2


def test_an_error_reaches_the_caller(two_threads) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise DivergenceError("step 3")
        return item

    with pytest.raises(DivergenceError, match="step 3"):
        list(SideBySide(2).map(work, range(5)))


def test_a_gradient_shared_by_two_parameters_is_not_shared_afterwards() -> None:
    first, second = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    part = torch.ones(2)
    for _ in range(2):
        add_to_grad([first, second], [part, part])
    assert first.grad.tolist() == second.grad.tolist() == [2.0, 2.0]
    assert part.tolist() == [1.0, 1.0]
    third = nn.Parameter(torch.zeros(2))
    add_to_grad([third], [None])
    add_to_grad([third], ())
    assert third.grad is None


def test_workers_only_where_nothing_changes_by_it(two_threads) -> None:
    assert choose_workers(network(), CPU) == 2
    assert choose_workers(network(), torch.device("cuda")) == 1
    recomputed = network()
    recomputed.gradient_checkpointing = True
    assert choose_workers(recomputed, CPU) == 1
    with_dropout = network()
    with_dropout.model.layers[0].drop = nn.Dropout(0.1)
    assert choose_workers(with_dropout, CPU) == 1
    with_dropout.model.layers[0].drop = nn.Dropout(0.0)
    assert choose_workers(with_dropout, CPU) == 2


def test_large_gradients_are_not_kept_twice(two_threads, monkeypatch) -> None:
    monkeypatch.setattr("ponder.training.side_by_side._GRADIENT_BYTES", 1000)
    assert choose_workers(network(), CPU) == 1
