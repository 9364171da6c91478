"""The table of an evaluation: one row per task and language, per task, and over all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from ponder.errors import DataError
from ponder.evaluation import analysis
from ponder.evaluation.analysis import LanguageConsistency, Lengths, Reflection
from ponder.evaluation.estimators import cons_at_k, pass_at_1, pass_at_k
from ponder.evaluation.intervals import Estimate, bootstrap_strata
from ponder.evaluation.outcomes import Evaluation, ProblemOutcome
from ponder.types import Finish

ALL = "all"
"""Task or language of a row that holds several."""

Cell = tuple[str, str]
"""(task, language)."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One row. Rates are estimates over problems with 95% intervals; None where no problem has one.

    A row over several cells weighs each cell the same. Ungradable samples are in no rate.
    """

    task: str
    language: str
    num_problems: int
    num_samples: int
    """Per problem."""
    num_ungradable: int
    """Completions without a verdict."""
    num_left_out: int
    """Problems whose gradable samples do not reach the largest k; they miss in the estimates they are
    too few for."""
    chance: float
    pass_at_1: Estimate | None
    corrected: Estimate | None
    """pass@1 corrected for chance, cell by cell."""
    pass_at_k: Mapping[int, Estimate | None]
    cons_at_k: Mapping[int, Estimate | None]
    cons_gain: Mapping[int, Estimate | None]
    """cons@k - pass@1, paired over the problems that have both."""
    well_formed: Estimate | None
    truncated_frac: float | None
    lengths: Lengths
    reflection: Reflection | None
    """None when texts were not kept."""
    language_consistency: float | None
    """None when not asked for, or nothing to judge."""


def summarise(
    evaluation: Evaluation,
    ks: Sequence[int] | None = None,
    *,
    language_consistency: LanguageConsistency | None = None,
    seed: int = 0,
) -> tuple[Scores, ...]:
    """One row per (task, language), then per task with several languages, then over all.

    `ks`: for which k pass@k and cons@k are estimated; default the number of samples per problem.
    Raises DataError when a k exceeds it.
    """
    num_samples = evaluation.settings.num_samples
    ks = tuple(ks) if ks is not None else (num_samples,)
    for k in ks:
        if not 1 <= k <= num_samples:
            raise DataError(
                f"pass@{k} and cons@{k} need {k} samples of each problem and the evaluation has "
                f"{num_samples}; sample more (--samples {k}) or ask for k <= {num_samples}"
            )
    cells = evaluation.cells()
    return tuple(
        _row(
            evaluation,
            (task, language),
            {cell: cells[cell] for cell in members},
            ks,
            language_consistency,
            seed,
        )
        for (task, language), members in group_cells(tuple(cells)).items()
    )


def group_cells(cells: Sequence[Cell]) -> dict[Cell, tuple[Cell, ...]]:
    """Rows of a table and the cells each holds: every cell, tasks of several languages, and all."""
    rows: dict[Cell, tuple[Cell, ...]] = {cell: (cell,) for cell in cells}
    for task in dict.fromkeys(task for task, _ in cells):
        members = tuple(cell for cell in cells if cell[0] == task)
        if len(members) > 1:
            rows[task, ALL] = members
    rows[ALL, ALL] = tuple(cells)
    return rows


def overall(scores: Sequence[Scores]) -> Scores:
    """The row over all tasks and languages."""
    return next(row for row in scores if (row.task, row.language) == (ALL, ALL))


def metrics(row: Scores) -> dict[str, float]:
    """The row as metrics, `noun/measure/reduction`; what could not be had is left out."""
    values: dict[str, float | None] = {
        "problem/asked/count": row.num_problems,
        "problem/left_out/count": row.num_left_out,
        "completion/ungradable/count": row.num_ungradable,
        "completion/truncated/frac": row.truncated_frac,
        "length/right/mean": row.lengths.right,
        "length/wrong/mean": row.lengths.wrong,
        "length/truncated/mean": row.lengths.truncated,
        "language/consistent/frac": row.language_consistency,
    }
    if row.reflection is not None:
        values["reflection/words/mean"] = row.reflection.words_per_completion
        values["reflection/present/frac"] = row.reflection.frac
    estimates = {
        "score/pass_at_1": row.pass_at_1,
        "score/corrected": row.corrected,
        "format/right": row.well_formed,
    }
    for name, by_k in (
        ("pass_at", row.pass_at_k),
        ("cons_at", row.cons_at_k),
        ("cons_gain_at", row.cons_gain),
    ):
        estimates.update({f"score/{name}_{k}": estimate for k, estimate in by_k.items()})
    for name, estimate in estimates.items():
        if estimate is not None:
            values |= {
                f"{name}/mean": estimate.value,
                f"{name}/low": estimate.low,
                f"{name}/high": estimate.high,
            }
    return {name: float(value) for name, value in values.items() if value is not None}


# --- one row -------------------------------------------------------------------------------------


def _row(
    evaluation: Evaluation,
    name: Cell,
    cells: Mapping[Cell, Sequence[ProblemOutcome]],
    ks: Sequence[int],
    consistency: LanguageConsistency | None,
    seed: int,
) -> Scores:
    problems = list(chain.from_iterable(cells.values()))
    outcomes = [outcome for problem in problems for outcome in problem.outcomes]
    tags = evaluation.settings.tags
    levels = {cell: evaluation.chance.get(cell[0], 0.0) for cell in cells}

    def estimate(value: Callable[[ProblemOutcome], float | None]) -> Estimate | None:
        return _estimate([_known(value, problems) for problems in cells.values()], seed)

    finished = any(outcome.finish is not Finish.ABORT for outcome in outcomes)
    return Scores(
        task=name[0],
        language=name[1],
        num_problems=len(problems),
        num_samples=evaluation.settings.num_samples,
        num_ungradable=sum(not outcome.graded for outcome in outcomes),
        num_left_out=sum(len(problem.graded) < max((1, *ks)) for problem in problems),
        chance=sum(levels.values()) / len(levels),
        pass_at_1=estimate(_pass_at_1),
        corrected=_corrected(cells, levels, seed),
        pass_at_k={k: estimate(partial(_pass_at_k, k=k)) for k in ks},
        cons_at_k={k: estimate(partial(_cons_at_k, k=k)) for k in ks},
        cons_gain={k: estimate(partial(_cons_gain, k=k)) for k in ks},
        well_formed=estimate(_well_formed),
        truncated_frac=analysis.truncated_frac(outcomes) if finished else None,
        lengths=analysis.lengths_by_outcome(outcomes),
        reflection=analysis.reflection(problems, tags),
        language_consistency=analysis.language_consistency(problems, tags, consistency)
        if consistency
        else None,
    )


def _corrected(
    cells: Mapping[Cell, Sequence[ProblemOutcome]], levels: Mapping[Cell, float], seed: int
) -> Estimate | None:
    strata = []
    for cell, problems in cells.items():
        level = levels[cell]
        strata.append([(value - level) / (1 - level) for value in _known(_pass_at_1, problems)])
    return _estimate(strata, seed)


def _known(
    value: Callable[[ProblemOutcome], float | None], problems: Sequence[ProblemOutcome]
) -> list[float]:
    return [known for problem in problems if (known := value(problem)) is not None]


def _estimate(strata: Sequence[Sequence[float]], seed: int) -> Estimate | None:
    filled = [stratum for stratum in strata if stratum]
    return bootstrap_strata(filled, seed=seed) if filled else None


def _pass_at_1(problem: ProblemOutcome) -> float | None:
    verdicts = [outcome.correct for outcome in problem.graded]
    return pass_at_1(verdicts) if verdicts else None


def _pass_at_k(problem: ProblemOutcome, k: int) -> float | None:
    graded = problem.graded
    return pass_at_k(len(graded), sum(outcome.correct for outcome in graded), k) if len(graded) >= k else None


def _cons_at_k(problem: ProblemOutcome, k: int) -> float | None:
    graded = problem.graded
    if len(graded) < k:
        return None
    return cons_at_k([outcome.vote for outcome in graded], [outcome.correct for outcome in graded], k)


def _cons_gain(problem: ProblemOutcome, k: int) -> float | None:
    single, vote = _pass_at_1(problem), _cons_at_k(problem, k)
    return None if single is None or vote is None else vote - single


def _well_formed(problem: ProblemOutcome) -> float | None:
    finished = [outcome.well_formed for outcome in problem.outcomes if outcome.finish is not Finish.ABORT]
    return sum(finished) / len(finished) if finished else None
