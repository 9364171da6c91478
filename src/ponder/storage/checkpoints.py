"""Checkpoints: a Hugging Face folder, the trainer's state beside it, and a manifest over both.

::

    checkpoints/checkpoint-00000120/
      config.json, model.safetensors, tokenizer.json, ...   written by the caller's `write_model`
      trainer/state.json, trainer/tensors.safetensors       see `trainer_state`
      manifest.json                                         written last

The number counts the units of replay done: iterations of reinforcement learning (whose steps may be
none), steps of other training. No pointer says which one is the latest: it is the newest that verifies.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.errors import CorruptionError, StorageError
from ponder.storage.files import publish_directory, remove_durably
from ponder.storage.manifest import verify_directory
from ponder.storage.trainer_state import read_trainer_state, system_errors, write_trainer_state
from ponder.types import Artifact, ArtifactKind

TRAINER_FOLDER = "trainer"
_NAME = re.compile(r"checkpoint-(\d{8,})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk that verified when this value was made."""

    path: Path
    """Opens in transformers as it is."""
    number: int
    """Iterations (or steps, where one is a unit of replay) done."""
    sha256: str
    """Content hash of model and trainer state."""

    def trainer_state(self) -> dict[str, Any]:
        """The state given to `save_checkpoint`, tensors on the CPU.

        Hashes are checked again first: `CorruptionError` before any tensor is used.
        """
        verify_directory(self.path)
        return read_trainer_state(self.path / TRAINER_FOLDER)

    def artifact(self, parents: tuple[str, ...] = ()) -> Artifact:
        return Artifact(ArtifactKind.CHECKPOINT, self.path, self.sha256, parents)


def save_checkpoint(
    folder: Path,
    number: int,
    write_model: Callable[[Path], None],
    trainer_state: Mapping[str, Any],
    *,
    needed_bytes: int = 0,
) -> Checkpoint:
    """The checkpoint `folder/checkpoint-NNNNNNNN`, on the disk for good.

    `write_model(path)` writes the Hugging Face files into an existing folder. `trainer_state` is what
    `write_trainer_state` takes; no seconds or dates in it, or equal runs hash differently.
    A damaged checkpoint of the same number is replaced, a good one with the same content kept.
    Raises `StorageError` for a good one with other content, and when the disk is full
    (`needed_bytes`, if given, is checked first); nothing is left then.
    """

    def build(path: Path) -> None:
        with system_errors():
            write_model(path)
        write_trainer_state(path / TRAINER_FOLDER, trainer_state)

    target = _path(folder, number)
    digest = publish_directory(
        build, target, label="checkpoint", needed_bytes=needed_bytes, replace_corrupt=True
    )
    return Checkpoint(target, number, digest)


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`; `CorruptionError` when a byte of it is not as it was written."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise StorageError(f"{path} is no checkpoint: its name is not of the form checkpoint-00000120.")
    return Checkpoint(path, int(match.group(1)), verify_directory(path))


def checkpoint_numbers(folder: Path) -> list[int]:
    """The numbers of the checkpoints in `folder`, verified or not, in order."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(match.group(1)) for match in map(_NAME.fullmatch, names) if match)


def latest_checkpoint(
    folder: Path, *, fall_back: bool = False, announce: Callable[[str], None] = warnings.warn
) -> Checkpoint | None:
    """The newest checkpoint in `folder`, verified; None when there is none.

    When the newest is damaged: `CorruptionError`, or with `fall_back` the next older one that
    verifies, after `announce` was told of each that was passed over. `CorruptionError` too when none
    verifies: starting anew is for the user to decide.
    """
    numbers = checkpoint_numbers(folder)
    for number in reversed(numbers):
        try:
            return open_checkpoint(_path(folder, number))
        except CorruptionError as error:
            if not fall_back or number == numbers[0]:
                raise CorruptionError(f"{error} {_remedy(folder, numbers, fall_back)}") from error
            announce(f"{error} The checkpoint before it is used.")
    return None


def retain_checkpoints(
    folder: Path, *, keep: int, best: int | None = None, every: int | None = None
) -> tuple[int, ...]:
    """The numbers of the checkpoints removed: all but the newest `keep` and the number `best`.

    With `every`, checkpoints at other numbers (made when a run was interrupted) go as soon as a newer
    one is there, and do not count among `keep`: an interrupted run ends with the files of one that
    was not. To be called after each save and again on resuming: a kill between the two leaves one
    checkpoint too many. Nothing is removed unless the newest checkpoint verifies (`CorruptionError`).
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1, got {keep}")
    numbers = checkpoint_numbers(folder)
    if len(numbers) < 2:
        return ()
    newest = numbers[-1]
    regular = [number for number in numbers if number == newest or every is None or number % every == 0]
    kept = {*regular[-keep:], best}
    removed = tuple(number for number in numbers if number not in kept)
    if removed:
        open_checkpoint(_path(folder, newest))
    for number in removed:
        remove_durably(_path(folder, number))
    return removed


def _path(folder: Path, number: int) -> Path:
    return folder / f"checkpoint-{number:08d}"


def _remedy(folder: Path, numbers: list[int], fall_back: bool) -> str:
    if len(numbers) > 1 and not fall_back:
        return f"Remove it to go on from checkpoint {numbers[-2]}, or restore it from a copy."
    return f"No checkpoint in {folder} verifies; restore one from a copy, or begin a new run."
