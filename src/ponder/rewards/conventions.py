"""`CONVENTIONS`: the families of reward functions that run as they are, and which one a function is of."""

from __future__ import annotations

from ponder.errors import RecipeError
from ponder.rewards.conventions_swift import SWIFT
from ponder.rewards.conventions_trl import TRL, TRL_MESSAGES
from ponder.rewards.conventions_verifiers import VERIFIERS, VERIFIERS_GROUP, VERIFIERS_TEXT
from ponder.rewards.conventions_verl import VERL, VERL_BATCH
from ponder.rewards.user_call import Callee, Convention

CONVENTIONS: dict[str, Convention] = {
    "trl": TRL,
    "trl_messages": TRL_MESSAGES,
    "swift": SWIFT,
    "verl": VERL,
    "verl_batch": VERL_BATCH,
    "verifiers": VERIFIERS,
    "verifiers_text": VERIFIERS_TEXT,
    "verifiers_group": VERIFIERS_GROUP,
}
"""Every convention by name. A new one is one file, one line here, one test."""


def convention_of(callee: Callee, spec: str) -> str:
    """Which convention a function follows, by its type and the names of its arguments.

    An instance of ms-swift's ORM is swift. Otherwise the names decide: `solution_str` verl, `solution_strs`
    verl_batch, `completion` or `state` verifiers, `states` or `infos` verifiers_group, `completions`,
    `prompts` or what only TRL has trl. `completions` with `answers` or `tasks` may be a verifiers group
    function, or one for TRL with a column of that name.

    Raises RecipeError when none fits or more than one does.
    """
    if SWIFT.matches(callee):
        return "swift"
    fitting = [name for name, convention in CONVENTIONS.items() if convention.matches(callee)]
    if len(fitting) == 1:
        return fitting[0]
    named = ", ".join(sorted(callee.free_names)) or "no name"
    if fitting:
        raise RecipeError(
            f'rewards: "{spec}" may be called in more than one way, by its arguments ({named}): '
            f"{', '.join(fitting)}. Say which in its entry: `convention: {fitting[0]}`."
        )
    listed = "; ".join(f"{name}: {convention.summary}" for name, convention in CONVENTIONS.items())
    raise RecipeError(
        f'rewards: "{spec}" takes {named} among its arguments, and no convention can be told from that. Say '
        f"it in its entry, as in `convention: trl`. There are: {listed}."
    )
