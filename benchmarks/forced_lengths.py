"""The stopping rule that gives `transformers` a list of completion lengths.

`generate`: a row's end-of-sequence token is out of reach until its last place and certain there, so that
rows end, and are padded from then on, as rows that end by themselves. Continuous batching: each request
has its own cap and no stop token.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.generation.continuous_batching import ContinuousBatchingManager


class EndsAt(LogitsProcessor):  # type: ignore[misc]
    """Rows end where `lengths` says. Costs a column of the scores per step, a row where one ends."""

    def __init__(self, lengths: tuple[int, ...], eos_id: int, prompt_tokens: int) -> None:
        self._eos_id, self._prompt_tokens = eos_id, prompt_tokens
        self._ending: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            self._ending.setdefault(length, []).append(row)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores[:, self._eos_id] = -torch.inf
        rows = self._ending.get(input_ids.shape[1] - self._prompt_tokens + 1)
        if rows:
            scores[rows] = -torch.inf
            scores[rows, self._eos_id] = 0.0
        return scores


class ForcedLengths:
    """Puts the rule into a model's `generate` and `generate_batch`, and adds up their seconds."""

    def __init__(self, model: Any, eos_id: int, lengths: Callable[[], tuple[int, ...]]) -> None:
        """`lengths` is asked at each call for those of the rows, in order."""
        self._eos_id, self._lengths = eos_id, lengths
        self.seconds = 0.0
        model.generate = functools.partial(self._generate, model.generate)
        model.generate_batch = functools.partial(self._generate_batch, model.generate_batch)

    def take_seconds(self) -> float:
        """Seconds spent since the last call."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds

    def _generate(self, plain: Callable[..., Any], **inputs: Any) -> Any:
        rule = EndsAt(self._lengths(), self._eos_id, inputs["input_ids"].shape[1])
        start = time.perf_counter()
        result = plain(**inputs, logits_processor=LogitsProcessorList([rule]))
        _settle(inputs["input_ids"])
        self.seconds += time.perf_counter() - start
        return result

    def _generate_batch(self, plain: Callable[..., Any], inputs: list[list[int]], **options: Any) -> Any:
        lengths, add_request = self._lengths(), ContinuousBatchingManager.add_request

        def add(manager: Any, *, request_id: str, **request: Any) -> Any:
            # Requests are named req_N in the order of the inputs, and may be added in another.
            place = int(request_id.rpartition("_")[2]) % len(inputs)
            request |= {"max_new_tokens": lengths[place], "eos_token_id": -1}
            return add_request(manager, request_id=request_id, **request)

        start = time.perf_counter()
        ContinuousBatchingManager.add_request = add
        try:
            result = plain(inputs, **options)
        finally:
            ContinuousBatchingManager.add_request = add_request
        self.seconds += time.perf_counter() - start
        if len(result) != len(inputs):
            raise RuntimeError(f"continuous batching finished {len(result)} of {len(inputs)} requests")
        return result


def _settle(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize()
