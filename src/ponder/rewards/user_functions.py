"""Reward functions from a user's file: finding, loading, calling them by their convention.

Nothing that a function does here raises: what it raises or wrongly returns is a `Failure`, and the
rewards that it concerns could not be had.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ponder.config import RewardConfig
from ponder.errors import RecipeError, RewardError, UserError, nearest
from ponder.plugins import load_plugin, where_raised
from ponder.rewards.conventions import CONVENTIONS, convention_of
from ponder.rewards.conventions_swift import make_orm, swift_names
from ponder.rewards.user_call import Callee, Failure, UserCall

MAX_REASON_CHARS = 400


@dataclass(frozen=True, slots=True)
class Values:
    """What one reward gave for a group."""

    values: tuple[float | None, ...]
    """None: does not apply, or could not be had."""
    failures: tuple[Failure | None, ...]
    """Why a completion's value could not be had."""

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Values:
        """Values without a failure."""
        return cls(tuple(values), (None,) * len(values))

    @classmethod
    def failed(cls, failure: Failure, count: int) -> Values:
        """The same failure for the whole group."""
        return cls((None,) * count, (failure,) * count)


def load_user_function(config: RewardConfig) -> Callable[..., Any]:
    """The function that an entry names, with its options bound; an instance where it names a class.

    Raises as `UserFunction`.
    """
    callee = _load(config)[0]
    return partial(callee.function, **callee.options) if callee.options else callee.function


class UserFunction:
    """A reward function of a user's file, with the convention that it follows.

    Raises RecipeError for a file or name that is not there, an option that it does not take, and a
    function that no convention, or more than one, fits; RewardError when the file fails on import.
    """

    def __init__(self, config: RewardConfig, name: str) -> None:
        self._name = name
        self._path = Path(config.name.rpartition(":")[0]).expanduser().resolve()
        self._callee, forced = _load(config)
        self.convention = config.convention or forced or convention_of(self._callee, config.name)
        """Key of `CONVENTIONS`."""

    def score(self, call: UserCall) -> Values:
        """A number, None or a failure for each completion. Never raises."""
        count, convention = len(call.texts), CONVENTIONS[self.convention]
        try:
            returned = convention.call(self._callee, call)
            listed = None if isinstance(returned, str | bytes | Mapping) else _listed(returned)
        except (Exception, SystemExit) as error:
            return Values.failed(self._raised(error), count)
        if listed is None or len(listed) != count:
            return Values.failed(self._failure("returned", _miscounted(returned, listed, count)), count)
        pairs = [self._value(value, convention.allows_none) for value in listed]
        return Values(tuple(value for value, _ in pairs), tuple(failure for _, failure in pairs))

    def _value(self, value: Any, allows_none: bool) -> tuple[float | None, Failure | None]:
        if isinstance(value, BaseException):
            return None, self._raised(value)
        if value is None and allows_none:
            return None, None
        try:
            number = float(value)
        except Exception:  # whatever a value's own __float__ raises
            number = math.nan
        if isinstance(value, str | bytes) or not math.isfinite(number):
            wanted = "a finite number or None" if allows_none else "a finite number"
            return None, self._failure("returned", f"returned {_shown(value)}; {wanted} is wanted.")
        return number, None

    def _raised(self, error: BaseException) -> Failure:
        hint = ""
        where = where_raised(error, self._path)
        if where.startswith("TypeError: string ind") and self.convention == "trl":
            hint = " A function that expects chat turns is called so with `convention: trl_messages`."
        return self._failure("raised", f"raised {where}.{hint}")

    def _failure(self, cause: str, what: str) -> Failure:
        line = " ".join(f'reward function "{self._name}" {what}'.split())[:MAX_REASON_CHARS]
        return Failure(cause, line.encode("utf-8", "replace").decode())


def _load(config: RewardConfig) -> tuple[Callee, str]:
    """(the function with its options, its convention where its type says it).

    A class is made into an instance, as ms-swift does.
    """
    try:
        with swift_names():
            found: Any = load_plugin(config.name)
            if inspect.isclass(found):
                return Callee(make_orm(found, config.options)), "swift"
    except RecipeError:
        raise
    except UserError as error:
        raise RewardError(f"reward {error}") from error
    except (Exception, SystemExit) as error:
        path = Path(config.name.rpartition(":")[0]).expanduser().resolve()
        raise RewardError(
            f'reward "{config.name}": the class cannot be made into an instance: {where_raised(error, path)}'
        ) from error
    callee = Callee(found, config.options)
    for option in config.options:
        if not callee.takes_any and option not in callee.names:
            hint = nearest(option, callee.names) if callee.names else " It has none."
            raise RecipeError(f'rewards: "{config.name}" has no option "{option}".{hint}')
    return callee, ""


def _listed(returned: Any) -> list[Any] | None:
    return list(returned) if hasattr(returned, "__iter__") else None


def _miscounted(returned: Any, listed: list[Any] | None, count: int) -> str:
    """What is wrong with the returned value as a whole."""
    if listed is None:
        return f"returned {_shown(returned)}; a list of {count} numbers is wanted."
    return (
        f"returned {len(listed)} values for {count} completions: {_shown(listed)}. It must return one "
        "number (or None) for each completion, in order."
    )


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # a user's own __repr__
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= 120 else text[:117] + "..."
