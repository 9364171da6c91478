"""Two evaluations of the same problems, compared problem by problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ponder.errors import DataError
from ponder.evaluation.intervals import Estimate, bootstrap_strata
from ponder.evaluation.outcomes import Evaluation, ProblemOutcome
from ponder.evaluation.summary import group_cells

Pair = tuple[ProblemOutcome, ProblemOutcome]
"""One problem before and after."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed in one cell of the table, with paired intervals over problems."""

    task: str
    language: str
    num_problems: int
    """Problems with a graded sample on both sides; the others are in `num_left_out`."""
    num_left_out: int
    before: Estimate | None
    """pass@1 of the first evaluation on these problems; None when there is no such problem."""
    after: Estimate | None
    difference: Estimate | None
    """after - before, paired."""
    gain: Estimate | None
    """The difference of the chance-corrected pass@1: difference / (1 - chance), cell by cell."""
    well_formed: Estimate | None
    """Difference of the share of well-formed completions."""
    right_length_ratio: float | None
    """Mean tokens of right completions, after / before; None when a side has none."""


def compare_evaluations(before: Evaluation, after: Evaluation, *, seed: int = 0) -> tuple[Comparison, ...]:
    """One row per (task, language), per task over its languages, and over all, as in `summarise`.

    Rows over several cells weigh each cell the same. Raises DataError when the two were not asked the
    same problems (ids, references and chance levels), naming the first that differs.
    """
    _require_same_problems(before, after)
    pairs = {
        cell: tuple(zip(problems, others, strict=True))
        for (cell, problems), others in zip(before.cells().items(), after.cells().values(), strict=True)
    }
    chance = {cell: before.chance.get(cell[0], 0.0) for cell in pairs}
    return tuple(
        _row(task, language, [pairs[cell] for cell in cells], [chance[cell] for cell in cells], seed)
        for (task, language), cells in group_cells(tuple(pairs)).items()
    )


def _row(
    task: str, language: str, cells: Sequence[Sequence[Pair]], chance: Sequence[float], seed: int
) -> Comparison:
    kept = [
        ([pair for pair in cell if pair[0].graded and pair[1].graded], level)
        for cell, level in zip(cells, chance, strict=True)
    ]
    filled = [(pairs, level) for pairs, level in kept if pairs]
    num_kept = sum(len(pairs) for pairs, _ in filled)

    def estimate(value: Callable[[Pair], float], *, corrected: bool = False) -> Estimate | None:
        if not filled:
            return None
        strata = [
            [value(pair) / (1 - level if corrected else 1) for pair in pairs] for pairs, level in filled
        ]
        return bootstrap_strata(strata, seed=seed)

    return Comparison(
        task=task,
        language=language,
        num_problems=num_kept,
        num_left_out=sum(len(cell) for cell in cells) - num_kept,
        before=estimate(lambda pair: _accuracy(pair[0])),
        after=estimate(lambda pair: _accuracy(pair[1])),
        difference=estimate(lambda pair: _accuracy(pair[1]) - _accuracy(pair[0])),
        gain=estimate(lambda pair: _accuracy(pair[1]) - _accuracy(pair[0]), corrected=True),
        well_formed=estimate(lambda pair: _well_formed(pair[1]) - _well_formed(pair[0])),
        right_length_ratio=_length_ratio([pair for cell in cells for pair in cell]),
    )


def _accuracy(problem: ProblemOutcome) -> float:
    return fmean(outcome.correct for outcome in problem.graded)


def _well_formed(problem: ProblemOutcome) -> float:
    return fmean(outcome.well_formed for outcome in problem.graded)


def _length_ratio(pairs: Sequence[Pair]) -> float | None:
    means = []
    for side in (0, 1):
        lengths = [outcome.num_tokens for pair in pairs for outcome in pair[side].outcomes if outcome.correct]
        if not lengths:
            return None
        means.append(fmean(lengths))
    return means[1] / means[0]


def _require_same_problems(before: Evaluation, after: Evaluation) -> None:
    if len(before.problems) != len(after.problems):
        raise DataError(
            f"a paired comparison needs the same problems on both sides; "
            f"got {len(before.problems)} and {len(after.problems)}"
        )
    for one, other in zip(before.problems, after.problems, strict=True):
        if _identity(one) != _identity(other):
            raise DataError(
                f"a paired comparison needs the same problems in the same order; "
                f"problem {one.problem_id!r} of the first stands against {other.problem_id!r} of the second"
                + ("" if one.problem_id != other.problem_id else " with another question or reference")
            )
    if dict(before.chance) != dict(after.chance):
        raise DataError(f"the chance levels differ: {dict(before.chance)} and {dict(after.chance)}")


def _identity(problem: ProblemOutcome) -> tuple[str, ...]:
    return (problem.problem_id, problem.task, problem.language, problem.question, problem.reference)
