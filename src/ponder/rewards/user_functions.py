"""Reward functions from a user's file: finding, loading, calling them as TRL does.

TRL's convention: `f(prompts, completions, **columns) -> list[float | None]`, plain or `async`. Prompts
and completions are strings, or lists of messages for chat templates; every further column of the data
set arrives by name, one value per completion, with `completion_ids` and `trainer_state`, and
`log_metric(name, value)` and `log_extra(column, values)` to call.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ponder.errors import RecipeError, RewardError, UserError
from ponder.plugins import load_plugin, where_raised


def load_user_function(spec: str) -> Callable[..., Any]:
    """The function that "path/to/file.py:function" names. Raises RecipeError as `locate_plugin`, RewardError
    when the file raises or the name is not callable."""
    try:
        return load_plugin(spec)
    except RecipeError:
        raise
    except UserError as error:
        raise RewardError(f"reward {error}") from error


def accepted_columns(function: Callable[..., Any]) -> frozenset[str] | None:
    """The keyword names a function takes; None when it takes any (**kwargs), as TRL asks for."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in callables have no signature
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))


def call_user_function(
    name: str, function: Callable[..., Any], problem_id: str, columns: Mapping[str, Any], count: int
) -> list[float | None]:
    """One number or None for each of `count` completions.

    Raises RewardError that names the function, the problem, what came back and the fix when the
    function raises, returns another count, or returns what is not a finite number.
    """
    accepted = accepted_columns(function)
    arguments = {k: v for k, v in columns.items() if accepted is None or k in accepted}
    try:
        returned = function(**arguments)
        if inspect.isawaitable(returned):
            returned = asyncio.run(_awaited(returned))
    except (Exception, SystemExit) as error:
        code = getattr(inspect.unwrap(function), "__code__", None)
        path = Path(code.co_filename) if code else None
        raise RewardError(
            f'reward function "{name}" raised on problem "{problem_id}": {where_raised(error, path)}. '
            "Mend the function; None is the value for a completion it does not apply to."
        ) from error
    return _checked(name, returned, problem_id, count)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _checked(name: str, returned: Any, problem_id: str, count: int) -> list[float | None]:
    about = f'reward function "{name}" on problem "{problem_id}"'
    if isinstance(returned, str | bytes | Mapping) or not hasattr(returned, "__iter__"):
        raise RewardError(f"{about} returned {_shown(returned)}; a list of {count} numbers is wanted.")
    values = list(returned)
    if len(values) != count:
        raise RewardError(
            f"{about} returned {len(values)} values for {count} completions: {_shown(values)}. "
            "It must return one number (or None) for each completion, in order."
        )
    return [_number(value, index, about) for index, value in enumerate(values)]


def _number(value: Any, index: int, about: str) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str | bytes) or not math.isfinite(number):
        raise RewardError(
            f"{about} returned {_shown(value)} at position {index}; a finite number or None is wanted."
        )
    return number


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # a user's own __repr__
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= 120 else text[:117] + "..."
