"""Completions drawn through the engine and graded beside the generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ponder.errors import PonderError
from ponder.evaluation.estimators import ABSTAINED
from ponder.evaluation.outcomes import Outcome, ProblemOutcome
from ponder.evaluation.voting import GradeFunction, equivalence_for, vote_classes
from ponder.prompting import ParsedCompletion, Tags, parse_completion
from ponder.types import (
    Completion,
    Finish,
    Grade,
    Problem,
    RolloutEngine,
    RolloutGroup,
    RolloutRequest,
    SamplingParams,
    Verdict,
)

Progress = Callable[[int, int], None]
"""Called with (problems sampled so far, problems in all)."""


def sample_and_grade(
    engine: RolloutEngine,
    requests: Sequence[RolloutRequest],
    sampling: SamplingParams,
    grading: GroupGrading,
    progress: Progress | None,
) -> tuple[ProblemOutcome, ...]:
    """The outcomes in the order of the requests, whatever the order in which groups finish."""
    pending: dict[int, Future[ProblemOutcome]] = {}
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="grading") as executor:
        try:
            for index, group in engine.generate(requests, sampling):
                if index in pending or len(group.completions) != len(requests[index].seeds):
                    raise PonderError(
                        f"the engine answered request {index} twice, or with {len(group.completions)} "
                        f"completions where {len(requests[index].seeds)} were asked for"
                    )
                pending[index] = executor.submit(grading.grade_group, group)
                if progress is not None:
                    progress(len(pending), len(requests))
            if len(pending) != len(requests):
                raise PonderError(
                    f"the engine left {len(requests) - len(pending)} of {len(requests)} requests out"
                )
            return tuple(pending[index].result() for index in range(len(requests)))
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass(frozen=True, slots=True)
class GroupGrading:
    """How the completions of a group become outcomes."""

    grade: GradeFunction
    tags: Tags
    keep_texts: bool

    def grade_group(self, group: RolloutGroup) -> ProblemOutcome:
        problem = group.prompt.problem
        graded = [
            self._grade_one(problem, completion, group.prompt.prefill) for completion in group.completions
        ]
        answers = [grade.extracted for _, grade in graded]
        votes = vote_classes(answers, equivalence_for(problem, self.grade))
        return ProblemOutcome(
            problem_id=problem.id,
            task=problem.task,
            language=problem.language,
            question=problem.text,
            grader=problem.grader,
            reference=problem.reference,
            prefill=group.prompt.prefill,
            outcomes=tuple(
                self._outcome(completion, parsed, grade, vote)
                for completion, (parsed, grade), vote in zip(group.completions, graded, votes, strict=True)
            ),
        )

    def _grade_one(
        self, problem: Problem, completion: Completion, prefill: str
    ) -> tuple[ParsedCompletion, Grade]:
        parsed = parse_completion(completion.text, prefill, self.tags)
        if completion.finish is Finish.ABORT:
            return parsed, Grade(Verdict.UNGRADABLE, 0.0, "", "the engine gave the row up")
        grade = self.grade(problem, parsed.answer)
        if grade.verdict is Verdict.CORRECT and not grade.extracted:
            # A grader that judges the text as a whole extracts nothing: the text is what is voted on.
            grade = Grade(grade.verdict, grade.credit, parsed.answer, grade.reason)
        return parsed, grade

    def _outcome(self, completion: Completion, parsed: ParsedCompletion, grade: Grade, vote: int) -> Outcome:
        ungradable = grade.verdict is Verdict.UNGRADABLE
        return Outcome(
            verdict=grade.verdict,
            credit=grade.credit,
            extracted=grade.extracted,
            reason=grade.reason,
            vote=ABSTAINED if ungradable else vote,
            well_formed=parsed.well_formed,
            num_tokens=len(completion.token_ids),
            finish=completion.finish,
            text=completion.text if self.keep_texts else "",
        )
