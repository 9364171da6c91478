"""Other libraries' names for rewards: open-r1's thirteen, with the options that give its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ponder.config import RewardConfig
from ponder.errors import RecipeError

PREFIX = "open_r1_"
"""Before a name that means something else here: `length` is ours, `open_r1_length` is open-r1's."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The reward of ours that stands for one of another library."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """What makes it give the other's numbers; a recipe's own options override them."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Their option -> ours."""


OPEN_R1: dict[str, Alias | str] = {
    "accuracy": Alias("accuracy"),
    "format": Alias("format_lines"),
    "tag_count": Alias("tags", {"lines": True}),
    "reasoning_steps": Alias("reasoning_steps", {"markers": "open_r1"}),
    "length": Alias("relative_length", {"unit": "characters"}),
    "cosine": Alias(
        "cosine",
        {
            "min_value_wrong": 0.0,
            "max_value_wrong": -0.5,
            "max_len": 1000,
            "unit": "characters",
            "clip": False,
        },
    ),
    "repetition_penalty": Alias("repetition_penalty", {"ngram_size": 3, "max_penalty": -1.0}),
    "code": Alias("accuracy"),
    "binary_code": Alias("solved"),
    "code_format": Alias("format_lines", {"code": "python"}, {"language": "code"}),
    "soft_overlong_punishment": Alias(
        "soft_overlong",
        {"max_tokens": 16_384, "cache_tokens": 4_096},
        {"max_completion_len": "max_tokens", "soft_punish_cache": "cache_tokens"},
    ),
    "ioi_code": "sends programs to a Piston server that knows the subtasks of the olympiad",
    "cf_code": "sends programs to a Piston server that holds the tests of Codeforces",
}
"""open-r1's `reward_funcs` (huggingface/open-r1, src/open_r1/rewards.py), with the defaults of its scripts.

A text says what a reward does that has no equivalent here. What its numbers depend on besides the text is
ours: right and wrong is the grader's verdict, and a prefilled tag counts as written.
"""


def resolve_alias(config: RewardConfig, table: Mapping[str, Any]) -> RewardConfig:
    """The entry with a name of ours, where `config` has one of another library's; otherwise as it is.

    A name that is in `table` means ours; with the prefix "open_r1_" it means theirs. Raises RecipeError
    for one that has no equivalent.
    """
    key = config.name.removeprefix(PREFIX)
    if config.name in table or key not in OPEN_R1:
        return config
    alias = OPEN_R1[key]
    if isinstance(alias, str):
        raise RecipeError(
            f'rewards: open-r1\'s "{key}" {alias}; there is no such server here. Use the reward "accuracy" '
            'with problems of grader "code" (or "code_partial" for the share of tests): programs that read '
            "and write, with tolerance and checker, run in the sandbox."
        )
    own = {alias.renamed.get(option, option): value for option, value in config.options.items()}
    return config.model_copy(update={"name": alias.name, "options": {**alias.options, **own}})
