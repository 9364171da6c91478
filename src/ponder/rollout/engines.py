"""The engines that exist, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ponder.config import EngineConfig
from ponder.errors import RecipeError, nearest
from ponder.models.transformer import Transformer
from ponder.rollout.engine import LocalEngine
from ponder.rollout.fallback import CausalLMEngine
from ponder.rollout.lanes import LanedEngine
from ponder.rollout.stopping import EngineTokenizer
from ponder.types import RolloutEngine


def _local(config: EngineConfig, policy: Any, tokenizer: EngineTokenizer) -> RolloutEngine:
    """The local engine; for a network of another family the slower one over its own forward.

    Raises RecipeError for lanes where one process samples.
    """
    slots, longest = config.num_slots, config.max_prompt_tokens
    built_in = isinstance(policy, Transformer)
    if config.lanes > 1:
        if not built_in or policy.lm_head.weight.device.type != "cpu":
            raise RecipeError(
                f"engine.lanes is {config.lanes}, which is for the built-in families on a CPU; elsewhere one "
                "process samples. Leave the key out."
            )
        return LanedEngine(policy, tokenizer, lanes=config.lanes, num_slots=slots, max_prompt_tokens=longest)
    if built_in:
        return LocalEngine(policy, tokenizer, num_slots=slots, max_prompt_tokens=longest)
    return CausalLMEngine(policy, tokenizer, num_slots=slots, max_prompt_tokens=longest)


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
