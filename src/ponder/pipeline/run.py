"""A recipe -> a run directory. Running again continues; a finished stage is kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ponder.config import Recipe, StageConfig
from ponder.errors import Interrupted, RecipeError, UserError, nearest
from ponder.models.registry import resolve_model
from ponder.pipeline.identity import key_of_stage, stage_config, user_files
from ponder.pipeline.machine import set_threads
from ponder.pipeline.planning import describe_plan, needed_bytes
from ponder.pipeline.showing import describe_run
from ponder.pipeline.stage_context import Say, StageContext, StageResult
from ponder.pipeline.stages import STAGES
from ponder.storage.crashpoints import crash_point
from ponder.storage.hashes import hash_path
from ponder.storage.lineage import StageInput, StageOutput, StageRecord
from ponder.storage.rundir import RunDirectory, StageDirectory, is_run
from ponder.storage.space import check_space
from ponder.training.limits import Limits


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a recipe; none of it changes a result."""

    out: Path | None = None
    dry_run: bool = False
    strict: bool = False
    max_steps: int | None = None
    max_hours: float | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class _Model:
    """Something a stage can begin with."""

    folder: Path
    sha256: str


def run_recipe(recipe: Recipe, options: RunOptions, say: Say = print) -> Path:
    """The run directory, after the stages that were left to do, up to a limit.

    Raises Interrupted after SIGINT or SIGTERM, with everything finished on disk. An error of the
    user's side before anything was learned leaves no run directory behind.
    """
    folder = options.out if options.out is not None else Path("runs") / recipe.name
    names = [stage.name for stage in recipe.stages]
    if options.until is not None and options.until not in names:
        raise RecipeError(
            f"--until names {options.until!r}, which is no stage.{nearest(options.until, names)}"
        )
    threads = set_threads(recipe.hardware)
    if options.dry_run:
        for line in describe_plan(recipe, folder):
            say(line)
        return folder
    fresh = not is_run(folder)
    if fresh:
        check_space(folder, needed_bytes(recipe))
    limits = Limits(options.max_steps, options.max_hours)
    with limits.listening():
        try:
            finished = _work(recipe, options, folder, threads, limits, say)
        except Interrupted as stop:
            raise Interrupted(
                f"{stop} All finished iterations are in {folder}; the same command continues from there."
            ) from stop
        except UserError:
            if fresh:
                _withdraw(folder)
            raise
    if finished:
        for line in describe_run(folder):
            say(line)
    else:
        why = limits.reached() or f"--until {options.until}"
        say(f"Stopped by {why}. The run is in {folder}; the same command continues it.")
    return folder


def _work(recipe: Recipe, options: RunOptions, folder: Path, threads: int, limits: Limits, say: Say) -> bool:
    """Works through the stages; True when all of them are finished."""
    with RunDirectory.open_or_create(folder, recipe.model_dump(mode="json"), threads=threads) as run:
        for change in run.environment_changes:
            say(f"Since the run began: {change}. Last bits of results may differ from here on.")
        models: dict[str, _Model] = {}
        if any(getattr(stage, "init", "") == "base" for stage in recipe.stages):
            base = resolve_model(recipe.base)
            models["base"] = _Model(base, hash_path(base))
        for index, stage in enumerate(recipe.stages, start=1):
            directory = run.stage(index, stage.name)
            if not _run_stage(recipe, stage, directory, models, options, limits, say):
                return False
            if stage.name == options.until and index < len(recipe.stages):
                return False
    return True


def _run_stage(
    recipe: Recipe,
    stage: StageConfig,
    directory: StageDirectory,
    models: dict[str, _Model],
    options: RunOptions,
    limits: Limits,
    say: Say,
) -> bool:
    """Runs what is left of one stage and enters its policy into `models`; False at a limit."""
    kind = STAGES[stage.kind]
    init = models.get(getattr(stage, "init", ""))
    inputs = {"policy": init.sha256} if init is not None else {}
    key = key_of_stage(recipe, stage, inputs, kind.numerics_version)
    known = directory.read()
    if known is not None and known.key != key:
        raise RecipeError(_other_inputs(directory, known, inputs, user_files(recipe, stage)))
    if known is None or known.status != "done":
        if limits.reached():
            return False
        record = _record(recipe, stage, key, kind.numerics_version, inputs)
        if known is None:
            directory.write(record)
        context = StageContext(
            recipe=recipe,
            stage=stage,
            directory=directory,
            key=key,
            init=init.folder if init is not None else Path(),
            init_sha256=init.sha256 if init is not None else "",
            limits=limits,
            strict=options.strict,
            say=say,
        )
        result = kind.run(context)
        if not result.finished:
            return False
        known = _finish(directory, record, result)
    else:
        say(f"Stage {stage.name} is finished and kept.")
    for output in known.outputs:
        if output.name == "policy":
            models[stage.name] = _Model(directory.path / output.path, output.sha256)
    return True


def _record(
    recipe: Recipe, stage: StageConfig, key: str, numerics_version: int, inputs: Mapping[str, str]
) -> StageRecord:
    return StageRecord(
        name=stage.name,
        kind=stage.kind,
        key=key,
        config=stage_config(recipe, stage),
        numerics_version=numerics_version,
        inputs=tuple(StageInput(name, "checkpoint", digest) for name, digest in inputs.items()),
        user_files=user_files(recipe, stage),
    )


def _finish(directory: StageDirectory, record: StageRecord, result: StageResult) -> StageRecord:
    """The record of a finished stage, on the disk."""
    outputs = tuple(
        StageOutput.of(name, artifact, directory.path) for name, artifact in result.outputs.items()
    )
    finished = StageRecord(
        name=record.name,
        kind=record.kind,
        key=record.key,
        config=record.config,
        numerics_version=record.numerics_version,
        status="done",
        inputs=record.inputs,
        outputs=outputs,
        user_files=record.user_files,
        cost=result.cost,
    )
    directory.write(finished)
    crash_point("stage/after-publish")
    return finished


def _other_inputs(
    directory: StageDirectory, known: StageRecord, inputs: Mapping[str, str], files: Mapping[str, str]
) -> str:
    """Which input of a stage is not the one it was begun with."""
    before = {item.name: item.sha256 for item in known.inputs} | dict(known.user_files)
    now = {**inputs, **files}
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    what = ", ".join(changed) if changed else "the code that makes its numbers"
    return (
        f"{directory.path} was begun with other inputs; changed: {what}. Restore them, or start another run "
        "with --out."
    )


def _withdraw(folder: Path) -> None:
    """Removes a run directory that was made just now and in which nothing was learned yet."""
    if is_run(folder) and not any(folder.glob("stages/*/metrics.jsonl")):
        shutil.rmtree(folder)
