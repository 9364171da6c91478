"""The local engine: token ids in, completions out, continuous batching over fixed slots.

Legend: R rows, A prompts, D width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.errors import DivergenceError, PonderError
from ponder.models.transformer import Transformer
from ponder.rollout.assembly import Assembly
from ponder.rollout.cache import KVCache, round_up
from ponder.rollout.graphs import GraphedNetwork
from ponder.rollout.network import Network, PromptRun
from ponder.rollout.requests import LengthLimits, check_requests, check_sizes, eos_tokens
from ponder.rollout.rows import ROW_STEP, Place, Rounding, Rows
from ponder.rollout.sampling import draw, hash_seeds, uniforms
from ponder.rollout.stability import rows_are_stable
from ponder.rollout.stopping import EngineTokenizer, StopRule
from ponder.rollout.weights import FusedWeights
from ponder.types import Finish, RolloutGroup, RolloutRequest, SamplingParams

_PREFILL_TOKENS = 2048
"""Prompt tokens that go through the network at once; a longer prompt goes alone."""


class LocalEngine:
    """Samples from a policy in this process.

    A group's prompt is computed once and its keys are shared by the members. Finished rows leave at
    the next step, and waiting completions enter in order of issue as soon as an eighth of the slots is
    free. With `deterministic` on a CPU a completion's tokens and log-probabilities are the same bits
    whatever else is in the batch: row counts, sums over keys and prompts are cut so that a row's
    arithmetic does not depend on its company. `rows_are_stable` measures whether this machine's matrix
    products allow that at every batch size; where they do not, every step computes all slots and
    prompts are computed one by one.
    """

    def __init__(
        self,
        policy: Transformer,
        tokenizer: EngineTokenizer,
        *,
        num_slots: int = 256,
        max_prompt_tokens: int = 2048,
        deterministic: bool = True,
        dtype: torch.dtype | None = None,
        length_limits: LengthLimits | None = None,
        stop_at_eos: bool = True,
        cuda_graphs: bool = True,
    ) -> None:
        """`dtype`: of weights and cache, the policy's compute dtype if None; the head stays float32.

        `length_limits` caps members one by one, below `max_new_tokens`. `stop_at_eos=False` leaves
        only the stop tokens named in the call; with both, lengths can be forced.
        """
        check_sizes(num_slots, max_prompt_tokens)
        self._tokenizer = tokenizer
        self.num_slots = round_up(num_slots, ROW_STEP)
        self.max_prompt_tokens = max_prompt_tokens
        self.length_limits, self.stop_at_eos = length_limits, stop_at_eos
        self._version = 0
        dtype = dtype or policy.compute_dtype
        # Sampling needs no double precision; a float64 network is there for its gradients.
        dtype = torch.float32 if dtype == torch.float64 else dtype
        row_step = ROW_STEP
        for packed in (True, False):
            self._weights = FusedWeights(policy, dtype, packed)
            if not deterministic or self._weights.device.type == "cuda" or self._rows_are_stable():
                break
        else:
            row_step = self.num_slots
        self._cache = KVCache(policy.config, self.num_slots, self._weights.dtype, self._weights.device)
        on_cuda = self._weights.device.type == "cuda"
        self._network = Network(self._weights, self._cache, stable=deterministic and not on_cuda)
        self._graphs = GraphedNetwork(self._network) if on_cuda and cuda_graphs else None
        self._rounding = Rounding(row_step, powers=self._graphs is not None)
        self._call: _Call | None = None

    def _rows_are_stable(self) -> bool:
        layers = self._weights.layers
        products = [part for layer in layers for part in (layer.qkv, layer.output, layer.gate_up, layer.down)]
        return rows_are_stable([*products, self._weights.head], self.num_slots, ROW_STEP)

    @property
    def version(self) -> int:
        """The policy version the engine samples from."""
        return self._version

    @property
    def steps_all_slots(self) -> bool:
        """Whether every step computes all slots, because this machine's products need it."""
        return self._rounding.row_step == self.num_slots > ROW_STEP

    def update_weights(self, version: int) -> None:
        """Takes the policy's weights as they are now and calls them `version`.

        Between two groups of a running `generate` this is allowed: active completions go on with the
        new weights over the keys of the old ones, and `Completion.versions` says where they changed.
        """
        if self._call is not None:
            self._call.assembly.new_version(version)
        self._weights.refresh()
        self._version = version
        if self._graphs is not None:
            self._graphs.forget()

    def generate(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        """Yields (index of the request, its group) as groups finish; every request exactly once.

        Raises DataError for a prompt that is empty or too long and a request without seeds, UserError
        for stop tokens the model does not have, StaleWeightsError when the policy changed without
        `update_weights`, DivergenceError when the network's logits are not finite. One call at a time.
        """
        if self._call is not None:
            raise PonderError("this engine is already generating; finish or close that iterator first")
        check_requests(requests, sampling, self.max_prompt_tokens)
        self._weights.check_fresh()
        if not requests:
            return iter(())
        return self._run(requests, sampling)

    def _run(
        self, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> Iterator[tuple[int, RolloutGroup]]:
        if self._call is not None:
            raise PonderError("this engine is already generating; finish or close that iterator first")
        self._weights.check_fresh()
        call = self._call = _Call(self, requests, sampling)
        try:
            while call.unfinished:
                call.advance()
                for index, group in call.assembly.take_finished():
                    yield index, group
                    self._weights.check_fresh()
        finally:
            self._call = None


class _Call:
    """One running `generate`."""

    def __init__(
        self, engine: LocalEngine, requests: Sequence[RolloutRequest], sampling: SamplingParams
    ) -> None:
        self._engine, self._network = engine, engine._network
        self._requests, self._sampling = requests, sampling
        config = engine._weights.config
        eos_ids = eos_tokens(engine._tokenizer, config)
        self._stop = StopRule(
            sampling, engine._tokenizer, config.vocab_size, eos_ids if engine.stop_at_eos else ()
        )
        longest = max(len(request.prompt.token_ids) for request in requests)
        num_places = min(len(requests), engine.num_slots + 1)
        moved = self._network.reserve(sampling.max_new_tokens, longest, num_places)
        if moved and engine._graphs is not None:
            engine._graphs.forget()
        windows = {layer.window for layer in engine._weights.layers}
        self._rows = Rows(engine._cache, windows, config.num_kv_heads, engine._rounding)
        self._waiting = deque(
            (index, member) for index, request in enumerate(requests) for member in range(len(request.seeds))
        )
        self._open: dict[int, tuple[Place, Tensor]] = {}
        self.assembly = Assembly(
            requests, sampling, engine._tokenizer, eos_ids, engine.num_slots, engine.version
        )

    @property
    def unfinished(self) -> bool:
        return bool(self._waiting) or self._rows.num_alive > 0

    @torch.inference_mode()
    def advance(self) -> None:
        """Lets waiting completions in, or computes one token of every active row."""
        slots, active = self._engine.num_slots, self._rows.num_alive
        wave = min(len(self._waiting), max(slots // 8, 1))
        if self._waiting and (active == 0 or slots - active >= wave):
            self._admit(slots - active)
        else:
            self._step()

    def _step(self) -> None:
        rows, network = self._rows, self._network
        rows.compact()
        plan = rows.plan()
        hidden_RD = (
            network.decode(plan) if self._engine._graphs is None else self._engine._graphs.decode(plan)
        )
        self._draw(hidden_RD, np.arange(len(hidden_RD)))

    def _admit(self, free: int) -> None:
        """Moves up to `free` waiting completions into rows and draws their first tokens."""
        rows = self._rows
        rows.compact(force=True)
        entering = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        new = [index for index in dict.fromkeys(index for index, _ in entering) if index not in self._open]
        self._prefill(new)
        limits, indices, hidden = self._engine.length_limits, [], []
        for request, member in entering:
            place, hidden_D = self._open[request]
            limit = self._sampling.max_new_tokens
            if limits is not None:
                limit = max(1, min(limit, limits(request, member)))
            seed = np.array([self._requests[request].seeds[member]], dtype=np.uint64)
            record = self.assembly.open_record(request, member)
            indices.append(rows.enter(place, record, hash_seeds(seed)[0], limit))
            hidden.append(hidden_D)
        waiting = {self._waiting[0][0]} if self._waiting else set()
        self._open = {index: entry for index, entry in self._open.items() if index in waiting}
        # Whole row steps here too, so that the head's product is one of the stable ones.
        padding = self._engine._rounding.rows(len(hidden), self._engine.num_slots) - len(hidden)
        self._draw(torch.stack(hidden + hidden[:1] * padding), np.array(indices))

    def _prefill(self, indices: Sequence[int]) -> None:
        """Computes prompts in chunks of like length; each gets a place in the cache."""
        prompts = {index: self._requests[index].prompt.token_ids for index in indices}
        order = sorted(indices, key=lambda index: len(prompts[index]))
        chunk: list[int] = []
        tokens = 0
        # Where a product's bits depend on its number of rows, a prompt goes alone.
        most = 0 if self._engine.steps_all_slots else _PREFILL_TOKENS
        for index in order:
            if chunk and tokens + len(prompts[index]) > most:
                self._prefill_chunk(chunk)
                chunk, tokens = [], 0
            chunk.append(index)
            tokens += len(prompts[index])
        if chunk:
            self._prefill_chunk(chunk)

    def _prefill_chunk(self, indices: Sequence[int]) -> None:
        flat: list[int] = []
        last: list[int] = []
        runs: list[PromptRun] = []
        places: list[Place] = []
        for index in indices:
            ids = self._requests[index].prompt.token_ids
            place = Place(index, len(ids), len(self._requests[index].seeds))
            self._rows.open_place(place)
            places.append(place)
            if runs and runs[-1].length == len(ids):
                run = runs.pop()
                runs.append(PromptRun(run.start, run.length, (*run.places, place.index)))
            else:
                runs.append(PromptRun(len(flat), len(ids), (place.index,)))
            flat.extend(ids)
            last.append(len(flat) - 1)
        device = self._engine._weights.device
        flat += flat[:1] * (round_up(len(flat), ROW_STEP) - len(flat))
        last += last[:1] * (round_up(len(last), ROW_STEP) - len(last))
        hidden_AD = self._network.prefill(
            torch.tensor(flat, device=device), tuple(runs), torch.tensor(last, device=device)
        )
        for place, hidden_D in zip(places, hidden_AD, strict=False):
            self._open[place.request] = (place, hidden_D)

    def _draw(self, hidden_RD: Tensor, indices: NDArray[np.int64]) -> None:
        """Draws the next token of the rows `indices` and lets those that end leave.

        Rows of `hidden_RD` beyond them, and rows that are holes, are drawn for nobody.
        """
        rows, scratch = self._rows, self._network.scratch
        logits_RV = self._network.logits(hidden_RD)
        picks_R = np.resize(indices, len(hidden_RD))
        uniforms_R = torch.from_numpy(uniforms(rows.state[picks_R], rows.count[picks_R])).to(logits_RV.device)
        probs_RV = scratch.take("token_probs", tuple(logits_RV.shape), torch.float32)
        tokens_R, logprobs_R = draw(logits_RV, uniforms_R, self._sampling, probs_RV)
        keep = rows.alive[indices]
        active = indices[keep]
        tokens = tokens_R.cpu().numpy()[: len(indices)][keep]
        logprobs = logprobs_R.cpu().numpy()[: len(indices)][keep]
        if not np.isfinite(logprobs).all():
            raise DivergenceError(
                f"policy version {self._engine.version} gives logits that are not finite; "
                "the weights have diverged. Go back to the last good checkpoint with a lower learning rate."
            )
        self.assembly.append(rows.record[active], rows.count[active], tokens, logprobs)
        rows.token[active] = tokens
        rows.count[active] += 1
        self._retire(active, tokens)

    def _retire(self, active: NDArray[np.int64], tokens: NDArray[np.int64]) -> None:
        rows, stop = self._rows, self._stop
        stopped = stop.stop_tokens_V[tokens]
        if stop.has_strings:
            for position in np.flatnonzero(stop.may_end_string_V[tokens] & ~stopped).tolist():
                row = active[position]
                stopped[position] = stop.ends_string(
                    self.assembly.tokens_of(rows.record[row], rows.count[row])
                )
        full = rows.count[active] >= rows.limit[active]
        for position in np.flatnonzero(stopped | full).tolist():
            row = int(active[position])
            finish = Finish.STOP if stopped[position] else Finish.LENGTH
            self.assembly.close_record(int(rows.record[row]), int(rows.count[row]), finish)
            rows.leave(row)
