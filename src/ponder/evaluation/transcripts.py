"""The three most telling transcripts of an evaluation: an aha, a hard problem solved, a failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ponder.evaluation.aha import (
    Aha,
    ReevaluationKind,
    find_ahas,
    interrupts,
    is_expression,
    read_segments,
    reasoning_span,
    reevaluations,
    same_result,
    vocabularies,
)
from ponder.evaluation.arithmetic import parse_expression
from ponder.evaluation.claims import Claim, ClaimReader, Segment, Span
from ponder.evaluation.outcomes import Evaluation, Outcome, ProblemOutcome
from ponder.evaluation.voting import same_expression
from ponder.prompting import Tags
from ponder.types import Finish, Verdict

MOST_INSTRUCTIVE = 3
"""Grades of a failure: 3 a false step, 2 a right answer given up, 1 cut at the cap, 0 any other."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """A place of a transcript to be shown."""

    span: Span
    """(start, end) in the completion's text."""
    label: Literal["before", "marker", "after", "slip"]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A completion worth showing, and why."""

    kind: Literal["aha", "hard", "failure"]
    why: str
    """One line."""
    problem: ProblemOutcome
    member: int
    highlights: tuple[Highlight, ...] = ()

    @property
    def outcome(self) -> Outcome:
        return self.problem.outcomes[self.member]


def most_telling(evaluation: Evaluation, base: Evaluation | None = None) -> tuple[Transcript, ...]:
    """Up to three transcripts, each of another problem where that is possible:

    - "aha": a right completion that gave up a wrong result; the plainest marker, on the hardest problem;
    - "hard": the longest right completion among the problems that the base (or else the policy itself)
      solves least often;
    - "failure": a wrong completion that shows why, on a problem otherwise mostly solved: a false
      step, a right answer given up, a text cut at the cap.

    `base` is an evaluation of the starting policy; problems it was not asked count by the policy's own
    pass@1. A kind that does not occur, or an evaluation without texts, gives fewer.
    """
    difficulty = _difficulty(evaluation, base)
    chosen: list[Transcript] = []
    for find in (_aha, _hard, _failure):
        transcript = find(evaluation, difficulty, {shown.problem.problem_id for shown in chosen})
        if transcript is not None:
            chosen.append(transcript)
    return tuple(chosen)


def _difficulty(evaluation: Evaluation, base: Evaluation | None) -> Mapping[str, float]:
    """1 - pass@1 by problem id; 1 where nothing could be graded."""
    rates = {problem.problem_id: problem.pass_at_1 or 0.0 for problem in evaluation.problems}
    if base is not None:
        rates |= {problem.problem_id: problem.pass_at_1 or 0.0 for problem in base.problems}
    return {problem_id: 1 - rate for problem_id, rate in rates.items()}


def _aha(evaluation: Evaluation, difficulty: Mapping[str, float], used: set[str]) -> Transcript | None:
    best = max(find_ahas(evaluation), key=lambda aha: _telling(aha, difficulty), default=None)
    if best is None:
        return None
    found = best.reevaluation
    of = f" for {found.subject}" if found.subject else ""
    why = f'"{found.marker}": {found.before}{of} gives way to {found.after}, and the answer is right'
    spans = (
        Highlight(found.before_span, "before"),
        Highlight(found.marker_span, "marker"),
        Highlight(found.after_span, "after"),
    )
    return Transcript("aha", why, best.problem, best.member, spans)


def _telling(aha: Aha, difficulty: Mapping[str, float]) -> tuple[float, float]:
    """Plainness and hardness; among equals the shorter text."""
    found = aha.reevaluation
    points = 2.0 * interrupts(found) + 0.5 * aha.outcome.well_formed
    points += 0.5 * same_result(found.after, aha.outcome.extracted) + (found.kind is ReevaluationKind.STEP)
    return points + difficulty[aha.problem.problem_id], -aha.outcome.num_tokens


def _hard(evaluation: Evaluation, difficulty: Mapping[str, float], used: set[str]) -> Transcript | None:
    candidates = [
        (problem, member)
        for problem, member, outcome in _completions(evaluation)
        if outcome.correct and outcome.text and outcome.finish is Finish.STOP
    ]
    if not candidates:
        return None

    def rank(candidate: tuple[ProblemOutcome, int]) -> tuple[bool, bool, float, int]:
        problem, member = candidate
        outcome = problem.outcomes[member]
        hardness = difficulty[problem.problem_id]
        return problem.problem_id not in used, outcome.well_formed, hardness, outcome.num_tokens

    problem, member = max(candidates, key=rank)
    solved = 100 * (1 - difficulty[problem.problem_id])
    num_tokens = problem.outcomes[member].num_tokens
    why = f"right after {num_tokens} tokens, on a problem solved {solved:.0f}% of the time"
    return Transcript("hard", why, problem, member)


def _failure(evaluation: Evaluation, difficulty: Mapping[str, float], used: set[str]) -> Transcript | None:
    readers = {task: ClaimReader(words) for task, words in vocabularies(evaluation).items()}
    wrong = [
        (problem, member)
        for problem, member, outcome in _completions(evaluation)
        if outcome.verdict is Verdict.WRONG and outcome.text
    ]

    def rank(candidate: tuple[ProblemOutcome, int]) -> tuple[bool, bool, float]:
        problem, member = candidate
        well_formed = problem.outcomes[member].well_formed
        return problem.problem_id not in used, well_formed, problem.pass_at_1 or 0.0

    best: tuple[tuple[bool, int], Transcript] | None = None
    for problem, member in sorted(wrong, key=rank, reverse=True):
        fresh = problem.problem_id not in used
        if best is not None and best[0] >= (fresh, MOST_INSTRUCTIVE):
            break  # the rest is of no other problem, or no better
        instruction, transcript = _lesson(evaluation, problem, member, readers[problem.task])
        if best is None or (fresh, instruction) > best[0]:
            best = ((fresh, instruction), transcript)
    return best[1] if best else None


def _lesson(
    evaluation: Evaluation, problem: ProblemOutcome, member: int, reader: ClaimReader
) -> tuple[int, Transcript]:
    """How instructive a wrong completion is, up to `MOST_INSTRUCTIVE`, and its transcript."""
    outcome = problem.outcomes[member]
    tags = evaluation.settings.tags
    if (slip := _false_step(problem, outcome, tags, reader)) is not None:
        span, step = slip
        why = f"a false step, {step}, on the way to the wrong answer {outcome.extracted or '(none)'}"
        return MOST_INSTRUCTIVE, Transcript("failure", why, problem, member, (Highlight(span, "slip"),))
    right = next((other.extracted for other in problem.outcomes if other.correct), "")
    for found in reevaluations(outcome.text, problem.prefill, tags, answer=right) if right else ():
        if same_result(found.before, right) and not same_result(found.after, right):
            why = f'"{found.marker}": the right {found.before} is given up for {found.after}'
            spans = (Highlight(found.before_span, "before"), Highlight(found.after_span, "after"))
            return 2, Transcript("failure", why, problem, member, spans)
    if outcome.truncated:
        return 1, Transcript(
            "failure", f"cut at {outcome.num_tokens} tokens before an answer", problem, member
        )
    why = f"the answer {outcome.extracted or '(none)'} is wrong: {outcome.reason}"
    return 0, Transcript("failure", why, problem, member)


def _false_step(
    problem: ProblemOutcome, outcome: Outcome, tags: Tags, reader: ClaimReader
) -> tuple[Span, str] | None:
    """The first equation between numbers that is not true and was not taken back; None if there is none.

    Where the answer is an expression, only its own chain counts: the other attempts were abandoned.
    Not looked for where the question is about another arithmetic (remainders, bases).
    """
    if any(word in problem.question.lower() for word in ("mod", "%", "remainder", "base", "余", "进制")):
        return None
    attempts = is_expression(outcome.extracted)
    latest: dict[str, tuple[Span, str, bool]] = {}
    span = reasoning_span(outcome.text, problem.prefill, tags)
    for _, segment in read_segments(outcome.text, span, reader):
        for claim in segment.claims:
            if attempts and not _leads_to(segment, claim, outcome.extracted):
                continue
            left, right = parse_expression(claim.subject), parse_expression(claim.value)
            if left is not None and right is not None and not claim.whole:
                step = f"{claim.subject}={claim.value}"
                latest[claim.subject] = (claim.span, step, left.value != right.value)
    return next(((span, step) for span, step, false in latest.values() if false), None)


def _leads_to(segment: Segment, claim: Claim, answer: str) -> bool:
    """Whether the claim stands in a chain that begins with the answer."""
    in_chain = claim.chain < len(segment.heads)
    return in_chain and same_expression(segment.heads[claim.chain].expression, answer)


def _completions(evaluation: Evaluation) -> Iterator[tuple[ProblemOutcome, int, Outcome]]:
    for problem in evaluation.problems:
        for member, outcome in enumerate(problem.outcomes):
            yield problem, member, outcome
