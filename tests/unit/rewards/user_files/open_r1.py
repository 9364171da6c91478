# ruff: noqa: B905
"""Conversational functions after open-r1's rewards: format, length among right answers, cosine."""

import math
import re


def format_reward(completions, **kwargs):
    pattern = r"^<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>$"
    contents = [completion[0]["content"] for completion in completions]
    return [1.0 if re.match(pattern, content, re.DOTALL | re.MULTILINE) else 0.0 for content in contents]


def _right(content, solution):
    return solution in content.rsplit("<answer>", 1)[-1]


def len_reward(completions: list[dict[str, str]], solution: list[str], **kwargs) -> list[float]:
    """As in Kimi k1.5: short right answers earn most, long wrong ones least."""
    contents = [completion[0]["content"] for completion in completions]
    lengths = [len(content) for content in contents]
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return [0.0] * len(contents)
    rewards = []
    for content, length, sol in zip(contents, lengths, solution):
        value = 0.5 - (length - shortest) / (longest - shortest)
        rewards.append(float(value if _right(content, sol) else min(0, value)))
    return rewards


def get_cosine_scaled_reward(min_wrong=-1.0, max_wrong=-0.5, min_right=0.5, max_right=1.0, max_len=200):
    def cosine_scaled_reward(completions, solution, **kwargs):
        rewards = []
        for completion, sol in zip(completions, solution):
            content = completion[0]["content"]
            low, high = (min_right, max_right) if _right(content, sol) else (max_wrong, min_wrong)
            rewards.append(low + 0.5 * (high - low) * (1.0 + math.cos(len(content) / max_len * math.pi)))
        return rewards

    return cosine_scaled_reward


cosine = get_cosine_scaled_reward()
