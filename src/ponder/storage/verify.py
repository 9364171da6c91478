"""`ponder verify`: every byte of a run against what was written down about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ponder.errors import CorruptionError, StorageError
from ponder.storage.files import is_leftover
from ponder.storage.hashes import MANIFEST, hash_file, hash_path, open_json
from ponder.storage.ledger import read_ledger
from ponder.storage.lines import read_lines
from ponder.storage.manifest import verify_directory
from ponder.storage.rollouts import ROLLOUTS_FOLDER
from ponder.storage.rundir import RUN_FILE, STAGE_FILE, RunDirectory, StageDirectory, read_recipe
from ponder.types import ArtifactKind


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written."""

    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify_run` looked at and what it found."""

    num_checked: int
    """Files and folders compared with a hash."""
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not self.findings


def verify_run(path: Path) -> Verification:
    """Compares everything in the run at `path` with its hash; never stops at the first difference.

    recipe.yaml, run.json, stage.json and every JSON line carry their own; checkpoints and other
    published folders have manifests; the ledger has the rollouts' and a finished stage.json its
    outputs', of which every folder but the rollouts is a published one. A torn last line is a finding
    too: the next `ponder run` cuts it. Raises `UserError` when `path` holds no run.
    """
    run = RunDirectory.view(path)
    checks: list[tuple[Path, Callable[[], object]]] = [
        (path / "recipe.yaml", lambda: read_recipe(path)),
        (path / RUN_FILE, lambda: open_json(path / RUN_FILE)),
    ]
    for stage in run.stages():
        checks += _stage_checks(stage)
    findings = []
    for target, check in checks:
        try:
            check()
        except (CorruptionError, StorageError) as error:
            findings.append(Finding(target, str(error)))
        except (OSError, KeyError, TypeError, ValueError) as error:
            findings.append(Finding(target, f"{target} cannot be read: {error!r}"))
    return Verification(len(checks), tuple(findings))


def _stage_checks(stage: StageDirectory) -> Iterator[tuple[Path, Callable[[], object]]]:
    yield stage.path, partial(_check_record, stage)
    for lines in sorted(stage.path.glob("*.jsonl")):
        yield lines, partial(_check_lines, lines)
    for folder in sorted(_published(stage)):
        yield folder, partial(verify_directory, folder)
    yield stage.rollouts, partial(_check_rollouts, stage)
    yield stage.path / "outputs", partial(_check_outputs, stage)


def _check_record(stage: StageDirectory) -> None:
    if stage.read() is None and any(not is_leftover(path) for path in stage.path.iterdir()):
        raise CorruptionError(f"{stage.path / STAGE_FILE} is missing: it is written before anything else.")


def _published(stage: StageDirectory) -> set[Path]:
    """The folders that must have a manifest: those with one, and every checkpoint."""
    found = {path.parent for path in stage.path.rglob(MANIFEST)}
    if stage.checkpoints.is_dir():
        found |= set(stage.checkpoints.iterdir())
    return {folder for folder in found if not is_leftover(folder)}


def _check_lines(path: Path) -> None:
    read_lines(path)
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        raise CorruptionError(
            f"{path} ends in a torn line; the next `ponder run` cuts it and makes it again."
        )


def _check_rollouts(stage: StageDirectory) -> None:
    known = {}
    for event in read_ledger(stage.path):
        if event["event"] == "rollouts":
            known[event["file"]] = event["sha256"]
    present = {f"{ROLLOUTS_FOLDER}/{path.name}" for path in stage.rollouts.glob("*") if not is_leftover(path)}
    for name in sorted(known.keys() | present):
        if name not in present:
            raise CorruptionError(f"{stage.path / name} is missing (expected sha256 {known[name]}).")
        found = hash_file(stage.path / name)
        if name not in known:
            raise CorruptionError(
                f"{stage.path / name} is not in the ledger (found sha256 {found}); "
                "the next `ponder run` removes it."
            )
        if found != known[name]:
            raise CorruptionError(
                f"{stage.path / name} is damaged: expected sha256 {known[name]}, found {found}."
            )


def _check_outputs(stage: StageDirectory) -> None:
    record = stage.read()
    for output in record.outputs if record else ():
        target = stage.path / output.path
        if not target.exists():
            raise CorruptionError(f"{target} is missing (expected sha256 {output.sha256}).")
        published = target.is_dir() and output.kind != ArtifactKind.ROLLOUTS
        found = verify_directory(target) if published else hash_path(target)
        if found != output.sha256:
            raise CorruptionError(f"{target} is damaged: expected sha256 {output.sha256}, found {found}.")
