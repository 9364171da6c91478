"""Rewards made of parts: numbers in [0, 1] with names, and their weighted mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ponder.errors import RecipeError, nearest
from ponder.prompting import ParsedCompletion, is_blank

Part = Callable[[ParsedCompletion], float]
"""A number in [0, 1] for one completion that is not blank; 1 is good."""


def part_weights(
    reward: str, table: Mapping[str, Part], asked: Mapping[str, float] | None
) -> Mapping[str, float]:
    """The weight of each part of a reward: what the recipe asks for, or 1 for every part of the table.

    Raises RecipeError for a part that is not in the table and for weights that cannot be averaged.
    """
    if asked is None:
        return dict.fromkeys(table, 1.0)
    for part, weight in asked.items():
        if part not in table:
            raise RecipeError(f'rewards: "{reward}" has no part "{part}".{nearest(part, table)}')
        if weight < 0:
            raise RecipeError(f'rewards: the weight of part "{part}" of "{reward}" is {weight}, below 0.')
    if not sum(asked.values()):
        raise RecipeError(f'rewards: the weights of the parts of "{reward}" add up to 0.')
    return asked


def mean_of_parts(
    completion: ParsedCompletion, table: Mapping[str, Part], weights: Mapping[str, float]
) -> float:
    """The weighted mean of the parts, in [0, 1]; 0 for a completion in which nothing can be seen."""
    if is_blank(completion.text):
        return 0.0
    total = sum(weight * table[part](completion) for part, weight in weights.items() if weight)
    return total / sum(weights.values())
