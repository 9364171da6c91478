"""TRL's convention, which is also open-r1's: one call per group, columns by name.

    f(prompts, completions, completion_ids, **columns, trainer_state, log_metric, log_extra)

The result is a list of numbers or None, plain or `async`. None means that the reward does not apply to a
completion.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ponder.rewards.user_call import Callee, Convention, UserCall, awaited

ONLY_TRL = frozenset({"completion_ids", "trainer_state", "log_metric", "log_extra", "environments"})
"""Names that no other convention has."""


def _call(callee: Callee, call: UserCall, *, messages: bool | None = None) -> Any:
    """`messages`: prompts and completions as chat turns; None: as TRL, by the kind of the template."""
    as_turns = call.conversational if messages is None else messages
    offered = call.columns() | {
        "prompts": call.prompts(messages=as_turns),
        "completions": call.completions(messages=as_turns),
        "completion_ids": [list(ids) for ids in call.completion_ids],
        "trainer_state": call.trainer_state(),
        "log_metric": call.log_metric,
        "log_extra": call.log_extra,
    }
    return awaited(callee(**offered))


def _matches(callee: Callee) -> bool:
    names = callee.free_names
    return bool(names & ({"prompts", "completions"} | ONLY_TRL)) and not names & {"states", "infos"}


TRL = Convention("TRL, open-r1: f(prompts, completions, **columns) -> list of numbers", _call, _matches)
TRL_MESSAGES = Convention("the same, always with chat turns in place of texts", partial(_call, messages=True))
