"""Micro-batches that are computed side by side, each by a thread of its own.

Two threads that share every product wait for each other after each of them, and have the small operations
between the products to themselves in turn. Two micro-batches at once, one thread each, have nothing to
wait for. torch lets go of the interpreter's lock while it computes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor, nn

from ponder.models.policy import Policy
from ponder.models.transformer import Transformer

T = TypeVar("T")
R = TypeVar("R")

_MOST = 4
_GRADIENT_BYTES = 128 << 20
"""Each micro-batch under way has a gradient of its own, before they are added."""


def choose_workers(policy: Policy, device: torch.device) -> int:
    """How many micro-batches to compute at once: as many as there are threads, at most four.

    One where that would cost more than it gives or change what is computed: on an accelerator, with large
    gradients, with dropout (its draws come from one generator), with recomputed layers, and for networks
    of other libraries.
    """
    if device.type != "cpu" or not isinstance(policy, Transformer) or policy.gradient_checkpointing:
        return 1
    if any(isinstance(module, nn.Dropout) and module.p > 0 for module in policy.modules()):
        return 1
    trained = sum(p.numel() * p.element_size() for p in policy.parameters() if p.requires_grad)
    return min(torch.get_num_threads(), _MOST) if trained <= _GRADIENT_BYTES else 1


class SideBySide:
    """Runs a function on several micro-batches at once; results come in the order of the micro-batches."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ThreadPoolExecutor | None = None

    def applies(self, count: int) -> bool:
        """Whether `count` micro-batches run side by side: not if some threads would have nothing to do."""
        return self.workers > 1 and count >= self.workers

    def map(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """`work` of every item. Gradients are recorded as where the call was made."""
        if not self.applies(len(items)):
            yield from map(work, items)
            return
        recording = torch.is_grad_enabled()

        def run(item: T) -> R:
            with torch.set_grad_enabled(recording):
                return work(item)

        pool, running = self._started(), deque[Future[R]]()
        for item in items:
            running.append(pool.submit(run, item))
            # Results that wait for an earlier one hold memory.
            if len(running) > self.workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def _started(self) -> ThreadPoolExecutor:
        """The threads, each with its share of torch's own."""
        if self._pool is None:
            threads = torch.get_num_threads()
            self._pool = ThreadPoolExecutor(
                self.workers, "micro-batch", torch.set_num_threads, (max(1, threads // self.workers),)
            )
            meeting = Barrier(self.workers)

            def settle() -> int:
                # Nobody is done before all have started: else the first would do the others' settling.
                meeting.wait()
                # torch gives a thread the process's count at its first use, over what it was set to.
                return torch.get_num_threads()

            for future in [self._pool.submit(settle) for _ in range(self.workers)]:
                future.result()
            # Setting a thread's count has set the process's, too.
            torch.set_num_threads(threads)
        return self._pool


def add_to_grad(parameters: Sequence[nn.Parameter], gradient: Sequence[Tensor | None]) -> None:
    """Adds what `torch.autograd.grad` gave to the parameters' `.grad`."""
    for parameter, part in zip(parameters, gradient, strict=bool(gradient)):
        if part is None:
            continue
        if parameter.grad is None:
            # Not the part itself: autograd may give one tensor to two parameters.
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad += part
