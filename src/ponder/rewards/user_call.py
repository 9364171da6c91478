"""What a user's reward function may be told of a group, and what calling it needs to know of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ponder.prompting import THINK_TAGS, Tags
from ponder.types import Problem


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a reward could not be had."""

    cause: str
    """raised, returned (no list of finite numbers), hung, exited or died of a user's function; reward of
    one of ours: the key of its count in the metrics."""
    reason: str
    """One line for people, without the problem's id."""


@dataclass(frozen=True, slots=True)
class UserCall:
    """One group as a user's function may be told of it, in whichever words.

    A completion is the prefill and the sampled text, so that a prefilled tag counts as written. What the
    methods return is made anew each time: a function may change what it was given.
    """

    problem: Problem
    texts: tuple[str, ...]
    completion_ids: tuple[tuple[int, ...], ...] = ()
    conversational: bool = False
    """The template is a chat template."""
    step: int = 0
    num_steps: int = 0
    """Optimizer steps of the whole stage; 0: not known."""
    tags: Tags = THINK_TAGS
    log_metric: Callable[[str, float], None] = lambda name, value: None
    log_extra: Callable[[str, Sequence[Any]], None] = lambda column, values: None
    states: list[dict[str, Any]] = field(default_factory=list)
    """One per completion, shared by the group's functions; filled by the convention that has states."""

    def prompts(self, *, messages: bool) -> list[Any]:
        """The question for each completion: its text, or the chat turns."""
        if not messages:
            return [self.problem.text] * len(self.texts)
        return [[dict(message) for message in self.problem.messages] for _ in self.texts]

    def completions(self, *, messages: bool) -> list[Any]:
        """The completions: texts, or one turn of the assistant each."""
        return (
            [[{"role": "assistant", "content": text}] for text in self.texts] if messages else [*self.texts]
        )

    def columns(self) -> dict[str, list[Any]]:
        """The data's columns, one value per completion; the reference as `solution` and `answer`, unless
        the data have columns of these names."""
        problem, count = self.problem, len(self.texts)
        columns: dict[str, list[Any]] = {
            "solution": [problem.reference] * count,
            "answer": [problem.reference] * count,
        }
        columns.update({str(key): [value] * count for key, value in problem.meta.items()})
        return columns

    def trainer_state(self) -> SimpleNamespace:
        """`global_step` and `max_steps`, as transformers' TrainerState has them."""
        return SimpleNamespace(global_step=self.step, max_steps=self.num_steps)


class Callee:
    """A user's function with the options of its entry; called with more names than it takes."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any] | None = None) -> None:
        self.function = function
        self.options = dict(options or {})
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # built-in callables have no signature
            parameters = [inspect.Parameter("columns", inspect.Parameter.VAR_KEYWORD)]
        self.takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self.names = frozenset(
            p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        )

    @property
    def free_names(self) -> frozenset[str]:
        """What it names among its arguments and no option sets."""
        return self.names - self.options.keys()

    def __call__(self, *arguments: Any, **offered: Any) -> Any:
        """What the function returns; it is given the names that it takes. Options win over columns."""
        taken = {key: value for key, value in offered.items() if self.takes_any or key in self.names}
        return self.function(*arguments, **(taken | self.options))


@dataclass(frozen=True, slots=True)
class Convention:
    """How reward functions of one family are called."""

    summary: str
    """One line for listings and messages."""
    call: Callable[[Callee, UserCall], Any]
    """What the function gives for the group: a list of values, with an exception in the place of a
    completion for which it raised."""
    matches: Callable[[Callee], bool] = lambda callee: False
    """Whether a function's signature or type is of this family; never, for one that must be named."""
    allows_none: bool = True
    """None for a completion means that the reward does not apply to it."""


def awaited(value: Any) -> Any:
    """The value, or what it gives when it is awaited."""
    return _run(_one(value)) if inspect.isawaitable(value) else value


def call_each(callee: Callee, offered: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the function returns for each completion, an exception where it raised one.

    Coroutines are awaited together, as their own frameworks do: they mostly wait for a server.
    """
    returned: list[Any] = []
    for names in offered:
        try:
            returned.append(callee(**names))
        except (Exception, SystemExit) as error:
            returned.append(error)
    return _run(_all(returned)) if any(map(inspect.isawaitable, returned)) else returned


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio  # a tenth of a second at the start of every worker, and few functions need it

    return asyncio.run(coroutine)


async def _one(awaitable: Any) -> Any:
    return await awaitable


async def _all(values: list[Any]) -> list[Any]:
    import asyncio

    waiting = [index for index, value in enumerate(values) if inspect.isawaitable(value)]
    found = await asyncio.gather(*(_one(values[index]) for index in waiting), return_exceptions=True)
    for index, value in zip(waiting, found, strict=True):
        values[index] = value
    return values
