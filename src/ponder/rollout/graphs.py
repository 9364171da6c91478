"""CUDA graphs of the decoding step: one per combination of (rounded) sizes, replayed without Python."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from ponder.rollout.attention import StepShape
from ponder.rollout.network import Network, StepPlan

_MAX_GRAPHS = 48


class GraphedNetwork:
    """`Network.decode` by replay. Plans must come rounded to powers of two, or few are ever replayed."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._graphs: OrderedDict[StepShape, tuple[torch.cuda.CUDAGraph, StepPlan, Tensor]] = OrderedDict()
        self._pool: Any = None

    def forget(self) -> None:
        """Drops all graphs; needed when a buffer or a weight has moved to another address."""
        self._graphs.clear()
        self._pool = None

    def decode(self, plan: StepPlan) -> Tensor:
        """As `Network.decode`; the result is overwritten by the next call."""
        key = plan.shape
        if key not in self._graphs:
            self._graphs[key] = self._capture(plan)
            if len(self._graphs) > _MAX_GRAPHS:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(key)
        graph, static, hidden_RD = self._graphs[key]
        for target, source in zip(_tensors(static), _tensors(plan), strict=True):
            target.copy_(source)
        graph.replay()
        return hidden_RD

    def _capture(self, plan: StepPlan) -> tuple[torch.cuda.CUDAGraph, StepPlan, Tensor]:
        static = _copy(plan)
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            # Writes the same keys as the replay that follows, so running it twice changes nothing.
            self._network.decode(static)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            hidden_RD = self._network.decode(static)
        self._pool = graph.pool()
        return graph, static, hidden_RD


def _tensors(plan: StepPlan) -> list[Tensor]:
    """Every tensor of a plan, in a fixed order."""
    masks = (plan.own_masks, plan.prompt_masks)
    return [
        *(plan.tokens_R, plan.positions_R, plan.write_RK, plan.seat_rows, plan.row_seats),
        *(mask[window] for mask in masks for window in sorted(mask, key=str)),
    ]


def _copy(plan: StepPlan) -> StepPlan:
    return StepPlan(
        shape=plan.shape,
        tokens_R=plan.tokens_R.clone(),
        positions_R=plan.positions_R.clone(),
        write_RK=plan.write_RK.clone(),
        own_masks={window: mask.clone() for window, mask in plan.own_masks.items()},
        seat_rows=plan.seat_rows.clone(),
        row_seats=plan.row_seats.clone(),
        prompt_masks={window: mask.clone() for window, mask in plan.prompt_masks.items()},
    )
