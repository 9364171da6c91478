"""verl's convention: one call per completion, or one per group with plural names.

    compute_score(data_source, solution_str, ground_truth, extra_info=None) -> float | {"score": float, ...}
    compute_score(data_sources, solution_strs, ground_truths, extra_infos) -> list of those

Further keys of a returned dictionary are kept as extra columns. As in verl's naive and batch reward
managers, but that a function which raises earns no 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ponder.rewards.user_call import Callee, Convention, UserCall, awaited, call_each


def _data_source(call: UserCall) -> Any:
    return call.problem.meta.get("data_source", call.problem.task)


def _ground_truth(call: UserCall) -> Any:
    """The row's own `reward_model.ground_truth` or `ground_truth`, else the problem's reference."""
    nested = call.problem.meta.get("reward_model")
    if isinstance(nested, Mapping) and "ground_truth" in nested:
        return nested["ground_truth"]
    return call.problem.meta.get("ground_truth", call.problem.reference)


def _extra_info(call: UserCall) -> dict[str, Any]:
    """The row's own `extra_info`, else all its further columns."""
    own = call.problem.meta.get("extra_info")
    return dict(own if isinstance(own, Mapping) else call.problem.meta)


def _scores(returned: Any, call: UserCall) -> Any:
    """The numbers; what else a dictionary holds is logged. What is neither is left for the check."""
    if isinstance(returned, str | bytes | Mapping) or not isinstance(returned, Iterable):
        return returned
    values = list(returned)
    keys = dict.fromkeys(key for value in values if isinstance(value, Mapping) for key in value)
    for key in keys:
        if key != "score" and len(values) == len(call.texts):
            call.log_extra(
                str(key), [value.get(key) if isinstance(value, Mapping) else None for value in values]
            )
    return [value["score"] if isinstance(value, Mapping) and "score" in value else value for value in values]


def _call_each(callee: Callee, call: UserCall) -> Any:
    offered = [
        {
            "data_source": _data_source(call),
            "solution_str": text,
            "ground_truth": _ground_truth(call),
            "extra_info": _extra_info(call),
        }
        for text in call.texts
    ]
    return _scores(call_each(callee, offered), call)


def _call_batch(callee: Callee, call: UserCall) -> Any:
    returned = callee(
        data_sources=[_data_source(call) for _ in call.texts],
        solution_strs=list(call.texts),
        ground_truths=[_ground_truth(call) for _ in call.texts],
        extra_infos=[_extra_info(call) for _ in call.texts],
    )
    return _scores(awaited(returned), call)


VERL = Convention(
    "verl: compute_score(data_source, solution_str, ground_truth, extra_info) -> number or dict with score",
    _call_each,
    lambda callee: "solution_str" in callee.free_names,
    allows_none=False,
)
VERL_BATCH = Convention(
    "verl: compute_score(data_sources, solution_strs, ground_truths, extra_infos) -> list of those",
    _call_batch,
    lambda callee: "solution_strs" in callee.free_names,
    allows_none=False,
)
