"""Reward functions from a user's file: finding, loading, calling them as TRL does.

TRL's convention: `f(prompts, completions, **columns) -> list[float | None]`, plain or `async`. Prompts
and completions are strings, or lists of messages for chat templates; every further column of the data
set arrives by name, one value per completion, with `completion_ids` and `trainer_state`, and
`log_metric(name, value)` and `log_extra(column, values)` to call.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ponder.errors import RecipeError, RewardError, nearest


def is_user_function(name: str) -> bool:
    """Whether `name` has the form path/to/file.py:function."""
    return ".py:" in name


def locate_user_function(spec: str) -> tuple[Path, str]:
    """(absolute path, function name) of "path/to/file.py:function", which is read but not run.

    Raises RecipeError when the file is missing, is not Python, or does not define the name.
    """
    location, _, name = spec.rpartition(":")
    path = Path(location).expanduser().resolve()
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except OSError as error:
        raise RecipeError(f'rewards: "{spec}": {path} cannot be read ({error.strerror}).') from error
    except (SyntaxError, ValueError) as error:
        raise RecipeError(f'rewards: "{spec}": {path} is not valid Python: {error}') from error
    defined = _defined_names(tree)
    if name not in defined and "*" not in defined:
        hint = nearest(name, defined) if defined else " It defines nothing."
        raise RecipeError(f'rewards: {path} does not define "{name}".{hint}')
    return path, name


def _defined_names(tree: ast.Module) -> set[str]:
    """Names bound anywhere at the top level; "*" when a star import may bind any."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def load_user_function(spec: str) -> Callable[..., Any]:
    """The function that "path/to/file.py:function" names; the file is run once per process.

    Its folder is put at the end of the import path, so that it can import its neighbours.
    Raises RecipeError as `locate_user_function`, RewardError when the file raises or the name is not
    callable.
    """
    path, name = locate_user_function(spec)
    module = _load_module(path, spec)
    function = getattr(module, name, None)
    if not callable(function):
        raise RewardError(f'reward "{spec}": {name} is {type(function).__name__}, not a function.')
    return function  # type: ignore[no-any-return]


def _load_module(path: Path, spec: str) -> ModuleType:
    module_name = f"ponder_user_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    found = importlib.util.spec_from_file_location(module_name, path)
    if found is None or found.loader is None:
        raise RewardError(f'reward "{spec}": {path} cannot be imported.')
    module = importlib.util.module_from_spec(found)
    sys.modules[module_name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise RewardError(f'reward "{spec}": the file fails on import: {_where(error, path)}') from error
    return module


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
            f'reward function "{name}" raised on problem "{problem_id}": {_where(error, path)}. '
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


def _where(error: BaseException, path: Path | None) -> str:
    """The error in one line, with the innermost line of the user's file it passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path is not None and Path(frame.filename) == path]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {str(error)[:300]}{place}"
