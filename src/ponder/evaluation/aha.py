"""Re-evaluations: places where a completion stops, looks again, and comes to another result.

The paper shows one ("Wait, wait. Wait. That's an aha moment I can flag here", Table 3 of v1). Here one
is found by what it does, not by the word alone: a marker such as "wait" or "等等", a result
before it, and another result for the same thing after it. Words that only join clauses ("but",
"however"), which the paper counts as reflective too, are no markers here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ponder.evaluation.arithmetic import parse_expression
from ponder.evaluation.claims import Claim, ClaimReader, Segment, Span
from ponder.evaluation.outcomes import Evaluation, Outcome, ProblemOutcome
from ponder.evaluation.voting import normalise_answer, number_of, same_answer, same_expression
from ponder.prompting import THINK_TAGS, Tags, parse_completion

REACH = 8
"""A result is re-evaluated when it stands in one of so many chains of equations before the marker."""
REACH_REJECTED = 1
"""The same for markers that reject ("no"): they end an attempt, and what a later attempt repeats by the
way is not looked at again; only the attempt just rejected is."""
MAX_CHARS = 400_000
"""Longer texts are searched up to here; 32,768 tokens are about 130,000 characters."""

_MARKERS_EN = (
    "wait", "hold on", "hmm", "oops", "actually", "no", "mistake", "wrong", "error", "incorrect", "retry",
    "try again", "recheck", "re-check", "check", "verify", "reevaluate", "re-evaluate", "reconsider", "redo",
)  # fmt: skip
_MARKERS_ZH = (
    "等等", "等一下", "等下", "不对", "错了", "错误", "有误", "重新", "再算", "再试", "检查", "验证", "核对",
)  # fmt: skip
_MARKER = re.compile(
    r"(?<![A-Za-z])(?:" + "|".join(sorted(_MARKERS_EN, key=len, reverse=True)) + r")(?![A-Za-z])"
    "|" + "|".join(sorted(_MARKERS_ZH, key=len, reverse=True)),
    re.IGNORECASE,
)
_INTERRUPTING = frozenset({"wait", "hold on", "oops", "等等", "等一下", "等下"})
_REJECTING = frozenset({"no", "不对", "try again", "再试", "retry"})


class ReevaluationKind(StrEnum):
    """What was looked at again."""

    STEP = "step"
    """The same left side, another right side."""
    ANSWER = "answer"
    """A conclusion, or an attempt at the answer, gave way to another."""


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """A result given up for another one. Spans are (start, end) in the completion's text."""

    kind: ReevaluationKind
    marker: str
    marker_span: Span
    before: str
    before_span: Span
    after: str
    after_span: Span
    subject: str
    """What the results are of ("3+4", "b1"); "" for the answer itself."""


@dataclass(frozen=True, slots=True)
class Aha:
    """A right completion in which a wrong result was given up."""

    problem: ProblemOutcome
    member: int
    reevaluation: Reevaluation

    @property
    def outcome(self) -> Outcome:
        return self.problem.outcomes[self.member]


def reevaluations(
    text: str, prefill: str = "", tags: Tags = THINK_TAGS, vocabulary: Iterable[str] = (), answer: str = ""
) -> list[Reevaluation]:
    """Every re-evaluation in the reasoning of a completion that changes a result, in order.

    `vocabulary` holds the words answers are made of where they are not numbers; `answer` is the right
    one, needed only where answers are expressions, to tell an attempt from a step. Takes time linear
    in the text, and never raises, whatever the text.
    """
    return list(_reevaluations(text, reasoning_span(text, prefill, tags), ClaimReader(vocabulary), answer))


def find_aha(
    text: str, answer: str, prefill: str = "", tags: Tags = THINK_TAGS, vocabulary: Iterable[str] = ()
) -> Reevaluation | None:
    """The first re-evaluation of a completion graded CORRECT with `answer` whose first result was wrong.

    Wrong: not the answer, and where an answer gave way to another, that other one is `answer`.
    None when there is none.
    """
    return _first_aha(text, answer, prefill, tags, ClaimReader(vocabulary))


def find_ahas(evaluation: Evaluation) -> Iterator[Aha]:
    """The right completions of the evaluation that re-evaluate a wrong result, in order."""
    readers = {task: ClaimReader(words) for task, words in vocabularies(evaluation).items()}
    tags = evaluation.settings.tags
    for problem in evaluation.problems:
        for member, outcome in enumerate(problem.outcomes):
            if not outcome.correct:
                continue
            found = _first_aha(outcome.text, outcome.extracted, problem.prefill, tags, readers[problem.task])
            if found is not None:
                yield Aha(problem, member, found)


def first_aha(evaluation: Evaluation) -> Aha | None:
    """The first transcript in which a re-evaluation changes a wrong result and the answer is right."""
    return next(find_ahas(evaluation), None)


def vocabularies(evaluation: Evaluation) -> Mapping[str, tuple[str, ...]]:
    """By task, the words its answers are made of: references that are few, short and no numbers."""
    words: dict[str, set[str]] = {task: set() for task in evaluation.tasks}
    for problem in evaluation.problems:
        words[problem.task].add(problem.reference)
    few = {task: len(references) <= 32 for task, references in words.items()}
    return {
        task: tuple(sorted(word for word in references if few[task] and re.fullmatch(r"[^\W\d]{1,12}", word)))
        for task, references in words.items()
    }


# --- searching one text --------------------------------------------------------------------------


def _first_aha(text: str, answer: str, prefill: str, tags: Tags, reader: ClaimReader) -> Reevaluation | None:
    for found in _reevaluations(text, reasoning_span(text, prefill, tags), reader, answer):
        given_up = not same_result(found.before, answer)
        if given_up and (found.kind is ReevaluationKind.STEP or same_result(found.after, answer)):
            return found
    return None


def same_result(one: str, other: str) -> bool:
    """The same answer, or expressions of the same numbers and value."""
    return same_answer(one, other) or same_expression(one, other)


def reasoning_span(text: str, prefill: str, tags: Tags) -> Span:
    """Where the reasoning stands in the text; the whole text when the tags show none."""
    reasoning = parse_completion(text, prefill, tags).reasoning
    start = text.find(reasoning) if reasoning else -1
    if start == -1:
        return 0, min(len(text), MAX_CHARS)
    return start, min(start + len(reasoning), start + MAX_CHARS)


def _reevaluations(text: str, span: Span, reader: ClaimReader, answer: str) -> Iterator[Reevaluation]:
    known = _Results()
    before: Segment | None = None
    for marker, segment in read_segments(text, span, reader):
        if marker is not None and before is not None:
            found = known.redone(segment, marker) or _answer_changed(before, segment, marker, answer)
            if found is not None:
                yield found
        known.add(segment)
        before = segment


def read_segments(
    text: str, span: Span, reader: ClaimReader
) -> Iterator[tuple[re.Match[str] | None, Segment]]:
    """The claims from marker to marker, each with the marker before it (None: the beginning).

    Markers with nothing claimed between them ("wait, that is wrong") are one, the first.
    """
    start, end = span
    marker: re.Match[str] | None = None
    subject = ""
    for upcoming in (*_MARKER.finditer(text, start, end), None):
        segment = reader.read(text, start, upcoming.start() if upcoming else end, subject)
        if not segment.empty:
            yield marker, segment
            marker = None
            subject = next((claim.subject for claim in reversed(segment.claims) if not claim.whole), subject)
        if upcoming is not None:
            marker, start = marker or upcoming, upcoming.end()


class _Results:
    """The latest result of each subject so far, of single steps and of whole chains."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, bool], tuple[Claim, int]] = {}
        self._num_chains = 0

    def add(self, segment: Segment) -> None:
        for claim in segment.claims:
            self._latest[claim.subject, claim.whole] = (claim, self._num_chains + claim.chain)
        self._num_chains += segment.num_chains

    def redone(self, segment: Segment, marker: re.Match[str]) -> Reevaluation | None:
        """The first step of the segment that had another result before the marker, or else the
        first whole chain that ended otherwise."""
        reach = REACH_REJECTED if marker.group().lower() in _REJECTING else REACH
        for claim in sorted(segment.claims, key=lambda claim: claim.whole):
            earlier, chain = (
                self._latest.get((claim.subject, claim.whole))
                or self._latest.get((claim.subject, not claim.whole))
                or (None, 0)
            )
            if (
                earlier is None
                or self._num_chains - chain > reach
                or _equal_values(earlier.value, claim.value)
            ):
                continue
            return _reevaluation(ReevaluationKind.STEP, marker, earlier, claim)
        return None


def _answer_changed(
    before: Segment, after: Segment, marker: re.Match[str], answer: str
) -> Reevaluation | None:
    """A conclusion, an attempt or a bare value before the marker and another such after it."""
    if answer and is_expression(answer):
        return _attempt_changed(before, after, marker, answer)
    earlier = before.conclusions[-1] if before.conclusions else before.last
    later = after.conclusions[-1] if after.conclusions else after.first
    if earlier is None or later is None or _equal_values(earlier.value, later.value):
        return None
    return _reevaluation(ReevaluationKind.ANSWER, marker, earlier, later)


def _attempt_changed(
    before: Segment, after: Segment, marker: re.Match[str], answer: str
) -> Reevaluation | None:
    """Where answers are expressions: one that was tried, and one that is the answer."""
    if not before.heads:
        return None
    tried = before.heads[-1]
    for head in after.heads:
        if same_expression(head.expression, answer) and not same_expression(tried.expression, answer):
            earlier = Claim("", tried.expression, tried.span, -1)
            return _reevaluation(
                ReevaluationKind.ANSWER, marker, earlier, Claim("", head.expression, head.span, -1)
            )
    return None


def _reevaluation(
    kind: ReevaluationKind, marker: re.Match[str], earlier: Claim, later: Claim
) -> Reevaluation:
    return Reevaluation(
        kind=kind,
        marker=marker.group(),
        marker_span=marker.span(),
        before=earlier.value,
        before_span=earlier.span,
        after=later.value,
        after_span=later.span,
        subject=later.subject,
    )


def interrupts(found: Reevaluation) -> bool:
    """Whether the marker does nothing but interrupt ("wait"): the plainest kind."""
    return found.marker.lower() in _INTERRUPTING


def _equal_values(one: str, other: str) -> bool:
    parsed = parse_expression(one), parse_expression(other)
    if parsed[0] is not None and parsed[1] is not None:
        return parsed[0].value == parsed[1].value
    return normalise_answer(one) == normalise_answer(other)


def is_expression(answer: str) -> bool:
    """Whether an answer is an expression to be worked out, as in Countdown, and not a number."""
    parsed = parse_expression(answer)
    return parsed is not None and len(parsed.numbers) > 1 and number_of(answer) is None
