"""Several processes that sample side by side, each with its share of the processor's cores.

A small network's step is too small to be shared out among threads product by product, and threads of one
process wait for the interpreter's lock between products. So half of the prompts (a third, a quarter) go
to a process of their own, with its own copy of the weights.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch

from ponder.errors import PonderError
from ponder.grading.worker_process import WorkerProcess
from ponder.models.folder import export_tensors
from ponder.models.transformer import Transformer
from ponder.models.weights import write_file
from ponder.rollout.engine import LocalEngine
from ponder.rollout.requests import LengthLimits, check_requests
from ponder.rollout.stopping import EngineTokenizer
from ponder.types import RolloutGroup, RolloutRequest, SamplingParams

READY = "ready"
"""What another process says when it has imported what it needs."""
MIN_COMPLETIONS = 32
"""Fewer are sampled here alone: they are not worth the telling."""


@dataclass(slots=True, eq=False)
class _Lane:
    """A process, and what it still owes of the running call."""

    process: WorkerProcess
    started: bool = False
    version: int = -1
    weights: str | None = None
    """A file that it was told to read and may not have read yet."""
    owed: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """What another process needs of a request."""

    index: int
    token_ids: tuple[int, ...]
    seeds: tuple[int, ...]
    limits: tuple[int, ...] | None
    """Per member: most new tokens."""


class LanedEngine:
    """A `LocalEngine` here and one in each of `lanes - 1` other processes; requests go round in turn.

    What a completion is does not depend on where it is sampled: its bits are those of a `LocalEngine`
    with as many threads as a lane has. The order in which groups finish does. New weights reach the
    other processes with the next call. A process that dies is replaced with the next call, and what it
    owed is sampled here.
    """

    def __init__(
        self,
        policy: Transformer,
        tokenizer: EngineTokenizer,
        *,
        lanes: int,
        num_slots: int = 256,
        max_prompt_tokens: int = 2048,
        length_limits: LengthLimits | None = None,
        **options: Any,
    ) -> None:
        """Everything but `lanes` is as in `LocalEngine`."""
        self._policy = policy
        self._length_limits = length_limits
        self._lane_threads = max(1, torch.get_num_threads() // lanes)
        self._share = -(-num_slots // lanes)
        self._arguments = (tokenizer, self._share, max_prompt_tokens, self._lane_threads, options)
        self._lanes: list[_Lane | None] = [None] * (lanes - 1)
        self._start()
        with _Threads(self._lane_threads):
            self._own = LocalEngine(
                policy, tokenizer, num_slots=self._share, max_prompt_tokens=max_prompt_tokens, **options
            )
        self._running = False

    @property
    def version(self) -> int:
        """The policy version the engine samples from."""
        return self._own.version

    @property
    def num_lanes(self) -> int:
        return 1 + len(self._lanes)

    def update_weights(self, version: int) -> None:
        """Takes the policy's weights as they are now and calls them `version`."""
        self._own.update_weights(version)

    def wait_until_ready(self, timeout_s: float = 120.0) -> bool:
        """Waits until each other process has started; False if one ends before, or the time is up."""
        deadline = time.monotonic() + timeout_s
        for lane in self._lanes:
            if lane is None:
                return False
            if not lane.started:
                try:
                    # Nothing else is said before the first call, and the call reads this word itself.
                    if not lane.process.connection.poll(max(0.0, deadline - time.monotonic())):
                        return False
                    lane.started = lane.process.connection.recv() == READY
                except (OSError, EOFError):
                    self._discard(lane)
                    return False
        return True

    def close(self) -> None:
        """Ends the other processes; the next call of `generate` starts them again."""
        for lane in self._lanes:
            if lane is not None:
                self._discard(lane)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def generate(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        """As `LocalEngine.generate`."""
        if self._running:
            raise PonderError("this engine is already generating; finish or close that iterator first")
        check_requests(requests, sampling, self._own.max_prompt_tokens)
        # Errors of the call itself are raised here and now, as the local engine does.
        self._own.generate(requests[:1], sampling)
        return self._run(requests, sampling) if requests else iter(())

    def _run(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        self._running = True
        try:
            lanes = self._begin(requests, sampling)
            away = {index for lane in lanes for index in lane.owed}
            here = [index for index in range(len(requests)) if index not in away]
            yield from self._here(here, requests, sampling, lanes)
            while any(lane.owed for lane in lanes):
                yield from self._arrived(lanes, requests)
                yield from self._here(self._lost(lanes), requests, sampling, lanes)
                waited_for = [lane for lane in lanes if lane.owed and lane in self._lanes]
                if open_channels := [lane.process.connection for lane in waited_for]:
                    wait(open_channels)
        finally:
            self._running = False
            for lane in self._lanes:
                if lane is not None and lane.owed:
                    self._discard(lane)

    def _here(
        self,
        indices: Sequence[int],
        requests: Sequence[RolloutRequest],
        sampling: SamplingParams,
        lanes: Sequence[_Lane],
    ) -> Iterator[tuple[int, RolloutGroup]]:
        """Samples these requests in this process; between, passes on what the others have finished."""
        limits = self._length_limits
        self._own.length_limits = limits and (lambda place, member: limits(indices[place], member))
        threads = _Threads(self._lane_threads)
        groups = self._own.generate([requests[index] for index in indices], sampling)
        while True:
            # Only while this lane steps: whoever takes the groups has all threads.
            with threads:
                place, group = next(groups, (-1, None))
            if group is None:
                return
            yield indices[place], group
            yield from self._arrived(lanes, requests)

    def _begin(self, requests: Sequence[RolloutRequest], sampling: SamplingParams) -> list[_Lane]:
        """Sends every lane its share of the requests, and the weights where they are new."""
        if not self._lanes or sum(len(request.seeds) for request in requests) < MIN_COMPLETIONS:
            return []
        self._start()
        lanes = [lane for lane in self._lanes if lane is not None]
        for number, lane in enumerate(lanes, start=1):
            share = range(number, len(requests), self.num_lanes)
            if not share:
                continue
            lane.owed = set(share)
            if lane.version != self.version:
                lane.version, lane.weights = self.version, self._write_weights()
            # A process that is gone is noticed when it should answer.
            with contextlib.suppress(OSError):
                lane.process.connection.send(
                    (lane.version, lane.weights, [self._slim(i, requests[i]) for i in share], sampling)
                )
        return lanes

    def _slim(self, index: int, request: RolloutRequest) -> LaneRequest:
        limits = self._length_limits
        own = limits and tuple(limits(index, member) for member in range(len(request.seeds)))
        return LaneRequest(index, request.prompt.token_ids, request.seeds, own)

    def _arrived(
        self, lanes: Sequence[_Lane], requests: Sequence[RolloutRequest]
    ) -> Iterator[tuple[int, RolloutGroup]]:
        """The groups that other processes have finished by now."""
        for lane in lanes:
            if lane not in self._lanes:
                continue
            try:
                while lane.owed and lane.process.connection.poll():
                    answer = lane.process.connection.recv()
                    if answer == READY:
                        lane.started = True
                        continue
                    if isinstance(answer, PonderError):
                        raise answer
                    lane.weights = None
                    index, completions = answer
                    lane.owed.remove(index)
                    yield index, RolloutGroup(requests[index].prompt, completions)
            except (OSError, EOFError):
                self._discard(lane)

    def _lost(self, lanes: Sequence[_Lane]) -> list[int]:
        """What processes that are gone owed; nobody owes it any more."""
        lost = [lane for lane in lanes if lane not in self._lanes]
        indices = sorted(itertools.chain.from_iterable(lane.owed for lane in lost))
        for lane in lost:
            lane.owed = set()
        return indices

    def _discard(self, lane: _Lane) -> None:
        lane.process.close()
        if lane.weights is not None:
            Path(lane.weights).unlink(missing_ok=True)
        self._lanes[self._lanes.index(lane)] = None

    def _start(self) -> None:
        """Starts the processes that are missing, those that died owing nothing among them."""
        for place, lane in enumerate(self._lanes):
            if lane is not None and lane.process.exit_status(0.0) is not None:
                self._discard(lane)
            if self._lanes[place] is None:
                arguments = (self._policy.config, self._policy.compute_dtype, *self._arguments)
                self._lanes[place] = _Lane(WorkerProcess("ponder.rollout.lane_child:serve", arguments))

    def _write_weights(self) -> str:
        """The weights as a file, in memory where the system has files there; who reads it removes it."""
        folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        descriptor, name = tempfile.mkstemp(prefix="ponder-weights-", dir=folder)
        os.close(descriptor)
        write_file(dict(export_tensors(self._policy)), Path(name))
        return name


class _Threads:
    """A number of torch's threads, for a while."""

    def __init__(self, count: int) -> None:
        self._count, self._before = count, count

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(self._count)

    def __exit__(self, *error: object) -> None:
        torch.set_num_threads(self._before)
