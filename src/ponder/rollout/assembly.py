"""What has been drawn so far, and its assembly into completions and groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ponder.rollout.stopping import EngineTokenizer
from ponder.types import Completion, Finish, RolloutGroup, RolloutRequest, SamplingParams


class Assembly:
    """Records of the active completions, reused when one is closed, and the groups they add up to."""

    def __init__(
        self,
        requests: Sequence[RolloutRequest],
        sampling: SamplingParams,
        tokenizer: EngineTokenizer,
        eos_ids: Iterable[int],
        num_records: int,
        version: int,
    ) -> None:
        self._requests, self._tokenizer, self._version = requests, tokenizer, version
        self._eos_ids = frozenset(eos_ids)
        shape = (num_records, sampling.max_new_tokens)
        self._tokens: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
        self._logprobs: NDArray[np.float32] = np.zeros(shape, dtype=np.float32)
        self._lengths: NDArray[np.int64] = np.zeros(num_records, dtype=np.int64)
        self._free = list(range(num_records - 1, -1, -1))
        self._owner: dict[int, tuple[int, int]] = {}
        self._segments: dict[int, list[tuple[int, int]]] = {}
        self._groups: dict[int, list[Completion | None]] = {}
        self._missing: dict[int, int] = {}
        self._finished: list[int] = []

    def open_record(self, request: int, member: int) -> int:
        """A record for one completion's tokens."""
        record = self._free.pop()
        self._owner[record] = (request, member)
        self._lengths[record] = 0
        self._segments[record] = []
        if request not in self._groups:
            size = len(self._requests[request].seeds)
            self._groups[request], self._missing[request] = [None] * size, size
        return record

    def append(
        self,
        records: NDArray[np.int64],
        indices: NDArray[np.int64],
        tokens: NDArray[np.int64],
        logprobs: NDArray[np.float32],
    ) -> None:
        """Writes one token for each record at its index."""
        self._tokens[records, indices] = tokens
        self._logprobs[records, indices] = logprobs
        self._lengths[records] = indices + 1

    def tokens_of(self, record: int, count: int) -> list[int]:
        """The first `count` tokens of a record."""
        tokens: list[int] = self._tokens[record, :count].tolist()
        return tokens

    def new_version(self, version: int) -> None:
        """What is drawn from now on belongs to another version of the policy."""
        for record in self._owner:
            self._close_segment(record, int(self._lengths[record]))
        self._version = version

    def _close_segment(self, record: int, count: int) -> None:
        segments = self._segments[record]
        drawn = count - sum(number for _, number in segments)
        if drawn:
            segments.append((self._version, drawn))

    def close_record(self, record: int, count: int, finish: Finish) -> None:
        """Turns a record into a completion."""
        self._close_segment(record, count)
        token_ids = self.tokens_of(record, count)
        body = token_ids[:-1] if token_ids[-1] in self._eos_ids else token_ids
        completion = Completion(
            token_ids=tuple(token_ids),
            loss_mask=(True,) * count,
            sampler_logprobs=tuple(self._logprobs[record, :count].tolist()),
            text=self._tokenizer.decode(body),
            finish=finish,
            versions=tuple(self._segments.pop(record)),
        )
        request, member = self._owner.pop(record)
        self._groups[request][member] = completion
        self._missing[request] -= 1
        if self._missing[request] == 0:
            self._finished.append(request)
        self._free.append(record)

    def take_finished(self) -> list[tuple[int, RolloutGroup]]:
        """(index of the request, group) of groups that became complete since the last call."""
        finished, self._finished = self._finished, []
        return [(index, self._group(index)) for index in finished]

    def _group(self, index: int) -> RolloutGroup:
        completions = tuple(completion for completion in self._groups.pop(index) if completion is not None)
        return RolloutGroup(self._requests[index].prompt, completions)
