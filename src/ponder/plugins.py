"""Functions from a user's own file, named in a recipe as `path/to/file.py:function`."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ponder.errors import RecipeError, UserError, nearest


def is_plugin(name: str) -> bool:
    """Whether `name` has the form path/to/file.py:function."""
    return ".py:" in name


def locate_plugin(spec: str) -> tuple[Path, str]:
    """(absolute path, function name) of "path/to/file.py:function", which is read but not run.

    Raises RecipeError when the file is missing, is not Python, or does not define the name.
    """
    location, _, name = spec.rpartition(":")
    path = Path(location).expanduser().resolve()
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except OSError as error:
        raise RecipeError(f'"{spec}": {path} cannot be read ({error.strerror}).') from error
    except (SyntaxError, ValueError) as error:
        raise RecipeError(f'"{spec}": {path} is not valid Python: {error}') from error
    defined = _defined_names(tree)
    if name not in defined and "*" not in defined:
        hint = nearest(name, defined) if defined else " It defines nothing."
        raise RecipeError(f'"{spec}": {path} does not define "{name}".{hint}')
    return path, name


def load_plugin(spec: str) -> Callable[..., Any]:
    """The function that "path/to/file.py:function" names; the file is run once per process.

    Its folder is put at the end of the import path, so that it can import its neighbours. Raises
    RecipeError as `locate_plugin`, UserError when the file raises or the name is not callable.
    """
    path, name = locate_plugin(spec)
    function = _find(_load_module(path, spec), name)
    if not callable(function):
        raise UserError(f'"{spec}": {name} is {type(function).__name__}, not a function.')
    return function  # type: ignore[no-any-return]


def where_raised(error: BaseException, path: Path | None) -> str:
    """ "ValueError: message (file.py, line 12)", the line in the user's own file when there is one."""
    try:
        message = str(error)[:300]
    except Exception as fault:  # the user's own exception class
        message = f"(its message raises {type(fault).__name__})"
    text = f"{type(error).__name__}: {message}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path is not None and frame.filename == str(path)]
    return f"{text} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else text


def _find(module: ModuleType, name: str) -> Any:
    """What the module binds to the name, or registers under it in one of its dictionaries."""
    if hasattr(module, name):
        return getattr(module, name)
    registries = [value for value in vars(module).values() if isinstance(value, dict)]
    return next((registry[name] for registry in registries if name in registry), None)


def _defined_names(tree: ast.Module) -> set[str]:
    """Names bound anywhere, or registered (`orms["name"] = Class`); "*" when a star import may bind any."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            names.update(_string(node.slice))
    return names


def _string(node: ast.expr) -> list[str]:
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _load_module(path: Path, spec: str) -> ModuleType:
    module_name = f"ponder_user_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    found = importlib.util.spec_from_file_location(module_name, path)
    if found is None or found.loader is None:
        raise UserError(f'"{spec}": {path} cannot be imported.')
    module = importlib.util.module_from_spec(found)
    sys.modules[module_name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise UserError(f'"{spec}": the file fails on import: {where_raised(error, path)}') from error
    return module
