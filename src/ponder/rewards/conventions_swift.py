"""ms-swift's convention: a class, registered in `orms` or named itself, made once and called per group.

    class Mine(ORM):
        def __call__(self, completions, **columns) -> list[float | None]: ...

    orms["mine"] = Mine

Completions are texts and come first. A plugin begins with `from swift.rewards import ORM, orms`, or with
swift.plugin in place of swift.rewards; where ms-swift is not installed, these names are there while the
file is imported (`swift_names`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from ponder.errors import RecipeError, nearest
from ponder.rewards.user_call import Callee, Convention, UserCall, awaited


class ORM:
    """Stands in for ms-swift's base class of reward functions."""

    def __init__(self, args: Any = None, **kwargs: Any) -> None:
        self.args = args


class AsyncORM(ORM):
    """The same for those whose `__call__` is a coroutine."""


_MODULES = ("swift", "swift.plugin", "swift.plugin.orm", "swift.rewards", "swift.rewards.orm", "swift.utils")


@contextlib.contextmanager
def swift_names() -> Iterator[None]:
    """Inside, a plugin's `from swift... import ORM, AsyncORM, orms, get_logger` works without ms-swift.

    Nothing else of ms-swift is there: a plugin that needs more fails on import and says what is missing.
    """
    if "swift" in sys.modules or importlib.util.find_spec("swift") is not None:
        yield
        return
    orms: dict[str, Any] = {}
    for name in _MODULES:
        module = ModuleType(name, "Names of ms-swift for plugins, by ponder; ms-swift is not installed.")
        module.__path__ = []
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
        if parent and name != "swift.utils":
            vars(module).update(ORM=ORM, AsyncORM=AsyncORM, orms=orms)
    vars(sys.modules["swift.utils"]).update(get_logger=lambda: logging.getLogger("swift"))
    try:
        yield
    finally:
        for name in _MODULES:
            sys.modules.pop(name, None)


def make_orm(kind: type, options: Mapping[str, Any]) -> Callable[..., Any]:
    """An instance of a reward class.

    ms-swift hands over its training arguments as `args`, older versions by name: here the options of the
    entry are both. Raises RecipeError for an option that the class does not take, and what it raises.
    """
    parameters = inspect.signature(kind).parameters
    named = {key: value for key, value in options.items() if key in parameters and key != "args"}
    if "args" in parameters:
        return kind(args=SimpleNamespace(**options), **named)  # type: ignore[no-any-return]
    for option in options.keys() - named.keys():
        hint = nearest(option, parameters) if parameters else " It has none."
        raise RecipeError(f'rewards: the class "{kind.__name__}" has no option "{option}".{hint}')
    return kind(**named)  # type: ignore[no-any-return]


def is_orm(function: Any) -> bool:
    """Whether the object is an instance of ms-swift's base class, or of ours in its place."""
    return any(base.__name__ in ("ORM", "AsyncORM") for base in type(function).__mro__)


def _call(callee: Callee, call: UserCall) -> Any:
    texts = call.completions(messages=False)
    turns = call.prompts(messages=True)
    offered = call.columns() | {
        "messages": [
            [*turn, {"role": "assistant", "content": text}] for turn, text in zip(turns, texts, strict=True)
        ],
        "response_token_ids": [list(ids) for ids in call.completion_ids],
        "trainer_state": call.trainer_state(),
    }
    offered.pop("completions", None)  # they come first, without a name
    return awaited(callee(texts, **offered))


SWIFT = Convention(
    "ms-swift: a class of `orms`, called with (completions, **columns) -> list of numbers",
    _call,
    lambda callee: is_orm(callee.function),
)
