"""What a stage is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ponder.config import Recipe, StageConfig
from ponder.storage.rundir import StageDirectory
from ponder.training.limits import Limits
from ponder.types import Artifact

Say = Callable[[str], None]
"""Shows one line to whoever watches."""


@dataclass(frozen=True, slots=True)
class StageContext:
    """Everything a stage needs to know of the run it is in."""

    recipe: Recipe
    stage: StageConfig
    directory: StageDirectory
    key: str
    init: Path
    """Folder of the model the stage begins with."""
    init_sha256: str
    limits: Limits
    strict: bool
    say: Say


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage left, or why it stopped before its end."""

    finished: bool
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    """Name -> artifact; "policy" is what later stages begin with."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """Counts and, under names ending in `_s`, seconds."""
