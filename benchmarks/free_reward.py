"""The reward of both sides: costs nothing, and gives every group an advantage to learn from."""

from __future__ import annotations

from typing import Any


def free_reward(prompts: list[Any], completions: list[Any], **columns: Any) -> list[float]:
    """0 and 1 in turn, whatever the text. A group has an even number of members, so half of them win."""
    return [float(index % 2) for index in range(len(completions))]
