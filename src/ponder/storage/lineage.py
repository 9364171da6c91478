"""What a stage was made of: its key, its record, and how two recipes differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ponder.errors import RecipeError
from ponder.storage.hashes import hash_json
from ponder.types import Artifact

FREE_KEYS = frozenset({"engine", "hardware", "checkpoints"})
"""Blocks of a recipe that change how a result is made, never which: they are outside a stage's key."""

StageStatus = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class StageInput:
    """Something a stage read."""

    name: str
    """What it is to the stage: "policy", "problems"."""
    kind: str
    """An `ArtifactKind`, or "user_file"."""
    sha256: str


@dataclass(frozen=True, slots=True)
class StageOutput:
    """Something a stage left."""

    name: str
    kind: str
    path: str
    """Relative to the stage's folder, with "/"."""
    sha256: str
    """`hash_path` of it."""

    @classmethod
    def of(cls, name: str, artifact: Artifact, stage: Path) -> StageOutput:
        """The output that `artifact` is in the folder `stage`."""
        return cls(name, str(artifact.kind), artifact.path.relative_to(stage).as_posix(), artifact.sha256)


@dataclass(frozen=True, slots=True)
class StageRecord:
    """stage.json: what a stage was asked, what it read, what it left, what it cost."""

    name: str
    kind: str
    key: str
    config: Mapping[str, Any]
    numerics_version: int
    status: StageStatus = "running"
    inputs: tuple[StageInput, ...] = ()
    outputs: tuple[StageOutput, ...] = ()
    user_files: Mapping[str, str] = field(default_factory=dict)
    """Path as in the recipe -> SHA-256 of the file as it is now."""
    mended: tuple[str, ...] = ()
    """Which of the user's Python files changed while the stage was under way, and after which checkpoint."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """Counts (tokens, FLOPs) and, under names ending in `_s`, seconds; those go to timing.json."""


def semantic_config(config: Any) -> Any:
    """`config` without the blocks that leave results alone (`FREE_KEYS`), at any depth.

    `options` are a user's own: whatever their keys are called, they count.
    """
    if isinstance(config, Mapping):
        return {
            key: value if key == "options" else semantic_config(value)
            for key, value in config.items()
            if key not in FREE_KEYS
        }
    if isinstance(config, (list, tuple)):
        return [semantic_config(item) for item in config]
    return config


def stage_key(
    config: Mapping[str, Any],
    input_hashes: Mapping[str, str],
    numerics_version: int,
    user_file_hashes: Mapping[str, str],
) -> str:
    """SHA-256 of all that a stage's results depend on.

    Its configuration less `FREE_KEYS`, the content hash of each input by name, the stage's numerics
    version and the hashes of the user's files it calls. Equal keys: the finished stage is reused.
    """
    return hash_json(
        {
            "config": semantic_config(config),
            "inputs": dict(input_hashes),
            "numerics_version": numerics_version,
            "user_files": dict(user_file_hashes),
        }
    )


# --- how two recipes differ ----------------------------------------------------------------------

_ABSENT = "(absent)"


@dataclass(frozen=True, slots=True)
class RecipeChange:
    """One key that differs between two recipes."""

    key: str
    """Dotted; members of lists that have a name by that name: `stages.zero.algorithm.kl.coef`."""
    old: Any
    new: Any
    free: bool
    """Whether results stay the same (`FREE_KEYS`)."""

    def __str__(self) -> str:
        return f"{self.key} was {self.old!r}, is {self.new!r}"


def recipe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[RecipeChange, ...]:
    """The keys whose values differ, in the order of `old`, then those only in `new`."""
    return tuple(_changes((), old, new))


def require_same_recipe(run: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Returns when `new` gives the results of `old`; otherwise `RecipeError` names every changed key."""
    changes = [change for change in recipe_changes(old, new) if not change.free]
    if changes:
        listed = "; ".join(str(change) for change in changes)
        raise RecipeError(
            f"{run} was begun with another recipe: {listed}. Restore the value, or give a new --out; "
            f"only {', '.join(sorted(FREE_KEYS))} may change within a run."
        )


def _changes(path: tuple[str, ...], old: Any, new: Any) -> list[RecipeChange]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for key in [*old, *(key for key in new if key not in old)]:
            found += _changes((*path, str(key)), old.get(key, _ABSENT), new.get(key, _ABSENT))
        return found
    if _is_list(old) and _is_list(new):
        if _names(old) is not None and _names(new) is not None and _names(old) == _names(new):
            return _changes(path, _by_name(old), _by_name(new))
        if len(old) == len(new) and not _names(old):
            return [change for i in range(len(old)) for change in _changes((*path, str(i)), old[i], new[i])]
        old, new = list(old), list(new)
    if old == new and type(old) is type(new):
        return []
    if isinstance(old, (int, float)) and isinstance(new, (int, float)) and old == new:
        return [] if isinstance(old, bool) == isinstance(new, bool) else [_change(path, old, new)]
    return [_change(path, old, new)]


def _change(path: tuple[str, ...], old: Any, new: Any) -> RecipeChange:
    return RecipeChange(".".join(path), old, new, _is_free(path))


def _is_free(path: tuple[str, ...]) -> bool:
    """Whether a key lies in a free block, and not among a user's own options."""
    outside = path[: path.index("options")] if "options" in path else path
    return any(part in FREE_KEYS for part in outside)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _names(items: Sequence[Any]) -> list[str] | None:
    """The names of a list of named blocks, in order; None when one has none or two are the same."""
    names = [item.get("name", "") if isinstance(item, Mapping) else "" for item in items]
    return names if all(names) and len(set(names)) == len(names) else None


def _by_name(items: Sequence[Any]) -> dict[str, Any]:
    return {item["name"]: item for item in items}
