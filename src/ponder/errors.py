"""Every error ponder raises on purpose, in one tree.

::

    PonderError                 exit code 1
    ├── UserError               something to change on your side          exit code 2
    │   ├── RecipeError         the recipe: unknown key, bad value
    │   ├── ModelError          the model folder: missing, unknown, corrupt
    │   ├── DataError           the problems: empty, duplicate, unreadable
    │   ├── RewardError         a reward's file fails, or too many completions cannot be graded
    │   └── PreflightError      the run cannot learn as configured
    ├── CorruptionError         a hash does not match what was written    exit code 3
    ├── DivergenceError         NaN or infinity in the loss               exit code 4
    ├── StorageError            the disk is full or refuses               exit code 5
    └── Interrupted             asked to stop; a checkpoint is on disk     exit code 75

A message says what happened, where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PonderError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class UserError(PonderError):
    """Something the user can change: the recipe, the model, the data, the reward."""

    exit_code = 2


class RecipeError(UserError):
    """The recipe names an unknown key or a value that is not allowed."""


class ModelError(UserError):
    """The model folder is missing, of an unknown architecture, or lacks what the template needs."""


class DataError(UserError):
    """The problems are empty, duplicated or unreadable."""


class RewardError(UserError):
    """A reward's file cannot be used, or too many completions have no grade or reward."""


class SandboxError(UserError):
    """Code cannot be run in isolation on this machine."""


class PreflightError(UserError):
    """The run, as configured, cannot learn."""


class CorruptionError(PonderError):
    """What is on disk is not what was written."""

    exit_code = 3


class DivergenceError(PonderError):
    """The loss or the gradient is not a finite number."""

    exit_code = 4


class StorageError(PonderError):
    """The disk is full, read-only or refuses to sync."""

    exit_code = 5


class Interrupted(PonderError):
    """The run was asked to stop and left a checkpoint; running it again continues it."""

    exit_code = 75


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint for a misspelt name: ' Did you mean "x"?', or the allowed names when none is near."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f' Did you mean "{close[0]}"?'
    return f" Allowed: {', '.join(names)}."
