"""What a recipe's types cannot check, and violations of its types put into words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ponder.config import Recipe, RLStage, Schedule, TaskConfig, value_at
from ponder.errors import RecipeError, nearest
from ponder.grading.code_runners import check_isolation
from ponder.plugins import is_plugin

if TYPE_CHECKING:
    from ponder.rewards.routing import Route

# --- names and schedules that the types cannot check ------------------------------------------------


def check_names(recipe: Recipe, source: str) -> None:
    """Raises RecipeError where a name refers to nothing or a schedule has no beginning."""
    check_isolation(recipe.isolation)
    names = [stage.name for stage in recipe.stages]
    for index, stage in enumerate(recipe.stages):
        where = f"stages.{stage.name}"
        if stage.name in names[:index]:
            raise RecipeError(f"{source}: two stages are called {stage.name!r}; give each its own name.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", stage.name):
            raise RecipeError(f"{source}: {where}: a stage's name is letters, digits, - and _.")
        init = getattr(stage, "init", "base")
        makers = [earlier.name for earlier in recipe.stages[:index] if earlier.kind != "evaluate"]
        if init not in ("base", *makers):
            raise RecipeError(
                f"{source}: {where}.init is {init!r}, which is no earlier stage that leaves a model."
                f"{nearest(init, ['base', *makers])}"
            )
        if isinstance(stage, RLStage):
            _check_schedules(stage, where, source)
            _check_data(stage, where, source)
            _check_rewards(recipe, stage, where, source)
            _check_algorithm(stage, where, source)
        if stage.kind != "pretrain" and not recipe.tasks:
            raise RecipeError(f"{source}: tasks is empty, and {where} needs problems.")
    _check_tables(recipe, source)


def _check_schedules(stage: RLStage, where: str, source: str) -> None:
    schedules: dict[str, Schedule] = {
        "sampling.temperature": stage.sampling.temperature,
        "sampling.max_new_tokens": stage.sampling.max_new_tokens,
        "algorithm.kl.coef": stage.algorithm.kl.coef,
    }
    for key, schedule in schedules.items():
        try:
            values = [schedule] if isinstance(schedule, (int, float)) else [entry.value for entry in schedule]
            value_at(schedule, 0)
        except ValueError as error:
            raise RecipeError(f"{source}: {where}.{key}: {error}") from error
        if min(values) < 0 or (min(values) <= 0 and key.startswith("sampling")):
            raise RecipeError(f"{source}: {where}.{key} holds {min(values)}, which is not positive.")


def _check_data(stage: RLStage, where: str, source: str) -> None:
    """Raises RecipeError for an interval of pass rates in which nothing can lie."""
    low, high = stage.data.pass_rate
    if not 0 <= low <= high <= 1:
        raise RecipeError(
            f"{source}: {where}.data.pass_rate is [{low}, {high}]; wanted 0 <= low <= high <= 1."
        )


def _check_rewards(recipe: Recipe, stage: RLStage, where: str, source: str) -> None:
    """Raises RecipeError for rewards that do not exist, are listed twice, or an empty list, and for rewards
    that ask for tasks, graders or languages that are not there."""
    from ponder.rewards import ScoringSpec
    from ponder.rewards.routing import check_routes

    try:
        ScoringSpec(stage.rewards).check()
        check_routes(stage.rewards, [route for task in recipe.tasks for route in _routes(task)])
    except RecipeError as error:
        raise RecipeError(f"{source}: {where}: {error}") from error


def _routes(task: TaskConfig) -> list[Route]:
    """What a task's problems have that rewards may ask for. A generated family says it all; the rows of a
    file may name their own grader and language, and what a user's function gives is unknown."""
    from ponder.rewards.routing import Route
    from ponder.tasks import TASKS

    if is_plugin(task.name):
        return [Route(None, None, None)]
    if task.file or task.name not in TASKS:
        return [Route(task.name or Path(task.file).name.split(".")[0], task.grader or None, None)]
    return [Route(task.name, TASKS[task.name].grader, language) for language in task.languages]


def _check_algorithm(stage: RLStage, where: str, source: str) -> None:
    """Raises RecipeError for values that are allowed one by one and mean nothing together."""
    from ponder.algorithms import resolve_algorithm

    try:
        algorithm = resolve_algorithm(stage.algorithm.model_dump())
    except RecipeError as error:
        raise RecipeError(f"{source}: {where}: {error}") from error
    caps = stage.sampling.max_new_tokens
    shortest = caps if isinstance(caps, (int, float)) else min(entry.value for entry in caps)
    if algorithm.truncated == "penalise" and algorithm.overlong_band >= shortest:
        raise RecipeError(
            f"{source}: {where}.algorithm.overlong_band is {algorithm.overlong_band}, not below the "
            f"length cap {shortest:g}: every completion would be penalised. DAPO's is a fifth of the cap, "
            f"{shortest // 5:g}."
        )
    if stage.lora is not None and algorithm.optimizer.kind == "muon":
        raise RecipeError(
            f'{source}: {where}.algorithm.optimizer.kind is "muon", which is for whole matrices; '
            'with `lora` use "adamw".'
        )
    if algorithm.advantage.estimator == "process":
        raise RecipeError(
            f'{source}: {where}.algorithm.advantage.estimator is "process", which needs rewards of '
            "single steps; no rule gives them. It serves the Python API: `build_samples(step_rewards=...)`."
        )


def _check_tables(recipe: Recipe, source: str) -> None:
    from ponder.prompting import load_template
    from ponder.rollout.engines import ENGINES
    from ponder.tasks import TASKS

    load_template(recipe.template)
    if recipe.engine.kind not in ENGINES:
        kind = recipe.engine.kind
        raise RecipeError(f"{source}: engine.kind is {kind!r}, which is no engine.{nearest(kind, ENGINES)}")
    for index, task in enumerate(recipe.tasks):
        where = f"{source}: tasks.{task.name or index}"
        if bool(task.name) == bool(task.file) and not (task.name and task.file):
            raise RecipeError(f"{where}: give either a generator's `name` or a `file`.")
        if not task.name or task.file or is_plugin(task.name):
            continue
        if task.name not in TASKS:
            raise RecipeError(f"{where}: name is {task.name!r}, which is no task.{nearest(task.name, TASKS)}")
        for option in task.options:
            if option not in TASKS[task.name].options:
                raise RecipeError(
                    f"{where}: unknown option {option!r}.{nearest(option, TASKS[task.name].options)}"
                )


# --- validation errors in words ---------------------------------------------------------------------


def explain(error: ValidationError, data: Mapping[str, Any], source: str) -> str:
    """All violations, one sentence each: the key, its value, what is allowed, the nearest name."""
    sentences = []
    for entry in error.errors():
        loc = entry["loc"]
        key = _dotted(loc, data)
        if entry["type"] == "extra_forbidden":
            hint = nearest(str(loc[-1]), _fields_at(loc[:-1]))
            sentences.append(f"unknown key {key} = {entry['input']!r}.{hint}")
        elif entry["type"] == "missing":
            sentences.append(f"{key} is missing; it has no default.")
        else:
            sentences.append(f"{key} = {entry['input']!r}: {entry['msg']}.")
    return f"{source}: " + "\n  ".join(sentences)


def _dotted(loc: Sequence[int | str], data: Mapping[str, Any]) -> str:
    """The key as an override would spell it: `stages.rl.algorithm.kl.coef`."""
    parts = [str(part) for part in loc]
    if len(loc) > 1 and isinstance(loc[1], int) and loc[0] in ("stages", "tasks"):
        entry = data[str(loc[0])][loc[1]]
        if isinstance(entry, dict) and entry.get("name"):
            parts[1] = str(entry["name"])
        if loc[0] == "stages" and len(loc) > 2:
            del parts[2]  # the kind, which chose among the stage types
    return ".".join(parts)


def _fields_at(loc: Sequence[int | str]) -> list[str]:
    """Names of the keys allowed at a place of the recipe, found by walking its types."""
    types: list[Any] = [Recipe]
    for part in loc:
        found: list[Any] = []
        for kind in _expand(types):
            if isinstance(part, int):
                found += [arg for arg in get_args(kind) if arg is not Ellipsis]
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                if part in kind.model_fields:
                    found.append(kind.model_fields[part].annotation)
                elif "kind" in kind.model_fields and kind.model_fields["kind"].default == part:
                    found.append(kind)
        types = found or types
    names: set[str] = set()
    for kind in _expand(types):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= set(kind.model_fields)
    return sorted(names)


def _expand(types: Iterable[Any]) -> list[Any]:
    """The members of unions and annotated types, flattened; containers are left whole."""
    flat: list[Any] = []
    for kind in types:
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            flat += _expand(get_args(kind))
        elif hasattr(kind, "__metadata__"):
            flat += _expand([get_args(kind)[0]])
        else:
            flat.append(kind)
    return flat
