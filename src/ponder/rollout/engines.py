"""The engines that exist, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ponder.config import EngineConfig
from ponder.errors import RecipeError, nearest
from ponder.models.transformer import Transformer
from ponder.rollout.engine import LocalEngine
from ponder.rollout.fallback import CausalLMEngine
from ponder.rollout.stopping import EngineTokenizer
from ponder.types import RolloutEngine


def _local(config: EngineConfig, policy: Any, tokenizer: EngineTokenizer) -> RolloutEngine:
    """The local engine; for a network of another family the slower one over its own forward."""
    kind = LocalEngine if isinstance(policy, Transformer) else CausalLMEngine
    return kind(policy, tokenizer, num_slots=config.num_slots, max_prompt_tokens=config.max_prompt_tokens)


ENGINES: dict[str, Callable[[EngineConfig, Any, EngineTokenizer], RolloutEngine]] = {
    "local": _local,
}
"""Name in a recipe's `engine: {kind: ...}` -> how it is made."""


def make_engine(config: EngineConfig, policy: Any, tokenizer: EngineTokenizer) -> RolloutEngine:
    """The engine a recipe asks for, sampling from `policy` at version 0.

    Raises RecipeError for a kind that does not exist.
    """
    if config.kind not in ENGINES:
        raise RecipeError(f"engine.kind: {config.kind!r} does not exist.{nearest(config.kind, ENGINES)}")
    return ENGINES[config.kind](config, policy, tokenizer)
