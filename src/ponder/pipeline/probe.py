"""A few groups sampled before step 0: is there anything to learn from?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ponder.config import RLStage
from ponder.seeding import derive_rng, derive_seed
from ponder.training.metrics import is_flat
from ponder.training.rollouts import Scorer, score_as_generated
from ponder.training.schedule import conditions_of, sampling_of
from ponder.training.ungradable import UngradableGuard
from ponder.types import (
    Finish,
    Problem,
    Prompt,
    RolloutEngine,
    RolloutRequest,
    ScoredGroup,
    Verdict,
)

PROBED_GROUPS = 8


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probed groups showed."""

    num_groups: int
    num_flat: int
    """Groups whose rewards are all equal."""
    num_completions: int
    num_correct: int
    num_truncated: int
    num_ungradable: int

    def warnings(self, stage_name: str) -> list[str]:
        """What would keep the stage from learning, one sentence each."""
        found = []
        if self.num_flat == self.num_groups:
            advice = "easier problems, a larger group, or a base that sometimes succeeds (see ponder filter)"
            if self.num_correct == self.num_completions:
                advice = "harder problems"
            found.append(
                f"stages.{stage_name}: in all {self.num_groups} probed groups every completion earns "
                f"the same, {self.num_correct} of {self.num_completions} being right: nothing "
                f"could be learned. Use {advice}."
            )
        if self.num_truncated > self.num_completions // 2:
            found.append(
                f"stages.{stage_name}: {self.num_truncated} of {self.num_completions} probed completions "
                "were cut at sampling.max_new_tokens. Raise it, or see to it that the model can stop."
            )
        if self.num_ungradable:
            found.append(
                f"stages.{stage_name}: {self.num_ungradable} of {self.num_completions} probed completions "
                "could not be graded, which is never the model's fault: look at the graders and rewards."
            )
        return found


def probe_groups(
    stage: RLStage,
    problems: Sequence[Problem],
    render: Callable[[Problem], Prompt],
    engine: RolloutEngine,
    scorer: Scorer,
    stop_token_ids: tuple[int, ...],
    seed: int,
) -> Probe:
    """Samples and scores a few groups as the first iteration would; leaves no trace in the run.

    Raises RewardError when too many of their completions cannot be graded, as an iteration does.
    """
    drawn = derive_rng(seed, stage.name, "probe").sample(list(problems), min(PROBED_GROUPS, len(problems)))
    requests = [
        RolloutRequest(
            render(problem),
            tuple(
                derive_seed(seed, stage.name, "probe", problem.id, member)
                for member in range(stage.group_size)
            ),
        )
        for problem in drawn
    ]
    sampling = sampling_of(stage, conditions_of(stage, 0), stop_token_ids)
    guard = UngradableGuard(stage.max_ungradable, stage.group_size, stage.name)
    guard.expect(len(requests) * stage.group_size)
    scored = score_as_generated(engine.generate(requests, sampling), scorer, 0, guard)
    probe = _count(scored, in_groups=stage.algorithm.advantage.estimator != "gae")
    scorer.take_metrics()
    return probe


def _count(scored: Sequence[ScoredGroup], *, in_groups: bool) -> Probe:
    """`in_groups`: a reward counts against its group's; with a value head rewards need differ at all."""
    totals = {reward.total for group in scored for reward in group.rewards if reward.total is not None}
    num_flat = sum(is_flat(group) for group in scored) if in_groups else len(scored) * (len(totals) < 2)
    completions = [completion for group in scored for completion in group.group.completions]
    grades = [grade for group in scored for grade in group.grades]
    rewards = [reward for group in scored for reward in group.rewards]
    return Probe(
        num_groups=len(scored),
        num_flat=num_flat,
        num_completions=len(completions),
        num_correct=sum(grade.verdict is Verdict.CORRECT for grade in grades),
        num_truncated=sum(completion.finish is Finish.LENGTH for completion in completions),
        num_ungradable=sum(
            grade.verdict is Verdict.UNGRADABLE or bool(reward.reason)
            for grade, reward in zip(grades, rewards, strict=True)
        ),
    )
