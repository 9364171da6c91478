"""verifiers' convention: arguments by name; one call per completion, or one per group with plural names.

    f(prompt, completion, answer, state, info, task, parser, **columns) -> float
    f(prompts, completions, answers, states, infos, tasks, parser) -> list[float]

Plain or `async`. Prompts and completions are chat turns, which is verifiers' default. As in its Rubric,
but that a function which raises earns no 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from ponder.prompting import Tags, parse_completion
from ponder.rewards.conventions_trl import ONLY_TRL
from ponder.rewards.user_call import Callee, Convention, UserCall, awaited, call_each

_PLURALS = frozenset({"prompts", "completions"})


class TemplateParser:
    """Stands in for verifiers' XMLParser: reads a completion by the tags of the run's template."""

    def __init__(self, tags: Tags) -> None:
        self._tags = tags

    def get_fields(self) -> list[str]:
        """The names that `parse` gives: of the reasoning, and of the answer."""
        return [self._tags.reasoning, self._tags.answer or "answer"]

    def parse(self, text: str, **options: Any) -> SimpleNamespace:
        """Reasoning and answer as attributes named like their tags; None where there is none."""
        parsed = parse_completion(text, "", self._tags)
        values = (parsed.reasoning or None, parsed.answer or None)
        return SimpleNamespace(**dict(zip(self.get_fields(), values, strict=True)))

    def parse_answer(self, completion: Any) -> str | None:
        """The answer of a text, or of the last turn of the assistant that has one."""
        texts = [completion] if isinstance(completion, str) else _assistant_texts(completion)
        for text in reversed(texts):
            answer: str | None = parse_completion(text, "", self._tags).answer or None
            if answer is not None:
                return answer
        return None

    def get_assistant_messages(self, completion: Any) -> list[Any]:
        """The turns of the assistant."""
        return [message for message in completion if message["role"] == "assistant"]

    def get_format_reward_func(self) -> Callable[..., float]:
        """A function that gives 1 to a completion in the template's format, else 0."""

        def format_reward_func(completion: Any, **kwargs: Any) -> float:
            texts = [completion] if isinstance(completion, str) else _assistant_texts(completion)
            return float(bool(texts) and all(parse_completion(t, "", self._tags).well_formed for t in texts))

        return format_reward_func


def _assistant_texts(completion: Any) -> list[str]:
    return [str(message["content"]) for message in completion if message["role"] == "assistant"]


def _info(call: UserCall) -> Any:
    """The row's `info`, which may be JSON text; without one, all its further columns."""
    info = call.problem.meta.get("info", dict(call.problem.meta))
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except ValueError:
            return info
    return dict(info) if isinstance(info, Mapping) else info


def _answer(call: UserCall) -> Any:
    return call.problem.meta.get("answer", call.problem.reference)


def _states(call: UserCall) -> list[dict[str, Any]]:
    """One dictionary per completion. A function may write into it for those that come after it."""
    if not call.states:
        pairs = zip(call.prompts(messages=True), call.completions(messages=True), strict=True)
        call.states.extend(
            {
                "prompt": prompt,
                "completion": completion,
                "answer": _answer(call),
                "info": _info(call),
                "task": call.problem.task,
                "example_id": call.problem.id,
                "trajectory": [],
                "is_completed": True,
            }
            for prompt, completion in pairs
        )
    return call.states


def _call_each(callee: Callee, call: UserCall, *, messages: bool = True) -> Any:
    offered = [
        {str(key): value for key, value in call.problem.meta.items()}
        | {
            "prompt": prompt,
            "completion": completion,
            "answer": state["answer"],
            "state": state,
            "info": state["info"],
            "task": state["task"],
            "parser": TemplateParser(call.tags),
        }
        for state, prompt, completion in zip(
            _states(call), call.prompts(messages=messages), call.completions(messages=messages), strict=True
        )
    ]
    return call_each(callee, offered)


def _call_group(callee: Callee, call: UserCall) -> Any:
    states = _states(call)
    offered = {
        f"{name}s": [state[name] for state in states]
        for name in ("prompt", "completion", "answer", "info", "task")
    }
    return awaited(callee(**offered, states=states, parser=TemplateParser(call.tags)))


def _matches_each(callee: Callee) -> bool:
    names = callee.free_names
    return "completion" in names or ("state" in names and not names & (_PLURALS | ONLY_TRL))


def _matches_group(callee: Callee) -> bool:
    names = callee.free_names
    return bool(names & {"states", "infos"} or (names & {"answers", "tasks"} and names & _PLURALS)) and not (
        names & ONLY_TRL
    )


VERIFIERS = Convention(
    "verifiers: f(completion, answer, state, info, ...) -> number, for each completion",
    _call_each,
    _matches_each,
    allows_none=False,
)
VERIFIERS_TEXT = Convention(
    "the same with texts in place of chat turns",
    lambda callee, call: _call_each(callee, call, messages=False),
    allows_none=False,
)
VERIFIERS_GROUP = Convention(
    "verifiers: f(completions, answers, states, infos, ...) -> list of numbers, for a group",
    _call_group,
    _matches_group,
    allows_none=False,
)
