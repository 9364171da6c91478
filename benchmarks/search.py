"""Each side's fastest settings on this machine; everything tried is kept.

Axes are tried one after the other, each on top of the best of those before it; what is taken is decided among
the trials on the whole shape: the fastest, or of those within 5% of it the one with the smallest peak of
memory. A setting whose first step, which is not timed, takes longer than five seconds and than 1.15 times
the best first step of its axis is given up. The same rules for both sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.duel import Setting, WorkerError, take_turns
from benchmarks.settings import COMPLETIONS, GROUPED_KEYS, KEEP_FREED_MEMORY, PONDER, TRL, differences
from benchmarks.shapes import Shape

_TOLERANCE = 1.05
_STEPS = 1
"""Timed per trial, after one that is not."""
_GIVE_UP = 1.15
_NEVER_BELOW_S = 5.0

Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """Values of one setting to try besides the one in force."""

    key: str
    values: tuple[Any, ...]
    patient: bool = False
    """The first step says nothing of the others: it compiles."""


@dataclass(frozen=True, slots=True)
class Search:
    """How one side's settings are found for one shape."""

    side: str
    mode: str
    """step, or rollout: completions alone."""
    defaults: Settings
    axes: tuple[Axis, ...]
    scaled: bool = False
    """The axes are tried on a quarter of the prompts; what then competes on the whole shape is `finals`."""
    finals: Callable[[Settings], list[Settings]] = lambda best: [best]


def completion_search(device: str) -> Search:
    """For `transformers` sampling: on the whole shape, for what it costs depends on who is in the batch."""
    axes = [Axis("completions", tuple(COMPLETIONS)), Axis("attn_implementation", ("eager",))]
    if device == "cpu":
        axes.append(Axis("environment", (KEEP_FREED_MEMORY, GROUPED_KEYS)))
    return Search("trl", "rollout", TRL, tuple(axes))


def trl_search(shape: Shape, device: str, completions: str) -> Search:
    """For TRL's step, with the way of sampling that was fastest."""
    quarter = _quarter(shape)
    rows = quarter.num_completions
    passes = tuple(str(rows // part) for part in (2, 4, 8, 16) if rows // part >= 1)
    axes = [
        Axis("attn_implementation", ("eager",)),
        Axis("rows_per_pass", passes),
        Axis("torch_compile", (True,), patient=True),
    ]
    if device == "cuda":
        axes.insert(0, Axis("weights", ("bfloat16",)))

    def finals(best: Settings) -> list[Settings]:
        own = str(rows) if best["rows_per_pass"] == "all" else best["rows_per_pass"]
        chosen = {**best, "rows_per_pass": own}
        found = [chosen, {**chosen, "rows_per_pass": "all"}]
        return [*found, {**chosen, "environment": KEEP_FREED_MEMORY}] if device == "cpu" else found

    return Search("trl", "step", {**TRL, "completions": completions}, tuple(axes), True, finals)


def ponder_search(device: str) -> Search:
    """For ponder's step; its engine samples with the same settings."""
    axes = [Axis("micro_batch_tokens", (8192, 4096, 2048, 1024))]
    if device == "cpu":
        axes.insert(0, Axis("lanes", (2,)))

    def finals(best: Settings) -> list[Settings]:
        return [best, {**best, "lanes": 3 - best["lanes"]}] if device == "cpu" else [best]

    return Search("ponder", "step", PONDER, tuple(axes), finals=finals)


def find_fastest(setting: Setting, shape: Shape, search: Search) -> tuple[Settings, list[dict[str, Any]]]:
    """(the fastest settings, every trial: settings, prompts, seconds of each step, peak memory or error)."""
    best = dict(search.defaults)
    trials: list[dict[str, Any]] = []
    tried = _quarter(shape) if search.scaled else shape
    for axis in search.axes:
        values = [value for value in axis.values if best.get(axis.key) != value]
        candidates = [best, *({**best, axis.key: value} for value in values)]
        best = _compete(setting, tried, search, candidates, trials, axis.patient)["settings"]
    _compete(setting, shape, search, search.finals(best), trials, patient=False)
    ran = [t for t in trials if t["seconds"] and t["prompts"] == shape.num_prompts]
    fastest = min(min(trial["seconds"]) for trial in ran)
    near = [trial for trial in ran if min(trial["seconds"]) <= fastest * _TOLERANCE]
    return min(near, key=lambda trial: trial["peak_bytes"])["settings"], trials


def _quarter(shape: Shape) -> Shape:
    return shape.scaled(max(2, shape.num_prompts // 4))


def _compete(
    setting: Setting,
    shape: Shape,
    search: Search,
    candidates: Sequence[Settings],
    trials: list[dict[str, Any]],
    patient: bool,
) -> dict[str, Any]:
    """The fastest candidate's trial. Raises WorkerError when none ran."""
    results: list[dict[str, Any]] = []
    for each in candidates:
        firsts = [result["warm_up_s"] for result in results if result["seconds"]]
        give_up_s = max(_NEVER_BELOW_S, _GIVE_UP * min(firsts, default=math.inf))
        if patient:
            give_up_s = math.inf
        results.append(_trial(setting, shape, search, each, trials, give_up_s))
        name = differences(each, search.defaults)
        print(f"    {search.side} {search.mode}, {name}: {_outcome(results[-1])}", flush=True)
    ran = [result for result in results if result["seconds"]]
    if not ran:
        raise WorkerError(f"{search.side}: no setting of an axis ran; see {setting.log}")
    return min(ran, key=lambda result: min(result["seconds"]))


def _trial(
    setting: Setting,
    shape: Shape,
    search: Search,
    settings: Settings,
    trials: list[dict[str, Any]],
    give_up_s: float,
) -> dict[str, Any]:
    """One process with these settings; a trial already made is not made again."""
    known = {"mode": search.mode, "prompts": shape.num_prompts, "settings": settings}
    for trial in trials:
        if all(trial[key] == value for key, value in known.items()):
            return trial
    trial = {**known, "seconds": [], "warm_up_s": None, "peak_bytes": 0, "error": ""}
    try:
        sides = {search.side: settings}
        samples = take_turns(setting, shape, search.mode, sides, _STEPS, 1, give_up_s)[search.side]
        trial["warm_up_s"] = samples.rows[0]["seconds"]
        trial |= {"seconds": samples.seconds(), "peak_bytes": samples.about["peak_bytes"]}
    except WorkerError as error:
        trial["error"] = str(error)
    trials.append(trial)
    return trial


def _outcome(trial: dict[str, Any]) -> str:
    if trial["error"]:
        return "did not run"
    if trial["seconds"]:
        return f"{min(trial['seconds']):.2f} s"
    return f"given up after {trial['warm_up_s']:.2f} s"
