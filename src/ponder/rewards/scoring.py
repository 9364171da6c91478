"""Scoring of one group: parse, grade, reward. The same code in the worker and in this process."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ponder.config import RewardConfig
from ponder.errors import RecipeError
from ponder.grading import grade
from ponder.grading.verdicts import ungradable
from ponder.plugins import is_plugin
from ponder.prompting import THINK_TAGS, ParsedCompletion, Tags, parse_completion
from ponder.rewards.table import check_reward, load_reward
from ponder.rewards.user_functions import call_user_function
from ponder.seeding import derive_seed
from ponder.types import Finish, Grade, Problem, Reward, RolloutGroup, ScoredGroup, Verdict


@dataclass(frozen=True, slots=True)
class ScoringSpec:
    """What scoring needs to know of a run; can be pickled."""

    rewards: tuple[RewardConfig, ...]
    tags: Tags = THINK_TAGS
    """The tags of the run's template."""
    conversational: bool = False
    """Users' functions get message lists, as TRL gives for chat templates, in place of strings."""
    min_reasoning_chars: int = 1
    seed: int = 0
    """Root of the seeds of `random` (and of numpy, when loaded) around each user function's call."""

    def names(self) -> tuple[str, ...]:
        """The key of each reward in `Reward.parts`: its name; of a user's function the bare name, or
        file.function where two rewards have that."""
        short = [r.name.rpartition(":")[2] if is_plugin(r.name) else r.name for r in self.rewards]
        return tuple(
            f"{Path(config.name.rpartition(':')[0]).stem}.{name}"
            if short.count(name) > 1 and is_plugin(config.name)
            else name
            for name, config in zip(short, self.rewards, strict=True)
        )

    def check(self) -> None:
        """Raises RecipeError for rewards that do not exist, are listed twice, or an empty list."""
        if not self.rewards:
            raise RecipeError("rewards: the list is empty; at least one reward is needed.")
        for config in self.rewards:
            check_reward(config)
        names = self.names()
        for name in names:
            if names.count(name) > 1:
                raise RecipeError(f'rewards: "{name}" is listed {names.count(name)} times; once is allowed.')


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """The part of a group that scoring reads: what is sent to a worker."""

    problem: Problem
    prefill: str
    texts: tuple[str, ...]
    aborted: tuple[bool, ...]
    num_tokens: tuple[int, ...]
    completion_ids: tuple[tuple[int, ...], ...]
    """Empty when no user function is there to read them."""
    step: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What scoring found: what a worker sends back."""

    grades: tuple[Grade, ...]
    rewards: tuple[Reward, ...]
    logged: tuple[tuple[str, float], ...] = ()
    """Scalars that user functions handed to `log_metric`."""


def make_job(group: RolloutGroup, step: int, *, with_ids: bool) -> ScoringJob:
    """The message for one group."""
    members = group.completions
    return ScoringJob(
        problem=group.prompt.problem,
        prefill=group.prompt.prefill,
        texts=tuple(member.text for member in members),
        aborted=tuple(member.finish is Finish.ABORT for member in members),
        num_tokens=tuple(len(member.token_ids) for member in members),
        completion_ids=tuple(member.token_ids for member in members) if with_ids else (),
        step=step,
    )


def scored(group: RolloutGroup, scores: Scores) -> ScoredGroup:
    """The group with its scores."""
    return ScoredGroup(group=group, grades=scores.grades, rewards=scores.rewards)


def ungradable_scores(job: ScoringJob, names: Sequence[str], reason: str) -> Scores:
    """Scores of a group that we failed to score: left out of every statistic, and counted."""
    return Scores(
        grades=tuple(ungradable(reason) for _ in job.texts),
        rewards=tuple(Reward(None, dict.fromkeys(names)) for _ in job.texts),
    )


class Scorer:
    """Parses, grades and rewards groups by one specification.

    Raises RecipeError for a specification that cannot be, RewardError when a user's file fails.
    """

    def __init__(self, spec: ScoringSpec) -> None:
        spec.check()
        self.spec = spec
        self.names = spec.names()
        self._functions = [load_reward(config) for config in spec.rewards]
        self._is_user = [is_plugin(config.name) for config in spec.rewards]

    def score(self, job: ScoringJob, on_phase: Callable[[str], None] = lambda phase: None) -> Scores:
        """Grades and rewards of the group's completions, in order.

        `on_phase` is told before each answer is graded ("") and before each user function is called
        (its name). Raises RewardError when a user function raises or returns what it must not.

        A part that is None makes the total None, with one exception: None from a user's function
        means "does not apply" (TRL), and is left out of the sum unless all parts are None.
        """
        parsed = [
            parse_completion(text, job.prefill, self.spec.tags, self.spec.min_reasoning_chars)
            for text in job.texts
        ]
        grades = []
        for part, aborted in zip(parsed, job.aborted, strict=True):
            on_phase("")
            grades.append(ungradable("aborted by the engine") if aborted else grade(job.problem, part.answer))
        logged: list[tuple[str, float]] = []
        columns = [
            self._values(index, job, parsed, grades, logged, on_phase)
            for index in range(len(self._functions))
        ]
        rewards = tuple(
            self._reward(values, aborted)
            for values, aborted in zip(zip(*columns, strict=True), job.aborted, strict=True)
        )
        return Scores(tuple(grades), rewards, tuple(logged))

    def _values(
        self,
        index: int,
        job: ScoringJob,
        parsed: list[ParsedCompletion],
        grades: list[Grade],
        logged: list[tuple[str, float]],
        on_phase: Callable[[str], None],
    ) -> list[float | None]:
        """The raw values of one reward for every completion."""
        count = len(job.texts)
        function, name = self._functions[index], self.names[index]
        if not self._is_user[index]:
            return function(
                prompts=[job.problem.text] * count,
                completions=list(job.texts),
                parsed=parsed,
                grades=grades,
                problem=[job.problem] * count,
                num_tokens=list(job.num_tokens),
            )
        on_phase(name)
        columns = user_columns(job, parsed, conversational=self.spec.conversational)
        columns["log_metric"] = lambda key, value: logged.append((str(key), float(value)))
        columns["log_extra"] = lambda column, values: None
        with _seeded(derive_seed("reward", self.spec.seed, job.step, job.problem.id, *job.texts)):
            return call_user_function(name, function, job.problem.id, columns, count)

    def _reward(self, values: tuple[float | None, ...], aborted: bool) -> Reward:
        parts = dict(zip(self.names, values, strict=True))
        failed = any(v is None and not user for v, user in zip(values, self._is_user, strict=True))
        present = [
            config.weight * value
            for config, value in zip(self.spec.rewards, values, strict=True)
            if value is not None
        ]
        if aborted or failed or not present:
            return Reward(None, parts)
        return Reward(sum(present), parts)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds the global generators of `random` (and numpy, when loaded), and restores them afterwards.

    A random reward then depends on the group alone: not on the worker, nor on what it did before.
    """
    state = random.getstate()
    numpy_random = sys.modules["numpy"].random if "numpy" in sys.modules else None
    numpy_state = numpy_random.get_state() if numpy_random else None
    random.seed(seed)
    if numpy_random:
        numpy_random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(state)
        if numpy_random:
            numpy_random.set_state(numpy_state)


def user_columns(
    job: ScoringJob, parsed: Sequence[ParsedCompletion], *, conversational: bool
) -> dict[str, Any]:
    """What a function written for TRL gets, one value per completion.

    A completion is the prefill and the sampled text, so that a prefilled tag counts as written. The
    reference comes as `solution` and `answer` unless the data have columns of these names.
    """
    count = len(job.texts)
    problem = job.problem
    columns: dict[str, Any] = {"solution": [problem.reference] * count, "answer": [problem.reference] * count}
    columns.update({str(key): [value] * count for key, value in problem.meta.items()})
    columns["completion_ids"] = [list(ids) for ids in job.completion_ids]
    columns["trainer_state"] = SimpleNamespace(global_step=job.step)
    if conversational:
        columns["prompts"] = [[dict(message) for message in problem.messages] for _ in range(count)]
        columns["completions"] = [[{"role": "assistant", "content": part.text}] for part in parsed]
    else:
        columns["prompts"] = [problem.text] * count
        columns["completions"] = [part.text for part in parsed]
    return columns


def num_ungradable(scores: Scores) -> int:
    """Completions whose grading failed on us."""
    return sum(grade.verdict is Verdict.UNGRADABLE for grade in scores.grades)
