"""The run directory.

::

    runs/NAME/
      recipe.yaml             the resolved recipe, its hash in the last line
      run.json                versions, seed, machine, code hash; not part of the results
      lock                    the process at work
      stages/NN-name/         stage.json, timing.json, metrics.jsonl, ledger.jsonl, rollouts/, checkpoints/

`create` begins one, `open` goes on with one; both hold its lock until `close`. `view` only reads.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from ponder.errors import CorruptionError, UserError
from ponder.storage.crashpoints import crash_point
from ponder.storage.environment import describe_environment, environment_changes
from ponder.storage.files import make_folder_durably, sweep_leftovers, write_file_durably
from ponder.storage.hashes import (
    canonical_json,
    hash_bytes,
    hash_file,
    is_timing,
    open_json,
    seal_json,
    walk_files,
)
from ponder.storage.lineage import StageInput, StageOutput, StageRecord, require_same_recipe
from ponder.storage.lock import LOCK_FILE, RunLock

RECIPE_FILE = "recipe.yaml"
RUN_FILE = "run.json"
STAGE_FILE = "stage.json"
STAGE_TIMING_FILE = "timing.json"
_SEAL = "# sha256: "


@dataclass(frozen=True, slots=True)
class StageDirectory:
    """`stages/NN-name/`: what one stage leaves."""

    path: Path

    @property
    def index(self) -> int:
        return int(self.path.name.partition("-")[0])

    @property
    def name(self) -> str:
        return self.path.name.partition("-")[2]

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def rollouts(self) -> Path:
        return self.path / "rollouts"

    def read(self) -> StageRecord | None:
        """stage.json with the seconds of timing.json; None before the stage has begun.

        Raises `CorruptionError` when it is not as it was written.
        """
        if not (self.path / STAGE_FILE).exists():
            return None
        record = open_json(self.path / STAGE_FILE)
        if (self.path / STAGE_TIMING_FILE).exists():
            record["cost"] |= open_json(self.path / STAGE_TIMING_FILE)["cost"]
        inputs = tuple(StageInput(**item) for item in record.pop("inputs"))
        outputs = tuple(StageOutput(**item) for item in record.pop("outputs"))
        record["mended"] = tuple(record.get("mended", ()))
        return StageRecord(**record, inputs=inputs, outputs=outputs)

    def write(self, record: StageRecord) -> None:
        """Replaces stage.json by `record`; the seconds in its cost go to timing.json, before."""
        fields = dataclasses.asdict(record)
        seconds = {key: value for key, value in record.cost.items() if key.endswith("_s")}
        fields["cost"] = {key: value for key, value in record.cost.items() if key not in seconds}
        make_folder_durably(self.path)
        if seconds:
            write_file_durably(self.path / STAGE_TIMING_FILE, seal_json({"cost": seconds}))
        write_file_durably(self.path / STAGE_FILE, seal_json(fields))


class RunDirectory:
    """A run on disk. Made by `create`, `open` or `view`."""

    def __init__(self, path: Path, lock: RunLock | None, changes: tuple[str, ...] = ()) -> None:
        self.path = path
        self.environment_changes = changes
        """What of versions, code and machine differs from when the run was begun, one line each."""
        self._lock = lock

    @classmethod
    def create(cls, path: Path, recipe: Mapping[str, Any], *, threads: int | None = None) -> RunDirectory:
        """A new run of `recipe` (plain values, as `model_dump(mode="json")` gives), locked.

        Raises `UserError` when `path` holds a run or something else, or another process is in it.
        A directory whose creation a crash cut short is taken up.
        """
        if is_run(path):
            raise UserError(f"{path} holds a run already; give the command again to continue it.")
        make_folder_durably(path)
        lock = RunLock(path)
        try:
            sweep_leftovers(path)
            strangers = {entry.name for entry in path.iterdir()} - {LOCK_FILE, RECIPE_FILE}
            if strangers:
                raise UserError(
                    f"{path} is not empty and no run ({min(strangers)} is in it); choose another --out."
                )
            crash_point("run/before-create")
            write_file_durably(path / RECIPE_FILE, _seal_recipe(recipe))
            crash_point("run/after-recipe")
            facts: dict[str, Any] = {
                "name": str(recipe.get("name", path.name)),
                "seed": recipe.get("seed"),
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "environment": describe_environment(threads),
                "resumes": [],
            }
            write_file_durably(path / RUN_FILE, seal_json(facts))
            crash_point("run/after-create")
        except BaseException:
            lock.close()
            raise
        return cls(path, lock)

    @classmethod
    def open(
        cls, path: Path, recipe: Mapping[str, Any] | None = None, *, threads: int | None = None
    ) -> RunDirectory:
        """The run at `path`, locked, its leftovers swept, the resumption noted in run.json.

        With `recipe`, `RecipeError` when that would give other results, naming each changed key;
        changes that leave results alone are taken over into recipe.yaml.
        """
        _require_run(path)
        lock = RunLock(path)
        try:
            facts = open_json(path / RUN_FILE)
            old = read_recipe(path)
            if recipe is not None:
                require_same_recipe(path, old, recipe)
            sweep_leftovers(path)
            crash_point("run/after-sweep")
            if recipe is not None and _seal_recipe(recipe) != _seal_recipe(old):
                write_file_durably(path / RECIPE_FILE, _seal_recipe(recipe))
            changes = environment_changes(facts["environment"], describe_environment(threads))
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            facts["resumes"].append({"time": now, "changes": list(changes)})
            write_file_durably(path / RUN_FILE, seal_json(facts))
        except BaseException:
            lock.close()
            raise
        return cls(path, lock, changes)

    @classmethod
    def open_or_create(
        cls, path: Path, recipe: Mapping[str, Any], *, threads: int | None = None
    ) -> RunDirectory:
        """`open` where there is a run, otherwise `create`."""
        return (cls.open if is_run(path) else cls.create)(path, recipe, threads=threads)

    @classmethod
    def view(cls, path: Path) -> RunDirectory:
        """The run at `path` for reading, also while another process works in it."""
        _require_run(path)
        return cls(path, None)

    @property
    def recipe(self) -> dict[str, Any]:
        return read_recipe(self.path)

    @property
    def facts(self) -> dict[str, Any]:
        """run.json: name, seed, created, environment, resumes."""
        return open_json(self.path / RUN_FILE)

    def stage(self, index: int, name: str) -> StageDirectory:
        """The folder of the stage, made if it is not there; `index` counts from 1."""
        folder = self.path / "stages" / f"{index:02d}-{name}"
        make_folder_durably(folder)
        return StageDirectory(folder)

    def stages(self) -> list[StageDirectory]:
        """The stages begun so far, in order."""
        folder = self.path / "stages"
        found = [StageDirectory(path) for path in folder.iterdir()] if folder.is_dir() else []
        return sorted(found, key=lambda stage: stage.index)

    def content_hashes(self) -> dict[str, str]:
        """{relative name: SHA-256} of every file that an equal run has byte for byte.

        The stages less their timing. Versions and machine (run.json), the lock and the recipe's
        engine and hardware are not results.
        """
        folder = self.path / "stages"
        names = walk_files(folder) if folder.is_dir() else []
        kept = [name for name in names if not is_timing(name)]
        return {f"stages/{name}": hash_file(folder / name) for name in kept}

    def close(self) -> None:
        """Lets the next process in."""
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_run(path: Path) -> bool:
    """Whether a run was begun at `path`: its run.json, written last, is there."""
    return (path / RUN_FILE).is_file()


def read_recipe(path: Path) -> dict[str, Any]:
    """The resolved recipe of the run at `path`; `CorruptionError` when the file was changed."""
    data = (path / RECIPE_FILE).read_bytes()
    body, mark, seal = data.rpartition(_SEAL.encode())
    if not mark or seal != f"{hash_bytes(body)}\n".encode():
        raise CorruptionError(
            f"{path / RECIPE_FILE} is damaged or was edited: expected sha256 "
            f"{seal.decode(errors='replace').strip()}, found {hash_bytes(body)}. "
            "To change a run's recipe give the changed one to `ponder run`."
        )
    recipe = yaml.safe_load(body)
    if not isinstance(recipe, dict):
        raise CorruptionError(f"{path / RECIPE_FILE} holds no recipe.")
    return recipe


def _seal_recipe(recipe: Mapping[str, Any]) -> bytes:
    canonical_json(dict(recipe))  # raises for what YAML would write as a Python object
    body = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True).encode()
    return body + f"{_SEAL}{hash_bytes(body)}\n".encode()


def _require_run(path: Path) -> None:
    if not is_run(path):
        raise UserError(f"{path} holds no run: there is no {RUN_FILE} in it.")
