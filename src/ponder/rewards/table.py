"""`REWARDS`, the presets, and loading a reward by name or from a user's file."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

from ponder.config import RewardConfig
from ponder.errors import RecipeError, nearest
from ponder.plugins import is_plugin, locate_plugin
from ponder.rewards.accuracy import accuracy
from ponder.rewards.bernoulli import bernoulli
from ponder.rewards.community import gsm8k_correctness, gsm8k_strict_format
from ponder.rewards.format import format_reward
from ponder.rewards.language import language
from ponder.rewards.length import length
from ponder.rewards.repetition import repetition
from ponder.rewards.user_functions import load_user_function
from ponder.types import RewardFunction

REWARDS: dict[str, Callable[..., list[float | None]]] = {
    "accuracy": accuracy,
    "bernoulli": bernoulli,
    "format": format_reward,
    "gsm8k_correctness": gsm8k_correctness,
    "gsm8k_strict_format": gsm8k_strict_format,
    "language": language,
    "length": length,
    "repetition": repetition,
}
"""Every reward by name, in TRL's signature. A new one is one file, one line here, one test.

They read more columns than TRL has: `grades`, `parsed`, `problem`, `num_tokens`.
"""

REWARD_PRESETS: dict[str, tuple[RewardConfig, ...]] = {
    "r1": (RewardConfig(name="accuracy"), RewardConfig(name="format")),
    "accuracy_only": (RewardConfig(name="accuracy"),),
    "r1_language": (
        RewardConfig(name="accuracy"),
        RewardConfig(name="format"),
        RewardConfig(name="language"),
    ),
    "community_2.0_0.5": (RewardConfig(name="gsm8k_correctness"), RewardConfig(name="gsm8k_strict_format")),
    "notes_0.7_0.3": (RewardConfig(name="accuracy", weight=0.7), RewardConfig(name="format", weight=0.3)),
}
"""r1: the paper's equal weights. r1_language: stage 2 of the paper, the language reward directly added.
community_2.0_0.5: the GSM8K script's pair, whose weights are in the values. notes_0.7_0.3: accuracy and
compliance of the process. The notes' general 0.5 helpful + 0.3 harmless + 0.2 readable needs reward
models and cannot be had from rules.
"""


def check_reward(config: RewardConfig) -> None:
    """Raises RecipeError for an unknown reward, option or function, without running the user's file."""
    if is_plugin(config.name):
        locate_plugin(config.name)
    elif config.name not in REWARDS:
        raise RecipeError(
            f'rewards: "{config.name}" is unknown and no "path/to/file.py:function".'
            f"{nearest(config.name, REWARDS)}"
        )
    else:
        _check_options(config)


def load_reward(spec: str | RewardConfig) -> RewardFunction:
    """The reward function of a name, a "path/to/file.py:function", or a recipe's entry with options.

    Raises RecipeError as `check_reward`, RewardError when the user's file fails on import.
    """
    config = RewardConfig(name=spec) if isinstance(spec, str) else spec
    check_reward(config)
    function: Callable[..., Any]
    function = load_user_function(config.name) if is_plugin(config.name) else REWARDS[config.name]
    return cast(RewardFunction, functools.partial(function, **config.options) if config.options else function)


def _check_options(config: RewardConfig) -> None:
    parameters = inspect.signature(REWARDS[config.name]).parameters.values()
    allowed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty]
    for option in config.options:
        if option not in allowed:
            hint = nearest(option, allowed) if allowed else " It has none."
            raise RecipeError(f'rewards: "{config.name}" has no option "{option}".{hint}')
