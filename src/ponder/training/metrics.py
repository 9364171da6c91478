"""What is measured in every iteration, as one flat row; times are kept apart.

Keys are `noun/measure/reduction`. The names that users of TRL plot by reflex stand beside them with
the same numbers (`TRL_ALIASES`). A quantity that does not exist in an iteration (the length of right
answers where none was right) is left out of the row, never written as 0.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from ponder.prompting import Tags, num_reflective_words, parse_completion
from ponder.types import Completion, Finish, ScoredGroup, Verdict

TRL_ALIASES: dict[str, str] = {
    "reward": "reward/total/mean",
    "reward_std": "reward/total/std",
    "frac_reward_zero_std": "group/zero_variance/frac",
    "completions/mean_length": "length/all/mean",
    "completions/min_length": "length/all/min",
    "completions/max_length": "length/all/max",
    "completions/clipped_ratio": "completion/truncated/frac",
    "completions/mean_terminated_length": "length/finished/mean",
    "entropy": "entropy/token/mean",
    "kl": "kl/reference/mean",
    "clip_ratio/low_mean": "clip/low/frac",
    "clip_ratio/high_mean": "clip/high/frac",
    "clip_ratio/region_mean": "clip/region/frac",
    "sampling/sampling_logp_difference/mean": "mismatch/logprob/abs_mean",
    "sampling/sampling_logp_difference/max": "mismatch/logprob/max",
    "sampling/importance_sampling_ratio/mean": "importance/weight/mean",
    "loss": "loss/total/mean",
    "num_tokens": "tokens/sampled/total",
    "grad_norm": "gradient/norm/mean",
    "learning_rate": "optimizer/lr/last",
}
"""TRL's name -> ours."""


def rollout_metrics(scored: Sequence[ScoredGroup], tags: Tags) -> dict[str, float]:
    """Measures of everything an iteration rolled out, dropped groups included.

    Rewards and lengths are over completions; `group/zero_variance/frac` is over groups. Completions
    that could not be graded are counted and left out of every reward and rate.
    """
    rows = [
        row
        for group in scored
        for row in zip(group.group.completions, group.grades, group.rewards, strict=True)
    ]
    graded = [row for row in rows if row[1].verdict is not Verdict.UNGRADABLE and row[2].total is not None]
    lengths = [len(completion.token_ids) for completion, _, _ in rows]
    metrics: dict[str, float] = {
        "group/issued/sum": float(len(scored)),
        "group/zero_variance/frac": _share(is_flat(group) for group in scored),
        "completion/issued/sum": float(len(rows)),
        "completion/ungradable/frac": 1 - len(graded) / max(len(rows), 1),
        "completion/truncated/frac": _share(row[0].finish is Finish.LENGTH for row in rows),
        "completion/correct/frac": _share(row[1].verdict is Verdict.CORRECT for row in graded),
        "completion/format/frac": _share(_formed(scored, tags)),
        "problem/solved/frac": _share(_solved(group) for group in scored),
        "length/all/min": float(min(lengths, default=0)),
        "length/all/max": float(max(lengths, default=0)),
        "tokens/sampled/sum": float(sum(lengths)),
    }
    metrics |= _reward_metrics(scored)
    metrics |= _length_metrics([(row[0], row[1].verdict) for row in rows])
    if rows:
        metrics["reflection/words/mean"] = statistics.fmean(num_reflective_words(row[0].text) for row in rows)
    return metrics


def _reward_metrics(scored: Sequence[ScoredGroup]) -> dict[str, float]:
    totals = [reward.total for group in scored for reward in group.rewards if reward.total is not None]
    metrics = _moments("reward/total", totals)
    within = [
        statistics.pstdev(values)
        for group in scored
        if (values := [reward.total for reward in group.rewards if reward.total is not None])
    ]
    if within:
        metrics["reward/within_group_std/mean"] = statistics.fmean(within)
    names = sorted({name for group in scored for reward in group.rewards for name in reward.parts})
    for name in names:
        parts = [reward.parts.get(name) for group in scored for reward in group.rewards]
        metrics |= _moments(f"reward/{name}", [part for part in parts if part is not None])
    return metrics


def _length_metrics(rows: Sequence[tuple[Completion, Verdict]]) -> dict[str, float]:
    """Mean tokens of all, finished, truncated, right and wrong completions (right and wrong: finished)."""
    kinds: dict[str, list[int]] = {name: [] for name in ("all", "finished", "truncated", "right", "wrong")}
    for completion, verdict in rows:
        length = len(completion.token_ids)
        kinds["all"].append(length)
        if completion.finish is Finish.LENGTH:
            kinds["truncated"].append(length)
            continue
        kinds["finished"].append(length)
        if verdict is Verdict.CORRECT:
            kinds["right"].append(length)
        elif verdict is Verdict.WRONG:
            kinds["wrong"].append(length)
    return {f"length/{kind}/mean": statistics.fmean(values) for kind, values in kinds.items() if values}


def with_aliases(metrics: dict[str, float]) -> dict[str, float]:
    """The row with TRL's names beside ours."""
    named = {alias: metrics[key] for alias, key in TRL_ALIASES.items() if key in metrics}
    for key in metrics:
        noun, measure, reduction = [*key.split("/"), "", ""][:3]
        if noun == "reward" and measure not in ("total", "within_group_std") and reduction in ("mean", "std"):
            named[f"rewards/{measure}/{reduction}"] = metrics[key]
    return {**metrics, **named}


def is_flat(group: ScoredGroup) -> bool:
    """Whether the rewards of the group say nothing: fewer than two are known, or all are equal."""
    totals = [reward.total for reward in group.rewards if reward.total is not None]
    return len(totals) < 2 or max(totals) == min(totals)


def _moments(key: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {f"{key}/mean": statistics.fmean(values), f"{key}/std": statistics.pstdev(values)}


def _share(flags: Iterable[bool]) -> float:
    seen = list(flags)
    return sum(seen) / max(len(seen), 1)


def _formed(scored: Sequence[ScoredGroup], tags: Tags) -> list[bool]:
    """For every completion, whether it has the template's format, a prefilled tag counting as written."""
    return [
        parse_completion(completion.text, group.group.prompt.prefill, tags).well_formed
        for group in scored
        for completion in group.group.completions
    ]


def _solved(group: ScoredGroup) -> bool:
    return any(grade.verdict is Verdict.CORRECT for grade in group.grades)
