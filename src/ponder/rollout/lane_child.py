"""The other process's side of `LanedEngine`: an engine of its own, asked over a channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ponder.errors import PonderError
from ponder.models.architecture import ModelConfig
from ponder.models.transformer import Transformer
from ponder.rollout.engine import LocalEngine
from ponder.rollout.lanes import READY, LaneRequest
from ponder.rollout.stopping import EngineTokenizer
from ponder.types import Problem, Prompt, RolloutGroup, RolloutRequest, SamplingParams


def serve(
    connection: Connection[Any, Any],
    config: ModelConfig,
    dtype: torch.dtype,
    tokenizer: EngineTokenizer,
    num_slots: int,
    max_prompt_tokens: int,
    num_threads: int,
    options: dict[str, Any],
) -> None:
    """Says `READY`, then answers (version, file of weights or None, requests, sampling) with (index,
    completions) of each request, or with a PonderError. Removes the file. Ends when the channel closes.
    """
    torch.set_num_threads(num_threads)
    policy = Transformer(config)
    policy.compute_dtype = dtype
    policy.eval()
    if config.tie_embeddings:
        policy.lm_head.weight = policy.model.embed_tokens.weight
    engine: LocalEngine | None = None
    connection.send(READY)
    while True:
        version, weights, asked, sampling = connection.recv()
        try:
            if weights is not None:
                tensors = load_file(weights)
                Path(weights).unlink()
                policy.load_state_dict(tensors, strict=not config.tie_embeddings)
                engine = engine or LocalEngine(
                    policy, tokenizer, num_slots=num_slots, max_prompt_tokens=max_prompt_tokens, **options
                )
                engine.update_weights(version)
            assert engine is not None
            for place, group in _generate(engine, asked, sampling):
                connection.send((asked[place].index, group.completions))
        except PonderError as error:
            connection.send(error)


def _generate(
    engine: LocalEngine, asked: Sequence[LaneRequest], sampling: SamplingParams
) -> Iterator[tuple[int, RolloutGroup]]:
    """(place among `asked`, group). The parent keeps the problems."""
    limits = [each.limits for each in asked]
    if all(own is not None for own in limits):
        engine.length_limits = lambda place, member: (limits[place] or ())[member]
    nobody = Problem("", "", (), "", "")
    requests = [RolloutRequest(Prompt(nobody, each.token_ids), each.seeds) for each in asked]
    return engine.generate(requests, sampling)
