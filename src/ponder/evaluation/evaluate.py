"""Problems in, an `Evaluation` out: sample through the engine, grade beside the generation."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ponder.config import EvaluationConfig
from ponder.errors import CorruptionError, DataError
from ponder.evaluation.outcomes import Evaluation, EvaluationSettings
from ponder.evaluation.records import load_evaluation, save_evaluation
from ponder.evaluation.sampling import GroupGrading, Progress, sample_and_grade
from ponder.evaluation.voting import GradeFunction
from ponder.grading import grade as grade_answer
from ponder.prompting import Template
from ponder.prompting.templates import ApplyChat, Encode
from ponder.seeding import derive_seed
from ponder.storage.hashes import hash_json
from ponder.types import Problem, Prompt, RolloutEngine, RolloutRequest, SamplingParams

NUMERICS_VERSION = 1
"""Raised when the same inputs give other outcomes than before; part of every key."""


def evaluate_policy(
    engine: RolloutEngine,
    problems: Sequence[Problem],
    template: Template,
    config: EvaluationConfig,
    *,
    encode: Encode,
    stop_token_ids: tuple[int, ...],
    seed: int,
    apply_chat: ApplyChat | None = None,
    stop_strings: tuple[str, ...] = (),
    max_new_tokens: int | None = None,
    grade: GradeFunction = grade_answer,
    chance: Mapping[str, float] | None = None,
    policy: str = "",
    folder: Path | None = None,
    replace: bool = False,
    keep_texts: bool = True,
    progress: Progress | None = None,
) -> Evaluation:
    """The outcomes of `config.samples` completions of every problem, drawn from the engine's policy.

    All `problems` are asked (`select_problems` picks `config.problems` of each task and language);
    each prompt is one group, so its prefix is computed once. A completion's seed depends on `seed`,
    the problem's id and the member alone, not on the other problems. `grade` runs in one thread
    beside the generation and must not raise; a row the engine aborted is UNGRADABLE.
    `max_new_tokens` serves where the configuration has none. `chance` is the accuracy of guessing by
    task; `policy` names the weights by their hash.

    With `folder`, an evaluation saved there under the same key is read back instead, and a new one is
    saved (a damaged one is replaced); `policy` must then be given. Raises DataError for no problems,
    duplicate ids, no token limit, or a folder that holds another evaluation, unless `replace`.
    """
    prompts = _render(problems, template, encode, apply_chat)
    sampling = _sampling(config, stop_token_ids, stop_strings, max_new_tokens)
    settings = _settings(template, config, sampling, seed, policy)
    levels = dict(chance or {})
    key = _key(prompts, settings, sampling, levels, keep_texts)
    if folder is not None and (finished := _finished(folder, key, policy, replace)) is not None:
        return finished
    requests = [RolloutRequest(prompt, _seeds(seed, prompt.problem, config.samples)) for prompt in prompts]
    grading = GroupGrading(grade, template.tags, keep_texts)
    outcomes = sample_and_grade(engine, requests, sampling, grading, progress)
    evaluation = Evaluation(key, settings, levels, outcomes)
    if folder is not None:
        save_evaluation(evaluation, folder)
    return evaluation


def select_problems(problems: Iterable[Problem], num_per_cell: int) -> list[Problem]:
    """The first `num_per_cell` problems of each task and language, in their order."""
    counts: dict[tuple[str, str], int] = {}
    selected = []
    for problem in problems:
        cell = (problem.task, problem.language)
        counts[cell] = counts.get(cell, 0) + 1
        if counts[cell] <= num_per_cell:
            selected.append(problem)
    return selected


def _render(
    problems: Sequence[Problem], template: Template, encode: Encode, apply_chat: ApplyChat | None
) -> list[Prompt]:
    if not problems:
        raise DataError("no problems to evaluate on; name a task or a file that has some")
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise DataError(
                f"duplicate problem id {problem.id!r}; ids must be unique, seeds are derived from them"
            )
        seen.add(problem.id)
    return [template.render(problem, encode, apply_chat) for problem in problems]


def _sampling(
    config: EvaluationConfig,
    stop_token_ids: tuple[int, ...],
    stop_strings: tuple[str, ...],
    max_new_tokens: int | None,
) -> SamplingParams:
    limit = config.max_new_tokens or max_new_tokens
    if limit is None:
        raise DataError("evaluate.max_new_tokens is not set and there is no stage to take it from; set it")
    return SamplingParams(
        max_new_tokens=limit,
        temperature=config.temperature,
        top_p=config.top_p,
        stop_token_ids=stop_token_ids,
        stop_strings=stop_strings,
    )


def _settings(
    template: Template, config: EvaluationConfig, sampling: SamplingParams, seed: int, policy: str
) -> EvaluationSettings:
    return EvaluationSettings(
        template=template.name,
        reasoning_tag=template.tags.reasoning,
        answer_tag=template.tags.answer,
        num_samples=config.samples,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_new_tokens=sampling.max_new_tokens,
        seed=seed,
        policy=policy,
    )


def _seeds(seed: int, problem: Problem, num_samples: int) -> tuple[int, ...]:
    """One seed per member, whatever other problems are asked."""
    return tuple(derive_seed(seed, "evaluate", problem.id, member) for member in range(num_samples))


def _key(
    prompts: Sequence[Prompt],
    settings: EvaluationSettings,
    sampling: SamplingParams,
    chance: Mapping[str, float],
    keep_texts: bool,
) -> str:
    """Hash of everything the outcomes depend on."""
    asked = [
        [
            p.problem.id,
            p.problem.task,
            p.problem.language,
            p.problem.grader,
            p.problem.reference,
            p.token_ids,
            p.prefill,
        ]
        for p in prompts
    ]
    return hash_json(
        {
            "numerics_version": NUMERICS_VERSION,
            "policy": settings.policy,
            "seed": settings.seed,
            "num_samples": settings.num_samples,
            "tags": [settings.reasoning_tag, settings.answer_tag],
            "template": settings.template,
            "sampling": [
                sampling.max_new_tokens,
                sampling.temperature,
                sampling.top_p,
                sorted(sampling.stop_token_ids),
                sorted(sampling.stop_strings),
            ],
            "chance": chance,
            "texts": keep_texts,
            "problems": asked,
        }
    )


def _finished(folder: Path, key: str, policy: str, replace: bool) -> Evaluation | None:
    """The evaluation of this key in `folder`; None when there is none yet, or a damaged one."""
    if not policy:
        raise DataError(f"an evaluation kept in {folder} needs `policy`, the hash of the weights it is of")
    if not folder.exists():
        return None
    try:
        evaluation = load_evaluation(folder)
    except CorruptionError:
        return None  # made again: the same seeds give the same outcomes, and saving replaces the damaged one
    if evaluation.key != key:
        if replace:
            shutil.rmtree(folder)
            return None
        raise DataError(
            f"{folder} holds another evaluation (key {evaluation.key[:12]}, wanted {key[:12]}): "
            "other weights, problems or settings. Choose another folder or move it away."
        )
    return evaluation
