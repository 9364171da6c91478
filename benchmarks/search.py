"""Each side's fastest settings on this machine, one axis after the other; everything tried is kept.

An axis is tried on top of the best of the axes before it. Among settings within 2% of the fastest the one
with the smaller peak of memory is taken. A setting whose first step, which is not timed, takes half as long
again as the best first step of its axis is given up. The same rules for both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.duel import Setting, WorkerError, take_turns
from benchmarks.settings import COMPLETIONS, KEEP_FREED_MEMORY, differences
from benchmarks.shapes import Shape

_TOLERANCE = 1.02
_STEPS = 1
"""Timed per trial, after one that is not."""
_GIVE_UP = 1.5


@dataclass(frozen=True, slots=True)
class Axis:
    """Values of one setting to try besides the one in force."""

    key: str
    values: tuple[Any, ...]
    whole: bool = False
    """Tried on the whole shape; else on a quarter of its prompts."""


def trl_axes(shape: Shape, device: str) -> list[Axis]:
    rows = shape.num_completions
    passes = tuple(str(rows // part) for part in (2, 4, 8, 16) if rows // part >= 2)
    axes = [
        Axis("completions", tuple(COMPLETIONS)),
        Axis("attn_implementation", ("eager",)),
        Axis("dataloader_num_workers", (1,)),
        Axis("rows_per_pass", passes, whole=True),
    ]
    if device == "cuda":
        return [Axis("weights", ("bfloat16",)), *axes]
    return [*axes, Axis("environment", (KEEP_FREED_MEMORY,), whole=True)]


def ponder_axes() -> list[Axis]:
    return [Axis("micro_batch_tokens", (8192, 4096, 2048), whole=True)]


def completion_axes() -> list[Axis]:
    """For `transformers` sampling alone."""
    return [
        Axis("completions", tuple(COMPLETIONS)),
        Axis("attn_implementation", ("eager",)),
        Axis("environment", (KEEP_FREED_MEMORY,)),
    ]


def find_fastest(
    setting: Setting, shape: Shape, side: str, mode: str, defaults: dict[str, Any], axes: Sequence[Axis]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the fastest settings, every trial: settings, prompts, seconds of each step, peak memory or error)."""
    best = dict(defaults)
    trials: list[dict[str, Any]] = []
    for axis in axes:
        tried = shape if axis.whole else shape.scaled(max(2, shape.num_prompts // 4))
        candidates = [
            best,
            *({**best, axis.key: value} for value in axis.values if best.get(axis.key) != value),
        ]
        results: list[dict[str, Any]] = []
        for each in candidates:
            firsts = [result["warm_up_s"] for result in results if result["seconds"]]
            give_up_s = _GIVE_UP * min(firsts, default=math.inf)
            results.append(_trial(setting, tried, side, mode, each, trials, give_up_s))
            print(f"    {side} {mode}, {differences(each, defaults)}: {_outcome(results[-1])}", flush=True)
        chosen = _choose(results)
        if chosen is None:
            raise WorkerError(f"{side}: no setting of the axis {axis.key!r} ran; see {setting.log}")
        best = candidates[chosen]
    return best, trials


def _choose(results: Sequence[dict[str, Any]]) -> int | None:
    """The place of the result to go on with."""
    ran = [index for index, result in enumerate(results) if result["seconds"]]
    if not ran:
        return None
    times = {index: min(results[index]["seconds"]) for index in ran}
    fastest = min(times.values())
    near = [index for index in ran if times[index] <= fastest * _TOLERANCE]
    return min(near, key=lambda index: (results[index]["peak_bytes"], times[index]))


def _trial(
    setting: Setting,
    shape: Shape,
    side: str,
    mode: str,
    settings: dict[str, Any],
    trials: list[dict[str, Any]],
    give_up_s: float,
) -> dict[str, Any]:
    """One process with these settings; a trial already made is not made again."""
    known = {"mode": mode, "prompts": shape.num_prompts, "settings": settings}
    for trial in trials:
        if all(trial[key] == value for key, value in known.items()):
            return trial
    trial = {**known, "seconds": [], "warm_up_s": None, "peak_bytes": 0, "error": ""}
    try:
        samples = take_turns(setting, shape, mode, {side: settings}, _STEPS, 1, give_up_s)[side]
        trial["warm_up_s"] = samples.rows[0]["seconds"]
        trial |= {"seconds": samples.seconds(), "peak_bytes": samples.about["peak_bytes"]}
    except WorkerError as error:
        trial["error"] = str(error)
    trials.append(trial)
    return trial


def _outcome(trial: dict[str, Any]) -> str:
    if trial["error"]:
        return "did not run"
    return (
        f"{min(trial['seconds']):.2f} s" if trial["seconds"] else f"given up after {trial['warm_up_s']:.2f} s"
    )
