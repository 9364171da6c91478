"""What an evaluation found: every completion of every problem, with its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ponder.prompting import Tags
from ponder.types import Finish, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one completion."""

    verdict: Verdict
    """UNGRADABLE: our own failure (or an aborted row); in no rate, counted apart."""
    credit: float
    extracted: str
    """The answer that was found, "" if none was."""
    reason: str
    vote: int
    """Class of equivalent answers within the problem; `estimators.ABSTAINED` without an answer."""
    well_formed: bool
    """Whether reasoning and answer stand where the template wants them."""
    num_tokens: int
    """Sampled tokens, the stop token included."""
    finish: Finish
    text: str
    """The completion without the prompt; "" when texts were not kept."""

    @property
    def correct(self) -> bool:
        return self.verdict is Verdict.CORRECT

    @property
    def graded(self) -> bool:
        return self.verdict is not Verdict.UNGRADABLE

    @property
    def truncated(self) -> bool:
        return self.finish is Finish.LENGTH


@dataclass(frozen=True, slots=True)
class ProblemOutcome:
    """One problem and what became of its completions."""

    problem_id: str
    task: str
    language: str
    question: str
    grader: str
    reference: str
    prefill: str
    """Text the prompt ended with that belongs to the reply."""
    outcomes: tuple[Outcome, ...]

    @property
    def graded(self) -> tuple[Outcome, ...]:
        """The outcomes that have a verdict."""
        return tuple(outcome for outcome in self.outcomes if outcome.graded)

    @property
    def pass_at_1(self) -> float | None:
        """Share of right answers among the graded; None when there is none."""
        graded = self.graded
        return sum(outcome.correct for outcome in graded) / len(graded) if graded else None


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How the completions were drawn."""

    template: str
    reasoning_tag: str
    answer_tag: str | None
    """None: the answer is what follows the reasoning."""
    num_samples: int
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int
    policy: str
    """What identifies the weights (sha256 of the checkpoint); "" when nobody said."""

    @property
    def tags(self) -> Tags:
        return Tags(self.reasoning_tag, self.answer_tag)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A policy's completions of held-out problems, graded."""

    key: str
    """Hash of all that decides the outcomes; equal keys, equal evaluations."""
    settings: EvaluationSettings
    chance: Mapping[str, float]
    """Accuracy of guessing by task; 0 for a task that is not named."""
    problems: tuple[ProblemOutcome, ...]
    """In the order in which they were asked."""

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(problem.task for problem in self.problems))

    def cells(self) -> dict[tuple[str, str], tuple[ProblemOutcome, ...]]:
        """The problems by (task, language), in order of first appearance."""
        cells: dict[tuple[str, str], list[ProblemOutcome]] = {}
        for problem in self.problems:
            cells.setdefault((problem.task, problem.language), []).append(problem)
        return {cell: tuple(problems) for cell, problems in cells.items()}

    def outcomes(self) -> Iterator[tuple[ProblemOutcome, Outcome]]:
        """Every completion with its problem."""
        for problem in self.problems:
            for outcome in problem.outcomes:
                yield problem, outcome
