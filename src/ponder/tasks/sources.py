"""Problems for a run: a stream that never ends from a family, or the rows of a file or a published set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ponder.config import TaskConfig
from ponder.errors import DataError, RecipeError, nearest
from ponder.plugins import is_plugin, load_plugin
from ponder.seeding import derive_rng, derive_seed
from ponder.tasks import TASKS
from ponder.tasks.benchmark_loading import find_benchmark, is_benchmark, read_benchmark
from ponder.tasks.benchmarks import BENCHMARKS
from ponder.tasks.family import LANGUAGES, TaskFamily, draw_instance
from ponder.tasks.files import read_problems
from ponder.tasks.gym import PREFIX, gym_source
from ponder.types import Problem


class ProblemSource(Protocol):
    """A task of a recipe, ready to give problems."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...

    @property
    def size(self) -> int | None:
        """Number of training problems; None: no end."""
        ...

    def problem(self, seed: int, index: int) -> Problem:
        """Training problem number `index` (modulo `size`); depends on its arguments alone."""
        ...

    def held_out(self, seed: int, count: int) -> list[Problem]:
        """At most `count` problems (of a family: per language) that training never sees."""
        ...

    def chance(self) -> float:
        """Accuracy of an answer drawn without looking at the question."""
        ...


@dataclass(frozen=True, slots=True)
class FamilySource:
    """A generated family in one or more languages."""

    family: TaskFamily
    config: TaskConfig

    @property
    def name(self) -> str:
        return self.family.name

    @property
    def weight(self) -> float:
        return self.config.weight

    @property
    def size(self) -> None:
        return None

    def problem(self, seed: int, index: int) -> Problem:
        language = self.config.languages[index % len(self.config.languages)]
        return self._make("train", derive_seed(seed, "train", self.name, index), language, held_out=False)

    def held_out(self, seed: int, count: int) -> list[Problem]:
        """The same instances in every language; as many distinct ones as the family has, up to `count`."""
        problems: list[Problem] = []
        seen: set[str] = set()
        attempts = 0
        while len(seen) < count and attempts < 50 * count:
            number = derive_seed(seed, "test", self.name, attempts)
            attempts += 1
            rng = derive_rng(number, "instance")
            key = self.family.key(draw_instance(self.family, rng, self.config.options, held_out=True))
            if key not in seen:
                seen.add(key)
                problems += [
                    self._make("test", number, language, held_out=True) for language in self.config.languages
                ]
        return problems

    def chance(self) -> float:
        return self.family.chance(self.config.options)

    def _make(self, split: str, number: int, language: str, *, held_out: bool) -> Problem:
        instance = draw_instance(
            self.family, derive_rng(number, "instance"), self.config.options, held_out=held_out
        )
        question = self.family.ask(instance, language, derive_rng(number, "question", language))
        return Problem(
            id=f"{self.name}-{language}-{split}-{number:016x}",
            task=self.name,
            messages=({"role": "user", "content": question},),
            grader=self.family.grader,
            reference=self.family.reference(instance, language),
            language=language,
        )


@dataclass(frozen=True, slots=True)
class ListSource:
    """Problems that are all there: a file, or a user's function."""

    name: str
    weight: float
    problems: tuple[Problem, ...]
    tests: tuple[Problem, ...]

    @property
    def size(self) -> int:
        return len(self.problems)

    def problem(self, seed: int, index: int) -> Problem:
        return self.problems[index % len(self.problems)]

    def held_out(self, seed: int, count: int) -> list[Problem]:
        order = sorted(self.tests, key=lambda problem: derive_seed(seed, "test", problem.id))
        return order[:count]

    def chance(self) -> float:
        return 0.0


def load_sources(tasks: Sequence[TaskConfig]) -> list[ProblemSource]:
    """The problem sources of a recipe, in its order.

    Raises RecipeError for an unknown task and DataError for empty, unreadable or duplicate problems.
    """
    if not tasks:
        raise RecipeError("tasks: the recipe names none. Add for example `tasks: [{name: arithmetic}]`.")
    sources = [_load_source(task) for task in tasks]
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f'tasks: "{name}" appears twice. Give each task its own name.')
    return sources


def load_problems(tasks: Sequence[TaskConfig], seed: int, *, count: int) -> list[Problem]:
    """Held-out problems of all tasks: at most `count` per task and language."""
    return [problem for source in load_sources(tasks) for problem in source.held_out(seed, count)]


def _load_source(task: TaskConfig) -> ProblemSource:
    if task.file:
        return _split(task, list(read_problems(Path(task.file), task)))
    if is_plugin(task.name):
        rows = load_plugin(task.name)(**task.options)
        return _split(task, [_checked(row, task.name) for row in rows])
    if task.name.startswith(PREFIX):
        return gym_source(task)
    if task.name not in TASKS and is_benchmark(task.name):
        return _training_set(task)
    if task.name not in TASKS:
        raise RecipeError(f'tasks: unknown task "{task.name}".{nearest(task.name, {*TASKS, *BENCHMARKS})}')
    for language in task.languages:
        if language not in LANGUAGES:
            raise RecipeError(
                f'tasks: {task.name} does not speak "{language}".{nearest(language, LANGUAGES)}'
            )
    return FamilySource(TASKS[task.name], task)


def _training_set(task: TaskConfig) -> ListSource:
    """A published set to train on. Raises RecipeError for one that is there to evaluate with."""
    key = find_benchmark(task.name, "train")
    if BENCHMARKS[key].use != "train":
        training = [name for name, each in BENCHMARKS.items() if each.use == "train"]
        raise RecipeError(
            f"tasks: {task.name} is there to evaluate with: trained on, it would measure nothing. Sets to "
            f"train on: {', '.join(training)}. Scores on it: ponder evaluate MODEL --benchmark {key}."
        )
    problems = read_benchmark(key, use="train").problems[: task.limit]
    if task.grader:
        problems = tuple(replace(problem, grader=task.grader) for problem in problems)
    return _split(task.model_copy(update={"name": key}), list(problems))


def _split(task: TaskConfig, problems: list[Problem]) -> ListSource:
    """Training and held-out problems of a list: by a `split` column where rows have one, else by hash."""
    name = task.name.rpartition("/")[2] or Path(task.file).name.split(".")[0]
    if not problems:
        raise DataError(f"{task.file or task.name}: no problems in it. Check the path and the `columns`.")
    train: list[Problem] = []
    tests: list[Problem] = []
    for problem in problems:
        split = problem.meta.get("split")
        # By the id alone: rows copied to another file, as `ponder filter` does, stay on their side.
        by_hash = derive_seed("split", problem.id) % 10_000 < 10_000 * task.held_out_frac
        held_out = split == "test" if split in ("train", "test") else by_hash
        (tests if held_out else train).append(problem)
    if not train:
        raise DataError(f"{task.file or task.name}: every problem is held out; training has none.")
    return ListSource(name, task.weight, tuple(train), tuple(tests))


def _checked(row: Any, where: str) -> Problem:
    if not isinstance(row, Problem):
        raise DataError(f"{where} must yield ponder.types.Problem; got {type(row).__name__}.")
    return row
