"""Which problem comes next: exact mixtures, orders and epochs, as a function of a small cursor.

The cursor says how many problems each source has given so far. It is all a checkpoint needs to hold:
the n-th problem of a source depends on (run seed, stage, source, n) and on nothing drawn before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ponder.config import DataConfig
from ponder.errors import DataError, RecipeError, nearest
from ponder.seeding import derive_rng, derive_seed
from ponder.tasks.sources import ProblemSource
from ponder.types import Problem

MAX_SKIPPED = 1000
"""So many unusable problems in a row mean that there is no usable one."""


class ProblemDraws:
    """Draws problems from several sources in the proportions of a mixture.

    The next problem comes from the source that lags its share most (ties: the order of the sources),
    so every prefix of the sequence is within one problem of the mixture. Within a source that ends:
    `shuffle` is a fresh permutation per epoch, `sequential` the given order, `easy_first` by falling
    pass rate (or rising `difficulty`) as found in the problems' meta. A source without an end goes on.
    """

    def __init__(
        self,
        sources: Sequence[ProblemSource],
        config: DataConfig,
        seed_parts: tuple[int | str, ...],
        usable: Callable[[Problem], bool] = lambda problem: True,
    ):
        """`usable`: problems for which it is False are passed over (prompts that are too long).

        Raises DataError for no problems, duplicate ids or a pass-rate filter that leaves nothing,
        RecipeError for a mixture that names an unknown source.
        """
        if not sources:
            raise DataError("There are no problems: the recipe names no task.")
        self._config = config
        self._seed_parts = seed_parts
        self._seed = derive_seed(*seed_parts, "problems")
        self._usable = usable
        self._sources = {source.name: source for source in sources}
        self._weights = _shares(sources, config)
        self._lists = {
            name: self._prepared(source) for name, source in self._sources.items() if name in self._weights
        }
        check_ids([problem for rows in self._lists.values() for problem in rows or ()])
        self._drawn = dict.fromkeys(self._weights, 0)
        self._orders: dict[str, tuple[int, list[int]]] = {}

    def take(self, count: int) -> list[Problem]:
        """The next `count` problems; advances the cursor. Raises DataError when none is usable."""
        return [self._next() for _ in range(count)]

    def preview(self, count: int) -> list[Problem]:
        """All problems of the sources that end, and the first `count` of each that does not."""
        shown = []
        for name, rows in self._lists.items():
            source = self._sources[name]
            shown += rows if rows is not None else [source.problem(self._seed, n) for n in range(count)]
        return shown

    def cursor(self) -> dict[str, int]:
        """How many problems each source has given: what a checkpoint stores."""
        return dict(self._drawn)

    def restore(self, cursor: Mapping[str, int]) -> None:
        """Goes to the place a cursor names. Raises DataError if the sources are not the same."""
        if set(cursor) != set(self._drawn):
            raise DataError(
                f"The checkpoint drew from the tasks {sorted(cursor)}, the recipe gives "
                f"{sorted(self._drawn)}. Use the run's own data, or start another run with --out."
            )
        self._drawn = {name: int(cursor[name]) for name in self._drawn}

    def _next(self) -> Problem:
        for _ in range(MAX_SKIPPED):
            total = sum(self._drawn.values()) + 1
            name = max(self._weights, key=lambda each: self._weights[each] * total - self._drawn[each])
            number = self._drawn[name]
            self._drawn[name] += 1
            problem = self._problem(name, number)
            if self._usable(problem):
                return problem
        raise DataError(
            f"{MAX_SKIPPED} problems in a row cannot be asked: their prompts are longer than "
            "engine.max_prompt_tokens. Raise it, or make the problems shorter."
        )

    def _problem(self, name: str, number: int) -> Problem:
        rows = self._lists[name]
        if rows is None:
            return self._sources[name].problem(self._seed, number)
        epoch, place = divmod(number, len(rows))
        return rows[self._order(name, epoch, len(rows))[place]]

    def _order(self, name: str, epoch: int, count: int) -> list[int]:
        """The order of an epoch; the last one used is remembered."""
        known = self._orders.get(name)
        if known is not None and known[0] == epoch:
            return known[1]
        order = list(range(count))
        if self._config.order == "shuffle":
            derive_rng(*self._seed_parts, "order", name, epoch).shuffle(order)
        self._orders[name] = (epoch, order)
        return order

    def _prepared(self, source: ProblemSource) -> list[Problem] | None:
        """The problems of a source that ends, filtered and in order; None for one that does not."""
        filtered = self._config.pass_rate != (0.0, 1.0)
        if source.size is None:
            if filtered or self._config.order == "easy_first":
                raise DataError(
                    f"data asks for pass rates, but the task {source.name!r} is generated without end. Write "
                    "its problems to a file with their pass rates first: ponder filter."
                )
            return None
        rows = [source.problem(self._seed, number) for number in range(source.size)]
        if not rows:
            raise DataError(f"The task {source.name!r} has no problems.")
        rows = filter_by_pass_rate(rows, self._config.pass_rate)
        return sorted(rows, key=_ease) if self._config.order == "easy_first" else rows


def _shares(sources: Sequence[ProblemSource], config: DataConfig) -> dict[str, float]:
    """The share of each source that takes part: by the mixture, or by the tasks' own weights."""
    names = [source.name for source in sources]
    for name in config.mixture:
        if name not in names:
            raise RecipeError(f"data.mixture names {name!r}, which is no task.{nearest(name, names)}")
    own = {source.name: float(source.weight) for source in sources}
    weights = {name: float(config.mixture.get(name, 0.0)) for name in names} if config.mixture else own
    weights = {name: weight for name, weight in weights.items() if weight > 0}
    total = sum(weights.values())
    if total <= 0:
        raise RecipeError("data.mixture leaves no task with a positive weight.")
    return {name: weight / total for name, weight in weights.items()}


def check_ids(problems: Sequence[Problem]) -> None:
    """Raises DataError for an id that occurs twice."""
    seen: set[str] = set()
    twice = []
    for problem in problems:
        if problem.id in seen:
            twice.append(problem.id)
        seen.add(problem.id)
    if twice:
        raise DataError(
            f"{len(twice)} problem ids occur more than once, for example {sorted(set(twice))[:3]}. "
            "Seeds and records go by id: give each problem its own."
        )


def filter_by_pass_rate(problems: Sequence[Problem], bounds: tuple[float, float]) -> list[Problem]:
    """Problems whose measured pass rate lies within the bounds, both included.

    With the bounds (0, 1) everything stays. Raises DataError when a rate is missing or none is left.
    """
    low, high = bounds
    if (low, high) == (0.0, 1.0):
        return list(problems)
    missing = [problem.id for problem in problems if "pass_rate" not in problem.meta]
    if missing:
        raise DataError(
            f"data.pass_rate is [{low}, {high}], but {len(missing)} problems carry no pass_rate "
            f"(for example {missing[0]!r}). Measure it first: ponder filter."
        )
    kept = [problem for problem in problems if low <= float(problem.meta["pass_rate"]) <= high]
    if not kept:
        raise DataError(f"No problem has a pass rate within data.pass_rate = [{low}, {high}].")
    return kept


def _ease(problem: Problem) -> tuple[float, str]:
    """Sort key: the easiest first."""
    meta: Mapping[str, Any] = problem.meta
    if "pass_rate" in meta:
        return (-float(meta["pass_rate"]), problem.id)
    if "difficulty" in meta:
        return (float(meta["difficulty"]), problem.id)
    raise DataError(
        f"data.order is easy_first, but problem {problem.id!r} has neither pass_rate nor difficulty. "
        "Measure it first: ponder filter."
    )
