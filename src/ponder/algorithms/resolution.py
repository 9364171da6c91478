"""From what a recipe says about its algorithm to everything that defines the update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ponder.algorithms.presets import ALGORITHMS
from ponder.config import AlgorithmConfig, merge
from ponder.errors import RecipeError, nearest


def resolve_algorithm(overrides: Mapping[str, Any] | AlgorithmConfig) -> AlgorithmConfig:
    """Returns the preset named by `overrides` with the other keys laid over it, block by block.

    Given an `AlgorithmConfig`, only the keys that were set explicitly override the preset. Lists
    (schedules) replace as a whole. Without `preset` it is the config's default. Raises RecipeError for
    an unknown preset or key, a bad value, or values that contradict each other.
    """
    if isinstance(overrides, AlgorithmConfig):
        overrides = overrides.model_dump(exclude_unset=True)
    name = overrides.get("preset", AlgorithmConfig.model_fields["preset"].default)
    if name not in ALGORITHMS:
        raise RecipeError(f'algorithm.preset is "{name}".{nearest(str(name), ALGORITHMS)}')
    merged = merge(ALGORITHMS[name].model_dump(), overrides)
    try:
        config = AlgorithmConfig.model_validate(merged)
    except ValidationError as error:
        raise RecipeError(_explain(error)) from error
    _check(config)
    return config


def _explain(error: ValidationError) -> str:
    """One line per violation: the key, the value, what is wrong, the nearest name."""
    lines = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        key = ".".join(["algorithm", *path])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key} is no key of a recipe.{nearest(path[-1], _keys_at(path[:-1]))}")
        else:
            lines.append(f"{key} is {problem['input']!r}: {problem['msg']}")
    return "; ".join(lines)


def _keys_at(path: list[str]) -> list[str]:
    """The keys of the block at `path`."""
    model: type[BaseModel] = AlgorithmConfig
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return list(model.model_fields)


def _check(config: AlgorithmConfig) -> None:
    """Refuses values that are allowed one by one and mean nothing together."""
    advantage, shape = config.advantage, config.surrogate
    if advantage.estimator == "gae" and advantage.scale == "group":
        raise RecipeError(
            'algorithm.advantage.scale is "group" with estimator "gae"; allowed: "batch", "none": a value '
            "head does not compare the members of a group"
        )
    if advantage.estimator == "process" and advantage.scale == "batch":
        raise RecipeError(
            'algorithm.advantage.scale is "batch" with estimator "process"; allowed: "group", "none"'
        )
    if config.mismatch_cap is not None and config.old_logprobs == "sampler":
        raise RecipeError(
            'algorithm.mismatch_cap has nothing to cap with old_logprobs "sampler", whose ratio starts from '
            'the sampler already; set old_logprobs to "recompute"'
        )
    if shape.ratio == "sequence" and shape.kind == "none":
        raise RecipeError(
            'algorithm.surrogate.ratio is "sequence" with kind "none", which has no ratio; '
            'set kind to "clip" or "cispo"'
        )
    if shape.clip_max is not None and shape.kind == "clip" and shape.clip_max < 1 - shape.clip_low:
        raise RecipeError(
            f"algorithm.surrogate.clip_max is {shape.clip_max}; it caps ratios above 1 - clip_low = "
            f"{1 - shape.clip_low}. The usual cap is 3 to 10"
        )
