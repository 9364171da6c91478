"""Stops a run whose completions cannot be graded or rewarded, with the reason."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from ponder.errors import RewardError
from ponder.types import Finish, ScoredGroup, Verdict

MAX_SHOWN = 5
"""Reasons that are shown while the run goes on; all of them are in the records."""


@dataclass(slots=True)
class _Tally:
    """What one iteration had."""

    expected: int = 0
    """Completions issued so far in it."""
    ungradable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first_problem: dict[str, str] = field(default_factory=dict)
    """Reason -> id of the problem where it was first met."""


class UngradableGuard:
    """Counts completions without a grade or reward that are not to blame for it, and stops at too many.

    The rule: more than `limit` of the completions, and more than one group's worth of them. Both are
    counted over the iteration and as many before it as make up 1 / limit groups together (20 for 5%), or
    all there are. In an iteration of that size or more it is just "more than 5% in a step". In smaller
    runs one group that fails, which is more than 5% at once, does not stop the run; a function that always
    fails does, with its second group. A limit of 0 stops at the first one, a limit of 1 never.

    Aborted completions do not count, nor do those to which no reward applies. What was counted before a
    run was stopped is not known when it goes on.
    """

    def __init__(self, limit: float, group_size: int, stage: str) -> None:
        self._limit = limit
        self._stage = stage
        self._spared = group_size if limit > 0 else 0
        self._window = group_size / limit if limit > 0 else 0.0
        self._tallies: deque[_Tally] = deque([_Tally()])
        self._shown: set[str] = set()
        self._news: list[str] = []

    def begin_iteration(self) -> None:
        """The next iteration's completions come now."""
        self._tallies.append(_Tally())

    def expect(self, num_completions: int) -> None:
        """So many more completions of the iteration have been issued."""
        self._tallies[-1].expected += num_completions
        while len(self._tallies) > 1 and self._total() - self._tallies[0].expected >= self._window:
            self._tallies.popleft()

    def count(self, scored: ScoredGroup) -> None:
        """Takes a scored group of the iteration. Raises RewardError when it is one too many."""
        now = self._tallies[-1]
        problem = scored.group.prompt.problem.id
        for completion, grade, reward in zip(
            scored.group.completions, scored.grades, scored.rewards, strict=True
        ):
            reason = grade.reason if grade.verdict is Verdict.UNGRADABLE else reward.reason
            if not reason or completion.finish is Finish.ABORT:
                continue
            now.ungradable += 1
            now.reasons[reason] += 1
            now.first_problem.setdefault(reason, problem)
            self._tell(reason, problem)
        ungradable = sum(tally.ungradable for tally in self._tallies)
        if ungradable > self._spared and ungradable > self._limit * self._total():
            raise RewardError(self._verdict(ungradable))

    def take_news(self) -> list[str]:
        """Reasons met for the first time since the last call, as lines for people."""
        news, self._news = self._news, []
        return news

    def _total(self) -> int:
        return sum(tally.expected for tally in self._tallies)

    def _tell(self, reason: str, problem: str) -> None:
        if reason not in self._shown and len(self._shown) < MAX_SHOWN:
            self._shown.add(reason)
            self._news.append(f'Left out of training, problem "{problem}": {reason}')

    def _verdict(self, ungradable: int) -> str:
        reasons = sum((tally.reasons for tally in self._tallies), Counter[str]())
        reason, times = reasons.most_common(1)[0]
        problem = next(t.first_problem[reason] for t in self._tallies if reason in t.first_problem)
        total, iterations = self._total(), len([t for t in self._tallies if t.expected])
        where = "this iteration" if iterations == 1 else f"the last {iterations} iterations"
        return (
            f"{ungradable} of the {total} completions of {where} have no grade or reward, for a reason that "
            f"is not theirs: more than stages.{self._stage}.max_ungradable = {self._limit:g} allows. "
            f'{times} of them, first on problem "{problem}": {reason} Mend the cause and give the same '
            "command again: nothing that was finished is lost."
        )
