"""Rollouts from any network of `transformers`, over its own forward pass and its own cache.

Slower than the local engine: prompts are padded, computed once per member, and a batch is decoded to
its end before the next begins. Requests, sampling, stopping and results are the same.

Legend: R rows, T padded prompt tokens, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ponder.errors import DivergenceError, PonderError, UserError
from ponder.models.fallback import AutoPolicy
from ponder.rollout.assembly import Assembly
from ponder.rollout.requests import LengthLimits, check_requests, check_sizes, eos_tokens
from ponder.rollout.sampling import draw, hash_seeds, uniforms
from ponder.rollout.stopping import EngineTokenizer, StopRule
from ponder.rollout.weights import Freshness
from ponder.types import Finish, RolloutGroup, RolloutRequest, SamplingParams


class CausalLMEngine:
    """Samples from an `AutoPolicy`. Equal in distribution to the local engine, not bit for bit."""

    def __init__(
        self,
        policy: AutoPolicy,
        tokenizer: EngineTokenizer,
        *,
        num_slots: int = 256,
        max_prompt_tokens: int = 2048,
        length_limits: LengthLimits | None = None,
        stop_at_eos: bool = True,
    ) -> None:
        """As `LocalEngine`; `num_slots` is the batch size."""
        check_sizes(num_slots, max_prompt_tokens)
        self._policy, self._tokenizer = policy, tokenizer
        self.num_slots, self.max_prompt_tokens = num_slots, max_prompt_tokens
        self.length_limits, self.stop_at_eos = length_limits, stop_at_eos
        self._forward_names = set(inspect.signature(policy.network.forward).parameters)
        self._version = 0
        self._freshness = Freshness(policy)
        self._generating = False

    @property
    def version(self) -> int:
        """The policy version the engine samples from."""
        return self._version

    def update_weights(self, version: int) -> None:
        """Names the policy's weights `version`; they are used where they are.

        Raises PonderError while a `generate` is under way.
        """
        if self._generating:
            raise PonderError("update_weights: this engine cannot change weights while it generates")
        self._freshness = Freshness(self._policy)
        self._version = version

    def generate(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        """As `LocalEngine.generate`, with the same errors."""
        check_requests(requests, sampling, self.max_prompt_tokens)
        self._freshness.check()
        return self._run(requests, sampling)

    def _run(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        if self._generating:
            raise PonderError("this engine is already generating; finish or close that iterator first")
        eos_ids = eos_tokens(self._tokenizer, self._policy.config)
        vocab_size = self._policy.config.vocab_size
        stop = StopRule(sampling, self._tokenizer, vocab_size, eos_ids if self.stop_at_eos else ())
        records = (sampling, self._tokenizer, eos_ids, self.num_slots, self._version)
        assembly = Assembly(requests, *records)
        members = [
            (index, member) for index, request in enumerate(requests) for member in range(len(request.seeds))
        ]
        self._generating = True
        try:
            for start in range(0, len(members), self.num_slots):
                batch = _Batch(
                    self, requests, members[start : start + self.num_slots], sampling, stop, assembly
                )
                while batch.rows:
                    self._freshness.check()
                    batch.step()
                    yield from assembly.take_finished()
        finally:
            self._generating = False

    def forward(
        self, ids_RT: Tensor, mask_RT: Tensor, positions_RT: Tensor, cache: Any
    ) -> tuple[Tensor, Any]:
        """(float32 logits (R, V) of the last position, the network's cache)."""
        named: dict[str, Any] = {"input_ids": ids_RT, "attention_mask": mask_RT, "use_cache": True}
        if cache is not None:
            named["past_key_values"] = cache
        if "position_ids" in self._forward_names:
            named["position_ids"] = positions_RT
        if "logits_to_keep" in self._forward_names:
            named["logits_to_keep"] = 1
        output = self._policy.network(**named)
        if getattr(output, "past_key_values", None) is None:
            raise UserError(
                f"model family {self._policy.config.family!r} returns no past_key_values, "
                "so it cannot be decoded token by token here"
            )
        return output.logits[:, -1].float(), output.past_key_values


class _Batch:
    """Members decoded together, left-padded; a row that ends stays in the batch and is drawn for nobody."""

    def __init__(
        self,
        engine: CausalLMEngine,
        requests: Sequence[RolloutRequest],
        members: Sequence[tuple[int, int]],
        sampling: SamplingParams,
        stop: StopRule,
        assembly: Assembly,
    ) -> None:
        self._engine, self._sampling, self._stop, self._assembly = engine, sampling, stop, assembly
        prompts = [requests[index].prompt.token_ids for index, _ in members]
        longest = max(map(len, prompts))
        device = next(engine._policy.network.parameters()).device
        pads = [longest - len(prompt) for prompt in prompts]
        # A padded position repeats a real token and is masked: no pad token is needed.
        ids = [[prompt[0]] * pad + list(prompt) for prompt, pad in zip(prompts, pads, strict=True)]
        self._ids_RT = torch.tensor(ids, device=device)
        self._mask_RT = (
            torch.arange(longest, device=device) >= torch.tensor(pads, device=device)[:, None]
        ).long()
        self._positions_RT = (self._mask_RT.cumsum(-1) - 1).clamp_(min=0)
        self._cache: Any = None
        seeds = [requests[index].seeds[member] for index, member in members]
        self._states = hash_seeds(np.array(seeds, dtype=np.uint64))
        self._records = np.array([assembly.open_record(index, member) for index, member in members])
        limits = engine.length_limits
        self._limits = np.array(
            [
                max(1, min(sampling.max_new_tokens, limits(*member))) if limits else sampling.max_new_tokens
                for member in members
            ]
        )
        self._count = 0
        self.rows = list(range(len(members)))

    @torch.inference_mode()
    def step(self) -> None:
        """Draws one token for every row and closes the records of those that end."""
        logits_RV, self._cache = self._engine.forward(
            self._ids_RT, self._mask_RT, self._positions_RT, self._cache
        )
        counts = np.full(len(self._states), self._count, dtype=np.int64)
        uniforms_R = torch.from_numpy(uniforms(self._states, counts)).to(logits_RV.device)
        tokens_R, logprobs_R = draw(logits_RV, uniforms_R, self._sampling)
        self._ids_RT = tokens_R.unsqueeze(1)
        self._mask_RT = torch.cat((self._mask_RT, torch.ones_like(self._mask_RT[:, :1])), 1)
        self._positions_RT = self._positions_RT[:, -1:] + 1
        tokens, logprobs = tokens_R.cpu().numpy()[self.rows], logprobs_R.cpu().numpy()[self.rows]
        if not np.isfinite(logprobs).all():
            raise DivergenceError(f"policy version {self._engine.version} gives logits that are not finite")
        self._assembly.append(self._records[self.rows], counts[self.rows], tokens, logprobs)
        self._count += 1
        self.rows = [
            row for row, token in zip(self.rows, tokens.tolist(), strict=True) if not self._ends(row, token)
        ]

    def _ends(self, row: int, token: int) -> bool:
        record = int(self._records[row])
        stopped = bool(self._stop.stop_tokens_V[token])
        if not stopped and self._stop.may_end_string_V[token]:
            stopped = self._stop.ends_string(self._assembly.tokens_of(record, self._count))
        if not stopped and self._count < self._limits[row]:
            return False
        self._assembly.close_record(record, self._count, Finish.STOP if stopped else Finish.LENGTH)
        return True
