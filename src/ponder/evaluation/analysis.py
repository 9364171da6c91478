"""How completions are written: lengths by outcome, format, truncation, reflection, language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ponder.errors import DataError
from ponder.evaluation.outcomes import Outcome, ProblemOutcome
from ponder.prompting import Tags, count_reflective_words, parse_completion
from ponder.types import Finish

LanguageConsistency = Callable[[str, str], float | None]
"""(reasoning, language of the question) -> share of its words in that language; None: nothing to judge."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean completion lengths in tokens; None where there is no such completion."""

    right: float | None
    wrong: float | None
    """Wrong and ended by themselves."""
    truncated: float | None
    """Wrong because, or although, cut at the cap. A cut completion that is right counts as right."""
    num_right: int
    num_wrong: int
    num_truncated: int


@dataclass(frozen=True, slots=True)
class Reflection:
    """Reflective words in the reasoning (the paper's ten, and their Chinese counterparts)."""

    words_per_completion: float
    frac: float
    """Share of completions with at least one."""
    counts: Mapping[str, int]
    """By word, over all completions, the most frequent first."""
    accuracy_with: float | None
    """Share of right ones among the completions that reflect; None when none does."""
    accuracy_without: float | None


def lengths_by_outcome(outcomes: Iterable[Outcome]) -> Lengths:
    """Lengths of right, wrong and truncated completions; ungradable ones are in none of them."""
    right: list[int] = []
    wrong: list[int] = []
    truncated: list[int] = []
    for outcome in outcomes:
        if not outcome.graded:
            continue
        group = right if outcome.correct else truncated if outcome.truncated else wrong
        group.append(outcome.num_tokens)
    return Lengths(
        right=fmean(right) if right else None,
        wrong=fmean(wrong) if wrong else None,
        truncated=fmean(truncated) if truncated else None,
        num_right=len(right),
        num_wrong=len(wrong),
        num_truncated=len(truncated),
    )


def truncated_frac(outcomes: Sequence[Outcome]) -> float:
    """Share of completions cut at the cap, whatever their verdict; aborted rows are not counted.

    Raises DataError when no completion is left.
    """
    return fmean(outcome.truncated for outcome in _finished(outcomes))


def well_formed_frac(outcomes: Sequence[Outcome]) -> float:
    """Share of completions in the format of the template; errors as `truncated_frac`."""
    return fmean(outcome.well_formed for outcome in _finished(outcomes))


def reflection(problems: Iterable[ProblemOutcome], tags: Tags) -> Reflection | None:
    """Counts of reflective words per completion; None when no texts were kept."""
    counts: Counter[str] = Counter()
    reflects: list[bool] = []
    right: dict[bool, list[bool]] = {True: [], False: []}
    for problem, outcome in _written(problems):
        words = count_reflective_words(reasoning_of(problem, outcome, tags))
        counts.update(words)
        reflects.append(bool(words))
        if outcome.graded:
            right[bool(words)].append(outcome.correct)
    if not reflects:
        return None
    return Reflection(
        words_per_completion=counts.total() / len(reflects),
        frac=fmean(reflects),
        counts=dict(counts.most_common()),
        accuracy_with=fmean(right[True]) if right[True] else None,
        accuracy_without=fmean(right[False]) if right[False] else None,
    )


def language_consistency(
    problems: Iterable[ProblemOutcome], tags: Tags, measure: LanguageConsistency
) -> float | None:
    """Mean of `measure` over the reasonings it can judge; None when it can judge none."""
    shares = [
        share
        for problem, outcome in _written(problems)
        if (share := measure(reasoning_of(problem, outcome, tags), problem.language)) is not None
    ]
    return fmean(shares) if shares else None


def reasoning_of(problem: ProblemOutcome, outcome: Outcome, tags: Tags) -> str:
    """The reasoning of a completion; of one that has none by the tags, the whole text."""
    return parse_completion(outcome.text, problem.prefill, tags).reasoning or outcome.text


def _written(problems: Iterable[ProblemOutcome]) -> Iterable[tuple[ProblemOutcome, Outcome]]:
    return ((problem, outcome) for problem in problems for outcome in problem.outcomes if outcome.text)


def _finished(outcomes: Sequence[Outcome]) -> list[Outcome]:
    finished = [outcome for outcome in outcomes if outcome.finish is not Finish.ABORT]
    if not finished:
        raise DataError("no finished completions; the engine gave every row up")
    return finished
