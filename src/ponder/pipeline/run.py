"""A recipe -> a run directory. Running again continues; a finished stage is kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ponder.config import Recipe, StageConfig
from ponder.errors import Interrupted, RecipeError, UserError, nearest
from ponder.models.registry import resolve_model
from ponder.pipeline.identity import key_of_stage, stage_config, user_files
from ponder.pipeline.isolation import settle_isolation
from ponder.pipeline.machine import set_threads
from ponder.pipeline.planning import describe_plan, needed_bytes
from ponder.pipeline.showing import describe_run
from ponder.pipeline.stage_context import Say, StageContext, StageResult
from ponder.pipeline.stages import STAGES
from ponder.storage.checkpoints import checkpoint_numbers
from ponder.storage.crashpoints import crash_point
from ponder.storage.hashes import hash_json, hash_path
from ponder.storage.lineage import StageInput, StageOutput, StageRecord, semantic_config
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
    recipe = settle_isolation(recipe, say)
    if options.dry_run:
        for line in describe_plan(recipe, folder):
            say(line)
        _check_stages(recipe, options.strict, say)
        return folder
    if not is_run(folder):
        check_space(folder, needed_bytes(recipe))
    limits = Limits(options.max_steps, options.max_hours)
    with limits.listening():
        try:
            finished = _work(recipe, options, folder, threads, limits, say)
        except Interrupted as stop:
            raise Interrupted(
                f"{stop} All finished iterations are in {folder}; the same command continues from there."
            ) from stop
    if finished:
        for line in describe_run(folder):
            say(line)
    else:
        why = limits.reached() or f"--until {options.until}"
        say(f"Stopped by {why}. The run is in {folder}; the same command continues it.")
    return folder


def _check_stages(recipe: Recipe, strict: bool, say: Say) -> None:
    """What can be found out of the stages that begin with the base, without sampling. Errors as theirs."""
    for stage in recipe.stages:
        check = STAGES[stage.kind].check
        if check is not None and getattr(stage, "init", "") == "base":
            check(recipe, stage, resolve_model(recipe.base), strict, say)


def _work(recipe: Recipe, options: RunOptions, folder: Path, threads: int, limits: Limits, say: Say) -> bool:
    """Works through the stages; True when all of them are finished."""
    fresh = not is_run(folder)
    with RunDirectory.open_or_create(folder, recipe.model_dump(mode="json"), threads=threads) as run:
        # Under the run's lock: a second start of the same command takes away nothing of the first.
        try:
            return _run_stages(run, recipe, options, limits, say)
        except UserError:
            if fresh:
                _withdraw(folder)
            raise


def _run_stages(run: RunDirectory, recipe: Recipe, options: RunOptions, limits: Limits, say: Say) -> bool:
    """True when all stages are finished, False at a limit."""
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
    record = _record(recipe, stage, key, kind.numerics_version, inputs)
    if known is not None and known.key != key:
        record = _continued(directory, known, record, say)
    if known is None or known.status != "done":
        if limits.reached():
            return False
        if known is None or known.user_files != record.user_files:
            directory.write(record)
        context = StageContext(
            recipe=recipe,
            stage=stage,
            directory=directory,
            key=record.key,
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
    finished = replace(record, status="done", outputs=outputs, cost=result.cost)
    directory.write(finished)
    crash_point("stage/after-publish")
    return finished


def _continued(directory: StageDirectory, known: StageRecord, now: StageRecord, say: Say) -> StageRecord:
    """The record under which a stage goes on that was begun with other files of the user's.

    A Python file may be mended while its stage is under way: the stage keeps its key, and its record
    says which file changed and when. Raises RecipeError when anything else is not as it was.
    """
    changed = sorted(name for name, digest in now.user_files.items() if known.user_files.get(name) != digest)
    same = known.inputs == now.inputs and known.numerics_version == now.numerics_version
    same = same and known.user_files.keys() == now.user_files.keys()
    same = same and hash_json(semantic_config(known.config)) == hash_json(semantic_config(now.config))
    may_change = known.status != "done" and all(name.endswith(".py") for name in changed)
    if not same or (changed and not may_change) or not (changed or known.mended):
        raise RecipeError(_other_inputs(directory, known, now))
    numbers = checkpoint_numbers(directory.checkpoints)
    done = max(numbers, default=0)
    for name in changed:
        say(f"{name} has changed since stage {known.name} began; it is used from iteration {done} on.")
    lines = (f"{name} from iteration {done} on: {now.user_files[name]}" for name in changed)
    return replace(now, key=known.key, mended=(*known.mended, *lines))


def _other_inputs(directory: StageDirectory, known: StageRecord, now: StageRecord) -> str:
    """Which input of a stage is not the one it was begun with."""
    before, after = (
        {item.name: item.sha256 for item in record.inputs}
        | dict(record.user_files)
        | {key: hash_json(value) for key, value in semantic_config(record.config).items()}
        for record in (known, now)
    )
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    what = ", ".join(changed) if changed else "the code that makes its numbers"
    return (
        f"{directory.path} was begun with other inputs; changed: {what}. Restore them, or start another run "
        "with --out."
    )


def _withdraw(folder: Path) -> None:
    """Removes a run directory that was made just now and in which nothing was computed yet."""
    if is_run(folder) and not any(
        found
        for name in ("metrics.jsonl", "evaluations/*", "policy")
        for found in folder.glob(f"stages/*/{name}")
    ):
        shutil.rmtree(folder)
