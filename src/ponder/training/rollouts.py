"""One iteration's groups: problems drawn, prompts rendered, completions sampled, rewards gathered.

Rewards are worked out beside generation: a group is handed to the workers the moment it is finished.
Whatever the order of arrival, groups leave here in the order in which they were issued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ponder.algorithms import has_signal, reward_matrix
from ponder.seeding import derive_seed
from ponder.storage.crashpoints import crash_point
from ponder.storage.ledger import IssuedGroup, Ledger
from ponder.training.ungradable import UngradableGuard
from ponder.training.updates import Conditions
from ponder.types import Problem, Prompt, RolloutGroup, RolloutRequest, SamplingParams, ScoredGroup

if TYPE_CHECKING:
    from ponder.training.rl import RLJob


class Scorer(Protocol):
    """Rewards beside generation (`ponder.rewards.RewardWorkers`)."""

    def submit(self, group: RolloutGroup, step: int = 0) -> int:
        """Hands a group in; `step` is what a user's function is told."""
        ...

    def collect(self) -> ScoredGroup:
        """The next group in the order in which they were handed in; waits for it."""
        ...

    def take_metrics(self) -> dict[str, float]:
        """What was counted and logged since the last call."""
        ...


def score_as_generated(
    generated: Iterable[tuple[int, RolloutGroup]],
    scorer: Scorer,
    step: int,
    guard: UngradableGuard | None = None,
) -> list[ScoredGroup]:
    """The groups with their rewards, by index, scored while the others were being sampled.

    Raises RewardError when the guard finds that too many cannot be graded.
    """
    order = []
    for index, group in generated:
        scorer.submit(group, step)
        order.append(index)
    crash_point("iteration/after-rollout")
    by_index = {}
    for index in order:
        by_index[index] = scorer.collect()
        if guard is not None:
            guard.count(by_index[index])
    return [by_index[index] for index in range(len(order))]


@dataclass(frozen=True, slots=True)
class Issue:
    """A group that was issued in an iteration."""

    number: int
    """Place in the iteration, from 0, in the order of issue."""
    scored: ScoredGroup
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """How the groups of a stage are made; constant over its iterations."""

    seed_parts: tuple[int | str, ...]
    """(run seed, stage name)."""
    problems_per_iteration: int
    group_size: int
    max_refills: int
    """How often groups without signal are replaced by new problems; 0: never."""
    render: Callable[[Problem], Prompt]


def collect_groups(
    job: RLJob, now: Conditions, sampling: SamplingParams, ledger: Ledger, guard: UngradableGuard
) -> list[Issue]:
    """Every group issued in the iteration, in order, with rewards; the ledger knows of each beforehand.

    With refills, groups without signal are followed by new problems until enough groups have one or
    the refills are used up. All of them are in the list: what is trained on is decided later. Raises
    RewardError as `score_as_generated`.
    """
    guard.begin_iteration()
    plan, issues, occurrences = job.plan, list[Issue](), Counter[str]()
    wanted = plan.problems_per_iteration
    for _ in range(1 + plan.max_refills):
        requests = [_request(plan, now.iteration, problem, occurrences) for problem in job.draws.take(wanted)]
        ledger.issue(
            now.iteration,
            [
                IssuedGroup(
                    len(issues) + place, request.prompt.problem.id, len(request.seeds), job.engine.version
                )
                for place, request in enumerate(requests)
            ],
        )
        guard.expect(sum(len(request.seeds) for request in requests))
        generated = job.engine.generate(requests, sampling)
        for request, scored in zip(
            requests, score_as_generated(generated, job.scorer, now.step, guard), strict=True
        ):
            issues.append(Issue(len(issues), scored, request.seeds))
        if plan.max_refills == 0:
            break
        signal_P = has_signal(reward_matrix([issue.scored for issue in issues]))
        wanted = plan.problems_per_iteration - int(signal_P.sum())
        if wanted <= 0:
            break
    crash_point("iteration/after-rewards")
    return issues


def _request(
    plan: RolloutPlan, iteration: int, problem: Problem, occurrences: Counter[str]
) -> RolloutRequest:
    """A prompt and its members' seeds; a problem drawn twice in an iteration gets other seeds."""
    occurrence = occurrences[problem.id]
    occurrences[problem.id] += 1
    again = (occurrence,) if occurrence else ()
    seeds = tuple(
        derive_seed(*plan.seed_parts, iteration, problem.id, member, *again)
        for member in range(plan.group_size)
    )
    return RolloutRequest(plan.render(problem), seeds)
