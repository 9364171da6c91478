"""What an iteration leaves behind: rollouts, the ledger's verdict on every group, one row of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ponder.algorithms import SampleSet
from ponder.config import RLStage
from ponder.storage.crashpoints import crash_point
from ponder.storage.records import RolloutRow, SettledGroup, StageRecords, rows_of_group
from ponder.training.metrics import rollout_metrics, with_aliases
from ponder.training.minibatches import members_with_samples
from ponder.training.rollouts import Issue
from ponder.training.state import Progress
from ponder.training.stopwatch import Stopwatch
from ponder.training.updates import Conditions, UpdateReport
from ponder.types import Finish, ScoredGroup

if TYPE_CHECKING:
    from ponder.training.rl import RLJob


def write_iteration(
    job: RLJob,
    records: StageRecords,
    now: Conditions,
    issues: Sequence[Issue],
    chosen: SampleSet,
    report: UpdateReport,
    done: Progress,
    watch: Stopwatch,
) -> dict[str, float]:
    """The iteration's row of metrics, after rollouts, ledger and metrics are on the disk, in this order."""
    fates = [_fate(job.stage, issue, chosen, report) for issue in issues]
    with watch.measure("records_s"):
        rows = _rollout_rows(job, now, issues, chosen, report, fates)
        file = records.rollouts.write(now.iteration, rows)
        crash_point("records/after-rollouts")
        records.ledger.settle(now.iteration, fates, file, job.reward_weights)
        scored = [issue.scored for issue in issues]
        row = {
            **rollout_metrics(scored, job.tags),
            **report.metrics,
            "step/last/index": float(now.step + max(report.num_steps - 1, 0)),
            "completion/trained/sum": float(sum(any(s.loss_mask) for s in chosen.samples)),
            "completion/filtered/sum": float(chosen.num_filtered),
            "completion/aborted/sum": float(chosen.num_aborted),
            "group/dropped/sum": float(sum(bool(fate.dropped) for fate in fates)),
            "sampling/temperature/value": now.temperature,
            "sampling/length_cap/value": float(now.length_cap),
            "tokens/sampled/total": float(done.tokens_sampled),
        }
        counted = job.scorer.take_metrics()
        # Which process died is the machine's affair; what it cost is in the row.
        of_workers = {key: counted.pop(key) for key in list(counted) if key.startswith("worker/")}
        row = with_aliases(row | counted)
    seconds = watch.seconds()
    tokens = row["tokens/sampled/sum"]
    timing = {
        **seconds,
        "tokens/sampled/per_s": tokens / max(seconds.get("rollout_s", 0.0), 1e-9),
        **of_workers,
        "tokens/all/per_s": tokens / max(seconds["step_time"], 1e-9),
    }
    records.metrics.write(now.iteration, row, timing)
    crash_point("records/after-metrics")
    return row


def live_values(row: Mapping[str, float], watch: Stopwatch) -> dict[str, str]:
    """What the live line shows."""
    tokens_per_s = row["tokens/sampled/sum"] / max(watch.seconds()["step_time"], 1e-9)
    ungradable = sum(value for key, value in row.items() if key.startswith("ungradable/"))
    return {
        "reward": f"{row.get('reward/total/mean', float('nan')):.3f}",
        "right": f"{row['completion/correct/frac']:.1%}",
        "length": f"{row.get('length/all/mean', 0.0):.0f}",
        "tokens/s": f"{tokens_per_s:,.0f}",
        **({"ungradable": f"{ungradable:.0f}"} if ungradable else {}),
    }


def _fate(stage: RLStage, issue: Issue, chosen: SampleSet, report: UpdateReport) -> SettledGroup:
    """Trained, in which steps; or dropped, for which reason."""
    steps = report.steps_of_group.get(issue.number, ())
    if steps:
        return SettledGroup(issue.number, steps=steps)
    reason = "zero variance" if members_with_samples(issue.scored) else "no reward could be had"
    return SettledGroup(issue.number, dropped=reason)


def _rollout_rows(
    job: RLJob,
    now: Conditions,
    issues: Sequence[Issue],
    chosen: SampleSet,
    report: UpdateReport,
    fates: Sequence[SettledGroup],
) -> list[RolloutRow]:
    advantages: dict[int, list[float]] = {}
    for sample, advantage in zip(chosen.samples, report.advantages, strict=True):
        advantages.setdefault(sample.group, []).append(advantage)
    rows = []
    for issue, fate in zip(issues, fates, strict=True):
        with_samples = members_with_samples(issue.scored)
        known = dict(zip(with_samples, advantages.get(issue.number, []), strict=False))
        rows += rows_of_group(
            issue.scored,
            iteration=now.iteration,
            step=fate.steps[0] if fate.steps else -1,
            group=issue.number,
            prompt=job.decode(issue.scored.group.prompt.token_ids),
            seeds=issue.seeds,
            advantages=[known.get(member) for member in range(len(issue.scored.rewards))],
            dropped=_reasons(issue.scored, fate, job.stage.algorithm.truncated),
        )
    return rows


def _reasons(scored: ScoredGroup, fate: SettledGroup, truncated: str) -> list[str]:
    """Why each member is not in the loss; "" where it is."""
    reasons = []
    for completion, reward in zip(scored.group.completions, scored.rewards, strict=True):
        if completion.finish is Finish.ABORT:
            reasons.append("aborted")
        elif reward.total is None:
            reasons.append(": ".join(filter(None, ("no reward could be had", reward.reason))))
        elif fate.dropped:
            reasons.append(fate.dropped)
        else:
            cut = truncated == "mask" and completion.finish is Finish.LENGTH
            reasons.append("truncated" if cut else "")
    return reasons
